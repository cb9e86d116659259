"""Commands that come to an end: `python -m bench.fault_forks kmerengine|modelkit`, asked for by
lines of JSON.

A command runs in a process forked from this one, which has imported what commands need. Imports
take most of a small command's time and write nothing: so kills come while it works.
"""

import ctypes
import json
import os
import pkgutil
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from bench.machine import ROOT

# what changes names or contents of files, as Python's audit events; `open` where it writes
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
STEP = 0.0005  # seconds between looks at a child


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes
    ----------
    code : int
        Exit status; below 0 where it was killed.
    seconds : float
    changes : int
        Changes of files that it was about to make through Python, unless it was killed.
    out, said : str
        Standard output and error.
    peak : int
        Bytes of memory that it took at most beyond what it was forked with.
    """

    code: int
    seconds: float
    changes: int
    out: str
    said: str
    peak: int


class Forks:
    """The process that forks; to be closed."""

    def __init__(self, program: str, **environment: str) -> None:
        here = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", **environment}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "bench.fault_forks", program],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, **here},
        )  # fmt: skip

    def run(
        self,
        arguments: list[str],
        folder: Path,
        *,
        after: float | None = None,
        at_change: int | None = None,
        file_bytes: int | None = None,
        dies: bool = False,
        rights: bool = True,
        unread: str | None = None,
    ) -> Ended:
        """Run a command in a folder.

        Parameters
        ----------
        after : float, optional
            Kill it (SIGKILL) after so many seconds.
        at_change : int, optional
            Kill it when it is about to make this change of a file, counted from 1.
        file_bytes : int, optional
            No file may grow beyond: a disk that is full.
        dies : bool
            The write that would go beyond `file_bytes` kills it, whatever library writes.
        rights : bool
            Root's, to write where permissions forbid it.
        unread : "out" or "said", optional
            This one is a pipe whose reader has gone.
        """
        request = {"arguments": arguments, "folder": str(folder), "after": after,
                   "at_change": at_change, "file_bytes": file_bytes, "dies": dies,
                   "rights": rights, "unread": unread}  # fmt: skip
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return Ended(**json.loads(self._server.stdout.readline()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()


def serve(program: str) -> None:
    """Answer requests until there are no more."""
    _warm(program)
    for line in sys.stdin:
        request = json.loads(line)
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as said,
            tempfile.TemporaryFile() as changes,
        ):
            started = time.perf_counter()
            child = os.fork()
            if child == 0:
                files = out.fileno(), said.fileno(), changes.fileno()
                _be_command(program, request, *files)
            code, peak = _end(child, started, request["after"])
            seconds = time.perf_counter() - started
            texts = [file.seek(0) or file.read().decode("utf-8", "replace") for file in (out, said)]
            changes.seek(0)
            count = len(changes.read())
        answer = {"code": code, "seconds": seconds, "changes": count, "out": texts[0],
                  "said": texts[1], "peak": peak}  # fmt: skip
        print(json.dumps(answer), flush=True)


def _warm(program: str) -> None:
    """Import every command and what they import when they are called."""
    import h5py  # noqa: F401
    import numba.np.arraymath  # noqa: F401
    import pysam  # noqa: F401

    for name in ("kmerengine", program):
        package = import_module(name)
        for each in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not each.name.endswith("__main__"):
                import_module(each.name)
    if program == "modelkit":
        import safetensors.torch  # noqa: F401
        import torch

        torch.set_num_threads(1)
        torch.nn.Linear(2, 2)(torch.zeros(1, 2)).sum().backward()
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.figure
    import matplotlib.pyplot  # noqa: F401


def _end(child: int, started: float, after: float | None) -> tuple[int, int]:
    while True:
        number, status, usage = os.wait4(child, 0 if after is None else os.WNOHANG)
        if number:
            return os.waitstatus_to_exitcode(status), usage.ru_maxrss << 10
        if after is not None and time.perf_counter() - started >= after:
            os.kill(child, signal.SIGKILL)
            after = None
        time.sleep(STEP)


def _be_command(program: str, request: dict[str, Any], out: int, said: int, changes: int) -> None:
    """Be the command; never returns."""
    code = 1
    try:
        os.dup2(out, 1)
        os.dup2(said, 2)
        if request["unread"]:
            _leave_unread(1 if request["unread"] == "out" else 2)
        os.chdir(request["folder"])
        _watch(request["folder"], changes, request["at_change"])
        if not request["rights"]:
            give_up_rights()
        if request["file_bytes"] is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_bytes"],) * 2)
        if request["dies"]:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it
        import_module(f"{program}.cli").main(request["arguments"], prog_name=program)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _leave_unread(number: int) -> None:
    read, write = os.pipe()
    os.close(read)
    os.dup2(write, number)
    os.close(write)


def give_up_rights() -> None:
    """Be bound by permissions as others are, though this process is root's."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3 of capabilities, this process
    data = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable; then 32 more of each
    failed = libc.capget(header, data)
    for i in range(3):
        data[i] &= ~0b110  # to write, and to read and search, whatever permissions say
    if failed or libc.capset(header, data):
        raise OSError(ctypes.get_errno(), "capabilities")


def _watch(folder: str, changes: int, last: int | None) -> None:
    """Count changes of files in a folder, and be killed at one of them."""
    seen = 0

    def hook(event: str, values: tuple[Any, ...]) -> None:
        nonlocal seen
        writes = event == "open" and isinstance(values[2], int) and values[2] & WRITES
        if not (writes or event in CHANGES) or isinstance(values[0], int):
            return
        if not os.path.abspath(os.fsdecode(values[0])).startswith(folder):  # noqa: PTH100
            return
        seen += 1
        os.write(changes, b".")
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


if __name__ == "__main__":
    serve(sys.argv[1])
