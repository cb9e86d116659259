"""Weights that the authors of a model released, as a run of ours."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import check_writable
from kmerengine.io.npz import check_unpacked, read_arrays
from modelkit.config import Config, parse_config
from modelkit.registry import MODELS
from modelkit.training.run import NAMES, Run
from modelkit.weights.bindvae import BINDVAE
from modelkit.weights.bpaitac import BIAS, BPAITAC
from modelkit.weights.danq import DANQ
from modelkit.weights.deepsea import DEEPSEA
from modelkit.weights.source import ImportOptions, Source

__all__ = ["SOURCES", "import_weights"]

SOURCES = {
    "bindvae": BINDVAE,
    "bpaitac": BPAITAC,
    "bpaitac-bias": BIAS,
    "danq": DANQ,
    "deepsea": DEEPSEA,
}
BASES = "ACGT"  # of our networks' channels


def import_weights(
    source: str,
    file: str | Path,
    output: str | Path,
    *,
    length: int | None = None,
    off_by_two: bool = True,
    alphabet: str | None = None,
    tasks: Sequence[str] = (),
    force: bool = False,
) -> Run:
    """Make a run of a state dict that PyTorch saved.

    Nothing in the file is run: PyTorch's reader for weights knows tensors and plain containers
    alone. Sizes (channels, blocks, tasks, bins) follow from the shapes.

    Parameters
    ----------
    source : str
        Whose: "bindvae"; "bpaitac"; "bpaitac-bias", of which the profile is taken and the totals,
        which were not trained, are not; or "danq" and "deepsea", of AgentBind.
    file : path
        What ``torch.save(model.state_dict(), file)`` wrote; of TensorFlow a .npz of variables by
        name, see `modelkit.weights.bindvae` and `modelkit.weights.danq`.
    output : path
        The run's folder.
    length : int, optional
        bp of sequence; by default 1,000, of bpAI-TAC 998 with `off_by_two`.
    off_by_two : bool
        Of a model of cuts: trained on data with bpAI-TAC's correction, as its released models are.
    alphabet : str, optional
        The bases of the first layer's channels, if not in the order that the source is known for.
    tasks : sequence of str
        Their names, in order; by default numbers.
    force : bool
        Replace an existing output.

    Raises
    ------
    InputError
        A source that is not known; a file that is damaged or holds something else; a tensor that is
        missing, not expected, or of another shape: its name as the authors have it.
    """
    file, output = Path(file), Path(output)
    if source not in SOURCES:
        known = ", ".join(SOURCES)
        raise InputError(f"source: found {source!r}, expected one whose names are known: {known}")
    known_source = SOURCES[source]
    bases = _bases(known_source, alphabet)
    check_writable(output, force=force, folder=NAMES)
    tensors = read_tensors(file)
    ignored = [name for name in tensors if name.startswith(known_source.left_out or ("\0",))]
    tensors = {name: tensor for name, tensor in tensors.items() if name not in ignored}
    tensors, values = _sizes(known_source, tensors, ImportOptions(length, off_by_two), file)
    n = values[known_source.outputs]
    names = list(tasks) or [known_source.output_name.format(i) for i in range(n)]
    if len(names) != n or len(set(names)) != len(names):
        raise InputError(
            f"tasks: found {len(set(names))} different names, expected one for each of the "
            f"{n} {known_source.outputs} of {file}"
        )
    config, network = _network(known_source, values, file)
    _fill(network, known_source, tensors, bases, file)
    off_by_two = off_by_two and known_source.shift is not None  # others have no cuts
    parameters = {"source": source, "alphabet": bases, "length": length, "off_by_two": off_by_two}
    about = schemas.provenance("import_weights", {"weights": schemas.digest(file)}, parameters)
    about |= {
        "dataset": None,
        "samples": names,
        "tasks": names,
        "shift": known_source.shift,
        "off_by_two": off_by_two,
        "left_out": ignored,
    }
    return Run.create(output, config, network, about, force=force)


def _bases(source: Source, alphabet: str | None) -> str | None:
    """The order of the first layer's bases; None where there are none."""
    if source.alphabet is None:
        if alphabet is not None:
            raise InputError(f"alphabet: found {alphabet!r}, but {source.model} takes no bases")
        return None
    bases = source.alphabet if alphabet is None else alphabet.upper()
    if sorted(bases) != sorted(BASES):
        raise InputError(f"alphabet: found {bases!r}, expected each of A C G T once")
    return bases


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict, or arrays of a .npz, by name; float32, or integers as they are.

    Raises
    ------
    InputError
        The file is damaged, or holds anything but tensors of numbers by name.
    """
    expected = "expected the state dict of a model, which torch.save wrote, or a .npz"
    try:
        size = path.stat().st_size
        if path.suffix == ".npz":
            found = {name: torch.from_numpy(each) for name, each in read_arrays(path).items()}
            size = max(size, sum(tensor.numel() for tensor in found.values()))  # it may be packed
        else:
            if zipfile.is_zipfile(path):
                check_unpacked(path)
            with path.open("rb") as file:
                found = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; {expected}") from error
    except InputError:
        raise
    except Exception as error:  # a damaged file can end in any; PyTorch's advice would be to run it
        raise InputError(f"{path}: is damaged, or holds more than tensors; {expected}") from error
    if not isinstance(found, Mapping):
        raise InputError(f"{path}: found {type(found).__name__}, {expected}")
    tensors = {}
    n = 0
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            what = f"{str(name)[:80]}: found {type(value).__name__}"
            raise InputError(f"{path}: {what}, expected a tensor; {expected}")
        n += value.numel()
        is_plain = value.layout is torch.strided and not (value.is_complex() or value.is_quantized)
        if not is_plain or n > size:
            raise InputError(
                f"{path}: {name[:80]}: found {value.dtype} {tuple(value.shape)}, which a file of "
                f"{size:,} bytes does not hold as plain numbers; {expected}"
            )
        tensors[name] = value.float() if value.is_floating_point() else value
        if not bool(tensors[name].isfinite().all()):
            raise InputError(f"{path}: {name[:80]}: found a value that is no number; {expected}")
    return tensors


def _sizes(
    source: Source, tensors: dict[str, Tensor], options: ImportOptions, path: Path
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors as they are compared with ours, and options of the network that has them."""
    try:
        if source.converted is not None:
            tensors = source.converted(tensors)
        return tensors, source.network(tensors, options)
    except KeyError as error:
        raise InputError(
            f"{path}: lacks the tensor {error.args[0]}; expected all of {source.model}"
        ) from error
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise InputError(f"{path}: its tensors fit no {source.model}: {error}") from error


