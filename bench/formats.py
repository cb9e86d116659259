"""The tables of docs/formats.md, from the schemas and docstrings: `python -m bench.formats`.

A column's text is the comment beside it in the source. `FILES` names every schema that a file is
written with; a test holds that it misses none.
"""

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

import pyarrow as pa

from bench.machine import ROOT

PAGE = ROOT / "docs" / "formats.md"
BEGIN, END = "<!-- begin tables -->", "<!-- end tables -->"
SCHEMAS = "kmerengine.schemas"


class File(NamedTuple):
    """A table that is written.

    Attributes
    ----------
    name : str
    schema : str
        Where its schema is, module:name; a schema, or a function that makes it.
    values : tuple
        By position, to the function.
    fixed : tuple of (str, object)
        By name, to the function.
    flags : tuple of str
        Those of its arguments that add columns.
    """

    name: str
    schema: str
    values: tuple[str, ...] = ()
    fixed: tuple[tuple[str, Any], ...] = ()
    flags: tuple[str, ...] = ()


class Command(NamedTuple):
    """What a command writes: tables, and a module whose docstring lists the files of a folder."""

    words: str
    files: list[File]
    folder: str = ""


def _schema(name: str, schema: str, *flags: str, **fixed: Any) -> File:
    module, _, what = schema.rpartition(":")
    return File(name, f"{module or SCHEMAS}:{what}", (), tuple(fixed.items()), flags)


