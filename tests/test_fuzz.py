"""Mutated files for every reader: InputError, or an answer that is right; see tests/fuzz."""

import json
import random
import sys
import tempfile
from pathlib import Path

import pytest
from fuzz import child, run
from fuzz.target import Target, Wrong
from fuzz.targets import every_target, target_of

TARGETS = [each.name for each in every_target()]
FAST = 60  # inputs of a cheap target; a slow one has as many as its cost allows


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_files_are_refused_or_read(name, tmp_path, monkeypatch):
    """In this process, without the limits of a child: a fault is a traceback."""
    target = target_of(name)
    made, here, home = (tmp_path / each for each in ("made", "here", "home"))
    for folder in (made, here, home):
        folder.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    seeds = list(target.seeds(made))
    outcomes = {"accepted": 0, "refused": 0}
    for files in seeds:
        child._read(target, here, files)
    before = set(home.rglob("*"))  # an index or a cache of a good file
    for number in range(max(12, FAST // target.cost)):
        kind, what = child._outcome(target, here, child.input_of(target, seeds, 1, number))
        assert kind in outcomes, f"{name}, input {number} of seed 1: {kind}: {what}"
        outcomes[kind] += 1
    assert outcomes["refused"], "nothing was refused: the mutations do nothing"
    assert set(home.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_many_mutated_files(name, tmp_path):
    found = run.fuzz(name, 100 + 4000 // target_of(name).cost, seed=2, keep=tmp_path)
    assert found["faults"] == 0, found["shown"][:3]
    assert found["peak_bytes"] < 1 << 30


def test_inputs_are_the_same_for_the_same_seed(tmp_path):
    target = target_of("bed")
    seeds = list(target.seeds(tmp_path))
    first, again, other = (
        [child.input_of(target, seeds, seed, number) for number in range(20)] for seed in (1, 1, 2)
    )
    assert first == again != other


def faulty(name: str):
    """A reader with a fault of each kind, by the first byte of its file."""

    def read(folder: Path) -> None:
        match (folder / "x").read_bytes()[:1]:
            case b"r":
                raise KeyError("x")
            case b"w":
                raise Wrong("another answer")
            case b"m":
                from kmerengine.errors import InputError

                raise InputError("two\nlines")
            case b"i":
                from kmerengine.errors import InputError

                raise InputError("one line")
            case b"s":
                while True:
                    pass

    return Target(name, lambda _: [{"x": b"good"}], lambda files, _: files, read)


def test_every_kind_of_fault_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "SECONDS", 0.2)
    import signal

    before = signal.signal(signal.SIGPROF, child._too_slow)
    try:
        kinds = [child._outcome(faulty("x"), tmp_path, {"x": each})[0]
                 for each in (b"good", b"i", b"r", b"w", b"m", b"s")]  # fmt: skip
    finally:
        signal.signal(signal.SIGPROF, before)
    assert kinds == ["accepted", "refused", "raised", "wrong", "message", "slow"]


CRASHING = """
import ctypes, os, random
from fuzz.target import Target
def read(folder):
    text = (folder / "x").read_bytes()
    if text == b"3": ctypes.string_at(0)
    if text == b"5": bytearray(8 << 30)
    if text == b"6": open("up", "w").close()
def change(files, rng): return {"x": str(rng.randrange(7)).encode()}
TARGETS = [Target("crashing", lambda _: [{"x": b"0"}], change, read)]
"""


def test_a_child_that_dies_is_a_fault_and_the_rest_is_read(tmp_path, monkeypatch):
    (tmp_path / "crashing.py").write_text(CRASHING)
    (tmp_path / "sitecustomize.py").write_text(
        "import fuzz.targets\nfuzz.targets.GROUPS = {'crashing': 'TARGETS'}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    drawn = [random.Random(f"0 crashing {number}").randrange(7) for number in range(12)]
    found = run.fuzz("crashing", 12, keep=tmp_path / "kept")
    kinds = {each["input"]: each["kind"] for each in found["shown"]}
    expected = {i: {3: "died", 5: "raised"}[d] for i, d in enumerate(drawn) if d in (3, 5)}
    assert {i: kind for i, kind in kinds.items() if i >= 0} == expected
    assert len(expected) >= 2
    assert (kinds.get(-1) == "escape") == (6 in drawn)
    n_bad = sum(each in (3, 5) for each in drawn)
    assert (found["accepted"], found["faults"]) == (12 - n_bad, n_bad + (6 in drawn))
    dead = next(i for i, kind in expected.items() if kind == "died")
    assert (tmp_path / "kept" / f"crashing-{dead}" / "x").read_bytes() == b"3"


def test_the_log_says_what_was_done(tmp_path):
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from bench.fuzz import joined, log_of, shares

    targets = list(every_target())
    wanted = shares(targets, 100_000)
    assert 100_000 <= sum(wanted.values()) <= 100_000 + len(targets)
    assert wanted["bed"] > wanted["dataset"] > 100
    row = {"inputs": 5, "refused": 3, "accepted": 1, "faults": 1, "seconds": 60.0,
           "peak_bytes": 3 << 20, "shown": [{"input": 4, "kind": "raised",
                                                "what": "KeyError"}]}  # fmt: skip
    both = joined(row, {**row, "shown": [], "faults": 0})
    assert (both["inputs"], both["faults"], len(both["shown"])) == (10, 1, 1)
    text = log_of({"seed": 0, "commit": {"commit": "abc"}, "date": "2026-01-01",
                   "targets": {"bed": both}})  # fmt: skip
    assert "| bed | 10 | 6 | 2 | 1 | 120 | 3 |" in text
    assert "bed 4: raised: `KeyError`" in text
    assert json.dumps(both)
    assert tempfile.gettempdir() not in text
