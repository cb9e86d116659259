"""Which factors the topics of a model are: Algorithm 1 of Kshirsagar et al. (2021).

A factor is mapped to a topic if its probes have more of the topic than the 5 % of all other probes
that have most of it, by a one-sided Mann-Whitney U test with p < 0.05. A topic may have several
factors and a factor several topics. The paper corrects p-values for nothing; `q` has Benjamini and
Hochberg's correction over all tests beside them, and plays no part in what is mapped.

A topic that no peak is made of says nothing of peaks, but has words nevertheless: where nothing is
to be learnt, chance moves the decoder and the encoder along. The probes of a factor share their
words, so that such a topic passes for some factor too. Given peaks, factors are mapped only to
topics that one of these has c times an equal share of, z >= c / M; the paper has no such rule.

To compare with all other probes (`top` of 1) is another question: most of them have nothing of the
topic, so that a factor passes whose probes have a little of it.

Two columns are of the released code, which has no test: the mean value of the topic over a factor's
probes, and the share of them that have more of it than of any other topic.

N = probes, T = factors, M = topics.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from modelkit.interpretation.column_tables import (
    check_table_path,
    column,
    read_table,
    table_of,
    write_table,
)
from modelkit.interpretation.motifs.naming import q_values
from modelkit.interpretation.topics.mann_whitney import top_mann_whitney, top_of
from modelkit.interpretation.topics.probes import Probes, factors_of, numbered, read_labels
from modelkit.interpretation.topics.values import (
    Kind,
    Values,
    check_model,
    largest_topics,
    values_of,
)

if TYPE_CHECKING:
    from modelkit.interpretation.topics.proportions import Proportions

__all__ = ["Labelled", "TopicMap", "check_share", "labelled", "topic_map"]

Floats = npt.NDArray[np.float64]

_NUMBERS = ("u", "p", "q", "effect", "mean", "share")
SCHEMA = pa.schema(
    [
        column("factor", pa.string()),
        column("topic", pa.string()),
        column("u", pa.float64()),  # Mann and Whitney's
        column("p", pa.float64()),  # of Algorithm 1, not corrected
        column("q", pa.float64()),  # Benjamini and Hochberg's, over all rows
        column("effect", pa.float64()),  # U / (n_probes * n_top)
        column("mapped", pa.bool_()),  # p is below the document's, and peaks are made of the topic
        column("n_probes", pa.int64()),
        column("n_top", pa.int64()),  # other probes compared with
        column("mean", pa.float64()),  # value of the factor's probes
        column("share", pa.float64()),  # of them with more of this topic than of any other
    ]
)


class TopicMap:
    """Tests of every factor and topic.

    Attributes
    ----------
    path : Path or None
        Where it was written.
    table : pyarrow.Table
        One row for each factor and topic.
    factors, topics : tuple of str
        T and M of them.
    u, p, q, effect, mean, share : float64, shape (T, M)
    mapped : bool, shape (T, M)
    n_probes : int64, shape (T,)
    provenance : dict
        How it was made.
    """

    u: Floats
    p: Floats
    q: Floats
    effect: Floats
    mean: Floats
    share: Floats

    def __init__(self, table: pa.Table, document: dict[str, Any], path: Path | None = None) -> None:
        self.table, self.provenance, self.path = table, document, path
        factors, topics = table["factor"].to_pylist(), table["topic"].to_pylist()
        self.factors, self.topics = tuple(dict.fromkeys(factors)), tuple(dict.fromkeys(topics))
        expected = [(factor, topic) for factor in self.factors for topic in self.topics]
        if not expected or list(zip(factors, topics, strict=True)) != expected:
            raise InputError(
                f"{path}: its rows are not every factor with every topic; make the file again"
            )
        shape = (len(self.factors), len(self.topics))
        for name in _NUMBERS:
            values = table[name].to_numpy()
            wrong = ~np.isfinite(values)
            if name in ("p", "q"):
                wrong |= (values < 0) | (values > 1)
            if wrong.any():
                row = int(wrong.argmax())
                raise InputError(
                    f"{path}: row {row}: found {values[row]} in column {name!r}, expected a number"
                    f"{' from 0 to 1' if name in ('p', 'q') else ''}; make the file again"
                )
            setattr(self, name, values.reshape(shape))
        self.mapped: npt.NDArray[np.bool_] = table["mapped"].to_numpy().reshape(shape)
        self.n_probes = table["n_probes"].to_numpy().reshape(shape)[:, 0]

    @classmethod
    def open(cls, path: str | Path) -> "TopicMap":
        """Open a Parquet file that `topic_map` wrote; InputError if it is none."""
        return cls(*read_table(Path(path), SCHEMA, schemas.TOPIC_MAP), Path(path))

    def factors_of(self, topic: int) -> list[str]:
        """Factors of a topic, by p-value, then by effect."""
        rows = np.flatnonzero(self.mapped[:, topic])
        order = np.lexsort((-self.effect[rows, topic], self.p[rows, topic]))
        return [self.factors[row] for row in rows[order].tolist()]

    def topics_of(self, factor: int) -> list[int]:
        """Topics of a factor, in the same order."""
        rows = np.flatnonzero(self.mapped[factor])
        order = np.lexsort((-self.effect[factor, rows], self.p[factor, rows]))
        found: list[int] = rows[order].tolist()
        return found

    @property
    def found(self) -> list[str]:
        """Factors with a topic at least."""
        return [self.factors[row] for row in np.flatnonzero(self.mapped.any(1)).tolist()]


def topic_map(
    values: "Proportions | str | Path | npt.ArrayLike",
    labels: Probes | str | Path | Sequence[object],
    output: str | Path | None = None,
    *,
    kind: Kind = "concentrations",
    top: float = 0.05,
    p: float = 0.05,
    peaks: "Proportions | str | Path | None" = None,
    c: float = 4.0,
    force: bool = False,
) -> TopicMap:
    """Map topics to factors by probes.

    Parameters
    ----------
    values : Proportions, path or array of shape (N, M)
        Topics of probes.
    labels : Probes, path, or sequence of length N
        Factor of each probe; of `Proportions` it is found by the probe's name. A file is
        probes.parquet of `kmerengine simulate kmers`, or a table of names and factors.
    output : path, optional
        Write there: .parquet or .tsv.
    kind : "concentrations" or "proportions"
        What of `Proportions` is compared.
    top : float
        Share of the other probes, those with most of a topic, that a factor is compared with.
    p : float
        Tests below it are mapped.
    peaks : Proportions or path, optional
        Topics of peaks, by the same model. Without them every topic may have factors.
    c : float
        A topic has factors if a peak has so many times an equal share of it.
    force : bool
        Replace an existing output.

    Raises
    ------
    InputError
        Values that are not finite, labels of other probes, less than two factors, a share or
        p-value out of range, c of 0 or less, or peaks with other topics.
    """
    check_share("top", top)
    check_share("p", p)
    if not 0 < c < math.inf:
        raise InputError(f"c: found {c}, expected more than 0")
    path = None if output is None else Path(output)
    if path is not None:
        check_table_path(path, force=force)
    given = values_of(values, kind)
    probes = labelled(labels, given)
    parameters: dict[str, Any] = {"kind": given.kind, "top": top, "p": p}
    inputs = probes.inputs
    used: npt.NDArray[np.bool_] = np.ones(len(given.topics), bool)
    if peaks is not None:
        made_of = _values_of_peaks(peaks, given)
        used = np.any(made_of.matrix >= c / len(given.topics), axis=0)
        parameters["c"] = c
        if "proportions" in made_of.inputs:
            inputs = inputs | {"peaks": made_of.inputs["proportions"]}
    document = schemas.provenance("topics map", inputs, parameters) | {
        "format": schemas.TOPIC_MAP,
        "probes": len(probes.number),
        "without_values": probes.without_values,
        "topics_in_use": int(used.sum()) if peaks is not None else None,
    }
    table = _table(given, probes.factors, probes.number, top, p, used)
    if path is not None:
        write_table(path, table, document, force=force)
    return TopicMap(table, document, path)


class Labelled(NamedTuple):
    """Which factor each row is of."""

    factors: tuple[str, ...]
    number: npt.NDArray[np.int64]  # of each row's factor
    inputs: dict[str, Any]  # what values and labels were
    without_values: int  # probes that have no row


def labelled(labels: Probes | str | Path | Sequence[object], given: Values) -> Labelled:
    """The factor of each row; InputError where one has none, or where there is only one."""
    inputs: dict[str, Any] = dict(given.inputs)
    listed: Sequence[object]
    without = 0
    path = Path(labels) if isinstance(labels, str | Path) else getattr(labels, "path", None)
    if path is not None:
        inputs["probes"] = schemas.digest(path)
    if isinstance(labels, Probes | str | Path):
        by_name = labels.labels if isinstance(labels, Probes) else read_labels(labels)
        listed = list(by_name.values())
        if given.names is not None:
            listed = factors_of(by_name, given.names, given.where)
            without = len(by_name) - len(listed)
    else:
        listed = list(labels)
    if len(listed) != len(given.matrix):
        raise InputError(
            f"{given.where}: found {len(given.matrix)} rows and {len(listed)} labels, expected as "
            "many of each"
        )
    names, number = numbered(listed)
    if len(names) < 2:
        raise InputError(
            f"labels: found {len(names)} factors, expected at least two to tell one from the others"
        )
    return Labelled(names, number, inputs, without)


def check_share(name: str, value: float) -> None:
    """InputError unless it is above 0 and at most 1."""
    if not 0 < value <= 1:
        raise InputError(f"{name}: found {value}, expected more than 0 and at most 1")


def _values_of_peaks(peaks: "Proportions | str | Path", probes: Values) -> Values:
    found = values_of(peaks, "proportions")
    check_model(found, probes.topics, probes.inputs, probes.where)
    return found


def _table(
    given: Values,
    names: tuple[str, ...],
    number: npt.NDArray[np.int64],
    top: float,
    p: float,
    used: npt.NDArray[np.bool_],
) -> pa.Table:
    matrix, n_topics = given.matrix, given.matrix.shape[1]
    tests = top_mann_whitney(matrix, number, len(names), top)
    n_probes = np.bincount(number)
    sums, most = np.zeros((2, len(names), n_topics))
    np.add.at(sums, number, matrix)
    largest, has = largest_topics(matrix)
    np.add.at(most, (number[has], largest[has]), 1)
    n_top = top_of(top, len(number) - n_probes)
    columns: dict[str, Any] = {
        "factor": np.repeat(np.array(names, object), n_topics),
        "topic": list(given.topics) * len(names),
        "u": tests.u.ravel(),
        "p": tests.p.ravel(),
        "q": q_values(tests.p.ravel()),
        "effect": tests.effect.ravel(),
        "mapped": ((tests.p < p) & used).ravel(),
        "n_probes": np.repeat(n_probes, n_topics),
        "n_top": np.repeat(n_top, n_topics),
        "mean": (sums / n_probes[:, None]).ravel(),
        "share": (most / n_probes[:, None]).ravel(),
    }
    return table_of(SCHEMA, columns)
