"""The DeepATAC pipeline on a small genome: its stages against the functions that they are of."""

import inspect
import json

import click
import numpy as np
import pyarrow.parquet as pq
import pytest
from binding_world import SMALL, SPLIT, WIDTH, WORDS, World
from click.testing import CliRunner

import kmerengine
import modelkit
from kmerengine import InputError, Motif, write_meme
from modelkit.cli import main
from modelkit.interpretation.signals.signals import signals
from modelkit.pipelines.deepatac import pipeline_deepatac

pytestmark = pytest.mark.usefixtures("one_thread")

ONLY_COMMAND = {"quiet"}
ONLY_FUNCTION = {"say", "reporter", "progress"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("pipeline") / "w")


@pytest.fixture(scope="module")
def given(world):
    motifs = [
        Motif(name=name.upper(), probabilities=np.array(
            [[0.97 if b == base else 0.01 for b in "ACGT"] for base in word]
        ))
        for name, word in WORDS.items()
    ]  # fmt: skip
    write_meme(world.folder / "motifs.meme", motifs)
    return {
        "genome": world.folder / "g.fa", "regions": world.folder / "w.bed",
        "labels": [world.folder / "labels"], "cuts": world.folder / "c.parquet", "width": WIDTH,
        "split": SPLIT, "changes": SMALL, "motifs": world.folder / "motifs.meme",
        "motif_of": {"tal": "TAL"}, "peaks": world.folder / "w.bed", "at_least": 0.0,
        "explain": ["tal"], "steps": 300, "device": "cpu", "threads": 1,
    }  # fmt: skip


@pytest.fixture(scope="module")
def made(given, tmp_path_factory):
    said = []
    found = pipeline_deepatac(output=tmp_path_factory.mktemp("m") / "out", say=said.append, **given)
    assert len(said) == 2 * len(found.stages)
    return found


def test_each_stage_is_what_its_function_makes(made, given, world, tmp_path):
    names = ["dataset", "train both", "train dna", "scan", "compare", "attribute tal", "figure tal"]
    assert [each.name for each in made.stages] == names
    data = kmerengine.Dataset.open(made.path / "data")
    # windows without a label are left out: those that 2 and 3 divide stay
    kept = [i for i in range(len(world.windows)) if i % 2 == 0 or i % 3 == 0]
    starts = [world.windows[i] for i in kept]
    table = data.regions
    found = zip(table["chrom"].to_pylist(), table["start"].to_pylist(), strict=True)
    assert list(found) == starts
    assert data.label_names == ("gata", "tal")
    runs = {name: modelkit.Run.open(made.path / "runs" / name) for name in ("both", "dna")}
    assert [run.config.network.inputs for run in runs.values()] == ["both", "dna"]
    alike = modelkit.compare(
        runs, data, tmp_path / "c", hits=made.path / "hits.parquet", motifs={"tal": "TAL"},
        peaks=given["peaks"], within_regions=given["peaks"], device="cpu",
    )  # fmt: skip
    assert pq.read_table(made.path / "compared" / "by_factor.parquet").equals(alike.by_factor)
    scores = modelkit.Attributions.open(made.path / "scores" / "tal")
    assert (scores.method, scores.targets) == ("ig", ("tal",))
    rows = data.split("test")
    assert scores.rows.tolist() == rows[data.labels[rows, 1] == 1].tolist()
    drawn = signals(scores, data, tmp_path / "f.png")
    assert (made.path / "figures" / "tal.png").read_bytes() == drawn.read_bytes()


@pytest.mark.parametrize(("changes", "expected"), [([], 3), (["training.seed=7"], 7)])
def test_a_change_of_the_seed_is_not_lost(given, tmp_path, monkeypatch, changes, expected):
    import modelkit.pipelines.deepatac as module

    seen = {}
    monkeypatch.setattr(
        module, "run_stages",
        lambda stages, *_, **__: seen.update({each.name: each.parameters for each in stages}) or [],
    )  # fmt: skip
    pipeline_deepatac(output=tmp_path / "o", seed=3, **(given | {"changes": [*SMALL, *changes]}))
    for name in ("both", "dna"):
        config = seen[f"train {name}"]["config"]
        assert (config["training"]["seed"], config["network"]["inputs"]) == (expected, name)


