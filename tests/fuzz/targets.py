"""All targets, by name."""

from fuzz.text_targets import TEXT_TARGETS

TARGETS = {each.name: each for each in (*TEXT_TARGETS,)}
