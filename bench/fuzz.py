"""Fuzz every reader with mutated files: bench/results/faults/fuzz.json and docs/fuzz-log.md.

    python -m bench.fuzz --inputs 100000

Cheap readers get more inputs than slow ones. What was done with the same seed is kept: a run that
was stopped goes on, and one of more inputs does those that are missing. See tests/fuzz.
"""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import ROOT, describe_commit, describe_machine

sys.path.insert(0, str(ROOT / "tests"))

from fuzz.run import fuzz
from fuzz.target import Target
from fuzz.targets import every_target

RESULTS, LOG = ROOT / "bench/results/faults/fuzz.json", ROOT / "docs/fuzz-log.md"

Row = dict[str, Any]


def shares(targets: list[Target], inputs: int) -> dict[str, int]:
    """Inputs of each target, `inputs` or a few more in all: as many as its cost allows."""
    weights = {each.name: 1 / (each.cost + 0.5) for each in targets}
    total = sum(weights.values())
    return {name: int(inputs * weight / total) + 1 for name, weight in weights.items()}


def joined(old: Row, new: Row) -> Row:
    """Two runs of one target, one after the other."""
    added = ("inputs", "refused", "accepted", "faults", "seconds")
    return {
        **new,
        **{name: round(old[name] + new[name], 2) for name in added},
        "shown": [*old["shown"], *new["shown"]],
        "peak_bytes": max(old["peak_bytes"], new["peak_bytes"]),
    }


def log_of(kept: Row) -> str:
    """The log for people."""
    rows = kept["targets"]
    total = {name: sum(row[name] for row in rows.values()) for name in
             ("inputs", "refused", "accepted", "faults", "seconds")}  # fmt: skip
    lines = [
        "# Fuzzing of readers: log",
        "",
        f"`python -m bench.fuzz --seed {kept['seed']}`, commit {kept['commit']['commit'][:12]}, "
        f"{kept['date']}.",
        "",
        f"{total['inputs']:,} inputs: {total['refused']:,} refused with InputError, "
        f"{total['accepted']:,} read (and compared, where there is an oracle), {total['faults']} "
        f"faults; {total['seconds'] / 60:,.0f} min.",
        "",
        "| reader | inputs | refused | read | faults | s | peak MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {name} | {row['inputs']:,} | {row['refused']:,} | {row['accepted']:,} | "
        f"{row['faults']} | {row['seconds']:,.0f} | {row['peak_bytes'] >> 20} |"
        for name, row in rows.items()
    ]
    faults = [(name, each) for name, row in rows.items() for each in row["shown"]]
    lines += ["", "## Faults", ""] if faults else ["", "No faults."]
    lines += [f"- {n} {f['input']}: {f['kind']}: `{f['what'][:300]}`" for n, f in faults]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000, help="in all (default 100,000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", action="append", default=[], metavar="NAME")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="inputs that are faults")
    parser.add_argument("--anew", action="store_true", help="forget what was done before")
    options = parser.parse_args()
    targets = list(every_target())
    wanted = shares(targets, options.inputs)
    if strangers := set(options.target) - wanted.keys():
        parser.error(f"unknown: {', '.join(sorted(strangers))}; expected of {', '.join(wanted)}")
    kept: Row = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if options.anew or kept.get("seed") != options.seed:
        kept = {"seed": options.seed, "targets": {}}
    for name in options.target or wanted:
        row = kept["targets"].get(name, {"inputs": 0})
        missing = wanted[name] - row["inputs"]
        if missing <= 0:
            continue
        made = fuzz(
            name, missing, seed=options.seed, first=row["inputs"], keep=options.keep, say=print
        )
        kept["targets"][name] = joined(row, made) if row["inputs"] else made
        kept |= {
            "date": datetime.now(UTC).date().isoformat(),
            "commit": describe_commit(),
            "machine": describe_machine(1),
        }
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
        LOG.write_text(log_of(kept))
        print(f"{name}: {made['inputs']:,} inputs, {made['faults']} faults, "
              f"{made['seconds']:.0f} s", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
