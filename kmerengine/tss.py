"""Transcription start sites of an annotation."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.gtf import Feature, read_features
from kmerengine.regions import MISSING_CONTIG

NO_STRAND = "feature without strand"
NO_GENE = "feature without gene id"
NO_BIOTYPE = "feature without biotype"
OTHER_BIOTYPE = "other biotype"
SAME_SITE = "same site as an earlier one"

# Ensembl's GFF3 has types for coding and other genes, where its GTF has `gene` for all.
GENES: Final = frozenset({"gene", "ncRNA_gene", "pseudogene"})
# The types that GFF3 files of Ensembl, RefSeq and the model organisms give to transcripts.
TRANSCRIPTS: Final = frozenset({
    "transcript", "mRNA", "primary_transcript", "processed_transcript", "pseudogenic_transcript",
    "unconfirmed_transcript", "ncRNA", "lnc_RNA", "lncRNA", "miRNA", "rRNA", "tRNA", "snRNA",
    "snoRNA", "scRNA", "scaRNA", "antisense_RNA", "guide_RNA", "telomerase_RNA", "vault_RNA",
    "Y_RNA", "SRP_RNA", "RNase_P_RNA", "RNase_MRP_RNA", "V_gene_segment", "D_gene_segment",
    "J_gene_segment", "C_gene_segment",
})  # fmt: skip
_PARTS: Final = frozenset({"exon", "CDS", "UTR", "5UTR", "five_prime_UTR", "start_codon"})


@dataclass(frozen=True, kw_only=True, eq=False)
class StartSites:
    """Transcription start sites, one row each, in the order of the file.

    Attributes
    ----------
    contig_names : tuple of str
        Distinct names, in order of first appearance; where `read_tss` was given contigs, all of
        them in their order.
    contig : int32, shape (n,)
        Index into `contig_names`.
    position : int64, shape (n,)
        0-based; the first base that is transcribed: `start` on the plus strand, `end - 1` on the
        minus strand.
    strand : bytes (S1), shape (n,)
        ``b"+"`` or ``b"-"``.
    name : list of str, length n
        Id of the transcript, or of the gene; "" where the file has none.
    gene_id, gene_name : list of str, length n
        "" where the file has none.
    skipped : dict of str to int
        Features (of "same site", sites) that were not used, by reason; only reasons that occurred.
    """

    contig_names: tuple[str, ...]
    contig: npt.NDArray[np.int32]
    position: npt.NDArray[np.int64]
    strand: npt.NDArray[np.bytes_]
    name: list[str]
    gene_id: list[str]
    gene_name: list[str]
    skipped: dict[str, int]

    def __len__(self) -> int:
        return len(self.position)


class _Gene(NamedTuple):
    """What a line says of its gene; of transcripts, `biotype` may be their own."""

    id: str
    name: str
    biotype: str


class _Site(NamedTuple):
    contig: str
    position: int
    strand: str
    name: str
    gene: _Gene
    parent: str  # of GFF3: the gene's ID, for what the line itself does not say


_UNKNOWN: Final = _Gene("", "", "")


def read_tss(
    path: str | Path,
    *,
    by: Literal["transcript", "gene"] = "transcript",
    types: Collection[str] | None = None,
    biotypes: Collection[str] | None = None,
    contigs: dict[str, int] | None = None,
    unique: bool = False,
) -> StartSites:
    """Read the transcription start sites of a GTF or GFF3 file.

    Parameters
    ----------
    path : str or Path
        Plain, gzip or bgzip.
    by : "transcript" or "gene"
        One site per transcript, or one per gene.
    types : collection of str, optional
        Types of features to read; by default `TRANSCRIPTS` or `GENES`. Parts are put together:
        with ``{"exon"}`` a site is the outermost base of all exons of a transcript, and with
        ``by="gene"`` that of all transcripts (or exons) of a gene. For files without a line per
        transcript or gene.
    biotypes : collection of str, optional
        Biotypes to keep, such as ``{"protein_coding"}``: of transcripts (their gene's where they
        have none) or of genes.
    contigs : dict of str to int, optional
        Length of each contig of the genome, bp. Features on others are skipped.
    unique : bool
        Keep the first site of each position and strand.

    Raises
    ------
    InputError
        The file cannot be read or has no such feature, a line is no feature, a site lies past its
        contig's end, or no contig is one of the genome's.
    """
    if by not in ("transcript", "gene"):
        raise InputError(f"found by={by!r}, expected 'transcript' or 'gene'")
    path = Path(path)
    wanted = frozenset(types) if types is not None else GENES if by == "gene" else TRANSCRIPTS
    seen: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    genes: dict[str, _Gene] = {}
    sites: dict[tuple[str | int, ...], _Site] = {}  # by name where parts join, else by line
    missing: dict[str, None] = {}
    for feature in read_features(path, types=wanted | GENES, seen=seen):
        if feature.type in GENES and (identifier := _first(feature, "ID")):
            genes[identifier] = _gene_of(feature)
        if feature.type not in wanted:
            continue
        if contigs is not None and feature.contig not in contigs:
            missing[feature.contig] = None
            skipped[MISSING_CONTIG] += 1
            continue
        if feature.strand not in ("+", "-"):
            skipped[NO_STRAND] += 1
            continue
        site, joins = _site(feature, by)
        if contigs is not None and site.position >= contigs[site.contig]:
            raise InputError(
                f"{path}: line {feature.line}: found a start site at {site.position + 1} (1-based) "
                f"of {site.contig}, which has {contigs[site.contig]} bp in the genome; give the "
                "annotation of this genome"
            )
        key = (site.contig, site.strand, site.name) if joins else (feature.line,)
        if joins and not site.name:
            skipped[NO_GENE] += 1
        elif earlier := sites.get(key):
            outermost = min if site.strand == "+" else max
            position = outermost(earlier.position, site.position)
            sites[key] = earlier._replace(position=position)
        else:
            sites[key] = site
    n_features = sum(seen[kind] for kind in wanted)
    if not n_features:
        raise InputError(f"{path}: {_nothing_found(wanted, seen)}")
    if contigs is not None and skipped[MISSING_CONTIG] == n_features:
        raise InputError(
            f"{path}: none of its contigs ({_some(missing)}) is one of the genome's "
            f"({_some(contigs)}); give the annotation of this genome, with its names"
        )
    found = []
    for site in sites.values():
        complete = _completed(site, genes)
        if by == "gene":
            complete = complete._replace(name=complete.gene.id)
        if biotypes is None or complete.gene.biotype in biotypes:
            found.append(complete)
        else:
            skipped[OTHER_BIOTYPE if complete.gene.biotype else NO_BIOTYPE] += 1
    return _table(found, contigs, skipped, unique=unique)


def _site(feature: Feature, by: str) -> tuple[_Site, bool]:
    """The site of a feature, and whether others of its name are parts of the same."""
    gene, parent = _gene_of(feature), _first(feature, "Parent")
    is_part = feature.type in _PARTS
    if by == "gene":
        name = gene.id or ("" if is_part else parent)
        joins = feature.type not in GENES
    else:
        name = _first(feature, "transcript_id") or (parent if is_part else _first(feature, "ID"))
        joins = is_part and bool(name)
        own = _first(feature, "transcript_type", "transcript_biotype")
        gene = gene._replace(biotype=own or gene.biotype)
    position = feature.start if feature.strand == "+" else feature.end - 1
    of_gene = "" if is_part else parent  # of a part it is a transcript
    name = _bare(name, "transcript")
    return _Site(feature.contig, position, feature.strand, name, gene, of_gene), joins


def _gene_of(feature: Feature) -> _Gene:
    """What a line says of its gene: all of it in GTF, of GFF3 perhaps only the gene's own line."""
    is_gene = feature.type in GENES
    return _Gene(
        _first(feature, "gene_id") or (_bare(_first(feature, "ID"), "gene") if is_gene else ""),
        _first(feature, "gene_name", "gene") or (_first(feature, "Name") if is_gene else ""),
        _first(feature, "gene_type", "gene_biotype", "biotype"),
    )