def _network(source: Source, values: dict[str, Any], path: Path) -> tuple[Config, nn.Module]:
    entry = MODELS[source.model]
    config = parse_config(entry.config, {"model": source.model, "network": values}, str(path))
    try:
        return config, entry.model(config.network)
    except ValueError as error:
        raise InputError(f"{path}: its tensors fit no {source.model}: {error}") from error


def _fill(
    network: nn.Module,
    source: Source,
    tensors: Mapping[str, Tensor],
    bases: str | None,
    path: Path,
) -> None:
    """Give the network the tensors: all of them, and each of its own."""
    held = network.state_dict()
    theirs = {source.official(name): name for name in held}
    if missing := [name for name in theirs if name not in tensors]:
        raise InputError(f"{path}: lacks {len(missing)} tensors, the first is {missing[0]}")
    if strangers := [name for name in tensors if name not in theirs]:
        raise InputError(
            f"{path}: has {len(strangers)} tensors that {source.model} has not, the first is "
            f"{strangers[0][:80]}"
        )
    for official, name in theirs.items():
        tensor = tensors[official]
        if tensor.shape != held[name].shape:
            raise InputError(
                f"{path}: {official}: found shape {tuple(tensor.shape)}, expected "
                f"{tuple(held[name].shape)}"
            )
        held[name] = tensor
    if source.first_layer is not None and bases is not None:
        order = [bases.index(base) for base in BASES]
        held[source.first_layer] = held[source.first_layer][:, order]
    network.load_state_dict(held)
