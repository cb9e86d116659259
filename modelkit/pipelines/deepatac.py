"""From windows, reads and labels to what cuts add to bases, and what of them matters (DeepATAC).

    cuts.parquet         of all samples, unless they are given
    data                 windows with bases, cuts of each strand and labels
    runs/both, runs/dna  trained on bases and cuts, and on bases; runs/atac on cuts, if wanted
    hits.parquet         instances of the factors' motifs in the windows, where motifs are given
    compared             the runs, and those instances within peaks, side by side
    scores/FACTOR        integrated gradients of the windows that are bound and surely predicted
    figures/FACTOR.*     that of the window which is predicted best

Each is a stage of `modelkit.pipelines.stages`: pipeline.json says what it was made of, and what is
done is not made again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import kmerengine
from kmerengine.cut_sites.sources import is_alignments
from kmerengine.errors import InputError
from modelkit.config import Config
from modelkit.config_files import read_config
from modelkit.figures import Format
from modelkit.interpretation.attribution.exports import file_names
from modelkit.interpretation.methods.options import AttributionOptions
from modelkit.pipelines.files import Files, absolute, by_name
from modelkit.pipelines.stages import Outcome, Say, Stage, run_stages

__all__ = ["DeepATACPipeline", "pipeline_deepatac"]

CUTS, DATA, HITS, COMPARED = "cuts.parquet", "data", "hits.parquet", "compared"
Q = 0.05  # of hits (the paper's)


class DeepATACPipeline(NamedTuple):
    """What was made.

    Attributes
    ----------
    path : Path
    stages : list of Outcome
        What became of each stage.
    """

    path: Path
    stages: list[Outcome]


def pipeline_deepatac(
    genome: str | Path,
    regions: str | Path,
    labels: Files,
    output: str | Path,
    *,
    samples: Sequence[str | Path] = (),
    cuts: str | Path | None = None,
    shift: str = "none",
    width: int = 200,
    split: Sequence[str] = ("deepatac",),
    atac: bool = False,
    preset: str | None = None,
    changes: Sequence[str] = (),
    motifs: str | Path | None = None,
    motif_of: Mapping[str, str] | None = None,
    peaks: str | Path | None = None,
    explain: Sequence[str] = (),
    at_least: float = 0.95,
    steps: int = 50,
    seed: int = 0,
    figure: Format = "png",
    device: str = "auto",
    threads: int | None = None,
    dry_run: bool = False,
    say: Say | None = None,
    reporter: Any = None,
    progress: Callable[[int, int], None] | None = None,
) -> DeepATACPipeline:
    """Run all of DeepATAC (Hiranuma et al. 2017), stage by stage; what is done is not made again.

    Parameters
    ----------
    genome : path
        FASTA.
    regions : path
        BED of windows. Those without any label are left out.
    labels : dict of str to path, or sequence of paths
        ChIP-seq peaks of each factor; or region files, folders of them and tables of name and file.
    output : path
        The pipeline's folder: a new one, or one of before, which is gone on with.
    samples : sequence of paths
        Reads of one cell type, as of `kmerengine.cuts`; their cuts are added up. Of BAM and CRAM,
        what is flagged as a duplicate is left out; text has no flags, and is not taken beside them.
    cuts : path, optional
        Or cuts that were made before.
    shift : str
        Of `samples`: what is added to 5' ends; the paper names none.
    width : int
        bp of the windows.
    split : sequence of str
        Rule of training, validation and test; "deepatac" is chr8 and chr9 for the test.
    atac : bool
        Train on cuts alone too.
    preset, changes
        As of `read_config`, for every network; `network.inputs` is the pipeline's.
    motifs : path, optional
        A motif file: hits in `peaks` are compared too.
    motif_of : dict of str to str, optional
        Of `motifs`: the motif of each factor that has one.
    peaks : path, optional
        BED or narrowPeak of open chromatin: windows in it are measured apart.
    explain : sequence of str
        Factors; by default the first.
    at_least : float
        Predicted probability of the windows that are explained.
    steps : int
        Of integrated gradients.
    seed : int
        Of networks, unless `changes` have another.
    figure : "png" or "svg"
    device, threads
        As of `train`.
    dry_run : bool
        Only say which stages would be run.
    say, reporter, progress : callable, optional
        Told a line for each stage; of training; and of (done, of) within other stages.

    Raises
    ------
    InputError
        Options that do not go together, and what the stages raise.
    """
    files = by_name(labels)
    plan = _Plan(
        genome=Path(genome).absolute(), regions=Path(regions).absolute(),
        labels=files, samples=tuple(Path(each).absolute() for each in samples),
        cuts=absolute(cuts), shift=shift, width=width,
        split=tuple(split), networks=("both", "dna", "atac") if atac else ("both", "dna"),
        config=read_config(
            model="deepatac", preset=preset, changes=[f"training.seed={seed}", *changes]
        ),
        motifs=absolute(motifs), motif_of=dict(motif_of or {}), peaks=absolute(peaks),
        explain=tuple(explain) or tuple(files)[:1], at_least=at_least, steps=steps, figure=figure,
        device=device, threads=threads, reporter=reporter, progress=progress,
        folder=Path(output).absolute(),
    )  # fmt: skip
    plan.check()
    asked = {"labels": list(files), "networks": list(plan.networks), "explain": list(plan.explain)}
    outcomes = run_stages(
        plan.stages(), output, name="deepatac", parameters=asked, dry_run=dry_run, say=say
    )
    return DeepATACPipeline(Path(output), outcomes)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What was asked for, as the parameters of `pipeline_deepatac`."""

    genome: Path
    regions: Path
    labels: dict[str, Path]
    samples: tuple[Path, ...]
    cuts: Path | None
    shift: str
    width: int
    split: tuple[str, ...]
    networks: tuple[str, ...]
    config: Config
    motifs: Path | None
    motif_of: dict[str, str]
    peaks: Path | None
    explain: tuple[str, ...]
    at_least: float
    steps: int
    figure: Format
    device: str
    threads: int | None
    reporter: Any
    progress: Any
    folder: Path

    def check(self) -> None:
        """InputError for what does not go together."""
        inputs = getattr(self.config.network, "inputs", None)
        if inputs != "both":
            raise InputError(
                f"network.inputs: found {inputs!r}, expected both: the pipeline trains on bases "
                "and cuts, on bases, and with --atac on cuts"
            )
        if bool(self.samples) == (self.cuts is not None):
            raise InputError(
                f"samples: found {len(self.samples)} {'with' if self.samples else 'without'} "
                "--cuts, expected samples or cuts"
            )
        if (self.motifs is None) == bool(self.motif_of) or (self.motif_of and self.peaks is None):
            raise InputError(
                "motifs: --motifs, --motif and --peaks go together, expected all of them or none"
            )
        flagged = [path for path in self.samples if is_alignments(path)]
        others = [path for path in self.samples if not is_alignments(path)]
        if flagged and others:
            raise InputError(
                f"samples: found {flagged[0]}, which flags duplicates, with {others[0]}, which "
                "does not; expected all or none to; count them by kmerengine cuts and give --cuts"
            )
        if len(set(self.explain)) < len(self.explain):
            raise InputError("explain: found a factor twice, expected each once")
        file_names(self.explain, "")
        AttributionOptions(method="ig", steps=self.steps)
        if not 0 <= self.at_least <= 1:
            raise InputError(f"at_least: found {self.at_least}, expected a probability, 0 to 1")
        for what, names in (("explain", self.explain), ("motif_of", self.motif_of)):
            for name in names:
                if name not in self.labels:
                    known = ", ".join(self.labels)
                    raise InputError(f"{what}: found {name!r}, expected one of {known}")

    def stages(self) -> list[Stage]:
        """In their order."""
        found = [] if self.cuts is not None else [self._cuts()]
        found += [self._dataset(), *(self._train(name) for name in self.networks)]
        if self.motifs is not None:
            found.append(self._scan(self.motifs))
        found.append(self._compare())
        for factor in self.explain:
            found += [self._attribute(factor), self._figure(factor)]
        return found

    def _cuts(self) -> Stage:
        flagged = is_alignments(self.samples[0])  # and so all of them
        options: dict[str, Any] = {"shift": self.shift, "drop_duplicates": flagged}

        def run(output: Path, _: bool) -> None:  # noqa: FBT001
            kmerengine.cuts(
                self.samples, output=output, genome=self.genome, threads=self.threads, **options
            )

        inputs = {f"sample {i}": path for i, path in enumerate(self.samples, 1)}
        return Stage(
            name="cuts", output=CUTS, run=run, inputs={"genome": self.genome, **inputs},
            parameters=options,
        )  # fmt: skip

    def _dataset(self) -> Stage:
        cuts = CUTS if self.cuts is None else self.cuts
        options: dict[str, Any] = {
            "split": list(self.split), "width": self.width, "input_width": self.width,
            "window": self.width, "strands": "split", "label_width": self.width,
            "require_label": True,
        }  # fmt: skip

        def run(output: Path, _: bool) -> None:  # noqa: FBT001
            table = output.with_name(f".{output.name}.labels.tsv")
            table.write_text("".join(f"{name}\t{path}\n" for name, path in self.labels.items()))
            try:
                kmerengine.dataset(
                    self.regions, output=output, genome=self.genome, cuts=self.folder / cuts,
                    labels=[table], progress=self.progress, **options,
                )  # fmt: skip
            finally:
                table.unlink()

        inputs = {f"label {name}": path for name, path in self.labels.items()}
        return Stage(
            name="dataset", output=DATA, run=run,
            inputs={"genome": self.genome, "regions": self.regions, "cuts": cuts, **inputs},
            parameters=options | {"labels": list(self.labels)},
        )  # fmt: skip

    def _train(self, name: str) -> Stage:
        config = self.config.changed({"network": {"inputs": name}})

        def run(output: Path, resume: bool) -> None:  # noqa: FBT001
            from modelkit.training.run import ABOUT
            from modelkit.training.train import train

            goes_on = resume and (output / ABOUT).exists()
            train(
                config, self.folder / DATA, output, device=self.device, threads=self.threads,
                resume=goes_on, force=resume and not goes_on, reporter=self.reporter,
            )  # fmt: skip

        return Stage(
            name=f"train {name}", output=f"runs/{name}", run=run, inputs={"data": DATA},
            parameters={"config": config.model_dump(mode="json")}, resumable=True,
        )  # fmt: skip

    def _scan(self, motifs: Path) -> Stage:
        options: dict[str, Any] = {
            "names": sorted(set(self.motif_of.values())), "p": 1e-4, "q": Q,
        }  # fmt: skip

        def run(output: Path, _: bool) -> None:  # noqa: FBT001
            kmerengine.scan(
                self.genome, motifs, self.regions, output=output, threads=self.threads,
                progress=self.progress, **options,
            )  # fmt: skip

        return Stage(
            name="scan", output=HITS, run=run,
            inputs={"genome": self.genome, "motifs": motifs, "regions": self.regions},
            parameters=options,
        )  # fmt: skip

    def _compare(self) -> Stage:
        runs = {name: f"runs/{name}" for name in self.networks}
        inputs: dict[str, str | Path] = {"data": DATA, **runs}
        if self.motifs is not None:
            inputs["hits"] = HITS
        if self.peaks is not None:
            inputs["peaks"] = self.peaks

        def run(output: Path, _: bool) -> None:  # noqa: FBT001
            from modelkit.inference.compare import compare

            with_hits: dict[str, Any] = {}
            if self.motifs is not None:
                with_hits = {"hits": self.folder / HITS, "motifs": self.motif_of, "q": Q,
                             "peaks": self.peaks}  # fmt: skip
            compare(
                {name: self.folder / path for name, path in runs.items()}, self.folder / DATA,
                output, within_regions=self.peaks, device=self.device, figure=self.figure,
                **with_hits,
            )  # fmt: skip

        return Stage(
            name="compare", output=COMPARED, run=run, inputs=inputs,
            parameters={"motif_of": self.motif_of, "figure": self.figure},
        )  # fmt: skip

    def _attribute(self, factor: str) -> Stage:
        options: dict[str, Any] = {
            "method": "ig", "targets": [factor], "labelled": factor, "at_least": self.at_least,
            "steps": self.steps,
        }  # fmt: skip

        def run(output: Path, resume: bool) -> None:  # noqa: FBT001
            from modelkit.interpretation.attribution.attribute import attribute

            attribute(
                self.folder / "runs/both", self.folder / DATA, output, device=self.device,
                resume=resume, progress=self.progress, **options,
            )  # fmt: skip

        return Stage(
            name=f"attribute {factor}", output=f"scores/{_file(factor)}", run=run,
            inputs={"data": DATA, "run": "runs/both"}, parameters=options, resumable=True,
        )  # fmt: skip

    def _figure(self, factor: str) -> Stage:
        scores = f"scores/{_file(factor)}"

        def run(output: Path, _: bool) -> None:  # noqa: FBT001
            from modelkit.interpretation.signals.signals import signals

            signals(self.folder / scores, self.folder / DATA, output)

        return Stage(
            name=f"figure {factor}", output=f"figures/{_file(factor)}.{self.figure}", run=run,
            inputs={"data": DATA, "scores": scores},
        )  # fmt: skip


def _file(factor: str) -> str:
    """What the outputs of a factor are called: a name that every file system takes."""
    return file_names((factor,), "")[0]