I = "modelkit.interpretation."  # noqa: E741
COMMANDS = [
    Command("kmerengine count GENOME REGIONS", [
        _schema("*.kmers.parquet", "counts_schema", k=8),
        _schema("*.kmers.parquet with --materialize", "counts_schema", k=8, materialized=True),
    ]),
    Command("kmerengine count GENOME", [
        _schema("*.kmers.parquet", "totals_schema", k=8),
        _schema("*.kmers.parquet with --materialize", "totals_schema", k=8, materialized=True),
    ]),
    Command("kmerengine vocab", [_schema("*.parquet", "vocabulary_schema")]),
    Command("kmerengine cuts", [_schema("*.parquet", "cuts_schema")]),
    Command("kmerengine profiles", [_schema("totals.parquet", "profile_totals_schema")],
            "kmerengine.cut_profiles.profile_set"),
    Command("kmerengine qc", [
        _schema("qc.parquet", "qc_schema"),
        _schema("lengths.parquet", "lengths_schema"),
        _schema("aggregate.parquet", "aggregate_schema"),
        _schema("v_plot.parquet", "v_plot_schema"),
    ]),
    Command("kmerengine scan", [
        _schema("*.hits.parquet", "hits_schema", "q", "sequence", "region", "alt_name"),
    ]),
    Command("kmerengine sample", [
        _schema("regions.parquet", "sample_schema", "sites"),
        _schema("bins.parquet", "sample_bins_schema"),
    ]),
    Command("kmerengine dataset", [
        _schema("regions.parquet", "dataset_schema", "labels", "totals", "cores"),
    ], "kmerengine.datasets.folder"),
    Command("kmerengine simulate atac", [
        _schema("sites.parquet", "sites_schema"),
        _schema("peaks.parquet", "simulated_peaks_schema"),
        _schema("cell_types.parquet", "cell_types_schema"),
        _schema("sampling.parquet", "sampling_schema"),
    ], "kmerengine.simulators.atac"),
    Command("kmerengine simulate koo, gata-tal", [
        _schema("sequences.parquet", "sequences_schema"),
        _schema("embedded.parquet", "embedded_schema"),
    ]),
    Command("kmerengine simulate kmers", [
        _schema("peaks.parquet", "peak_topics_schema"),
        _schema("topics.parquet", "topics_schema"),
        _schema("probes.parquet", "probes_schema"),
    ]),
    Command("modelkit train", [], "modelkit.training.run"),
    Command("modelkit predict", [
        File("totals.parquet", f"{SCHEMAS}:predictions_schema", ("total",)),
        File("labels.parquet", f"{SCHEMAS}:predictions_schema", ("logit", "probability")),
    ], "modelkit.inference.predictions"),
    Command("modelkit compare", [
        _schema("by_factor.parquet", "modelkit.inference.compare_tables:FACTORS"),
        _schema("wins.parquet", "modelkit.inference.compare_tables:WINS"),
    ], "modelkit.inference.compare"),
    Command("modelkit cross", [
        _schema("pairs.parquet", "modelkit.inference.cross_tables:PAIRS"),
        _schema("best.parquet", "modelkit.inference.cross_tables:BEST"),
        _schema("gc.parquet", "modelkit.inference.cross_gc:GC"),
    ], "modelkit.inference.cross"),
    Command("modelkit attribute", [
        _schema("regions.parquet", "attributions_schema", "cores", "labels"),
    ], I + "attribution.attributions"),
    Command("modelkit seqlets", [
        _schema("*.parquet", I + "motifs.seqlet_tables:seqlets_schema", motifs=False),
    ]),
    Command("modelkit motifs", [
        _schema("motifs.parquet", I + "motifs.seqlet_tables:motifs_schema"),
        _schema("seqlets.parquet", I + "motifs.seqlet_tables:seqlets_schema", motifs=True),
    ], I + "motifs.motif_set"),
    Command("modelkit tomtom", [
        _schema("matches.parquet", I + "motifs.seqlet_tables:matches_schema"),
    ]),
    Command("modelkit filters", [
        _schema("filters.parquet", I + "filters.filter_set:filters_schema"),
    ], I + "filters.filter_set"),
    Command("modelkit marginalize", [
        _schema("summary.parquet", I + "insertions.marginal_tables:SUMMARY_SCHEMA"),
        _schema("comparison.parquet", I + "insertions.marginal_tables:COMPARISON_SCHEMA"),
        _schema("differences.parquet", I + "insertions.marginal_tables:ALL_SCHEMA"),
    ], I + "insertions.marginalize"),
    Command("modelkit footprint", [
        _schema("footprints.parquet", I + "insertions.footprint_tables:PROFILES_SCHEMA"),
        _schema("depths.parquet", I + "insertions.footprint_tables:DEPTHS_SCHEMA"),
    ], I + "insertions.footprint"),
    Command("modelkit variants", [
        _schema("*.parquet", "variants_schema", "totals", "profiles", "quantiles"),
    ]),
    Command("modelkit select", [_schema("*.parquet", I + "select:SCHEMA")]),
    Command("modelkit kmers", [
        _schema("kmers.parquet", I + "context.kmer_set:kmers_schema"),
    ], I + "context.kmer_set"),
    Command("modelkit aggregate", [
        _schema("profiles.parquet", I + "context.profile_set:profiles_schema"),
    ], I + "context.profile_set"),
    Command("modelkit kmer-set", [
        _schema("kmer_set.parquet", "modelkit.baselines.kmer_set:SCHEMA"),
        _schema("measures.parquet", "modelkit.baselines.kmer_set_run:MEASURES_SCHEMA"),
        _schema("scores.parquet", "modelkit.baselines.kmer_set_run:SCORES_SCHEMA"),
    ]),
    Command("modelkit singletons", [_schema("*.parquet", I + "snps.singletons:SCHEMA")]),
    Command("modelkit mpra", [_schema("*.parquet", I + "snps.mpra:SCHEMA")]),
    Command("modelkit pipeline agentbind", [
        _schema("summary.parquet", "modelkit.pipelines.agentbind_stages:SUMMARY_SCHEMA"),
    ]),
    Command("modelkit topics proportions", [
        _schema("*.parquet", I + "topics.proportions:proportions_schema", regions=True),
    ]),
    Command("modelkit topics map", [_schema("*.parquet", I + "topics.map:SCHEMA")]),
    Command("modelkit topics kmers", [
        _schema("kmers.parquet", I + "topics.topic_kmer_set:kmers_schema"),
        _schema("matrix.parquet", I + "topics.topic_kmer_set:matrix_schema"),
    ], I + "topics.topic_kmer_set"),
    Command("modelkit topics motifs", [
        _schema("topic_motifs.parquet", I + "topics.topic_motif_set:topic_motifs_schema"),
        _schema("oligos.parquet", I + "topics.topic_motif_set:oligos_schema"),
    ], I + "topics.topic_motif_set"),
    Command("modelkit topics selection", [
        _schema("models.parquet", I + "topics.selection:MODELS"),
        _schema("factors.parquet", I + "topics.selection:FACTORS"),
    ]),
    Command("modelkit topics heatmap", [
        _schema("probes.parquet", I + "topics.heatmap:PROBES"),
        _schema("topics.parquet", I + "topics.heatmap:TOPICS"),
    ]),
    Command("modelkit topics cooperation", [
        _schema("groups.parquet", I + "topics.cooperation:SCHEMA"),
    ]),
    Command("modelkit topics accessibility", [
        _schema("topics.parquet", I + "topics.accessibility:SCHEMA"),
    ]),
    Command("modelkit topics comparison", [
        _schema("factors.parquet", I + "topics.comparison:SCHEMA"),
    ]),
    Command("modelkit topics assignment", [
        _schema("peaks.parquet, after the columns of regions", I + "topics.assignment:_PEAK"),
        _schema("chip.parquet", I + "topics.assignment:CHIP"),
    ]),
    Command("modelkit topics windows", [_schema("*.parquet", I + "topics.windows:SCHEMA")]),
    Command("modelkit topics clr", [
        _schema("peaks.parquet, after the columns of regions", I + "topics.clr:_PEAK"),
        _schema("factors.parquet", I + "topics.clr:FACTORS"),
    ]),
    Command("modelkit topics projection", [
        _schema("points.parquet", I + "topics.projection:SCHEMA"),
    ]),
]  # fmt: skip


