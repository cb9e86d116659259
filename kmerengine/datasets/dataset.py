"""A training data set from regions of a genome."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kmerengine import schemas
from kmerengine.cut_profiles.profile_set import Profiles, centre_start
from kmerengine.cut_sites.track import CutTrack
from kmerengine.datasets.arrays import (
    Cuts,
    check_lengths,
    moved,
    write_bias,
    write_counts,
    write_sequence,
)
from kmerengine.datasets.folder import KMERS, NAMES, Dataset, Span
from kmerengine.datasets.labels import LabelRule, label_files, overlap_labels
from kmerengine.datasets.splits import Windows, assign_splits
from kmerengine.datasets.write import Examples, Stored, write_examples
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.bed import read_regions
from kmerengine.io.fasta import Genome
from kmerengine.kmers.options import CountOptions
from kmerengine.kmers.rows import codes_of, count_row_batches
from kmerengine.kmers.vocabulary import Vocabulary
from kmerengine.parallel import available_threads
from kmerengine.regions import LEAVES_CONTIG, Regions, place_regions
from native_kernels.cut_profile import Strands

NO_LABEL = "no positive label"
OFF_BY_TWO = 2  # bp


def dataset(
    regions: str | Path,
    *,
    output: str | Path,
    genome: str | Path,
    cuts: str | Path | None = None,
    profiles: str | Path | None = None,
    bias: str | Path | None = None,
    labels: Sequence[str | Path] = (),
    negatives: str | Path | None = None,
    split: Sequence[str] = (),
    seed: int = 0,
    width: int = 1000,
    input_width: int | None = None,
    margin: int = 0,
    window: int = 250,
    off_by_two: bool = False,
    strands: Strands = "sum",
    label_rule: LabelRule = "half",
    label_width: int = 200,
    require_label: bool = False,
    kmers: bool = False,
    vocabulary: Vocabulary | None = None,
    max_regions: int | None = None,
    skip_missing_contigs: bool = False,
    memory: int = 256 << 20,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Join genome, cuts, labels, bias and splits of regions into one training data set.

    Parameters
    ----------
    regions : path
        BED or narrowPeak; each becomes the window of `width` bp around its summit or midpoint.
    output : path
        The folder to write, see `kmerengine.datasets.folder`.
    genome : path
        FASTA: plain, bgzip or gzip.
    cuts : path, optional
        What `kmerengine cuts` wrote: cuts per base of every sample.
    profiles : path, optional
        Instead of `cuts`: what `kmerengine profiles` wrote of these regions (or more), with this
        width or wider around the same centres. All of its rows in its order: its file is shared.
    bias : path, optional
        A bias track: bigWig, or .npy with a row of (stored) bp for each region that is kept.
    labels : sequence of paths
        Region files, folders of them, or tables of name and file: one label each.
    negatives : path, optional
        BED of examples that are no peaks; they follow the regions.
    split : sequence of str
        Rule of training, validation and test, see `kmerengine.datasets.splits`; without one, all
        train.
    seed : int
        For shares of a random split.
    width : int
        bp of counts and bias.
    input_width : int, optional
        bp of sequence around the same centre; by default `width`.
    margin : int
        bp to store on either side of every array, so that a loader can jitter by as much.
    window : int
        bp around the centre whose cuts are the totals; they are quantile-normalised across samples.
    off_by_two : bool
        bpAI-TAC's correction: the sequence and bias drop their first 2 bp, counts their last 2.
    strands : "sum" or "split"
        Of `cuts`: add the strands, or keep them apart.
    label_rule : "half" or "within"
        A label's regions cover more than half of a bin (DeepSEA), or one of them holds all of it.
    label_width : int
        bp of that bin, around the centre.
    require_label : bool
        Leave out regions without any positive label.
    kmers : bool
        Count the k-mers of the regions (of `width` bp) too.
    vocabulary : Vocabulary, optional
        Of `kmers`; by default BindVAE's.
    max_regions : int, optional
        Keep the regions with the best scores, at most so many.
    skip_missing_contigs : bool
        Skip regions on contigs that the genome lacks, instead of refusing them.
    memory : int
        Bytes of counts held at a time.
    force : bool
        Replace an existing output.
    progress : callable, optional
        Called with (done, of) in regions while cuts are counted.

    Raises
    ------
    InputError
        One line that names the file, what was found, what was expected and what to do; also where
        a split is empty or two share a base.
    """
    output, genome = Path(output), Path(genome)
    spans = _spans(width, width if input_width is None else input_width, off_by_two=off_by_two)
    has_centre = not (cuts is None and profiles is None and bias is None)
    _check(margin, window if has_centre else None, spans["counts"], cuts, profiles, strands)
    if vocabulary is not None and not kmers:
        raise InputError("vocabulary: found without kmers, expected --kmers with it")
    check_writable(output, force=force, folder=NAMES)
    source = _opened(cuts, profiles)
    files = label_files(labels)
    with Genome.open(genome) as opened:
        placed: list[Regions] = []
        n_listed = 0
        skipped: dict[str, int] = {}
        for path in (regions, *([negatives] if negatives else [])):
            listed = read_regions(path)
            kept, why = place_regions(
                listed,
                opened.contigs,
                Path(path),
                width=width,
                max_regions=max_regions if path is regions else None,
                skip_missing_contigs=skip_missing_contigs,
            )
            placed.append(kept)
            n_listed += len(listed)
            skipped |= {reason: skipped.get(reason, 0) + n for reason, n in why.items()}
        examples, more = _examples(
            placed, opened.contigs, spans, margin, split=split, seed=seed,
            files=files, rule=label_rule, label_width=label_width, require_label=require_label,
            where=Path(regions), n_listed=n_listed, before=skipped,
        )  # fmt: skip
        skipped |= {reason: skipped.get(reason, 0) + n for reason, n in more.items()}
        with atomic(output, force=force, folder=NAMES) as folder:
            rows = examples.regions
            if isinstance(source, CutTrack) and source.lengths_known:
                check_lengths(source.path, source.contigs, rows, opened)
            arrays: dict[str, Stored] = {}
            arrays["sequence"], n_strange = write_sequence(
                folder, opened, rows, spans["sequence"], margin
            )
            found: Cuts | None = None
            if source is not None:
                found = write_counts(
                    folder, source, rows, width=width, window=window, margin=margin,
                    dropped=width - spans["counts"][1], strands=strands, memory=memory,
                    progress=progress,
                )  # fmt: skip
                arrays["counts"] = found.array
                columns = {"samples": found.samples, "totals": found.totals}
                examples = Examples(**(vars(examples) | columns))
            if bias is not None:
                arrays["bias"] = write_bias(folder, Path(bias), rows, spans["bias"], margin, opened)
            if kmers:
                _count_kmers(folder / KMERS, opened, rows, vocabulary)
            inputs = {
                "genome": schemas.contigs_digest(genome, opened.contigs),
                "regions": schemas.digest(Path(regions)),
                **({"negatives": schemas.digest(Path(negatives))} if negatives else {}),
                **({"bias": schemas.digest(Path(bias))} if bias else {}),
                **({"cuts": {"name": source.path.name}} if source else {}),
                **{f"label {name}": schemas.digest(path) for name, path in files.items()},
            }
            parameters = {
                "split": list(split), "seed": seed, "width": width, "input_width": input_width,
                "off_by_two": off_by_two, "label_rule": label_rule, "label_width": label_width,
                "require_label": require_label, "max_regions": max_regions,
                "skip_missing_contigs": skip_missing_contigs,
            }  # fmt: skip
            document = schemas.provenance("dataset", inputs, parameters)
            document |= {"regions": n_listed, "skipped": skipped, "with_other_bases": n_strange}
            start = centre_start(width, window)
            write_examples(
                folder, examples, arrays, document,
                margin=margin,
                window=found.window if found else (start, start + window) if has_centre else None,
                shift=found.shift if found else None,
                strands=found.strands if found else None,
                kmers=kmers,
            )  # fmt: skip
    return Dataset.open(output)


