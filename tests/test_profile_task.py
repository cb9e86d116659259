"""The task of totals and profiles: targets against fragments, heads, bins, metrics, refusals."""

import numpy as np
import pytest
import torch
from profile_world import (
    CPU,
    INPUT,
    TINY,
    WIDTH,
    WINDOW,
    Says,
    World,
    batches,
    formula,
    made,
    observed,
    softmax,
    task_of,
)

import kmerengine
from kmerengine.datasets.from_arrays import dataset_from_arrays
from kmerengine.errors import InputError
from kmerengine.io.bigwig import write_bigwig
from modelkit.config_files import read_config
from modelkit.registry import MODELS


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"))


# --- targets


@pytest.mark.parametrize("strands", ["sum", "split"])
def test_targets_are_the_fragments_ends(world, strands):
    data = world.data if strands == "sum" else world.write("split", bias=None)
    changes = ["objective.use_bias=false"] if strands == "split" else []
    _, task, _ = made(data, *changes)
    assert task.names == ("s0", "s1", "s2")
    rows = task.rows("all")
    assert len(rows) == len(world.peaks)
    zeros = Says(torch.zeros(len(rows), 3, WINDOW), torch.ones(len(rows), 3))
    (batch,) = batches(task, rows, batch_size=len(rows))
    found = task.observe(zeros, batch)
    assert found["row"].tolist() == list(range(len(rows)))
    target = task.target(batch).counts
    for row in range(0, len(rows), 5):
        for i, name in enumerate(world.names):
            cuts = world.cuts(name, row)
            assert target[row, i].tolist() == cuts
            assert float(found["n_total"][row, i]) == sum(cuts)
    assert int((found["n_total"] == 0).sum()) > 0


def test_groups_are_means_of_their_samples(world):
    groups = 'data.groups={ab = ["s0", "s2"], b = ["s1"]}'
    _, task, model = made(world.data, groups)
    assert task.names == ("ab", "b")
    (batch,) = batches(task, np.arange(6))
    output = model(batch.sequence)
    assert output.logits.shape == (6, 2, WINDOW)
    found = task.observe(model, batch)
    target = task.target(batch).counts
    for row in range(6):
        each = [np.array(world.cuts(name, row)) for name in world.names]
        assert target[row].tolist() == [((each[0] + each[2]) / 2).tolist(), each[1].tolist()]
        assert found["n_total"][row].tolist() == [(each[0] + each[2]).sum() / 2, each[1].sum()]


def test_normalised_counts_sum_to_normalised_totals(world):
    _, task, model = made(world.data, "data.normalised=true")
    (batch,) = batches(task, task.rows("all"), batch_size=len(world.peaks))
    found = task.observe(model.eval(), batch)["n_total"].numpy()
    has = world.data.totals > 0
    np.testing.assert_allclose(found[has], world.data.normalised[has], rtol=1e-5)
    assert not np.allclose(found, world.data.totals)
    _, task, _ = made(world.data, "data.normalised=true", 'data.groups={all=["s0","s1","s2"]}')
    wanted = (world.data.normalised * has).mean(1, keepdims=True)
    (batch,) = batches(task, task.rows("all"), batch_size=len(world.peaks))
    np.testing.assert_allclose(task.target(batch).totals.numpy(), wanted, rtol=1e-5)


