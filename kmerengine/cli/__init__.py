"""The `kmerengine` command: one file per sub-command, imported when it is called."""

import click

from kmerengine.cli._group import Commands

COMMANDS = {
    "count": "Count gapped k-mers per region, per record, or in total.",
    "cuts": "Count Tn5 cut sites per base, strand and sample.",
    "dataset": "Join regions, genome, cuts and labels into a training data set.",
    "deepsea": "Make a training data set of DeepSEA's files.",
    "profiles": "Cut out regions x samples x bp of cut sites.",
    "qc": "Measure the quality of ATAC-seq samples.",
    "sample": "Choose negatives that match positives.",
    "scan": "Find motif instances in a genome or its regions.",
    "simulate": "Make data sets whose truth is known.",
    "vocab": "Write a vocabulary: id, word, wildcards.",
}


@click.group(
    cls=Commands,
    package=__name__,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="kmerengine")
def main() -> None:
    """Gapped k-mer counts and Tn5 cut profiles for ATAC-seq, in Arrow and Parquet."""
