"""Checkpoints: what comes back, and what is refused."""

import pickle
from pathlib import Path

import pytest
import torch

from kmerengine import InputError
from modelkit.training.checkpoint import load_into, read_checkpoint, write_checkpoint


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x.safetensors"
    write_checkpoint(path, TENSORS, ABOUT)
    return path


TENSORS = {
    "a": torch.arange(6.0).reshape(2, 3).T,  # not contiguous
    "step": torch.tensor(3.0),
    "n": torch.tensor([2**40], dtype=torch.int64),
    "half": torch.tensor([1.5, -2], dtype=torch.bfloat16),
}
ABOUT = {"config": {"x": 1}, "history": [0.1 + 0.2]}


def test_tensors_and_document_come_back_bit_for_bit(path: Path) -> None:
    tensors, about = read_checkpoint(path)
    assert tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert tensors[name].dtype == value.dtype
        assert torch.equal(tensors[name], value)
    assert about["config"] == {"x": 1}
    assert about["history"][0] == 0.1 + 0.2


def test_tensors_that_share_memory_are_written_each(tmp_path: Path) -> None:
    base = torch.arange(4.0)
    write_checkpoint(tmp_path / "x", {"a": base, "b": base, "c": base[1:]}, {})
    tensors, _ = read_checkpoint(tmp_path / "x")
    assert torch.equal(tensors["b"], base)
    assert torch.equal(tensors["c"], base[1:])


@pytest.mark.parametrize("size", [0, 4, 8, 60, -1])
def test_a_file_that_was_cut_off_is_an_error(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match="damaged"):
        read_checkpoint(path)


def test_a_changed_document_is_an_error(path: Path) -> None:
    raw = path.read_bytes()
    assert raw.count(rb"\"x\": 1") == 1
    path.write_bytes(raw.replace(rb"\"x\": 1", rb"\"x\": 2"))
    with pytest.raises(InputError, match="damaged"):
        read_checkpoint(path)


def test_any_bit_that_changes_is_seen(path: Path) -> None:
    """In numbers, names, shapes and document alike."""
    raw = path.read_bytes()
    for place in range(8, len(raw), 7):
        changed = bytearray(raw)
        changed[place] ^= 1 << (place % 8)
        path.write_bytes(changed)
        try:
            tensors, about = read_checkpoint(path)
        except InputError:
            continue
        # a space between names, or their order: nothing that is read
        assert about == read_back(raw, path)[1], place
        assert all(torch.equal(tensors[n], t) for n, t in read_back(raw, path)[0].items()), place


def read_back(raw: bytes, path: Path) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    path.write_bytes(raw)
    return read_checkpoint(path)


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "harm",)

    (tmp_path / "x.pt").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(InputError, match="safetensors"):
        read_checkpoint(tmp_path / "x.pt")
    assert not (tmp_path / "harm").exists()


def test_weights_without_a_config_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, tmp_path / "x")
    with pytest.raises(InputError, match="import-weights"):
        read_checkpoint(tmp_path / "x")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_checkpoint(tmp_path / "x")


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"m/weight": torch.zeros(2, 3)}, "lacks tensor bias"),
        (
            {"m/weight": torch.zeros(2, 3), "m/bias": torch.zeros(2), "m/x": torch.zeros(1)},
            "unexpected tensor x",
        ),
        ({"m/weight": torch.zeros(3, 2), "m/bias": torch.zeros(2)}, r"weight is \(3, 2\)"),
    ],
)
def test_other_networks_tensors_are_refused(
    tensors: dict[str, torch.Tensor], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load_into(torch.nn.Linear(3, 2), tensors, "m/", Path("x"))