def _spans(width: int, input_width: int, *, off_by_two: bool) -> dict[str, Span]:
    if width < 1 or input_width < 1:
        raise InputError(f"width: found {width} and {input_width} bp, expected at least 1")
    first = width // 2 - input_width // 2
    if not off_by_two:
        part = (0, width)
        return {"sequence": (first, first + input_width), "counts": part, "bias": part}
    if input_width != width or width <= OFF_BY_TWO:
        raise InputError(
            f"off_by_two: found {input_width} bp of sequence and {width} bp of counts, expected "
            "the same width for both"
        )
    return {
        "sequence": (OFF_BY_TWO, width),
        "counts": (0, width - OFF_BY_TWO),
        "bias": (OFF_BY_TWO, width),
    }


def _check(
    margin: int,
    window: int | None,
    counts: Span,
    cuts: str | Path | None,
    profiles: str | Path | None,
    strands: Strands,
) -> None:
    if margin < 0:
        raise InputError(f"margin: found {margin}, expected 0 or more")
    if window is not None and not 1 <= window <= counts[1]:
        raise InputError(
            f"window: found {window}, expected 1 to {counts[1]} bp, which counts and bias have"
        )
    if cuts is not None and profiles is not None:
        raise InputError("cuts: found together with profiles, expected one of the two")
    if profiles is not None and strands != "sum":
        raise InputError("strands: found with profiles, which have theirs; it is for cuts")


