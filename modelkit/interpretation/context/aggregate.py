"""Mean scores by position around core motifs: figure 2d of Zheng et al. (2021).

    profile_j = mean over sequences of |score of the base at j|        j = bp from the core's middle
    z_j = (profile_j - mean of the profile) / its standard deviation

Factors are in the order in which the z-scores of the first setting's bound sequences cluster, in
every panel. Their core stands blocked and unblocked side by side if those are two settings.

The paper does not say whether sequences are turned along the strand of their core. The authors'
notebook reads scores in the direction of the genome, and takes no |score| for more than 0.01; both
are options here.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import check_writable
from kmerengine.io.list_columns import list_column
from modelkit.figures import Format
from modelkit.interpretation.column_tables import table_of
from modelkit.interpretation.context.context_figures import draw_profiles
from modelkit.interpretation.context.folders import write_folder
from modelkit.interpretation.context.heatmap import clustered
from modelkit.interpretation.context.profile_set import (
    ABOUT,
    FIGURE,
    NAMES,
    TABLE,
    AggregateProfiles,
    profiles_schema,
)
from modelkit.interpretation.context.sites import (
    Given,
    Sites,
    input_digests,
    middle,
    named_sets,
    read_sites,
)

__all__ = ["aggregate", "mean_profile", "z_scores"]

ROWS = 1024  # sequences that are looked at together

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def aggregate(
    sets: Mapping[str, Given],
    output: str | Path,
    *,
    targets: Mapping[str, str] | str | None = None,
    label: str | None = None,
    orient: bool = False,
    cap: float | None = None,
    figure: Format = "png",
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> AggregateProfiles:
    """Average the scores of bases by their distance from the core motif.

    Parameters
    ----------
    sets : mapping of str to attributions
        As of `kmers`. Of attributions with labels bound and unbound sequences are taken apart.
    output : path
        A folder: profiles.parquet, aggregate.json and the figure.
    targets, label
        As of `kmers`.
    orient : bool
        Turn sequences along the strand of their core motif.
    cap : float, optional
        Larger |scores| count as so much.
    figure : "png" or "svg"
    force : bool
        Replace `output` when it exists.
    progress : callable, optional
        Called with factors that are done, and all.

    Raises
    ------
    InputError
        As of `read_sites` and `named_sets`; no bound sequence has a score.

    Notes
    -----
    A profile has the positions that lie in every sequence of every set.
    """
    path = Path(output)
    check_writable(path, force=force, folder=NAMES)
    if cap is not None and not 0 < cap < np.inf:
        raise InputError(f"cap: found {cap}, expected a number above 0")
    wanted = named_sets(sets, targets)
    rows: list[dict[str, Any]] = []
    targets_of = []
    for done, each in enumerate(wanted):
        sites = read_sites(each.given, each.target, label)
        targets_of.append(sites.target)
        sites.bound_rows()  # there are some
        for flag in (True, False):
            every = np.flatnonzero(sites.is_bound == flag)
            chosen = every[sites.scored[every]]
            if len(chosen):
                first, mean = mean_profile(sites, chosen, orient=orient, cap=cap)
                rows.append(
                    {
                        "setting": each.setting, "name": each.name, "bound": flag,
                        "sequences": len(chosen), "without_score": len(every) - len(chosen),
                        "first": first, "mean": mean,
                    }
                )  # fmt: skip
        if progress is not None:
            progress(done + 1, len(wanted))
    first = max(row["first"] for row in rows)
    stop = min(row["first"] + len(row["mean"]) for row in rows)
    means = np.stack([row["mean"][first - row["first"] : stop - row["first"]] for row in rows])
    z = z_scores(means)
    names = list(dict.fromkeys(row["name"] for row in rows))
    order = _order(rows, z, names)
    columns = {name: [row[name] for row in rows] for name in rows[0]} | {
        "first": [first] * len(rows),
        "place": [order.index(row["name"]) for row in rows],
        "mean": list_column(means, profiles_schema().field("mean")),
        "z": list_column(z, profiles_schema().field("z")),
    }
    parameters = {"targets": targets_of, "label": label, "orient": orient, "cap": cap}
    document = schemas.provenance("aggregate", input_digests(wanted), parameters) | {
        "format": schemas.CONTEXT_PROFILES
    }
    panels = _panels(rows, z, order)
    table = table_of(profiles_schema(), columns)
    write_folder(
        path, (TABLE, table), (ABOUT, document), (FIGURE, draw_profiles(panels, order, first)),
        names=NAMES, figure=figure, force=force,
    )  # fmt: skip
    return AggregateProfiles(table, document, path)


def mean_profile(
    sites: Sites, rows: Ints, *, orient: bool, cap: float | None = None
) -> tuple[int, Floats]:
    """Mean |score| of some examples, each with a score, by position.

    Returns
    -------
    first : int
        bp from the middle of the core motif to the first value.
    mean : float64, shape (W,)
        Of the positions that lie in every one of the sequences.
    """
    length = sites.codes.shape[1]
    cores = sites.cores[rows].copy()
    if orient:
        turned = sites.minus[rows]
        cores[turned] = length - cores[turned][:, ::-1]
    centres = middle(cores)
    first, stop = -int(centres.min()), length - int(centres.max())
    total = np.zeros(stop - first)  # at least the middle itself
    for low in range(0, len(rows), ROWS):
        scores = np.abs(sites.along(rows[low : low + ROWS], orient=orient).scores)
        if cap is not None:
            scores = np.minimum(scores, cap)
        at = centres[low : low + ROWS, None] + np.arange(first, stop)
        total += np.take_along_axis(scores, at, 1).sum(0)
    return first, total / len(rows)


def z_scores(values: Floats) -> Floats:
    """Of each row, by its mean and standard deviation (of the whole, not of a sample)."""
    centred = values - values.mean(1, keepdims=True)
    spread = values.std(1, keepdims=True)
    found: Floats = centred / np.where(spread > 0, spread, 1.0)
    return found


def _order(rows: list[dict[str, Any]], z: Floats, names: list[str]) -> list[str]:
    """Factors by the clusters of the first setting's bound sequences; others after them."""
    some = [i for i, r in enumerate(rows) if r["bound"] and r["setting"] == rows[0]["setting"]]
    found = [rows[some[i]]["name"] for i in clustered(z[some]).tolist()]
    return found + [name for name in names if name not in found]


def _panels(
    rows: list[dict[str, Any]], z: Floats, order: list[str]
) -> dict[tuple[str, bool], Floats]:
    """A matrix of each setting, and of bound and unbound sequences; rows of NaN where none are."""
    found: dict[tuple[str, bool], Floats] = {}
    for row, values in zip(rows, z, strict=True):
        panel = found.setdefault(
            (row["setting"], row["bound"]), np.full((len(order), z.shape[1]), np.nan)
        )
        panel[order.index(row["name"])] = values
    return found
