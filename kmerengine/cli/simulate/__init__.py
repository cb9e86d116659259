"""`kmerengine simulate`: one file per simulator, imported when it is called."""

from importlib import import_module

import click

COMMANDS = {
    "atac": "An ATAC-seq experiment of several cell types.",
    "gata-tal": "Sequences with GATA1 in the centre and TAL1 around it (AgentBind).",
    "kmers": "Peaks whose motifs come from latent topics, and probes.",
    "koo": "Sequences with motifs of 12 transcription factors (Koo and Eddy).",
    "peaks": "A small genome with planted motifs and peaks.",
}


class Simulators(click.Group):
    """Finds simulators by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        command = import_module(f"{__name__}.{name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(name="simulate", cls=Simulators)
def command() -> None:
    """Make data sets whose truth is known."""
