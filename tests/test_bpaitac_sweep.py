"""The simulated experiment of bpAI-TAC: what its three data sets share, and what its rows say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bench import bpaitac_data, bpaitac_figure, bpaitac_sweep
from bench.bpaitac_data import Counts, Experiment
from bench.bpaitac_sweep import CELLS, LINEAGES, SINGLE, Training
from bench.harness import append_rows, read_rows
from kmerengine import Dataset
from kmerengine.simulators.atac_genome import FIRST_COFACTOR, FIRST_TF, WIDTHS, Contig
from kmerengine.simulators.atac_rates import CellType, tn5_bias
from modelkit.metrics import pearson

SMALL = Experiment(n_contigs=4, peaks_per_contig=20, n_lineages=3, input_width=400)


class Drawn:
    """An experiment of so many cuts that rates show."""

    def __init__(self, **changes: Any) -> None:
        self.experiment = Experiment(
            n_contigs=2, peaks_per_contig=60, n_lineages=3, strength=0.3, noise=0.0, depth=20_000.0,
            gain=2.0, **changes,
        )  # fmt: skip
        rng = np.random.default_rng(3)
        self.contigs: list[Contig] = bpaitac_data.genome(self.experiment, rng)
        strength = [np.exp(rng.normal(0, 0.3, len(c.summits))) for c in self.contigs]
        self.bias = [tn5_bias(contig.codes, self.experiment.bias) for contig in self.contigs]
        self.cells: list[CellType] = bpaitac_data.cell_types(self.experiment, rng)
        self.counts: Counts = bpaitac_data.draw(
            self.contigs, strength, self.bias, self.cells, self.experiment, rng
        )


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return Drawn()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bpaitac")
    bpaitac_data.make(folder, SMALL, 5)
    return folder


def test_totals_are_the_same_in_all_sets(drawn: Drawn) -> None:
    a, b, c, d = (getattr(drawn.counts, name).sum(axis=2) for name in "ABCD")
    assert np.array_equal(a, b)
    assert np.array_equal(a, c)
    assert np.array_equal(a, d)
    assert abs(a / drawn.counts.rates - 1).max() < 0.5  # of thousands of cuts


def test_c_has_the_positions_of_a_in_another_order_by_region(drawn: Drawn) -> None:
    a, c = drawn.counts.A, drawn.counts.C
    orders = set()
    for row in range(len(a)):
        columns = sorted(map(tuple, a[row].T.tolist()))
        assert sorted(map(tuple, c[row].T.tolist())) == columns  # all cell types move together
        orders.add(tuple(np.argsort(c[row].sum(axis=0)).tolist()))
        assert not np.array_equal(a[row], c[row])
    assert len(orders) == len(a)


def dips(drawn: Drawn, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Cuts on bound motifs over those of D, by factor and cell type."""
    found = np.full((FIRST_COFACTOR, len(drawn.cells)), np.nan)
    on = np.zeros((FIRST_COFACTOR, len(drawn.cells)))
    beside = on.copy()
    first = 0
    for contig in drawn.contigs:
        sites = contig.sites
        for start, motif, bound, peak in zip(
            sites.start, sites.motif, sites.bound, sites.peak, strict=True
        ):
            low = start - (contig.summits[peak] - 125)
            high = low + WIDTHS[motif]
            if bound and motif < FIRST_COFACTOR and low >= 0 and high <= 250:
                on[motif] += counts[first + peak, :, low:high].sum(axis=1)
                beside[motif] += drawn.counts.D[first + peak, :, low:high].sum(axis=1)
        first += len(contig.summits)
    np.divide(on, beside, out=found, where=beside > 0)
    return found


