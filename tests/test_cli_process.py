"""The commands as processes: signals, streams that are closed or full, pipes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from cli_world import GENOME, REGIONS, names

from kmerengine import KmerCounts
from kmerengine.cli._signals import unwound_when_ended


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A current folder with a genome and regions."""
    monkeypatch.chdir(tmp_path)
    Path("g.fa").write_text(GENOME)
    Path("r.bed").write_text(REGIONS)
    return tmp_path


def kmers(arguments: str, **options: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "kmerengine", *arguments.split()]
    return subprocess.Popen(command, text=True, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize(
    ("number", "status", "output"),
    [
        (signal.SIGINT, 1, "-o out.txt"),
        (signal.SIGTERM, 143, "-o out.parquet --materialize"),
        (signal.SIGINT, 1, "-o out --parts --materialize"),
        (signal.SIGHUP, 129, "-o out --parts --materialize"),
    ],
)
def test_ended_while_counting_it_leaves_nothing(number, status, output):
    rng = np.random.default_rng(1)
    bases = "".join(rng.choice(list("ACGT"), 100_000))
    Path("g.fa").write_text(f">c\n{bases}\n")
    Path("r.bed").write_text("".join(f"c\t{i}\t{i + 2000}\n" for i in range(90_000)))
    process = kmers(
        f"count g.fa r.bed {output}",
        stderr=subprocess.PIPE,
        # a shell's background job may have it ignored
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + 120
        while not list(Path().glob(".out*.tmp")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == status
    assert "Traceback" not in errors
    assert names() == ["g.fa", "g.fa.fai", "r.bed"]


INSIDE = """
def work():
    signal.raise_signal(number)
    time.sleep(0.1)
    seen.append("done")
"""


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT as it is in a terminal: of a job in the background it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
@pytest.mark.parametrize("module", ["numba.core", "llvmlite", "threading"])
def test_a_signal_at_a_bad_moment_comes_a_moment_later(number, error, module, interruptible):
    """An exception in a callback of LLVM's is lost; one in a lock may leave it locked."""
    seen: list[str] = []
    inside = {"__name__": module, "signal": signal, "time": time}
    inside |= {"number": number, "seen": seen}
    exec(INSIDE, inside)
    before = signal.getsignal(number)
    with pytest.raises(error), unwound_when_ended():  # noqa: PT012
        inside["work"]()  # type: ignore[operator]
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            time.sleep(0.01)
        seen.append("lost")
    assert seen == ["done"]
    assert signal.getsignal(number) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_signal_comes_while_the_main_thread_waits_for_another(interruptible):
    release = threading.Event()
    sender = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    with ThreadPoolExecutor(1) as pool:
        waited_for = pool.submit(release.wait, 60)
        sender.start()
        with pytest.raises(KeyboardInterrupt), unwound_when_ended():
            waited_for.result()
        assert not waited_for.done()
        release.set()
    sender.join()


@pytest.mark.parametrize(
    ("redirected", "status", "errors"),
    [
        ("2>&-", 0, ""),
        (">&- 2>&- <&-", 0, ""),
        ("-q --json >/dev/full", 1, "Error: [Errno 28] No space left on device\n"),
    ],
)
def test_closed_and_full_streams(redirected, status, errors):
    if "/dev/full" in redirected and not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    command = f"exec {sys.executable} -m kmerengine count g.fa r.bed {redirected}"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (status, errors)
    assert len(KmerCounts.open("r.kmers.parquet")) == 2


def test_a_reader_that_has_gone_is_no_traceback():
    read, write = os.pipe()
    os.close(read)
    process = kmers("count g.fa r.bed --json", stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    _, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors
    assert len(KmerCounts.open("r.kmers.parquet")) == 2


def test_regions_from_a_pipe_are_read_once():
    os.mkfifo("pipe")
    process = kmers("count g.fa pipe -q", stderr=subprocess.PIPE)
    with open("pipe", "w") as pipe:  # noqa: PTH123
        pipe.write(REGIONS)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    counts = KmerCounts.open("pipe.kmers.parquet")
    assert len(counts) == 2
    assert counts.provenance["inputs"]["regions"] == {"name": "pipe"}
