"""GTF and GFF3 files and their start sites, against values written by hand."""

import gzip
import random
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pysam
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kmerengine.errors import InputError
from kmerengine.io.gtf import Feature, read_features
from kmerengine.tss import TRANSCRIPTS, StartSites, read_tss

# Two genes in the styles of four sources: one on plus with two transcripts, one on minus; the
# second transcript has two exons.
GENCODE_GTF = """\
##description: two genes
chr1\tHAVANA\tgene\t101\t900\t.\t+\t.\tgene_id "G1.2"; gene_type "protein_coding"; \
gene_name "AB; C";
chr1\tHAVANA\ttranscript\t101\t900\t.\t+\t.\tgene_id "G1.2"; transcript_id "T1.1"; \
gene_type "protein_coding"; gene_name "AB; C"; transcript_type "protein_coding"; level 2; \
tag "basic"; tag "CCDS";
chr1\tHAVANA\texon\t101\t200\t.\t+\t.\tgene_id "G1.2"; transcript_id "T1.1";
chr1\tHAVANA\ttranscript\t151\t900\t.\t+\t.\tgene_id "G1.2"; transcript_id "T2.1"; \
gene_type "protein_coding"; gene_name "AB; C"; transcript_type "retained_intron";
chr1\tHAVANA\texon\t700\t900\t.\t+\t.\tgene_id "G1.2"; transcript_id "T2.1";
chr1\tHAVANA\texon\t151\t200\t.\t+\t.\tgene_id "G1.2"; transcript_id "T2.1";
chr2\tENSEMBL\tgene\t51\t60\t.\t-\t.\tgene_id "G2.1"; gene_type "lncRNA"; gene_name "D";
chr2\tENSEMBL\ttranscript\t51\t60\t.\t-\t.\tgene_id "G2.1"; transcript_id "T3.1"; \
gene_type "lncRNA"; gene_name "D"; transcript_type "lncRNA";
chr2\tENSEMBL\texon\t51\t54\t.\t-\t.\tgene_id "G2.1"; transcript_id "T3.1";
chr2\tENSEMBL\texon\t58\t60\t.\t-\t.\tgene_id "G2.1"; transcript_id "T3.1";
"""
GENCODE_GFF3 = """\
##gff-version 3
chr1\tHAVANA\tgene\t101\t900\t.\t+\t.\tID=G1.2;gene_id=G1.2;gene_type=protein_coding;\
gene_name=AB%3B C
chr1\tHAVANA\ttranscript\t101\t900\t.\t+\t.\tID=T1.1;Parent=G1.2;gene_id=G1.2;transcript_id=T1.1;\
gene_type=protein_coding;gene_name=AB%3B C;transcript_type=protein_coding;tag=basic,CCDS
chr1\tHAVANA\ttranscript\t151\t900\t.\t+\t.\tID=T2.1;Parent=G1.2;gene_id=G1.2;transcript_id=T2.1;\
gene_type=protein_coding;gene_name=AB%3B C;transcript_type=retained_intron
###
chr2\tENSEMBL\tgene\t51\t60\t.\t-\t.\tID=G2.1;gene_id=G2.1;gene_type=lncRNA;gene_name=D
chr2\tENSEMBL\ttranscript\t51\t60\t.\t-\t.\tID=T3.1;Parent=G2.1;gene_id=G2.1;transcript_id=T3.1;\
gene_type=lncRNA;gene_name=D;transcript_type=lncRNA
"""
ENSEMBL_GFF3 = """\
##gff-version 3
chr1\tensembl\tchromosome\t1\t1000\t.\t.\t.\tID=chromosome:1
chr1\tensembl\tmRNA\t101\t900\t.\t+\t.\tID=transcript:T1.1;Parent=gene:G1.2;biotype=protein_coding
chr1\tensembl\tgene\t101\t900\t.\t+\t.\tID=gene:G1.2;Name=AB%3B C;biotype=protein_coding
chr1\tensembl\ttranscript\t151\t900\t.\t+\t.\tID=transcript:T2.1;Parent=gene:G1.2;\
biotype=retained_intron;transcript_id=T2.1
chr2\tensembl\tncRNA_gene\t51\t60\t.\t-\t.\tID=gene:G2.1;Name=D;biotype=lncRNA;gene_id=G2.1
chr2\tensembl\tlnc_RNA\t51\t60\t.\t-\t.\tID=transcript:T3.1;Parent=gene:G2.1;biotype=lncRNA
"""
REFSEQ_GFF3 = """\
##gff-version 3
chr1\tBestRefSeq\tgene\t101\t900\t.\t+\t.\tID=gene-G1.2;gene=AB%3B C;gene_biotype=protein_coding
chr1\tBestRefSeq\tmRNA\t101\t900\t.\t+\t.\tID=rna-T1.1;Parent=gene-G1.2;gene=AB%3B C
chr1\tBestRefSeq\ttranscript\t151\t900\t.\t+\t.\tID=rna-T2.1;Parent=gene-G1.2;\
transcript_biotype=retained_intron
chr2\tGnomon\tgene\t51\t60\t.\t-\t.\tID=gene-G2.1;gene=D;gene_biotype=lncRNA
chr2\tGnomon\tlnc_RNA\t51\t60\t.\t-\t.\tID=rna-T3.1;Parent=gene-G2.1
##FASTA
>chr1
ACGT
"""
STYLES = {
    "gencode.gtf": GENCODE_GTF,
    "gencode.gff3": GENCODE_GFF3,
    "ensembl.gff3": ENSEMBL_GFF3,
    "refseq.gff3": REFSEQ_GFF3,
    "crlf.gtf": GENCODE_GTF.replace("\n", "\r\n"),
    "crlf.gff3": REFSEQ_GFF3.replace("\n", "\r\n"),
}
T1 = ("chr1", 100, "+", "T1.1", "G1.2", "AB; C")
T2 = ("chr1", 150, "+", "T2.1", "G1.2", "AB; C")
T3 = ("chr2", 59, "-", "T3.1", "G2.1", "D")
G1 = ("chr1", 100, "+", "G1.2", "G1.2", "AB; C")
G2 = ("chr2", 59, "-", "G2.1", "G2.1", "D")


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(sites: StartSites) -> list[tuple]:
    return [
        (
            sites.contig_names[sites.contig[i]],
            int(sites.position[i]),
            sites.strand[i].decode(),
            sites.name[i],
            sites.gene_id[i],
            sites.gene_name[i],
        )
        for i in range(len(sites))
    ]


