"""Attributions of a data set: what they are, where they lie, and that a kill changes nothing."""

import json
from collections import defaultdict
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pyBigWig
import pytest
import torch
from attribute_world import (
    CENTRES,
    GENOME,
    OFFSET,
    SIZES,
    TASKS,
    WEIGHTS,
    WIDTH,
    make_data,
    make_files,
    make_run,
)
from click.testing import CliRunner

from kmerengine import Dataset, InputError, schemas
from modelkit.cli import main
from modelkit.cli.attribute import command
from modelkit.interpretation.attribution.attribute import attribute
from modelkit.interpretation.attribution.attributions import Attributions, write_attributions
from modelkit.interpretation.methods.explain import explain
from modelkit.interpretation.methods.explained import Explained
from modelkit.interpretation.methods.options import AttributionOptions
from modelkit.tasks.readouts import ProfileReadout, TotalReadout
from modelkit.training.run import Run

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def data(files: Path) -> Dataset:
    return make_data(files, files / "d")


@pytest.fixture(scope="module")
def run(files: Path, data: Dataset) -> Run:
    return make_run(files / "run", data)


@pytest.fixture(scope="module")
def linear(files: Path, data: Dataset) -> Run:
    return make_run(files / "linear", data, linear=True)


def check_against_letters(made: Attributions, targets: list[list[int]], share: float) -> None:
    """The linear network's contributions, from the genome's letters at the places they are at."""
    for i, (chrom, start) in enumerate(zip(made.chroms, made.starts.tolist(), strict=True)):
        text = GENOME[chrom][start : start + made.sequence.shape[1]]
        for k, members in enumerate(targets):
            scores = share * WEIGHTS[members].sum(0) / len(text)
            wanted = [0.0 if base == "N" else scores["ACGT".index(base)] for base in text]
            found = made.contributions(slice(i, i + 1))[0, k]
            np.testing.assert_allclose(found, wanted, rtol=1e-5)
            np.testing.assert_allclose(made.hypothetical[i, k], scores[:, None] + 0 * found, 1e-5)
            offsets = OFFSET * share * len(members)
            assert made.prediction[i, k] == pytest.approx(sum(wanted) + offsets, rel=1e-5)


