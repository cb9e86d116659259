"""Blocked motifs, both strands and N as 0.25: batches against strings, and models that see them."""

import itertools
from functools import cache

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from label_world import make_labels, small_config
from site_world import WORDS, SiteWorld, backwards
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score

from kmerengine import InputError
from modelkit.config_files import read_config
from modelkit.data import Loader
from modelkit.data.draws import Purpose, draw, order
from modelkit.inference.evaluate import evaluate
from modelkit.inference.predict import predict
from modelkit.registry import MODELS
from modelkit.training.train import train

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
MARGIN, WIDTH = 6, 60


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return SiteWorld(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def data(world):
    return world.data("data", width=WIDTH, margin=MARGIN)


def one_hot(text, unknown):
    return [[unknown if x == "N" else float(x == base) for x in text] for base in "ACGT"]


@cache
def regions_of(data):
    return data.regions.to_pylist()


def window(world, data, row, *, moved=0, reverse=False, blocked=False):
    """An example as letters: the genome's, N where its motif is blocked."""
    region = regions_of(data)[row]
    start = region["start"] + moved
    text = list(world.genome[region["chrom"]][start : start + WIDTH].upper())
    if blocked:
        site = next(
            each for each in world.sites
            if each[0] == region["chrom"] and each[3] == region["strand"]
            and each[1] - region["start"] == (WIDTH - (each[2] - each[1])) // 2
        )  # fmt: skip
        for at in range(site[1], site[2]):
            text[at - start] = "N"
    return backwards("".join(text)) if reverse else "".join(text)


def kept(loader, epoch=0, first=0):
    return [
        [None if each is None else each.clone() for each in batch]
        for batch in loader.batches(epoch, first)
    ]


def joined(batches):
    return [None if each[0] is None else torch.cat(each) for each in zip(*batches, strict=True)]


def same(one, two):
    return len(one) == len(two) and all(
        (a is None and b is None) or torch.equal(a, b)
        for x, y in zip(one, two, strict=True)
        for a, b in zip(x, y, strict=True)
    )


@pytest.mark.parametrize("core", ["kept", "blocked"])
@pytest.mark.parametrize("unknown", [0.0, 0.25])
def test_both_strands_of_each_example_one_after_the_other(world, data, core, unknown):
    loader = Loader(
        data, batch_size=7, shuffle=False, drop_last=False, both_strands=True, core=core,
        unknown=unknown,
    )  # fmt: skip
    sequence, *_, labels, rows = joined(kept(loader))
    n = len(data)
    assert (loader.n_examples, len(loader)) == (2 * n, -(-2 * n // 7))
    assert rows.tolist() == [row for row in range(n) for _ in range(2)]
    assert labels.tolist() == data.labels.repeat(2, 0).tolist()
    lengths = set()
    for place in range(2 * n):
        row, reverse = divmod(place, 2)
        text = window(world, data, row, reverse=bool(reverse), blocked=core == "blocked")
        assert sequence[place].tolist() == one_hot(text, unknown)
        if core == "blocked":
            whole = window(world, data, row)
            start, end = data.cores[row].tolist()
            strand = regions_of(data)[row]["strand"]
            word = whole[start:end]
            assert (word if strand == "+" else backwards(word)) in WORDS
            forward = backwards(text) if reverse else text
            assert forward[start:end] == "N" * len(word)
            assert forward[:start] + word + forward[end:] == whole
            lengths.add((strand, len(word)))
    assert len(lengths) == (4 if core == "blocked" else 0)


def test_the_motif_follows_jitter_and_strand(world, data):
    loader = Loader(
        data, batch_size=8, seed=3, jitter=MARGIN, core="blocked", both_strands=True,
        unknown=0.25, drop_last=False,
    )  # fmt: skip
    seen, orders = set(), set()
    for epoch in range(3):
        sequence, *_, rows = joined(kept(loader, epoch))
        at = order(3, epoch, Purpose.ORDER, 2 * len(data))
        assert rows.tolist() == (at // 2).tolist()
        moves = draw(3, epoch, Purpose.JITTER, np.arange(len(at))) % np.uint64(2 * MARGIN + 1)
        for i, row in enumerate(rows.tolist()):
            moved, reverse = int(moves[i]) - MARGIN, bool(at[i] % 2)
            text = window(world, data, row, moved=moved, reverse=reverse, blocked=True)
            assert sequence[i].tolist() == one_hot(text, 0.25)
            seen.add((moved, reverse))
        orders.add(tuple(at.tolist()))
    assert seen == set(itertools.product(range(-MARGIN, MARGIN + 1), (False, True)))
    assert len(orders) == 3


def test_strands_are_shuffled_apart_and_each_is_there_once(data):
    loader = Loader(data, batch_size=1, both_strands=True)
    forward = joined(kept(Loader(data, batch_size=1, shuffle=False)))[0]
    apart = []
    for epoch in range(2):
        sequence, *_, rows = joined(kept(loader, epoch))
        strands: dict[int, list[int]] = {}
        for place, row in enumerate(rows.tolist()):
            is_forward = torch.equal(sequence[place], forward[row])
            assert is_forward or torch.equal(sequence[place], forward[row].flip(0, 1))
            strands.setdefault(row, []).append(place if is_forward else -place - 1)
        assert sorted(strands) == list(range(len(data)))
        assert all(len(each) == 2 and sum(p >= 0 for p in each) == 1 for each in strands.values())
        places = [[p if p >= 0 else -p - 1 for p in each] for each in strands.values()]
        apart += [abs(one - two) for one, two in places]
    assert np.mean(apart) > len(data) / 3  # of two random places of 2 n: 2 n / 3


OPTIONS = {
    "batch_size": 8, "seed": 11, "jitter": 5, "both_strands": True, "core": "blocked",
    "unknown": 0.25, "negatives": 0.5,
}  # fmt: skip


def test_batches_do_not_depend_on_workers_ranks_or_where_they_begin(data):
    loader = Loader(data, workers=0, **OPTIONS)
    expected = kept(loader, epoch=2)
    n_peaks = int((~data.negative).sum())
    assert loader.n_examples == 2 * (n_peaks + round(n_peaks / 2)) // 8 * 8
    for workers in (1, 3):
        assert same(kept(Loader(data, workers=workers, **OPTIONS), epoch=2), expected)
    parts = [
        kept(Loader(data, workers=rank % 3, rank=rank, ranks=4, **OPTIONS), epoch=2)
        for rank in range(4)
    ]
    assert same([joined(each) for each in zip(*parts, strict=True)], expected)
    for first in (0, 1, len(loader) - 1, len(loader)):
        assert same(kept(loader, 2, first), expected[first:])
    assert not same(kept(loader, 1), expected)


def test_what_stands_in_a_blocked_motif_says_nothing(world, data, tmp_path):
    other = SiteWorld(tmp_path)
    for contig, text in other.genome.items():
        letters = list(text)
        for c, start, end, _ in other.sites:
            if c == contig:
                letters[start:end] = "C" * (end - start)
        (tmp_path / f"{contig}.txt").write_text("".join(letters))
    (tmp_path / "g.fa").write_text(
        "".join(f">{c}\n{(tmp_path / f'{c}.txt').read_text()}\n" for c in other.genome)
    )
    changed = other.data("data", width=WIDTH, margin=MARGIN)
    assert np.array_equal(changed.cores, data.cores)
    found = {}
    for core in ("kept", "blocked"):
        one, two = (
            joined(kept(Loader(each, batch_size=9, shuffle=False, core=core, drop_last=False)))
            for each in (data, changed)
        )
        found[core] = (one[0] == two[0]).all((1, 2)).tolist()
    overlapping = [any_other_site(world, data, row) for row in range(len(data))]
    assert not any(found["kept"])
    assert found["blocked"] == [not each for each in overlapping]
    assert sum(found["blocked"]) > len(data) / 2


def any_other_site(world, data, row):
    """Whether another motif shares a base with the window of a row."""
    region = regions_of(data)[row]
    here = [
        site for site in world.sites
        if site[0] == region["chrom"] and site[1] < region["end"] and region["start"] < site[2]
    ]  # fmt: skip
    return len(here) > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"both_strands": True, "reverse_complement": True}, "found with both_strands, which has"),
        ({"core": "hidden"}, "core: found 'hidden', expected kept or blocked"),
    ],
)
def test_options_that_cannot_be_are_refused(data, options, message):
    with pytest.raises(InputError, match=message):
        Loader(data, **options)