@pytest.mark.parametrize("style", list(STYLES))
def test_the_same_genes_in_every_style(tmp_path, style):
    path = write(tmp_path / style, STYLES[style])
    sites = read_tss(path)
    assert rows(sites) == [T1, T2, T3]
    assert sites.skipped == {}
    assert sites.contig_names == ("chr1", "chr2")
    assert (sites.contig.dtype, sites.position.dtype) == (np.int32, np.int64)
    assert sites.strand.dtype == np.dtype("S1")
    assert rows(read_tss(path, by="gene")) == [G1, G2]
    assert rows(read_tss(path, by="gene", types=TRANSCRIPTS)) == [G1, G2]
    assert read_tss(path, unique=True).skipped == {}

    coding = read_tss(path, biotypes={"protein_coding"})
    assert rows(coding) == [T1]
    assert coding.skipped == {"other biotype": 2}
    genes = read_tss(path, by="gene", biotypes={"lncRNA", "x"})
    assert rows(genes) == [G2]
    assert genes.skipped == {"other biotype": 1}


def test_plain_gzip_and_bgzip(tmp_path):
    plain = write(tmp_path / "a.gtf", GENCODE_GTF)
    zipped = write(tmp_path / "a.gtf.gz", gzip.compress(GENCODE_GTF.encode()))
    blocked = tmp_path / "b.gtf.gz"
    pysam.tabix_compress(str(plain), str(blocked))
    assert list(read_features(zipped)) == list(read_features(blocked))
    assert list(read_features(zipped)) == list(read_features(plain))
    with pytest.raises(InputError, match="truncated"):
        read_tss(write(tmp_path / "c.gz", zipped.read_bytes()[:-20]))


