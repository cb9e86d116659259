"""The stages of the AgentBind pipeline, each with what it is made of."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import kmerengine
from kmerengine import schemas
from kmerengine.io.atomic import atomic
from kmerengine.io.tables import TableReader, write_whole
from kmerengine.sampling.sites import Setting
from modelkit.config import Config
from modelkit.pipelines.agentbind_options import Options
from modelkit.pipelines.stages import Stage

__all__ = ["SUMMARY", "AgentBindStages"]

SUMMARY = "summary.parquet"

SUMMARY_SCHEMA = pa.schema(
    [
        pa.field("setting", pa.string(), nullable=False),
        pa.field("core", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("examples", pa.int64(), nullable=False),  # of the test split, each strand counts
        pa.field("positives", pa.int64(), nullable=False),
        *(pa.field(name, pa.float64()) for name in ("auroc", "auprc", "pauc", "pauc_mcclish")),
        pa.field("best", pa.string()),  # run that is best on these data
        pa.field("gain", pa.float64()),  # of the factor's own run over the best of the others
        pa.field("kmer", pa.string()),  # of the least p among the top windows
        pa.field("odds_ratio", pa.float64()),
        pa.field("bonferroni", pa.float64()),
    ]
)


class AgentBindStages(Options):
    """`Options` that know their stages."""

    def stages(self) -> list[Stage]:
        """In their order."""
        found: list[Stage] = []
        if self.pretrain is not None:
            found.append(self._pretrain())
        for name in self.chip:
            found.append(self._scan(name))
            for setting in self.settings:
                found += [self._sample(name, setting), self._dataset(name, setting)]
        for of in self.sets:
            for name in self.chip:
                if self.scratch:
                    found.append(self._train(of, name, "scratch", None))
                found.append(self._train(of, name, "runs", self.first))
                found.append(self._evaluate(of, name))
                found.append(self._attribute(of, name))
            found.append(self._cross(of))
        for core in self.cores:
            found += [*self._kmers(core), self._aggregate(core)]
        return [*found, self._summary()]

    def _pretrain(self) -> Stage:
        assert self.pretrain is not None  # stages has seen to it
        config = self.config.changed({"data": {"core": "kept"}})
        return self._training("pretrain", "pretrained", config, self.pretrain, None)

    def _scan(self, name: str) -> Stage:
        options: dict[str, Any] = {
            "names": [self.motif_of.get(name, name)], "p": self.p, "background": self.background,
            "strands": "best",
        }  # fmt: skip

        def run(output: Path, _: bool) -> None:  # noqa: FBT001
            kmerengine.scan(
                self.genome, self.motifs, output=output, threads=self.threads,
                progress=self.progress, **options,
            )  # fmt: skip

        return Stage(
            name=f"scan {name}", output=f"scans/{name}.parquet", run=run,
            inputs={"genome": self.genome, "motifs": self.motifs}, parameters=options,
        )  # fmt: skip

    def _sample(self, name: str, setting: Setting) -> Stage:
        hits = f"scans/{name}.parquet"
        inputs: dict[str, str | Path] = {
            "genome": self.genome, "hits": hits, "peaks": self.chip[name],
        }  # fmt: skip
        opened = self.accessible if setting == "accessibility" else None
        if opened is not None:
            inputs["accessible"] = opened
        options: dict[str, Any] = {"setting": setting, "width": self.width, "seed": self.seed}

        def run(output: Path, _: bool) -> None:  # noqa: FBT001
            kmerengine.sample_sites(
                self.genome, self.folder / hits, self.chip[name], output=output, accessible=opened,
                threads=self.threads, progress=self.progress, **options,
            )  # fmt: skip

        output = f"samples/{setting}/{name}"
        return Stage(
            name=f"sample {setting} {name}", output=output, run=run, inputs=inputs,
            parameters=options,
        )  # fmt: skip

    def _dataset(self, name: str, setting: Setting) -> Stage:
        sample = f"samples/{setting}/{name}/regions.parquet"
        options: dict[str, Any] = {"label": name, "split": list(self.split)}

        def run(output: Path, _: bool) -> None:  # noqa: FBT001
            kmerengine.dataset_from_sites(
                self.folder / sample, output=output, genome=self.genome, **options
            )

        return Stage(
            name=f"dataset {setting} {name}", output=f"data/{setting}/{name}", run=run,
            inputs={"genome": self.genome, "sample": sample}, parameters=options,
        )  # fmt: skip

    def _train(self, of: str, name: str, where: str, start: str | Path | None) -> Stage:
        setting, core = self.sets[of]
        config = self.config.changed({"data": {"core": core}})
        what = "train" if where == "runs" else "train from nothing"
        data = f"data/{setting}/{name}"
        return self._training(f"{what} {of} {name}", f"{where}/{of}/{name}", config, data, start)

    def _training(
        self, name: str, output: str, config: Config, data: str | Path, start: str | Path | None
    ) -> Stage:
        inputs: dict[str, str | Path] = {"data": data}
        if start is not None:
            inputs["start"] = start

        def run(output: Path, resume: bool) -> None:  # noqa: FBT001
            from modelkit.training.run import ABOUT
            from modelkit.training.train import train

            goes_on = resume and (output / ABOUT).exists()
            train(
                config, self.folder / data, output, device=self.device, threads=self.threads,
                start=None if start is None else self.folder / start, resume=goes_on,
                force=resume and not goes_on, reporter=self.reporter,
            )  # fmt: skip

        return Stage(
            name=name, output=output, run=run, inputs=inputs,
            parameters={"config": config.model_dump(mode="json")}, resumable=True,
        )  # fmt: skip

    def _evaluate(self, of: str, name: str) -> Stage:
        """The factor's run beside what it must beat, on its own data."""
        setting, _ = self.sets[of]
        data = f"data/{setting}/{name}"
        inputs: dict[str, str | Path] = {"data": data, "run": f"runs/{of}/{name}"}
        if self.scratch:
            inputs["scratch"] = f"scratch/{of}/{name}"
        if self.first is not None:
            inputs["pretrained"] = self.first
        options = {"class": self.class_of.get(name, name), "of": self.accessibility_class}

        def run(output: Path, _: bool) -> None:  # noqa: FBT001
            from modelkit.inference.cross import cross
            from modelkit.training.run import Run

            runs: dict[str, Any] = {name: self.folder / inputs["run"]}
            if self.scratch:
                runs["from nothing"] = self.folder / inputs["scratch"]
            as_class: dict[str, str] = {}
            if self.first is not None:
                learnt = Run.open(self.folder / self.first).about.get("tasks", [])
                for called, wanted in (
                    ("pretrained", options["class"]), ("accessibility", options["of"]),
                ):  # fmt: skip
                    if wanted in learnt or (called == "accessibility" and wanted is not None) or (
                        called == "pretrained" and name in self.class_of
                    ):  # fmt: skip
                        runs[called], as_class[called] = self.folder / self.first, str(wanted)
            cross(
                runs, {name: self.folder / data}, output, as_class=as_class, device=self.device,
                figure=self.figure,
            )  # fmt: skip

        return Stage(
            name=f"evaluate {of} {name}", output=f"evaluations/{of}/{name}", run=run,
            inputs=inputs, parameters=options | {"figure": self.figure},
        )  # fmt: skip

    def _attribute(self, of: str, name: str) -> Stage:
        setting, _ = self.sets[of]
        data, trained = f"data/{setting}/{name}", f"runs/{of}/{name}"
        options: dict[str, Any] = {"method": self.method, "split": "all", "batch_size": 64}
        if not self.unbound:
            options["labelled"] = name

        def run(output: Path, resume: bool) -> None:  # noqa: FBT001
            from modelkit.interpretation.attribution.attribute import attribute

            attribute(
                self.folder / trained, self.folder / data, output, device=self.device,
                resume=resume, progress=self.progress, **options,
            )  # fmt: skip

        return Stage(
            name=f"attribute {of} {name}", output=f"scores/{of}/{name}", run=run,
            inputs={"data": data, "run": trained}, parameters=options, resumable=True,
        )  # fmt: skip

    def _cross(self, of: str) -> Stage:
        setting, _ = self.sets[of]
        inputs: dict[str, str | Path] = {}
        for name in self.chip:
            inputs[f"run {name}"] = f"runs/{of}/{name}"
            inputs[f"data {name}"] = f"data/{setting}/{name}"
            inputs[f"sample {name}"] = f"samples/{setting}/{name}/regions.parquet"

        def run(output: Path, _: bool) -> None:  # noqa: FBT001
            from modelkit.inference.cross import cross

            runs, datasets, samples = (
                {name: self.folder / inputs[f"{what} {name}"] for name in self.chip}
                for what in ("run", "data", "sample")
            )
            cross(
                runs, datasets, output, samples=samples, device=self.device, figure=self.figure,
                progress=self.progress,
            )  # fmt: skip

        return Stage(
            name=f"cross {of}", output=f"cross/{of}", run=run, inputs=inputs,
            parameters={"names": list(self.chip), "figure": self.figure},
        )  # fmt: skip

    def _scores(self, core: str) -> dict[str, str]:
        """Attributions of a kind of core, by SETTING:NAME."""
        return {
            f"{setting}:{name}": f"scores/{of}/{name}"
            for of, (setting, its) in self.sets.items()
            for name in self.chip
            if its == core
        }

    def _kmers(self, core: str) -> list[Stage]:
        """Context k-mers of all sites; and of proximal and distal ones, shown in the same order."""
        scores = self._scores(core)
        parts = ("all",) if self.tss is None else ("all", "proximal", "distal")

        def stage(part: Any) -> Stage:
            options: dict[str, Any] = {"part": part, "figure": self.figure}
            inputs: dict[str, str | Path] = dict(scores)
            like = None if part == "all" else f"kmers/{core}"
            if like is not None and self.tss is not None:
                inputs |= {"like": like, "tss": self.tss}

            def run(output: Path, _: bool) -> None:  # noqa: FBT001
                from modelkit.interpretation.context.kmers import kmers

                kmers(
                    {each: self.folder / path for each, path in scores.items()}, output,
                    tss=None if like is None else self.tss,
                    like=None if like is None else self.folder / like, **options,
                )  # fmt: skip

            name = core if part == "all" else f"{core}-{part}"
            return Stage(
                name=f"kmers {name}", output=f"kmers/{name}", run=run, inputs=inputs,
                parameters=options | {"sets": list(scores)},
            )  # fmt: skip

        return [stage(part) for part in parts]

    def _aggregate(self, core: str) -> Stage:
        scores = self._scores(core)

        def run(output: Path, _: bool) -> None:  # noqa: FBT001
            from modelkit.interpretation.context.aggregate import aggregate

            aggregate(
                {each: self.folder / path for each, path in scores.items()}, output,
                figure=self.figure,
            )  # fmt: skip

        return Stage(
            name=f"aggregate {core}", output=f"aggregate/{core}", run=run, inputs=dict(scores),
            parameters={"figure": self.figure, "sets": list(scores)},
        )  # fmt: skip

    def _summary(self) -> Stage:
        inputs: dict[str, str | Path] = {f"cross {of}": f"cross/{of}" for of in self.sets}
        inputs |= {f"kmers {core}": f"kmers/{core}" for core in self.cores}

        def run(output: Path, _: bool) -> None:  # noqa: FBT001
            document = schemas.provenance("pipeline agentbind", {}, {}) | {
                "format": schemas.PIPELINE_AGENTBIND
            }
            rows = [row for of in self.sets for row in self._rows(of)]
            schema = schemas.with_metadata(SUMMARY_SCHEMA, document)
            with atomic(output) as temporary:
                write_whole(temporary, pa.Table.from_pylist(rows, schema=schema))

        return Stage(
            name="summary", output=SUMMARY, run=run, inputs=inputs,
            parameters={"sets": list(self.sets), "names": list(self.chip)},
        )  # fmt: skip

    def _rows(self, of: str) -> list[dict[str, Any]]:
        setting, core = self.sets[of]
        pairs = TableReader(self.folder / f"cross/{of}/pairs.parquet").read().to_pylist()
        best = TableReader(self.folder / f"cross/{of}/best.parquet").read().to_pylist()
        words = TableReader(self.folder / f"kmers/{core}/kmers.parquet").read()
        first = words.filter(np.asarray(words["rank"]) == 1).to_pylist()
        found = []
        for name, gained in zip(self.chip, best, strict=True):
            own = next(r for r in pairs if r["run"] == r["data"] == name)
            word = next(r for r in first if (r["setting"], r["name"]) == (setting, name))
            row = own | gained | word | {"core": core}
            found.append({field.name: row[field.name] for field in SUMMARY_SCHEMA})
        return found
