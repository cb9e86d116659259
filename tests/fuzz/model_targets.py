"""Readers of modelkit: checkpoints, runs, configs, weights of others, results and small tables."""

import json
import pickle
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attribute_world
import numpy as np
import topic_world
import torch
from context_world import attributions_of, sites_of

import modelkit
from fuzz.mutate import npy, plain_json, some_bytes, some_text, zip_members
from fuzz.mutate_stored import stored
from fuzz.stored_targets import explored
from fuzz.target import Files, Target, check, folder_files
from fuzz.text_targets import MEME, any_form, given, one_file
from kmerengine.errors import InputError
from kmerengine.motifs.files import read_motifs
from modelkit.cli._targets import _lineages
from modelkit.config_files import read_config
from modelkit.inference.predictions import Predictions
from modelkit.interpretation.attribution.attributions import Attributions
from modelkit.interpretation.context.score_lines import read_score_lines
from modelkit.interpretation.motifs.naming import MotifMatches
from modelkit.interpretation.motifs.seqlet_set import Seqlets
from modelkit.interpretation.snps import mpra
from modelkit.interpretation.snps.allele_counts import read_counts
from modelkit.interpretation.topics.comparison import read_expression
from modelkit.interpretation.topics.probes import Probes, read_labels
from modelkit.interpretation.topics.proportions import Proportions
from modelkit.interpretation.topics.topic_kmer_set import TopicKmers
from modelkit.pipelines import stages
from modelkit.training.checkpoint import read_checkpoint, write_checkpoint
from modelkit.training.run import Run
from modelkit.weights.import_weights import import_weights, read_tensors
from modelkit.weights.names import read_names

TAKEN = Path("pickle-was-run")  # in the working folder, which is looked at after each target


class Taken:
    """What no reader may unpickle: it leaves a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (TAKEN,)


PAYLOAD = pickle.dumps(Taken())


# ----------------------------------------------------------------------------- checkpoints and runs


def _checkpoint(folder: Path) -> list[Files]:
    tensors = {"model/a.weight": torch.arange(12.0).reshape(3, 4), "model/n": torch.tensor(3)}
    write_checkpoint(folder / "c.safetensors", tensors, {"config": {"model": "bpaitac"}, "n": 3})
    return [{"c.safetensors": (folder / "c.safetensors").read_bytes()}]


def read_one_checkpoint(folder: Path) -> None:
    path = folder / "c.safetensors"
    tensors, about = read_checkpoint(path)
    write_checkpoint(folder / "again.safetensors", tensors, about)
    again, _ = read_checkpoint(folder / "again.safetensors")
    same = all(
        torch.equal(torch.nan_to_num(again[n]), torch.nan_to_num(tensors[n])) for n in tensors
    )
    check(same and again.keys() == tensors.keys(), "tensors are others when they are read again")


def _runs(folder: Path) -> list[Files]:
    attribute_world.make_files(folder)
    data = attribute_world.make_data(folder, folder / "d")
    run = attribute_world.make_run(folder / "run", data)
    run.write_metrics([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25, "auroc": 0.5}])
    topics = topic_world.random_run(folder / "topics", topics=3, hidden=[4])
    return [folder_files(run.path), folder_files(topics.path)]


def read_run(folder: Path) -> None:
    run = Run.open(folder)
    model = run.network()
    check(all(not p.is_meta for p in model.parameters()), "a network without weights")


# ------------------------------------------------------------------------------------------ configs

TOML = """model = "bpaitac"
preset = "paper"

[network]
channels = 12
blocks = 3
pools = [2, 2, 2]

