"""All targets, by name; a group is imported when one of it is asked for."""

from collections.abc import Iterator
from importlib import import_module

from fuzz.target import Target

GROUPS = {
    "fuzz.text_targets": "TEXT_TARGETS",
    "fuzz.stored_targets": "STORED_TARGETS",
    "fuzz.model_targets": "MODEL_TARGETS",
    "fuzz.result_targets": "RESULT_TARGETS",
}


def every_target() -> Iterator[Target]:
    """All of them."""
    for module, listed in GROUPS.items():
        yield from getattr(import_module(module), listed)


def target_of(name: str) -> Target:
    """The target of that name."""
    return next(each for each in every_target() if each.name == name)
