"""The commands of modelkit: same names and defaults as the functions."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields
from importlib import import_module
from importlib.metadata import version

import click
import pytest
from click.testing import CliRunner

import modelkit
from modelkit.cli import COMMANDS, main
from modelkit.interpretation.methods.options import AttributionOptions

ONLY_COMMANDS = {
    "attribute": {"quiet", "lineages", *(f.name for f in fields(AttributionOptions))} - {"method"},
    "footprint": {"quiet", "lineages"},
    "marginalize": {"quiet", "lineages"},
    # of read_config, train_folds and train_seeds
    "train": {"quiet", "model", "preset", "changes", "folds", "seeds"},
    "evaluate": {"quiet", "as_lines"},
    "import-weights": {"quiet", "tasks_from"},
}
ONLY_FUNCTIONS = {"reporter", "progress"}


def leaf(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


def defaults_of(command: click.Command) -> dict[str, object]:
    """Default of each parameter, `empty` where one must be given."""
    required = [p for p in command.params if p.required]
    words = [w for p in required for w in ([p.opts[0], "x"] if p.opts[0][0] == "-" else ["x"])]
    found = command.make_context(str(command.name), words).params
    return found | {str(p.name): inspect.Parameter.empty for p in required}


def defaults_of_function(function: Callable[..., object]) -> dict[str, object]:
    parameters = inspect.signature(function).parameters
    further = inspect.Parameter.VAR_KEYWORD  # of other functions, whose tests hold their defaults
    return {
        n: p.default
        for n, p in parameters.items()
        if n not in ONLY_FUNCTIONS and p.kind is not further
    }


GROUPS = {"pipeline", "topics"}  # their sub-commands are held to the same in tests of their own


@pytest.mark.parametrize("name", [each for each in COMMANDS if each not in GROUPS])
def test_a_command_is_a_public_function_with_the_same_parameters_and_defaults(name: str) -> None:
    function = getattr(modelkit, name.replace("-", "_"))
    ours = defaults_of_function(function)
    theirs = {
        key: value
        for key, value in defaults_of(leaf(name)).items()
        if key not in ONLY_COMMANDS.get(name, {"quiet"})
    }
    if name == "train":  # the command takes a config file, or none beside --model
        assert ours.pop("config") is inspect.Parameter.empty
        assert theirs.pop("config") is None
    if name == "evaluate":  # of several runs the command is evaluate_trials
        assert ours.pop("run") is theirs.pop("runs") is inspect.Parameter.empty
    assert theirs == ours
    assert leaf(name).help
    assert all(p.help for p in leaf(name).params if isinstance(p, click.Option))


def test_the_config_s_options_are_those_of_read_config() -> None:
    ours = defaults_of_function(modelkit.read_config)
    theirs = defaults_of(leaf("train"))
    assert {name: theirs[name] for name in ("model", "preset", "changes")} == {
        name: ours[name] for name in ("model", "preset", "changes")
    }


def test_public_names_are_there() -> None:
    for name in modelkit.__all__:
        assert getattr(modelkit, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = modelkit.trian


def test_the_list_of_commands() -> None:
    said = CliRunner().invoke(main, ["--help"])
    assert said.exit_code == 0
    for name, what in COMMANDS.items():
        assert name in said.stdout
        assert what.split(",")[0][:40] in said.stdout
    assert CliRunner().invoke(main, ["trian"]).exit_code == 2
    shown = CliRunner().invoke(main, ["--version"]).stdout
    assert shown.endswith(f"version {version('kmerengine')}\n")


def commands_under(group: click.Group, words: str) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands_under(command, f"{words} {name}")
        else:
            yield f"{words} {name}", command


@pytest.mark.parametrize("program", ["kmerengine", "modelkit"])
def test_every_option_is_explained_and_says_its_default(program: str) -> None:
    group = import_module(f"{program}.cli").main
    seen, wanting = 0, []
    for name, command in commands_under(group, program):
        for option in command.params:
            if not isinstance(option, click.Option):
                continue
            seen += 1
            default = option.to_info_dict()["default"]  # None of those without one
            has_default = default is not None and not (option.multiple or option.is_flag)
            is_said = option.show_default or "[default: " in (option.help or "")
            if not option.help or (has_default and not option.required and not is_said):
                wanting.append(f"{name} {option.opts[0]}")
    assert seen > 100
    assert not wanting


def test_a_command_without_what_it_needs_says_so_in_a_line() -> None:
    for words, message in (
        (["train", "--data", "x", "-o", "y"], "neither CONFIG nor --model"),
        (["train", "--resume", "--preset", "small", "--data", "x", "-o", "y"], "--preset"),
        (["train", "--model", "bpaitac", "--data", "no", "-o", "y"], "no readable dataset.json"),
        (["evaluate", "no", "--data", "no"], "no readable run.json"),
    ):
        said = CliRunner().invoke(main, words)
        assert said.exit_code == 1, words
        assert message in said.stderr
        assert said.stderr.splitlines()[-1].startswith("Error: ")
