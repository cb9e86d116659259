"""What the AgentBind pipeline is asked for, and what does not go together."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from kmerengine.errors import InputError
from kmerengine.motifs.files import named_motifs, read_motifs
from kmerengine.sampling.sites import Setting
from modelkit.config import Config
from modelkit.figures import Format

__all__ = ["CORES", "SETTINGS", "Core", "Options"]

Core = Literal["kept", "blocked"]

SETTINGS: tuple[Setting, ...] = get_args(Setting)
CORES: tuple[Core, ...] = get_args(Core)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is asked for; paths are absolute."""

    genome: Path
    motifs: Path
    chip: dict[str, Path]
    accessible: Path | None
    settings: tuple[Setting, ...]
    cores: tuple[Core, ...]
    motif_of: dict[str, str]
    p: float
    background: str
    width: int
    split: tuple[str, ...]
    config: Config
    start: Path | None
    pretrain: Path | None
    class_of: dict[str, str]
    accessibility_class: str | None
    scratch: bool
    method: Any
    unbound: bool
    tss: Path | None
    seed: int
    figure: Format
    device: str
    threads: int | None
    reporter: Any
    progress: Callable[[int, int], None] | None
    folder: Path

    @property
    def sets(self) -> dict[str, tuple[Setting, Core]]:
        """Names of the sets."""
        return {
            setting if core == "kept" else f"{setting}-{core}": (setting, core)
            for core in self.cores
            for setting in self.settings
        }

    @property
    def first(self) -> str | Path | None:
        """The run to begin with: given, or made by a stage."""
        return "pretrained" if self.pretrain is not None else self.start

    def check(self) -> None:
        """InputError of what does not go together."""
        for what, given, known in (
            ("settings", self.settings, SETTINGS), ("cores", self.cores, CORES),
        ):  # fmt: skip
            if not given or len(set(given)) < len(given) or not set(given) <= set(known):
                found = ", ".join(given) or "none"
                raise InputError(f"{what}: found {found}, expected some of {', '.join(known)}")
        if ("accessibility" in self.settings) != (self.accessible is not None):
            found = "none" if self.accessible is None else str(self.accessible)
            raise InputError(
                f"accessible: found {found}, expected open chromatin (--open) with the setting "
                "accessibility, and only with it"
            )
        if self.start is not None and self.pretrain is not None:
            raise InputError("start: found with pretrain, expected one run to begin with")
        if self.first is None and (self.class_of or self.accessibility_class or self.scratch):
            raise InputError(
                "found classes of a pretrained run, or networks from nothing to compare with one, "
                "expected such a run; give start or pretrain"
            )
        others = (self.accessible, self.start, self.pretrain, self.tss)
        for path in (self.genome, self.motifs, *self.chip.values(), *others):
            if path is not None and not path.exists():
                raise InputError(f"{path}: does not exist")
        for name in self.chip:
            if not name or name.startswith(".") or "/" in name or ":" in name:
                raise InputError(
                    f"chip: found the name {name!r}, expected one that a folder can have, without :"
                )
        for what, names in (("motif_of", self.motif_of), ("class_of", self.class_of)):
            for name in names:
                if name not in self.chip:
                    raise InputError(
                        f"{what}: found {name!r}, expected one of {', '.join(self.chip)}"
                    )
        self._check_motifs()
        self._check_classes()

    def _check_motifs(self) -> None:
        """Each factor has one motif."""
        listed = read_motifs(self.motifs)
        for name in self.chip:
            motif = self.motif_of.get(name, name)
            found = [m.name for m in named_motifs(listed, [motif], str(self.motifs))]
            if len(found) > 1:
                raise InputError(
                    f"{self.motifs}: has {len(found)} motifs called {motif!r}, "
                    f"{', '.join(found[:3])}; choose one with --motif-of {name}={found[0]}"
                )

    def _check_classes(self) -> None:
        """A run that is given has the classes; of one that is to be trained nobody knows yet."""
        if self.start is None:
            return
        from modelkit.training.run import Run

        known = [str(each) for each in Run.open(self.start).about.get("tasks", ())]
        wanted = [*self.class_of.values(), self.accessibility_class]
        for each in wanted:
            if each is not None and each not in known:
                shown = ", ".join(known[:5]) + (", ..." if len(known) > 5 else "")
                raise InputError(f"{self.start}: has no class {each!r}; it has {shown}")
