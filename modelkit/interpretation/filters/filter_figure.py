"""A figure of filters: the logo of each."""

from typing import TYPE_CHECKING

from modelkit.interpretation.filters.filter_set import FilterMotifs
from modelkit.interpretation.motifs.logo_grid import LogoPanel, draw_logo_grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_filters"]


def draw_filters(found: FilterMotifs) -> "Figure":
    """The clipped motif of each filter in bits, with the motif of a database that it is like.

    Positions are those of the whole window, from 0. A star marks a threshold of the observed
    activation.
    """
    motifs = {motif.name: motif for motif in found.motifs}
    panels = [
        LogoPanel(
            title=row["filter"].removeprefix("filter_") + ("*" if row["fallback"] else ""),
            match=row["match_alt_name"] or row["match"],
            motif=motifs.get(row["filter"]),
            start=row["start"] or 0,
            missing="never answers" if row["dead"] else "no window",
        )
        for row in found.table.to_pylist()
    ]
    return draw_logo_grid(panels, f"layer {found.provenance['layer']}, {len(found)} filters")
