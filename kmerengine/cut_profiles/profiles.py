"""Cut profiles of regions from a cut track."""

from collections.abc import Callable
from pathlib import Path

from kmerengine import schemas
from kmerengine.cut_profiles.profile_set import Profiles
from kmerengine.cut_profiles.profile_write import make_profiles
from kmerengine.cut_sites.track import CutTrack
from kmerengine.io.bed import read_regions
from kmerengine.regions import place_regions
from native_kernels.cut_profile import Strands


def profiles(
    cuts: str | Path,
    regions: str | Path,
    *,
    output: str | Path,
    width: int = 1000,
    window: int = 250,
    strands: Strands = "sum",
    max_regions: int | None = None,
    skip_missing_contigs: bool = False,
    memory: int = 256 << 20,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Profiles:
    """Cut out the profile of every region and sample of a cut track.

    Parameters
    ----------
    cuts : path
        What `kmerengine cuts` wrote.
    regions : path
        BED or narrowPeak; each becomes the window of `width` bp around its summit or midpoint.
    output : path
        The folder to write: counts.arrow (memory-mappable), totals.parquet, profiles.json.
    width : int
        bp of a profile.
    window : int
        bp around the centre whose cuts are the totals, which are quantile-normalised across
        samples.
    strands : "sum" or "split"
        Add the strands, or keep them apart.
    max_regions : int, optional
        Keep the regions with the best scores, at most so many.
    skip_missing_contigs : bool
        Skip regions on contigs that the cuts lack, instead of refusing them.
    memory : int
        Bytes of profiles held at a time.
    force : bool
        Replace an existing output.
    progress : callable, optional
        Called with (done, of) in regions.

    Raises
    ------
    InputError
        One line that names the file, what was found, what was expected and what to do.
    """
    track = CutTrack.open(cuts)
    regions = Path(regions)
    listed = read_regions(regions)
    placed, skipped = place_regions(
        listed,
        track.contigs,
        regions,
        width=width,
        max_regions=max_regions,
        skip_missing_contigs=skip_missing_contigs,
    )
    inputs = {"cuts": {"name": track.path.name}, "regions": schemas.digest(regions)}
    parameters = {"width": width, "window": window, "strands": strands, "max_regions": max_regions}
    document = schemas.provenance("profiles", inputs, parameters)
    document |= {"regions": len(listed), "kept": len(placed), "skipped": skipped}
    return make_profiles(
        track,
        placed,
        output,
        width=width,
        window=window,
        strands=strands,
        memory=memory,
        force=force,
        provenance=document,
        progress=progress,
    )