def test_features_written_by_hand(tmp_path):
    content = (
        "\ufefftrack name=x\n#c\n\n \t\r\n"
        'chr1\ts\tgene\t1\t1\t.\t-\t.\tgene_id G1 ; note "a; b=\\"c\\"";;flag; n 2; # comment\n'
        "track\ts\tgene\t5\t9\t.\t?\t.\n"
        "a%20b\ts\texon\t2\t4\t0.5\t.\t0\t Parent=T1,T2%2C3 ; Na%20me =x%3By;odd;=;Note=a=b\r\n"
        'chr2\ts\tCDS\t7\t8\t.\t+\t.\tgene_id""; tag "a"; tag "b"\n'
        ">chr1\nACGT\n"
    )
    path = write(tmp_path / "a", content)
    seen: Counter[str] = Counter()
    expected = [
        Feature("chr1", "gene", 0, 1, "-",
                {"gene_id": ["G1"], "note": ['a; b=\\"c\\"'], "flag": [""], "n": ["2"]}, 5),
        Feature("track", "gene", 4, 9, "?", {}, 6),
        Feature("a b", "exon", 1, 4, ".",
                {"Parent": ["T1", "T2,3"], "Na me": ["x;y"], "odd": [""], "Note": ["a=b"]}, 7),
        Feature("chr2", "CDS", 6, 8, "+", {"gene_id": [""], "tag": ["a", "b"]}, 8),
    ]  # fmt: skip
    assert list(read_features(path, seen=seen)) == expected
    assert seen == {"gene": 2, "exon": 1, "CDS": 1}
    assert list(read_features(path, types={"exon", "CDS"})) == expected[2:]


def test_parts_are_put_together(tmp_path):
    path = write(tmp_path / "a", GENCODE_GTF)
    by_exon = read_tss(path, types={"exon"})  # their lines name no gene
    assert [row[:5] for row in rows(by_exon)] == [row[:5] for row in (T1, T2, T3)]
    assert [row[:5] for row in rows(read_tss(path, by="gene", types={"exon"}))] == [G1[:5], G2[:5]]
    assert rows(read_tss(path, by="gene", types={"transcript"})) == [G1, G2]
    reverse = GENCODE_GTF.replace("\t+\t", "\t-\t")
    found = read_tss(write(tmp_path / "b", reverse), types={"exon"})
    assert found.position.tolist() == [199, 899, 59]

    exons = "".join(
        f"c\ts\texon\t{start}\t{start + 9}\t.\t-\t.\tID=e{start};Parent={parent}\n"
        for start, parent in ((100, "t1"), (300, "t2"), (200, "t1"), (10, "t2"))
    )
    path = write(tmp_path / "c", exons)
    assert [row[1:5] for row in rows(read_tss(path, types={"exon"}))] == [
        (208, "-", "t1", ""),
        (308, "-", "t2", ""),
    ]
    of_genes = read_tss(path, by="gene", types={"exon"})  # Parent is a transcript
    assert (len(of_genes), of_genes.skipped) == (0, {"feature without gene id": 4})


def test_one_name_on_two_contigs_or_strands_is_two(tmp_path):
    lines = [("chrX", "+"), ("chrY", "+"), ("chrX", "-"), ("chrX", "+")]
    content = "".join(
        f'{contig}\ts\t{{}}\t{i + 1}\t{i + 5}\t.\t{strand}\t.\tgene_id "G"; transcript_id "T"\n'
        for i, (contig, strand) in enumerate(lines)
    )
    exons = read_tss(write(tmp_path / "a", content.replace("{}", "exon")), types={"exon"})
    assert exons.position.tolist() == [0, 1, 6]
    whole = read_tss(write(tmp_path / "b", content.replace("{}", "transcript")))
    assert whole.position.tolist() == [0, 1, 6, 3]  # each line is a transcript of its own
    genes = read_tss(write(tmp_path / "c", content.replace("{}", "gene")), by="gene")
    assert genes.position.tolist() == [0, 1, 6, 3]


def test_the_line_of_the_gene_says_what_others_lack(tmp_path):
    content = (
        "c\ts\tmRNA\t5\t9\t.\t+\t.\tID=t1;Parent=g7,g8;Name=t1-name\n"
        "c\ts\tgene\t5\t9\t.\t+\t.\tID=g7;gene_id=FB7;Name=seven;biotype=x\n"
        "c\ts\tmRNA\t6\t9\t.\t+\t.\tID=t2;Parent=g9\n"
    )
    sites = read_tss(write(tmp_path / "a", content))
    assert [row[3:] for row in rows(sites)] == [("t1", "FB7", "seven"), ("t2", "g9", "")]
    assert read_tss(tmp_path / "a", biotypes={"x"}).skipped == {"feature without biotype": 1}


