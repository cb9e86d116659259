"""A classifier of sequences by sets of aligned k-mers, after KMAC and KSM (Guo et al. 2018).

AgentBind (Zheng et al. 2021) compares itself with it, on the central 61 bp of its sequences with
k from 5 to 13 and the 10 best words of each k as seeds.

What is done of KMAC: exact and gapped k-mers that are enriched in positives by the hypergeometric
test; sets of them, aligned by turns of a matrix and the k-mers themselves, while enrichment grows
(`kmer_align`); for each k, and the best of those that lie in the same places; a match of a set is a
group of k-mers at one site, and its score that of the training sequences with any of its k-mers.

What is simpler here: the next seed is the most enriched word after the matches of the sets before
are masked, in place of the centres of clusters by density; a gap is one of 1 or 2 bp, to k = 8; a
matrix finds sites, and is never the model; the negatives are those of the data, never shuffled
sequences; sets of several k are the same if half of their places overlap, and not by a comparison
of matrices; of each k the 2,000 most enriched words can be in sets. Matches in training data count
themselves, as in KMAC.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.tables import TableReader, write_whole
from modelkit.baselines.kmer_align import bits_of
from modelkit.baselines.kmer_learn import KmerSetOptions, Motif, best_matches, learn
from modelkit.baselines.kmer_words import Codes, Floats

__all__ = ["KmerSet", "KmerSetOptions"]

KMER_SET = "kmerengine.kmer_set"
MAX_LETTERS = 31  # two bits each in 64
MOST_FLAGS = 1 << 33  # words of a set times sequences, a byte each while it is opened

NUMBERS = pa.list_(pa.field("element", pa.int32(), nullable=False))
SCHEMA = pa.schema(
    [
        pa.field("set", pa.int32(), nullable=False),  # the most enriched is 0
        pa.field("word", pa.string(), nullable=False),  # N is any base
        pa.field("offset", pa.int32(), nullable=False),  # bp from base 0 of the set
        # numbers of the training sequences with it, each kind from 0
        pa.field("positives", NUMBERS, nullable=False),
        pa.field("negatives", NUMBERS, nullable=False),
    ]
)


class KmerSet:
    """Sets of aligned k-mers that tell positive sequences from others.

    Attributes
    ----------
    motifs : list of Motif
        The most enriched first; none if no word is enriched: then every sequence has the score 0.
    n_positives, n_negatives : int
        That it was learnt from.
    options : KmerSetOptions
    enriched : dict of int to dict
        Of each k: words that occur ("tested"), "enriched" ones, and those "used".
    """

    def __init__(
        self,
        motifs: list[Motif],
        n_positives: int,
        n_negatives: int,
        options: KmerSetOptions,
        enriched: dict[int, dict[str, int]],
    ) -> None:
        self.motifs, self.options, self.enriched = motifs, options, enriched
        self.n_positives, self.n_negatives = n_positives, n_negatives

    def __repr__(self) -> str:
        return (
            f"KmerSet({len(self.motifs)} sets, {sum(len(m.words) for m in self.motifs):,} k-mers, "
            f"{self.n_positives:,} positives, {self.n_negatives:,} others)"
        )

    @classmethod
    def fit(
        cls,
        sequences: Codes,
        labels: npt.ArrayLike,
        *,
        options: KmerSetOptions | None = None,
    ) -> "KmerSet":
        """Learn sets.

        Parameters
        ----------
        sequences : uint8, shape (n, P)
            A C G T = 0 1 2 3, 255 for anything else.
        labels : bool or 0 and 1, shape (n,)
        options : KmerSetOptions, optional

        Raises
        ------
        InputError
            Sequences shorter than the shortest word, or no positive, or none but these.
        """
        options = KmerSetOptions() if options is None else options
        positive = np.asarray(labels) == 1
        n, n_positives = len(positive), int(positive.sum())
        if sequences.ndim != 2 or len(sequences) != n or sequences.dtype != np.uint8:
            raise InputError(
                f"sequences: found {sequences.dtype} {sequences.shape} for {n} labels, expected "
                "uint8 (n, bp)"
            )
        if not 0 < n_positives < n:
            raise InputError(
                f"labels: found {n_positives:,} positives of {n:,} sequences, expected both kinds"
            )
        if sequences.shape[1] < options.k_min:
            raise InputError(
                f"sequences: found {sequences.shape[1]} bp, expected at least {options.k_min}, "
                "the shortest word"
            )
        order = np.argsort(~positive, kind="stable")
        motifs, enriched = learn(np.ascontiguousarray(sequences[order]), positive[order], options)
        return cls(motifs, n_positives, n - n_positives, options, enriched)

    def score(self, sequences: Codes) -> Floats:
        """Score of the best match in each sequence, float64 (n,); 0 where there is none.

        -log10 of the enrichment of the training sequences that have any of its words; over several
        sets the greatest, or the sum of each one's, as the options say. Sequences may be of any
        length.
        """
        total = np.zeros(len(sequences))
        for motif in self.motifs:
            n = self.n_positives + self.n_negatives
            best = best_matches(motif, sequences, self.n_positives, n)
            each = np.zeros(len(sequences))
            each[best.row] = best.score
            total = total + each if self.options.combine == "sum" else np.maximum(total, each)
        return total

    def save(
        self, path: str | Path, *, about: dict[str, Any] | None = None, force: bool = False
    ) -> None:
        """Write the .parquet file `path`, with `about` in its document."""
        path = Path(path)
        if path.suffix != ".parquet":
            raise InputError(f"{path}: found suffix {path.suffix!r}, expected .parquet")
        check_writable(path, force=force)
        with atomic(path, force=force) as temporary:
            self.put(temporary, about)

    def put(self, path: Path, about: dict[str, Any] | None = None) -> None:
        """The same into a folder that is itself whole or not there."""
        document = schemas.provenance("kmer-set", {}, {}) | (about or {})
        document |= {
            "format": KMER_SET,
            "options": asdict(self.options),
            "positives": self.n_positives,
            "negatives": self.n_negatives,
            "sets": [{"log10_p": m.log10_p, "threshold": m.threshold} for m in self.motifs],
            "enriched": {str(k): each for k, each in self.enriched.items()},
        }
        rows: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
        n = self.n_positives + self.n_negatives
        for number, motif in enumerate(self.motifs):
            there = np.unpackbits(motif.bits.view(np.uint8), axis=1, bitorder="little")[:, :n]
            rows["set"] += [number] * len(motif.words)
            rows["word"] += motif.words
            rows["offset"] += motif.offsets.tolist()
            rows["positives"] += [np.flatnonzero(e) for e in there[:, : self.n_positives]]
            rows["negatives"] += [np.flatnonzero(e) for e in there[:, self.n_positives :]]
        schema = schemas.with_metadata(SCHEMA, document)
        columns = [pa.array(rows[field.name], field.type) for field in SCHEMA]
        write_whole(path, pa.Table.from_arrays(columns, schema=schema))

    @classmethod
    @schemas.damage_refused
    def open(cls, path: str | Path) -> "KmerSet":
        """Open a model; InputError if it is missing, damaged, newer or something else."""
        path = Path(path)
        reader = TableReader(path)
        about = schemas.read_metadata(reader.schema, path, (KMER_SET,))
        reader.expect(SCHEMA, path)
        table = reader.read(columns=SCHEMA.names)
        options = KmerSetOptions(**about["options"])
        n_positives, n_negatives = int(about["positives"]), int(about["negatives"])
        sets = [(float(each["log10_p"]), float(each["threshold"])) for each in about["sets"]]
        enriched = {int(k): dict(each) for k, each in about["enriched"].items()}
        number = table["set"].to_numpy()
        motifs = [
            _motif(table.filter(pa.array(number == i)), each, n_positives, n_negatives)
            for i, each in enumerate(sets)
        ]
        if sum(len(m.words) for m in motifs) != len(table):
            raise InputError(f"{path}: has words of other sets than its {len(sets)}; make it again")
        return cls(motifs, n_positives, n_negatives, options, enriched)


def _motif(
    table: pa.Table, numbers: tuple[float, float], n_positives: int, n_negatives: int
) -> Motif:
    """One set of a file; ValueError if its words are none."""
    words = table["word"].to_pylist()
    for each in words:
        if not 0 < len(each) <= MAX_LETTERS or set(each) - set("ACGTN"):
            raise ValueError(f"found {each!r}, expected a word of A C G T and N")
    if not words:
        raise ValueError("found a set without words, expected some")
    if len(words) * (n_positives + n_negatives) > MOST_FLAGS:
        raise ValueError(f"found {n_positives + n_negatives:,} sequences, expected fewer")
    word, row = [], []
    sizes = {"positives": (0, n_positives), "negatives": (n_positives, n_negatives)}
    for name, (first, size) in sizes.items():
        column = table[name].combine_chunks()
        found = column.flatten().to_numpy()
        if len(found) and not 0 <= found.min() <= found.max() < size:
            raise ValueError(f"found {name} beyond {size:,}, expected numbers of the training set")
        word.append(np.repeat(np.arange(len(words)), column.value_lengths().to_numpy()))
        row.append(first + found.astype(np.int64))
    bits = bits_of(np.concatenate(row), np.concatenate(word), len(words), n_positives + n_negatives)
    return Motif(words, table["offset"].to_numpy().astype(np.int64), bits, *numbers)
