"""Count k-mers: of regions of a genome, of separate sequences, or of everything together."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from kmerengine import schemas
from kmerengine.cluster import Scheduler, connected
from kmerengine.errors import InputError
from kmerengine.io.bed import read_regions
from kmerengine.io.fasta import Genome
from kmerengine.kmers.counts import KmerCounts
from kmerengine.kmers.options import CountOptions, Device
from kmerengine.kmers.rows import (
    ResidentCodes,
    all_records,
    codes_of,
    count_row_batches,
    encode,
    long_enough,
    whole_sequences,
    without_n,
)
from kmerengine.kmers.total_counts import KmerTotals
from kmerengine.kmers.totals import count_totals
from kmerengine.kmers.vocabulary import Vocabulary
from kmerengine.parallel import Progress, available_threads
from kmerengine.regions import place_regions

NOT_ACGT = "holds a base other than A C G T"


def count(
    genome: str | Path,
    regions: str | Path | None = None,
    *,
    output: str | Path | None = None,
    vocabulary: Vocabulary | None = None,
    width: int | None = None,
    drop_n: bool = False,
    max_regions: int | None = None,
    skip_missing_contigs: bool = False,
    per_record: bool = False,
    materialize: bool = False,
    parts: bool = False,
    threads: int | None = None,
    memory: int = 3 << 30,
    device: Device = "auto",
    scheduler: Scheduler | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> KmerCounts | KmerTotals:
    """Count the k-mers of a genome: per region, per record, or in total.

    Parameters
    ----------
    genome : path
        FASTA: plain, bgzip or gzip.
    regions : path, optional
        BED3 to BED12, narrowPeak or broadPeak, plain or gzip. Without it (and without
        `per_record`) the totals of all records are counted.
    output : path, optional
        Write there; the suffix picks the format (.parquet .arrow .npz .h5ad .txt). Otherwise
        counts are kept in memory.
    vocabulary : Vocabulary, optional
        Features; by default BindVAE's, `Vocabulary.wildcard()`.
    width : int, optional
        Count the window of this many bp around the summit (narrowPeak) or midpoint instead.
        Windows that leave their contig are skipped.
    drop_n : bool
        Skip regions that hold a base other than A C G T, instead of only the windows over it.
    max_regions : int, optional
        Keep the regions with the best scores, at most so many.
    skip_missing_contigs : bool
        Skip regions on contigs that the genome lacks, instead of refusing them.
    per_record : bool
        One row per FASTA record.
    materialize : bool
        Store gapped features, not the 16 times fewer exact words they follow from.
    parts : bool
        Make the output a folder of Parquet parts, written by all threads at once.
    threads : int, optional
        By default the processors this process may use.
    memory : int
        Bytes of words held at once when totals of k > 12 are counted.
    device : "auto", "cpu" or "cuda"
        "auto" uses a GPU where there is one and the work is large enough. Same bits either way.
    scheduler : str or distributed.Client, optional
        Count on a Dask cluster, on its processors: batches of regions, or totals (to k = 12) of 64
        Mbase of a genome that is plain or bgzip (see `kmerengine.cluster`). Same bits again.
    force : bool
        Replace an existing output.
    progress : callable, optional
        Called with (done, of) in bases.

    Returns
    -------
    KmerCounts (per region or record) or KmerTotals

    Raises
    ------
    InputError
        One line that names the file, what was found, what was expected and what to do.
    """
    chosen = Vocabulary.wildcard() if vocabulary is None else vocabulary
    options = CountOptions(
        vocabulary=chosen,
        output=None if output is None else Path(output),
        materialize=materialize,
        parts=parts,
        threads=available_threads() if threads is None else threads,
        memory=memory,
        device=device,
        force=force,
        progress=progress,
    )
    if scheduler is not None and device == "cuda":
        raise InputError("device: found cuda with a scheduler, expected auto or cpu")
    if per_record and regions is not None:
        raise InputError("per_record: found together with REGIONS, expected one of the two")
    if regions is None:
        _only_with_regions(width=width, max_regions=max_regions)
        _only_with_regions(skip_missing_contigs=skip_missing_contigs or None)
        if not per_record:
            _only_with_regions(drop_n=drop_n or None)
    genome = Path(genome)
    files = (genome,) if regions is None else (genome, Path(regions))
    options.check(totals=regions is None and not per_record, inputs=files)
    if regions is None and not per_record:
        return count_totals(genome, options, scheduler)
    with Genome.open(genome) as opened:
        inputs = {"genome": schemas.contigs_digest(genome, opened.contigs)}
        if regions is None:
            n_read = len(opened.contigs)
            rows, skipped = all_records(opened, chosen.k)
        else:
            regions = Path(regions)
            listed = read_regions(regions)
            n_read = len(listed)
            inputs["regions"] = schemas.digest(regions)
            rows, skipped = place_regions(
                listed,
                opened.contigs,
                regions,
                width=width,
                min_length=chosen.k,
                max_regions=max_regions,
                skip_missing_contigs=skip_missing_contigs,
            )
        codes = codes_of(opened, rows)
        if drop_n:
            n_before = len(rows)
            rows, codes = without_n(rows, codes, options)
            if len(rows) < n_before:
                skipped = {**skipped, NOT_ACGT: n_before - len(rows)}
        parameters = {
            "width": width,
            "drop_n": drop_n,
            "max_regions": max_regions,
            "skip_missing_contigs": skip_missing_contigs,
        }
        document = schemas.provenance("count", inputs, parameters)
        document |= {"regions": n_read, "kept": len(rows), "skipped": skipped}
        document["bases"] = codes.n_bases
        with connected(scheduler, opened) as cluster:
            found = count_row_batches(rows, codes, document, options, cluster)
        found.notes = opened.notes
        return found


def _only_with_regions(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise InputError(f"{name}: found without REGIONS, expected a file of regions with it")


def count_sequences(
    sequences: Iterable[str] | str | Path,
    *,
    names: Iterable[str] | None = None,
    vocabulary: Vocabulary | None = None,
    output: str | Path | None = None,
    materialize: bool = False,
    threads: int | None = None,
    device: Device = "auto",
    force: bool = False,
) -> KmerCounts:
    """Count the k-mers of each sequence: one row per sequence, in order.

    Parameters
    ----------
    sequences : iterable of str, or path
        Sequences of letters, or a FASTA file whose records are counted.
    names : iterable of str, optional
        Names of sequences in memory; by default their number from 0.
    vocabulary, output, materialize, threads, device, force
        As in `count`.

    Returns
    -------
    KmerCounts
        chrom is the sequence's name, start 0, end its length.
    """
    chosen = Vocabulary.wildcard() if vocabulary is None else vocabulary
    if isinstance(sequences, (str, Path)):
        found = count(
            sequences,
            output=output,
            vocabulary=chosen,
            per_record=True,
            materialize=materialize,
            threads=threads,
            device=device,
            force=force,
        )
        assert isinstance(found, KmerCounts)
        return found
    options = CountOptions(
        vocabulary=chosen,
        output=None if output is None else Path(output),
        materialize=materialize,
        threads=available_threads() if threads is None else threads,
        device=device,
        force=force,
    )
    options.check(totals=False)
    pieces = [encode(sequence, number) for number, sequence in enumerate(sequences)]
    listed = [str(i) for i in range(len(pieces))] if names is None else list(names)
    if len(listed) != len(pieces):
        raise InputError(
            f"names: found {len(listed)} for {len(pieces)} sequences, expected as many"
        )
    lengths = np.array([len(piece) for piece in pieces], np.int64)
    rows, skipped = long_enough(whole_sequences(listed, lengths), chosen.k)
    kept = [pieces[row] for row in rows.contig.tolist()]
    codes = np.concatenate(kept) if kept else np.empty(0, np.uint8)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(rows.end)])
    document = schemas.provenance("count_sequences", {}, {})
    document |= {"regions": len(pieces), "kept": len(rows), "skipped": skipped}
    document["bases"] = len(codes)
    return count_row_batches(rows, ResidentCodes(codes, offsets), document, options)
