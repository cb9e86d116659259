"""The page about a run: what is in it, and what is refused."""

import json
import re
import shutil
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from report_world import Parsed, World, attributions_of, world_and_page
from scipy.stats import pearsonr
from small_data import SMALL, make_data

from kmerengine import InputError, schemas
from modelkit import report
from modelkit.cli import main
from modelkit.config_files import read_config
from modelkit.inference.evaluate import evaluate
from modelkit.inference.predict import predict
from modelkit.interpretation.attribution.attributions import Attributions, write_attributions
from modelkit.training.run import Run
from modelkit.training.train import train

pytestmark = pytest.mark.usefixtures("one_thread")

NAME = "<script>alert(1)</script> & $x^ Zürich 組織"
LARGEST = 5_000_000  # bytes
COMMANDS = ("train", "evaluate", "report", "attribute", "motifs", "footprint")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world_and_page(tmp_path_factory.getbasetemp())[0]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world_and_page(tmp_path_factory.getbasetemp())[1]


@pytest.fixture(scope="module")
def parsed(page: Path) -> Parsed:
    return Parsed(page.read_text("utf-8"))


class TestThePage:
    def test_it_loads_nothing(self, page: Path, parsed: Parsed) -> None:
        text = page.read_text("utf-8")
        assert text.startswith("<!DOCTYPE html>\n")
        for each in parsed.elements:
            for name in ("src", "href"):
                value = each.attributes.get(name, "#")
                assert value.startswith(("#", "data:")), value
            assert not any(name.startswith("on") for name in each.attributes)
            assert "style" not in each.attributes  # the policy would drop it
        assert not parsed.all("iframe", "object", "embed", "base", "form")
        assert not re.findall(r"url\(|@import|https?:", re.sub(r'"data:[^"]*"', "", text))
        policy = parsed.all("meta")[1].attributes["content"]
        assert policy.startswith("default-src 'none'; img-src data:;")
        assert "unsafe" not in policy

    def test_it_is_small(self, page: Path) -> None:
        assert 100_000 < page.stat().st_size < LARGEST

    def test_it_can_be_read_without_seeing_it(self, parsed: Parsed) -> None:
        assert parsed.all("html")[0].attributes["lang"] == "en"
        levels = [int(each.tag[1]) for each in parsed.all("h1", "h2", "h3", "h4")]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(b <= a + 1 for a, b in pairwise(levels))
        ids = [each.attributes["id"] for each in parsed.elements if "id" in each.attributes]
        assert len(set(ids)) == len(ids)
        for each in parsed.all("a"):
            assert each.attributes["href"][1:] in ids
        assert parsed.all("a")[0].attributes["class"] == "skip"
        pictures = parsed.all("img")
        assert len(pictures) > 20
        for each in pictures:
            assert len(each.attributes["alt"]) > 10
            assert int(each.attributes["width"]) > 0
        for each in parsed.all("section"):
            assert each.attributes["aria-labelledby"] in ids
        assert len(parsed.all("caption")) == len(parsed.all("table")) > 6
        assert all(each.attributes.get("scope") in ("col", "row") for each in parsed.all("th"))
        assert all("".join(each.text).strip() for each in parsed.all("caption"))

    def test_every_section_is_there(self, parsed: Parsed) -> None:
        assert parsed.text("h2") == [
            "Data", "Training", "Metrics", "Predicted and counted cuts", "Attributions", "Motifs",
            "Footprints", "Provenance",
        ]  # fmt: skip
        assert not parsed.all("code")  # no section names the command that would make it


