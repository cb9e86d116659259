"""Tables of models that were compared: of each factor, and of the first against the others."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from modelkit.metrics import auprc

__all__ = ["FACTORS", "WINS", "Wins", "factor_rows", "wins_of"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

FACTORS = pa.schema(
    [
        pa.field("where", pa.string(), nullable=False),  # "all", or "within" some regions
        pa.field("factor", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("auprc", pa.float64()),  # null without both 0 and 1, or without a prediction
        pa.field("prevalence", pa.float64(), nullable=False),  # of 1: what chance would have
        pa.field("positives", pa.int64(), nullable=False),
        pa.field("examples", pa.int64(), nullable=False),
    ]
)
WINS = pa.schema(
    [
        pa.field("where", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("against", pa.string(), nullable=False),
        pa.field("factors", pa.int64(), nullable=False),  # that both have a number of
        pa.field("wins", pa.int64(), nullable=False),
        pa.field("ties", pa.int64(), nullable=False),
        pa.field("mean", pa.float64()),  # AUPRC of the model, over these factors
        pa.field("mean_against", pa.float64()),
        pa.field("mean_difference", pa.float64()),
    ]
)


class Wins(NamedTuple):
    """One model against another, over the factors that both have an AUPRC of."""

    where: str
    model: str
    against: str
    factors: int
    wins: int
    ties: int
    mean: float
    mean_against: float
    mean_difference: float

    def __str__(self) -> str:
        if not self.factors:
            return f"{self.where}: {self.model} against {self.against}: no factor in common"
        return (
            f"{self.where}: {self.model} beats {self.against} on {self.wins} of {self.factors} "
            f"factors, AUPRC {self.mean:.4f} against {self.mean_against:.4f}, mean difference "
            f"{self.mean_difference:+.4f}"
        )


def factor_rows(
    where: str, factors: Sequence[str], labels: Flags, scores: Mapping[str, Floats]
) -> list[dict[str, Any]]:
    """A row of `FACTORS` per factor and model; labels and scores are (n, factors), and a column of
    scores that is no number is of a factor that the model does not know.
    """
    rows = []
    for k, factor in enumerate(factors):
        of = labels[:, k]
        for model, values in scores.items():
            known = bool(np.isfinite(values[:, k]).all()) and len(of) > 0
            area = float(auprc(of, values[:, k])) if known else float("nan")
            rows.append(
                {
                    "where": where, "factor": factor, "model": model, "auprc": area,
                    "prevalence": float(of.mean()) if len(of) else 0.0,
                    "positives": int(of.sum()), "examples": len(of),
                }
            )  # fmt: skip
    return rows


def wins_of(rows: Sequence[Mapping[str, Any]], models: Sequence[str]) -> list[Wins]:
    """The first model against each of the others, wherever they were measured."""
    found = []
    for where in dict.fromkeys(row["where"] for row in rows):
        area = {
            model: np.array(
                [r["auprc"] for r in rows if (r["where"], r["model"]) == (where, model)]
            )
            for model in models
        }
        for other in models[1:]:
            both = np.isfinite(area[models[0]]) & np.isfinite(area[other])
            one, two = area[models[0]][both], area[other][both]
            n = len(one)
            means = [float(x.mean()) if n else float("nan") for x in (one, two, one - two)]
            found.append(
                Wins(where, models[0], other, n, int((one > two).sum()), int((one == two).sum()),
                     *means)
            )  # fmt: skip
    return found