def _completed(site: _Site, genes: dict[str, _Gene]) -> _Site:
    """The site with what only the line of its gene says."""
    parent = genes.get(site.parent, _UNKNOWN)
    of_site = site.gene._replace(id=site.gene.id or parent.id or _bare(site.parent, "gene"))
    filled = (own or of_gene for own, of_gene in zip(of_site, parent, strict=True))
    return site._replace(gene=_Gene(*filled))


def _bare(identifier: str, kind: str) -> str:
    """An ID without the prefix that Ensembl (gene:, transcript:) or RefSeq (gene-, rna-) adds."""
    other = "rna-" if kind == "transcript" else "gene-"
    return identifier.removeprefix(f"{kind}:").removeprefix(other)


def _first(feature: Feature, *keys: str) -> str:
    """The first value of the first of some attributes that the feature has, or ""."""
    for key in keys:
        if values := feature.attributes.get(key):
            return values[0]
    return ""


def _nothing_found(wanted: frozenset[str], seen: Counter[str]) -> str:
    asked = _some(sorted(wanted & {"gene", "transcript", "mRNA"} or wanted))
    has = ", ".join(f"{kind} ({n:,})" for kind, n in seen.most_common(5))
    if not has:
        return f"holds no features; expected a GTF or GFF3 file with some of type {asked}"
    return (
        f"holds no feature of type {asked}; it has {has}: give an annotation with such, or start "
        "sites as BED; kmerengine.read_tss takes other types, such as exon"
    )


def _some(names: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(names))
    return ", ".join(distinct[:3]) + (" ..." if len(distinct) > 3 else "")


def _table(
    sites: list[_Site], contigs: dict[str, int] | None, skipped: Counter[str], *, unique: bool
) -> StartSites:
    if unique:
        first: dict[tuple[str, int, str], _Site] = {}
        for site in sites:
            first.setdefault(site[:3], site)
        skipped[SAME_SITE] += len(sites) - len(first)
        sites = list(first.values())
    names = tuple(contigs if contigs is not None else dict.fromkeys(site.contig for site in sites))
    index = {name: i for i, name in enumerate(names)}
    return StartSites(
        contig_names=names,
        contig=np.array([index[site.contig] for site in sites], np.int32),
        position=np.array([site.position for site in sites], np.int64),
        strand=np.array([site.strand for site in sites], "S1"),
        name=[site.name for site in sites],
        gene_id=[site.gene.id for site in sites],
        gene_name=[site.gene.name for site in sites],
        skipped={reason: n for reason, n in skipped.items() if n},
    )
