"""VCF files against pysam, and what is said of damaged ones."""

import gzip
from collections import Counter

import pysam
import pytest

from kmerengine import InputError
from kmerengine.io.vcf import Variant, read_variants

HEAD = (
    "##fileformat=VCFv4.3\n##contig=<ID=chr1,length=1000>\n##contig=<ID=chr2,length=500>\n"
    '##ALT=<ID=DEL,Description="Deletion">\n'
    '##INFO=<ID=END,Number=1,Type=Integer,Description="End">\n'
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
)
NAMES = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\n"
LINES = [
    ("chr1", 1, "rs1", "A", "G"),
    ("chr1", 10, ".", "a", "c,t"),
    ("chr1", 10, ".", "AC", "GT,AT,A,ACC"),
    ("chr1", 20, "x", "C", "*,G"),
    ("chr1", 21, "x", "C", "<DEL>,<*>"),
    ("chr1", 22, "x", "C", "C[chr2:100[,]chr2:100]C"),
    ("chr1", 23, "x", "C", "."),
    ("chr1", 24, "x", "CN", "CA"),
    ("chr1", 25, "x", "C", "Y"),
    ("chr1", 26, "x", "C", "C.,.T"),
    ("chr1", 27, "x", "G", "G,T"),
    ("chr2", 500, "last", "TTT", "ACG"),
]
SKIPPED = {
    "an insertion or deletion": 2,
    "an allele that another variant deletes (ALT is *)": 1,
    "a symbolic allele, such as <DEL>": 2,
    "a breakend": 4,
    "no other allele (ALT is .)": 1,
    "a base other than A C G T in REF or ALT": 2,
    "ALT is REF": 1,
}


def text_of(lines=LINES, end="\n"):
    rows = "".join(f"{c}\t{p}\t{i}\t{r}\t{a}\t.\t.\t.\tGT\t0/1\n" for c, p, i, r, a in lines)
    return (HEAD + NAMES + rows).replace("\n", end)


def write(path, text):
    path.write_bytes(text.encode())
    return path


def read(path):
    skipped, seen = Counter(), Counter()
    return list(read_variants(path, skipped=skipped, seen=seen)), skipped, seen


def test_alleles_are_split_and_counted(tmp_path):
    found, skipped, seen = read(write(tmp_path / "v.vcf", text_of()))
    assert found == [
        Variant("chr1", 0, "rs1", "A", "G", 8),
        Variant("chr1", 9, ".", "A", "C", 9),
        Variant("chr1", 9, ".", "A", "T", 9),
        Variant("chr1", 9, ".", "AC", "GT", 10),
        Variant("chr1", 9, ".", "AC", "AT", 10),
        Variant("chr1", 19, "x", "C", "G", 11),
        Variant("chr1", 26, "x", "G", "T", 18),
        Variant("chr2", 499, "last", "TTT", "ACG", 19),
    ]
    assert skipped == SKIPPED
    assert seen == {"lines": 12, "alleles": len(found) + sum(SKIPPED.values())}


def test_a_breakend_may_lie_at_a_telomere(tmp_path):
    """Position 0, of the format's own example."""
    lines = [("chr1", 0, "bnd_X", "N", ".[chr2:123[,<DUP>"), ("chr1", 1, ".", "A", "C")]
    found, skipped, _ = read(write(tmp_path / "v.vcf", text_of(lines)))
    assert [each.start for each in found] == [0]
    assert skipped == {"a breakend": 1, "a symbolic allele, such as <DEL>": 1}
    with pytest.raises(InputError, match="line 8: found position '0', expected"):
        read(write(tmp_path / "v.vcf", text_of([("chr1", 0, ".", "A", "<DUP>,C")])))


