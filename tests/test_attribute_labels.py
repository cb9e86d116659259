"""Which examples of labels are explained, and the motifs and labels that go with attributions."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from label_world import make_labels, small_config
from site_world import WORDS, SiteWorld, backwards

from kmerengine import InputError, schemas
from modelkit.cli import main
from modelkit.interpretation.attribution.attribute import attribute
from modelkit.interpretation.attribution.attributions import Attributions, write_attributions
from modelkit.interpretation.methods.explain import explain
from modelkit.interpretation.methods.explained import Explained
from modelkit.interpretation.methods.options import AttributionOptions
from modelkit.tasks.readouts import LogitReadout
from modelkit.training.train import train

pytestmark = pytest.mark.usefixtures("one_thread")

WIDTH = 60
OPTIONS = ["training.batch_size=16", "training.epochs=3", "data.unknown=0.25",
           "data.both_strands=true"]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return SiteWorld(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def data(world):
    return world.data("data", width=WIDTH, label="MYB", margin=3)


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return {
        core: train(small_config(*OPTIONS, f"data.core={core}"), data, folder / core)
        for core in ("kept", "blocked")
    }


def letters(world, data, *, blocked=False):
    """Of each example, from the genome; N where its motif is blocked."""
    texts = []
    for row, (first, stop) in zip(data.regions.to_pylist(), data.cores.tolist(), strict=True):
        text = world.genome[row["chrom"]][row["start"] : row["end"]].upper()
        word = text[first:stop]
        assert (word if row["strand"] == "+" else backwards(word)) in WORDS
        texts.append(text[:first] + "N" * len(word) + text[stop:] if blocked else text)
    return texts


def inputs(texts):
    return torch.tensor(
        [[[0.25 if x == "N" else float(x == b) for x in text] for b in "ACGT"] for text in texts]
    )


def probabilities(run, texts):
    with torch.no_grad():
        return run.network(torch.device("cpu")).eval()(inputs(texts)).double().sigmoid().numpy()


@pytest.mark.parametrize("core", ["kept", "blocked"])
def test_examples_are_those_with_the_label_that_the_model_is_sure_of(
    world, data, runs, tmp_path, core
):
    texts = letters(world, data, blocked=core == "blocked")
    p = probabilities(runs[core], texts)[:, 0]
    rows = [row for row in data.split("train").tolist() if data.labels[row, 0] == 1]
    least = float(np.median(p[rows])) + 1e-6
    found = attribute(
        runs[core], data, tmp_path / "a", method="saliency", split="train", labelled="MYB",
        at_least=least, batch_size=7,
    )  # fmt: skip
    kept = [row for row in rows if p[row] >= least]
    assert 3 < len(kept) < len(rows)
    assert found.rows.tolist() == kept
    assert found.provenance["skipped"] == {
        "not MYB": len(data.split("train")) - len(rows),
        f"probability of MYB below {least:g}": len(rows) - len(kept),
    }
    assert found.provenance["parameters"]["at_least"] == least
    np.testing.assert_allclose(1 / (1 + np.exp(-found.prediction[:, 0])), p[kept], atol=1e-5)
    assert found.labels.tolist() == [[1]] * len(kept)
    assert found.label_names == ("MYB",)
    alone = attribute(runs[core], data, tmp_path / "b", method="saliency", split="train",
                      labelled="MYB")  # fmt: skip
    assert alone.rows.tolist() == rows
    every = attribute(runs[core], data, tmp_path / "c", method="saliency", split="train",
                      at_least=0.0)  # fmt: skip
    assert every.rows.tolist() == data.split("train").tolist()
    assert every.provenance["skipped"] == {}
    assert every.labels.tolist() == data.labels[data.split("train")].tolist()


@pytest.mark.parametrize("method", ["deepshap", "ig", "gradcam", "ism", "saliency"])
def test_a_blocked_motif_is_not_shown_and_has_no_score(world, data, runs, tmp_path, method):
    rows = data.split("test")[:5]
    texts = [letters(world, data, blocked=True)[row] for row in rows]
    found = attribute(
        runs["blocked"], data, tmp_path / "a", method=method, rows=rows, n_references=3,
        steps=100, seed=2,
    )  # fmt: skip
    for codes, text in zip(found.sequence.tolist(), texts, strict=True):
        assert "".join("ACGTN"[min(code, 4)] for code in codes) == text
    assert np.array_equal(found.cores, data.cores[rows])
    weights = torch.ones(1, 1)
    explained = Explained(runs["blocked"].network(torch.device("cpu")), LogitReadout(), weights)
    options = AttributionOptions(method=method, n_references=3, steps=100, seed=2)
    expected = explain(explained, inputs(texts), options, rows)
    np.testing.assert_allclose(found.hypothetical, expected.hypothetical.numpy(), atol=1e-6)
    scores = found.contributions()[:, 0]
    for score, (first, stop), text in zip(scores, found.cores.tolist(), texts, strict=True):
        assert not score[first:stop].any()
        assert text[first:stop] == "N" * (stop - first)
    assert np.abs(scores).max() > 0
    if method == "deepshap":
        assert np.abs(found.delta).max() < 1e-4 * found.spread.max()
    if method == "ig":  # what is unknown stays so in the reference: known bases make up the whole
        x = inputs(texts)
        zeros = torch.where(x == 0.25, 0.25, 0.0)
        with torch.no_grad():
            network = runs["blocked"].network(torch.device("cpu")).eval()
            apart = (network(x) - network(zeros)).numpy()[:, 0]
        np.testing.assert_allclose(scores.sum(1) - apart, found.delta[:, 0], atol=1e-5)
        np.testing.assert_allclose(np.abs(apart), found.spread[:, 0], atol=1e-5)


def test_attributions_are_of_one_strand_and_keep_what_is_known(world, data, runs, tmp_path):
    found = attribute(runs["kept"], data, tmp_path / "a", method="saliency", split="all")
    texts = letters(world, data)
    assert len(found) == len(data)
    assert found.rows.tolist() == list(range(len(data)))
    p = probabilities(runs["kept"], texts)[:, 0]
    np.testing.assert_allclose(1 / (1 + np.exp(-found.prediction[:, 0])), p, atol=1e-5)
    assert np.array_equal(found.cores, data.cores)
    assert np.array_equal(found.labels, data.labels)
    table = pq.read_table(tmp_path / "a" / "regions.parquet")
    assert table["core_start"].to_pylist() == data.cores[:, 0].tolist()
    assert table["core_end"].to_pylist() == data.cores[:, 1].tolist()
    assert table["labels"].to_pylist() == data.labels.tolist()
    assert table["strand"].to_pylist() == data.regions["strand"].to_pylist()


def test_motifs_lie_where_the_sequence_has_them(data, tmp_path):
    """`cores` are of the sequence, core_start and core_end of the region."""
    table = data.regions.slice(0, 4)
    for name, side in zip(("core_start", "core_end"), data.cores[:4].T, strict=True):
        table = table.append_column(pa.field(name, pa.int32(), nullable=False),
                                    pa.array(side, pa.int32()))  # fmt: skip
    starts = table["start"].to_numpy() + 5
    codes = np.array(data.sequence[:4, 5:])
    scores = np.zeros((4, 1, 4, codes.shape[1]), np.float32)
    given = {"targets": ["x"], "method": "ism", "head": "logit", "starts": starts}
    made = write_attributions(tmp_path / "a", table, codes, scores, **given)
    assert np.array_equal(made.cores, data.cores[:4] - 5)
    assert made.labels is None
    for (first, stop), (low, high), row in zip(made.cores, data.cores, range(4), strict=False):
        assert np.array_equal(made.sequence[row, first:stop], data.sequence[row, low:high])
    with pytest.raises(InputError, match="found 1 names of labels and regions without labels"):
        write_attributions(tmp_path / "b", table, codes, scores, label_names=["x"], **given)
    field = schemas.dataset_schema(labels=True).field("labels")
    marked = table.append_column(field, pa.array([[1], [0], [0], [1]], field.type))
    with pytest.raises(InputError, match="found 0 names of labels and regions with labels"):
        write_attributions(tmp_path / "b", marked, codes, scores, **given)
    made = write_attributions(tmp_path / "b", marked, codes, scores, label_names=["x"], **given)
    assert made.labels.tolist() == [[1], [0], [0], [1]]


def test_attributions_of_before_open(data, runs, tmp_path):
    found = attribute(runs["kept"], data, tmp_path / "a", method="saliency")
    folder, predicted = tmp_path / "a", found.prediction
    about = {k: v for k, v in found.provenance.items() if k not in ("cores", "labels", "skipped")}
    names = schemas.attributions_schema().names
    assert names == schemas.attributions_schema(cores=True, labels=True).names[: len(names)]
    table = pq.read_table(folder / "regions.parquet").select(names).replace_schema_metadata(None)
    pq.write_table(table.cast(schemas.with_metadata(schemas.attributions_schema(), about)),
                   folder / "regions.parquet")  # fmt: skip
    (folder / "attributions.json").write_text(schemas.as_text(about) + "\n")
    opened = Attributions.open(folder)
    assert (opened.cores, opened.labels, opened.label_names) == (None, None, ())
    assert np.array_equal(opened.prediction, predicted)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A run of three labels, without motifs."""
    folder = tmp_path_factory.mktemp("many")
    labelled = make_labels(folder)
    return labelled, train(small_config("training.epochs=0"), labelled, folder / "run")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labelled": "ctcf"}, "labelled: found 'ctcf', but .* has the labels gata, tal, sp1;"),
        ({"at_least": 0.5}, "at_least: found 3 targets of 3 tasks in all, expected one target"),
        ({"at_least": 0.5, "targets": ["both=gata,tal"]}, "found 1 targets of 2 tasks in all"),
        ({"at_least": 1.5, "targets": ["tal"]}, r"at_least: found 1\.5, expected a probability"),
        ({"at_least": float("nan"), "targets": ["tal"]}, "at_least: found nan"),
        ({"at_least": 1.0, "targets": ["tal"]}, r"no probability of tal above 0\.\d+ in 75 exam"),
    ],
)
def test_choices_that_cannot_be_are_refused(many, tmp_path, options, message):
    data, run = many
    with pytest.raises(InputError, match=message):
        attribute(run, data, tmp_path / "a", method="saliency", **options)
    assert not list(tmp_path.iterdir())