@pytest.mark.parametrize("off_by_two", [False, True])
def test_an_impulse_of_cuts_stands_where_its_base_is(tmp_path, off_by_two):
    """A lone G, seen by a network that does nothing but mark G, beside cuts and bias.

    With the correction by two the G that stands beside cuts lies two bases behind them.
    """
    start, at = 2000, 2000 + 400
    letters = ["A"] * 6000
    letters[at] = "G"
    (tmp_path / "g.fa").write_text(">c\n" + "".join(letters) + "\n")
    cut = at - 2 * off_by_two
    (tmp_path / "f.tsv").write_text(f"c\t{cut}\t{cut + 900}\tx\t7\nc\t3500\t3520\tx\t1\n")
    (tmp_path / "p.bed").write_text(f"c\t{start}\t{start + 1000}\n")
    track = np.zeros(6000, np.float32)
    track[at] = 5
    write_bigwig(tmp_path / "b.bw", {"c": 6000}, [("c", np.arange(6000), track)])
    kmerengine.cuts(
        [tmp_path / "f.tsv"], output=tmp_path / "c.parquet", input_shift="none", shift="none",
        genome=tmp_path / "g.fa", weighted=True,
    )  # fmt: skip
    data = kmerengine.dataset(
        tmp_path / "p.bed", genome=tmp_path / "g.fa", cuts=tmp_path / "c.parquet",
        bias=tmp_path / "b.bw", output=tmp_path / "d", off_by_two=off_by_two,
    )  # fmt: skip
    assert data.window_in_sequence == (375, 625)
    unbiased = kmerengine.dataset(
        tmp_path / "p.bed", genome=tmp_path / "g.fa", cuts=tmp_path / "c.parquet",
        output=tmp_path / "unbiased", off_by_two=off_by_two,
    )  # fmt: skip
    assert unbiased.window_in_sequence == (375, 625)
    changes = ["network.blocks=0", "network.channels=1", "network.pools=[5,5,5]"]
    config, task, model = made(data, *changes)
    assert (config.network.length, config.network.window_start) == (1000 - 2 * off_by_two, 375)
    with torch.no_grad():
        for one in (model.stem, model.profile):
            one.weight.zero_()
            one.bias.zero_()
        model.stem.weight[0, 2, 12] = 9  # G, in the middle of 25 bp
        model.profile.weight[0, 0, 12] = 1
    (batch,) = batches(task, np.arange(1))
    index = at - start - 375 - 2 * off_by_two
    assert task.target(batch).counts[0, 0].nonzero().tolist() == [[index]]
    assert float(task.target(batch).totals) == 7
    assert batch.bias[0].nonzero().tolist() == [[index]]
    assert model(batch.sequence).logits[0, 0].nonzero().tolist() == [[index]]
    best = task.predict(model, batch).profiles[0, 0]
    assert int(best.argmax()) == index
    assert float(best[index]) > 0.99
    unbiased = task.predict(model, batch, bias=False).profiles[0, 0]
    assert float(best[index]) > float(unbiased[index]) > 0.9


def test_the_window_lies_in_the_middle_of_a_longer_sequence(world):
    assert world.data.window == (10, 50)
    assert world.data.spans["sequence"] == (-70, 130)
    assert world.data.window_in_sequence == (80, 120)
    (batch,) = batches(task_of(world), np.arange(4))
    for row in range(4):
        chrom, start, _ = world.peaks[row]
        low = start + 10
        seen = batch.sequence[row, :, 80:120].T
        letters = world.letters[chrom][low : low + WINDOW]
        assert ["ACGT"[int(each.argmax())] for each in seen] == list(letters)
        assert batch.bias[row].tolist() == world.bias[low : low + WINDOW].tolist()


# --- which examples


def test_rows_are_those_of_the_splits(world):
    task = task_of(world)
    for name in ("train", "validation", "test"):
        assert task.rows(name).tolist() == world.data.split(name).tolist()
        assert len(task.rows(name)) > 3
    assert task.rows("all").tolist() == list(range(len(world.peaks)))
    with pytest.raises(InputError, match="found 'valid', expected one of train"):
        task.rows("valid")


def test_a_rule_of_splits_in_place_of_the_data_sets(world):
    task = task_of(world, "data.split=validation=c2:4150-6000 exclude=c2:7000-9999")
    chosen = task.rows("validation").tolist()
    wanted = [
        row for row, (c, s, _) in enumerate(world.peaks) if c == "c2" and 4150 <= s - 70 <= 5800
    ]
    assert chosen == wanted
    assert not set(chosen) & set(task.rows("train").tolist())
    assert len(task.rows("all")) < len(world.peaks)
    assert len(task.rows("all")) == sum(len(task.rows(n)) for n in ("train", "validation", "test"))
    assert sum(task.skipped.values()) == len(world.peaks) - len(task.rows("all"))
    with pytest.raises(InputError, match="no contig 'c9'"):
        task_of(world, "data.split=validation=c9")


