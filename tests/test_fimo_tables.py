"""FIMO's own tables, of its versions."""

import gzip
from pathlib import Path

import pytest

from kmerengine import InputError, read_fimo


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A current folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


NEW = (
    "motif_id\tmotif_alt_id\tsequence_name\tstart\tstop\tstrand\tscore\tp-value\tq-value\tmatched_sequence\n"
    "MA1\tArnt\tchr2\t1\t6\t+\t11.2\t2.4e-05\t0.31\tCACGTG\n"
    "MA2\t\tchr1\t101\t107\t-\t-3.5\t1e-4\t\tACACGTG\n"
    "\n# FIMO (Find Individual Motif Occurrences): Version 5.4.1 compiled on Aug 2021\n"
    "# The format of this file is described at https://meme-suite.org/doc/fimo-output-format.html.\n"
)
OLD = (
    "#pattern name\tsequence name\tstart\tstop\tstrand\tscore\tp-value\tq-value\tmatched sequence\n"
    "MA1\tchr2\t1\t6\t+\t11.2\t2.4e-05\t0.31\tCACGTG\n"
    "MA2\tchr1\t101\t107\t-\t-3.5\t1e-4\t\tACACGTG\n"
)
OLDEST = (
    "#pattern name\tsequence name\tstart\tstop\tscore\tp-value\tq-value\tmatched sequence\n"
    "MA1\tchr2\t1\t6\t11.2\t2.4e-05\t0.31\tCACGTG\n"
    "MA2\tchr1\t107\t101\t-3.5\t1e-4\t\tACACGTG\n"
)


@pytest.mark.parametrize("text", [NEW, "# " + NEW, OLD, OLDEST, NEW.replace("\n", "\r\n")])
def test_fimo_tables_of_any_version(text):
    Path("fimo.tsv").write_text(text, newline="")
    rows = read_fimo("fimo.tsv").to_pylist()
    shared = {"chrom": "chr2", "start": 0, "end": 6, "motif": "MA1", "score": 11.2, "strand": "+"}
    assert rows[0] == shared | {
        "p": 2.4e-5, "q": 0.31, "sequence": "CACGTG", "alt_name": "Arnt" if "Arnt" in text else "",
    }  # fmt: skip
    shared = {
        "chrom": "chr1",
        "start": 100,
        "end": 107,
        "motif": "MA2",
        "score": -3.5,
        "strand": "-",
    }
    assert rows[1] == shared | {"p": 1e-4, "q": None, "sequence": "ACACGTG", "alt_name": ""}
    assert len(rows) == 2


def test_fimo_tables_without_some_columns_or_rows():
    lines = ["\t".join(line.split("\t")[:8]) for line in NEW.splitlines()[:3]]
    Path("fimo.txt").write_text("\n".join(lines))
    rows = read_fimo("fimo.txt").to_pylist()
    assert [(row["motif"], row["q"], row["sequence"]) for row in rows] == [
        ("MA1", None, None),
        ("MA2", None, None),
    ]
    Path("fimo.txt.gz").write_bytes(gzip.compress(NEW.splitlines()[0].encode()))
    assert read_fimo("fimo.txt.gz").num_rows == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("chr2\t1\t6", "chr2\t0\t6", "line 2: found start '0', expected a whole number from 1"),
        ("chr2\t1\t6", "chr2\t1\t6.5", r"line 2: found end '6\.5'"),
        ("chr2\t1\t6", "chr2\t1\t" + "9" * 30, "line 2: found end '999"),
        ("11.2", "high", "line 2: found score 'high', expected a number"),
        ("2.4e-05", "nan", "line 2: found p 'nan'"),
        ("\t+\t", "\t*\t", r"line 2: found strand '\*'"),
        ("\t11.2\t2.4e-05\t0.31\tCACGTG", "", "line 2: found 6 columns and no score"),
        ("sequence_name", "sequence", "line 1: found 'motif_id.*expected the header"),
        (NEW, "", "found no header, expected FIMO's table"),
    ],
)
def test_bad_fimo_tables(old, new, message):
    Path("fimo.tsv").write_text(NEW.replace(old, new, 1))
    with pytest.raises(InputError, match=message) as error:
        read_fimo("fimo.tsv")
    assert "\n" not in str(error.value)
