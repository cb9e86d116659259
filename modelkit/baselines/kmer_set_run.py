"""K-mer sets on a data set: learnt of one part of it, measured on another.

AgentBind (Zheng et al. 2021) has two such comparisons: with KSM, of the central 61 bp, by the data
set's own split; and with IMPACT, by ten trials that each test on a random 20 % of all sequences.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.datasets.folder import ABOUT, Dataset
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.tables import write_whole
from modelkit.baselines.kmer_learn import KmerSetOptions
from modelkit.baselines.kmer_set import KmerSet
from modelkit.baselines.kmer_words import Floats, Ints
from modelkit.metrics.labels import auprc, auroc, pauc

__all__ = ["KmerSetResult", "kmer_set"]

MODEL, SCORES, MEASURES = "kmer_set.parquet", "scores.parquet", "measures.parquet"
NAMES = (MODEL, SCORES, MEASURES)
KMER_SET_SCORES, KMER_SET_MEASURES = "kmerengine.kmer_set_scores", "kmerengine.kmer_set_measures"
MEASURED = ("auroc", "auprc", "pauc", "pauc_mcclish")

MEASURES_SCHEMA = pa.schema(
    [
        pa.field("trial", pa.int32(), nullable=False),
        *(pa.field(n, pa.int64(), nullable=False) for n in ("train", "test", "positives", "sets")),
        *(pa.field(name, pa.float64()) for name in MEASURED),  # null where a kind is missing
    ]
)
SCORES_SCHEMA = pa.schema(
    [
        pa.field("trial", pa.int32(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),  # of the data set
        pa.field("label", pa.uint8(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
    ]
)


class KmerSetResult(NamedTuple):
    """What `kmer_set` wrote.

    Attributes
    ----------
    path : Path
    model : KmerSet or None
        Of the data set's split; of trials there are several, of which none is kept.
    measures : pyarrow.Table
        auROC, auPRC and partial auROC (FPR to 0.1; over 0.1, and McClish's) of each trial.
    mean, sd : dict of str to float
        Of each measure over trials; the sd of one is NaN.
    """

    path: Path
    model: KmerSet | None
    measures: pa.Table
    mean: dict[str, float]
    sd: dict[str, float]


def kmer_set(
    dataset: Dataset | str | Path,
    output: str | Path,
    *,
    label: str | None = None,
    window: int = 61,
    k_min: int = 5,
    k_max: int = 13,
    k_top: int = 10,
    combine: Literal["max", "sum"] = "max",
    trials: int = 0,
    test_share: float = 0.2,
    seed: int = 0,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> KmerSetResult:
    """Learn sets of aligned k-mers and measure how well they tell labels.

    Parameters
    ----------
    dataset : Dataset or path
        With labels.
    output : path
        The folder to write: measures.parquet, scores.parquet of what was tested, and without
        trials kmer_set.parquet, which `KmerSet.open` reads.
    label : str, optional
        May be left out if there is only one.
    window : int
        Central bp of each sequence.
    k_min, k_max, k_top, combine
        See `KmerSetOptions`.
    trials : int
        0: learn of the data set's training sequences and test on its test sequences. Else so many
        times, of random ones of all its sequences.
    test_share : float
        Of them that each trial tests on, above 0 and below 1.
    seed : int
        Of the trials.
    force : bool
        Replace an existing output.
    progress : callable, optional
        Called with (done, of) in trials.

    Raises
    ------
    InputError
        No such label, a window longer than the sequences, a part without positives or others.
    """
    output = Path(output)
    check_writable(output, force=force, folder=NAMES)
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    options = KmerSetOptions(k_min=k_min, k_max=k_max, k_top=k_top, combine=combine)
    if trials < 0:
        raise InputError(f"trials: found {trials}, expected 0 or more")
    if not 0 < test_share < 1:
        raise InputError(f"test_share: found {test_share}, expected above 0 and below 1")
    if seed < 0:
        raise InputError(f"seed: found {seed}, expected 0 or more")
    labels, label = _labels(data, label)
    length = data.sequence.shape[1]
    if not k_min <= window <= length:
        raise InputError(
            f"window: found {window}, expected {k_min} (k_min) to {length}, the sequences' bp"
        )
    first = (length - window) // 2
    parts = _parts(data, trials, test_share, seed)
    measures: list[dict[str, Any]] = []
    scores = []
    model = None
    for number, (train, test) in enumerate(parts):
        fitted = KmerSet.fit(
            data.sequence[train, first : first + window], labels[train], options=options
        )
        model = fitted if not trials else None
        found = fitted.score(data.sequence[test, first : first + window])
        truth = labels[test]
        partial = pauc(truth, found)
        values = (auroc(truth, found), auprc(truth, found), partial.raw, partial.mcclish)
        measures.append(
            {
                "trial": number, "train": len(train), "test": len(test),
                "positives": int(truth.sum()), "sets": len(fitted.motifs),
            }
            | {name: float(each) for name, each in zip(MEASURED, values, strict=True)}
        )  # fmt: skip
        scores.append((number, test, truth, found))
        if progress is not None:
            progress(number + 1, len(parts))
    document = schemas.provenance(
        "kmer-set",
        {"dataset": schemas.digest(data.path / ABOUT) | {"name": data.path.resolve().name}},
        {
            "label": label, "window": window, "k_min": k_min, "k_max": k_max, "k_top": k_top,
            "combine": combine, "trials": trials, "test_share": test_share, "seed": seed,
        },
    )  # fmt: skip
    table = _table(MEASURES_SCHEMA, {n: [m[n] for m in measures] for n in MEASURES_SCHEMA.names})
    mean, sd = _summary(measures)
    columns = {
        "trial": np.concatenate([np.full(len(test), i) for i, test, _, _ in scores]),
        "row": np.concatenate([test for _, test, _, _ in scores]),
        "label": np.concatenate([truth for _, _, truth, _ in scores]),
        "score": np.concatenate([found for _, _, _, found in scores]),
    }
    with atomic(output, force=force, folder=NAMES) as folder:
        summary = {"mean": _plain(mean), "sd": _plain(sd)}
        for name, kind, each in (
            (MEASURES, KMER_SET_MEASURES, table),
            (SCORES, KMER_SET_SCORES, _table(SCORES_SCHEMA, columns)),
        ):
            about = document | {"format": kind, "table": name, **summary}
            schema = schemas.with_metadata(each.schema, about)
            write_whole(folder / name, each.replace_schema_metadata(schema.metadata))
        if model is not None:
            model.put(folder / MODEL, document)
    return KmerSetResult(output, model, table, mean, sd)


def _labels(data: Dataset, label: str | None) -> tuple[npt.NDArray[np.bool_], str]:
    names = data.label_names
    if data.labels is None:
        raise InputError(f"{data.path}: has no labels, expected a data set with some")
    if label is None:
        if len(names) != 1:
            raise InputError(
                f"{data.path}: has {len(names)} labels, {', '.join(names[:3])} ...; name one of "
                "them with --label"
            )
        label = names[0]
    if label not in names:
        raise InputError(f"{data.path}: has no label {label!r}; it has {', '.join(names[:5])}")
    return data.labels[:, names.index(label)] == 1, label


def _parts(data: Dataset, trials: int, share: float, seed: int) -> list[tuple[Ints, Ints]]:
    """Rows to learn of and rows to test on, ascending."""
    if not trials:
        return [(data.split("train"), data.split("test"))]
    n = len(data)
    n_test = round(share * n)
    if not 0 < n_test < n:
        raise InputError(f"{data.path}: has {n} sequences, of which {share:g} are {n_test}")
    found = []
    for trial in range(trials):
        order = np.random.default_rng([seed, trial]).permutation(n)
        found.append((np.sort(order[n_test:]), np.sort(order[:n_test])))
    return found


def _summary(measures: list[dict[str, Any]]) -> tuple[dict[str, float], dict[str, float]]:
    mean, sd = {}, {}
    for name in MEASURED:
        values: Floats = np.array([each[name] for each in measures])
        mean[name] = float(values.mean())
        sd[name] = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return mean, sd


def _plain(values: dict[str, float]) -> dict[str, float | None]:
    """As JSON has them: no NaN."""
    return {name: each if np.isfinite(each) else None for name, each in values.items()}


def _table(schema: pa.Schema, columns: dict[str, Any]) -> pa.Table:
    arrays = [pa.array(columns[f.name], f.type, from_pandas=True) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)