def test_regions_with_few_cuts_are_left_out_and_counted(world):
    cuts = [sum(world.cuts("s1", row)) for row in range(len(world.peaks))]
    least = sorted(cuts)[20]  # some regions have just as many
    task = task_of(world, f"data.min_cuts={least}", 'data.groups={one=["s1"]}')
    few = [row for row, n in enumerate(cuts) if n < least]
    assert 0 < len(few) <= 20
    assert task.skipped == {f"fewer than {least} cuts in the window": len(few)}
    assert sorted({*range(len(world.peaks))} - {*task.rows("all").tolist()}) == few
    assert not set(few) & set(task.rows("train").tolist())


def test_training_shuffles_and_augments_and_evaluation_does_not(world):
    task = task_of(world, "data.reverse_complement=true", "data.outliers=[0.1, 0.9]")
    rows = task.rows("train")
    seen = torch.cat([batch.rows for batch in batches(task, rows)]).tolist()
    assert seen == rows.tolist()
    loader = task.batches(rows, training=True, batch_size=8, seed=1, device=CPU)
    assert loader.reverse_complement
    assert sum(loader.skipped.values()) > 0
    assert task.skipped == loader.skipped
    drawn = torch.cat([batch.rows.clone() for batch in loader.batches(0)]).tolist()
    assert drawn != sorted(drawn)
    assert not task.batches(rows, training=False, batch_size=8, device=CPU).reverse_complement


def test_jitter_and_negatives_are_for_training(world):
    (world.folder / "n.bed").write_text("c1\t8800\t8860\nc2\t8750\t8810\n")
    data = world.write("sum", margin=5, negatives=world.folder / "n.bed")
    task = made(data, "data.jitter=3", "data.negatives=0.0")[1]
    rows = task.rows("all")
    assert int(data.negative[rows].sum()) == 2
    training = task.batches(rows, training=True, batch_size=1, device=CPU)
    assert (training.jitter, training.n_examples) == (3, len(rows) - 2)
    others = task.batches(rows, training=False, batch_size=1, device=CPU)
    assert (others.jitter, others.n_examples) == (0, len(rows))


# --- heads and weights


def train(model, task, rows, steps=3):
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    model.train()
    for _ in range(steps):
        for batch in batches(task, rows):
            optimizer.zero_grad()
            task.losses(model, batch).loss.backward()
            optimizer.step()


@pytest.mark.parametrize("loss", ["cross-entropy", "mnll", "jsd"])
@pytest.mark.parametrize(("weight", "still"), [(0, "profile."), (1, "total.")])
def test_a_head_without_weight_keeps_its_bits(world, loss, weight, still):
    _, task, model = made(world.data, f"objective.lambda_={weight}", f"objective.loss={loss}")
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    train(model, task, task.rows("train")[:20], steps=2)
    for name, one in model.named_parameters():
        assert one.grad is not None
        # the mean of a batch norm takes away the bias of the convolution before it
        at_rest = name.startswith(still) or name.endswith("conv.bias")
        assert torch.equal(one, before[name]) == at_rest, name
        assert bool((one.grad == 0).all()) == at_rest, name
    heads = {name.partition(".")[0] for name in before}
    assert {"profile", "total", "stem", "blocks"} == heads


