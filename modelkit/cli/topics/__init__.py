"""`modelkit topics`: one file per analysis of a topic model, imported when it is called."""

import click

from kmerengine.cli._group import Commands

COMMANDS = {
    "accessibility": "Sum topics over the peaks of a cell type, or compare two.",
    "assignment": "Assign peaks to factors, and compare with ChIP-seq.",
    "clr": "Show log ratios of topics in the peaks that factors bind.",
    "comparison": "Compare the factors found with those of another tool.",
    "cooperation": "Compare a topic in probes of two factors and of their pair.",
    "heatmap": "Show probes by factor, and the topics that carry signal.",
    "kmers": "The k-mers that make each topic, in a matrix and laid on each other.",
    "map": "Map topics to the factors whose probes have most of them.",
    "motifs": "De novo motifs of topics, of the short sequences that have the most of each.",
    "projection": "Lay sequences out in a plane by their topics.",
    "proportions": "How much of each topic peaks, probes or other sequences have.",
    "selection": "Order models by the factors that they found, join the best.",
    "windows": "Write the topics of windows along regions, as BED.",
}


@click.group(name="topics", cls=Commands, package=__name__, table=COMMANDS)
def command() -> None:
    """Say what the topics of a topic model are, and where they are."""