def test_it_is_what_pysam_reads(tmp_path):
    path = write(tmp_path / "v.vcf", text_of())
    expected = []
    with pysam.VariantFile(str(path)) as file:
        for record in file:
            for allele in record.alts or ():
                bases = record.ref.upper(), allele.upper()
                if len(bases[0]) == len(bases[1]) and set("".join(bases)) <= set("ACGT"):
                    expected.append((record.contig, record.start, record.id or ".", *bases))
    expected = [each for each in expected if each[3] != each[4]]
    assert [tuple(each[:5]) for each in read(path)[0]] == expected


def test_compressed_crlf_and_without_a_last_newline_are_the_same(tmp_path):
    plain = read(write(tmp_path / "v.vcf", text_of()))
    (tmp_path / "v.vcf.gz").write_bytes(gzip.compress(text_of().encode()))
    pysam.tabix_compress(str(tmp_path / "v.vcf"), str(tmp_path / "b.vcf.gz"))
    write(tmp_path / "crlf.vcf", text_of(end="\r\n"))
    write(tmp_path / "end.vcf", text_of().rstrip("\n"))
    for name in ("v.vcf.gz", "b.vcf.gz", "crlf.vcf", "end.vcf"):
        assert read(tmp_path / name) == plain, name


def test_five_columns_are_enough(tmp_path):
    for end in ("\n", "\r\n"):
        text = f"#CHROM\tPOS\tID\tREF\tALT{end}1\t5\t.\tA\tC{end}"
        found, _, _ = read(write(tmp_path / "v.vcf", text))
        assert found == [Variant("1", 4, ".", "A", "C", 2)]


def test_a_header_alone_has_no_variants(tmp_path):
    assert read(write(tmp_path / "v.vcf", HEAD + NAMES)) == ([], Counter(), Counter())


LINE = "chr1\t5\t.\tA\tC\t.\t.\t.\tGT\t0/1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no line of column names"),
        (HEAD, "no line of column names"),
        (HEAD + LINE, "line 7: found 'chr1"),
        (NAMES.replace("POS", "START") + LINE, "line 1: found columns"),
        (NAMES + LINE + LINE[:14], "line 3: found 6 columns, expected 10"),
        (NAMES + LINE.replace("\t", " "), "line 2: found 1 column,"),
        (NAMES + LINE.replace("chr1", ""), "line 2: found no contig"),
        *[
            (NAMES + LINE.replace("\t5\t", f"\t{at}\t"), f"line 2: found position '{at}'")
            for at in ("0", "-3", "5.0", "", "1e6", "9" * 17)
        ],
        (NAMES + LINE.replace("\tA\t", "\t\t"), "line 2: found REF ''"),
        (NAMES + LINE.replace("\tA\t", "\tA-\t"), "line 2: found REF 'A-'"),
        (NAMES + LINE.replace("\tC\t", "\tC,\t"), "line 2: found ALT 'C,'"),
        (NAMES + LINE.replace("\tC\t", "\tC$\t"), r"line 2: found ALT 'C\$'"),
        (NAMES + LINE.replace("\tC\t", "\t<>\t"), "line 2: found ALT '<>'"),
        (NAMES + LINE.replace("\tA\t", "\tA\0\t"), "not UTF-8 text"),
    ],
)
def test_damage_is_named_with_its_line(tmp_path, text, message):
    path = write(tmp_path / "v.vcf", text)
    with pytest.raises(InputError, match=message) as error:
        read(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_truncated_compressed_files_are_errors(tmp_path):
    packed = gzip.compress(text_of().encode())
    (tmp_path / "v.vcf.gz").write_bytes(packed[:-20])
    with pytest.raises(InputError, match="truncated"):
        read(tmp_path / "v.vcf.gz")
    write(tmp_path / "v.vcf", text_of())
    pysam.tabix_compress(str(tmp_path / "v.vcf"), str(tmp_path / "b.vcf.gz"))
    (tmp_path / "c.vcf.gz").write_bytes((tmp_path / "b.vcf.gz").read_bytes()[:-28])
    with pytest.raises(InputError, match="truncated"):
        read(tmp_path / "c.vcf.gz")
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "none.vcf")
