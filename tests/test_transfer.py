"""Training that begins with layers of another run."""

import shutil

import pytest
import torch
from click.testing import CliRunner
from label_world import make_labels, small_config

from kmerengine import Dataset, InputError
from modelkit.cli import main
from modelkit.config_files import read_config
from modelkit.training.checkpoint import read_checkpoint
from modelkit.training.run import Run
from modelkit.training.several import train_seeds
from modelkit.training.train import train
from modelkit.training.transfer import Start

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {
    "danq": ["network.filters=6", "network.width=8", "network.pool=5", "network.lstm=4",
             "network.dense=8"],
    "deepsea": ["network.filters=[5, 6, 7]", "network.dense=8"],
}  # fmt: skip
MODELS = tuple(SMALL)
# what is passed on, beside layers that are drawn
PASSED = {
    "danq": {"convs.0.weight", "convs.0.bias", *(
        f"lstm.{kind}_{part}_l0{end}" for kind in ("weight", "bias") for part in ("ih", "hh")
        for end in ("", "_reverse"))},
    "deepsea": {f"convs.{i}.{name}" for i in range(3)
                for name in ("weight", "bias", "norm.weight", "norm.bias")},
}  # fmt: skip


def config(model, *changes):
    every = ["training.batch_size=25", "training.epochs=2", "network.initial_sd=0.2"]
    return read_config(model=model, changes=[*every, *SMALL[model], *changes])


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Dataset:
    """Three labels."""
    return make_labels(tmp_path_factory.mktemp("many"), n=(75, 25, 25))


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> Dataset:
    """One label."""
    return make_labels(
        tmp_path_factory.mktemp("one"), n=(75, 25, 25), words={"tal": "CAGCTGTT"}, seed=1
    )


