"""The `modelkit` command: one file per sub-command, imported when it is called."""

import click

from kmerengine.cli._group import Commands

COMMANDS = {
    "add-bias": "Give a data set the logits of a Tn5 bias model.",
    "aggregate": "Average a model's scores by their distance from core motifs.",
    "attribute": "Write what each base does to a model's output.",
    "compare": "Compare models of labels on the same examples.",
    "cross": "Measure each of some runs on each of some data sets.",
    "evaluate": "Measure a trained model on data it has not seen.",
    "filters": "Make motifs of what the filters of a network answer to.",
    "footprint": "Predict profiles around motifs in shuffled regions, without bias.",
    "import-weights": "Make a run of the weights that a paper released.",
    "kmer-set": "Tell labels by sets of aligned k-mers, without a network.",
    "kmers": "Test which words are enriched where scores around core motifs are highest.",
    "marginalize": "Predict what motifs add to the totals of shuffled regions.",
    "motifs": "Cluster seqlets to motifs, compare two models, name them.",
    "pipeline": "Run all of a paper's analysis, stage by stage.",
    "mpra": "Compare scores with variants of a reporter assay.",
    "predict": "Write predicted profiles as bigWig, totals or labels as Parquet.",
    "report": "Write one HTML page about a run.",
    "score-lines": "Write scores of bases as AgentBind's text file has them.",
    "select": "List the regions that some models predict better than others.",
    "seqlets": "Find the short stretches of sequence that a model goes by.",
    "signals": "Draw what the bases and cuts of an example did to a prediction.",
    "singletons": "Count rare SNPs where a model's scores are highest.",
    "tomtom": "Name motifs after those of a database.",
    "topics": "Say what the topics of a topic model are, and where they are.",
    "train": "Train a model on a data set.",
    "variants": "Predict how variants change totals and profiles.",
}


@click.group(
    cls=Commands,
    package=__name__,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="kmerengine")
def main() -> None:
    """Models of regulatory DNA on the data sets that kmerengine makes."""
