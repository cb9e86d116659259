"""Cases, providers, and the one way they are compared.

For each case: every provider that this machine has runs once (which compiles, warms the page
cache and shows what it computed); what they computed must agree; then they take turns, A B A B,
each time a fresh process with an empty folder to write to. One row per provider is appended to
`bench/results/<op>.json`.

A provider that is missing leaves no row. One that fails, or disagrees, ends the run.
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import ROOT, describe_commit, describe_machine, describe_versions

RESULTS = ROOT / "bench" / "results"

INDEPENDENT = "independent computation"

Row = dict[str, Any]
Facts = Mapping[str, int | str]


class BenchError(RuntimeError):
    """A provider failed or disagreed: there is nothing to time."""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One way of doing the work of a case.

    Attributes
    ----------
    command : (output folder) -> argument list
        It runs from the root of the repo and writes into the folder.
    observe : (output folder, standard output) -> facts
        What was computed. Providers of a case agree on every fact that they share.
    version : () -> str or None
        None: this machine does not have it.
    self_timed : bool
        The last line of its standard output is a JSON object; its "seconds" count, not the
        process's.
    runs : int, optional
        At most this many timed runs, for a provider that takes minutes; the row says how many.
    """

    name: str
    command: Callable[[Path], Sequence[str]]
    observe: Callable[[Path, str], Facts]
    version: Callable[[], str | None]
    self_timed: bool = False
    runs: int | None = None
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class Case:
    """Some work, and everybody who can do it.

    Attributes
    ----------
    label : str
        The words of the README's table.
    work, unit : int, str
        Amount of work; the table's rate is `work` / seconds.
    setup : () -> facts
        Make the inputs. Returns facts from an independent computation, if there is one.
    """

    name: str
    label: str
    work: int
    unit: str
    providers: Sequence[Provider]
    setup: Callable[[], Facts] = dict


@dataclass(frozen=True)
class Run:
    """One fresh process."""

    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    output_bytes: int
    stdout: str