class TestNumbers:
    def test_metrics_are_those_of_evaluate(self, parsed: Parsed, world: World) -> None:
        shown = parsed.values("Metrics of all examples")
        for predictor, metrics in world.found.metrics.items():
            for name, value in metrics.items():
                there = shown[name.replace("_", " ")][predictor]
                assert (float(there) == value) if value == value else there == ""
        shown = parsed.values("Means over examples")
        for predictor, intervals in world.found.intervals.items():
            for name, interval in intervals.items():
                row = name.replace("_", " ").replace(" top", ", task with most cuts")
                assert float(shown[row][predictor]) == interval.value

    def test_epochs_are_those_of_the_run(self, parsed: Parsed, world: World) -> None:
        rows = pq.read_table(world.run.path / "metrics.parquet").to_pylist()
        shown = parsed.values("Numbers of each epoch")
        assert list(shown) == [str(row["epoch"]) for row in rows]
        for row in rows:
            for name, value in row.items():
                if "_n_" not in name and "second" not in name and name not in ("epoch", "step"):
                    assert float(shown[str(row["epoch"])][name.replace("_", " ")]) == value

    def test_regions_and_depth(self, parsed: Parsed, world: World) -> None:
        splits = parsed.values("Regions by split")
        for name in ("train", "validation", "test"):
            rows = world.data.split(name)
            assert float(splits[name]["regions"]) == len(rows)
            assert splits[name]["contigs"] == world.data.regions["chrom"][int(rows[0])].as_py()
        totals = world.data.totals
        assert totals is not None
        samples = parsed.values("Depth of 2 samples")
        for i, name in enumerate(world.data.samples):
            assert float(samples[name]["cuts"]) == totals[:, i].sum()
            assert float(samples[name]["median of a region"]) == np.median(totals[:, i])
            assert float(samples[name]["regions without"]) == (totals[:, i] == 0).mean()

    def test_totals_are_those_of_predict(
        self, parsed: Parsed, world: World, tmp_path: Path
    ) -> None:
        made = predict(world.run, world.data, tmp_path / "p", split="test", bigwig=False)
        y, n = made.totals, world.data.totals
        assert y is not None
        assert n is not None
        n = n[world.data.split("test")]
        shown = parsed.values("Correlation of totals")
        for i, name in enumerate(world.data.samples):
            r = 0.0 if np.ptp(y[:, i]) == 0 else pearsonr(y[:, i], n[:, i]).statistic
            assert float(shown[name]["Pearson"]) == pytest.approx(r, abs=1e-5)
            assert float(shown[name]["mean counted"]) == n[:, i].mean()
        mean = np.mean([float(each["Pearson"]) for each in shown.values()])
        assert mean == pytest.approx(world.found.metrics["model"]["pearson_across_regions"])

    def test_tracks_are_of_the_largest_predictions(self, parsed: Parsed, world: World) -> None:
        made = Attributions.open(world.folder / "attributions")
        order = np.argsort(-made.prediction.max(1))[:4]
        captions = parsed.text("figcaption")
        shown = [each for each in captions if each.startswith("chr")]
        for i, caption in zip(order.tolist(), shown, strict=True):
            start, target = made.starts[i], made.targets[made.prediction[i].argmax()]
            assert caption == f"{made.chroms[i]}:{start:,}-{start + 120:,}, {target}"
            alt = next(
                each.attributes["alt"] for each in parsed.all("img")
                if f"{made.chroms[i]}:{start:,}-" in each.attributes["alt"]
            )  # fmt: skip
            each = made.contributions(slice(i, i + 1))[0, made.prediction[i].argmax()]
            best = start + int(np.abs(each).argmax())
            assert 40 <= best - start < 46
            assert alt.endswith(f"at {best:,}.")
        by_target = parsed.values("By target")
        assert float(by_target["s0"]["sum missed by"]) == pytest.approx(0.01)
        assert float(by_target["s0"]["mean prediction"]) == pytest.approx(
            made.prediction[:, 0].mean()
        )

    def test_motifs_have_logos_and_names(self, parsed: Parsed, world: World) -> None:
        table = pq.read_table(world.folder / "motifs" / "motifs.parquet").to_pylist()
        shown = parsed.values("Motifs, those with")
        assert list(shown) == [row["motif"] for row in table][:40]
        first = table[0]
        assert "GATAAG" in first["consensus"] or "CTTATC" in first["consensus"]
        assert shown[first["motif"]]["match"] == "GATA"
        assert float(shown[first["motif"]]["seqlets"]) == first["seqlets"]
        assert float(shown[first["motif"]]["q"]) == first["match_q"]
        alts = [each.attributes["alt"] for each in parsed.all("img")]
        assert f"Logo of {first['motif']}, {first['consensus']}" in alts

    def test_footprints_have_their_depths(self, parsed: Parsed, world: World) -> None:
        rows = pq.read_table(world.folder / "footprints" / "depths.parquet").to_pylist()
        head, *body = parsed.table("Depth of footprints")
        assert len(body) == len(rows) == 4
        for row, cells in zip(rows, body, strict=True):
            assert "".join(cells[0].text).strip() == row["motif"]
            assert float(cells[2].attributes["data-value"]) == row["depth"]
        assert len(head) == len(body[0])
        for row in rows:
            alt = f"{row['motif']} for {row['target']}, with and without the motif; depth "
            alt += f"{row['depth']:+.2f} bits"
            assert any(alt in each.attributes["alt"] for each in parsed.all("img"))

    def test_how_it_was_made(self, parsed: Parsed, world: World) -> None:
        shown = parsed.values("How it was made")
        about = world.run.about
        assert shown["data set"]["value"] == f"d, SHA-256 {about['dataset']['sha256']}"
        assert shown["device"]["value"] == about["device"]
        assert shown["PyTorch"]["value"] == torch.__version__
        assert shown["seed"]["value"] == str(world.run.config.training.seed)  # type: ignore[attr-defined]
        assert shown["begun (UTC)"]["value"] == about["begun"]
        config = "".join(parsed.all("pre")[0].text)
        assert json.loads(config) == world.run.config.model_dump(mode="json")