def test_one_label_of_several_is_chosen(many, tmp_path):
    data, run = many
    found = attribute(run, data, tmp_path / "a", method="saliency", labelled="tal",
                      targets=["sp1"], at_least=0.1)  # fmt: skip
    rows = [row for row in data.split("test").tolist() if data.labels[row, 1] == 1]
    assert found.rows.tolist() == rows
    assert found.cores is None
    assert np.array_equal(found.labels, data.labels[rows])


def test_models_of_cuts_have_no_labels(tmp_path):
    from attribute_world import make_data, make_files, make_run

    data = make_data(make_files(tmp_path), tmp_path / "d")
    run = make_run(tmp_path / "run", data)
    with pytest.raises(InputError, match=r"at_least: found with .* predicts no labels"):
        attribute(run, data, tmp_path / "a", targets=["B"], at_least=0.5)
    with pytest.raises(InputError, match=r"labelled: found 'B', but .* has no labels"):
        attribute(run, data, tmp_path / "a", labelled="B")


def test_the_command_says_what_is_left_out(data, runs, tmp_path):
    words = ["attribute", str(runs["kept"].path), "--data", str(data.path), "-o",
             str(tmp_path / "a"), "--method", "saliency", "--labelled", "MYB",
             "--at-least", "0.05"]  # fmt: skip
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    rows = data.split("test")
    n = int((data.labels[rows, 0] == 0).sum())
    assert f"left out {n:,} of the sequences: not MYB" in done.stderr
    assert Attributions.open(tmp_path / "a").labels.all()
    done = CliRunner().invoke(main, [*words[:-1], "1", "--force"])
    assert done.exit_code == 1
    assert "at_least: found no probability of MYB above" in done.stderr
    assert done.stderr.strip().count("\n") == 1  # the device, and the error
