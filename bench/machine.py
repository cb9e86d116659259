"""What a result was measured on and with: hardware, versions, commit."""

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("kmerengine", "numpy", "numba", "pyarrow", "polars", "scipy")


def describe_machine(cores: int) -> dict[str, str | int]:
    """CPU model, the number of cores that the runs may use, and memory in bytes."""
    return {
        "cpu": _cpu_model(),
        "cores": cores,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


@cache
def package_version(name: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def describe_versions() -> dict[str, str]:
    """Python and the packages that the engine stands on; those that are installed."""
    found = {name: package_version(name) for name in PACKAGES}
    return {"python": platform.python_version()} | {k: v for k, v in found.items() if v}


def describe_commit() -> dict[str, str | bool]:
    """The commit, and whether tracked files other than results and the README differ from it."""
    changes = ("status", "--porcelain", "--untracked-files=no", "--", ".")
    apart = (":!bench/results", ":!README.md")
    return {
        "commit": _git("rev-parse", "HEAD") or "unknown",
        "dirty": bool(_git(*changes, *apart)),
    }


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
