"""Configs from files, presets and assignments; what is refused, and how it is said."""

import json
from pathlib import Path

import pytest

from kmerengine import InputError
from modelkit.config import Config
from modelkit.config_files import read_config
from modelkit.registry import MODELS


def test_defaults_then_preset_then_file_then_assignments(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    small = read_config(model="bpaitac", preset="small")
    file.write_text(
        'model = "bpaitac"\npreset = "small"\n[training]\nseed = 4\nbatch_size = 7\n'
    )
    found = read_config(file, changes=["training.seed=5", "objective.loss=mnll"])
    assert found.training.seed == 5  # over the file
    assert found.training.batch_size == 7  # over the preset
    assert found.network == small.network  # over the defaults
    assert found.network != read_config(model="bpaitac").network
    assert found.objective.loss == "mnll"  # type: ignore[attr-defined]


def test_a_preset_given_beside_a_file_replaces_the_files(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('model = "bpaitac"\npreset = "small"\n')
    assert read_config(file, preset="code") == read_config(model="bpaitac", preset="code")


@pytest.mark.parametrize("model", MODELS)
def test_a_config_comes_back_from_its_json(model: str, tmp_path: Path) -> None:
    for preset in (None, *MODELS[model].config.presets):
        config = read_config(model=model, preset=preset)
        file = tmp_path / "config.json"
        file.write_text(config.model_dump_json())
        assert read_config(file) == config


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("training.learning_rate=1e-4", 1e-4),
        ("training.patience=none", None),
        ("training.drop=none", "none"),  # a word of this option, not its absence
        ("training.select='loss'", "loss"),
        ("training.select=loss", "loss"),
        ("training.amp=true", True),
        ("training.betas=[0.8, 0.9]", (0.8, 0.9)),
    ],
)
def test_assignments_are_values_as_toml_has_them(change: str, value: object) -> None:
    name = change.partition("=")[0].rpartition(".")[2]
    found = getattr(read_config(model="bpaitac", changes=[change]).training, name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.lerning_rate=1", "lerning_rate: unknown key, did you mean learning_rate"),
        ("network.bloks=4", "network.bloks: unknown key, did you mean blocks"),
        ("trainning.seed=4", "trainning: unknown key, did you mean training"),
        ("training.epochs=-1", "training.epochs: found -1; input should be greater"),
        ("training.epochs=many", "training.epochs: found 'many'"),
        ("training.learning_rate=inf", "training.learning_rate: found inf"),
        ("objective.lambda_=1.1", r"objective.lambda_: found 1.1"),
        ("objective.loss=mse2", "objective.loss: found 'mse2'.*'mse'"),
        ("network.total_head=none", "config: network.total_head=none needs objective.lambda_=1"),
        ("training.seed", "expected key=value"),
        ("=4", "expected key=value"),
        ("training..seed=4", "expected key=value"),
        ("training=4", "training: found 4"),
    ],
)
def test_what_is_not_known_is_refused_by_name(change: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        read_config(model="bpaitac", changes=[change])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.toml", "model = ", "x.toml: is neither TOML"),
        ("x.json", "{", "x.json: is neither TOML"),
        ("x.json", "[1]", "found list, expected keys"),
        ("x.toml", "", "lacks a model, expected one of bpaitac"),
        ("x.toml", 'model = "bpaitec"', "model: found 'bpaitec', did you mean bpaitac"),
        ("x.toml", "model = 3", "model: found 3"),
        ("x.toml", 'model = "bpaitac"\npreset = "big"', "preset: found 'big', expected one of"),
        ("x.toml", 'model = "bpaitac"\n[nets]\n', "nets: unknown key, did you mean"),
        ("x.toml", 'model = "bpaitac"\nnetwork = 3\n', "network: found 3"),
    ],
)
def test_files_that_say_nothing_useful(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_config(tmp_path / name)


def test_a_file_that_is_not_there_or_of_another_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path / "no.toml")
    (tmp_path / "x.toml").write_text('model = "bpaitac"')
    with pytest.raises(InputError, match="is of model 'bpaitac', found 'bpaitac-bias'"):
        read_config(tmp_path / "x.toml", model="bpaitac-bias")


def test_a_config_cannot_be_changed_in_place() -> None:
    config = read_config(model="bpaitac")
    with pytest.raises(ValueError, match="frozen"):
        config.training.seed = 3  # type: ignore[misc]
    changed = config.changed({"training": {"seed": 3}})
    assert isinstance(changed, Config)
    assert changed.training.seed == 3
    assert changed.network == config.network
    assert json.loads(changed.model_dump_json())["training"]["seed"] == 3
