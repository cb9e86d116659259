"""Batches against strings and dicts; and the same batches however they are made."""

import itertools

import numpy as np
import pytest
import torch

import kmerengine
from kmerengine.errors import InputError
from kmerengine.io.bigwig import write_bigwig
from modelkit.data import Loader
from modelkit.data.draws import Purpose, draw, order

COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
SIZE = 6000
WIDTH, INPUT, MARGIN, WINDOW = 40, 100, 6, 12


def one_hot(text, unknown=0.0):
    return [[unknown if x == "N" else float(x == base) for x in text] for base in "ACGT"]


class World:
    """A genome with cuts on both strands and a bias track; and its mirror image."""

    def __init__(self, folder, *, strands="split"):
        rng = np.random.default_rng(5)
        self.letters = "".join(rng.choice(list("ACGTN"), SIZE, p=[0.24, 0.25, 0.25, 0.25, 0.01]))
        self.fragments = sorted(
            (int(s), int(s) + int(n))
            for s, n in zip(rng.integers(0, SIZE - 90, 4000), rng.integers(30, 90, 4000),
                            strict=True)
        )  # fmt: skip
        self.bias = np.round(rng.normal(size=SIZE), 2).astype(np.float32)
        self.peaks = [(at, at + WIDTH) for at in range(200, 5000, 150)]
        self.negatives = [(at, at + WIDTH) for at in range(5050, 5800, 60)]
        self.strands = strands
        self.data = self.write(folder / "forward", lambda s, e: (s, e))

    def write(self, folder, place, letters=None, fragments=None, bias=None):
        folder.mkdir()
        (folder / "g.fa").write_text(f">c\n{letters or self.letters}\n")
        rows = "".join(f"c\t{s}\t{e}\tx\t1\n" for s, e in fragments or self.fragments)
        (folder / "f.tsv").write_text(rows)
        kmerengine.cuts(
            [folder / "f.tsv"], output=folder / "c.parquet", input_shift="none",
            shift="none", genome=folder / "g.fa",
        )  # fmt: skip
        for name in ("peaks", "negatives"):
            places = [place(*each) for each in getattr(self, name)]
            (folder / f"{name}.bed").write_text("".join(f"c\t{s}\t{e}\n" for s, e in places))
        values = self.bias if bias is None else bias
        write_bigwig(folder / "b.bw", {"c": SIZE}, [("c", np.arange(SIZE), values)])
        return kmerengine.dataset(
            folder / "peaks.bed", genome=folder / "g.fa", cuts=folder / "c.parquet",
            negatives=folder / "negatives.bed", bias=folder / "b.bw", output=folder / "d",
            labels=[folder / "negatives.bed"], label_width=20, width=WIDTH, input_width=INPUT,
            margin=MARGIN, window=WINDOW, strands=self.strands,
        )  # fmt: skip

    def mirrored(self, folder):
        """The data set of the reverse complement of everything."""
        return self.write(
            folder,
            lambda s, e: (SIZE - e, SIZE - s),
            self.letters[::-1].translate(COMPLEMENT),
            sorted((SIZE - e, SIZE - s) for s, e in self.fragments),
            self.bias[::-1].copy(),
        )

    def cuts(self, low, high):
        """Cuts of plus and minus strand per base: the first and last base of each fragment."""
        plus, minus = [0] * (high - low), [0] * (high - low)
        for start, end in self.fragments:
            if low <= start < high:
                plus[start - low] += 1
            if low <= end - 1 < high:
                minus[end - 1 - low] += 1
        return plus, minus


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def summed(tmp_path_factory):
    return World(tmp_path_factory.mktemp("summed"), strands="sum")


def kept(loader, epoch=0, first=0):
    """Copies of all batches."""
    return [
        [None if each is None else each.clone() for each in batch]
        for batch in loader.batches(epoch, first)
    ]


def same(one, two):
    return len(one) == len(two) and all(
        (a is None and b is None) or torch.equal(a, b)
        for x, y in zip(one, two, strict=True)
        for a, b in zip(x, y, strict=True)
    )


def joined(batches):
    return [None if each[0] is None else torch.cat(each) for each in zip(*batches, strict=True)]


