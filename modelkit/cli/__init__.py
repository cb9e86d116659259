"""The `modelkit` command."""

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kmerengine")
def main() -> None:
    """Models of regulatory DNA on the data sets that kmerengine makes. No command yet."""