def test_data_without_motifs_block_none(tmp_path):
    data = make_labels(tmp_path, n=(40, 20, 20))
    with pytest.raises(InputError, match="has no motif cores, expected them for core=blocked"):
        Loader(data, core="blocked")
    config = small_config("data.core=blocked")
    with pytest.raises(InputError, match=r"has no motif cores, .* data\.core=blocked; make it"):
        config.for_dataset(data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["data.unknown=0.3"], r"data\.unknown: found 0\.3"),
        (["data.unknown=0.1"], r"data\.unknown: found 0\.1; .*multiple of 0\.25"),
        (["data.core=hidden"], r"data\.core: found 'hidden'"),
        (["data.both_strands=true", "data.reverse_complement=true"],
         r"data\.reverse_complement: found with data\.both_strands"),
    ],
)  # fmt: skip
def test_configs_that_cannot_be_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        small_config(*changes)


@pytest.mark.parametrize("model", ["bindvae", "bpaitac"])
@pytest.mark.parametrize(
    "change", ["data.unknown=0.25", "data.core=blocked", "data.both_strands=true"]
)
def test_models_of_other_things_refuse_what_they_do_not_do(model, change):
    with pytest.raises(InputError, match=change.split("=")[0]):
        read_config(model=model, changes=[change])
    assert read_config(model=model, changes=["data.unknown=0", "data.core=kept"])