[training]
learning_rate = 1e-3
epochs = 5
seed = 1
"""
LINEAGES = 'B = ["B1", "B2"]\n"NK/1" = ["NK"]\n'


def _configs(_: Path) -> list[Files]:
    config = read_config(model="koo").model_dump(mode="json")
    made: list[Files] = [{"c.json": json.dumps(config).encode()}]
    return [*made, {"c.toml": TOML.replace('preset = "paper"\n', "").encode()}]


def other_config(files: Files, rng: random.Random) -> Files:
    ((name, content),) = files.items()
    return {name: (plain_json if name == "c.json" else some_text)(content, rng)}


def read_one_config(folder: Path) -> None:
    (path,) = folder.iterdir()
    found = read_config(path)
    again = folder / "again.json"
    again.write_text(found.model_dump_json())
    check(read_config(again) == found, "another config when it is read again")


def read_lineages(folder: Path) -> None:
    for members in _lineages(folder / "l.toml").values():
        check(all(isinstance(each, str) for each in members), f"{members}")


# -------------------------------------------------------------------------------- weights of others


def _weights(folder: Path) -> list[Files]:
    from test_import_weights import Twin

    torch.manual_seed(0)
    state = Twin(2, channels=3, blocks=1, length=998).state_dict()
    torch.save(state, folder / "w.pt")
    rng = np.random.default_rng(0)
    shapes = {"dense/kernel": (9, 4), "dense/bias": (4,), "dense_1/kernel": (4, 3),
              "dense_1/bias": (3,), "topics_kmers": (3, 7), "concentration": (1, 3)}  # fmt: skip
    variables = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    np.savez(folder / "w.npz", **variables)
    return [{name: (folder / name).read_bytes()} for name in ("w.pt", "w.npz")]


def other_weights(files: Files, rng: random.Random) -> Files:
    """Another archive; at times with a pickle that leaves a file when it is run."""
    ((name, content),) = files.items()

    def change(data: bytes, rng: random.Random) -> bytes:
        if rng.random() < 0.3:
            header = b"\x93NUMPY\x01\0v\0{'descr': '|O', 'fortran_order': False, 'shape': (), }"
            return header.ljust(127) + b"\n" + PAYLOAD if name == "w.npz" else PAYLOAD
        return (npy if name == "w.npz" else some_bytes)(data, rng)

    return {name: PAYLOAD if rng.random() < 0.02 else zip_members(change)(content, rng)}


def read_weights(folder: Path) -> None:
    (path,) = folder.iterdir()
    for tensor in read_tensors(path).values():
        check(bool(tensor.isfinite().all()), "a value that is no number")
    source = "bpaitac" if path.suffix == ".pt" else "bindvae"
    try:
        run = import_weights(source, path, folder / "run")
    except InputError:
        if source == "bpaitac":
            raise
        return  # of a whole BindVAE there are 112,800 features
    run.network()


# ------------------------------------------------------------------------------------------ results


def _attributions(folder: Path) -> list[Files]:
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ACGT"), 20)) for _ in range(4)]
    scores = rng.normal(size=(4, 20))
    sites_of(folder / "a", texts, scores, [(5, 11)] * 4, labels=[[0], [1]] * 2, targets=("bound",))
    return [folder_files(folder / "a")]


def read_attributions(folder: Path) -> None:
    found = Attributions.open(folder)
    explored(found)
    scores = found.contributions()
    check(len(scores) == len(found) == len(found.chroms), f"{scores.shape}")


def _predictions(folder: Path) -> list[Files]:
    attribute_world.make_files(folder)
    data = attribute_world.make_data(folder, folder / "d")
    run = attribute_world.make_run(folder / "run", data)
    modelkit.predict(run, data, folder / "p", bigwig=False)
    return [folder_files(folder / "p")]


def read_predictions(folder: Path) -> None:
    found = Predictions.open(folder)
    explored(found)
    check(found.totals is None or len(found.totals) == len(found), "rows")


def _seqlets(folder: Path) -> list[Files]:
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ACGT"), 60)) for _ in range(4)]
    scores = rng.normal(size=(4, 60)) * 0.1
    scores[:, 20:30] += 3
    made = attributions_of(folder / "a", texts, scores)
    modelkit.seqlets(made, folder / "s.parquet", cutoff=1.0)
    return [{"s.parquet": (folder / "s.parquet").read_bytes()}]


def read_seqlets(folder: Path) -> None:
    found = Seqlets.open(folder / "s.parquet")
    explored(found)
    check(len(found.matrices()) == len(found), "matrices")
    found.write_bed(folder / "s.bed")


def _matches(folder: Path) -> list[Files]:
    (folder / "m.txt").write_text(MEME)
    motifs = read_motifs(folder / "m.txt")
    modelkit.tomtom(motifs, motifs, folder / "t.parquet")
    return [{"t.parquet": (folder / "t.parquet").read_bytes()}]


def read_matches(folder: Path) -> None:
    found = MotifMatches.open(folder / "t.parquet")
    explored(found)
    found.best()


def _topics(folder: Path) -> list[Files]:
    run = topic_world.random_run(folder / "run", topics=3, hidden=[4])
    modelkit.topic_kmers(run, folder / "k", top=4, aligned=4)
    figures = (".png", ".txt")
    return [{n: c for n, c in folder_files(folder / "k").items() if not n.endswith(figures)}]


def read_topics(folder: Path) -> None:
    found = TopicKmers.open(folder)
    explored(found)
    check(found.matrix.shape[0] == len(found.topics), f"{found.matrix.shape}")
    for topic in found.topics:
        found.rows(topic)


def _proportions(folder: Path) -> list[Files]:
    run = topic_world.random_run(folder / "run", topics=3, hidden=[4])
    texts = topic_world.planted(0, 6, 40, "GATAAG")
    modelkit.topic_proportions(run, texts, folder / "p.parquet", device="cpu")
    return [{"p.parquet": (folder / "p.parquet").read_bytes()}]


def read_proportions(folder: Path) -> None:
    found = Proportions.open(folder / "p.parquet")
    explored(found)
    check(np.isfinite(found.values).all(), "values that are no numbers")


def _written(output: Path, resume: bool) -> None:
    output.write_text("made")


STAGES = [
    stages.Stage(name="one", output="one.txt", run=_written, parameters={"n": 1}),
    stages.Stage(name="two", output="two.txt", run=_written, inputs={"one": "one.txt"}),
]


def _pipeline(folder: Path) -> list[Files]:
    stages.run_stages(STAGES, folder / "w", name="x")
    return [folder_files(folder / "w")]


def read_pipeline(folder: Path) -> None:
    stages.run_stages(STAGES, folder, name="x", dry_run=True)
    stages.run_stages(STAGES, folder, name="x")
    check((folder / "two.txt").read_text() == "made", "a stage was not run")


# ------------------------------------------------------------------------------------- small tables


def read_alleles(folder: Path) -> None:
    counts: Counter[str] = Counter()
    found = read_counts(folder / "a.tsv", count="AC", total="AN", skipped=counts, seen=counts)
    for each in found:
        check(0 <= each.n <= each.of and each.variant.start >= 0, f"{each}")


def read_mpra(folder: Path) -> None:
    found = mpra._read(folder / "m.tsv", ("chrom", "pos", "fdr"), Counter())
    check(found is not None, "nothing")


def read_score_file(folder: Path) -> None:
    found = read_score_lines(folder / "s.txt")
    check(len(found.chroms) == len(found.scores), "rows")


def read_factor_tables(folder: Path) -> None:
    read_labels(folder / "t.tsv")
    probes = Probes.open(folder / "p.fa", folder / "t.tsv")
    check(len(probes) == len(probes.labels), "probes")


def factor_tables(files: Files, rng: random.Random) -> Files:
    name = rng.choice(sorted(files))
    return {**files, name: any_form(some_text)(files[name], rng)}


def read_expressions(folder: Path) -> None:
    for name, value in read_expression(folder / "e.tsv").items():
        check(name and value >= 0, f"{name!r} {value}")


def read_task_names(folder: Path) -> None:
    (path,) = folder.iterdir()
    check(all(isinstance(name, str) for name in read_names(path)), "names")


def _names(folder: Path) -> list[Files]:
    np.save(folder / "n.npy", np.array(["CTCF", "GATA1"]))
    return [{"n.txt": b"CTCF\nGATA1\n"}, {"n.npy": (folder / "n.npy").read_bytes()}]


def other_names(files: Files, rng: random.Random) -> Files:
    ((name, content),) = files.items()
    return {name: (npy if name == "n.npy" else some_text)(content, rng)}


ALLELES = "chr\tpos\tref\talt\tac\tan\nchr1\t10\tA\tG\t3\t10\nchr2\t5\tAC\tGT\t0\t9\n"
MPRA = 'chrom\tpos\tfdr\n"chr1"\t10\t0.01\nchr1\t12\tNA\nchr2\t9\t1e-5\nchr2\t9\t0.5\n'
SCORES = f"chr1;105;110;100;112;-\n{';'.join(['0.5'] * 12)}\nchr2;5;9;1;13\n{'0;' * 11}1e-3\n"
PROBES: Files = {
    "p.fa": b">a x\nACGT\nAC\n>b\nGGTT\n",
    "t.tsv": b"name\tfactor\na\tCTCF\nb\tGATA1\n",
}
EXPRESSION = "gene\tr1\tr2\nCTCF\t1.5\t2\nGATA1\t0\t7e3\n"


def _of(name: str, make: Callable[[Path], list[Files]], read: Any, cost: int) -> Target:
    return Target(name, make, stored, read, cost)


def _text(name: str, file: str, read: Any, *contents: str) -> Target:
    return Target(name, given(*contents, name=file), one_file(file, any_form(some_text)), read)


MODEL_TARGETS = [
    _of("checkpoint", _checkpoint, read_one_checkpoint, 3),
    _of("run", _runs, read_run, 10),
    Target("config", _configs, other_config, read_one_config, 5),
    _text("lineages", "l.toml", read_lineages, LINEAGES),
    Target("weights", _weights, other_weights, read_weights, 10),
    _of("attributions", _attributions, read_attributions, 10),
    _of("predictions", _predictions, read_predictions, 10),
    _of("seqlets", _seqlets, read_seqlets, 10),
    _of("motif.matches", _matches, read_matches, 5),
    _of("topic.kmers", _topics, read_topics, 10),
    _of("proportions", _proportions, read_proportions, 5),
    _of("pipeline", _pipeline, read_pipeline, 1),
    _text("allele.counts", "a.tsv", read_alleles, ALLELES),
    _text("mpra", "m.tsv", read_mpra, MPRA),
    _text("score.lines", "s.txt", read_score_file, SCORES),
    Target("probes", lambda _: [PROBES], factor_tables, read_factor_tables),
    _text("expression", "e.tsv", read_expressions, EXPRESSION),
    Target("names", _names, other_names, read_task_names),
]
