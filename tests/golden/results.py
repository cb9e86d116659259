"""The files of `make.py` that are results of results: simulators, networks, topics, pipelines."""

import shutil
from pathlib import Path
from typing import Any

import filter_world
import golden_readers
import motif_networks
import numpy as np
import small_data
import test_filters
import test_kmer_set
import test_mpra
import test_pipeline_agentbind
import test_select
import test_simulate_koo
import test_singletons
import topic_world
from label_world import write_labels
from topic_tables import make_proportions

import kmerengine
import modelkit
from bench import agentbind_data
from kmerengine import Vocabulary
from modelkit.pipelines import stages

CPU: dict[str, Any] = {"device": "cpu"}


def without_figures(source: Path, target: Path, *others: str) -> None:
    """A folder's files but for its figures, and others by pattern."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.png", *others))


def simulators(here: Path, out: Path) -> None:
    """Tables of simulated sequences; and what `modelkit kmer-set` learns of such."""
    rng = np.random.default_rng(0)
    matrices = {name: rng.dirichlet([0.3] * 4, n) for name, n in test_simulate_koo.TFS.values()}
    motifs = test_simulate_koo.write_meme(here / "motifs.meme", matrices)
    koo = kmerengine.simulate_koo(here / "koo", motifs=motifs, n_sequences=10, length=120)
    sizes = {"n_train": 4, "n_validation": 2, "n_test": 2, "length": 160}
    gata = kmerengine.simulate_gata_tal(here / "gata_tal", **sizes)
    for path in (koo.sequences, koo.embedded, gata.sequences, gata.embedded):
        shutil.copyfile(path, out / f"simulated.{path.parent.name}.{path.name}")
    codes, labels = test_kmer_set.planted(60, 1)
    splits = np.repeat(("train", "validation", "test"), (40, 5, 15))
    data = write_labels(here / "labels", codes, labels[:, None], ("bound",), splits)
    modelkit.kmer_set(data, here / "kmer_set", k_min=6, k_max=6, k_top=1, window=40)
    without_figures(here / "kmer_set", out / "kmer_set")


def totals(here: Path, out: Path) -> None:
    """What is made of networks of cuts."""
    data = small_data.make_data(here)
    totals = {"s0": ([5.0], 2.0), "s1": ([0.0], 0.5)}
    taps = {"s0": [[-1.25] * 13], "s1": [[0.0] * 13]}
    for name, given, more in (
        ("marginal", {"totals": totals}, {"differences": True}),
        ("footprint", {"taps": taps}, {"flank": 10}),
    ):
        one, two = (
            motif_networks.make_run(here / f"{name}{i}", data, ["GATTACA"], **given) for i in "ab"
        )
        made, options = here / name, {"words": ["GATTACA"], "n_backgrounds": 5, **CPU, **more}
        if name == "marginal":
            modelkit.marginalize(one, data, made, against=[two], **options)
        else:
            modelkit.footprint(one, data, made, **options)
        without_figures(made, out / name)
    (here / "nine").mkdir()
    nine = small_data.make_data(here / "nine", n_samples=9)
    runs = [test_select.make(here / f"select{seed}", nine, seed) for seed in range(2)]
    limits = {"accessibility": 1.0, "variation": 0.01, "correlation": -1.0}
    modelkit.select(
        runs[0], nine, out / "selection.parquet", against=[runs[1]], **limits, **CPU
    )  # fmt: skip
    modelkit.select(runs[0], nine, out / "selection.bed", against=[runs[1]], **limits, **CPU)


def labels(here: Path, out: Path) -> None:
    """What is made of networks of labels."""
    texts = filter_world.random_texts(1, 24, 30)
    weight = test_filters.words_as_weights(["GATTA", "TACAT"])
    weight[1, :, 0] = -9  # hardly ever fires
    data, runs = {}, {}
    for i, name in enumerate("ab"):
        (here / name).mkdir()
        data[name] = filter_world.make_data(here / name, texts[i:] + texts[:i])
        runs[name] = filter_world.make_run(here / f"{name}.run", data[name], [weight + i])
    options = {"database": out / "motifs.meme", "e": 9.0, **CPU}
    modelkit.filters(runs["a"], data["a"], here / "filters", **options)
    without_figures(here / "filters", out / "filters")
    samples = dict.fromkeys("ab", out / "sample")
    modelkit.cross(runs, data, here / "cross", samples=samples, **CPU)
    without_figures(here / "cross", out / "cross", "*.json")
    modelkit.compare(runs, data["a"], here / "compare", **CPU)
    without_figures(here / "compare", out / "compare", "*.json")
    one, _ = test_mpra.factor(here, "one", 1, n=4)
    table = test_mpra.write(here / "t.tsv", test_mpra.variants(3))
    modelkit.mpra({"A": one}, out / "mpra.parquet", table=table)
    two, _ = test_singletons.world(here, "two", 1)
    rows = test_singletons.snps_of(2, 200)
    vcf = test_singletons.write_vcf(here / "v.vcf", rows)
    modelkit.singletons({"A": two}, out / "singletons.parquet", variants=vcf)
    shutil.copytree(out / "run", here / "again")
    modelkit.evaluate_trials(
        [out / "run", here / "again"], out / "dataset", here / "trials", split="all", **CPU
    )
    without_figures(here / "trials", out / "trials", "*.json", "trial-*")


def analyses(here: Path, out: Path) -> None:
    """What else `modelkit topics` writes."""
    run = topic_world.random_run(
        here / "run", vocabulary=Vocabulary.wildcard(4, 1), topics=3, hidden=[4]
    )
    options = {"length": 5, "top": 6, "database": out / "motifs.meme", "q": 1.0}
    modelkit.topic_motifs(run, here / "motifs", **options, **CPU)
    without_figures(here / "motifs", out / "topic_motifs")
    peaks, mapped = out / "proportions.parquet", out / "topic_map.parquet"
    chip = here / "chip.bed"
    chip.write_text("".join(f"chr1\t{100 * i + 10}\t{100 * i + 40}\n" for i in (0, 3, 4, 6)))
    modelkit.topic_clr(peaks, mapped, {"a": chip}, here / "clr", min_overlap=10)
    eta = np.eye(3)[np.arange(12) % 3] * 2 + 0.5
    other = make_proportions(eta[:, ::-1][:7] ** 2)
    cells = {"x": peaks, "y": other}
    modelkit.topic_accessibility(cells, here / "accessibility", topic_map=mapped)
    factors = ["A", "B", "A:B", "C"]
    eta = np.random.default_rng(0).gamma(1, 1, (32, 3))
    eta[2::4, 1] += 9
    modelkit.topic_cooperation(eta, factors * 8, here / "cooperation", factors=("A", "B"))
    modelkit.topic_projection(cells, here / "projection", method="pca")
    for name in ("clr", "accessibility", "cooperation", "projection"):
        without_figures(here / name, out / f"topic_{name}")
    genome, regions = here / "g.fa", here / "r.bed"
    genome.write_text(">chr1\n" + "".join(topic_world.planted(0, 1, 200, "GATAAG")) + "\n")
    regions.write_text("chr1\t20\t90\tx\nchr1\t100\t150\ty\n")
    for suffix in ("parquet", "bed"):
        modelkit.topic_windows(
            run, regions, out / f"topic_windows.{suffix}", genome=genome, c=0.5, **CPU
        )


def pipelines(here: Path, out: Path) -> None:
    """Records of pipelines: one of two files, and that of AgentBind without what it made."""
    stages.run_stages(golden_readers.STAGES, out / "pipeline", name="golden")
    (here / "world").mkdir()
    given = agentbind_data.prepare(here / "world", **test_pipeline_agentbind.SIZES)
    chip = {name: given["chip"][name] for name in test_pipeline_agentbind.NAMES}
    modelkit.pipeline_agentbind(
        **{**given, "chip": chip, "accessible": None}, output=here / "agentbind",
        settings=["baseline"], width=200, p=1e-6, background="uniform",
        changes=test_pipeline_agentbind.TINY, threads=1, **CPU,
    )  # fmt: skip
    (out / "agentbind").mkdir()
    for name in ("pipeline.json", "summary.parquet"):
        shutil.copyfile(here / "agentbind" / name, out / "agentbind" / name)


EVERY = (simulators, totals, labels, analyses, pipelines)
