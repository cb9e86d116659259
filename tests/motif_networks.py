"""Networks that know words: a convolution fires where a word stands; what follows is known."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from kmerengine import Dataset
from modelkit.models.bpaitac import BpAITAC
from modelkit.recipes.bpaitac import BpAITACConfig
from modelkit.training.run import Run

COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


def reverse_complement(word: str) -> str:
    return word.translate(COMPLEMENT)[::-1]


def texts_of(codes: np.ndarray) -> list[str]:
    return ["".join("ACGT"[code] if code < 4 else "N" for code in row) for row in codes.tolist()]


def occurrences(text: str, word: str) -> int:
    return sum(text.startswith(word, i) for i in range(len(text)))


def make_run(
    path: Path,
    data: Dataset,
    words: list[str],
    /,
    *,
    totals: dict[str, tuple[list[float], float]] | None = None,
    taps: dict[str, list[list[float]]] | None = None,
    tasks: list[str] | None = None,
    about: dict[str, Any] | None = None,
    **changes: Any,
) -> Run:
    """A run whose channel c is 1 where word c stands, on its middle base, and else 0.

    totals: of each task the cuts that each word adds, and those without any; taps: of each task
    and word what it adds to the logits from `reach` bp before its middle to `reach` after it.
    """
    width = len(words[0])
    n_taps = 1 if taps is None else len(next(iter(taps.values()))[0])
    network: dict[str, Any] = {
        "channels": len(words), "stem_width": width, "stem_relu": True, "blocks": 0,
        "head_width": n_taps, "total_head": "none" if totals is None else "global-pool",
        "profile_head": taps is not None,
    }  # fmt: skip
    weight = 0.5 if totals is not None and taps is not None else float(totals is None)
    given: dict[str, Any] = {
        "network": network | changes.pop("network", {}),
        "objective": {"lambda_": weight} | changes.pop("objective", {}),
        **changes,
    }
    config = BpAITACConfig().changed(given).for_dataset(data)
    model = BpAITAC(config.network)
    state = {name: torch.zeros_like(t) for name, t in model.state_dict().items()}
    for c, word in enumerate(words):
        for i, base in enumerate(word):
            state["stem.weight"][c, "ACGT".index(base), i] = 1
        state["stem.bias"][c] = 1 - width
    names = tasks or list(data.samples)
    for t, task in enumerate(names):
        if totals is not None:
            each, alone = totals[task]
            state["total.dense.weight"][t] = torch.tensor(each) * config.network.length
            state["total.dense.bias"][t] = alone
        if taps is not None:  # a convolution is a correlation: turned round
            state["profile.weight"][t] = torch.tensor(taps[task]).flip(-1)
    model.load_state_dict(state)
    told = {"shift": data.shift, "off_by_two": data.off_by_two, "tasks": names}
    return Run.create(path, config, model, told | (about or {}), force=True)
