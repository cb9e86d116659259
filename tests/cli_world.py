"""What tests of the commands share: inputs, and runs of `kmerengine`."""

from pathlib import Path

from click.testing import CliRunner, Result

from kmerengine.cli import main

GENOME = (
    ">chr1 first\nACGTACGTNNACGATCGATCGATCAGCTAGCATCGACTAG\n>chr2\nACGATCGACTACGACGACTACGACTACG\n"
)
REGIONS = "chr1\t0\t40\ta\t5\t+\nchr2\t2\t27\tb\t.\t-\nchr1\t30\t34\tc\t7\t.\n"


def run(line: str) -> Result:
    return CliRunner().invoke(main, line.split())


def done(line: str) -> Result:
    result = run(line)
    assert result.exit_code == 0, result.stderr
    return result


def names(folder: str = ".") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())