def test_plain_examples_equal_the_letters_and_the_cuts(world):
    data = world.data
    loader = Loader(data, batch_size=7, shuffle=False)
    sequence, counts, totals, bias, labels, rows = joined(kept(loader))
    assert len(loader) == 7
    assert rows.tolist() == list(range(len(world.peaks) + len(world.negatives)))
    assert counts.dtype == totals.dtype == labels.dtype == sequence.dtype == torch.float32
    for row, (start, end) in enumerate(world.peaks + world.negatives):
        low = (start + end) // 2 - INPUT // 2
        assert sequence[row].tolist() == one_hot(world.letters[low : low + INPUT])
        plus, minus = world.cuts(start, end)
        assert counts[row].tolist() == [plus, minus]
        assert totals[row].tolist() == [sum(plus[14:26]) + sum(minus[14:26])]
        assert bias[row].tolist() == world.bias[start:end].tolist()
        assert labels[row].tolist() == [row >= len(world.peaks)]
    assert "N" in world.letters[:400]
    quarter = Loader(data, batch_size=7, shuffle=False, unknown=0.25)
    centre = (world.peaks[0][0] + world.peaks[0][1]) // 2
    assert (joined(kept(quarter))[0].sum(1) == 1).all()
    assert centre
    cropped = joined(kept(Loader(data, batch_size=7, shuffle=False, centre=True)))
    assert torch.equal(cropped[1], counts[..., 14:26])
    assert torch.equal(cropped[3], bias[:, 14:26])
    assert torch.equal(cropped[0], sequence)
    assert torch.equal(cropped[1].sum((1, 2)), totals[:, 0])


@pytest.mark.parametrize("strands", ["split", "sum"])
def test_jitter_moves_all_arrays_together_and_reversal_mirrors_them(world, summed, strands):
    here = world if strands == "split" else summed
    loader = Loader(
        here.data, batch_size=8, seed=3, jitter=MARGIN, reverse_complement=True, drop_last=False
    )
    places = here.peaks + here.negatives
    seen = set()
    for epoch in range(9):
        sequence, counts, _, bias, _, rows = joined(kept(loader, epoch))
        index = np.arange(len(rows))
        moves = draw(3, epoch, Purpose.JITTER, index) % np.uint64(2 * MARGIN + 1)
        reverse = draw(3, epoch, Purpose.REVERSE, index) >> np.uint64(63)
        assert sorted(rows.tolist()) == list(range(len(places)))
        for i, row in enumerate(rows.tolist()):
            move = int(moves[i]) - MARGIN
            start, end = places[row][0] + move, places[row][1] + move
            low = (start + end) // 2 - INPUT // 2
            text = here.letters[low : low + INPUT]
            plus, minus = here.cuts(start, end)
            track = here.bias[start:end].tolist()
            if reverse[i]:
                text = text[::-1].translate(COMPLEMENT)
                plus, minus = minus[::-1], plus[::-1]
                track = track[::-1]
            both = [a + b for a, b in zip(plus, minus, strict=True)]
            assert sequence[i].tolist() == one_hot(text)
            assert counts[i].tolist() == ([plus, minus] if strands == "split" else [both])
            assert bias[i].tolist() == track
            seen.add((move, int(reverse[i])))
    assert seen == set(itertools.product(range(-MARGIN, MARGIN + 1), (0, 1)))


def test_a_reversed_example_is_the_example_of_the_reversed_genome(world, tmp_path, monkeypatch):
    mirror = world.mirrored(tmp_path / "mirror")
    options = {"batch_size": 5, "shuffle": False, "drop_last": False}
    forward = joined(kept(Loader(mirror, **options)))
    monkeypatch.setattr(
        "modelkit.data.loader.draw", lambda *a: np.full(len(a[-1]), 1 << 63, np.uint64)
    )
    reversed_ = joined(kept(Loader(world.data, reverse_complement=True, **options)))
    for one, two in zip(forward, reversed_, strict=True):
        assert torch.equal(one, two)


OPTIONS = {
    "batch_size": 8, "seed": 11, "jitter": 5, "reverse_complement": True, "negatives": 0.5,
}  # fmt: skip


def test_batches_do_not_depend_on_workers_or_ranks(world):
    expected = kept(Loader(world.data, workers=0, **OPTIONS), epoch=2)
    assert len(expected) == 6
    for workers in (1, 2, 3):
        assert same(kept(Loader(world.data, workers=workers, **OPTIONS), epoch=2), expected)
    for ranks in (2, 4):
        parts = [
            kept(Loader(world.data, workers=rank % 3, rank=rank, ranks=ranks, **OPTIONS), epoch=2)
            for rank in range(ranks)
        ]
        assert same([joined(each) for each in zip(*parts, strict=True)], expected)
    uneven = {**OPTIONS, "drop_last": False, "negatives": None}
    expected = kept(Loader(world.data, **uneven), epoch=1)
    assert len(expected[-1][0]) == 45 % 8
    parts = [kept(Loader(world.data, rank=r, ranks=2, **uneven), epoch=1) for r in range(2)]
    assert len(parts[0]) == len(parts[1]) == len(expected)
    assert same([joined(each) for each in zip(*parts, strict=True)], expected)


