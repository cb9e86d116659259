"""How many SNPs are singletons where a model's scores are highest (AgentBind, Ext. Data Fig. 5).

Alleles that harm are kept rare by selection, so that more of the SNPs that are seen in one person
alone are a sign of it (Zheng et al. 2021). Of the SNPs in bound sequences:

    minor allele count = min(n, N - n)    n alternative alleles of N that were called
    singleton          = one with a minor allele count of 1
    ratio of a part    = its singletons / its SNPs

A part is the core motifs, the context (all else), or the context's bases with the highest scores.
The SNPs of such a top part are compared with all others of the context, those of the core with all
of the context, by a one-sided z-test of two proportions:

    z = (a / A - b / B) / sqrt(r (1 - r) (1 / A + 1 / B))    r = (a + b) / (A + B)
    p = P(N(0, 1) > z)

Each SNP, that is each alternative allele, counts once, in however many sequences it lies: its score
is the highest of them, and it is in the core if it is in that of any. Of several factors "all"
counts each SNP once too: in the core if it is of any, else in a top part if it is of any.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import check_writable
from kmerengine.io.vcf import AlleleCount
from modelkit.interpretation.column_tables import check_table_path, column, table_of, write_table
from modelkit.interpretation.context.sites import Given
from modelkit.interpretation.snps.allele_counts import read_counts
from modelkit.interpretation.snps.positions import (
    Factor,
    check_contigs,
    read_factors,
    sequences_of,
)
from modelkit.interpretation.topics.mann_whitney import top_of

__all__ = ["Singletons", "singletons", "two_proportions"]

SINGLETONS = "kmerengine.singletons"
ALL = "all"
TOGETHER = 1 << 16  # alleles that are looked up at once

SEVERAL = "a change of several bases"
FEW = "fewer alleles called than the least"
MONOMORPHIC = "one allele alone in these samples"
OUTSIDE = "outside the scored sequences"
NOT_REFERENCE = "REF is not the base of the sequence"
AGAIN = "the same allele again"

SCHEMA = pa.schema(
    [
        column("name", pa.string()),
        column("part", pa.string()),  # context, top or core
        column("share", pa.float64(), nullable=True),  # of the context's bases, of a top part
        column("bases", pa.int64(), nullable=True),  # null of all factors
        column("least_score", pa.float64(), nullable=True),  # of a top part
        column("snps", pa.int64()),
        column("singletons", pa.int64()),
        column("ratio", pa.float64(), nullable=True),
        column("standard_error", pa.float64(), nullable=True),
        column("others", pa.int64(), nullable=True),  # SNPs that the part is compared with
        column("other_singletons", pa.int64(), nullable=True),
        column("z", pa.float64(), nullable=True),
        column("p", pa.float64(), nullable=True),
    ]
)

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


class Singletons(NamedTuple):
    """Ratios by factor and part.

    Attributes
    ----------
    path : Path
    table : pyarrow.Table
    counts : dict of str to int
        "lines" and "alleles" of the file, and "snps" that were counted of any factor.
    left_out : dict of str to int
        Alleles that were not, by reason.
    """

    path: Path
    table: pa.Table
    counts: dict[str, int]
    left_out: dict[str, int]


class Snps(NamedTuple):
    """SNPs that lie in sequences of any factor."""

    chrom: npt.NDArray[np.str_]
    start: Ints
    singleton: Flags


def singletons(
    sets: Mapping[str, Given],
    output: str | Path,
    *,
    variants: str | Path,
    targets: Mapping[str, str] | str | None = None,
    label: str | None = None,
    shares: Sequence[float] = (0.05, 0.005),
    least: int = 1000,
    count_field: str = "AC",
    total_field: str = "AN",
    figure: str | Path | None = None,
    force: bool = False,
) -> Singletons:
    """Count singletons among the SNPs of core motifs, their context, and its highest scores.

    Parameters
    ----------
    sets : mapping of str to attributions
        As of `kmers`, by factor. Of attributions with labels the bound sequences are taken.
    output : path
        The .parquet or .tsv file to write.
    variants : path
        VCF, or a table of chromosome, position (1-based), REF, ALT, its count, and the count of all
        alleles.
    targets, label
        As of `kmers`.
    shares : sequence of float
        Of the context's bases that are top. A base is top only with a score above 0.
    least : int
        Alleles called, of a SNP that counts.
    count_field, total_field : str
        In INFO, of a VCF file.
    figure : path, optional
        Draw the ratios with their standard errors: .png or .svg.
    force : bool
        Replace existing outputs.

    Raises
    ------
    InputError
        A file that cannot be read or has a damaged line; no allele lies on a contig of the
        sequences; or REF is not their base at most of the positions: another genome.
    """
    output = Path(output)
    check_table_path(output, force=force)
    if figure is not None:
        check_writable(Path(figure), force=force)
    for share in shares:
        if not 0 < share < 1:
            raise InputError(f"shares: found {share}, expected above 0 and below 1")
    if least < 1:
        raise InputError(f"least: found {least}, expected 1 or more")
    factors, inputs = read_factors(sets, targets, label)
    skipped: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    alleles = read_counts(
        variants, count=count_field, total=total_field, skipped=skipped, seen=seen
    )
    snps = _snps_of(alleles, factors, least, skipped, Path(variants))
    rows = _rows(factors, snps, shares)
    table = table_of(SCHEMA, {name: [row.get(name) for row in rows] for name in SCHEMA.names})
    counts = {"lines": seen["lines"], "alleles": seen["alleles"], "snps": len(snps.start)}
    parameters = {
        "targets": [each.target for each in factors], "label": label, "shares": list(shares),
        "least": least, "count_field": count_field, "total_field": total_field,
    }  # fmt: skip
    document = schemas.provenance(
        "singletons", {**inputs, "variants": schemas.digest(Path(variants))}, parameters
    ) | {
        "format": SINGLETONS,
        **counts,
        "left_out": dict(skipped),
        **sequences_of(factors),
    }
    write_table(output, table, document, force=force)
    if figure is not None:
        from modelkit.figures import save
        from modelkit.interpretation.snps.snp_figures import draw_singletons

        save(draw_singletons(rows), figure, force=force)
    return Singletons(output, table, counts, dict(skipped))


def two_proportions(a: int, of_a: int, b: int, of_b: int) -> tuple[float, float]:
    """z and one-sided P that a / of_a is the greater; NaN where they say nothing."""
    from scipy.special import ndtr

    if not of_a or not of_b or not 0 < a + b < of_a + of_b:
        return float("nan"), float("nan")
    pooled = (a + b) / (of_a + of_b)
    z = (a / of_a - b / of_b) / np.sqrt(pooled * (1 - pooled) * (1 / of_a + 1 / of_b))
    return float(z), float(ndtr(-z))


def _snps_of(
    alleles: Any, factors: list[Factor], least: int, skipped: Counter[str], path: Path
) -> Snps:
    """The SNPs that count, with the others added to `skipped`."""
    kept: dict[tuple[str, int, str], bool] = {}
    contigs: set[str] = set()
    misfit = ""
    while together := list(islice(alleles, TOGETHER)):
        some: list[AlleleCount] = []
        for each in together:
            contigs.add(each.variant.contig)
            minor = min(each.n, each.of - each.n)
            if len(each.variant.reference) > 1:
                skipped[SEVERAL] += 1
            elif each.of < least:
                skipped[FEW] += 1
            elif minor == 0:
                skipped[MONOMORPHIC] += 1
            else:
                some.append(each)
        for each, base in zip(some, _bases(some, factors), strict=True):
            variant = each.variant
            key = (variant.contig, variant.start, variant.alternative)
            if base < 0:
                skipped[OUTSIDE] += 1
            elif base < 4 and variant.reference != "ACGT"[base]:
                skipped[NOT_REFERENCE] += 1
                misfit = misfit or (
                    f"line {variant.line}: {variant.contig}:{variant.start + 1:,} is "
                    f"{'ACGT'[base]} in the sequences, REF is {variant.reference}"
                )
            elif key in kept:
                skipped[AGAIN] += 1
            else:
                kept[key] = min(each.n, each.of - each.n) == 1
    check_contigs(path, contigs, factors)
    if skipped[NOT_REFERENCE] > len(kept):
        raise InputError(
            f"{path}: {misfit}, and so at {skipped[NOT_REFERENCE]:,} of "
            f"{skipped[NOT_REFERENCE] + len(kept):,} alleles in the sequences; expected the "
            "assembly of their genome, and 1-based positions"
        )
    return Snps(
        np.array([key[0] for key in kept], np.str_),
        np.array([key[1] for key in kept], np.int64),
        np.array(list(kept.values()), np.bool_),
    )


def _bases(some: list[AlleleCount], factors: list[Factor]) -> list[int]:
    """Codes of the sequences at alleles; -1 outside all of them, 255 where none is known."""
    chroms = np.array([each.variant.contig for each in some], np.str_)
    starts = np.array([each.variant.start for each in some], np.int64)
    found = np.full(len(some), -1)
    for factor in factors:
        place = factor.positions.places(chroms, starts)
        inside = (place >= 0) & ((found < 0) | (found > 3))
        found[inside] = factor.positions.base[place[inside]]
    return [int(each) for each in found]


def _rows(factors: list[Factor], snps: Snps, shares: Sequence[float]) -> list[dict[str, Any]]:
    rows = []
    in_core = np.zeros(len(snps.start), np.bool_)
    in_any = np.zeros_like(in_core)
    in_top = {share: np.zeros_like(in_core) for share in shares}
    for name, _, positions in factors:
        place = positions.places(snps.chrom, snps.start)
        inside = place >= 0
        core = np.zeros_like(inside)
        core[inside] = positions.core[place[inside]]
        context = inside & ~core
        scores = positions.score[~positions.core]
        told: dict[float, dict[str, Any]] = {}
        tops = {}
        for share in shares:
            n_top = int(top_of(share, np.array([len(scores)]))[0])
            limit = float(np.partition(scores, -n_top)[-n_top]) if len(scores) else np.inf
            top = np.zeros_like(inside)
            here = positions.score[place[context]]
            top[context] = (here >= limit) & (here > 0)
            told[share] = {
                "bases": int(((scores >= limit) & (scores > 0)).sum()), "least_score": limit,
            }  # fmt: skip
            tops[share] = top
            in_top[share] |= top
        in_core |= core
        in_any |= inside
        sizes = {"context": len(scores), "core": int(positions.core.sum())}
        rows += _parts(name, snps.singleton, context, tops, core, sizes, told)
    if len(factors) > 1:
        context = in_any & ~in_core
        tops = {share: top & context for share, top in in_top.items()}
        rows += _parts(ALL, snps.singleton, context, tops, in_core, {}, {})
    return rows


def _parts(
    name: str,
    singleton: Flags,
    context: Flags,
    tops: dict[float, Flags],
    core: Flags,
    sizes: dict[str, int],
    told: dict[float, dict[str, Any]],
) -> list[dict[str, Any]]:
    def row(part: str, chosen: Flags, others: Flags | None = None, **more: Any) -> dict[str, Any]:
        n, hits = int(chosen.sum()), int((chosen & singleton).sum())
        ratio = hits / n if n else np.nan
        made = {
            "name": name, "part": part, "snps": n, "singletons": hits, "ratio": ratio,
            "standard_error": np.sqrt(ratio * (1 - ratio) / n) if n else np.nan, **more,
        }  # fmt: skip
        if others is not None:
            n_other, other_hits = int(others.sum()), int((others & singleton).sum())
            z, p = two_proportions(hits, n, other_hits, n_other)
            made |= {"others": n_other, "other_singletons": other_hits, "z": z, "p": p}
        return made

    return [
        row("context", context, bases=sizes.get("context")),
        *(
            row("top", top, context & ~top, share=share, **told.get(share, {}))
            for share, top in tops.items()
        ),
        row("core", core, context, bases=sizes.get("core")),
    ]
