"""`modelkit pipeline`: one file per paper, imported when it is called."""

import click

from kmerengine.cli._group import Commands

COMMANDS = {
    "agentbind": "Bound sites of factors and their context, from genome, motifs and peaks.",
    "deepatac": "What cuts add to bases, and what matters, from windows, reads and labels.",
}


@click.group(name="pipeline", cls=Commands, package=__name__, table=COMMANDS)
def command() -> None:
    """Run all of a paper's analysis, stage by stage."""