def test_b_follows_the_bias_alone(drawn: Drawn) -> None:
    bias = np.concatenate(
        [
            np.exp(track[contig.summits[:, None] + np.arange(-125, 125)])
            for contig, track in zip(drawn.contigs, drawn.bias, strict=True)
        ]
    )
    expected = bias / bias.sum(axis=1, keepdims=True)
    found = drawn.counts.B.sum(axis=1)
    n = found.sum(axis=1, keepdims=True)
    z = (found - n * expected) / np.sqrt(n * expected * (1 - expected))
    assert abs(z.std() - 1) < 0.02  # what chance leaves, nothing more
    shape = drawn.counts.D.sum(axis=(0, 1))
    assert shape[100:150].sum() > 1.5 * shape[:50].sum()  # D has the peak's


def test_footprints_of_a_follow_activity_and_d_has_none(drawn: Drawn) -> None:
    activity = np.array([cell.activity[:FIRST_COFACTOR] for cell in drawn.cells]).T
    depth = 1 - dips(drawn, drawn.counts.A)
    # a neighbour's shoulder may lie on a motif, so no equality
    assert np.corrcoef(depth.ravel(), activity.ravel())[0, 1] > 0.97
    assert abs(depth - drawn.experiment.footprint * activity).max() < 0.15
    assert depth[activity > 0.9].min() > 0.6
    assert abs(1 - dips(drawn, drawn.counts.C)).max() > 0.1  # C's dips lie elsewhere


def test_totals_follow_the_activity_of_bound_factors(drawn: Drawn) -> None:
    """Of two peaks with one pioneer the one with a bound factor gains where it is active."""
    logs = np.log(drawn.counts.rates)
    pioneer = np.concatenate([contig.pioneer for contig in drawn.contigs])
    helped = np.zeros(len(pioneer), bool)
    motif, first = FIRST_TF, 0
    for contig in drawn.contigs:
        part = contig.sites.bound & (contig.sites.motif == motif)
        helped[first + contig.sites.peak[part]] = True
        first += len(contig.summits)
    activity = np.array([cell.activity[motif] for cell in drawn.cells])
    slopes = []
    for kind in range(FIRST_TF):
        with_it, without = helped & (pioneer == kind), ~helped & (pioneer == kind)
        gain = logs[with_it].mean(axis=0) - logs[without].mean(axis=0)
        slopes.append(np.corrcoef(gain, activity)[0, 1])
    assert np.mean(slopes) > 0.7


def test_data_sets_on_disk_are_what_was_drawn(made: Path) -> None:
    rates = np.load(made / "truth.npz")["rates"]
    a, b, c, d = (Dataset.open(made / name) for name in bpaitac_data.SETS)
    assert a.samples == tuple(SMALL.samples)
    assert rates.shape == (80, 6)
    for each in (a, b, c, d):
        assert each.counts is not None
        assert each.totals is not None
        assert np.array_equal(each.totals, each.counts.sum(axis=2))
        assert np.array_equal(each.totals, a.totals)
        assert [len(each.split(name)) for name in ("train", "validation", "test")] == [40, 20, 20]
        assert each.spans["sequence"] == (-75, 325)
    assert not np.array_equal(a.counts, b.counts)
    logs = np.log1p(a.totals), np.log1p(rates)
    assert np.corrcoef(logs[0].ravel(), logs[1].ravel())[0, 1] > 0.7  # rows belong together
    rolled = np.roll(logs[1], 1, axis=0)
    assert np.corrcoef(logs[0].ravel(), rolled.ravel())[0, 1] < 0.5


def test_bias_lies_where_the_sequence_does(made: Path) -> None:
    """The bias of each base is that of the 11 bases around it in the data set's sequence."""
    a = Dataset.open(made / "A")
    assert a.bias is not None
    raw = np.array([tn5_bias(row, SMALL.bias)[75:325] for row in a.sequence])
    offset = a.bias - raw  # what the mean over the contig, or the region, takes off
    assert np.ptp(offset, axis=1).max() < 1e-4


def test_counts_lie_where_the_bias_does(made: Path) -> None:
    """B's cuts follow Tn5's preference at their own base, not at the next."""
    b = Dataset.open(made / "B")
    assert b.counts is not None
    assert b.bias is not None
    cuts, preference = b.counts.sum(axis=1), np.exp(b.bias)
    at = [
        pearson(cuts[:, 2:-2], preference[:, 2 + shift : 248 + shift]).mean()
        for shift in (-2, -1, 0, 1, 2)
    ]
    assert np.argmax(at) == 2
    assert at[2] > 0.4


