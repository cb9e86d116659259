"""From a genome, motifs and ChIP-seq peaks to the context that binding needs (AgentBind).

    scans/NAME.parquet        instances of the factor's motif
    samples/SETTING/NAME      bound ones and unbound ones that match them
    data/SETTING/NAME         the same as a data set
    pretrained                a run of many labels, where their data are given
    runs/SET/NAME             trained on, from that run or from nothing
    scratch/SET/NAME          trained from nothing, to compare with
    evaluations/SET/NAME      how well a run tells bound from unbound, beside what it must beat
    cross/SET                 each run on each factor's data; GC against auROC
    scores/SET/NAME           contribution of each base of the bound sites
    kmers/CORE, aggregate/CORE    context k-mers of all settings, mean scores around the core
    summary.parquet           one row per factor and set

A set is a setting of the sampling (baseline, gc, accessibility); with the core motif blocked,
SETTING-blocked. Each is a stage of `modelkit.pipelines.stages`: pipeline.json says what it was made
of, and what is done is not made again.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from kmerengine.errors import InputError
from kmerengine.io.tables import TableReader
from kmerengine.sampling.sites import Setting
from modelkit.config_files import read_config
from modelkit.figures import Format
from modelkit.pipelines.agentbind_options import SETTINGS, Core
from modelkit.pipelines.agentbind_stages import SUMMARY, AgentBindStages
from modelkit.pipelines.files import Files, absolute, by_name
from modelkit.pipelines.stages import Outcome, Say, run_stages

__all__ = ["AgentBindPipeline", "pipeline_agentbind"]

MODELS = ("danq", "deepsea")


class AgentBindPipeline(NamedTuple):
    """What was made.

    Attributes
    ----------
    path : Path
    stages : list of Outcome
        What became of each stage.
    summary : pyarrow.Table or None
        One row per factor and set; None of a dry run.
    """

    path: Path
    stages: list[Outcome]
    summary: pa.Table | None

    def lines(self) -> list[str]:
        """The summary as a table for people."""
        if self.summary is None:
            return []
        found = [f"{'factor':<16}{'setting':<16}{'core':<9}{'auROC':>8}{'auPRC':>8}{'pAUC':>8}"
                 f"{'gain':>9}  best word"]  # fmt: skip
        for row in self.summary.to_pylist():
            numbers = "".join(
                f"{'-' if row[k] is None else format(row[k], '.3f'):>8}"
                for k in ("auroc", "auprc", "pauc")
            )
            gain = "-" if row["gain"] is None else f"{row['gain']:+.3f}"
            word = "-" if row["kmer"] is None else f"{row['kmer']} {row['bonferroni']:.1e}"
            found.append(f"{row['name']:<16}{row['setting']:<16}{row['core']:<9}{numbers}"
                         f"{gain:>9}  {word}")  # fmt: skip
        return found


def pipeline_agentbind(
    genome: str | Path,
    motifs: str | Path,
    chip: Files,
    output: str | Path,
    *,
    accessible: str | Path | None = None,
    settings: Sequence[Setting] = SETTINGS,
    cores: Sequence[Core] = ("kept",),
    motif_of: Mapping[str, str] | None = None,
    p: float = 1e-4,
    background: str = "genome",
    width: int = 1000,
    split: Sequence[str] = ("agentbind",),
    model: str = "danq",
    preset: str | None = None,
    changes: Sequence[str] = (),
    start: str | Path | None = None,
    pretrain: str | Path | None = None,
    class_of: Mapping[str, str] | None = None,
    accessibility_class: str | None = None,
    scratch: bool = False,
    method: Literal["gradcam", "saliency", "ism", "deeplift"] = "gradcam",
    unbound: bool = False,
    tss: str | Path | None = None,
    seed: int = 0,
    figure: Format = "png",
    device: str = "auto",
    threads: int | None = None,
    dry_run: bool = False,
    say: Say | None = None,
    reporter: Any = None,
    progress: Callable[[int, int], None] | None = None,
) -> AgentBindPipeline:
    """Run all of AgentBind (Zheng et al. 2021), stage by stage; what is done is not made again.

    Parameters
    ----------
    genome : path
        FASTA.
    motifs : path
        A motif file with a motif of each factor.
    chip : dict of str to path, or sequence of paths
        ChIP-seq peaks of each factor; or region files, folders of them and tables of name and file.
    output : path
        The pipeline's folder: a new one, or one of before, which is gone on with.
    accessible : path, optional
        Open chromatin, for the setting "accessibility".
    settings : sequence of "baseline", "gc" or "accessibility"
        As of `kmerengine.sample_sites`.
    cores : sequence of "kept" or "blocked"
        Whether networks see the core motif.
    motif_of : dict of str to str, optional
        The motif of a factor, where it is not called as the factor.
    p : float
        Largest p-value of a motif instance.
    background : str
        Of scores and p-values, as of `kmerengine.scan`.
    width : int
        bp of the windows around motifs.
    split : sequence of str
        Rule of training, validation and test; "agentbind" is chr8 and chr9.
    model, preset, changes
        As of `read_config`: "danq" or "deepsea".
    start : path, optional
        A run to begin with: its convolutions (and LSTM), with new dense layers.
    pretrain : path, optional
        Or a data set of many labels, on which such a run is trained first.
    class_of : dict of str to str, optional
        Class of the pretrained run that is the factor, to compare with; by default that of the
        factor's name, if there is one.
    accessibility_class : str, optional
        Class of the pretrained run that is accessibility, to compare with.
    scratch : bool
        Train each network from nothing, too, to compare with.
    method : str
        Of attributions.
    unbound : bool
        Score unbound sites, too; mean scores are then of both.
    tss : path, optional
        GTF, GFF3 or BED of transcription start sites: context k-mers of proximal and of distal
        sites, beside those of all.
    seed : int
        Of samples and networks; of networks `changes` may have another.
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
        Options that do not go together, a factor without a motif, and what the stages raise.
    """
    if model not in MODELS:
        raise InputError(f"model: found {model!r}, expected {' or '.join(MODELS)}")
    plan = AgentBindStages(
        genome=Path(genome).absolute(), motifs=Path(motifs).absolute(),
        chip=by_name(chip), accessible=absolute(accessible),
        settings=tuple(settings), cores=tuple(cores), motif_of=dict(motif_of or {}), p=p,
        background=background, width=width, split=tuple(split), config=read_config(
            model=model, preset=preset, changes=[f"training.seed={seed}", *changes]
        ),
        start=absolute(start), pretrain=absolute(pretrain),
        class_of=dict(class_of or {}), accessibility_class=accessibility_class, scratch=scratch,
        method=method, unbound=unbound, tss=absolute(tss),
        seed=seed, figure=figure, device=device, threads=threads, reporter=reporter,
        progress=progress, folder=Path(output).absolute(),
    )  # fmt: skip
    plan.check()
    asked = {"names": list(plan.chip), "settings": list(settings), "cores": list(cores)}
    outcomes = run_stages(
        plan.stages(), output, name="agentbind", parameters=asked, dry_run=dry_run, say=say
    )
    path = Path(output)
    summary = None if dry_run else TableReader(path / SUMMARY).read()
    return AgentBindPipeline(path, outcomes, summary)