def _opened(cuts: str | Path | None, profiles: str | Path | None) -> CutTrack | Profiles | None:
    if profiles is not None:
        return Profiles.open(profiles)
    return None if cuts is None else CutTrack.open(cuts)


def _examples(
    placed: list[Regions],
    contigs: dict[str, int],
    spans: dict[str, Span],
    margin: int,
    *,
    split: Sequence[str],
    seed: int,
    files: dict[str, Path],
    rule: LabelRule,
    label_width: int,
    require_label: bool,
    where: Path,
    n_listed: int,
    before: dict[str, int],
) -> tuple[Examples, dict[str, int]]:
    """Regions and negatives whose spans lie inside their contigs, with their splits and labels."""
    regions = _joined(placed)
    negative = np.repeat([False, True][: len(placed)], [len(each) for each in placed])
    low, high = min(each[0] for each in spans.values()), max(each[1] for each in spans.values())
    seen = moved(regions, low - margin, high + margin)
    lengths = np.array(list(contigs.values()), np.int64)
    inside = (seen.start >= 0) & (seen.end <= lengths[seen.contig])
    skipped = {LEAVES_CONTIG: int((~inside).sum())}
    kept = np.flatnonzero(inside)
    labels = overlap_labels(regions, files, width=label_width, rule=rule) if files else None
    if require_label:
        if labels is None:
            raise InputError("require_label: found without labels, expected --labels with it")
        has_one = labels[kept].any(axis=1)
        skipped[NO_LABEL] = int((~has_one).sum())
        kept = kept[has_one]
    if not len(kept):
        reasons = ", ".join(f"{n:,} {why}" for why, n in (before | skipped).items() if n)
        raise InputError(
            f"{where}: no example is left of {n_listed:,} regions ({reasons or 'it has none'}); "
            "loosen what leaves them out"
        )
    windows = Windows(seen.contig_names, seen.contig[kept], seen.start[kept], seen.end[kept])
    splits, why = assign_splits(split, windows, seed=seed)
    of = np.full(len(regions), -1, np.int8)
    of[kept] = splits
    examples = Examples(
        regions=regions, split=of, negative=negative, label_names=tuple(files), labels=labels
    )
    skipped = {reason: n for reason, n in (skipped | why).items() if n}
    return examples.take(np.flatnonzero(of >= 0)), skipped


def _joined(parts: list[Regions]) -> Regions:
    """Regions on the same contigs, end to end."""
    columns: dict[str, Any] = {
        name: np.concatenate([vars(part)[name] for part in parts])
        for name in ("contig", "start", "end", "score", "strand", "summit", "line")
    }
    names = [name for part in parts for name in part.name]
    return Regions(contig_names=parts[0].contig_names, name=names, **columns)


def _count_kmers(path: Path, genome: Genome, rows: Regions, chosen: Vocabulary | None) -> None:
    vocabulary = Vocabulary.wildcard() if chosen is None else chosen
    options = CountOptions(vocabulary=vocabulary, output=path, threads=available_threads())
    document = schemas.provenance("dataset", {}, {})
    document |= {"regions": len(rows), "kept": len(rows), "skipped": {}}
    codes = codes_of(genome, rows)
    count_row_batches(rows, codes, document | {"bases": codes.n_bases}, options)