def test_an_epoch_goes_on_at_any_batch(world):
    loader = Loader(world.data, workers=2, **OPTIONS)
    expected = kept(loader, epoch=1)
    for first in range(len(loader) + 1):
        assert same(kept(loader, 1, first), expected[first:])
    early = loader.batches(1)
    next(early)
    early.close()
    assert same(kept(loader, 1), expected)


def test_epochs_and_seeds_differ(world):
    loader = Loader(world.data, **OPTIONS)
    other = Loader(world.data, **(OPTIONS | {"seed": 12}))
    first = kept(loader, 0)
    assert same(first, kept(loader, 0))
    assert not same(first, kept(loader, 1))
    assert not same(first, kept(other, 0))


def test_negatives_are_mixed_in_by_their_ratio(world):
    n_peaks, n_negatives = len(world.peaks), len(world.negatives)
    assert (n_peaks, n_negatives) == (32, 13)
    for ratio, n in ((0.25, 8), (0.0, 0), (1.0, 32)):
        loader = Loader(world.data, batch_size=1, negatives=ratio)
        drawn = []
        for epoch in range(3):
            rows = joined(kept(loader, epoch))[-1].tolist()
            assert sorted(row for row in rows if row < n_peaks) == list(range(n_peaks))
            negatives = sorted(row for row in rows if row >= n_peaks)
            assert len(negatives) == n
            times = [negatives.count(row) for row in range(n_peaks, n_peaks + n_negatives)]
            assert max(times) - min(times) <= 1
            drawn.append(negatives)
        assert drawn[0] != drawn[1] or not n
    with pytest.raises(InputError, match="found none among the rows"):
        Loader(world.data, np.arange(n_peaks), negatives=1.0)


def test_outliers_among_the_peaks_are_left_out_and_counted(world):
    totals = world.data.totals[:32, 0]
    loader = Loader(world.data, batch_size=1, shuffle=False, outliers=(0.1, 0.9))
    rows = joined(kept(loader))[-1].tolist()
    low, high = np.quantile(totals, [0.1, 0.9])
    peaks = [row for row in range(32) if low <= totals[row] <= high]
    assert rows == [*peaks, *range(32, 45)]
    assert loader.skipped == {
        "total below quantile 0.1": int((totals < low).sum()),
        "total above quantile 0.9": int((totals > high).sum()),
    }
    assert sum(loader.skipped.values()) == 32 - len(peaks) > 2


def test_normalised_counts_sum_to_the_normalised_totals(world, tmp_path):
    folder = world.data.path.parent
    cuts = tmp_path / "two.parquet"
    (tmp_path / "g.tsv").write_text("".join(
        f"c\t{s}\t{e}\tx\t1\n" for s, e in world.fragments[::3]
    ))  # fmt: skip
    kmerengine.cuts(
        [folder / "f.tsv", tmp_path / "g.tsv"], output=cuts, input_shift="none", shift="none",
        genome=folder / "g.fa",
    )  # fmt: skip
    data = kmerengine.dataset(
        folder / "peaks.bed", genome=folder / "g.fa", cuts=cuts, output=tmp_path / "d",
        width=WIDTH, window=WINDOW, strands="split",
    )  # fmt: skip
    loader = Loader(data, batch_size=4, shuffle=False, normalised=True, centre=True)
    _, counts, totals, *_ = joined(kept(loader))
    assert np.array_equal(totals.numpy(), data.normalised.astype(np.float32))
    some = data.totals > 0
    sums = counts.reshape(len(data), 2, -1).sum(-1).numpy()
    assert np.allclose(sums[some], data.normalised[some], rtol=1e-6)
    assert (sums[~some] == 0).all()
    assert not np.array_equal(data.totals, data.normalised)


@pytest.mark.parametrize("encoding", ["bfloat16", "uint8"])
def test_other_encodings_hold_the_same_bases(world, encoding):
    options = {"batch_size": 9, "shuffle": False}
    for unknown in (0.0, 0.25) if encoding == "bfloat16" else (0.0,):
        plain = joined(kept(Loader(world.data, unknown=unknown, **options)))
        found = joined(kept(Loader(world.data, unknown=unknown, encoding=encoding, **options)))
        assert found[0].dtype == getattr(torch, encoding)
        assert torch.equal(found[0].float(), plain[0])
        assert all(torch.equal(a, b) for a, b in zip(found[1:], plain[1:], strict=True))


