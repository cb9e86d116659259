"""Checkpoints: named tensors and one JSON document in a safetensors file, written whole or not."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic

__all__ = ["read_checkpoint", "write_checkpoint"]

FORMAT = "kmerengine.checkpoint"
TENSORS = "tensors_sha256"


def write_checkpoint(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Write tensors under their names, and what they are, in place of what was there."""
    from safetensors.torch import save

    # the format has no shared or strided tensors: each is a contiguous copy of its own
    held = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    document = {**about, "format": FORMAT, "version": schemas.VERSION, TENSORS: _digest(held)}
    with atomic(path, force=True) as temporary:
        text = schemas.as_text(document)
        temporary.write_bytes(save(held, metadata={schemas.METADATA_KEY.decode(): text}))


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and document of a checkpoint; nothing is unpickled.

    Raises
    ------
    InputError
        No such file, a damaged one, or one that is something else.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a checkpoint of modelkit train")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: is no safetensors file, or damaged: {reason}") from error
    text = metadata.get(schemas.METADATA_KEY.decode())
    if text is None:
        raise InputError(
            f"{path}: has no config with its weights; weights of others come in through "
            "modelkit import-weights"
        )
    about = schemas.parse_metadata(text, path, (FORMAT,))
    if about.get(TENSORS) != _digest(tensors):
        raise InputError(f"{path}: its tensors are not those that were written; it is damaged")
    return tensors, about


def _digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and bytes."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def load_into(
    module: torch.nn.Module, tensors: dict[str, Tensor], prefix: str, where: Path
) -> None:
    """Give a network the tensors whose names begin with `prefix`; all of them, and no others."""
    found = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
    expected = module.state_dict()
    for name in sorted(found.keys() ^ expected.keys()):
        what = "lacks" if name in expected else "has an unexpected"
        raise InputError(f"{where}: {what} tensor {name}; expected those of its config's network")
    for name, tensor in found.items():
        if tensor.shape != expected[name].shape:
            raise InputError(
                f"{where}: {name} is {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}"
            )
    module.load_state_dict(found)


def as_json(value: Any) -> str:
    """JSON for machines: a number that is none is null."""
    return json.dumps(_without_nan(value), allow_nan=False)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return None
    return value