def test_labels_have_precision_recall_curves(world: World, tmp_path: Path) -> None:
    """Of data with negatives: whether the totals tell peaks from them."""
    (tmp_path / "negatives.bed").write_text(
        "".join(f"chr{c}\t{s}\t{s + 120}\n" for c in (1, 2, 3) for s in range(250, 4000, 500))
    )
    data = make_data(tmp_path, negatives=tmp_path / "negatives.bed")
    run = world.run
    parsed = Parsed(report(run, tmp_path / "r.html", dataset=data).read_text("utf-8"))
    rows = data.split("test")
    y = predict(run, data, tmp_path / "p", split="test", bigwig=False).totals
    assert y is not None
    score, peak = y.mean(1), ~data.negative[rows]
    pairs = score[peak][:, None] - score[~peak]
    area = (pairs > 0).mean() + 0.5 * (pairs == 0).mean()
    shown = parsed.values("How well the mean predicted total")["peaks against negatives"]
    assert float(shown["auROC"]) == pytest.approx(area, abs=1e-6)
    assert float(shown["auPRC by chance"]) == pytest.approx(peak.mean())
    assert float(shown["positives"]) == peak.sum()
    assert any("Precision-recall" in each.attributes["alt"] for each in parsed.all("img"))


def test_long_sequences_stay_small(world: World, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    n, length = len(world.data), 2114
    made = write_attributions(
        tmp_path / "a", world.data.regions, rng.integers(0, 5, (n, length)).astype(np.uint8),
        rng.normal(size=(n, 1, 4, length)).astype(np.float32), targets=["s0"], method="ig",
        head="totals",
    )  # fmt: skip
    out = report(world.run, tmp_path / "r.html", attributions=made)
    parsed = Parsed(out.read_text("utf-8"))
    tracks = [each for each in parsed.all("img") if "Attribution track" in each.attributes["alt"]]
    assert len(tracks) == 4
    assert sum(len(each.attributes["src"]) for each in tracks) < 600_000
    # no prediction is known, and no sum: dashes
    assert parsed.values("By target")["s0"] == dict.fromkeys(
        ("mean prediction", "sum missed by"), ""
    ) | {"examples with a sum": "0.0"}


class TestWhatIsMissing:
    def test_a_run_alone_names_the_commands(self, world: World, tmp_path: Path) -> None:
        made = report(world.run, tmp_path / "bare.html")
        parsed = Parsed(made.read_text("utf-8"))
        missing = parsed.text("code")
        assert [each.split()[1] for each in missing] == list(COMMANDS[1:])
        for each in missing:
            assert main.get_command(None, each.split()[1]) is not None  # type: ignore[arg-type]
        assert "s0" in parsed.values("Samples")["1"].values()

    def test_a_run_of_no_epoch_and_one_without_validation(
        self, world: World, tmp_path: Path
    ) -> None:
        config = read_config(model="bpaitac", changes=[*SMALL, "training.epochs=0"])
        changed = [*SMALL, "training.epochs=1", "training.evaluate_first=false"]
        alone = make_data(tmp_path, split=["test=chr3"])
        for name, data, each, n in (
            ("none", world.data, config, 1),
            ("alone", alone, read_config(model="bpaitac", changes=changed), 1),
        ):
            run = train(each, data, tmp_path / name)
            parsed = Parsed(report(run, tmp_path / f"{name}.html").read_text("utf-8"))
            assert len(parsed.values("Numbers of each epoch")) == n
        assert "There was no validation" in " ".join(parsed.text("p"))
        assert not any("validation" in each.attributes["alt"] for each in parsed.all("img"))

    def test_a_run_that_was_imported_or_killed(self, world: World, tmp_path: Path) -> None:
        about = {k: v for k, v in world.run.about.items() if k not in ("best", "stopped")}
        for status in ("imported", "begun"):
            run = Run.create(tmp_path / status, world.run.config, world.run.network(), about)
            run.write_about(status=status)
            made = report(run, tmp_path / f"{status}.html")
            assert "modelkit train" in " ".join(Parsed(made.read_text("utf-8")).text("code"))

    def test_numbers_that_are_none(self, world: World, tmp_path: Path) -> None:
        shutil.copytree(world.run.path, tmp_path / "run")
        run = Run.open(tmp_path / "run")
        rows = pq.read_table(run.path / "metrics.parquet").to_pylist()
        for row in rows:
            row["validation_jsd"] = float("nan")
        rows[1]["validation_loss"] = float("inf")
        run.write_metrics(rows)
        shutil.copytree(world.folder / "evaluation", tmp_path / "evaluation")
        summary = tmp_path / "evaluation" / "metrics.json"
        found = json.loads(summary.read_text())
        found["metrics"]["model"]["jsd"] = None
        found["intervals"]["bias"]["jsd"] = {"value": None, "low": None, "high": None}
        summary.write_text(json.dumps(found))
        made = report(run, tmp_path / "r.html", evaluation=tmp_path / "evaluation")
        parsed = Parsed(made.read_text("utf-8"))
        assert "nan" not in " ".join(parsed.text("td")).lower().split()
        assert parsed.values("Metrics of all examples")["jsd"]["model"] == ""
        assert parsed.values("Means over examples")["jsd"]["bias"] == ""
        assert not any("jsd" in each.attributes["alt"] for each in parsed.all("img"))


def test_names_are_text_wherever_they_stand(tmp_path: Path) -> None:
    """Of the run, its samples, its metrics and its targets."""
    (tmp_path / "data").mkdir()
    data = make_data(tmp_path / "data")
    folder = tmp_path / "<b>run & 'x' \"y\" 組織"
    config = read_config(model="bpaitac", changes=[*SMALL, "training.epochs=0"])
    config = config.changed({"data": {"groups": {"$\\frac": ["s0"], NAME: ["s1"]}}})
    run = train(config, data, folder)
    evaluate(run, data, tmp_path / "evaluation", resamples=2)
    made = attributions_of(data, tmp_path / "attributions", ["$\\frac", NAME])
    out = tmp_path / "r.html"
    report(run, out, dataset=data, evaluation=tmp_path / "evaluation", attributions=made)
    text = out.read_text("utf-8")
    parsed = Parsed(text)
    assert parsed.text("h1") == [f"Run {folder.name}"]
    assert len(parsed.all("script")) == 1
    assert not parsed.all("b")
    assert NAME in parsed.values("Correlation of totals")
    assert NAME in parsed.values("By target")
    assert any(NAME in each.attributes["alt"] for each in parsed.all("img"))


def test_many_tasks_are_folded(tmp_path: Path) -> None:
    data = make_data(tmp_path, n_samples=21)
    changes = [*SMALL, "training.epochs=0"]
    run = train(read_config(model="bpaitac", changes=changes), data, tmp_path / "run")
    evaluate(run, data, tmp_path / "evaluation", resamples=2)
    out = tmp_path / "r.html"
    report(run, out, dataset=data, evaluation=tmp_path / "evaluation")
    parsed = Parsed(out.read_text("utf-8"))
    assert len(parsed.values("Correlation of totals")) == 21
    assert len(parsed.values("Depth of 21 samples")) == 21
    folded = [each for each in parsed.text("summary") if each.endswith("21 rows")]
    assert len(folded) == 3  # depth, measures by name, totals
    assert sum("Scatter" in each.attributes["alt"] for each in parsed.all("img")) == 3
    assert out.stat().st_size < LARGEST


class TestWhatIsRefused:
    def refused(self, world: World, match: str, **changes: Any) -> None:
        out = world.folder / "refused.html"
        with pytest.raises(InputError, match=match) as caught:
            report(changes.pop("run", world.run), out, **(world.inputs | changes))
        assert "\n" not in str(caught.value)
        assert not list(world.folder.glob("*refused*"))

    def test_what_is_not_there(self, world: World, tmp_path: Path) -> None:
        for name, match in (
            ("evaluation", "has no readable metrics.json"),
            ("attributions", "has no readable attributions.json"),
            ("motifs", "has no readable motifs.json"),
            ("footprints", "footprints.parquet: does not exist"),
            ("dataset", "has no readable dataset.json"),
            ("run", "has no readable run.json"),
        ):
            self.refused(world, match, **{name: tmp_path / "nothing"})

    @pytest.mark.parametrize(
        ("part", "file"),
        [
            ("run", "metrics.parquet"),
            ("evaluation", "metrics.json"),
            ("evaluation", "examples.parquet"),
            ("evaluation", "by_name.parquet"),
            ("attributions", "regions.parquet"),
            ("attributions", "attributions.arrow"),
            ("motifs", "motifs.parquet"),
            ("footprints", "footprints.parquet"),
            ("footprints", "depths.parquet"),
        ],
    )
    def test_what_is_damaged(self, world: World, tmp_path: Path, part: str, file: str) -> None:
        whole = world.run.path if part == "run" else world.folder / part
        shutil.copytree(whole, tmp_path / part)
        path = tmp_path / part / file
        held = path.read_bytes()
        for damaged in (b"", held[: len(held) // 2], b"not this" + held[8:-4]):
            path.write_bytes(damaged)
            self.refused(world, file, **{part: tmp_path / part})

    def test_numbers_of_an_evaluation_that_are_none(self, world: World, tmp_path: Path) -> None:
        shutil.copytree(world.folder / "evaluation", tmp_path / "e")
        path = tmp_path / "e" / "metrics.json"
        found = json.loads(path.read_text())
        for key, value, match in (
            ("metrics", {"model": {"jsd": "<b>"}}, "is not of numbers"),
            ("metrics", {"model": {"jsd": [1] * 9}}, "is not of numbers"),
            ("metrics", {"other": {}}, "no 'model'"),
            ("metrics", 1, "damaged"),
            ("examples", 3, "39 rows"),
            ("split", "train", "39 rows of test"),
            ("config", {"model": "bpaitac"}, "whose config is not that of"),
            ("version", 9, "version 9"),
            ("format", schemas.RUN, "holds 'kmerengine.run'"),
        ):
            path.write_text(json.dumps(found | {key: value}))
            self.refused(world, match, evaluation=tmp_path / "e")
        path.write_text('{"metrics": ' + "[" * 100_000)
        self.refused(world, "damaged", evaluation=tmp_path / "e")
        path.write_text(json.dumps(found).replace('"examples": 39', '"examples": NaN'))
        self.refused(world, "NaN is no number", evaluation=tmp_path / "e")

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"motifs": None}, "lacks what such a file has"),
            ({"motifs": {"GATAAG": {"start": 39, "length": 6}}}, "lacks what such a file has"),
            ({"motifs": {"TTAC": {"start": 1, "length": 4}}}, "has 40 rows of GATAAG"),
            ({"window": 50}, "has 40 rows of .*, expected 50"),
        ],
    )
    def test_footprints_that_contradict_themselves(
        self, world: World, tmp_path: Path, changes: dict[str, Any], match: str
    ) -> None:
        for name in ("footprints.parquet", "depths.parquet"):
            table = pq.read_table(world.folder / "footprints" / name)
            about = schemas.read_metadata(table.schema, tmp_path, (schemas.FOOTPRINTS,))
            schema = schemas.with_metadata(table.schema, about | changes)
            pq.write_table(table.replace_schema_metadata(schema.metadata), tmp_path / name)
        self.refused(world, match, footprints=tmp_path)
        shutil.copy(world.folder / "footprints" / "depths.parquet", tmp_path)
        self.refused(world, "is not of the same footprints|lacks", footprints=tmp_path)

    def test_metrics_without_epochs(self, world: World, tmp_path: Path) -> None:
        run = Run.open(shutil.copytree(world.run.path, tmp_path / "run"))
        run.write_metrics([{"loss": 1.0}])
        self.refused(world, "has no column of epochs", run=run)

    def test_no_jinja(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "jinja2", None)
        self.refused(world, r"pip install 'kmerengine\[report\]'")

    def test_what_is_of_another_run(self, world: World, tmp_path: Path) -> None:
        config = world.run.config.changed({"training": {"seed": 7}})
        network = world.run.network()
        other = Run.create(tmp_path / "o", config, network, world.run.about)
        self.refused(world, "whose config is not that of", run=other)
        with torch.no_grad():
            next(network.parameters()).add_(1)
        changed = Run.create(tmp_path / "c", world.run.config, network, world.run.about)
        self.refused(world, "footprints: is of the run run, whose weights are not", run=changed)

    def test_data_of_another_shift_and_of_other_tasks(self, world: World, tmp_path: Path) -> None:
        self.refused(world, "learnt cuts with shift", dataset=make_data(tmp_path, shift="+4/-5"))
        (tmp_path / "s").mkdir()
        other = make_data(tmp_path / "s", samples=(1, 0))
        self.refused(world, "has s1, s0, .* learnt s0, s1", dataset=other)

    def test_an_output_that_is_there(self, world: World, page: Path) -> None:
        before = page.read_bytes()
        with pytest.raises(InputError, match="exists"):
            report(world.run, page)
        assert page.read_bytes() == before


def test_the_command_writes_the_same_bytes(world: World, page: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    line = ["report", str(world.run.path), "--data", str(world.data.path), "-o", str(out)]
    for name in ("evaluation", "attributions", "motifs"):
        line += [f"--{name}", str(world.folder / name)]
    line += ["--footprints", str(world.folder / "footprints" / "footprints.parquet")]
    done = CliRunner().invoke(main, line)
    assert done.exit_code == 0, done.output
    assert done.stderr.startswith(f"{out}: ")
    assert out.read_bytes() == page.read_bytes()
    other = CliRunner().invoke(main, [*line, "-o", str(tmp_path / "r.pdf")])
    assert "r.pdf: found suffix '.pdf', expected .html" in other.stderr
    assert not (tmp_path / "r.pdf").exists()
    again = CliRunner().invoke(main, line)
    assert again.exit_code == 1
    assert again.stderr.startswith("Error: ")
COLUMN = """(n => [...document.querySelectorAll("table")][n].tBodies[0].rows)(%d)"""