def run(
    op: str,
    cases: Iterable[Case],
    *,
    repeats: int = 3,
    cores: int = 2,
    results: Path = RESULTS,
    work: Path = ROOT / "bench" / "work",
) -> list[Row]:
    """Compare the providers of each case and append a row for each to `results`/`op`.json."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    shared: Row = {
        "run": now,
        "date": now[:10],
        **describe_commit(),
        "versions": describe_versions(),
    }
    rows = []
    with use_cores(cores) as n_cores:
        shared["machine"] = describe_machine(n_cores)
        for case in cases:
            expected = case.setup()
            rows += _compare(op, case, expected, shared, repeats=repeats, work=work)
            append_rows(results / f"{op}.json", [row for row in rows if row["case"] == case.name])
    return rows


@contextlib.contextmanager
def use_cores(n: int) -> Iterator[int]:
    """Keep this process and those it starts on `n` cores, so that machines compare."""
    if not hasattr(os, "sched_setaffinity"):
        yield os.cpu_count() or 1
        return
    before = os.sched_getaffinity(0)
    chosen = sorted(before)[:n]
    os.sched_setaffinity(0, chosen)
    try:
        yield len(chosen)
    finally:
        os.sched_setaffinity(0, before)


def _compare(
    op: str, case: Case, expected: Facts, shared: Row, *, repeats: int, work: Path
) -> list[Row]:
    versions = {provider.name: provider.version() for provider in case.providers}
    present = [provider for provider in case.providers if versions[provider.name]]
    for name in versions.keys() - {provider.name for provider in present}:
        say(f"{case.name}: {name} is not installed here; no row")

    facts: dict[str, Facts] = {}
    for provider in present:
        say(f"{case.name}: {provider.name} warms up")
        _, facts[provider.name] = run_once(provider, work)
    claims = {INDEPENDENT: expected, **facts} if expected else facts
    check_agreement(case.name, claims)

    runs: dict[str, list[Run]] = {provider.name: [] for provider in present}
    for turn in range(repeats):
        for provider in present:
            if turn < (provider.runs or repeats):
                measured, _ = run_once(provider, work, look=False)
                runs[provider.name].append(measured)
                say(f"{case.name}: {provider.name} {measured.seconds:.3f} s")
    return [
        {
            "op": op,
            "case": case.name,
            "label": case.label,
            "provider": provider.name,
            **summarise(case, runs[provider.name]),
            "self_timed": provider.self_timed,
            "device": provider.device,
            "facts": dict(facts[provider.name]),
            "agrees_with": [name for name in claims if name != provider.name],
            **shared,
            "versions": {**shared["versions"], provider.name: versions[provider.name]},
        }
        for provider in present
    ]


def check_agreement(case: str, claims: Mapping[str, Facts]) -> None:
    """Raise BenchError unless all agree on the facts they share, and share at least one."""
    names = list(claims)
    for name in names[1:]:
        earlier = names[: names.index(name)]
        before = [other for other in earlier if claims[other].keys() & claims[name].keys()]
        if not before:
            raise BenchError(f"{case}: {name} shares no fact with the others; nothing was compared")
        for other in before:
            for fact in claims[other].keys() & claims[name].keys():
                if claims[other][fact] != claims[name][fact]:
                    raise BenchError(
                        f"{case}: {fact} is {claims[other][fact]} by {other} "
                        f"but {claims[name][fact]} by {name}"
                    )


def run_once(provider: Provider, work: Path, *, look: bool = True) -> tuple[Run, Facts]:
    """Run `provider` in a fresh process and folder; its facts too if `look`."""
    work.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run.", dir=work))
    out, err, report = (folder / name for name in ("stdout", "stderr", "report"))
    output = folder / "output"
    output.mkdir()
    try:
        command = [str(part) for part in provider.command(output)]
        os.sync()  # the pages that the run before left dirty are not this one's
        measure = [sys.executable, "-S", "-m", "bench.measure"]
        subprocess.run([*measure, str(report), str(out), str(err), *command], cwd=ROOT, check=True)
        measured = json.loads(report.read_text())
        stdout = out.read_text(errors="replace")
        if measured["status"] != 0:
            tail = err.read_text(errors="replace").strip()[-2000:]
            raise BenchError(f"{provider.name}: exit {measured['status']}: {command}\n{tail}")
        seconds = measured["seconds"]
        if provider.self_timed:
            seconds = json.loads(stdout.splitlines()[-1])["seconds"]
        done = Run(
            seconds=seconds,
            cpu_seconds=measured["cpu_seconds"],
            peak_rss_bytes=measured["peak_rss_bytes"],
            output_bytes=sum(p.stat().st_size for p in output.rglob("*") if p.is_file()),
            stdout=stdout,
        )
        return done, provider.observe(output, stdout) if look else {}
    finally:
        shutil.rmtree(folder)


def summarise(case: Case, runs: Sequence[Run]) -> Row:
    """The numbers of a row. Peak memory is the largest of the runs, all else the median."""
    seconds = sorted(run.seconds for run in runs)
    p20, p50, p80 = (quantile(seconds, q) for q in (0.2, 0.5, 0.8))
    return {
        "runs": len(seconds),
        "seconds": [round(run.seconds, 4) for run in runs],
        "p20": round(p20, 4),
        "p50": round(p50, 4),
        "p80": round(p80, 4),
        "work": case.work,
        "unit": case.unit,
        "work_per_second": round(case.work / p50, 0 if case.work > 1000 * p50 else 2),
        "cpu_seconds": round(statistics.median(run.cpu_seconds for run in runs), 3),
        "peak_rss_bytes": max(run.peak_rss_bytes for run in runs),
        "output_bytes": round(statistics.median(run.output_bytes for run in runs)),
    }


def quantile(ascending: Sequence[float], q: float) -> float:
    """Quantile `q` by linear interpolation."""
    at = q * (len(ascending) - 1)
    low = int(at)
    high = min(low + 1, len(ascending) - 1)
    return ascending[low] + (at - low) * (ascending[high] - ascending[low])


def read_rows(path: Path) -> list[Row]:
    """The rows of a results file; none if there is no file."""
    return json.loads(path.read_text()) if path.exists() else []


def read_all(results: Path = RESULTS) -> list[Row]:
    """The rows of all results files but those of `bench.gpu`, which are of another form, and of
    `bench.scale`, which has a page.
    """
    apart = ("gpu-*", "scale.json")
    paths = [p for p in sorted(results.glob("*.json")) if not any(map(p.match, apart))]
    return [row for path in paths for row in read_rows(path)]


def append_rows(path: Path, rows: Sequence[Row]) -> None:
    """Add rows to a results file, which is a JSON list with one row to a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row) for row in [*read_rows(path), *rows]]
    temporary = path.with_suffix(".tmp")
    temporary.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    temporary.replace(path)


def newest_rows(rows: Iterable[Row]) -> list[Row]:
    """Of each case, the rows of its newest run: those were measured side by side.

    Cases in the order in which they first appear.
    """
    rows = list(rows)
    newest: dict[str, str] = {}
    for row in rows:
        newest[row["case"]] = max(row["run"], newest.get(row["case"], ""))
    cases = list(newest)
    kept = [row for row in rows if row["run"] == newest[row["case"]]]
    return sorted(kept, key=lambda row: cases.index(row["case"]))


def say(line: str) -> None:
    """Progress goes to stderr."""
    print(line, file=sys.stderr, flush=True)
