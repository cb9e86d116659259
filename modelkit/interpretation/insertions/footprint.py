"""Deep footprints: how a motif by itself changes where cuts are expected (bpAI-TAC, figure 3d).

Profiles of dinucleotide shuffles of regions, with and without the motif, while the bias of the
model is 0 (Chandra et al. 2025, after ChromBPNet, Pampari et al. 2024). A folder:

    footprints.parquet   one row per motif, target and bp of the window
    depths.parquet       one row per motif and target: how deep the dip is
    footprint.png        (or .svg) profiles of the first motifs

Depth is in bits; see `modelkit.interpretation.insertions.footprint_tables`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from torch import Tensor

from kmerengine import schemas
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.messages import shown
from kmerengine.io.tables import table_writer
from modelkit.figures import Format, save
from modelkit.interpretation.insertions.footprint_tables import (
    DEPTHS_SCHEMA,
    PROFILES_SCHEMA,
    Profiles,
    Site,
    along_window,
    depths,
    profiles_batch,
)
from modelkit.interpretation.insertions.insertion_figures import Band, draw_footprints
from modelkit.interpretation.insertions.insertions import (
    Motifs,
    Strand,
    backgrounds,
    chosen_motifs,
    inputs_of,
    inserted,
    place,
    strands_of,
)
from modelkit.interpretation.methods.explained import weights_of
from modelkit.interpretation.row_tables import as_table, write_rows
from modelkit.interpretation.synthetic import SequenceModels
from modelkit.training.run import Run

__all__ = ["Footprints", "footprint"]

PROFILES, DEPTHS, FIGURE = "footprints.parquet", "depths.parquet", "footprint"
NAMES = (PROFILES, DEPTHS, f"{FIGURE}.png", f"{FIGURE}.svg")
Codes = npt.NDArray[np.uint8]

class Footprints(NamedTuple):
    """What `footprint` wrote.

    Attributes
    ----------
    path : Path
        The folder.
    depths : pyarrow.Table
    provenance : dict
    """

    path: Path
    depths: pa.Table
    provenance: dict[str, Any]


def footprint(
    runs: Run | str | Path | Sequence[Run | str | Path],
    dataset: Dataset | str | Path,
    output: str | Path,
    *,
    motifs: Motifs | None = None,
    words: Sequence[str] = (),
    names: Sequence[str] = (),
    consensus: bool = False,
    targets: dict[str, Sequence[str]] | Sequence[str] = (),
    split: str = "test",
    n_backgrounds: int = 1000,
    strand: Strand = "plus",
    offset: int = 0,
    margin: int = 2,
    flank: int = 20,
    seed: int = 0,
    figure: Format = "png",
    device: str = "auto",
    batch_size: int = 64,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Footprints:
    """Write the profiles that models predict around motifs in shuffled regions, without bias.

    Of a model that was trained without bias, what Tn5 prefers is in its weights, and in its
    footprints too.

    Parameters
    ----------
    runs : Run, path or sequence of them
        What `modelkit.train` wrote, with profiles; of several, probabilities are averaged.
    dataset, output, motifs, words, names, consensus, split, n_backgrounds, offset, seed
        As of `modelkit.marginalize`: the same seed gives the same backgrounds and motifs.
    targets : sequence of str, or dict of str to sequence of str, optional
        As of `modelkit.marginalize`; a lineage has the mean of its tasks' probabilities.
    strand : "plus", "minus" or "both"
        Of the motif in the background; on the minus strand its place is mirrored and the profile
        is turned back, so that it runs along the motif. Of both the mean.
    margin, flank : int
        bp, of the depth.
    figure, device, batch_size, force, progress
        As of `modelkit.marginalize`.

    Raises
    ------
    InputError
        Runs that do not fit each other or the data, or predict no profiles; a motif that does not
        fit the window with its flanks; a split without regions.
    """
    output = Path(output)
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    check_writable(output, force=force, folder=NAMES)
    if figure not in ("png", "svg"):
        raise InputError(f"figure: found {figure!r}, expected png or svg")
    if margin < 0 or flank < 1:
        raise InputError(f"margin, flank: found {margin}, {flank}, expected at least 0 and 1 bp")
    chosen = chosen_motifs(motifs, words, names, consensus=consensus)
    strands = strands_of(strand)
    models = SequenceModels(runs, data, split, device)
    if not models.has_profiles:
        raise InputError(f"{models.runs[0].path}: predicts no profiles, expected runs that do")
    labels, weights = weights_of(models.tasks, targets or None)
    sites = {
        name: Site(place(models, name, len(each), offset), len(each), margin, flank)
        for name, each in chosen.items()
    }
    width = models.window[1] - models.window[0]
    low = 0 if strand == "plus" else width - models.bins_stop  # turned back, the rest comes first
    high = width if strand == "minus" else models.bins_stop
    for name, site in sites.items():
        if site.first < low or site.last > high:
            raise InputError(
                f"motif {shown(name)}: found bp {site.first} to {site.last} of the window with its "
                f"flanks, expected {low} to {high}; choose a smaller --flank or --offset"
            )
    codes = backgrounds(data, models.rows, n_backgrounds, seed)
    document = schemas.provenance(
        "footprint",
        inputs_of(data, runs=models.runs),
        {
            "split": split, "strand": strand, "offset": offset, "margin": margin, "flank": flank,
            "seed": seed, "consensus": consensus,
        },
    ) | {
        "format": schemas.FOOTPRINTS,
        "motifs": {name: {"start": site.start, "length": site.length}
                   for name, site in sites.items()},
        "targets": list(labels),
        "tasks": list(models.tasks),
        "backgrounds": n_backgrounds,
        "regions": min(len(models.rows), n_backgrounds),
        "window": width,
    }  # fmt: skip
    work = _Work(models, weights, batch_size, progress)
    work.of = len(codes) * (1 + len(strands) * len(chosen))
    rows: list[dict[str, Any]] = []
    bands: dict[tuple[str, str], tuple[Band, Band]] = {}
    with atomic(output, force=force, folder=NAMES) as folder:
        plain = work.profiles(codes)
        without = _mean([plain if each == "plus" else plain[..., ::-1] for each in strands])
        full = schemas.with_metadata(PROFILES_SCHEMA, document | {"table": PROFILES})
        with table_writer(folder / PROFILES, full, ".parquet") as writer:
            for name, motif in chosen.items():
                site, parts = sites[name], []
                for each in strands:
                    found = work.profiles(inserted(models, codes, motif, site.start, each, seed))
                    parts.append(found if each == "plus" else found[..., ::-1])
                within = _mean(parts)
                quartiles = []
                for k, target in enumerate(labels):
                    pair = without[:, k], within[:, k]
                    quartiles.append(along_window(*pair))
                    rows.append({"motif": name, "target": target} | depths(site, *pair))
                    bands[name, target] = (
                        Band(*quartiles[k]["within"]), Band(*quartiles[k]["without"])
                    )  # fmt: skip
                writer.write(profiles_batch(name, labels, site, quartiles))
        write_rows(folder / DEPTHS, DEPTHS_SCHEMA, rows, document)
        found_depths = {(row["motif"], row["target"]): row["depth"] for row in rows}
        spans = {name: (site.start, site.start + site.length) for name, site in sites.items()}
        save(draw_footprints(bands, found_depths, spans), folder / f"{FIGURE}.{figure}")
    return Footprints(output, as_table(DEPTHS_SCHEMA, rows), document)


class _Work:
    """Profiles of sequences, means over runs."""

    of = 0  # sequences, for progress

    def __init__(
        self,
        models: SequenceModels,
        weights: Tensor,
        batch_size: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._models, self._batch_size = models, batch_size
        self._weights = weights.double().numpy()
        self._done, self._progress = 0, progress

    def profiles(self, codes: Codes) -> Profiles:
        """Of each sequence and target, shape (n, targets, W)."""
        models = self._models
        width = models.window[1] - models.window[0]
        out = np.empty((len(codes), self._weights.shape[1], width), np.float32)
        for part, predicted in models.predictions(codes, batch_size=self._batch_size):
            total = np.zeros((part.stop - part.start, len(self._weights), width))
            for each in predicted:
                assert each.profiles is not None  # footprint has seen that they are there
                total += each.profiles.cpu().numpy()
            out[part] = np.einsum("btw,tk->bkw", total / len(predicted), self._weights)
            self._done += part.stop - part.start
            if self._progress is not None:
                self._progress(self._done, self.of)
        return out


def _mean(strands: list[Profiles]) -> Profiles:
    found: Profiles = np.mean(strands, axis=0, dtype=np.float32)
    return found