# ------------------------------------------------------------------------ models that see them

STRANDS = ["data.both_strands=true", "data.unknown=0.25", "data.core=blocked",
           "training.batch_size=16", "training.epochs=2"]  # fmt: skip


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return train(small_config(*STRANDS), data, tmp_path_factory.mktemp("runs") / "run")


def logits_of(run, world, data, rows, *, reverse):
    """Of the letters, one sequence after the other."""
    network = run.network(CPU).eval()
    texts = [window(world, data, row, reverse=reverse, blocked=True) for row in rows]
    x = torch.tensor([one_hot(text, 0.25) for text in texts])
    with torch.no_grad():
        return network(x).numpy()[:, 0]


def test_both_strands_are_measured_and_each_counts(run, world, data, tmp_path):
    rows = data.split("test").tolist()
    truth = data.labels[rows, 0]
    forward, back = (logits_of(run, world, data, rows, reverse=r) for r in (False, True))
    assert np.abs(forward - back).max() > 1e-3
    score, label = np.concatenate([forward, back]), np.concatenate([truth, truth])
    found = evaluate(run, data, tmp_path / "e", split="test", batch_size=7)
    metrics = found.metrics["model"]
    assert metrics["auroc"] == pytest.approx(roc_auc_score(label, score), abs=1e-6)
    precision, recall, _ = precision_recall_curve(label, score)  # koo's area is by trapezoids
    assert metrics["auprc"] == pytest.approx(auc(recall, precision), abs=1e-6)
    losses = np.logaddexp(0, np.where(label == 1, -score, score))
    assert metrics["loss"] == pytest.approx(losses.mean(), rel=1e-5)
    assert found.n == len(rows)
    assert any("each example counts twice" in note for note in found.notes)
    # measures of an example are means of its strands, one row for each
    assert found.examples["model"]["row"].tolist() == rows
    by_row = losses.reshape(2, -1).mean(0)
    np.testing.assert_allclose(found.examples["model"]["loss"], by_row, rtol=1e-5)
    assert "row" not in found.intervals["model"]
    table = pq.read_table(tmp_path / "e" / "examples.parquet")
    assert table["name"].to_pylist() == [regions_of(data)[row]["name"] for row in rows]


def test_predictions_are_of_the_strand_that_the_data_have(run, world, data, tmp_path):
    made = predict(run, data, tmp_path / "p", split="test", device="cpu")
    rows = data.split("test").tolist()
    table = pq.read_table(tmp_path / "p" / "labels.parquet")
    assert table["row"].to_pylist() == rows
    expected = logits_of(run, world, data, rows, reverse=False)
    np.testing.assert_allclose(np.concatenate(table["logit"].to_pylist()), expected, atol=1e-4)
    assert len(made.regions) == len(rows)


def test_validation_in_training_has_both_strands(run, world, data):
    rows = data.split("validation").tolist()
    forward, back = (logits_of(run, world, data, rows, reverse=r) for r in (False, True))
    score = np.concatenate([forward, back])
    label = np.tile(data.labels[rows, 0], 2)
    best = run.about["best"]
    losses = np.logaddexp(0, np.where(label == 1, -score, score))
    assert best["value"] == pytest.approx(losses.mean(), rel=1e-5)
    n = len(data.split("train"))
    row = pq.read_table(run.path / "metrics.parquet").to_pylist()[-1]
    assert row["step"] == row["epoch"] * (2 * n // 16)


def test_a_batch_may_hold_as_many_as_both_strands_are(data, tmp_path):
    n = 2 * len(data.split("train"))
    changes = [*STRANDS, "training.epochs=1"]
    made = train(small_config(*changes, f"training.batch_size={n}"), data, tmp_path / "a")
    assert pq.read_table(made.path / "metrics.parquet")["step"].to_pylist()[-1] == 1
    with pytest.raises(InputError, match=f"found {n + 1}, but there are {n} training examples"):
        train(small_config(*changes, f"training.batch_size={n + 1}"), data, tmp_path / "b")


def test_training_takes_the_options(data):
    config = small_config(*STRANDS, "data.jitter=4").for_dataset(data)
    task = MODELS["koo"].task(config, data)
    rows = data.split("train")
    loader = task.batches(rows, training=True, batch_size=16, seed=5, device=CPU)
    plain = Loader(
        data, rows, batch_size=16, seed=5, jitter=4, both_strands=True, core="blocked",
        unknown=0.25,
    )  # fmt: skip
    assert same(kept(loader, 3), kept(plain, 3))
    rest = task.batches(rows, training=False, batch_size=16, device=CPU)
    assert rest.n_examples == 2 * len(rows)
