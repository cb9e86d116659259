"""Motif files of each format, as text."""

from kmerengine import read_motifs

MINIMAL = """MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.3 C 0.2 G 0.2 T 0.3

MOTIF MA0001.1 Alpha
letter-probability matrix: alength= 4 w= 3 nsites= 17 E= 4.1e-009
 0.500000  0.250000  0.125000  0.125000
 0.000000  1.000000  0.000000  0.000000
 0.1\t0.2\t0.3\t0.4

URL http://example.org/MA0001.1

MOTIF Beta
letter-probability matrix:
1 0 0 0
0 0 0 1
"""

FULL = """********************************************************************************
MEME - Motif discovery tool
********************************************************************************
MEME version 5.4.1 (Release date: Sat Aug 21 19:23:23 2021 -0700)

TRAINING SET
PRIMARY SEQUENCES= crp0.s
ALPHABET= ACGT
Sequence name            Weight Length  Sequence name            Weight Length
ce1cg                    1.0000    105  ara                      1.0000    105

Letter frequencies in dataset:
A 0.304 C 0.196 G 0.196 T 0.304
Background letter frequencies (from file dataset with add-one prior applied):
A 0.304 C 0.196 G 0.196 T 0.304
Background model order: 0

MOTIF TGTGA MEME-1\twidth =   3  sites =  17  llr = 185  p-value = 1.9e-020  E-value = 4.1e-009

\tMotif TGTGA MEME-1 Description
Simplified        A  :::
pos.-specific     C  ::1

\tMotif TGTGA MEME-1 position-specific scoring matrix
--------------------------------------------------------------------------------
log-odds matrix: alength= 4 w= 3 n= 1566 bayes= 6.65685 E= 4.1e-009
  -200    -73  -1073    107
 -1073  -1073    222  -1073
  -200  -1073  -1073    154
--------------------------------------------------------------------------------

\tMotif TGTGA MEME-1 position-specific probability matrix
--------------------------------------------------------------------------------
letter-probability matrix: alength= 4 w= 3 nsites= 17 E= 4.1e-009
 0.117647  0.117647  0.000000  0.764706
 0.000000  0.000000  1.000000  0.000000
 0.117647  0.000000  0.000000  0.882353
--------------------------------------------------------------------------------

MOTIF  2\twidth =   2  sites =   5  llr = 49  E-value = 1.0e+001
log-odds matrix: alength= 4 w= 2 n= 1566 bayes= 6.6 E= 1
 100 0 -100 -100
 0 0 0 0
"""

JASPAR = """>MA0004.1 Arnt
A  [ 4 19  0  0  0  0 ]
C  [16  0 20  0  0  0 ]
G  [ 0  1  0 20  0 20 ]
T  [ 0  0  0  0 20  0 ]

>MA0006.1\tAhr::Arnt
A  [     3.5      0      0 ]
C  [     8      0     23 ]
G  [     2     23      0 ]
T  [    11      1      1 ]
"""

RAW_JASPAR = """>MA0004.1 Arnt
 4 19  0  0  0  0
16  0 20  0  0  0
 0  1  0 20  0 20
 0  0  0  0 20  0
"""

TRANSFAC = """VV  TRANSFAC MATRIX TABLE, Release 7.0
XX
//
AC  M00001
XX
ID  V$MYOD_01
XX
NA  MyoD
XX
DE  myoblast determination gene product
BF  T00526; MyoD; Species: mouse, Mus musculus.
P0      A      C      G      T
01      1      2      2      0      S
02      2      1      2      0      R
03      3      0      1      1      A
XX
BA  5 functional elements in 3 genes
XX
//
AC MA0002.1
XX
ID RUNX1
XX
PO\tT\tG\tC\tA
1\t4\t3\t2\t1
2\t0.5\t0\t0\t9.5
XX
CC tax_group:vertebrates
XX
//
"""

HOCOMOCO = """>AHR_HUMAN.H11MO.0.B
40.5\t18.25\t56.25\t39.0
10.75\t11.75\t17.5\t114.0
153.0\t0.5\t0.5\t0.0
>TWO
0.25\t0.25\t0.25\t0.25
0\t0\t0.999\t0.001
"""

FILES = {
    "meme": MINIMAL,
    "jaspar": JASPAR,
    "transfac": TRANSFAC,
    "hocomoco": HOCOMOCO,
}


def written(tmp_path, text, name="m.txt"):
    path = tmp_path / name
    path.write_text(text)
    return path


def read(tmp_path, text, **options):
    return read_motifs(written(tmp_path, text), **options)
