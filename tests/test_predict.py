"""Predictions of trained models, against networks that letters can be added up for."""

import gzip
import inspect
import json
import resource

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyBigWig
import pytest
import small_data
import torch
from click.testing import CliRunner
from predict_world import (
    BIAS,
    CENTRES,
    GENOME,
    LOGITS,
    LOW,
    SIZES,
    TASKS,
    WEIGHTS,
    WIDTH,
    WINDOW,
    assert_tracks_equal,
    make_data,
    make_run,
    profile,
    read,
    total,
    track,
)

import kmerengine
from kmerengine import InputError
from kmerengine.io.bigwig import write_bigwig
from modelkit import metrics
from modelkit.cli import main
from modelkit.cli.predict import command
from modelkit.config_files import read_config
from modelkit.inference.overlay import Overlay
from modelkit.inference.predict import predict
from modelkit.inference.predictions import Predictions
from modelkit.recipes.bpaitac import BiasConfig
from modelkit.tasks.profile import ProfileTask
from modelkit.training.run import Run
from modelkit.training.train import train


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "g.fa").write_text("".join(f">{n}\n{text}\n" for n, text in GENOME.items()))
    (folder / "g.sizes").write_text("".join(f"{n}\t{size}\n" for n, size in SIZES.items()))
    (folder / "p.bed").write_text("".join(f"{c}\t{at - 1}\t{at + 1}\n" for c, at in CENTRES))
    rows = (f"{n}\t{at}\t{at + 30}\tx\t1\n" for n in ("chr2", "chr1") for at in range(0, 800, 3))
    (folder / "f.tsv").write_text("".join(rows))
    runs = [(name, np.arange(size), BIAS[name]) for name, size in SIZES.items()]
    write_bigwig(folder / "b.bw", SIZES, runs)
    kmerengine.cuts(
        [folder / "f.tsv"] * 2, names=TASKS, output=folder / "c.parquet", input_shift="none",
        genome=folder / "g.fa",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def data(files):
    return make_data(files, files / "d", split=["test=chr1"])


@pytest.fixture(scope="module")
def run(files, data):
    return make_run(files / "run", data)


def test_values_are_totals_times_probabilities_and_means_where_windows_overlap(
    files, data, run, tmp_path
):
    made = predict(run.path, data.path, tmp_path / "o", genome=files / "g.fa", batch_size=3)
    assert sorted(each.name for each in made.path.iterdir()) == [
        "B.bw", "B.without_bias.bw", "NK_1.bw", "NK_1.without_bias.bw", "predictions.json",
        "totals.parquet",
    ]  # fmt: skip
    for number, task in enumerate(TASKS):
        for i, (chrom, centre) in enumerate(CENTRES):
            assert made.totals[i, number] == pytest.approx(total(chrom, centre, number))
        for bias in (True, False):

            def expected(chrom, centre, number=number, bias=bias):
                parts = profile(chrom, centre, number, bias=bias)
                return [total(chrom, centre, number) * part for part in parts]

            assert_tracks_equal(read(made.bigwig(task, bias=bias)), track(expected))
    assert made.window == (LOW, LOW + WINDOW)
    assert made.regions["start"].to_pylist() == [centre - WIDTH // 2 for _, centre in CENTRES]
    assert made.regions["row"].to_pylist() == list(range(len(CENTRES)))
    assert Predictions.open(made.path).tasks == TASKS


@pytest.mark.parametrize("batch_size", [1, 64])
def test_batches_and_the_table_of_sizes_change_nothing(files, data, run, tmp_path, batch_size):
    one = predict(run, data, tmp_path / "a", genome=files / "g.fa", batch_size=4)
    two = predict(run, data, tmp_path / "b", genome=files / "g.sizes", batch_size=batch_size)
    np.testing.assert_allclose(two.totals, one.totals, rtol=1e-6)
    for task in TASKS:
        assert_tracks_equal(read(two.bigwig(task)), read(one.bigwig(task)))


@pytest.mark.parametrize("size", [3, 5])
def test_a_bins_cuts_are_spread_evenly_over_its_bp(files, data, tmp_path, size):
    run = make_run(tmp_path / "r", data, network={"bin_size": size})
    made = predict(run, data, tmp_path / "o", genome=files / "g.sizes")
    for number, task in enumerate(TASKS):

        def expected(chrom, centre, number=number):
            parts = profile(chrom, centre, number, bias=True, size=size)
            return [total(chrom, centre, number) * part for part in parts]

        found, wanted = read(made.bigwig(task)), track(expected)
        assert_tracks_equal(found, wanted)
        assert (size == 3) == (0.0 in wanted.values())  # 2 bp of 20 are in no bin of 3


def test_two_runs_are_their_mean(files, data, run, tmp_path):
    other = make_run(tmp_path / "r", data, LOGITS[::-1].copy(), WEIGHTS[::-1].copy())
    parts = [
        predict(each, data, tmp_path / str(i), genome=files / "g.sizes")
        for i, each in enumerate((run, other))
    ]
    both = predict([run.path, other], data, tmp_path / "o", genome=files / "g.sizes")
    np.testing.assert_allclose(both.totals, (parts[0].totals + parts[1].totals) / 2, rtol=1e-6)
    assert not np.allclose(parts[0].totals, parts[1].totals)
    for task in TASKS:
        for bias in (True, False):
            one, two = (read(each.bigwig(task, bias=bias)) for each in parts)
            assert_tracks_equal(
                read(both.bigwig(task, bias=bias)), {at: (one[at] + two[at]) / 2 for at in one}
            )
    assert [each["name"] for each in both.provenance["inputs"]["runs"]] == ["run", "r"]


def test_a_network_that_sees_no_strand_is_its_own_mean_of_both(files, data, tmp_path):
    run = make_run(tmp_path / "r", data, LOGITS[:, [0, 1, 1, 0]], WEIGHTS[:, [0, 1, 1, 0]])
    one = predict(run, data, tmp_path / "a", genome=files / "g.sizes")
    two = predict(run, data, tmp_path / "b", genome=files / "g.sizes", reverse_complement=True)
    np.testing.assert_allclose(two.totals, one.totals, rtol=1e-6)
    for task in TASKS:
        for bias in (True, False):
            assert_tracks_equal(
                read(two.bigwig(task, bias=bias)), read(one.bigwig(task, bias=bias))
            )


def test_both_strands_are_averaged_base_by_base(files, data, run, tmp_path):
    made = predict(run, data, tmp_path / "o", genome=files / "g.sizes", reverse_complement=True)
    logits, weights = LOGITS[:, ::-1], WEIGHTS[:, ::-1]  # what the other strand's letters mean
    for number, task in enumerate(TASKS):
        for i, (chrom, centre) in enumerate(CENTRES):
            mean = (total(chrom, centre, number) + total(chrom, centre, number, weights)) / 2
            assert made.totals[i, number] == pytest.approx(mean)

        def expected(chrom, centre, number=number):
            sides = [
                [total(chrom, centre, number, w) * p for p in profile(chrom, centre, number,
                                                                      bias=True, logits=x)]
                for x, w in ((LOGITS, WEIGHTS), (logits, weights))
            ]  # fmt: skip
            return [sum(each) / 2 for each in zip(*sides, strict=True)]

        assert_tracks_equal(read(made.bigwig(task)), track(expected))


def test_corrected_by_two_the_letters_lie_two_bases_after_the_cuts(files, tmp_path):
    data = make_data(files, tmp_path / "d", off_by_two=True)
    run = make_run(tmp_path / "r", data)
    made = predict(run, data, tmp_path / "o", genome=files / "g.sizes")
    low = data.window[0]
    assert made.window == (low, low + WINDOW)
    moved = low - LOW + 2
    found = read(made.bigwig("B"))
    chrom, centre = "chr2", 900  # a window of its own
    expected = profile(chrom, centre, 0, bias=True, moved=moved)
    times = total(chrom, centre, 0, first=2)
    for i, part in enumerate(expected):
        assert found[chrom, centre - WIDTH // 2 + low + i] == pytest.approx(times * part, rel=2e-6)
    with pytest.raises(InputError, match="is not the middle of 58 bp of sequence"):
        predict(run, data, tmp_path / "p", genome=files / "g.sizes", reverse_complement=True)


def test_a_wider_sequence_has_its_window_at_the_same_bases(files, tmp_path):
    data = make_data(files, tmp_path / "d", input_width=WIDTH + 10)
    run = make_run(tmp_path / "r", data)
    made = predict(run, data, tmp_path / "o", genome=files / "g.sizes", reverse_complement=True)
    one_way = predict(run, data, tmp_path / "p", genome=files / "g.sizes")
    assert made.window == (LOW, LOW + WINDOW)
    found = read(one_way.bigwig("B", bias=False))
    expected = profile("chr2", 900, 0, bias=False)
    times = total("chr2", 900, 0, first=-5, last=WIDTH + 5)
    for i, part in enumerate(expected):
        assert found["chr2", 900 - WIDTH // 2 + LOW + i] == pytest.approx(times * part, rel=2e-6)


def test_a_split_is_the_runs_and_rows_are_the_data_sets(files, data, run, tmp_path):
    test = predict(run, data, tmp_path / "a", split="test", bigwig=False)
    assert test.regions["row"].to_pylist() == [0, 3]
    assert sorted(each.name for each in test.path.iterdir()) == [
        "predictions.json",
        "totals.parquet",
    ]
    own = make_run(tmp_path / "r", data, data={"split": "test=chr2:700-1000"})
    made = predict(own, data, tmp_path / "b", split="test", genome=files / "g.sizes")
    assert made.regions["row"].to_pylist() == [5]
    assert {name for name, _ in read(made.bigwig("B"))} == {"chr2"}
    with pytest.raises(InputError, match="its split 'test' is not that of"):
        predict([run, own], data, tmp_path / "c", split="test", bigwig=False)
    both = predict([run, own], data, tmp_path / "c", bigwig=False)
    np.testing.assert_allclose(both.totals[5], made.totals[0], rtol=1e-6)
    across = make_run(tmp_path / "s", data, data={"split": "test=chr2:370-430"})
    assert len(ProfileTask(across.config, data).rows("all")) == 4  # others lie across the border
    assert len(predict(across, data, tmp_path / "d", bigwig=False)) == 7
    with pytest.raises(InputError, match="has no example of 'validation'"):
        predict(run, data, tmp_path / "e", split="validation", bigwig=False)
    with pytest.raises(InputError, match="split: found 'tset'"):
        predict(run, data, tmp_path / "e", split="tset", bigwig=False)


def test_without_bias_there_is_no_track_of_it(files, data, run, tmp_path):
    made = predict(run, data, tmp_path / "a", genome=files / "g.sizes", bias=False)
    assert made.provenance["files"]["B"] == {"without_bias": "B.without_bias.bw"}
    with pytest.raises(InputError, match="has no bigWig with_bias of 'B'"):
        made.bigwig("B")
    unbiased = make_run(tmp_path / "r", data, objective={"use_bias": False})
    again = predict(unbiased, data, tmp_path / "b", genome=files / "g.sizes")
    assert not (again.path / "B.bw").exists()
    assert read(again.bigwig("B", bias=False)) == read(made.bigwig("B", bias=False))
    bare = make_data(files, tmp_path / "d", bias=None)
    with pytest.raises(InputError, match=r"has no bias, which .* learnt beside; .* --no-bias"):
        predict(run, bare, tmp_path / "c", genome=files / "g.sizes")
    made = predict(run, bare, tmp_path / "c", genome=files / "g.sizes", bias=False)
    assert read(made.bigwig("B", bias=False)) == read(again.bigwig("B", bias=False))


def test_sequences_without_cuts_are_predicted_alike(files, data, run, tmp_path):
    """No samples and no shift: nothing of the data set is compared but the sequence."""
    plain = make_data(files, tmp_path / "d", cuts=None, bias=None)
    one = predict(run, data, tmp_path / "a", genome=files / "g.sizes", bias=False)
    two = predict(run, plain, tmp_path / "b", genome=files / "g.sizes", bias=False)
    assert two.tasks == TASKS
    np.testing.assert_array_equal(one.totals, two.totals)
    assert read(one.bigwig("NK/1", bias=False)) == read(two.bigwig("NK/1", bias=False))


def test_rows_that_training_left_out_are_predicted_and_groups_name_the_tasks(files, data, tmp_path):
    run = make_run(
        tmp_path / "r", data, LOGITS[:1], WEIGHTS[:1] * 0 + 1, network={"total_head": "none"},
        objective={"lambda_": 1.0}, data={"min_cuts": 10**6, "groups": {"both": list(TASKS)}},
    )  # fmt: skip
    made = predict(run, data, tmp_path / "o", genome=files / "g.sizes")
    assert (len(made), made.tasks, made.totals) == (len(CENTRES), ("both",), None)
    assert "total" not in pq.read_schema(made.path / "totals.parquet").names
    probabilities = track(lambda chrom, centre: profile(chrom, centre, 0, bias=True))
    assert_tracks_equal(read(made.bigwig("both")), probabilities)
    with pytest.raises(InputError, match="predicts no totals, expected bigwig=True"):
        predict(run, data, tmp_path / "p", bigwig=False)


def test_groups_keep_the_order_that_they_were_learnt_in(files, data, run, tmp_path):
    groups = {f"z{len(TASKS) - i}": [name] for i, name in enumerate(TASKS)}  # not by alphabet
    of_groups = make_run(
        tmp_path / "r", data, data={"groups": groups}, about={"tasks": list(groups)}
    )
    assert Run.open(of_groups.path).config.data.groups == groups
    made = predict(of_groups, data, tmp_path / "o", bigwig=False)
    plain = predict(run, data, tmp_path / "p", bigwig=False)
    assert made.tasks == tuple(groups)
    np.testing.assert_array_equal(made.totals, plain.totals)


def test_a_bias_model_predicts_its_profile(files, data, tmp_path):
    run = make_run(tmp_path / "r", data, LOGITS[:1], kind=BiasConfig)
    made = predict(run, data, tmp_path / "o", genome=files / "g.sizes")
    assert made.tasks == ("bias",)
    probabilities = track(lambda chrom, centre: profile(chrom, centre, 0, bias=False))
    assert_tracks_equal(read(made.bigwig("bias", bias=False)), probabilities)


def test_a_model_of_totals_alone(files, data, tmp_path):
    options = {"network": {"profile_head": False}, "objective": {"lambda_": 0.0}}
    run = make_run(tmp_path / "r", data, **options)
    with pytest.raises(InputError, match="predicts no profiles, expected --no-bigwig"):
        predict(run, data, tmp_path / "o", genome=files / "g.sizes")
    made = predict(run, data, tmp_path / "o", bigwig=False)
    assert made.totals[1, 1] == pytest.approx(total("chr2", 400, 1))


def test_another_shift_is_refused_and_both_are_named(files, data, tmp_path):
    run = make_run(tmp_path / "r", data, about={"shift": "+4/-5"})
    with pytest.raises(InputError, match=r"learnt cuts with shift \+4/-5, .* has shift \+4/-4"):
        predict(run, data, tmp_path / "o", bigwig=False)
    run = make_run(tmp_path / "r", data, about={"off_by_two": True})
    with pytest.raises(InputError, match=r"with off_by_two True, .* has off_by_two False"):
        predict(run, data, tmp_path / "o", bigwig=False)
    assert not (tmp_path / "o").exists()


def test_runs_and_data_that_do_not_fit(files, data, run, tmp_path):
    other = make_run(tmp_path / "r", data, about={"tasks": ["B", "T"]})
    with pytest.raises(InputError, match=r"r: tasks: found B, T, .*run has B, NK/1"):
        predict([run, other], data, tmp_path / "o", bigwig=False)
    scaled = make_run(tmp_path / "s", data, data={"normalised": True})
    with pytest.raises(InputError, match=r"data.normalised: found True, .* has False"):
        predict([run, scaled], data, tmp_path / "o", bigwig=False)
    few = make_run(tmp_path / "t", data, about={"tasks": ["B"]})
    with pytest.raises(InputError, match="names 1 tasks, its network has 2"):
        predict(few, data, tmp_path / "o", bigwig=False)
    with pytest.raises(InputError, match="runs: found none"):
        predict([], data, tmp_path / "o")
    wide = make_data(files, tmp_path / "w", input_width=WIDTH + 10)
    with pytest.raises(InputError, match=r"has 70 bp of sequence, .* takes 60"):
        predict(run, wide, tmp_path / "o", bigwig=False)
    narrow = make_data(files, tmp_path / "n", window=WINDOW - 2)
    with pytest.raises(InputError, match=r"its window is \[21, 39\] .* \[20, 40\]"):
        predict(run, narrow, tmp_path / "o", bigwig=False)


def test_the_genome_must_be_given_and_hold_every_window(files, data, run, tmp_path):
    with pytest.raises(InputError, match="genome: found none, expected FASTA"):
        predict(run, data, tmp_path / "o")
    (tmp_path / "few").write_text("chr2\t1700\n")
    with pytest.raises(InputError, match="has no contig 'chr1', but a window lies at chr1:90"):
        predict(run, data, tmp_path / "o", genome=tmp_path / "few")
    for size, found in ((880, "other contigs than the genome of"), (879, "has 879 bp of 'chr1', "
                        "but a window lies at chr1:860")):  # fmt: skip
        (tmp_path / "short").write_text(f"chr2\t1700\nchr1\t{size}\nempty\t50\n")
        with pytest.raises(InputError, match=found):
            predict(run, data, tmp_path / "p", genome=tmp_path / "short")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["few", "short"]


def test_a_genome_of_other_contigs_is_known_by_its_bases(files, data, run, tmp_path):
    def fasta(contigs):
        text = "".join(f">{name}\n{bases}\n" for name, bases in contigs.items())
        (tmp_path / "o.fa.gz").write_bytes(gzip.compress(text.encode()))
        return tmp_path / "o.fa.gz"

    some = {name: GENOME[name] for name in ("chr1", "chr2")}
    made = predict(run, data, tmp_path / "o", genome=fasta(some))
    with pyBigWig.open(str(made.bigwig("B"))) as file:
        assert file.chroms() == {name: len(text) for name, text in some.items()}
    other = "ACGT"["ACGT".index(GENOME["chr2"][929]) - 1]  # the last base of the region at 900
    changed = {"chr2": GENOME["chr2"][:929] + other + GENOME["chr2"][930:]}
    shorter = {"chr1": GENOME["chr1"][:890]}  # the window ends before, its region does not
    for each, where in ((changed, "chr2:870-930"), (shorter, "chr1:840-900")):
        with pytest.raises(InputError, match=f"other bases at {where} than .* expected the genome"):
            predict(run, data, tmp_path / "p", genome=fasta(some | each))


def test_regions_that_were_changed_by_hand_are_no_positions(files, run, tmp_path):
    data = make_data(files, tmp_path / "d")
    table = pq.read_table(data.path / "regions.parquet")
    moved = pc.subtract(table["start"], 1000)
    pq.write_table(table.set_column(1, table.schema.field(1), moved), data.path / "regions.parquet")
    with pytest.raises(InputError, match="has 900 bp of 'chr1', but a window lies at chr1:-910"):
        predict(run, data.path, tmp_path / "o", genome=files / "g.sizes")


def test_a_disk_that_takes_no_more_is_one_line(files, data, run, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(InputError, match="o: could not be written: File too large"):
            predict(run, data, tmp_path / "o", genome=files / "g.sizes")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def test_tasks_whose_files_would_be_one_are_refused(files, data, tmp_path):
    run = make_run(tmp_path / "r", data, about={"tasks": ["a/b", "a_b"]})
    with pytest.raises(InputError, match=r"tasks 'a/b' and 'a_b' would share the file a_b\.bw"):
        predict(run, data, tmp_path / "o", genome=files / "g.sizes")
    run = make_run(tmp_path / "r", data, about={"tasks": ["../x", ".y"]})
    made = predict(run, data, tmp_path / "o", genome=files / "g.sizes", bias=False)
    assert made.bigwig("../x", bias=False).name == "_x.without_bias.bw"
    assert made.bigwig(".y", bias=False).name == "y.without_bias.bw"


def test_an_output_is_whole_or_not_there(files, data, run, tmp_path, monkeypatch):
    made = predict(run, data, tmp_path / "o", genome=files / "g.sizes")
    before = made.totals.tolist()
    with pytest.raises(InputError, match="exists; choose another output"):
        predict(run, data, tmp_path / "o", genome=files / "g.sizes")

    def stop(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(run, data, tmp_path / "o", genome=files / "g.sizes", force=True, progress=stop)
    assert Predictions.open(tmp_path / "o").totals.tolist() == before
    assert [each.name for each in tmp_path.iterdir()] == ["o"]
    seen = []
    predict(run, data, tmp_path / "o", bigwig=False, force=True, batch_size=4,
            progress=lambda *each: seen.append(each))  # fmt: skip
    assert seen == [(4, 7), (7, 7)]
    assert not list((tmp_path / "o").glob("*.bw"))
    other = predict(run, data, tmp_path / "p", split="test", bigwig=False)
    (other.path / "totals.parquet").replace(tmp_path / "o" / "totals.parquet")
    with pytest.raises(InputError, match="is not of the same predictions as"):
        Predictions.open(tmp_path / "o")
    (tmp_path / "o" / "predictions.json").write_text("{}")
    with pytest.raises(InputError, match="metadata is damaged"):
        Predictions.open(tmp_path / "o")
    with pytest.raises(InputError, match="expected a folder of modelkit predict"):
        Predictions.open(tmp_path / "nothing")


@pytest.mark.parametrize("step", [1, 2, 13, 60])
def test_windows_laid_over_a_genome_are_means(tmp_path, step):
    rng = np.random.default_rng(2)
    n, width, names = 60, 7, ("a", "b", "c")
    contig, start = rng.integers(0, 2, n) * 2, rng.integers(0, 200, n)
    values = rng.random((n, 3, width)).astype(np.float32)
    overlay = Overlay(tmp_path / "x", contig, start, width, 3)
    for i in range(0, n, step):
        overlay.add(values[overlay.order[i : i + step]])
    for number in range(3):
        at = {}
        for i in range(n):
            for j in range(width):
                at.setdefault((names[contig[i]], start[i] + j), []).append(values[i, number, j])
        found = {
            (name, place): value
            for name, places, means in overlay.runs(number, names)
            for place, value in zip(places.tolist(), means.tolist(), strict=True)
        }
        assert found.keys() == at.keys()
        for place, each in at.items():
            assert found[place] == pytest.approx(np.mean(each), rel=1e-5)


def test_files_of_a_trained_run_give_the_metrics_that_its_task_gives(tmp_path):
    """Counts of the data set against bigWigs read back: cross entropy, divergence, totals."""
    data = small_data.make_data(tmp_path)
    changes = ["channels=6", "blocks=1", "pools=[2, 2, 2]", "total_activation=softplus"]
    config = read_config(
        model="bpaitac", changes=[*(f"network.{c}" for c in changes), "training.epochs=1"]
    )
    run = train(config, data, tmp_path / "r")
    made = predict(run, data, tmp_path / "o", genome=tmp_path / "g.fa", split="test")
    task, network = ProfileTask(run.config, data), run.network()
    rows = task.rows("test")
    batches = task.batches(rows, training=False, batch_size=16, device=torch.device("cpu")).batches(
        0
    )
    observed = [{k: v.numpy().copy() for k, v in task.observe(network, b).items()} for b in batches]
    seen = {name: np.concatenate([each[name] for each in observed]) for name in observed[0]}
    assert made.regions["row"].to_pylist() == rows.tolist() == seen["row"].tolist()
    np.testing.assert_allclose(made.totals, seen["predicted_total"], rtol=1e-5)
    low, high = data.window
    counts = data.counts[rows][..., low:high]
    starts = data.regions["start"].to_numpy()[rows] + low
    for number, name in enumerate(made.tasks):
        with pyBigWig.open(str(made.bigwig(name))) as file:
            cuts = np.array([file.values("chr3", int(s), int(s) + high - low) for s in starts])
        np.testing.assert_allclose(cuts.sum(axis=1), made.totals[:, number], rtol=1e-5)
        has = counts[:, number].sum(axis=1) > 0
        assert has.sum() > 20
        for metric in (metrics.cross_entropy, metrics.jensen_shannon):
            expected = seen["jsd" if metric is metrics.jensen_shannon else "cross_entropy"]
            found = metric(counts[has, number], cuts[has] / cuts[has].sum(axis=1, keepdims=True))
            np.testing.assert_allclose(found, expected[has, number], rtol=2e-5)


def test_the_command_is_the_function(files, data, run, tmp_path):
    arguments = ["predict", str(run.path), "--data", str(data.path), "-o", str(tmp_path / "o")]
    result = CliRunner().invoke(main, [*arguments, "--genome", str(files / "g.sizes")])
    assert result.exit_code == 0, result.output
    assert "7 regions, 2 tasks, 4 bigWigs" in result.stderr
    direct = predict(run, data, tmp_path / "p", genome=files / "g.sizes")
    for name in ("B.bw", "NK_1.without_bias.bw"):
        assert (tmp_path / "o" / name).read_bytes() == (direct.path / name).read_bytes()
    about = json.loads((tmp_path / "o" / "predictions.json").read_text())
    assert about == json.loads((direct.path / "predictions.json").read_text())
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "exists; choose another output" in result.stderr
    assert result.stderr.count("Error") == 1


def test_the_commands_options_are_the_functions_parameters():
    context = command.make_context("predict", ["r", "--data", "d", "-o", "o"])
    theirs = {name: value for name, value in context.params.items() if name != "quiet"}
    ours = {
        name: p.default
        for name, p in inspect.signature(predict).parameters.items()
        if name != "progress"
    }
    required = {"runs", "dataset", "output"}
    assert theirs.keys() == ours.keys()
    assert {n: d for n, d in theirs.items() if n not in required} == {
        n: d for n, d in ours.items() if n not in required
    }