@pytest.mark.parametrize("off_by_two", [False, True])
def test_contributions_lie_where_the_letters_lie(
    files: Path, tmp_path: Path, off_by_two: bool
) -> None:
    data = make_data(files, tmp_path / "d", off_by_two=off_by_two)
    made = attribute(
        make_run(tmp_path / "run", data, linear=True), data, tmp_path / "a",
        method="ig", split="all", batch_size=4,
    )  # fmt: skip
    assert (made.method, made.head, made.targets) == ("ig", "totals", TASKS)
    moved = 2 if off_by_two else 0
    assert made.sequence.shape == (len(CENTRES), WIDTH - moved)
    wanted = [(c, at - WIDTH // 2 + moved) for c, at in CENTRES]
    assert list(zip(made.chroms, made.starts.tolist(), strict=True)) == wanted
    assert made.rows.tolist() == list(range(len(CENTRES)))
    assert (made.sequence == 255).sum() == 3
    check_against_letters(made, [[0], [1], [2]], 1)
    assert np.abs(made.delta / made.spread).max() < 1e-5
    table = made.regions
    assert table["start"].to_pylist() == [at - WIDTH // 2 for _, at in CENTRES]
    split = ["test" if c != "chr2" else "train" for c, _ in CENTRES]
    assert table["split"].to_pylist() == split


def test_lineages_are_means_or_sums_of_tasks(linear: Run, data: Dataset, tmp_path: Path) -> None:
    lineages = {"lymphoid": ["NK/1", "T"], "B": ["B"]}
    mean = attribute(linear, data, tmp_path / "mean", method="saliency", targets=lineages)
    added = attribute(
        linear, data, tmp_path / "sum", method="saliency", targets=lineages, combine="sum"
    )
    assert mean.targets == added.targets == ("lymphoid", "B")
    check_against_letters(added, [[1, 2], [0]], 1)
    np.testing.assert_allclose(mean.hypothetical[:, 0], added.hypothetical[:, 0] / 2, rtol=1e-6)
    np.testing.assert_allclose(mean.hypothetical[:, 1], added.hypothetical[:, 1], rtol=1e-6)
    assert np.isnan(mean.delta).all()
    one = attribute(linear, data, tmp_path / "one", method="saliency", targets=["T"])
    check_against_letters(one, [[2]], 1)


def test_scores_are_those_of_explain(run: Run, data: Dataset, tmp_path: Path) -> None:
    """Numbers of the shuffles are rows of the data set, whatever the batch and the choice."""
    options = {"n_references": 3, "seed": 4}
    made = attribute(run, data, tmp_path / "a", split="all", rows=[7, 1, 4, 8, 5], batch_size=2,
                     **options)  # fmt: skip
    assert made.rows.tolist() == [1, 4, 5, 7, 8]
    one_hot = np.zeros((5, 4, WIDTH), np.float32)
    for i, row in enumerate(made.rows):
        for j, code in enumerate(data.sequence[row]):
            if code < 4:
                one_hot[i, code, j] = 1
    explained = Explained(run.network(), TotalReadout(), torch.eye(3)).eval()
    x = torch.from_numpy(one_hot)
    wanted = explain(explained, x, AttributionOptions(**options), made.rows)
    np.testing.assert_allclose(made.hypothetical, wanted.hypothetical, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(made.delta, wanted.delta, atol=1e-5)
    np.testing.assert_allclose(made.spread, wanted.spread, rtol=1e-5)
    np.testing.assert_allclose(made.prediction, explained(x).detach(), rtol=1e-5)
    contributions = (made.hypothetical * one_hot[:, None]).sum(2)
    np.testing.assert_allclose(made.contributions(), contributions, rtol=1e-6)
    np.testing.assert_array_equal(made.contributions(slice(4, None, -2)), contributions[::-2])
    assert len(made.contributions(slice(3, 3))) == 0


def test_both_strands(run: Run, data: Dataset, tmp_path: Path) -> None:
    """The mean with what the other strand's sequence gets, turned back by hand."""
    for head, readout in (("totals", TotalReadout()), ("profile", ProfileReadout())):
        options: dict[str, Any] = {"method": "saliency", "head": head, "rows": [0, 3]}
        plain = attribute(run, data, tmp_path / f"{head}1", **options)
        both = attribute(run, data, tmp_path / f"{head}2", reverse_complement=True, **options)
        x = torch.from_numpy(np.eye(4, dtype=np.float32)[data.sequence[[0, 3]]]).mT
        turned = torch.tensor(np.ascontiguousarray(x.numpy()[:, ::-1, ::-1]))
        explained = Explained(run.network(), readout, torch.eye(3)).eval()
        there = explain(explained, turned, AttributionOptions(method="saliency"))
        back = there.hypothetical.numpy()[:, :, ::-1, ::-1]
        np.testing.assert_allclose(
            both.hypothetical, (plain.hypothetical + back) / 2, rtol=1e-4, atol=1e-7
        )
        assert not np.allclose(both.hypothetical, plain.hypothetical)


def test_a_window_that_is_not_in_the_middle_has_no_other_strand(
    files: Path, tmp_path: Path
) -> None:
    data = make_data(files, tmp_path / "d", off_by_two=True)
    run = make_run(tmp_path / "run", data)
    with pytest.raises(InputError, match=r"window \[20, 40\) is not the middle of 58 bp"):
        attribute(run, data, tmp_path / "a", reverse_complement=True)


def test_regions_choose_the_sequences_that_share_a_base(
    linear: Run, data: Dataset, tmp_path: Path
) -> None:
    """chr2:400 is [370, 430), chr2:408 [378, 438), chr2:420 [390, 450), chr2:900 [870, 930)."""

    def chosen(*lines: str, **options: Any) -> list[int]:
        (tmp_path / "r.bed").write_text("".join(f"{line}\n" for line in lines))
        made = attribute(linear, data, tmp_path / "a", method="saliency", force=True,
                         regions=tmp_path / "r.bed", **({"split": "all"} | options))  # fmt: skip
        return [int(row) for row in made.rows]

    assert chosen("chr2\t429\t430") == [1, 2, 4]
    assert chosen("chr2\t430\t431") == [2, 4]
    assert chosen("chr2\t360\t371") == [1]
    with pytest.warns(UserWarning, match="2 of its 3 regions share no base with the 9 seq"):
        assert chosen("chr2\t450\t870", "chr2\t0\t5", "chr1\t129\t130") == [0]
    inside = "chr2\t940\t941"  # the one before it reaches further
    with pytest.warns(UserWarning, match="1 of its 2 regions"):
        assert chosen("chr2\t0\t10000", inside) == [1, 2, 4, 5, 6, 7]
    with pytest.warns(UserWarning, match="1 of its 2 regions share no base with the 3 seq"):
        assert chosen("chr2\t0\t10000", "chrX\t1\t2", rows=[5, 1, 0]) == [1, 5]
    with pytest.warns(UserWarning, match="1 of its 2 regions"):
        assert chosen("chr1\t0\t900", "chr2\t0\t1700", split="test") == [0, 3]
    with pytest.raises(InputError, match="shares no base with the 9 sequences"):
        chosen("chr2\t450\t870", "chrX\t100\t130")
    with pytest.raises(InputError, match="has no region, expected some"):
        chosen()


def test_sequences_alone_are_enough(
    files: Path, data: Dataset, linear: Run, tmp_path: Path
) -> None:
    alone = make_data(files, tmp_path / "alone", cuts=None)
    assert alone.window is None
    made = attribute(linear, alone, tmp_path / "a", method="saliency", split="all")
    other = attribute(linear, data, tmp_path / "b", method="saliency", split="all")
    np.testing.assert_array_equal(made.hypothetical, other.hypothetical)
    check_against_letters(made, [[0], [1], [2]], 1)


def test_bigwigs_have_the_mean_where_sequences_overlap(
    files: Path, data: Dataset, run: Run, tmp_path: Path
) -> None:
    made = attribute(run, data, tmp_path / "a", method="saliency", split="all", bigwig=True,
                     genome=files / "g.sizes", targets=["NK/1", "T"])  # fmt: skip
    contributions = made.contributions()
    for k, name in enumerate(("NK_1.bw", "T.bw")):
        at = defaultdict(list)
        for i, (chrom, centre) in enumerate(CENTRES):
            for j in range(WIDTH):
                at[chrom, centre - WIDTH // 2 + j].append(float(contributions[i, k, j]))
        found = {}
        with pyBigWig.open(str(made.path / name)) as file:
            assert file.chroms() == SIZES
            for chrom in SIZES:
                for start, end, value in file.intervals(chrom) or ():
                    found |= {(chrom, place): value for place in range(start, end)}
        assert found.keys() == at.keys()
        for place, values in at.items():
            assert found[place] == pytest.approx(sum(values) / len(values), rel=1e-5, abs=1e-9)
    assert not (made.path / ".values").exists()


def test_npz_as_modisco_reads_them(run: Run, data: Dataset, tmp_path: Path) -> None:
    made = attribute(run, data, tmp_path / "a", method="saliency", split="all", npz=True)
    with np.load(made.path / "one_hot.npz") as file:
        one_hot = file["arr_0"]
    assert one_hot.shape == (len(CENTRES), 4, WIDTH)
    for i, (chrom, centre) in enumerate(CENTRES):
        for j in range(WIDTH):
            base = GENOME[chrom][centre - WIDTH // 2 + j]
            assert one_hot[i, :, j].tolist() == [int(base == each) for each in "ACGT"]
    for k, name in enumerate(("B.npz", "NK_1.npz", "T.npz")):
        with np.load(made.path / name) as file:
            assert file.files == ["arr_0"]
            np.testing.assert_array_equal(file["arr_0"], made.hypothetical[:, k])


def test_names_that_would_be_one_file(data: Dataset, tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", data, tasks=["a/b", "a_b", "one_hot"])
    with pytest.raises(InputError, match=r"'a_b' and 'a/b' would share the file a_b\.npz"):
        attribute(run, data, tmp_path / "o", npz=True)
    with pytest.raises(InputError, match=r"'one_hot' and the bases would share the file one_hot"):
        attribute(run, data, tmp_path / "o", npz=True, targets=["one_hot"])
    attribute(run, data, tmp_path / "o", method="saliency")


def test_the_command_is_the_function(files: Path, data: Dataset, run: Run, tmp_path: Path) -> None:
    """Its own options go where they belong, and have the defaults of those."""
    (tmp_path / "l.toml").write_text('lymphoid = ["NK/1", "T"]\nB = ["B"]\n')
    words = ["attribute", str(run.path), "--data", str(data.path), "-o", str(tmp_path / "a"),
             "--method", "deepshap", "--head", "profile", "--lineages", str(tmp_path / "l.toml"),
             "--combine", "sum", "--split", "all", "--rows", "0, 2:5", "--n-references", "2",
             "--seed", "9", "--references", "shuffle"]  # fmt: skip
    found = CliRunner().invoke(main, words)
    assert found.exit_code == 0, found.output
    assert found.stdout == ""
    assert "deepshap of profile, 4 sequences, 2 targets" in found.stderr
    assert "median |delta| " in found.stderr
    made = attribute(
        run, data, tmp_path / "b", head="profile", combine="sum", split="all", rows=[0, 2, 3, 4],
        targets={"lymphoid": ["NK/1", "T"], "B": ["B"]}, n_references=2, seed=9,
        references="shuffle",
    )  # fmt: skip
    other = Attributions.open(tmp_path / "a")
    assert other.provenance == made.provenance
    np.testing.assert_array_equal(other.hypothetical, made.hypothetical)
    plain = AttributionOptions()
    defaults = command.make_context("attribute", ["r", "--data", "d", "-o", "o"]).params
    for each in fields(AttributionOptions):
        assert defaults[each.name] == getattr(plain, each.name), each.name
    quiet = CliRunner().invoke(main, [*words, "--force", "-q"])
    assert (quiet.exit_code, quiet.output) == (0, "")
    both = CliRunner().invoke(main, [*words, "--force", "--target", "T"])
    assert "found with lineages, expected one of them" in both.stderr
    (tmp_path / "l.toml").write_text("B = 3\n")
    found = CliRunner().invoke(main, [*words, "--force"])
    assert "l.toml: B: found 3, expected a list of tasks" in found.stderr
    (tmp_path / "l.toml").write_text("B = [\n")
    found = CliRunner().invoke(main, [*words, "--force"])
    assert (found.exit_code, found.stderr.strip().count("\n")) == (1, 0)
    found = CliRunner().invoke(main, [*words, "--force", "--rows", "3:x"])
    assert "expected a row such as 7 or rows 0:100" in found.stderr
    for empty in ("3:3", "5:2"):
        found = CliRunner().invoke(main, [*words, "--force", "--rows", empty])
        assert f"found '{empty}', expected a range with an end behind its start" in found.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--steps 20", "steps: found 20 for deepshap, which has no use for it; leave it out, or"),
        ("--method saliency --n-references 3", "n_references: found 3 for saliency"),
        ("--references zeros --n-references 3", "n_references: found 3 for deepshap against zeros"),
        ("--background 0.1 0.4 0.4 0.1", "background: found (0.1, 0.4, 0.4, 0.1) for deepshap"),
        ("--genome g.fa", "genome: found g.fa without bigwig"),
    ],
)
def test_options_without_a_use_are_refused(
    words: str, said: str, data: Dataset, run: Run, tmp_path: Path
) -> None:
    at = ["--data", str(data.path), "-o", str(tmp_path / "a"), "-q"]
    found = CliRunner().invoke(main, ["attribute", str(run.path), *at, *words.split()])
    assert (found.exit_code, found.stderr.count("\n")) == (1, 1), found.output
    assert f"Error: {said}" in found.stderr
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", ["attribute", "marginalize", "footprint"])
def test_targets_are_given_in_the_same_words_everywhere(
    name: str, data: Dataset, run: Run, tmp_path: Path
) -> None:
    words = {
        "attribute": ["--method", "saliency"],
        "marginalize": ["--word", "GATTA", "-n", "4"],
        "footprint": ["--word", "GATTA", "-n", "4", "--flank", "1"],
    }[name]
    file = tmp_path / "l.toml"
    file.write_bytes(b'\xef\xbb\xbflymphoid = ["NK/1", "T"]\r\nB = ["B"]\r\n')
    ways = {"a": ["--target", "lymphoid=NK/1, T", "--target", "B"], "b": ["--lineages", str(file)]}
    found = []
    for output, way in ways.items():
        at = ["--data", str(data.path), "-o", str(tmp_path / output)]
        said = CliRunner().invoke(main, [name, str(run.path), *at, *words, *way])
        assert said.exit_code == 0, said.output
        assert "2 targets" in said.stderr
        folder = tmp_path / output
        tables = {"marginalize": "summary", "footprint": "depths"}
        if name == "attribute":
            made = Attributions.open(folder)
            found.append((made.targets, made.hypothetical.tolist()))
        else:
            found.append(pq.read_table(folder / f"{tables[name]}.parquet").to_pylist())
    assert found[0] == found[1]
    at = ["--data", str(data.path), "-o", str(tmp_path / "c")]
    file.write_text("# none\n")
    said = CliRunner().invoke(main, [name, str(run.path), *at, *words, *ways["b"]])
    assert "l.toml: has no target; expected TOML with a line such as" in said.stderr
    for text in ("=B", "x=", "x=B,,T"):
        said = CliRunner().invoke(main, [name, str(run.path), *at, *words, "--target", text])
        assert (said.exit_code, said.stderr.count("Error: targets")) == (1, 1), said.output
    assert not (tmp_path / "c").exists()


def test_a_log_has_lines_that_stay(data: Dataset, run: Run, tmp_path: Path, monkeypatch) -> None:
    """No bar, and no empty line in its place, where stderr is no terminal."""
    monkeypatch.setattr("kmerengine.cli._progress.APPEARS_AFTER", -1.0)
    at = ["--data", str(data.path), "-o", str(tmp_path / "a"), "--method", "saliency"]
    said = CliRunner().invoke(main, ["attribute", str(run.path), *at])
    assert said.exit_code == 0, said.output
    lines = said.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["device", str(tmp_path / "a")]


def test_scores_that_do_not_add_up_are_told(data: Dataset, run: Run, tmp_path: Path) -> None:
    words = ["attribute", str(run.path), "--data", str(data.path), "-o", str(tmp_path / "a"),
             "--method", "ig", "--steps", "1"]  # fmt: skip
    found = CliRunner().invoke(main, words)
    assert found.exit_code == 0, found.output
    warned = [line for line in found.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warned) == 1
    assert "steps" in warned[0]
    made = Attributions.open(tmp_path / "a")
    share = np.median(np.abs(made.delta) / made.spread)
    assert share > 0.01
    assert f"median |delta| {share:.2g} of |prediction - that of the references|" in found.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "classes"}, "head: found 'classes', .* has totals, profile"),
        ({"targets": ["C"]}, "found 'C', expected tasks, once: B, NK/1, T"),
        ({"targets": {"x": ["B", "B"]}}, "targets.x: found"),
        ({"method": "lime"}, "method: found 'lime', expected one of deepshap"),
        ({"split": "holdout"}, "split: found 'holdout'"),
        ({"split": "validation"}, "has no example of 'validation'"),
        ({"rows": [0, 9], "split": "all"}, "rows: found 9, expected 0 to 8"),
        ({"rows": [-1]}, "rows: found -1, expected 0 to 8"),
        ({"rows": [0, 0]}, "rows: found 0 twice"),
        ({"rows": []}, "expected some row numbers"),
        ({"rows": [0.5]}, "rows: found float64"),
        ({"rows": [0, 1]}, "rows: found 1, which is not of 'test'"),
        ({"batch_size": 0}, "batch_size: found 0"),
        ({"bigwig": True}, "genome: found none, expected FASTA"),
        ({"device": "tpu"}, "device: found 'tpu'"),
        ({"steps": 0}, "steps: found 0"),
    ],
)
def test_what_cannot_be_is_refused(
    run: Run, data: Dataset, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as found:
        attribute(run, data, tmp_path / "a", **options)
    assert "\n" not in str(found.value)
    assert not list(tmp_path.iterdir())


def test_data_that_do_not_fit_the_run(files: Path, data: Dataset, run: Run, tmp_path: Path) -> None:
    longer = make_data(files, tmp_path / "longer", width=80)
    with pytest.raises(InputError, match=r"has 80 bp of sequence, .* takes 60"):
        attribute(run, longer, tmp_path / "a")
    moved = make_run(tmp_path / "moved", data, shift="+4/-5")
    with pytest.raises(InputError, match=r"learnt cuts with shift \+4/-5"):
        attribute(moved, data, tmp_path / "a")
    knows = make_run(tmp_path / "knows", data, dataset={"name": "x"}, split=["other", 0])
    with pytest.raises(InputError, match="so that it may know these regions"):
        attribute(knows, data, tmp_path / "a")
    attribute(knows, data, tmp_path / "a", split="all", method="saliency")
    fewer = make_run(tmp_path / "fewer", data, tasks=["B", "T"])
    with pytest.raises(InputError, match="names 2 tasks, its network has 3"):
        attribute(fewer, data, tmp_path / "a")
    (tmp_path / "few").write_text("chr1\t900\nchr3\t179\n")
    with pytest.raises(InputError, match="has 179 bp of 'chr3', but a sequence lies at chr3:120"):
        attribute(run, data, tmp_path / "b", bigwig=True, genome=tmp_path / "few")
    (tmp_path / "other").write_text("chr2\t1700\nchr1\t900\nchr3\t301\n")
    with pytest.raises(InputError, match="has other contigs than the genome of"):
        attribute(run, data, tmp_path / "b", bigwig=True, genome=tmp_path / "other")


def test_scores_that_are_no_numbers_are_refused(data: Dataset, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", data)
    network = run.network()
    with torch.no_grad():
        network.get_parameter("total.dense.weight").fill_(np.nan)
    broken = Run.create(tmp_path / "broken", run.config, network, run.about | {"tasks": TASKS})
    with pytest.raises(InputError, match="row 0 of the data set: its scores are no finite"):
        attribute(broken, data, tmp_path / "a", method="saliency")


@pytest.fixture
def made(run: Run, data: Dataset, tmp_path: Path) -> Attributions:
    return attribute(run, data, tmp_path / "made", method="saliency", split="all")


def test_damaged_folders_are_refused(
    made: Attributions, run: Run, data: Dataset, tmp_path: Path
) -> None:
    def refused(message: str) -> None:
        with pytest.raises(InputError, match=message) as found:
            Attributions.open(made.path)
        assert "\n" not in str(found.value)

    with pytest.raises(InputError, match="expected a folder of modelkit attribute"):
        Attributions.open(data.path)
    assert made.target("T") == 2
    with pytest.raises(InputError, match="has no target 'C'; it has B, NK/1, T"):
        made.target("C")
    about = (made.path / "attributions.json").read_text()
    for name, least in (("attributions.arrow", 1), ("sequence.arrow", 1)):
        whole = (made.path / name).read_bytes()
        (made.path / name).write_bytes(whole[:-least])
        refused("truncated or damaged")
        (made.path / name).write_bytes(b"x" + whole[1:])
        refused("is not the .* array of .* that was described")
        (made.path / name).unlink()
        refused("No such file")
        (made.path / name).write_bytes(whole)
    changed = json.loads(about)
    (made.path / "attributions.json").write_text(json.dumps(changed | {"method": "ig"}))
    refused("metadata is damaged")
    (made.path / "attributions.json").write_text(about[:100])
    refused("metadata is damaged")
    for change, message in (
        ({"version": 2}, "format version 2"),
        ({"format": "kmerengine.run"}, "holds kmerengine.run, expected kmerengine.attributions"),
        ({"targets": ["B"]}, "describes scores of .* for 1 targets"),
        ({"targets": None}, "lacks what such a file has"),
        ({"arrays": {}}, "lacks what such a file has"),
        ({"head": "profile"}, "regions.parquet: is not of the same attributions"),
    ):
        document = {k: v for k, v in (json.loads(about) | change).items() if k != schemas.SEAL}
        (made.path / "attributions.json").write_text(schemas.as_text(document))
        refused(message)
    (made.path / "attributions.json").write_text(about)
    assert len(Attributions.open(made.path)) == len(CENTRES)
    other = attribute(run, data, tmp_path / "other", method="saliency", split="test")
    table = (other.path / "regions.parquet").read_bytes()
    (made.path / "regions.parquet").write_bytes(table)
    refused("is not of the same attributions")


def test_attributions_from_elsewhere(made: Attributions, tmp_path: Path) -> None:
    scores = np.random.default_rng(1).normal(size=(9, 2, 4, WIDTH)).astype(np.float32)
    delta = np.arange(18.0).reshape(9, 2)
    written = write_attributions(
        tmp_path / "w", made.regions, made.sequence, scores, targets=["a", "b"], method="mine",
        head="totals", starts=made.starts + 1, delta=delta,
    )  # fmt: skip
    np.testing.assert_array_equal(written.hypothetical, scores)
    np.testing.assert_array_equal(written.delta, delta)
    assert np.isnan(written.prediction).all()
    assert (written.starts == made.starts + 1).all()
    assert list(written.chroms) == list(made.chroms)
    for each, wrong in (("sequence", made.sequence[:, :-1]), ("hypothetical", scores[:, :1])):
        given = {"sequence": made.sequence, "hypothetical": scores} | {each: wrong}
        with pytest.raises(InputError, match="expected uint8"):
            write_attributions(
                tmp_path / "x", made.regions, **given, targets=["a", "b"], method="m", head="t"
            )
