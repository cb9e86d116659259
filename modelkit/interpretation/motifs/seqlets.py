"""Seqlets: short stretches of a sequence that a model goes by (bpAI-TAC, Supplementary Methods).

A base is significant if the attribution of the base that stands there is more than z standard
deviations from 0. A seqlet is a run of significant bases of one sign with gaps of at most 1 bp
(`native_kernels.significant_runs` has the fine print), of at least 4 significant bases, shorter
than 30 bp. Its hypothetical scores, divided by the largest of them that has the seqlet's sign,
are what is clustered to motifs.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.tables import table_writer
from modelkit.interpretation.attribution.attributions import ABOUT, Attributions
from modelkit.interpretation.motifs.presets import preset_of
from modelkit.interpretation.motifs.seqlet_rows import SeqletRuns, seqlet_rows
from modelkit.interpretation.motifs.seqlet_set import Seqlets
from modelkit.interpretation.motifs.seqlet_tables import seqlets_schema
from native_kernels.significant_runs import significant_runs

__all__ = ["centred", "observed", "seqlets", "seqlets_of", "standard_deviation"]

BLOCK_BYTES = 1 << 26  # of scores at a time

Scores = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]


def seqlets_of(
    contributions: Scores,
    cutoff: float,
    *,
    max_gap: int = 1,
    min_significant: int = 4,
    max_span: int = 30,
) -> SeqletRuns:
    """Find the seqlets of attributions that are in memory.

    Parameters
    ----------
    contributions : float32, shape (n, K, P)
        Attribution of the base that stands there; 0 where none is known.
    cutoff : float
        A base is significant beyond it; more than 0.
    max_gap : int
        bp in a row that need not be significant.
    min_significant : int
        Fewest significant bases.
    max_span : int
        bp; seqlets are shorter.
    """
    n, n_targets, length = contributions.shape
    found = significant_runs(
        np.asarray(contributions, np.float32).reshape(n * n_targets, length),
        cutoff,
        max_gap,
        min_significant,
    )
    fits = found[:, 2] - found[:, 1] < max_span
    row, start, end, sign, significant = found[fits].T
    return SeqletRuns(
        row // n_targets, row % n_targets, start, end, sign, significant, int((~fits).sum())
    )


def centred(hypothetical: Scores) -> Scores:
    """Scores of the bases, (.., 4, P), less their mean at each position."""
    less: Scores = hypothetical - hypothetical.mean(-2, keepdims=True)
    return less


def observed(hypothetical: Scores, sequence: Codes) -> Scores:
    """Scores of the bases that stand there: (n, K, 4, P) and (n, P) to (n, K, P); else 0."""
    place = np.minimum(sequence, 3)[:, None, None].astype(np.intp)
    picked: Scores = np.take_along_axis(hypothetical, place, 2)[:, :, 0]
    return np.where(sequence[:, None] < 4, picked, np.float32(0))


def standard_deviation(attributions: Attributions, *, subtract_mean: bool = True) -> float:
    """Mean over examples and targets of the standard deviation over bases and positions.

    Parameters
    ----------
    attributions : Attributions
    subtract_mean : bool
        Take the mean over the bases off first.
    """
    total, n = 0.0, 0
    for _, scores in _blocks(attributions, subtract_mean=subtract_mean):
        total += float(scores.std((2, 3), dtype=np.float64).sum())
        n += len(scores) * scores.shape[1]
    if not n:
        raise InputError(f"{attributions.path}: holds no examples, expected some")
    return total / n


def seqlets(
    attributions: Attributions | str | Path,
    output: str | Path,
    *,
    of: Attributions | str | Path | None = None,
    preset: str = "paper",
    z: float | None = None,
    p: float | None = None,
    cutoff: float | None = None,
    subtract_mean: bool = True,
    max_gap: int = 1,
    min_significant: int = 4,
    max_span: int = 30,
    bed: str | Path | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Seqlets:
    """Find the stretches of significant attributions, and write them as Parquet.

    Parameters
    ----------
    attributions : Attributions or path
        What `attribute` wrote.
    output : path
        A .parquet file.
    of : Attributions or path, optional
        Take the standard deviation from these: one cut-off for several models.
    preset : "paper" or "code"
        Gives z where nothing else is said: 1.96, or 3.29 as bpAI-TAC's notebook has it.
    z : float, optional
        A base is significant beyond z standard deviations.
    p : float, optional
        The same as the two-sided p-value of a normal distribution: z is 1.96 at 0.05.
    cutoff : float, optional
        A base is significant beyond this attribution.
    subtract_mean : bool
        Take the mean over the four bases off the scores of each position first.
    max_gap, min_significant, max_span : int
        See `seqlets_of`.
    bed : path, optional
        Write seqlets there too, as BED with name target, score |score| and strand ".".
    force : bool
        Replace existing outputs.
    progress : callable, optional
        Called with (done, of) in examples.

    Returns
    -------
    Seqlets
        By example, target and end.

    Raises
    ------
    InputError
        Options out of range or several of z, p and cutoff; attributions that are no numbers.
    """
    output = Path(output)
    data = _opened(attributions)
    if cutoff is not None and of is not None:
        raise InputError("of: found together with cutoff, expected one of them to set the cut-off")
    z = _check(preset, z, p, cutoff, (max_gap, min_significant, max_span))
    if output.suffix != ".parquet":
        raise InputError(f"{output}: found suffix {output.suffix!r}, expected .parquet")
    check_writable(output, force=force)
    if bed is not None:
        check_writable(Path(bed), force=force)
    inputs = {"attributions": _digest(data)}
    deviation = None
    if cutoff is None:
        source = data if of is None else _opened(of)
        inputs |= {} if of is None else {"of": _digest(source)}
        deviation = standard_deviation(source, subtract_mean=subtract_mean)
        cutoff = z * deviation
        if not cutoff > 0:
            raise InputError(
                f"{source.path}: found attributions without spread, expected some to set a cut-off"
            )
    parameters = {
        "preset": preset, "z": z, "subtract_mean": subtract_mean, "max_gap": max_gap,
        "min_significant": min_significant, "max_span": max_span,
    }  # fmt: skip
    batches: list[pa.RecordBatch] = []
    columns = seqlets_schema()
    too_long = 0
    for low, scores in _blocks(data, subtract_mean=subtract_mean):
        codes = np.asarray(data.sequence[low : low + len(scores)])
        found = seqlets_of(
            observed(scores, codes), cutoff, max_gap=max_gap, min_significant=min_significant,
            max_span=max_span,
        )  # fmt: skip
        too_long += found.too_long
        batches.append(seqlet_rows(found, scores, codes, low, data))
        if progress is not None:
            progress(low + len(scores), len(data))
    document = schemas.provenance("seqlets", inputs, parameters) | {
        "format": schemas.SEQLETS,
        "name": data.path.resolve().name,
        "targets": list(data.targets),
        "examples": len(data),
        "cutoff": cutoff,
        "standard_deviation": deviation,
        "skipped": {f"{max_span} bp or longer": too_long},
    }
    schema = schemas.with_metadata(columns, document)
    with (
        atomic(output, force=force) as temporary,
        table_writer(temporary, schema, ".parquet") as writer,
    ):
        for batch in batches:
            writer.write(batch)
    made = Seqlets.open(output)
    if bed is not None:
        made.write_bed(bed, force=force)
    return made


def _opened(attributions: Attributions | str | Path) -> Attributions:
    is_open = isinstance(attributions, Attributions)
    return attributions if is_open else Attributions.open(attributions)  # type: ignore[return-value,arg-type]


def _digest(data: Attributions) -> dict[str, Any]:
    return schemas.digest(data.path / ABOUT) | {"name": data.path.resolve().name}


def _check(
    preset: str,
    z: float | None,
    p: float | None,
    cutoff: float | None,
    sizes: tuple[int, int, int],
) -> float:
    """z, if the options can be followed."""
    chosen = preset_of(preset).z
    if sum(each is not None for each in (z, p, cutoff)) > 1:
        raise InputError("z, p, cutoff: found several, expected at most one of them")
    if p is not None:
        from scipy.stats import norm

        if not 0 < p < 1:
            raise InputError(f"p: found {p}, expected more than 0 and less than 1")
        chosen = float(norm.isf(p / 2))
    for name, value in (("z", z), ("cutoff", cutoff)):
        if value is not None and not 0 < value < np.inf:
            raise InputError(f"{name}: found {value}, expected more than 0")
    for name, size, least in zip(("max_gap", "min_significant", "max_span"), sizes, (0, 1, 2),
                                 strict=True):  # fmt: skip
        if size < least:
            raise InputError(f"{name}: found {size}, expected {least} or more")
    return chosen if z is None else z


def _blocks(data: Attributions, *, subtract_mean: bool) -> Iterator[tuple[int, Scores]]:
    """First example and scores of the bases, (m, K, 4, P), of a piece of all examples at a time."""
    n, n_targets, n_channels, length = data.hypothetical.shape
    step = max(1, BLOCK_BYTES // max(1, 4 * n_targets * n_channels * length))
    for low in range(0, n, step):
        scores = np.asarray(data.hypothetical[low : low + step, :, :4], np.float32)
        finite = np.isfinite(scores).all((1, 2, 3))
        if not finite.all():
            raise InputError(
                f"{data.path}: example {low + int(np.argmin(finite))}: found attributions that are "
                "no numbers, expected finite ones; make them again"
            )
        yield low, centred(scores) if subtract_mean else scores