def test_the_same_seed_gives_the_same_data(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    bpaitac_data.make(folder, SMALL, 5)
    for name in bpaitac_data.SETS:
        one, other = Dataset.open(made / name), Dataset.open(folder / name)
        assert np.array_equal(one.counts, other.counts)
        assert np.array_equal(one.sequence, other.sequence)
    before = (folder / "truth.npz").stat().st_mtime_ns
    bpaitac_data.make(folder, SMALL, 5)  # nothing: it is there
    assert (folder / "truth.npz").stat().st_mtime_ns == before
    bpaitac_data.make(folder, replace(SMALL, noise=0.1), 5)
    assert not np.array_equal(Dataset.open(folder / "A").totals, other.totals)


def test_facts_of_a_table_counted_by_hand(made: Path) -> None:
    found = bpaitac_data.facts(made)
    totals = Dataset.open(made / "A").totals
    assert totals is not None
    rows = [np.std([np.log(1 + n) for n in row]) for row in totals.tolist()]
    assert found["sd_log1p"] == pytest.approx(np.mean(rows))
    assert found["zeros"] == pytest.approx(sum(n == 0 for n in totals.ravel()) / totals.size)
    assert found["median_total"] == np.median([np.median(column) for column in totals.T])


def test_each_training_once_and_the_most_important_first() -> None:
    wanted = bpaitac_sweep.trainings(5, 3)
    assert len(wanted) == len(set(wanted)) == 45 + 3 * 11 + 3 * 2 + 3 * 2
    first = [(t.data, t.loss, t.lambda_) for t in wanted[:5]]
    assert first == [("A", "cross-entropy", 0.0), *((data, "mnll", 0.5) for data in "ABCD")]
    assert {t.loss for t in wanted[25:45]} == {"cross-entropy"}
    assert {t.seed for t in wanted[:45]} == {11, 12, 13, 14, 15}
    assert len({(t.name, t.seed) for t in wanted}) == len(wanted)  # no folder is shared


def row_of(training: Training, rate: float, **changes: Any) -> dict[str, Any]:
    return {
        **vars(training),
        "rate": rate,
        "counts": rate - 0.1,
        "mean_rate": 0.1,
        "mean_counts": 0.1,
        "lineages_rate": rate,
        "lineages_counts": rate,
        "settings": bpaitac_sweep.settings(),
        "seconds": 1.0,
        "n_constant": 0,
        "data_facts": {"zeros": 0.1},
        "machine": {"cpu": "none"},
        "versions": {"torch": "0"},
        "commit": "0" * 40,
        **changes,
    }


def test_rows_of_other_settings_are_not_done(tmp_path: Path) -> None:
    one, other = Training(seed=0), Training(seed=1)
    path = tmp_path / "rows.json"
    append_rows(path, [row_of(one, 0.3), row_of(other, 0.5, settings={"config": {}})])
    append_rows(path, [row_of(one, 0.4)])
    found = bpaitac_sweep.done(read_rows(path))  # settings as JSON has them
    assert list(found) == [one]
    assert found[one]["rate"] == 0.4


def test_gains_are_of_pairs() -> None:
    rates = {("A", 0.0): (0.1, 0.2, 0.7), ("A", 0.5): (0.3, 0.3), ("B", 0.5): (0.15, 0.25)}
    rows = {
        Training(data=data, lambda_=weight, seed=seed): row_of(
            Training(data=data, lambda_=weight, seed=seed), rate
        )
        for (data, weight), by_seed in rates.items()
        for seed, rate in enumerate(by_seed)
    }
    beside = ("cross-entropy", 0.5)
    assert bpaitac_figure.gains(rows, "A", "rate", beside) == pytest.approx([0.2, 0.1])
    assert bpaitac_figure.gains(rows, "C", "rate", beside).shape == (0,)
    text = bpaitac_figure.tables(rows)
    assert "| cross-entropy | A | expected totals | 0.300 ± 0.000 | 0.150 ± 0.071 | +0.150" in text
    assert "| +0.050 (+0.050 to +0.050) | 0.33 | 2 |" in text
    assert bpaitac_figure.interval(np.array([0.1, 0.2])) == pytest.approx(
        (0.15, 0.15 - 12.7062 * 0.05, 0.15 + 12.7062 * 0.05), rel=1e-4
    )


def test_the_figure_is_drawn_from_what_there_is(tmp_path: Path) -> None:
    rows = {
        training: row_of(training, 0.1 * (training.seed - 10) + 0.2)
        for training in bpaitac_sweep.trainings(3, 2)
        if training.tasks != SINGLE or training.seed == 11
    }
    bpaitac_figure.draw(rows, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"
    text = bpaitac_figure.tables(rows)
    assert "| one of each lineage | 0.300 | 0.300 | 1 |" in text  # only the seed that all have
    assert "| poisson | 0.350 ± 0.071 | 0.250 ± 0.071 | 2 |" in text


def test_tables_go_between_the_markers() -> None:
    begin, end = bpaitac_figure.BEGIN, bpaitac_figure.END
    document = f"before\n{begin}\nold\n{end}\nafter\n"
    assert bpaitac_figure.put(document, "new") == f"before\n{begin}\nnew\n{end}\nafter\n"
    with pytest.raises(ValueError, match="needs the lines"):
        bpaitac_figure.put(f"{end} {begin}", "new")
    path = bpaitac_sweep.DOCUMENT
    assert bpaitac_figure.put(path.read_text(), "x").count(begin) == 1


def test_lineages_are_means_of_their_cell_types() -> None:
    experiment = bpaitac_sweep.EXPERIMENT
    values = np.arange(32.0).reshape(2, 16)
    found = bpaitac_sweep._by_lineage(values)
    of = {name: i for i, name in enumerate(experiment.samples)}
    for i, cells in enumerate(experiment.lineages.values()):
        assert found[:, i] == pytest.approx(values[:, [of[c] for c in cells]].mean(axis=1))


def test_a_training_is_scored_on_the_test_regions(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two epochs of a tiny network; the scores again from its files."""
    import modelkit

    (tmp_path / "seed-0").symlink_to(made)
    sizes = {**bpaitac_sweep.SIZES, "training": {"epochs": 1, "warm_up": 0, "batch_size": 20}}
    sizes["network"] = {"channels": 4, "blocks": 1, "stem_width": 5, "head_width": 5}
    monkeypatch.setattr(bpaitac_sweep, "SIZES", sizes)
    monkeypatch.setattr(bpaitac_sweep, "EXPERIMENT", SMALL)
    monkeypatch.setattr(bpaitac_sweep, "folder_of", lambda seed: tmp_path / f"seed-{seed}")
    row = bpaitac_sweep.run_training(Training(seed=0))
    dataset = Dataset.open(made / "A")
    found = modelkit.predict(
        made / Training(seed=0).name, dataset, tmp_path / "again", split="test", bigwig=False,
        device="cpu",
    )  # fmt: skip
    assert found.totals is not None
    assert dataset.totals is not None
    test = dataset.split("test")
    rates = np.load(made / "truth.npz")["rates"][test]
    assert row["n_regions"] == 20
    assert row["rate"] == pytest.approx(pearson(found.totals, rates).mean())
    assert row["counts"] == pytest.approx(pearson(found.totals, dataset.totals[test]).mean())
    assert (row["tasks"], row["n_constant"]) == (CELLS, 0)
    for tasks in (LINEAGES, SINGLE):
        other = bpaitac_sweep.run_training(Training(tasks=tasks, seed=0))
        assert "rate" not in other
        assert len(other["best_epoch"]) == (3 if tasks == SINGLE else 1)