@pytest.fixture(scope="module")
def begun(many, tmp_path_factory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("begun")
    return {model: train(config(model), many, folder / model) for model in MODELS}


def weights(run, name="best.safetensors"):
    tensors = read_checkpoint(run.path / name)[0]
    return {n.removeprefix("model/"): t for n, t in tensors.items() if n.startswith("model/")}


@pytest.mark.parametrize("model", MODELS)
def test_layers_are_passed_on_and_others_drawn(model, begun, one, tmp_path):
    """From three labels to one, before any step."""
    run = train(config(model, "training.epochs=0"), one, tmp_path / "run", start=begun[model])
    plain = train(config(model, "training.epochs=0"), one, tmp_path / "plain")
    found, drawn, given = weights(run), weights(plain), weights(begun[model])
    assert found["output.weight"].shape[0] == 1
    assert given["output.weight"].shape[0] == 3
    for name, value in found.items():
        source = given if name in PASSED[model] else drawn
        assert torch.equal(value, source[name]), name
    moved = {n for n in PASSED[model] if not torch.equal(drawn[n], given[n])}
    assert len(moved) >= len(PASSED[model]) - 3  # all but biases that have no gradient


@pytest.mark.parametrize("model", MODELS)
def test_all_layers_are_trained(model, begun, one, tmp_path):
    run = train(config(model), one, tmp_path / "run", start=begun[model].path)
    given, last = weights(begun[model]), weights(run, "last.safetensors")
    for name in PASSED[model]:
        still = "bias_hh" in name or (model == "deepsea" and name.endswith(("0.bias", "1.bias",
                                                                            "2.bias")))  # fmt: skip
        assert torch.equal(last[name], given[name]) == still, name
    if model == "deepsea":  # the statistics began at 0 and 1, not where the other run's ended
        moved = 0.99**12  # of six steps in each of two epochs
        most = float((last["convs.0.norm.running_var"]).max())
        assert moved < most < 1
        assert last["convs.0.norm.num_batches_tracked"] == 12


def test_a_run_says_what_it_began_with(begun, one, tmp_path):
    run = train(config("danq"), one, tmp_path / "run", start=begun["danq"])
    _, about = read_checkpoint(begun["danq"].path / "best.safetensors")
    assert run.about["start"] == {
        "name": "danq", "weights": about["tensors_sha256"], "split": begun["danq"].about["split"],
        "transferred": ["convs.", "lstm."],
    }  # fmt: skip
    assert begun["danq"].about["start"] is None
    assert "warning" not in (run.path / "log.txt").read_text()
    shutil.copytree(begun["danq"].path, tmp_path / "danq")
    Run.open(tmp_path / "danq").write_about(split=["agentbind", 0])
    few = config("danq", "training.epochs=0")
    run = train(few, one, tmp_path / "other", start=tmp_path / "danq")
    said = "warning: danq learnt by the split ['agentbind', 0], this is by [None, None]"
    assert said in (run.path / "log.txt").read_text()


@pytest.mark.parametrize("there", ["data", "config"])
@pytest.mark.parametrize("here", ["data", "config"])
def test_a_rule_is_the_same_of_a_config_and_of_a_data_set(there, here, begun, tmp_path):
    def ruled(name, where, rule):
        shutil.copytree(begun["danq"].path, tmp_path / name)
        run = Run.open(tmp_path / name)
        if where == "data":
            run.write_about(split=[[rule], 0])
        else:
            run.config = run.config.changed({"data": {"split": rule}})
            run.write_about()
        return Run.open(run.path)

    start = Start(ruled("start", there, "agentbind"))
    assert start.warning(ruled("same", here, "agentbind")) is None
    said = "learnt by the split [['agentbind'], 0], this is by [['test=chr2'], 0]"
    assert said in start.warning(ruled("other", here, "test=chr2"))


@pytest.mark.parametrize("again", [False, True])
def test_an_interrupted_run_ends_with_the_same_bits(again, begun, one, tmp_path):
    """Whether or not it is told again what it began with."""
    whole = train(config("danq"), one, tmp_path / "whole", start=begun["danq"])
    train(config("danq", "training.epochs=1"), one, tmp_path / "cut", start=begun["danq"])
    told = begun["danq"] if again else None
    cut = train(config("danq"), one, tmp_path / "cut", resume=True, start=told)
    a, b = (read_checkpoint(run.path / "last.safetensors")[0] for run in (whole, cut))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert cut.about["start"] == whole.about["start"]


def test_a_run_goes_on_with_what_it_began_with(begun, one, tmp_path):
    run = train(config("danq", "training.epochs=1"), one, tmp_path / "run", start=begun["danq"])
    other = train(config("danq", "training.seed=5"), one, tmp_path / "other")
    with pytest.raises(InputError, match=r"was begun with danq, not with the weights of .*other"):
        train(None, one, run.path, resume=True, start=other)
    with pytest.raises(InputError, match="was begun with none"):
        train(None, one, other.path, resume=True, start=run)
    (run.path / "last.safetensors").unlink()  # as if it had been killed before its first save
    with pytest.raises(InputError, match="begun with danq and holds no checkpoint"):
        train(None, one, run.path, resume=True)
    again = train(config("danq", "training.epochs=1"), one, run.path, resume=True,
                  start=begun["danq"])  # fmt: skip
    fresh = train(config("danq", "training.epochs=1"), one, tmp_path / "fresh",
                  start=begun["danq"])  # fmt: skip
    assert all(torch.equal(value, weights(fresh)[name]) for name, value in weights(again).items())


def test_what_does_not_fit_is_refused_before_anything_is_written(begun, many, one, tmp_path):
    other = train(small_config("training.epochs=0"), many, tmp_path / "koo")
    for start, changes, said in (
        (begun["deepsea"], (), "is of deepsea, expected a run of danq"),
        (other, (), "is of koo, which passes no layers on; expected a run of danq, deepsea"),
        (begun["danq"], ("network.filters=7",),
         r"start: convs.0.weight of .*danq is \(6, 4, 8\), expected \(7, 4, 8\)"),
        (begun["danq"], ("network.lstm=5",),
         r"lstm.weight_ih_l0 of .* is \(16, 6\), expected \(20, 6\)"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said) as caught:
            train(config("danq", *changes), one, tmp_path / "run", start=start)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "run").exists()
    more = {"network": {n: getattr(config("deepsea").network, n)[:2]
                        for n in ("filters", "widths", "pools", "dropouts")}}  # fmt: skip
    with pytest.raises(InputError, match=r"convs\.2\.bias of .* is \(7,\), expected none"):
        train(config("deepsea").changed(more), one, tmp_path / "run", start=begun["deepsea"])
    with pytest.raises(InputError, match="has no readable run"):
        train(config("danq"), one, tmp_path / "run", start=tmp_path / "nothing")


def test_a_damaged_start_is_refused(begun, one, tmp_path):
    shutil.copytree(begun["danq"].path, tmp_path / "damaged")
    path = tmp_path / "damaged" / "best.safetensors"
    held = bytearray(path.read_bytes())
    held[-3] ^= 1
    path.write_bytes(held)
    with pytest.raises(InputError, match="it is damaged"):
        train(config("danq"), one, tmp_path / "run", start=tmp_path / "damaged")


def test_seeds_and_the_command_take_a_start(begun, one, tmp_path):
    few = config("danq", "training.epochs=0")
    runs = train_seeds(few, one, tmp_path / "seeds", 2, start=begun["danq"])
    given = weights(begun["danq"])["convs.0.weight"]
    assert all(torch.equal(weights(run)["convs.0.weight"], given) for run in runs)
    sets = [part for change in (*SMALL["danq"], "training.epochs=0", "training.batch_size=25")
            for part in ("--set", change)]  # fmt: skip
    arguments = ["train", "--model", "danq", *sets, "--data", str(one.path), "-q"]
    arguments += ["--start", str(begun["danq"].path), "-o", str(tmp_path / "run")]
    told = CliRunner().invoke(main, arguments)
    assert told.exit_code == 0, told.output
    assert torch.equal(weights(Run.open(tmp_path / "run"))["convs.0.weight"], given)
