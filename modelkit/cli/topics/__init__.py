"""`modelkit topics`: one file per analysis of a topic model, imported when it is called."""

import click

from kmerengine.cli._group import Commands

COMMANDS = {
    "proportions": "How much of each topic peaks, probes or other sequences have.",
}


@click.group(name="topics", cls=Commands, package=__name__, table=COMMANDS)
def command() -> None:
    """Say what the topics of a topic model are, and where they are."""
