"""What tests of profile models share: a small world of cuts, and each loss by its formula."""

import numpy as np
import torch

import kmerengine
from kmerengine.io.bigwig import write_bigwig
from modelkit.config_files import read_config
from modelkit.data.loader import Batch
from modelkit.models.bpaitac import ProfileOutput
from modelkit.registry import MODELS

CPU = torch.device("cpu")
SIZE = 9000
WIDTH, INPUT, WINDOW = 60, 200, 40
TINY = ["network.channels=4", "network.blocks=1", "network.pools=[3,3,3]"]


class World:
    """A genome, cuts of three samples, a bias track, regions on two chromosomes."""

    def __init__(self, folder, n_samples=3):
        rng = np.random.default_rng(5)
        self.folder = folder
        self.letters = {c: "".join(rng.choice(list("ACGT"), SIZE)) for c in ("c1", "c2")}
        text = "".join(f">{name}\n{each}\n" for name, each in self.letters.items())
        (folder / "g.fa").write_text(text)
        self.names = [f"s{i}" for i in range(n_samples)]
        self.fragments = {}
        for i, name in enumerate(self.names):
            starts = np.sort(rng.integers(0, SIZE - 90, 1500 * (i + 1)))
            rows = [
                (chrom, int(s), int(s) + int(n))
                for chrom in self.letters
                for s, n in zip(starts, rng.integers(30, 90, len(starts)), strict=True)
                if not 3000 <= s < 3400  # nothing is cut there
            ]
            self.fragments[name] = rows
            lines = "".join(f"{c}\t{s}\t{e}\tx\t1\n" for c, s, e in rows)
            (folder / f"{name}.tsv").write_text(lines)
        self.bias = rng.normal(size=SIZE).astype(np.float32)
        write_bigwig(
            folder / "b.bw",
            {"c1": SIZE, "c2": SIZE},
            [(name, np.arange(SIZE), self.bias) for name in self.letters],
        )
        self.peaks = [(c, at, at + WIDTH) for c in ("c1", "c2") for at in range(200, 8600, 210)]
        lines = "".join(f"{c}\t{s}\t{e}\n" for c, s, e in self.peaks)
        (folder / "peaks.bed").write_text(lines)
        kmerengine.cuts(
            [folder / f"{name}.tsv" for name in self.names], output=folder / "c.parquet",
            input_shift="none", shift="none", genome=folder / "g.fa",
        )  # fmt: skip
        self.data = self.write("sum")

    def write(self, strands, **options):
        options = {"bias": self.folder / "b.bw", "strands": strands} | options
        number = len(list(self.folder.glob("d*")))
        return kmerengine.dataset(
            self.folder / "peaks.bed", genome=self.folder / "g.fa",
            cuts=self.folder / "c.parquet", output=self.folder / f"d{number}",
            width=WIDTH, input_width=INPUT, window=WINDOW, split=["validation=0.2 test=0.1"],
            **options,
        )  # fmt: skip

    def cuts(self, sample, row):
        """Cuts in the window of a region: first and last base of each fragment."""
        chrom, start, _ = self.peaks[row]
        low = start + (WIDTH - WINDOW) // 2
        found = [0] * WINDOW
        for c, s, e in self.fragments[sample]:
            for at in (s, e - 1):
                if c == chrom and low <= at < low + WINDOW:
                    found[at - low] += 1
        return found


def made(data, *changes, model="bpaitac", seed=0):
    """Config, task and network for a data set."""
    tiny = TINY if model == "bpaitac" else TINY[:2]
    config = read_config(model=model, changes=[*tiny, *changes]).for_dataset(data)
    torch.manual_seed(seed)
    entry = MODELS[model]
    return config, entry.task(config, data), entry.model(config.network)


def batches(task, rows, **options):
    options = {"training": False, "batch_size": 16, "device": CPU} | options
    for batch in task.batches(rows, **options).batches(0):
        yield Batch(*(None if each is None else each.clone() for each in batch))


def observed(task, model, rows, **options):
    parts = [task.observe(model.eval(), batch) for batch in batches(task, rows, **options)]
    return {name: torch.cat([part[name] for part in parts]).numpy() for name in parts[0]}


class Says:
    """A network that gives what it is told to."""

    def __init__(self, logits=None, totals=None):
        self.output = ProfileOutput(logits, totals)

    def __call__(self, _):
        return self.output

    def eval(self):
        return self


def draw(shape=(5, 4, 30), seed=0, scale=3.0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, shape)
    counts = rng.poisson(rng.gamma(0.5, scale, shape)).astype(float)
    counts[0, 0] = 0  # no cut at all
    counts[1, 1] = 0
    counts[1, 1, 3] = 1  # one
    totals = rng.gamma(2, 20, shape[:2])
    return logits, counts, totals


def softmax(logits):
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def formula(name, logits, counts, totals):
    """SPEC of each loss of one profile, shape (B, T), as the paper's code writes them."""
    q = softmax(logits)
    n = counts.sum(-1, keepdims=True)
    p = np.divide(counts, n, out=np.zeros_like(counts), where=n > 0)
    if name == "total":
        return (np.log(1 + totals) - np.log(1 + n[..., 0])) ** 2
    if name in ("cross-entropy", "mnll"):
        with_eps = (q + 1e-15) / (q + 1e-15).sum(-1, keepdims=True)
        entropy = -(p * np.log(with_eps)).sum(-1)
        return entropy if name == "cross-entropy" else n[..., 0] * entropy
    if name == "jsd":
        m = (p + q) / 2
        terms = np.zeros((2, *p.shape))
        for i, each in enumerate((p, q)):
            terms[i][each > 0] = each[each > 0] * np.log2((each / m)[each > 0])
        return np.where(n[..., 0] > 0, terms.sum((0, -1)) / 2, 0)
    rate = totals[..., None] * q
    if name == "poisson":
        return (rate - counts * np.log(rate + 1e-8)).mean(-1)
    return ((np.log(1 + rate) - np.log(1 + counts)) ** 2).mean(-1)


def given(logits, counts, totals, dtype=torch.float64, **names):
    """Tensors of what `draw` gives, and a batch of them."""
    logits, counts, totals = (torch.from_numpy(each).to(dtype) for each in (logits, counts, totals))
    batch = Batch(
        sequence=torch.zeros(len(logits), 4, 1),
        counts=counts,
        totals=None,
        bias=names.get("bias"),
        labels=None,
        rows=torch.arange(len(logits)),
    )
    return logits.requires_grad_(), totals.requires_grad_(), batch


def task_of(world, *changes):
    """A task whose network is not used."""
    return made(world.data, *changes)[1]
