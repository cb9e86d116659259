"""Run one command and report what it took: `python -S -m bench.measure REPORT OUT ERR CMD ...`.

A process of its own, because the kernel charges a child with the peak memory of the process that
starts it: this one imports next to nothing, so the floor is about 10 MB.
"""

import json
import os
import sys
import time

CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def main(report: str, out: str, err: str, *command: str) -> None:
    """Write wall, CPU, peak memory and exit status of `command` to the file `report`."""
    files = [
        (os.POSIX_SPAWN_OPEN, 1, out, CREATE, 0o666),
        (os.POSIX_SPAWN_OPEN, 2, err, CREATE, 0o666),
    ]
    start = time.perf_counter()
    process = os.posix_spawnp(command[0], command, os.environ, file_actions=files)
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - start
    measured = {
        "status": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_rss_bytes": usage.ru_maxrss * 1024,  # Linux counts in KiB
    }
    with open(report, "w", encoding="ascii") as file:  # noqa: PTH123  # pathlib is not free
        json.dump(measured, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
