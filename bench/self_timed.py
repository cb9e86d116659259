"""Providers that time themselves: a module of bench in a process of its own, whose last line of
output is JSON with its seconds and what it computed.

Memory kept: the C library does not give memory back, which saves the kernel clearing it.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from bench.harness import Facts, Provider

__all__ = ["self_timed"]

KEPT = {"MALLOC_MMAP_THRESHOLD_": 1 << 32, "MALLOC_TRIM_THRESHOLD_": 1 << 34}


def self_timed(
    name: str,
    module: str,
    *arguments: object,
    keep: bool,
    version: Callable[[], str | None],
    runs: int | None = None,
) -> Provider:
    """``python -m MODULE ARGUMENTS``, with memory kept or without."""
    setting = [f"{key}={value}" for key, value in KEPT.items()] if keep else []
    unset = [] if keep else [part for key in KEPT for part in ("-u", key)]
    alone = [sys.executable, "-m", module, *map(str, arguments)]

    def observe(_: Path, stdout: str) -> Facts:
        said = json.loads(stdout.splitlines()[-1])
        return {fact: value for fact, value in said.items() if fact != "seconds"}

    return Provider(
        name=name + (" (memory kept)" if keep else ""),
        command=lambda _: ["env", *unset, *setting, *alone],
        observe=observe,
        version=version,
        self_timed=True,
        runs=runs,
    )
