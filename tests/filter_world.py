"""Sequences and networks whose filters are known, and what becomes of filters, in plain Python."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from kmerengine import Dataset, dataset_from_sequences, schemas
from modelkit.models.koo import KooCNN
from modelkit.recipes.koo import KooConfig
from modelkit.training.run import Run


def make_data(folder: Path, texts: Sequence[str], split: str = "test") -> Dataset:
    n = len(texts)
    document = schemas.provenance("made", {}, {}) | {
        "format": schemas.SEQUENCES, "classes": ["X"],
    }  # fmt: skip
    schema = schemas.with_metadata(schemas.sequences_schema(), document)
    table = pa.table(
        {
            "name": [f"s{i}" for i in range(n)],
            "split": pa.array([split] * n).dictionary_encode().cast(schema.field("split").type),
            "sequence": list(texts),
            "labels": [[i % 2] for i in range(n)],
        },
        schema=schema,
    )
    pq.write_table(table, folder / "s.parquet")
    return dataset_from_sequences(folder / "s.parquet", output=folder / "d", force=True)


def make_run(
    path: Path,
    data: Dataset,
    weights: Sequence[np.ndarray],
    *,
    scale: Sequence[np.ndarray] | None = None,
    offset: Sequence[np.ndarray] | None = None,
    **network: Any,
) -> Run:
    """A network of these convolutions (filters, channels, width), each times scale plus offset."""
    n = len(weights)
    given = {
        "filters": [len(each) for each in weights],
        "widths": [each.shape[2] for each in weights],
        "pools": [2] * n,
        "dense": 2,
    }
    config = KooConfig().changed({"network": given | network}).for_dataset(data)
    torch.manual_seed(0)
    model = KooCNN(config.network)
    with torch.no_grad():
        for i, weight in enumerate(weights):
            block: Any = model.convs[i]
            block.conv.weight.copy_(torch.as_tensor(weight))
            for target, values in ((block.norm.weight, scale), (block.norm.bias, offset)):
                if values is not None:
                    target.copy_(torch.as_tensor(values[i]))
    about = {"shift": data.shift, "off_by_two": data.off_by_two, "tasks": list(data.label_names)}
    return Run.create(path, config, model, about, force=True)


def random_texts(seed: int, n: int, length: int, letters: str = "ACGT") -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(letters), length)) for _ in range(n)]


def planted(seed: int, n: int, length: int, pwms: Sequence[np.ndarray]) -> list[str]:
    """Random sequences, each with one site of one PWM, in turn."""
    rng = np.random.default_rng(seed)
    texts = random_texts(seed + 1, n, length)
    for i, text in enumerate(texts):
        pwm = pwms[i % len(pwms)]
        site = "".join(rng.choice(list("ACGT"), p=column / column.sum()) for column in pwm)
        at = int(rng.integers(0, length - len(site) + 1))
        texts[i] = text[:at] + site + text[at + len(site) :]
    return texts


def slow_filter(
    texts: Sequence[str],
    weight: np.ndarray,
    scale: float,
    offset: float,
    *,
    mode: str,
    share: float,
    width: int,
) -> dict[str, Any]:
    """One filter of the first layer, by loops over sequences, positions and letters."""
    taps = weight.shape[1]
    tracks = []
    for text in texts:
        track = []
        for middle in range(len(text)):
            total = 0.0
            for j in range(taps):
                at = middle + j - taps // 2
                if 0 <= at < len(text) and text[at] in "ACGT":
                    total += float(weight["ACGT".index(text[at]), j])
            track.append(max(0.0, total * scale + offset))
        tracks.append(track)
    observed = max(max(track) for track in tracks)
    best = 0.0
    for j in range(taps):
        best += max(float(weight[b, j]) * scale for b in range(4))
    possible = max(0.0, best + offset)
    windows: list[tuple[str, int, float]] = []  # sequence, first base, weight
    passed = off_ends = 0
    fallback = False
    if mode == "paper":
        limit = share * possible
        high = [t for t in tracks if max(t) >= limit and max(t) > 0]
        if len(high) < 10 and observed > 0:
            fallback, limit = True, share * observed
        for text, track in zip(texts, tracks, strict=True):
            if max(track) > 0 and max(track) >= limit:
                passed += 1
                start = track.index(max(track)) - width // 2
                if start < 0 or start + width > len(text):
                    off_ends += 1
                else:
                    windows.append((text, start, 1.0))
    else:
        limit = share * observed
        for text, track in zip(texts, tracks, strict=True):
            here = [(text, p - width // 2, a) for p, a in enumerate(track) if a > limit]
            passed += bool(here)
            windows += here
    frequencies = []
    for i in range(width):
        sums = dict.fromkeys("ACGT", 0.0)
        for text, start, a in windows:
            if 0 <= start + i < len(text) and text[start + i] in "ACGT":
                sums[text[start + i]] += a
        total = sum(sums.values())
        frequencies.append([sums[b] / total if total else 0.25 for b in "ACGT"])
    return {
        "observed": observed, "possible": possible, "threshold": limit, "fallback": fallback,
        "passed": passed, "off_ends": off_ends, "windows": len(windows),
        "dead": observed == 0, "sequences": len(texts),
        "frequencies": frequencies if windows else None,
    }  # fmt: skip
