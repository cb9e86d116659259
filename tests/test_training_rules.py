"""When the learning rate drops and training ends, epoch by epoch."""

import json
from math import nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelkit.config import TrainingOptions
from modelkit.training.rules import Best, Rules, Verdict


def rules(metric: str = "r") -> Rules:
    return Rules(Best(metric, "max" if metric == "r" else "min"), Best("loss", "min"))


def run(
    options: TrainingOptions,
    train: list[float],
    loss: list[float] | None = None,
    selected: list[float] | None = None,
    metric: str = "r",
) -> list[Verdict]:
    """Verdicts over epochs, until one stops; by default validation goes on getting better."""
    state = rules(metric)
    n = len(train)
    loss = loss or [1 / (i + 1) for i in range(n)]
    selected = selected or [float(i) for i in range(n)]
    found = []
    for epoch in range(n):
        found.append(state.after(options, epoch, train[epoch], selected[epoch], loss[epoch]))
        if found[-1].stop:
            break
    return found


def dropped(verdicts: list[Verdict]) -> list[int]:
    return [i for i, each in enumerate(verdicts) if each.dropped]


@pytest.mark.parametrize(
    ("train", "at"),
    [
        ([10, 9, 8, 7], []),
        ([10, 9, 11, 7], []),  # by exactly 20 % of the first: not more
        ([10, 9, 11.01, 7], [2]),
        ([10, 2, 4.01, 7], [2, 3]),  # of the first loss, not of the last
        ([10, 8, 8.1, 8.2, 8.3, 8.4], [4]),  # three in a row, then counted anew
        ([10, 8, 8.1, 8.2, 8.3, 8.4, 8.5, 8.6], [4, 7]),
        ([10, 8, 8.1, 8.2, 8.2, 8.3, 8.4], []),  # the same is no rise
        ([-10, -12, -11, -9.1], []),  # a Poisson loss may be below 0
        ([-10, -12, -9.9], [2]),
    ],
)
def test_the_rate_drops_as_the_training_loss_rises(train: list[float], at: list[int]) -> None:
    options = TrainingOptions(drop="rises", drop_rise=0.2, drop_epochs=3)
    assert dropped(run(options, train)) == at


def test_the_rate_drops_on_a_plateau_counted_from_the_best_or_the_last_drop() -> None:
    options = TrainingOptions(drop="plateau", drop_epochs=3, learning_rate=1e-3)
    loss = [5.0, 4, 6, 6, 6, 6, 6, 6, 3.9, 7, 7, 7]
    assert dropped(run(options, [1.0] * len(loss), loss)) == [4, 7, 11]


def test_training_stops_when_the_rate_is_no_longer_above_a_limit() -> None:
    options = TrainingOptions(
        drop="plateau", drop_epochs=2, learning_rate=1e-3, stop_below=1e-5
    )
    loss = [1.0] + [2.0] * 20
    found = run(options, [1.0] * 21, loss)
    assert dropped(found) == [2, 4]  # 1e-3, 1e-4, 1e-5: two drops
    assert len(found) == 5
    assert "learning rate" in str(found[-1].stop)


def test_each_metric_counts_by_itself_and_both_must_be_exhausted() -> None:
    options = TrainingOptions(patience=3)
    loss = [1.0, 2, 2, 2, 2, 2, 2, 2, 2]
    selected = [0.1, 0.2, 0.3, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1]  # gets better until epoch 3
    found = run(options, [1.0] * 9, loss, selected)
    assert len(found) == 7  # epochs 4, 5, 6 bring neither
    assert found[-1].stop == "3 epochs without a better loss or r"


def test_the_loss_alone_where_it_selects() -> None:
    options = TrainingOptions(patience=2)
    found = run(options, [1.0] * 5, [3.0, 2, 4, 4, 4], [9.0] * 5, metric="loss")
    assert [each.best["loss"] for each in found] == [True, True, False, False]
    assert found[-1].stop == "2 epochs without a better loss"


def test_what_is_no_number_is_never_best() -> None:
    best = Best("r", "max")
    assert [best.see(value, i) for i, value in enumerate([nan, 0.1, nan, 0.2])] == [
        False,
        True,
        False,
        True,
    ]
    assert (best.value, best.epoch) == (0.2, 3)


def test_warnings_do_not_stop_without_patience() -> None:
    assert all(each.stop is None for each in run(TrainingOptions(), [1.0] * 50, [1.0] * 50))


@settings(deadline=None, max_examples=50)
@given(
    values=st.lists(st.tuples(*[st.sampled_from([1.0, 2.0, 3.0, 4.5])] * 3), min_size=2),
    cut=st.integers(0, 10),
    drop=st.sampled_from(["none", "rises", "plateau"]),
    metric=st.sampled_from(["r", "loss"]),
)
def test_rules_that_were_saved_go_on_the_same(
    values: list[tuple[float, float, float]], cut: int, drop: str, metric: str
) -> None:
    options = TrainingOptions.model_validate({"drop": drop, "drop_epochs": 2, "patience": 3})
    whole, again = rules(metric), rules(metric)
    for epoch, (train, selected, loss) in enumerate(values):
        if epoch == cut % len(values):
            again = Rules.restored(json.loads(json.dumps(again.state())))
        expected = whole.after(options, epoch, train, selected, loss)
        assert again.after(options, epoch, train, selected, loss) == expected
    assert again.state() == whole.state()
