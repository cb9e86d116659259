"""Columns of seqlets, of the motifs that they make, and of what motifs are like."""

import pyarrow as pa

__all__ = ["matches_schema", "motifs_schema", "seqlets_schema"]


def _column(name: str, kind: pa.DataType, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable)


def _list_of(kind: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", kind, nullable=False))


def seqlets_schema(*, motifs: bool = False) -> pa.Schema:
    """Stretches of significant attributions, by example, target and end; with their motifs."""
    placed = [
        _column("model", pa.dictionary(pa.int32(), pa.string())),
        _column("motif", pa.dictionary(pa.int32(), pa.string())),
        _column("offset", pa.int32()),  # bp: first base, on the motif's strand, from its start
        _column("strand", pa.dictionary(pa.int8(), pa.string())),  # + -: of the motif here
        _column("motif_start", pa.int64()),  # bp: where the whole motif lies in the genome
        _column("motif_end", pa.int64()),  # bp, exclusive
    ]
    return pa.schema(
        [
            _column("chrom", pa.dictionary(pa.int32(), pa.string())),
            _column("start", pa.int64()),  # bp, 0-based
            _column("end", pa.int64()),  # bp, exclusive
            _column("target", pa.dictionary(pa.int32(), pa.string())),
            _column("example", pa.int64()),  # of the attributions, 0-based
            _column("row", pa.int64()),  # of the data set, 0-based
            _column("position", pa.int32()),  # first base in the sequence
            _column("sign", pa.int8()),  # of its attributions: 1 or -1
            _column("significant", pa.int32()),  # bases beyond the cut-off
            _column("score", pa.float64()),  # largest hypothetical score of the seqlet's sign
            _column("sequence", pa.string()),
            # hypothetical scores over `score`: of A C G T at the first base, then at the next
            _column("contributions", _list_of(pa.float32())),
            *(placed if motifs else []),
        ]
    )


def motifs_schema() -> pa.Schema:
    """Clusters of seqlets, the largest first; lists go by the document's `models`."""
    number, share = pa.int64(), pa.float64()
    return pa.schema(
        [
            _column("motif", pa.string()),
            _column("length", pa.int32()),  # bp
            _column("consensus", pa.string()),
            _column("seqlets", number),
            _column("positive", share),  # share of them that raise the output
            _column("seqlets_by_model", _list_of(number)),
            _column("count", _list_of(number)),  # in the document's unit, see `count`
            _column("of", _list_of(number)),
            # one-sided Fisher tests, of two models: each against the other
            _column("p", _list_of(share), nullable=True),
            _column("p_bonferroni", _list_of(share), nullable=True),  # times the motifs, to 1
            _column("enriched", _list_of(pa.bool_()), nullable=True),
            # the nearest motif of a database, if its q-value is small enough
            _column("match", pa.string(), nullable=True),
            _column("match_alt_name", pa.string(), nullable=True),
            _column("match_p", share, nullable=True),
            _column("match_q", share, nullable=True),
            # of A C G T at the first position, then at the next
            _column("cwm", _list_of(pa.float64())),  # average contributions
            _column("pfm", _list_of(share)),  # its positive part, by position
            _column("counts", _list_of(number)),  # bases of the seqlets
        ]
    )


def matches_schema() -> pa.Schema:
    """Motifs of a database that queries are like, by query, then by p-value."""
    return pa.schema(
        [
            _column("query", pa.string()),
            _column("target", pa.string()),
            _column("target_alt_name", pa.string()),  # "" where there is none
            _column("p", pa.float64()),  # of the best alignment, for the number of alignments
            _column("e", pa.float64()),  # p times the targets: as good ones expected by chance
            _column("q", pa.float64()),  # Benjamini-Hochberg, over the targets of one query
            _column("score", pa.float64()),
            # the target's position that lies on the query's first; below 0 the query starts first
            _column("offset", pa.int32()),
            _column("overlap", pa.int32()),  # positions
            _column("strand", pa.dictionary(pa.int8(), pa.string())),  # + -: of the target
        ]
    )
