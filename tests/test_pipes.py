"""Outputs whose reader goes away: silence, exit status 141, whole outputs or none."""

import os
import subprocess
import sys

import pytest

from bench.fault_forks import Forks
from bench.fault_limits import UNREAD, Fault, leave_unread
from bench.fault_works import TABLES, WORKS, make_inputs

NAMED = {work.name: work for work in [*WORKS, *TABLES]}
# to which of their streams they write, and what is there when nobody reads it
COMMANDS = {
    "count, no .fai": {"said": "whole"},
    "count .parquet --json": {"out": "whole", "said": "whole"},
    "cuts .bw, two samples by strand": {"said": "whole"},
    "scan .parquet --json": {"out": "whole", "said": "whole"},
    "profiles": {"said": "whole"},
    "vocab": {"said": "whole"},
}


@pytest.fixture(scope="module")
def forks():
    with Forks("kmerengine") as engine:
        yield engine


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, forks):
    folder = tmp_path_factory.mktemp("inputs")
    make_inputs(folder, {"kmerengine": forks})
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_whose_output_nobody_reads(name, forks, inputs, tmp_path):
    rows = leave_unread(NAMED[name], forks, inputs, tmp_path)
    assert {row["unread"]: row["left"] for row in rows} == COMMANDS[name]


def test_the_test_sees_other_endings(forks, inputs, tmp_path, monkeypatch):
    run = forks.run
    monkeypatch.setattr(forks, "run", lambda *values, unread=None: run(*values))  # noqa: ARG005
    with pytest.raises(Fault, match="unread, it ended with 0"):
        list(leave_unread(NAMED["vocab"], forks, inputs, tmp_path))


@pytest.fixture
def unread():
    """The writing end of a pipe whose reader has gone."""
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


@pytest.mark.parametrize("program", ["kmerengine", "modelkit"])
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_that_nobody_reads(program, option, unread):
    line = [sys.executable, "-m", program, option]
    ended = subprocess.run(line, stdout=unread, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (UNREAD, b"")


def test_help_on_a_full_disk():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        line = [sys.executable, "-m", "kmerengine", "--help"]
        ended = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "Error: [Errno 28] No space left on device\n"


def test_a_table_of_models_that_nobody_reads(unread, inputs):
    motifs = str(inputs / "motifs.meme")
    line = [sys.executable, "-m", "modelkit", "tomtom", motifs, motifs, "--threads", "1"]
    ended = subprocess.run(line, stdout=unread, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (UNREAD, b"")


LONG = """
import click

@click.command("long")
def command():
    for i in range(200_000):
        click.echo(f"line {i}")
"""


def test_head_takes_the_first_line_of_many(tmp_path):
    """In a shell, with a reader that goes while more is written than a pipe holds."""
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "long.py").write_text(LONG)
    main = "from kmerengine.cli._group import Commands; "
    main += "Commands(package='programs', table={'long': ''})(['long'])"
    shell = '"$0" -c "$1" | head -n 1; echo ${PIPESTATUS[0]}'
    ended = subprocess.run(
        ["bash", "-c", shell, sys.executable, main],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (ended.stdout, ended.stderr) == (f"line 0\n{UNREAD}\n", "")