def test_outputs_of_factors_of_any_name(given, tmp_path):
    bed = given["labels"][0] / "tal.bed"
    options = given | {"labels": {"a/b": bed, "a": bed, "a_b": bed}, "motifs": None,
                       "motif_of": None, "output": tmp_path / "o", "dry_run": True}  # fmt: skip
    found = pipeline_deepatac(**(options | {"explain": ["a/b", "a"]}))
    outputs = [each.output.relative_to(tmp_path / "o").as_posix() for each in found.stages[-4:]]
    assert outputs == ["scores/a_b", "figures/a_b.png", "scores/a", "figures/a.png"]
    with pytest.raises(InputError, match="'a_b' and 'a/b' would share the file a_b"):
        pipeline_deepatac(**(options | {"explain": ["a/b", "a_b"]}))


def test_the_command_names_the_option_that_is_wrong(given, tmp_path):
    bed = given["labels"][0] / "tal.bed"
    words = ["--genome", given["genome"], "--regions", given["regions"], "-o", tmp_path / "o"]
    for more, said in (
        (["--labels", f"tal={bed}", "--labels", f"tal={bed.parent}/gata.bed"], "labels: found"),
        (["--labels", bed, "--motif", "tal"], "motif: found 'tal', expected NAME=MOTIF"),
    ):
        done = CliRunner().invoke(main, ["pipeline", "deepatac", *map(str, [*words, *more])])
        assert done.exit_code == 1
        assert said in done.stderr


def test_what_is_done_is_not_made_again(made, given):
    again = pipeline_deepatac(output=made.path, **given)
    assert not any(each.made for each in again.stages)
    other = pipeline_deepatac(output=made.path, dry_run=True, **(given | {"steps": 301}))
    assert [each.name for each in other.stages if each.made] == ["attribute tal", "figure tal"]
    more = pipeline_deepatac(output=made.path, dry_run=True, atac=True, **given)
    assert [each.name for each in more.stages if each.made][:2] == ["train atac", "compare"]