@pytest.mark.parametrize(
    "changes",
    [[], ["objective.loss=poisson"], ["objective.loss=mse"], ["objective.loss=mnll"],
     ["network.bin_size=5"], ["network.stem_relu=true", "network.block_norm=false",
      "network.total_activation=none"], ["network.total_activation=softplus"]],
)  # fmt: skip
def test_training_lowers_the_loss(world, changes):
    _, task, model = made(world.data, *changes)
    rows = task.rows("train")[:24]
    before = task.metrics(observed(task, model, rows))["loss"]
    train(model, task, rows, steps=8)
    assert task.metrics(observed(task, model, rows))["loss"] < before


def test_a_bias_model_is_one_profile_of_all_samples(world):
    config, task, model = made(world.data, model="bpaitac-bias")
    assert config.data.groups == {"bias": ["s0", "s1", "s2"]}
    assert (task.names, task.select, task.better[task.select]) == (("bias",), "loss", "min")
    assert model.total is None
    found = observed(task, model, task.rows("all"))
    assert "predicted_total" not in found
    metrics = task.metrics(found)
    assert set(metrics) == {"loss", "cross_entropy", "jsd", "profile_pearson", "n_without_cuts"}
    assert metrics["loss"] == pytest.approx(metrics["jsd"], rel=1e-6)
    assert metrics["n_without_cuts"] == 0
    assert set(task.skipped) == {"fewer than 10 cuts in the window"}
    train(model, task, task.rows("train")[:32], steps=6)
    assert task.metrics(observed(task, model, task.rows("all")))["loss"] < metrics["loss"]
    again = config.for_dataset(world.data)
    assert again == config


# --- bins


@pytest.mark.parametrize("size", [5, 12])
def test_bins_sum_logits_with_their_bias_and_counts(world, size):
    """40 bp are 8 bins of 5; or 3 of 12, and 4 bp that are in none of them."""
    options = [f"network.bin_size={size}", "network.pools=[3,3,3]"]
    _, task, model = made(world.data, *options)
    _, plain_task, plain = made(world.data)
    plain.load_state_dict(model.state_dict())
    model.eval()
    plain.eval()
    (batch,) = batches(task, task.rows("all"), batch_size=len(world.peaks))
    n = WINDOW // size
    with_bias = (plain(batch.sequence).logits + batch.bias[:, None]).detach().numpy()
    counts = plain_task.target(batch).counts.numpy()
    cut = [slice(i * size, (i + 1) * size) for i in range(n)]
    logits = np.stack([with_bias[..., each].sum(-1) for each in cut], -1)
    in_bins = np.stack([counts[..., each].sum(-1) for each in cut], -1)
    found = task.observe(model, batch)
    wanted = formula("cross-entropy", logits.astype(float), in_bins.astype(float), None)
    has = in_bins.sum(-1) > 0
    np.testing.assert_allclose(found["cross_entropy"].numpy()[has], wanted[has], rtol=1e-4)
    assert found["n_total"].tolist() == counts.sum(-1).tolist()  # of the whole window
    total = formula("total", np.zeros_like(counts), counts, found["predicted_total"].numpy())
    loss = (total + np.where(has, wanted, 0)).mean(1) / 2
    np.testing.assert_allclose(found["loss"].numpy(), loss, rtol=1e-4)
    profiles = task.predict(model, batch).profiles.numpy()
    assert profiles.shape == (len(world.peaks), 3, WINDOW)
    for i, each in enumerate(cut):
        share = np.repeat(softmax(logits)[..., i : i + 1] / size, size, -1)
        np.testing.assert_allclose(profiles[..., each], share, rtol=1e-4)
    assert (profiles[..., n * size :] == 0).all()


def test_no_correlation_across_few_tasks(world):
    _, task, model = made(world.data)
    assert (task.select, task.better[task.select]) == ("loss", "min")
    metrics = task.metrics(observed(task, model, task.rows("all")))
    assert not [name for name in metrics if "across_tasks" in name]
    assert "n_constant" not in metrics
    assert "pearson_across_regions" in metrics


# --- what is predicted


