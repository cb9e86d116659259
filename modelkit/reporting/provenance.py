"""How a run was made: its data, versions, seed and config."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kmerengine import schemas
from kmerengine.errors import InputError
from modelkit.reporting.page import Block, Cell, Section, Table, Text
from modelkit.training.run import BEST, Run

__all__ = ["check_is_of", "provenance"]

KEY, TITLE = "provenance", "Provenance"
SHOWN = {
    "command": "command",
    "package_version": "kmerengine",
    "torch": "PyTorch",
    "device": "device",
    "threads": "threads",
    "parameters": "weights of the network",
    "begun": "begun (UTC)",
    "status": "status",
    "stopped": "ended after",
    "shift": "shift of 5' ends",
    "off_by_two": "correction by two",
}


def provenance(run: Run, others: Mapping[str, Mapping[str, Any]]) -> Section:
    """What run.json says, the whole config, and how the other inputs were made.

    Parameters
    ----------
    run : Run
    others : dict of str to dict
        By what they are, documents of the other folders.
    """
    about = run.about
    rows = [(Cell("model"), Cell(str(run.config.model)))]
    rows += [(Cell(label), Cell(_text(about[key]))) for key, label in SHOWN.items() if key in about]
    training = getattr(run.config, "training", None)
    if training is not None:
        rows.append((Cell("seed"), Cell(str(training.seed))))
    best = about.get("best") or {}
    if best.get("metric"):
        rows.append((Cell("weights chosen by"), Cell(str(best["metric"]))))
    for key, label in (("dataset", "data set"), ("bias", "bias")):
        rows += _named(label, about.get(key))
    for what, document in others.items():
        command, version = document.get("command"), document.get("package_version")
        rows.append((Cell(what), Cell(f"{command}, kmerengine {version}")))
        for name, given in dict(document.get("inputs") or {}).items():
            rows += _named(f"{what}: {name}", given)
    blocks: list[Block] = [
        Table(caption="How it was made", columns=("what", "value"), rows=rows, folds=False),
        Text(run.config.model_dump_json(indent=1), "Config of the run", code=True),
    ]
    return Section(key=KEY, title=TITLE, blocks=blocks)


def check_is_of(run: Run, document: Mapping[str, Any], where: Path) -> None:
    """InputError if a document names the runs that it is of, and this one is not among them."""
    inputs = document.get("inputs") or {}
    given = inputs.get("runs", inputs.get("run"))
    runs = given if isinstance(given, list) else [given]
    stated = [each.get("sha256") for each in runs if isinstance(each, Mapping)]
    if stated and schemas.digest(run.path / BEST).get("sha256") not in stated:
        names = ", ".join(str(each.get("name")) for each in runs if isinstance(each, Mapping))
        raise InputError(
            f"{where}: is of the run {names:.80}, whose weights are not those of {run.path}; make "
            "it of this run"
        )


def _named(label: str, given: Any) -> list[tuple[Cell, Cell]]:
    """A name with the digest of what bore it."""
    if given is None:
        return []
    if isinstance(given, list):
        return [row for each in given for row in _named(label, each)]
    if not isinstance(given, Mapping):
        return [(Cell(label), Cell(_text(given)))]
    digests = [str(v) for key, v in sorted(given.items()) if "sha256" in key and v]
    name = str(given.get("name", "")) or _text(dict(given))
    return [(Cell(label), Cell(", SHA-256 ".join([name, *digests])))]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
