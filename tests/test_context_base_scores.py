"""One score for each base, of attributions."""

from pathlib import Path

import numpy as np
import pytest
from context_world import attributions_of

from kmerengine import InputError
from modelkit.interpretation.context import base_scores as module
from modelkit.interpretation.context.base_scores import base_scores

SEQUENCES = ["ACGT", "NCGA", "TTTT"]
SCORES = [[1.0, -2.0, 4.0, 1.0], [7.0, 0.5, -0.25, 0.25], [0.0, 0.0, 0.0, 0.0]]


def test_grad_cam_is_divided_by_what_the_known_bases_have(tmp_path: Path) -> None:
    made = attributions_of(tmp_path / "a", SEQUENCES, SCORES)
    # the first base of the second is unknown: its score of 7 is of no base, and is not in the sum
    expected = [[0.125, -0.25, 0.5, 0.125], [0, 0.5, -0.25, 0.25], [np.nan] * 4]
    found = base_scores(made)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(base_scores(tmp_path / "a", "bound"), expected)


def test_scores_of_other_methods_stay_as_they_are(tmp_path: Path) -> None:
    made = attributions_of(tmp_path / "a", SEQUENCES, SCORES, method="saliency")
    expected = [[1, -2, 4, 1], [0, 0.5, -0.25, 0.25], [np.nan] * 4]
    np.testing.assert_array_equal(base_scores(made), expected)


def test_a_target_by_number_or_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 1)  # a row at a time
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(3, 2, 4))
    made = attributions_of(
        tmp_path / "a", ["ACGT", "GGCA", "CATG"], scores, targets=["CTCF", "SP1"], method="ism"
    )
    for number, name in enumerate(made.targets):
        expected = scores[:, number].astype(np.float32).astype(np.float64)
        np.testing.assert_array_equal(base_scores(made, number), expected)
        np.testing.assert_array_equal(base_scores(made, name), expected)
    for wrong in (2, -1, "CTC"):
        with pytest.raises(InputError, match="target"):
            base_scores(made, wrong)


def test_a_sequence_with_a_score_that_is_no_number_is_a_row_of_nan(tmp_path: Path) -> None:
    scores = np.ones((3, 4))
    scores[0, 1], scores[1, 2] = np.nan, np.inf
    made = attributions_of(tmp_path / "a", ["ACGT"] * 3, scores)
    np.testing.assert_array_equal(base_scores(made), [[np.nan] * 4] * 2 + [[0.25] * 4])