def test_reads_are_counted_first(given, world, tmp_path):
    """Samples in place of cuts are a stage more."""
    options = given | {"cuts": None, "explain": ["gata"], "motifs": None, "motif_of": None}
    rows = "".join(f"{c}\t{s}\t{s + 20}\tx\t1\t+\n" for c, s, e in world.fragments[0])
    (tmp_path / "s.tagAlign").write_text(rows)
    listed = pipeline_deepatac(
        output=tmp_path / "o", samples=[tmp_path / "s.tagAlign"], dry_run=True, **options
    )
    assert [each.name for each in listed.stages][:2] == ["cuts", "dataset"]
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cuts": None}, "found 0 without --cuts, expected samples or cuts"),
        ({"samples": ["x.bam"]}, "found 1 with --cuts"),
        ({"motif_of": None}, "go together"),
        ({"peaks": None}, "go together"),
        ({"explain": ["sp1"]}, "explain: found 'sp1', expected one of gata, tal"),
        ({"motif_of": {"sp1": "TAL"}}, "motif_of: found 'sp1'"),
        ({"changes": ["network.blocks=2"]}, "network.blocks: unknown key"),
        ({"preset": "dna"}, "network.inputs: found 'dna', expected both"),
        ({"cuts": None, "samples": ["a.bam", "b.bed"]}, "a.bam, which flags duplicates, with .*/b"),
        ({"explain": ["tal", "tal"]}, "explain: found a factor twice"),
        ({"steps": 0}, "steps: found 0, expected 1 or more"),
        ({"at_least": 1.5}, "at_least: found 1.5, expected a probability"),
    ],
)
def test_options_that_do_not_fit(given, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        pipeline_deepatac(output=tmp_path / "o", **(given | changes))
    assert not (tmp_path / "o").exists()


def test_the_command_has_the_function_s_options_and_defaults(given, tmp_path):
    group = main.get_command(click.Context(main), "pipeline")
    command = group.get_command(click.Context(group), "deepatac")
    ours = {n: p.default for n, p in inspect.signature(pipeline_deepatac).parameters.items()
            if n not in ONLY_FUNCTION}  # fmt: skip
    required = [p for p in command.params if p.required]
    words = [word for p in required for word in (p.opts[-1], "x")]
    theirs = command.make_context("deepatac", words).params
    theirs |= {p.name: inspect.Parameter.empty for p in required}
    theirs = {name: value for name, value in theirs.items() if name not in ONLY_COMMAND}
    assert theirs.pop("motif_of") == ()
    assert ours.pop("motif_of") is None
    assert theirs == ours
    assert command.help
    assert all(p.help for p in command.params)
    said = CliRunner().invoke(main, list(map(str, [
        "pipeline", "deepatac", "--genome", given["genome"], "--regions", given["regions"],
        "--labels", given["labels"][0], "--cuts", given["cuts"], "--width", WIDTH, "--dry-run",
        "--split", SPLIT[0], "--split", SPLIT[1], "--motifs", given["motifs"], "--motif",
        "tal=TAL", "--peaks", given["peaks"], "--explain", "tal", "-o", tmp_path / "o",
    ])))  # fmt: skip
    assert said.exit_code == 0, said.output
    assert "train dna: would run" in said.stderr
    assert not (tmp_path / "o").exists()


class TestSignals:
    """The figure of an example."""

    def test_a_part_and_a_row(self, made, tmp_path):
        found = modelkit.Attributions.open(made.path / "scores" / "tal")
        row, start = int(found.rows[1]), int(found.starts[1])
        data = made.path / "data"
        words = ["signals", made.path / "scores" / "tal", "--data", data, "--row", row, "--region",
                 f"chr3:{start + 5}-{start + 60}", "-o", tmp_path / "a.svg"]  # fmt: skip
        said = CliRunner().invoke(main, list(map(str, words)))
        assert said.exit_code == 0, said.output
        again = signals(found, data, tmp_path / "b.svg", row=row, target="tal",
                        region=f"chr3:{start + 5}-{start + 60}")  # fmt: skip
        assert again.read_bytes() == (tmp_path / "a.svg").read_bytes()
        whole = signals(found, data, tmp_path / "c.svg", row=row)
        assert whole.read_bytes() != again.read_bytes()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"row": 0}, "row: found 0, which is none of the"),
            ({"target": "gata"}, "has no target 'gata'"),
            ({"region": "chr3:1-9000"}, "expected a part of chr3:"),
            ({"region": "chr3"}, "found 'chr3', expected a part of"),
        ],
    )
    def test_what_is_not_there(self, made, tmp_path, options, message):
        with pytest.raises(InputError, match=message):
            signals(made.path / "scores" / "tal", made.path / "data", tmp_path / "f.png", **options)

    def test_other_data_and_attributions_without_cuts(self, made, world, tmp_path):
        scores = made.path / "scores" / "tal"
        with pytest.raises(InputError, match="is of the data set data, not of"):
            signals(scores, world.data, tmp_path / "f.png")
        dna = modelkit.attribute(made.path / "runs" / "dna", world.data, tmp_path / "a",
                                 method="saliency", device="cpu")  # fmt: skip
        with pytest.raises(InputError, match="of 4 channels; expected a model of bases and cuts"):
            signals(dna, world.data, tmp_path / "f.png")

    def test_methods_that_do_not_explain_cuts(self, made, tmp_path):
        found = modelkit.attribute(made.path / "runs" / "both", made.path / "data", tmp_path / "a",
                                   method="ism", targets=["tal"], device="cpu")  # fmt: skip
        with pytest.raises(InputError, match="no numbers, since ism explains bases alone"):
            signals(found, made.path / "data", tmp_path / "f.png")
        assert not (tmp_path / "f.png").exists()

    def test_what_is_drawn(self, made, tmp_path, monkeypatch):
        """The network's own input beside the scores: cuts as it was told of them."""
        import modelkit.interpretation.signals.signals as module

        seen = []
        draw = module.draw_signals
        monkeypatch.setattr(
            module, "draw_signals", lambda shown: (seen.append(shown), draw(shown))[1]
        )
        found = modelkit.Attributions.open(made.path / "scores" / "tal")
        data = kmerengine.Dataset.open(made.path / "data")
        signals(found, data, tmp_path / "f.png")
        (shown,) = seen
        best = int(found.prediction[:, 0].argmax())
        row = int(found.rows[best])
        assert np.array_equal(shown.cuts, data.counts[row].sum(0) > 0)
        assert np.array_equal(shown.scores, found.hypothetical[best, 0, 4:])
        for position, code in enumerate(data.sequence[row].tolist()):
            expected = [0.0] * 4
            if code < 4:
                expected[code] = float(found.hypothetical[best, 0, code, position])
            assert shown.contributions[position].tolist() == expected
        assert (shown.chrom, shown.start) == ("chr3", int(data.regions["start"][row].as_py()))


def test_pipeline_json_names_every_stage(made):
    document = json.loads((made.path / "pipeline.json").read_text())
    assert [each["status"] for each in document["stages"]] == ["done"] * 7
    assert document["stages"][0]["parameters"]["strands"] == "split"