def test_what_is_skipped_is_counted(tmp_path):
    content = (
        'c1\ts\ttranscript\t5\t9\t.\t+\t.\ttranscript_id "a"; transcript_type "x"\n'
        'c1\ts\ttranscript\t5\t8\t.\t+\t.\ttranscript_id "b"; transcript_type "x"\n'
        'c1\ts\ttranscript\t5\t5\t.\t-\t.\ttranscript_id "c"; transcript_type "x"\n'
        'c1\ts\ttranscript\t5\t9\t.\t.\t.\ttranscript_id "d"; transcript_type "x"\n'
        "c1\ts\ttranscript\t7\t9\t.\t+\t.\t\n"
        'c9\ts\ttranscript\t5\t9\t.\t?\t.\ttranscript_id "e"; transcript_type "x"\n'
    )
    path = write(tmp_path / "a", content)
    sites = read_tss(path, unique=True)
    assert [row[:4] for row in rows(sites)] == [
        ("c1", 4, "+", "a"), ("c1", 4, "-", "c"), ("c1", 6, "+", "")
    ]  # fmt: skip
    assert sites.skipped == {"feature without strand": 2, "same site as an earlier one": 1}
    sites = read_tss(path, biotypes={"x"}, contigs={"c0": 5, "c1": 7})
    assert sites.name == ["a", "b", "c"]
    assert (sites.contig_names, sites.contig.tolist()) == (("c0", "c1"), [1, 1, 1])
    assert sites.skipped == {
        "contig not in genome": 1, "feature without strand": 1, "feature without biotype": 1
    }  # fmt: skip


GOOD = 'chr1\ts\ttranscript\t5\t9\t.\t+\t.\ttranscript_id "a"\n'


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("chr1\t5\t9\n", r"found 3 columns \('chr1\\t5\\t9'\), expected 9 separated by tabs"),
        (GOOD.replace("\t", " "), "found 1 column "),
        (GOOD.replace("\n", "\tx\n"), "found 10 columns"),
        (GOOD.replace("\t5\t", "\t0\t"), "found start '0', expected a whole number of bp from 1"),
        (GOOD.replace("\t5\t", "\t-5\t"), "found start '-5'"),
        (GOOD.replace("\t9\t", "\t9.0\t"), "found end '9.0'"),
        (GOOD.replace("\t9\t", f"\t{'9' * 50}\t"), r"found end '9{37}\.\.\.'"),
        (GOOD.replace("\t5\t", "\t\u0665\t"), "found start"),
        (GOOD.replace("\t5\t", "\t10\t"), "start 10 is after end 9"),
        (GOOD.replace("\t+\t", "\tx\t"), "found strand 'x' in column 7"),
        (GOOD.replace("chr1", ""), "found no contig name in column 1"),
        (GOOD.replace('"a"', '"a'), "found attributes 'transcript_id \"a', expected pairs"),
        (GOOD.replace('"a"', '"a" b'), "expected pairs"),
        (GOOD.replace('"a"', 'a"b"'), "expected pairs"),
    ],
)
def test_errors_name_the_line(tmp_path, line, words):
    path = write(tmp_path / "a.gtf", f"#c\n{GOOD}{line}{GOOD}")
    with pytest.raises(InputError, match=words) as error:
        read_tss(path)
    assert str(error.value).startswith(f"{path}: line 3: ")
    assert "\n" not in str(error.value)


def test_lines_of_other_types_need_only_their_columns(tmp_path):
    other = GOOD.replace("transcript", "x").replace("\t5\t", "\tfive\t")
    assert len(read_tss(write(tmp_path / "a", other + GOOD))) == 1
    with pytest.raises(InputError, match="line 1: found start 'five'"):
        list(read_features(tmp_path / "a"))


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("", {}, "holds no features; expected a GTF or GFF3 file with some of type mRNA, trans"),
        (">chr1\nACGT\n", {}, "holds no features"),
        ("##FASTA\n" + GOOD, {}, "holds no features"),
        (GOOD, {"by": "gene"}, r"no feature of type gene; it has transcript \(1\): give an"),
        (GOOD, {"types": {"a", "b"}}, "no feature of type a, b; it has"),
        (GOOD, {"by": "exon"}, "found by='exon', expected 'transcript' or 'gene'"),
        (GOOD, {"contigs": {"1": 9, "2": 9}}, r"none of its contigs \(chr1\) is .* \(1, 2\)"),
        (GOOD, {"contigs": {"chr1": 4}}, r"line 1: found a start site at 5 \(1-based\) of chr1"),
        (None, {}, "no such file"),
        (b"\x00\x01", {}, "not UTF-8 text"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, content, options, words):
    path = tmp_path / "a.gtf"
    if content is not None:
        write(path, content)
    with pytest.raises(InputError, match=words):
        read_tss(path, **options)


