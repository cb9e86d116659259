"""Configs from files and from ``key=value``."""

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kmerengine.errors import InputError
from modelkit.config import Config, merged, nearest, parse_config
from modelkit.registry import MODELS

__all__ = ["read_config"]


def read_config(
    path: str | Path | None = None,
    *,
    model: str | None = None,
    preset: str | None = None,
    changes: Iterable[str] = (),
) -> Config:
    """The config of a file, or of a model's defaults; then of a preset; then with changes.

    Parameters
    ----------
    path : path, optional
        TOML or JSON with the key `model`, and `preset` if wanted, and the sections.
    model : str, optional
        Instead of `path`.
    preset : str, optional
        One of the model's, or several with commas between, of which the last one goes before the
        others; values of the file go before it.
    changes : iterable of str
        Such as ``network.blocks=4`` or ``training.learning_rate=1e-4``: keys of the config and
        values as TOML writes them, text with or without quotation marks.

    Raises
    ------
    InputError
        A file that cannot be read, a key or value that is not known.
    """
    given = _read(Path(path)) if path is not None else {}
    where = str(path) if path is not None else "config"
    if path is not None and model is not None and given.get("model", model) != model:
        raise InputError(f"{where}: is of model {given['model']!r}, found {model!r} beside it")
    name = model if model is not None else given.get("model")
    if name is None:
        raise InputError(f"{where}: lacks a model, expected one of {', '.join(MODELS)}")
    if not isinstance(name, str) or name not in MODELS:
        raise InputError(f"{where}: model: found {name!r}{nearest(str(name), MODELS)}")
    kind = MODELS[name].config
    chosen = preset if preset is not None else given.pop("preset", None)
    given.pop("preset", None)
    values: dict[str, Any] = {"model": name}
    for each in chosen.split(",") if isinstance(chosen, str) else [chosen]:
        if each is not None and (not isinstance(each, str) or each not in kind.presets):
            has = ", ".join(kind.presets) or "none"
            raise InputError(f"{where}: preset: found {each!r}, expected one of {name}'s: {has}")
        values = merged(values, kind.presets[each] if each is not None else {})
    values = merged(values, given)
    for change in changes:
        values = merged(values, _assignment(change))
    return parse_config(kind, values, where)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; check the path") from error
    except (ValueError, RecursionError) as error:  # both parsers', and text that is not UTF-8
        raise InputError(f"{path}: is neither TOML nor (.json) JSON: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: found {type(found).__name__}, expected keys and sections")
    return found


def _assignment(change: str) -> dict[str, Any]:
    """``a.b=value`` as nested dicts; a value that is not TOML is text."""
    key, equals, text = change.partition("=")
    if not equals or not all(key.strip().split(".")):
        raise InputError(f"--set {change}: expected key=value, such as training.epochs=10")
    if key.strip() in ("model", "preset"):
        raise InputError(f"--set {change}: expected --{key.strip()}, which chooses it")
    value: Any
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for part in reversed(key.strip().split(".")):
        value = {part: value}
    found: dict[str, Any] = value
    return found
