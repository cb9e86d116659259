"""Motif instances of a genome or of its regions, with exact p-values."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.cluster import Scheduler, connected
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.bed import read_regions
from kmerengine.io.fasta import Genome
from kmerengine.io.tables import table_writer
from kmerengine.motifs.files import Format, named_motifs, read_motifs
from kmerengine.motifs.hits import MotifHits
from kmerengine.motifs.hits_bed import write_bed
from kmerengine.motifs.motif import BASES, PSEUDOCOUNT, UNIFORM, Motif
from kmerengine.motifs.pieces import Pieces, base_frequencies
from kmerengine.motifs.scores import MotifScores
from kmerengine.motifs.search import Strands
from kmerengine.motifs.search_plan import SearchOnWorker, SearchPlan
from kmerengine.parallel import MAX_THREADS, Progress, available_threads, in_order
from kmerengine.regions import place_regions

SUFFIXES = (".parquet", ".bed", ".bed.gz")
ROWS = 1 << 16  # in a row group, about
BACKGROUNDS = ("uniform", "motifs", "genome")


def scan(
    genome: str | Path,
    motifs: str | Path | Sequence[Motif],
    regions: str | Path | None = None,
    *,
    output: str | Path | None = None,
    p: float = 1e-4,
    q: float | None = None,
    best: bool = False,
    strands: Strands = "both",
    background: str | Sequence[float] = "uniform",
    pseudocount: float = PSEUDOCOUNT,
    names: Sequence[str] = (),
    sequence: bool = False,
    motif_format: Format | None = None,
    rename_duplicates: bool = False,
    skip_missing_contigs: bool = False,
    threads: int | None = None,
    scheduler: Scheduler | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> MotifHits:
    """Find the places where motifs score higher than chance allows.

    Parameters
    ----------
    genome : path
        FASTA: plain, bgzip or gzip. Lower case counts as upper; a window with a base other than
        A C G T is no place.
    motifs : path or sequence of Motif
        A motif file (see `kmerengine.read_motifs`), or motifs.
    regions : path, optional
        BED or narrowPeak; hits lie inside one region, and are given for each of overlapping ones.
        Without it, the whole genome.
    output : path, optional
        Write there: .parquet, .bed or .bed.gz (bgzip). Otherwise hits are kept in memory.
    p : float
        Keep hits with at most this p-value: the chance that a random word of the background
        scores as much or more (see `kmerengine.motifs.scores`).
    q : float, optional
        Keep hits with at most this q-value (Benjamini-Hochberg), and give it. The tests of a
        motif are all its places, on both strands where both are scanned. Taken over hits within
        `p`: raise `p` where hits beyond it may be called. The sequence is scanned twice.
    best : bool
        Of each region and motif only the best hit within `p`: the highest score, of equal ones
        the first, there the plus strand.
    strands : "both", "best" or "plus"
        Give a hit of each strand, only the better of two at one place (plus of equal ones), or
        scan the plus strand alone.
    background : str or four frequencies
        Of A C G T, in scores and p-values: "uniform", "genome" (counted), "motifs" (as the motif
        file says), or numbers such as 0.3,0.2,0.2,0.3. Where both strands are scanned, A and T
        share their mean, and C and G.
    pseudocount : float
        Sites added to each position of a motif, spread as the background.
    names : sequence of str
        Scan these motifs only, by name or second name.
    sequence : bool
        Give the bases matched, too, on the motif's strand.
    motif_format : str, optional
        "meme", "jaspar", "transfac" or "hocomoco"; by default told from the file's content.
    rename_duplicates : bool
        Number motifs of one name, instead of refusing them.
    skip_missing_contigs : bool
        Skip regions on contigs that the genome lacks, instead of refusing them.
    threads : int, optional
        By default the processors this process may use. Same bits for any number.
    scheduler : str or distributed.Client, optional
        Scan on a Dask cluster, about 1 Mbase of a genome that is plain or bgzip in a piece (see
        `kmerengine.cluster`). Same bits again.
    force : bool
        Replace an existing output.
    progress : callable, optional
        Called with (done, of) in bases.

    Returns
    -------
    MotifHits
        Sorted by contig (in the genome's order), start and motif (in the file's order); with
        regions by region, in their file's order, first.

    Raises
    ------
    InputError
        One line that names the file, what was found, what was expected and what to do.
    """
    path = None if output is None else Path(output)
    n_threads = available_threads() if threads is None else threads
    _check_options(p, q, strands, pseudocount, n_threads, best=best, regions=regions)
    frequencies = _parse_background(background)
    genome = Path(genome)
    inputs: dict[str, Any] = {}
    if isinstance(motifs, (str, Path)):
        inputs["motifs"] = schemas.digest(Path(motifs))
        listed = read_motifs(motifs, motif_format, rename_duplicates=rename_duplicates)
        where = str(motifs)
    else:
        listed, where = list(motifs), "motifs"
        _check_names(listed)
    if path is not None:
        _check_output(path, [genome, motifs, regions], force=force)
    chosen = named_motifs(listed, names, where)
    with Genome.open(genome) as opened:
        inputs["genome"] = schemas.contigs_digest(genome, opened.contigs)
        longest = max(map(len, chosen))
        document: dict[str, Any] = {}
        if regions is None:
            pieces = Pieces.of_genome(opened, longest)
        else:
            regions = Path(regions)
            rows = read_regions(regions)
            inputs["regions"] = schemas.digest(regions)
            placed, skipped = place_regions(
                rows, opened.contigs, regions, skip_missing_contigs=skip_missing_contigs
            )
            numbers = np.searchsorted(rows.line, placed.line)
            pieces = Pieces.of_regions(opened, placed, numbers, longest, whole=best)
            document = {"regions": len(rows), "kept": len(placed), "skipped": skipped}
        if frequencies is None and background == "genome":
            frequencies = base_frequencies(opened)
        plan = SearchPlan(
            motifs=chosen, frequencies=frequencies, pseudocount=pseudocount, p=p,
            strands=strands, sequence=sequence, contigs=list(opened.contigs),
        )  # fmt: skip
        scored = plan.scores()
        search = plan.search(scored)
        parameters = {
            "p": p, "q": q, "best": best, "strands": strands, "pseudocount": pseudocount,
            "background": background if isinstance(background, str) else list(background),
            "names": list(names), "sequence": sequence,
            "skip_missing_contigs": skip_missing_contigs,
        }  # fmt: skip
        document |= schemas.provenance("scan", inputs, parameters)
        document |= {"format": schemas.MOTIF_HITS, "bases": pieces.n_bases}
        document["motifs"] = [_described(each) for each in scored]
        plain = schemas.hits_schema(q=q is not None, sequence=sequence, region=regions is not None)
        schema = schemas.with_metadata(plain, document)
        with connected(scheduler, opened) as cluster:

            def found(
                what: Literal["hits", "best", "tally"], progress: Progress | None = None
            ) -> closing[Generator[Any, None, None]]:
                if cluster is None:
                    batches = pieces.batches(search.step, progress)
                    return closing(in_order(getattr(search, what), batches, n_threads))
                made = cluster.in_order(
                    SearchOnWorker(genome.absolute(), plan, what, search.q),
                    pieces.places(search.step),
                    progress=progress, size=lambda each: each.n_bases, of=pieces.n_bases,
                )  # fmt: skip
                return closing(made)

            if q is not None:
                with found("tally") as tallies:
                    search.set_q(tallies, q)
            with found("best" if best else "hits", progress) as each:
                batches = _coalesced(schema, map(search.counted, each))
                hits = _kept(path, schema, batches, force=force)
        hits.windows, hits.skipped = search.windows, search.skipped
        hits.notes = [*opened.notes, *search.notes]
        return hits


def _check_options(
    p: float,
    q: float | None,
    strands: str,
    pseudocount: float,
    threads: int,
    *,
    best: bool,
    regions: object,
) -> None:
    if not 0 < p <= 1:
        raise InputError(f"p: found {p}, expected more than 0 and at most 1")
    if q is not None and not 0 < q <= 1:
        raise InputError(f"q: found {q}, expected more than 0 and at most 1")
    if strands not in ("both", "best", "plus"):
        raise InputError(f"strands: found {strands!r}, expected both, best or plus")
    if not 0 <= pseudocount < np.inf:
        raise InputError(f"pseudocount: found {pseudocount}, expected 0 or more")
    if not 1 <= threads <= MAX_THREADS:
        raise InputError(f"threads: found {threads}, expected 1 to {MAX_THREADS}")
    if best and regions is None:
        raise InputError("best: found without REGIONS, expected a file of regions with it")
    if best and q is not None:
        raise InputError(
            "q: found together with best, expected one of the two: q-values need all hits"
        )


def _parse_background(background: str | Sequence[float]) -> npt.NDArray[np.float64] | None:
    """Four frequencies, or None where they come from the genome or the motifs."""
    if background == "uniform":
        return np.array(UNIFORM)
    if isinstance(background, str) and background in BACKGROUNDS:
        return None
    values = background.split(",") if isinstance(background, str) else list(background)
    try:
        found = np.array([float(value) for value in values])
    except ValueError:
        found = np.zeros(0)
    if found.shape != (4,) or not (found > 0).all() or not abs(found.sum() - 1) <= 0.01:
        raise InputError(
            f"background: found {background!r}, expected {', '.join(BACKGROUNDS)}, or frequencies "
            "of A,C,G,T above 0 that sum to 1, such as 0.3,0.2,0.2,0.3"
        )
    frequencies: npt.NDArray[np.float64] = found / found.sum()
    return frequencies


def _check_names(motifs: list[Motif]) -> None:
    names = [motif.name for motif in motifs]
    if not names:
        raise InputError("motifs: found none, expected at least one")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"motifs: found {name!r} twice, expected every name once")


def _check_output(path: Path, inputs: Iterable[object], *, force: bool) -> None:
    if not path.name.endswith(SUFFIXES):
        raise InputError(
            f"{path}: found suffix {path.suffix!r}, expected one of {' '.join(SUFFIXES)}"
        )
    for each in inputs:
        is_path = isinstance(each, (str, Path)) and path.exists() and Path(each).exists()
        if is_path and path.samefile(Path(str(each))):
            raise InputError(f"{path}: is the input {each}; choose another output")
    check_writable(path, force=force)


def _described(scores: MotifScores) -> dict[str, Any]:
    motif = scores.motif
    return {
        "name": motif.name,
        "alt_name": motif.alt_name,
        "length": len(motif),
        "background": dict(zip(BASES, np.round(scores.background, 6).tolist(), strict=True)),
    }


def _coalesced(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of `ROWS` or more."""
    waiting: list[pa.RecordBatch] = []
    n = 0
    for batch in batches:
        waiting.append(batch)
        n += len(batch)
        if n >= ROWS:
            yield _joined(schema, waiting)
            waiting, n = [], 0
    if n:
        yield _joined(schema, waiting)


def _joined(schema: pa.Schema, batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    columns = [
        pa.concat_arrays([batch.column(at) for batch in batches]) for at in range(len(schema))
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _kept(
    path: Path | None, schema: pa.Schema, batches: Iterator[pa.RecordBatch], *, force: bool
) -> MotifHits:
    """Write the hits, or keep them in memory."""
    if path is None:
        return MotifHits.from_batches(schema, batches)
    if path.suffix != ".parquet":
        return MotifHits.written(path, schema, write_bed(path, schema, batches, force=force))
    with (
        atomic(path, force=force) as temporary,
        table_writer(temporary, schema, ".parquet") as writer,
    ):
        for batch in batches:
            writer.write(batch)
    return MotifHits.open(path)
