"""BindVAE on simulated peaks whose motifs are known: which factors does Algorithm 1 map?

    python -m bench.bindvae_planted [--seeds 0,1,2] [--only three,two,one] [--minutes M]
    python -m bench.bindvae_planted --show       the table of docs/bindvae.md from the results

Forty HT-SELEX motifs of which no two are alike (Tomtom, q >= 0.05; of the eight positions that say
most, which are as long as the model's words, q >= 0.3): paralogs, and pairs of one half-site in
another arrangement, would stand among each other's 5 % of best probes. Twenty are planted, twenty
have probes alone. A peak of 200 bp has sites of a factor of its own: `three`, `two` or `one`. A
tenth of the peaks is held out.

    trained    Algorithm 1 as published
    in_use     the same, of topics that a held-out peak has four times an equal share of

Beside these:

    oracle     each planted motif's best score in a probe in place of a topic: what the probes allow
    untrained  the first weights
    shuffled   the trained model, labels of the probes exchanged at random
    whole      the trained model, compared with all other probes and not with the best 5 % of them

A row is appended to results/models/bindvae-planted.json as it is done; rows that are there are not
made again. Motifs are those of $KMERENGINE_DATA (by default ../shared/data), which are not in this
repository.
"""

import argparse
import json
import math
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import kmerengine
from bench.data import WORK
from bench.harness import RESULTS, Row, append_rows, read_rows, say
from bench.koo_runs import MOTIFS as JASPAR
from bench.machine import (
    ROOT,
    describe_commit,
    describe_machine,
    describe_versions,
    package_version,
)
from kmerengine.motifs.motif import Motif

OP = "bindvae-planted"
ROWS = RESULTS / "models" / f"{OP}.json"
DOCUMENT = ROOT / "docs" / "bindvae.md"
SELEX = JASPAR.parent / "jolma_selex.meme"
SETS = {"three": 3, "two": 2, "one": 1}  # sites of a peak
PLANTED, ABSENT = 20, 20
PEAKS, PROBES = 100_000, 200
Q = 0.05  # of whole motifs
Q_WORDS, WORD = 0.3, 8  # of their positions that say most
SEED = 7  # of motifs, peaks and probes
KINDS = {  # of mappings, and what the table calls them
    "oracle": "best motif scores",
    "trained": "the model",
    "in_use": "topics in use",
    "untrained": "untrained",
    "shuffled": "labels exchanged",
    "whole": "against all probes",
}
CONFIG: dict[str, Any] = {
    "network": {"topics": 40, "hidden": (64, 64, 64), "prior": 10.0},
    "training": {
        "learning_rate": 1e-2,
        "rates": {"embedding": 2e-3, "bias": 0.1, "layers": 0.1},
        "steps": 10_000,
        "frozen": {"prior": 10_000},
    },
}

Floats = npt.NDArray[np.float64]


def unlike(motifs: list[Motif], n: int, seed: int) -> list[Motif]:
    """`n` motifs in random order, none of which is like another."""
    import modelkit

    order = np.random.default_rng(seed).permutation(len(motifs))
    shuffled = [motifs[i] for i in order.tolist()]
    words = [_part(motif, WORD) for motif in shuffled]
    alike: dict[str, set[str]] = {}
    for queries, targets, q in (
        (shuffled, shuffled, Q),
        (words, words, Q_WORDS),
        (words, shuffled, Q_WORDS),
    ):
        pairs = modelkit.tomtom(queries, targets, q=q).table
        names = (pairs[column].to_pylist() for column in ("query", "target"))
        for query, target in zip(*names, strict=True):
            alike.setdefault(query, set()).add(target)
            alike.setdefault(target, set()).add(query)
    chosen: list[Motif] = []
    for motif in shuffled:
        if alike.get(motif.name, set()).isdisjoint(each.name for each in chosen):
            chosen.append(motif)
        if len(chosen) == n:
            return chosen
    raise SystemExit(f"{SELEX}: has only {len(chosen)} motifs that are not alike, expected {n}")


