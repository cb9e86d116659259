"""Whether a model scores SNPs higher that change a reporter's expression (AgentBind).

Of the variants of a massively parallel reporter assay (Tewhey et al. 2016, table S1) those without
a test, of which an allele does not drive the reporter, are left out; below a false discovery rate
of 5 % a variant is positive, from there on it is negative. Its score is the greatest, over factors,
of the base score at its position in bound sequences (Zheng et al. 2021), core motifs included.
Positives and negatives are compared by a two-sided Mann-Whitney test.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import check_writable
from kmerengine.io.messages import how_many
from kmerengine.io.text import text_blocks
from modelkit.interpretation.column_tables import check_table_path, column, table_of, write_table
from modelkit.interpretation.context.sites import Given
from modelkit.interpretation.snps.positions import check_contigs, read_factors, sequences_of

__all__ = ["Mpra", "mpra"]

MPRA = "kmerengine.mpra"
NOT_TESTED = "not tested"
OUTSIDE = "outside the scored sequences"
AGAIN = "the same position again"
NA = ("", "NA", "na", "NaN", "nan", "None", ".")

SCHEMA = pa.schema(
    [
        column("chrom", pa.string()),
        column("start", pa.int64()),  # 0-based
        column("fdr", pa.float64()),
        column("positive", pa.bool_()),
        column("score", pa.float64()),
        column("name", pa.string()),  # of the factor with that score, the first of equal ones
        column("factors", pa.int32()),  # that score the position
    ]
)


class Mpra(NamedTuple):
    """Scores of variants, and the test.

    Attributes
    ----------
    path : Path
    table : pyarrow.Table
        A row for each variant that is tested and scored, in the table's order.
    positives, negatives : int
    medians : tuple of float
        Scores of positives and of negatives.
    u, p : float
        Of the Mann-Whitney test, U of the positives.
    effect : float
        U over its greatest: how often a positive is above a negative; 0.5 by chance.
    left_out : dict of str to int
        Rows of the table that are not in it, by reason.
    """

    path: Path
    table: pa.Table
    positives: int
    negatives: int
    medians: tuple[float, float]
    u: float
    p: float
    effect: float
    left_out: dict[str, int]


class Rows(NamedTuple):
    """Tested variants of a table."""

    chrom: npt.NDArray[np.str_]
    start: npt.NDArray[np.int64]
    fdr: npt.NDArray[np.float64]


def mpra(
    sets: Mapping[str, Given],
    output: str | Path,
    *,
    table: str | Path,
    targets: Mapping[str, str] | str | None = None,
    label: str | None = None,
    chrom_column: str = "chrom",
    position_column: str = "pos",
    fdr_column: str = "C.Skew.fdr",
    fdr: float = 0.05,
    figure: str | Path | None = None,
    force: bool = False,
) -> Mpra:
    """Compare scores of bases with a reporter assay of variants.

    Parameters
    ----------
    sets : mapping of str to attributions
        As of `kmers`, by factor. Of attributions with labels the bound sequences are taken.
    output : path
        The .parquet or .tsv file to write.
    table : path
        Tab-separated, with a line of column names, plain or gzip. Of several rows at one position
        the first tested one counts.
    targets, label
        As of `kmers`.
    chrom_column, position_column, fdr_column : str
        Names of its columns; positions are 1-based, of the sequences' genome.
    fdr : float
        Below it a variant is positive.
    figure : path, optional
        Draw the scores of both: .png or .svg.
    force : bool
        Replace existing outputs.

    Raises
    ------
    InputError
        A file that cannot be read or has a damaged line; no variant lies on a contig of the
        sequences; no positive or no negative is left.
    """
    output, path = Path(output), Path(table)
    check_table_path(output, force=force)
    if figure is not None:
        check_writable(Path(figure), force=force)
    if not 0 < fdr < 1:
        raise InputError(f"fdr: found {fdr}, expected above 0 and below 1")
    factors, inputs = read_factors(sets, targets, label)
    left_out: Counter[str] = Counter()
    rows = _read(path, (chrom_column, position_column, fdr_column), left_out)
    scores = np.full((len(factors), len(rows.start)), -np.inf)
    for number, (_, _, positions) in enumerate(factors):
        place = positions.places(rows.chrom, rows.start)
        scores[number, place >= 0] = positions.score[place[place >= 0]]
    inside = np.isfinite(scores).any(0)
    left_out[OUTSIDE] = int((~inside).sum())
    check_contigs(path, set(rows.chrom.tolist()), factors)
    best = scores[:, inside].max(0)
    positive = rows.fdr[inside] < fdr
    if not positive.any() or positive.all():
        raise InputError(
            f"{path}: {int(positive.sum()):,} of {len(positive):,} variants in the sequences have "
            f"{fdr_column} below {fdr:g}, expected some below and some not"
        )
    from scipy.stats import mannwhitneyu

    tested = mannwhitneyu(best[positive], best[~positive], alternative="two-sided")
    n, n_other = int(positive.sum()), int((~positive).sum())
    u, p = float(tested.statistic), float(tested.pvalue)
    medians = float(np.median(best[positive])), float(np.median(best[~positive]))
    made = table_of(
        SCHEMA,
        {
            "chrom": rows.chrom[inside].tolist(), "start": rows.start[inside],
            "fdr": rows.fdr[inside], "positive": positive, "score": best,
            "name": [factors[i].name for i in scores[:, inside].argmax(0).tolist()],
            "factors": np.isfinite(scores[:, inside]).sum(0),
        },
    )  # fmt: skip
    parameters: dict[str, Any] = {
        "targets": [each.target for each in factors], "label": label, "fdr": fdr,
        "columns": [chrom_column, position_column, fdr_column],
    }  # fmt: skip
    document = schemas.provenance("mpra", {**inputs, "table": schemas.digest(path)}, parameters) | {
        "format": MPRA,
        "positives": n,
        "negatives": n_other,
        "medians": list(medians),
        "u": u,
        "p": p,
        "left_out": dict(left_out),
        **sequences_of(factors),
    }
    write_table(output, made, document, force=force)
    if figure is not None:
        from modelkit.figures import save
        from modelkit.interpretation.snps.snp_figures import draw_mpra

        save(draw_mpra(best[positive], best[~positive], p, fdr), figure, force=force)
    return Mpra(output, made, n, n_other, medians, u, p, u / (n * n_other), dict(left_out))


def _read(path: Path, names: tuple[str, str, str], left_out: Counter[str]) -> Rows:
    """Tested variants of the table, each position once."""
    titles: list[str] = []
    places: list[int] = []
    found: dict[tuple[str, int], float] = {}
    for first, text in text_blocks(path, "a table of variants"):
        for number, line in enumerate(text.splitlines(), first):
            if not line.strip():
                continue
            fields = [field.strip().strip('"') for field in line.split("\t")]
            if not titles:
                titles = fields
                for name in names:
                    if titles.count(name) != 1:
                        raise InputError(
                            f"{path}: line {number}: found {titles.count(name)} columns {name!r} "
                            f"among {', '.join(titles)[:60]!r}, expected one"
                        )
                places = [titles.index(name) for name in names]
                continue
            if len(fields) != len(titles):
                raise InputError(
                    f"{path}: line {number}: found {how_many(fields)}, expected {len(titles)} "
                    "as the first line names, separated by tabs"
                )
            chrom, position, rate = (fields[i] for i in places)
            if rate in NA:
                left_out[NOT_TESTED] += 1
                continue
            value = _rate(rate)
            if not chrom or not position.isdecimal() or not 1 <= int(position) < 1 << 40:
                raise InputError(
                    f"{path}: line {number}: found {chrom!r} and {position[:20]!r}, expected a "
                    "chromosome and a position of 1 or more: positions are 1-based"
                )
            if value is None:
                raise InputError(
                    f"{path}: line {number}: found {names[2]} {rate[:20]!r}, expected 0 to 1, or NA"
                )
            key = (chrom, int(position) - 1)
            if key in found:
                left_out[AGAIN] += 1
            else:
                found[key] = value
    if not titles:
        raise InputError(f"{path}: is empty, expected a table with columns {', '.join(names)}")
    return Rows(
        np.array([key[0] for key in found], np.str_),
        np.array([key[1] for key in found], np.int64),
        np.array(list(found.values()), np.float64),
    )


def _rate(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None
