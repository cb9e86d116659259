"""What tests share: the real data, what runs when it is asked for, and what needs a device."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

DATA = Path(os.environ.get("KMERENGINE_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data; never written to."""
    if not DATA.is_dir():
        pytest.skip(f"no real data at {DATA}; set KMERENGINE_DATA")
    return DATA


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """PyTorch's two threads would wait for each other longer than small networks take."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def without_cupy() -> str:
    """Why CuPy cannot be used here; empty where it can."""
    try:
        import cupy

        cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # CuPy has its own errors for a missing driver or device
        return f"no usable CUDA device for CuPy ({type(error).__name__})"
    return ""


def without_torch() -> str:
    """Why PyTorch cannot use a GPU here; empty where it can."""
    import torch

    return "" if torch.cuda.is_available() else f"PyTorch {torch.__version__} sees no CUDA device"


MISSING = {"cupy": without_cupy, "torch": without_torch}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out `slow` tests unless -m names them; skip `gpu` tests where there is no device."""
    if "slow" not in config.option.markexpr:
        slow = [item for item in items if "slow" in item.keywords]
        items[:] = [item for item in items if "slow" not in item.keywords]
        config.hook.pytest_deselected(items=slow)
    reasons: dict[str, str] = {}
    for item in items:
        marker = item.get_closest_marker("gpu")
        if marker is None:
            continue
        library = marker.args[0] if marker.args else "torch"
        if library not in reasons:
            reasons[library] = MISSING[library]()
        if reasons[library]:
            item.add_marker(pytest.mark.skip(reason=reasons[library]))
