"""Which device works, and how it is called in one line."""

import os

import torch

from kmerengine.errors import InputError

__all__ = ["chosen_device", "described"]


def chosen_device(name: str) -> torch.device:
    """The device of a name; "auto" is a GPU if there is one: this process's, under torchrun."""
    if name in ("auto", "cuda"):
        if torch.cuda.is_available():
            return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        if name == "auto":
            return torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"device: found {name!r}, expected cpu, cuda, cuda:N or auto") from error
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"device: found {name!r}, expected cpu, cuda, cuda:N or auto")
    n = torch.cuda.device_count() if device.type == "cuda" else 1
    if (device.index or 0) >= n:
        raise InputError(f"device: found {name!r}, but PyTorch sees {n} CUDA devices; use cpu")
    return device


def described(device: torch.device, ranks: int = 1) -> str:
    """The first line of a run; it warns of a GPU that is there and not used."""
    many = f", {ranks} ranks" if ranks > 1 else ""
    if device.type == "cuda":
        return f"device: {torch.cuda.get_device_name(device)} ({device}){many}"
    line = f"device: cpu, {torch.get_num_threads()} threads{many}"
    if torch.cuda.is_available():
        line += f"; warning: {torch.cuda.get_device_name(0)} is there and not used"
    return line