def test_orders_are_permutations_and_numbers_of_a_purpose_are_their_own():
    found = [tuple(order(0, epoch, Purpose.ORDER, 4).tolist()) for epoch in range(4800)]
    counts = [found.count(each) for each in itertools.permutations(range(4))]
    assert sum(counts) == 4800
    assert sum((n - 200) ** 2 / 200 for n in counts) < 23 + 4 * 46**0.5
    index = np.arange(1 << 16)
    numbers = [draw(7, 3, purpose, index) for purpose in Purpose]
    for one, two in itertools.combinations(numbers, 2):
        assert not np.intersect1d(one, two).size
        bits = np.bitwise_count(one ^ two).mean()
        assert abs(bits - 32) < 0.1
    assert abs((numbers[0] >> np.uint64(63)).mean() - 0.5) < 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jitter": MARGIN + 1}, "found 7 bp, expected 0 to the 6 bp .* --margin 7"),
        ({"jitter": -1}, "jitter: found -1"),
        ({"batch_size": 9, "ranks": 2}, "found 9 for 2 ranks, expected a multiple"),
        ({"rank": 2, "ranks": 2}, "rank 2 of 2"),
        ({"batch_size": 0}, "batch_size: found 0"),
        ({"batch_size": 46}, "found 45 examples, expected a batch of 46"),
        ({"rows": np.array([45])}, "found 45, expected 0 to 44"),
        ({"rows": np.array([-1])}, "rows: found"),
        ({"rows": np.array([], np.int64)}, "found 0 examples"),
        ({"rows": np.array([0.5, 1.5])}, "rows: found float64"),
        ({"rows": np.array([True, False])}, "or a mask of 45"),
        ({"batch_size": 22, "ranks": 2, "drop_last": False}, "last batch of 1 is less than one"),
        ({"encoding": "float16"}, "found 'float16'"),
        ({"encoding": "uint8", "unknown": 0.25}, "found uint8 with 0.25"),
        ({"unknown": 0.5}, "with 0.5 for N"),
        ({"workers": -1}, "workers: found -1"),
        ({"seed": -1}, "with seed -1"),
        ({"negatives": -1.0}, "negatives: found -1.0"),
        ({"outliers": (0.9, 0.1)}, "outliers: found quantiles 0.9"),
    ],
)
def test_options_that_cannot_be_are_refused(world, options, message):
    with pytest.raises(InputError, match=message):
        Loader(world.data, **options)
    with pytest.raises(InputError, match="epoch: found -1"):
        next(Loader(world.data, batch_size=4).batches(-1))


def test_a_mask_names_rows(world):
    mask = np.zeros(len(world.data), np.bool_)
    mask[[3, 17, 40]] = True
    (batch,) = Loader(world.data, mask, batch_size=3, shuffle=False).batches(0)
    assert batch.rows.tolist() == [3, 17, 40]
    with pytest.raises(InputError, match=r"expected Dataset\.open of it"):
        Loader(world.data.path)


def test_what_a_data_set_lacks_is_refused(world, tmp_path):
    folder = world.data.path.parent
    bare = kmerengine.dataset(folder / "peaks.bed", genome=folder / "g.fa", width=WIDTH,
                              window=WINDOW, output=tmp_path / "bare")  # fmt: skip
    sequence, *others, rows = joined(kept(Loader(bare, batch_size=4, shuffle=False)))
    assert sequence.shape == (32, 4, WIDTH)
    assert others == [None] * 4
    assert rows.tolist() == list(range(32))
    for options in ({"normalised": True}, {"outliers": (0.0, 0.9)}):
        with pytest.raises(InputError, match="totals"):
            Loader(bare, **options)
    with pytest.raises(InputError, match="has no window"):
        Loader(bare, centre=True)
    shifted = kmerengine.dataset(
        folder / "peaks.bed", genome=folder / "g.fa", cuts=folder / "c.parquet", width=WIDTH,
        window=WINDOW, off_by_two=True, output=tmp_path / "two",
    )  # fmt: skip
    sequence, counts, *_ = joined(kept(Loader(shifted, batch_size=4, shuffle=False)))
    start, end = world.peaks[0]
    assert sequence[0].tolist() == one_hot(world.letters[start + 2 : end])
    both = np.sum(world.cuts(start, end), axis=0)
    assert counts[0, 0].tolist() == both[:-2].tolist()
    cropped = joined(kept(Loader(shifted, batch_size=4, shuffle=False, centre=True)))
    assert cropped[1][0, 0].tolist() == both[14:26].tolist()
    with pytest.raises(InputError, match="does not lie in the middle"):
        Loader(shifted, reverse_complement=True)


@pytest.mark.gpu
def test_batches_on_a_gpu_equal_those_in_memory(world):
    expected = kept(Loader(world.data, **OPTIONS), epoch=1)
    for workers in (0, 2):
        loader = Loader(world.data, workers=workers, device="cuda", **OPTIONS)
        found = list(loader.batches(1))  # kept without clones: they are copies
        assert same([[each.cpu() for each in batch] for batch in found], expected)
