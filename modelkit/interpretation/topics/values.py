"""Topics of sequences as the analyses take them: a file, `Proportions` or plain numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine import schemas
from kmerengine.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from modelkit.interpretation.topics.proportions import Proportions

__all__ = ["Kind", "Values", "check_model", "check_seed", "largest_topics", "values_of"]

Kind = Literal["concentrations", "proportions"]


class Values(NamedTuple):
    """Numbers of sequences and topics.

    Attributes
    ----------
    matrix : float64, shape (n, M)
    topics : tuple of str
    names : list of str or None
        Of the sequences; plain numbers have none.
    regions : pyarrow.Table or None
        chrom, start, end and so on, of peaks.
    kind : str
        "concentrations", "proportions" or "as given".
    where : str
        For messages.
    inputs : dict
        For the document of what is made of them.
    """

    matrix: npt.NDArray[np.float64]
    topics: tuple[str, ...]
    names: list[str] | None
    regions: "pa.Table | None"
    kind: str
    where: str
    inputs: dict[str, Any]

    @property
    def label(self) -> str:
        """What the numbers are, for figures."""
        return "value" if self.names is None else self.kind.removesuffix("s")


def values_of(given: "Proportions | str | Path | npt.ArrayLike", kind: Kind) -> Values:
    """Concentrations or mean proportions of sequences; an array is taken as it is.

    Raises
    ------
    InputError
        Anything else; numbers that are not finite; no row; fewer than two topics.
    """
    from modelkit.interpretation.topics.proportions import Proportions

    if kind not in ("concentrations", "proportions"):
        raise InputError(f"kind: found {kind!r}, expected concentrations or proportions")
    if isinstance(given, str | Path):
        given = Proportions.open(given)
    if isinstance(given, Proportions):
        path = given.path
        matrix = given.concentrations if kind == "concentrations" else given.mean
        inputs = {} if path is None else {"proportions": schemas.digest(path)}
        if "run" in given.provenance.get("inputs", {}):
            inputs["run"] = given.provenance["inputs"]["run"]
        found = Values(
            np.asarray(matrix, np.float64), tuple(given.topics), list(given.names), given.regions,
            kind, "proportions" if path is None else str(path), inputs,
        )  # fmt: skip
    else:
        matrix = np.asarray(given, np.float64)
        if matrix.ndim != 2:
            raise InputError(f"values: found shape {matrix.shape}, expected (sequences, topics)")
        topics = tuple(f"topic_{i}" for i in range(matrix.shape[1]))
        found = Values(matrix, topics, None, None, "as given", "values", {})
    n, n_topics = found.matrix.shape
    if not n or n_topics < 2:
        raise InputError(
            f"{found.where}: found {n} sequences and {n_topics} topics, expected at least 1 and 2"
        )
    if not np.isfinite(found.matrix).all():
        row, topic = np.argwhere(~np.isfinite(found.matrix))[0].tolist()
        raise InputError(
            f"{found.where}: row {row}: found {found.matrix[row, topic]} of topic {topic}, "
            "expected a finite number"
        )
    return found


def check_model(found: Values, topics: tuple[str, ...], inputs: dict[str, Any], of: str) -> None:
    """InputError unless the values are of these topics, and of the run that `inputs` names."""
    if found.topics != topics:
        raise InputError(
            f"{found.where}: has {len(found.topics)} topics ({', '.join(found.topics[:3])} ...), "
            f"{of} has {len(topics)} ({', '.join(topics[:3])} ...); expected both of one model"
        )
    mine, yours = (each.get("run", {}) for each in (found.inputs, inputs))
    if "sha256" in mine and "sha256" in yours and mine["sha256"] != yours["sha256"]:
        raise InputError(
            f"{found.where}: is of the run {mine.get('name')}, {of} of {yours.get('name')}; "
            "expected both of one model, since topics of different ones have nothing in common"
        )


def largest_topics(
    matrix: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The topic that each row has most of, and whether it has more of it than of any other.

    Concentrations that are all clipped are equal: to take the first would be for its number.
    """
    most = matrix.max(1, keepdims=True)
    return matrix.argmax(1), (matrix == most).sum(1) == 1


def check_seed(seed: int, highest: int = 2**63 - 1) -> None:
    """InputError unless random numbers can be drawn by it."""
    if not 0 <= seed <= highest:
        raise InputError(f"seed: found {seed}, expected 0 to {highest}")
