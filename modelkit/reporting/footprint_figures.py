"""Footprints of motifs: profiles with and without them, and how deep their dips are."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.tables import TableReader
from modelkit.interpretation.insertions.footprint import DEPTHS, PROFILES
from modelkit.interpretation.insertions.footprint_tables import DEPTHS_SCHEMA, PROFILES_SCHEMA
from modelkit.interpretation.insertions.insertion_figures import Band, draw_footprints
from modelkit.reporting.page import (
    Block,
    Cell,
    Gallery,
    Picture,
    Section,
    Table,
    Text,
    integer,
    number,
    picture,
)

__all__ = ["Footprinted", "footprint_figures"]

KEY, TITLE = "footprints", "Footprints"
COMMAND = "modelkit footprint RUN --data DATASET --motifs MOTIFS -o FOOTPRINTS"
SHOWN = 12  # with a figure, the deepest first
LONG = 500  # bp; of longer windows an SVG is larger than a PNG

Pair = tuple[str, str]  # motif and target


class Footprinted:
    """What `modelkit footprint` wrote; InputError if it is missing, damaged or something else.

    Attributes
    ----------
    provenance : dict
        How it was made.
    depths : list of dict
        Rows of the depths.
    """

    @schemas.damage_refused
    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_file():
            self.path = path.parent
        self._profiles = TableReader(self.path / PROFILES)
        self.provenance = _checked(self._profiles, PROFILES_SCHEMA)
        table = TableReader(self.path / DEPTHS)
        if _checked(table, DEPTHS_SCHEMA) != self.provenance:
            raise InputError(
                f"{table.path}: is not of the same footprints as {PROFILES}; make the folder again"
            )
        self.depths: list[dict[str, Any]] = table.read().to_pylist()
        self.spans = {
            str(name): (int(each["start"]), int(each["start"]) + int(each["length"]))
            for name, each in self.provenance["motifs"].items()
        }
        self.n, self.width = (int(self.provenance[each]) for each in ("backgrounds", "window"))
        if not all(0 <= start < stop <= self.width for start, stop in self.spans.values()):
            raise ValueError(f"motifs in {self.spans} of {self.width} bp")

    def bands(self, wanted: list[Pair]) -> dict[Pair, tuple[Band, Band]]:
        """Quartiles along the window with and without the motif."""
        table = self._profiles.read().combine_chunks()
        keys = list(zip(*(table[name].to_pylist() for name in ("motif", "target")), strict=True))
        found = {}
        for pair in wanted:
            rows = pa.array([i for i, key in enumerate(keys) if key == pair], pa.int64())
            part = table.take(rows)
            if len(part) != self.width or pair[0] not in self.spans:
                raise InputError(
                    f"{self._profiles.path}: has {len(part)} rows of {pair[0]}, {pair[1]}, "
                    f"expected {self.width}; make the folder again"
                )
            found[pair] = _band(part, "within"), _band(part, "without")
        return found


def _checked(table: TableReader, schema: pa.Schema) -> dict[str, Any]:
    about = schemas.read_metadata(table.schema, table.path, (schemas.FOOTPRINTS,))
    table.expect(schema, table.path)
    return {name: value for name, value in about.items() if name != "table"}


def _band(part: pa.Table, what: str) -> Band:
    def along(q: str) -> npt.NDArray[np.float64]:
        values: npt.NDArray[np.float64] = part[f"{what}_{q}"].to_numpy().astype(np.float64)
        return values

    return Band(along("q25"), along("median"), along("q75"))


def footprint_figures(found: Footprinted | None) -> Section:
    """Profiles of the deepest footprints, and the depths of all."""
    if found is None:
        return Section(key=KEY, title=TITLE, command=COMMAND)
    known = [row for row in found.depths if row["depth"] is not None]
    known.sort(key=lambda row: -abs(row["depth"]))
    shown = [(row["motif"], row["target"]) for row in known[:SHOWN]]
    said = (
        f"Profiles around {len(found.spans):,} motifs in {found.n:,} shuffled regions, with the "
        "bias of the model at 0: medians, and bands of the quartiles. Depth is in bits, below 0 "
        "where fewer cuts are expected in the motif than beside it."
    )
    if len(known) > SHOWN:
        said += f" Shown are the {SHOWN} deepest of {len(known):,}."
    bands, depth = found.bands(shown), {(r["motif"], r["target"]): r["depth"] for r in known}
    blocks: list[Block] = [
        Text(said),
        Gallery([_picture(pair, bands[pair], depth[pair], found) for pair in shown]),
        _table(found.depths),
    ]
    return Section(key=KEY, title=TITLE, blocks=blocks)


def _picture(pair: Pair, bands: tuple[Band, Band], depth: float, found: Footprinted) -> Picture:
    motif, target = pair
    figure = draw_footprints({pair: bands}, {pair: depth}, {motif: found.spans[motif]})
    alt = (
        f"Line chart: probability of a cut per bp around {motif} for {target}, with and without "
        f"the motif; depth {depth:+.2f} bits."
    )
    return picture(figure, alt, form="svg" if found.width <= LONG else "png")


def _table(depths: list[dict[str, Any]]) -> Table:
    rows = [
        (
            Cell(row["motif"]),
            Cell(row["target"]),
            *(number(row[name], "+.3f") for name in ("depth", "depth_q25", "depth_q75")),
            integer(row["n"]),
        )
        for row in depths
    ]
    columns = ("motif", "target", "depth", "lower quartile", "upper quartile", "backgrounds")
    return Table(caption="Depth of footprints, in bits", columns=columns, rows=rows)