def schema_of(file: File, *, all_columns: bool = True) -> pa.Schema:
    """The schema that a file is written with, with every column or with those it always has."""
    module, _, name = file.schema.partition(":")
    made = getattr(import_module(module), name)
    if callable(made):
        made = made(*file.values, **dict(file.fixed), **dict.fromkeys(file.flags, all_columns))
    return pa.schema(made)


def comments(source: str) -> dict[str, str]:
    """Of each name in quotes the comment beside it, after that of a line of its own above."""
    found: dict[str, str] = {}
    above, beside, row = "", "", 0
    names: list[str] = []
    alone = True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.start[0] != row:
            row, alone = token.start[0], True
            names, beside = [], ""
        if token.type == tokenize.STRING and re.fullmatch(r"\"\w+\"", token.string):
            names.append(token.string[1:-1])
        if token.type == tokenize.COMMENT:
            beside = token.string.lstrip("# ")
            if beside.startswith("fmt:"):
                continue
            if not names and alone:
                above = f"{above} {beside}".strip()
                continue
        alone = alone and token.type in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT)
        if token.type in (tokenize.NL, tokenize.NEWLINE) and names:
            kept = [each for each in (above, beside) if each and not above.startswith("the rest")]
            kept = kept or [beside]
            for name in names:
                if any(kept):
                    found.setdefault(name, "; ".join(kept))
            above = ""
    return found


def texts(file: File) -> dict[str, str]:
    """What the source says of each column: of its own schema, else of those that all tables use."""
    module, _, name = file.schema.partition(":")
    found: dict[str, str] = {}
    for where, what in ((SCHEMAS, "REGION_COLUMNS CORE_COLUMNS _TOTALS"), (module, name)):
        source = inspect.getsource(import_module(where))
        for node in ast.parse(source).body:
            names = [getattr(each, "id", "") for each in getattr(node, "targets", [])]
            if {*names, getattr(node, "name", "")} & {*what.split()}:
                lines = source.splitlines()[node.lineno - 1 : node.end_lineno]
                found |= comments("\n".join(lines) + "\n")
    return found


def kind(type_: pa.DataType) -> str:
    """A type as people write it."""
    if pa.types.is_dictionary(type_):
        return f"{type_.value_type}, dictionary"
    if pa.types.is_list(type_):
        return f"list of {kind(type_.value_type)}"
    return {"double": "float64", "float": "float32"}.get(str(type_), str(type_))


def summary(file: File) -> str:
    """The first sentence about the table."""
    module, _, name = file.schema.partition(":")
    made = getattr(import_module(module), name)
    text = inspect.getdoc(made) if inspect.isfunction(made) else ""
    return " ".join((text or "").split("\n\n")[0].split())


def table(file: File) -> Iterator[str]:
    """Markdown of a table's columns."""
    known, always = texts(file), schema_of(file, all_columns=False).names
    name, _, more = file.name.partition(" ")
    yield f"**`{name}`** {more}".rstrip()
    if text := summary(file):
        yield ""
        yield text
    yield from ("", "| column | type | |", "|---|---|---|")
    for field in schema_of(file):
        text = known.get(field.name, "")
        parts = [text] if text else []
        if field.name not in always:
            parts.append("*not in every file*")
        if field.nullable and "null" not in text:
            parts.append("may be null")
        text = "; ".join(parts).replace("|", "\\|")
        yield f"| `{field.name}` | {kind(field.type)} | {text} |"
    yield ""


def files_of(module: str) -> list[str]:
    """The lines of a module's docstring that list the files of its folder."""
    text = inspect.getdoc(import_module(module)) or ""
    listed = [
        part
        for part in text.split("\n\n")
        if re.match(r"\s*[\w*]+\.[\w*]+(, [\w*]+\.[\w*]+)? {2,}\S", part)
    ]
    return inspect.cleandoc(listed[0]).splitlines() if listed else []


def tables() -> str:
    """All of it."""
    lines: list[str] = []
    for command in COMMANDS:
        lines += [f"### {command.words}", ""]
        if command.folder and (listed := files_of(command.folder)):
            lines += ["A folder:", "", "```text", *listed, "```", ""]
        for file in command.files:
            lines += table(file)
    return "\n".join(lines).rstrip() + "\n"


def put(page: str, made: str) -> str:
    """`page` with `made` between its markers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n\n{made}\n{END}{after}"


def main() -> None:
    """Write the page's tables again."""
    PAGE.write_text(put(PAGE.read_text(), tables()))


if __name__ == "__main__":
    main()
