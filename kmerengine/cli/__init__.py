"""The `kmerengine` command: one file per sub-command, imported when it is called."""

import errno
from importlib import import_module
from typing import Any

import click

from kmerengine.cli._signals import unwound_when_ended
from kmerengine.errors import InputError

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


class Commands(click.Group):
    """Finds sub-commands by name and turns InputError into one line and exit status 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        command = import_module(f"kmerengine.cli.{name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with unwound_when_ended():
                return super().invoke(ctx)
        except InputError as error:
            raise click.ClickException(str(error)) from error
        except MemoryError as error:
            raise click.ClickException(f"not enough memory: {error}; use fewer threads") from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # nobody reads our output any more: click ends quietly
                raise
            raise click.ClickException(str(error)) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kmerengine")
def main() -> None:
    """Gapped k-mer counts and Tn5 cut profiles for ATAC-seq, in Arrow and Parquet."""