def test_predictions_with_and_without_the_bias(world):
    _, task, model = made(world.data)
    (batch,) = batches(task, np.arange(7))
    model.eval()
    logits, totals = model(batch.sequence)
    for bias in (True, False):
        found = task.predict(model, batch, bias=bias)
        added = batch.bias[:, None] if bias else 0
        wanted = (logits + added).softmax(-1).detach()
        torch.testing.assert_close(found.profiles, wanted)
        assert torch.equal(found.totals, totals.detach())
        assert not found.profiles.requires_grad
    _, unbiased, _ = made(world.data, "objective.use_bias=false")
    again = unbiased.predict(model, batch)
    torch.testing.assert_close(again.profiles, logits.softmax(-1).detach())


def test_autocast_keeps_targets_and_losses(world):
    _, task, model = made(world.data)
    (batch,) = batches(task, np.arange(12))
    batch = batch._replace(counts=batch.counts + 300)  # bfloat16 would round them
    model.eval()
    wanted = task.losses(model, batch)
    with torch.autocast("cpu", torch.bfloat16):
        found = task.losses(model, batch)
        seen = task.observe(model, batch)
        predicted = task.predict(model, batch)
    assert found.loss.dtype == torch.float32
    torch.testing.assert_close(found.loss, wanted.loss, rtol=0.02, atol=0)
    assert torch.equal(seen["n_total"], batch.counts.sum(-1))
    assert {each.dtype for name, each in seen.items() if name != "row"} == {torch.float32}
    assert predicted.profiles.dtype == torch.float32
    torch.testing.assert_close(predicted.profiles.sum(-1), torch.ones(12, 3))


# --- what does not fit


def test_the_network_takes_its_sizes_from_the_data(world):
    config, _, _ = made(world.data)
    network = config.network
    assert (network.tasks, network.length) == (3, INPUT)
    assert (network.window, network.window_start) == (WINDOW, 80)
    assert config.for_dataset(world.data) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["network.tasks=4"], "network.tasks: found 4, but .* has 3"),
        (["network.window_start=81"], "network.window_start: found 81, but .* has 80"),
        (['data.groups={a=["s9"]}'], "data.groups.a: .* has no sample 's9'; it has s0, s1, s2"),
        (['data.groups={a=["s1","s1"]}'], "data.groups.a: found .*each once"),
        (["data.groups={a=[]}"], "data.groups.a: found"),
        (["data.groups={}"], "data.groups: found none"),
        (["network.pools=[9,9,9]"], "does not fit the network: 200 bp are too few"),
        (["network.bin_size=41"], "does not fit the network: .*hold a bin of 41 bp"),
    ],
)
def test_configs_that_do_not_fit_the_data_are_refused(world, changes, message):
    with pytest.raises(InputError, match=message):
        made(world.data, *changes)


def test_data_without_what_the_objective_needs_are_refused(world, tmp_path):
    bare = {"genome": world.folder / "g.fa", "width": WIDTH}
    peaks = world.folder / "peaks.bed"
    config = read_config(model="bpaitac", changes=TINY)
    data = kmerengine.dataset(peaks, output=tmp_path / "none", **bare)
    assert data.window_in_sequence is None
    with pytest.raises(InputError, match="has no window, expected cuts or totals"):
        config.for_dataset(data)
    unbiased = world.write("sum", bias=None)
    with pytest.raises(InputError, match=r"has no bias track.*objective\.use_bias=false"):
        config.for_dataset(unbiased)
    assert config.changed({"objective": {"use_bias": False}}).for_dataset(unbiased)
    rows = np.zeros((len(world.peaks), 2, WIDTH), np.float32)
    np.save(tmp_path / "two.npy", rows)
    stranded = world.write("sum", bias=tmp_path / "two.npy", seed=3)
    with pytest.raises(InputError, match="bias of two strands"):
        config.for_dataset(stranded)
    only_bias = kmerengine.dataset(
        peaks, output=tmp_path / "b", bias=world.folder / "b.bw", window=WINDOW, **bare
    )
    with pytest.raises(InputError, match="neither counts nor totals"):
        config.for_dataset(only_bias)
    short = kmerengine.dataset(
        peaks, output=tmp_path / "s", cuts=world.folder / "c.parquet", window=WINDOW,
        input_width=30, **bare,
    )  # fmt: skip
    with pytest.raises(InputError, match=r"window lies at \[-5, 35\) of a sequence of 30 bp"):
        config.for_dataset(short)
    with pytest.raises(InputError, match="found 2, expected one for a model of the bias"):
        read_config(model="bpaitac-bias", changes=['data.groups={a=["s0"], b=["s1"]}']).for_dataset(
            world.data
        )


