"""A run with all that a page shows, and pages as they are read."""

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from small_data import SMALL, make_data

from kmerengine import Dataset
from kmerengine.motifs.motif import Motif
from modelkit.config_files import read_config
from modelkit.inference.evaluate import evaluate
from modelkit.inference.evaluation import Evaluation
from modelkit.interpretation.attribution.attributions import Attributions, write_attributions
from modelkit.interpretation.insertions.footprint import footprint
from modelkit.interpretation.motifs.motifs import motifs
from modelkit.interpretation.motifs.seqlets import seqlets
from modelkit.reporting.report import report
from modelkit.training.run import Run
from modelkit.training.train import train

VOID = {"meta", "link", "img", "br"}


class World(NamedTuple):
    """A run with everything that a page can show."""

    run: Run
    data: Dataset
    found: Evaluation
    folder: Path

    @property
    def inputs(self) -> dict[str, Any]:
        parts = ("evaluation", "attributions", "motifs", "footprints")
        return {"dataset": self.data} | {name: self.folder / name for name in parts}


class Element(NamedTuple):
    tag: str
    attributes: dict[str, str]
    text: list[str]  # of it and what it holds


class Parsed(HTMLParser):
    """A page as a list of elements; tags that are not closed in order are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), (tag, names)
        element = Element(tag, {name: value or "" for name, value in attrs}, [])
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for each in self._open:
            each.text.append(data)

    def all(self, *tags: str) -> list[Element]:
        return [each for each in self.elements if each.tag in tags]

    def text(self, tag: str) -> list[str]:
        return [" ".join("".join(each.text).split()) for each in self.all(tag)]

    def table(self, caption: str) -> list[list[Element]]:
        """Rows of the table with this caption, the names first."""
        rows: list[list[Element]] = []
        inside = False
        for each in self.elements:
            if each.tag == "caption":
                inside = "".join(each.text).strip().startswith(caption)
            elif inside and each.tag == "tr":
                rows.append([])
            elif inside and each.tag in ("th", "td"):
                rows[-1].append(each)
        assert rows, caption
        return rows

    def values(self, caption: str) -> dict[str, dict[str, str]]:
        """Numbers in full, by the names of rows and columns."""
        head, *body = self.table(caption)
        names = ["".join(each.text).strip() for each in head]
        return {
            "".join(row[0].text).strip(): {
                name: each.attributes.get("data-value", "".join(each.text).strip())
                for name, each in zip(names[1:], row[1:], strict=True)
            }
            for row in body
        }


def attributions_of(data: Dataset, output: Path, targets: list[str]) -> Attributions:
    """Noise, with the word GATAAG above it wherever it is."""
    rng = np.random.default_rng(1)
    codes = np.array(data.sequence)
    word = np.array([2, 0, 3, 0, 0, 2])
    codes[:, 40:46] = word
    scores = rng.normal(0, 0.02, (len(codes), len(targets), 4, codes.shape[1])).astype(np.float32)
    scores[:, :, word, np.arange(40, 46)] += 1
    prediction = rng.gamma(2, 20, (len(codes), len(targets)))
    return write_attributions(
        output, data.regions, codes, scores, targets=targets, method="deepshap", head="totals",
        prediction=prediction, delta=prediction * 0.01, spread=prediction,
    )  # fmt: skip


@cache
def world_and_page(session: Path) -> tuple[World, Path]:
    """Made once for all modules of a session, in its folder; nobody writes to it."""
    (session / "report").mkdir()
    world = _make_world(session / "report")
    return world, report(world.run, world.folder / "page.html", **world.inputs)


def _make_world(folder: Path) -> World:
    data = make_data(folder)
    run = train(read_config(model="bpaitac", changes=SMALL), data, folder / "run")
    found = evaluate(run, data, folder / "evaluation", resamples=50)
    made = attributions_of(data, folder / "attributions", ["s0", "s1"])
    seqlets(made, folder / "seqlets.parquet")
    database = [Motif(name="GATA", probabilities=0.04 + 0.84 * np.eye(4)[[2, 0, 3, 0, 0, 2]],
                      nsites=100)]  # fmt: skip
    motifs([folder / "seqlets.parquet"], folder / "motifs", database=database, q=1)
    footprint(run, data, folder / "footprints", words=["GATAAG", "TTAC"], n_backgrounds=8, flank=6)
    return World(run, data, found, folder)