WORD = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1)
NAME = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True)
VALUE = st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r\t")).map(str.strip)
FEATURES = st.lists(
    st.tuples(
        NAME,
        NAME,
        st.integers(0, 10**9),
        st.integers(1, 10**9),
        st.sampled_from("+-.?"),
        st.dictionaries(NAME, st.lists(VALUE, min_size=1, max_size=3), max_size=4),
    ),
    max_size=8,
)


def gtf_attributes(attributes):
    pairs = [(key, value) for key, values in attributes.items() for value in values]
    return " ".join(f'{key} "{value}";' for key, value in pairs)


def gff3_attributes(attributes):
    return ";".join(
        f"{quote(key)}={','.join(quote(value) for value in values)}"
        for key, values in attributes.items()
    )


@pytest.mark.parametrize("form", [gtf_attributes, gff3_attributes])
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FEATURES)
@example([("a", "b", 0, 1, "+", {"k": ["", "x;y=z", "#", "%41", "a,b"]})])
def test_what_is_written_is_read(tmp_path, form, features):
    """Any value but, in GTF, one with quotes and backslashes, which the format cannot hold."""
    if form is gtf_attributes:
        features = [
            (*feature[:5], {
                key: [value.translate({34: "'", 92: "/"}) for value in values]
                for key, values in feature[5].items()
            })
            for feature in features
        ]  # fmt: skip
    lines = [
        f"{contig}\ts\t{kind}\t{start + 1}\t{start + length}\t.\t{strand}\t.\t{form(attributes)}\n"
        for contig, kind, start, length, strand, attributes in features
    ]
    path = write(tmp_path / "a", "".join(lines))
    assert list(read_features(path)) == [
        Feature(contig, kind, start, start + length, strand, attributes, line)
        for line, (contig, kind, start, length, strand, attributes) in enumerate(features, 1)
    ]


@pytest.mark.parametrize("style", ["gencode.gtf", "ensembl.gff3", "refseq.gff3"])
def test_mutations_are_rows_or_an_input_error(tmp_path, style):
    """300 damaged copies: bytes changed, removed, doubled; plain and compressed."""
    source = STYLES[style].encode()
    named, n_rows = Counter(), 0
    for seed in range(300):
        chance = random.Random(seed)
        text = bytearray(gzip.compress(source) if seed % 10 == 0 else source)
        for _ in range(chance.randint(1, 4)):
            at, n = chance.randrange(len(text)), chance.randint(1, 12)
            match chance.randrange(4):
                case 0:
                    text[at] = chance.randrange(256)
                case 1:
                    text[at] = chance.choice(b'\t\n";=# >.+-9%\\')
                case 2:
                    del text[at : at + n]
                case 3:
                    text[at:at] = text[at : at + n]
        path = write(tmp_path / "a", bytes(text))
        try:
            sites = read_tss(path, by=chance.choice(["gene", "transcript"]))
        except InputError as error:
            named[str(error).startswith(f"{path}: ") and "\n" not in str(error)] += 1
        else:
            assert all(position >= 0 for position in sites.position)
            assert set(sites.strand.tolist()) <= {b"+", b"-"}
            n_rows += 1
    assert named[True] == 300 - n_rows
    assert 30 < n_rows < 270


def test_blocks_of_many_lines(tmp_path):
    """Features of several blocks of text keep their lines and order."""
    lines = [GOOD.replace("\t5\t9", f"\t{i + 1}\t{i + 9}") for i in range(20_000)]
    path = write(tmp_path / "a", "".join(lines))
    assert [(f.start, f.line) for f in read_features(path)] == [(i, i + 1) for i in range(20_000)]
    assert read_tss(path).position.tolist() == list(range(20_000))