def prepare(name: str) -> Path:
    """Make peaks, probes and data set, unless they are there; their folder."""
    folder = WORK / OP / f"{name}-{PEAKS}"
    if not (folder / "data" / "dataset.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        chosen = unlike(kmerengine.read_motifs(SELEX), PLANTED + ABSENT, SEED)
        kmerengine.write_meme(folder / "motifs.meme", chosen, force=True)
        made = kmerengine.simulate_kmers(
            folder / "sequences",
            motifs=folder / "motifs.meme",
            n_topics=PLANTED,
            motifs_per_topic=1,
            n_absent=ABSENT,
            n_peaks=PEAKS,
            motifs_per_peak=SETS[name],
            concentration=1e-3,  # of one factor
            n_probes=PROBES,
            seed=SEED,
            force=True,
        )
        kmerengine.dataset(
            made.peaks,
            output=folder / "data",
            genome=made.genome,
            width=200,
            split=["test=0.1"],
            seed=SEED,
            force=True,
        )
    return folder


def oracle(folder: Path) -> Row:
    """Best log-odds of each planted motif in each probe in place of topics."""
    from bench.koo_oracle import scores

    table = _probes(folder)
    planted = _planted(folder)
    motifs = {motif.name: motif for motif in kmerengine.read_motifs(folder / "motifs.meme")}
    letters = np.frombuffer("".join(table["sequence"].to_pylist()).encode(), np.uint8)
    codes = np.searchsorted(np.frombuffer(b"ACGT", np.uint8), letters)
    width = len(letters) // len(table)
    parts = [_part(motifs[name], width) for name in planted]
    found = scores(codes.astype(np.uint8).reshape(-1, width), parts)
    return _mapped(folder, found, table["motif"].to_pylist())


def _part(motif: Motif, width: int) -> Motif:
    """The positions of a motif that say most, in a row and so many at most."""
    if len(motif) <= width:
        return motif
    first = int(np.argmax(np.convolve(motif.information, np.ones(width), "valid")))
    return Motif(name=motif.name, probabilities=motif.probabilities[first : first + width])


def _probes(folder: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(folder / "sequences" / "probes.parquet")


def _planted(folder: Path) -> list[str]:
    table = _probes(folder)
    names = zip(table["motif"].to_pylist(), table["planted"].to_pylist(), strict=True)
    return sorted({name for name, planted in names if planted})


def _mapped(
    folder: Path, values: Any, labels: list[str] | None = None, **options: Any
) -> Row:
    """Factors that are mapped: planted ones, and absent ones."""
    import modelkit

    probes = folder / "sequences" / "probes.parquet"
    found = modelkit.topic_map(values, probes if labels is None else labels, **options)
    factors, planted = set(found.found), set(_planted(folder))
    return {
        "planted": len(factors & planted),
        "absent": len(factors - planted),
        "mapped": sorted(factors),
        "topics_mapped": int(found.mapped.any(0).sum()),
    }


def trained(folder: Path, seed: int) -> Row:
    """Train a model; what it maps, with its controls, and how well it explains held-out peaks."""
    import modelkit
    from modelkit.training.run import LINES

    config = modelkit.read_config(model="bindvae").changed(CONFIG)
    config = config.changed({"training": {"seed": seed}})
    runs = {}
    for name, steps in (("untrained", 0), ("trained", None)):
        path = folder / f"{name}-{config.network.topics}-{seed}"
        wanted = config if steps is None else config.changed({"training": {"epochs": steps}})
        done = (path / "run.json").exists()
        runs[name] = modelkit.train(
            wanted, folder / "data", path, device="cpu", resume=done, force=False
        )
    probes = folder / "sequences" / "probes.fa"
    values = {name: modelkit.topic_proportions(run, probes) for name, run in runs.items()}
    labels = _probes(folder)["motif"].to_pylist()
    shuffled = np.random.default_rng(seed).permutation(labels).tolist()
    measured = modelkit.evaluate(runs["trained"], folder / "data", split="test").metrics["model"]
    peaks = modelkit.topic_proportions(runs["trained"], folder / "data", split="test")
    trained_values = values["trained"].concentrations
    lines = (runs["trained"].path / LINES).read_text().splitlines()
    return {
        "trained": _mapped(folder, values["trained"]),
        "in_use": _mapped(folder, values["trained"], peaks=peaks),
        "untrained": _mapped(folder, values["untrained"]),
        "shuffled": _mapped(folder, trained_values, shuffled),
        "whole": _mapped(folder, values["trained"], top=1.0),
        "perplexity": measured["perplexity"],
        "unigram_perplexity": unigram_perplexity(folder / "data"),
        "named": named(runs["trained"], folder),
        "seconds": round(sum(json.loads(line)["seconds"] for line in lines), 1),  # of training
    }


def named(run: Any, folder: Path) -> Row:
    """Planted motifs that the motifs of topics are like, by Tomtom among all forty."""
    import modelkit

    made = modelkit.topic_motifs(run, database=folder / "motifs.meme", q=Q)
    targets = {} if made.matches is None else made.matches.best()
    names = {str(row["target"]) for row in targets.values()}
    planted = set(_planted(folder))
    return {"planted": len(names & planted), "absent": len(names - planted)}


def unigram_perplexity(path: Path) -> float:
    """Of held-out peaks under the frequencies of features in the training peaks (one added)."""
    data = kmerengine.Dataset.open(path)
    vocabulary = kmerengine.Vocabulary.wildcard()
    letters = np.frombuffer(b"ACGT", np.uint8)

    def counts(rows: npt.NDArray[np.int64]) -> Any:
        texts = (letters[codes].tobytes().decode() for codes in data.sequence[rows])
        return kmerengine.count_sequences(texts, vocabulary=vocabulary).features()

    seen = np.asarray(counts(data.split("train")).sum(0)).ravel() + 1.0
    logs = np.log(seen / seen.sum())
    held_out = counts(data.split("test"))
    per_token = (held_out @ logs) / np.asarray(held_out.sum(1)).ravel()
    return float(np.exp(-per_token.mean()))


def run_all(names: list[str], seeds: list[int], minutes: float, results: Path = ROWS) -> None:
    """Make the rows that are not there."""
    done = {
        (row["set"], row["seed"])
        for row in read_rows(results)
        if row["config"] == CONFIG and row.get("peaks") == PEAKS
    }
    shared = {
        "op": OP,
        "date": datetime.now(UTC).date().isoformat(),
        **describe_commit(),
        "machine": describe_machine(1),
        "versions": describe_versions() | {"torch": package_version("torch")},
        "config": CONFIG,
        "peaks": PEAKS,
    }
    end = time.monotonic() + 60 * minutes
    for name in names:
        folder = prepare(name)
        for seed in seeds:
            if (name, seed) in done or time.monotonic() > end:
                continue
            row = {"set": name, "seed": seed, "oracle": oracle(folder), **trained(folder, seed)}
            append_rows(results, [shared | row])
            found, in_use = row["trained"], row["in_use"]
            say(
                f"{name}, seed {seed}: {found['planted']} of {PLANTED} planted, {found['absent']} "
                f"absent; of topics in use {in_use['planted']} and {in_use['absent']}; perplexity "
                f"{row['perplexity']:,.0f}, {row['seconds']:.0f} s"
            )


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(
        prog="bench.bindvae_planted", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--seeds", default="0,1,2", help="of weights and order (default 0,1,2)")
    parser.add_argument("--only", default=",".join(SETS), help=f"of {', '.join(SETS)}")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin none after these")
    parser.add_argument("--show", action="store_true", help="the table, no training")
    options = parser.parse_args()
    names = options.only.split(",")
    if not set(names) <= set(SETS):
        parser.error(f"--only: found {options.only}, expected some of {', '.join(SETS)}")
    if not SELEX.exists():
        parser.error(f"{SELEX}: not there; set KMERENGINE_DATA to the folder of test data")
    if not options.show:
        run_all(names, [int(each) for each in options.seeds.split(",")], options.minutes)
    rows = read_rows(ROWS)
    if not rows:
        parser.error("no results yet")
    print(table(rows))


def table(rows: list[Row]) -> str:
    """Markdown: factors mapped, planted and (absent), of every row."""
    lines = [
        f"| sites of a peak | peaks | topics | seed | {' | '.join(KINDS.values())} "
        "| named by Tomtom | perplexity | of the unigram |",
        "|---" * (len(KINDS) + 7) + "|",
    ]
    for row in rows:
        cells = [
            f"{row[kind]['planted']} ({row[kind]['absent']})" if kind in row else "-"
            for kind in KINDS
        ]
        cells.append(f"{row['named']['planted']} ({row['named']['absent']})")
        numbers = (f"{row['perplexity']:,.0f}", f"{row['unigram_perplexity']:,.0f}")
        peaks = row.get("peaks", 40_000)  # of the first rows, which do not say it
        topics = row["config"]["network"]["topics"]
        first = (SETS[row["set"]], f"{peaks:,}", topics, row["seed"])
        lines.append(f"| {' | '.join(map(str, (*first, *cells, *numbers)))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