# --- real data


@pytest.mark.data
def test_real_immgen_totals_run_through_network_and_loss(data, tmp_path):
    folder = data / "immgen"
    splits = ("validation", "test")
    files = {
        what: {split: folder / f"{split}_{what}.npy" for split in splits}
        for what in ("onehot", "bias", "total_counts")
    }
    made_from = dataset_from_arrays(
        files["onehot"], output=tmp_path / "immgen", bias=files["bias"],
        totals=files["total_counts"], samples=folder / "cell_names.npy", window=(375, 625),
    )  # fmt: skip
    full = read_config(model="bpaitac")
    with pytest.raises(InputError, match="has totals but no counts, expected network"):
        full.for_dataset(made_from)
    changes = {"network": {"profile_head": False}, "objective": {"lambda_": 0.0}}
    config = full.changed(changes).for_dataset(made_from)
    network = config.network
    assert (network.tasks, network.length) == (90, 998)
    assert (network.window, network.window_start) == (250, 375)
    task = MODELS["bpaitac"].task(config, made_from)
    assert task.select == "pearson_across_tasks"
    assert (len(task.rows("validation")), len(task.rows("test"))) == (83, 41)
    torch.manual_seed(0)
    totals_alone = MODELS["bpaitac"].model(network.model_copy(update={"channels": 8, "blocks": 1}))
    found = observed(task, totals_alone, task.rows("all"))
    raw = np.concatenate([np.load(files["total_counts"][split]) for split in splits])
    np.testing.assert_array_equal(found["n_total"], raw.astype(np.float32))
    metrics = task.metrics(found)
    assert metrics["loss"] == pytest.approx(
        np.mean((np.log1p(found["predicted_total"]) - np.log1p(raw)) ** 2), rel=1e-4
    )
    train(totals_alone, task, task.rows("validation"), steps=1)
    assert task.metrics(observed(task, totals_alone, task.rows("all")))["loss"] < metrics["loss"]

    # the whole network, on profiles drawn from the totals and the bias
    whole = MODELS["bpaitac"].model(network.model_copy(update={"profile_head": True}))
    assert sum(each.numel() for each in whole.parameters()) == 4_145_280
    (batch,) = batches(task, task.rows("test")[:2])
    rng = np.random.default_rng(0)
    p = batch.bias.double().softmax(-1).numpy()
    counts = [
        [rng.multinomial(int(n), p[row] / p[row].sum()) for n in batch.totals[row]]
        for row in range(2)
    ]
    batch = batch._replace(counts=torch.tensor(np.array(counts)).float())
    config = full.changed({"network": network.model_dump() | {"profile_head": True}})
    both = MODELS["bpaitac"].task(config, made_from)
    whole.eval()
    loss, parts = both.losses(whole, batch)
    with torch.no_grad():
        output = whole(batch.sequence)
    numbers = (output.logits + batch.bias[:, None], batch.counts, output.totals)
    numbers = [each.double().numpy() for each in numbers]
    for name, part in (("cross-entropy", parts["profile"]), ("total", parts["total"])):
        assert float(part.detach()) == pytest.approx(formula(name, *numbers).mean(), rel=1e-4)
    assert float(loss.detach()) == pytest.approx(
        float(parts["profile"].detach() + parts["total"].detach()) / 2
    )
    loss.backward()
    assert all(one.grad.isfinite().all() for one in whole.parameters())
