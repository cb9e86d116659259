"""The command line that the benchmarks share."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

from bench.harness import BenchError, Case, run


def select(cases: Sequence[Case], names: Sequence[str], providers: Sequence[str]) -> list[Case]:
    """The cases named, with the providers named; all where none is."""
    return [
        replace(case, providers=[p for p in case.providers if not providers or p.name in providers])
        for case in cases
        if not names or case.name in names
    ]


def main(op: str, about: str, cases: Sequence[Case], large: Sequence[Case] = ()) -> None:
    """Read the options and run.

    Parameters
    ----------
    op : str
        The results go to `bench/results/<op>.json`.
    large : sequence of Case
        Run with --large, or by name.
    """
    parser = argparse.ArgumentParser(prog=f"bench.{op}", description=about.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="timed runs of each (default 3)")
    parser.add_argument("--case", action="append", default=[], metavar="NAME")
    parser.add_argument("--provider", action="append", default=[], metavar="NAME")
    parser.add_argument("--list", action="store_true", help="show cases and providers")
    if large:
        names = ", ".join(case.name for case in large)
        parser.add_argument("--large", action="store_true", help=f"{names} too")
    options = parser.parse_args()
    every = [*cases, *large]
    known = {case.name for case in every} | {p.name for case in every for p in case.providers}
    if strangers := {*options.case, *options.provider} - known:
        parser.error(f"unknown: {', '.join(sorted(strangers))}; see --list")
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    wanted = every if options.case or (large and options.large) else cases
    chosen = select(wanted, options.case, options.provider)
    if options.list:
        for case in chosen:
            print(f"{case.name}: {', '.join(provider.name for provider in case.providers)}")
        return
    try:
        run(op, chosen, repeats=options.repeats)
    except BenchError as error:
        sys.exit(str(error))
