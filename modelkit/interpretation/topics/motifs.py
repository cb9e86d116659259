"""De novo motifs of topics: what the sequences that have the most of a topic have in common.

All sequences of 10 bases pass the encoder, the 200 with the most of a topic are aligned and make a
motif (Kshirsagar et al. 2021, figure 1c). Composite motifs of two factors are longer: of 15 bases,
a random tenth of all sequences (figure 3c).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import check_writable
from kmerengine.motifs.files import read_motifs
from kmerengine.motifs.motif import Motif
from modelkit.interpretation.motifs.naming import MotifMatches, tomtom
from modelkit.interpretation.topics.aligner import Alignment, align
from modelkit.interpretation.topics.meme_suite import find_motif, meme_program
from modelkit.interpretation.topics.oligos import (
    TopOligos,
    oligo_codes,
    spelled_oligos,
    top_oligos,
)
from modelkit.interpretation.topics.topic_model import TopicModel
from modelkit.interpretation.topics.topic_motif_set import (
    NAMES,
    TopicMotifs,
    oligos_schema,
    topic_motifs_schema,
)
from modelkit.interpretation.topics.values import check_seed
from modelkit.training.run import Run

__all__ = ["topic_motifs"]

COVERED = 0.5  # of the aligned sequences: fewer do not tell of a position
MIN_BITS = 0.25  # of the motif's first and last position


class _Made(NamedTuple):
    """The motif of a topic, and how sequences lie in it: strand and offset, or None."""

    motif: Motif
    aligned: int
    places: list[tuple[str, int] | None]


def topic_motifs(
    run: Run | str | Path,
    output: str | Path | None = None,
    *,
    topics: Sequence[str] = (),
    length: int = 10,
    sample: float = 1.0,
    top: int = 200,
    kind: Literal["concentrations", "proportions"] = "concentrations",
    aligner: Literal["builtin", "meme"] = "builtin",
    database: str | Path | Sequence[Motif] | None = None,
    q: float = 0.05,
    seed: int = 0,
    device: str = "auto",
    batch_size: int = 8192,
    threads: int | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> TopicMotifs:
    """Make a motif of each topic, of the short sequences that have the most of it.

    Parameters
    ----------
    run : Run or path
        Of bindvae.
    output : path, optional
        The folder to write, see `modelkit.interpretation.topics.topic_motif_set`.
    topics : sequence of str
        Such as topic_3; by default all.
    length : int
        Bases of a sequence, at least those of the model's words; reverse complements are one.
    sample : float
        Take this share of all sequences, at random: for lengths of which there are too many.
    top : int
        Sequences that make a motif.
    kind : "concentrations" or "proportions"
        By what sequences are ranked: eta, before it is clipped, or eta / sum(eta).
    aligner : "builtin" or "meme"
        `modelkit.interpretation.topics.aligner`, or the program of the MEME Suite, if it is there;
        where sequences lie in the motif is then not known.
    database : path or sequence of Motif, optional
        Say which motifs of these each is like, by Tomtom.
    q : float
        Largest q-value of a match.
    seed : int
        Of the sample.
    device : str
        "cpu", "cuda", "cuda:1", or "auto": a GPU if there is one.
    batch_size : int
        About how many sequences pass the encoder together.
    threads : int, optional
        Of Tomtom; by default the processors this process may use.
    force : bool
        Replace an existing output.
    progress : callable, optional
        Called with (done, of) in sequences on both strands.

    Returns
    -------
    TopicMotifs

    Raises
    ------
    InputError
        A run of another model, a topic that it lacks, numbers out of range, no program `meme`.

    Notes
    -----
    A topic that has as much of every sequence, or no more than concentrations are clipped to, is
    `silent` and has no motif. A motif ends where less than half of its sequences reach, or where
    positions have less than 0.25 bits, if any has more.
    """
    for name, value, known in (
        ("kind", kind, ("concentrations", "proportions")),
        ("aligner", aligner, ("builtin", "meme")),
    ):
        if value not in known:
            raise InputError(f"{name}: found {value!r}, expected one of {', '.join(known)}")
    for name, share in (("sample", sample), ("q", q)):
        if not 0 < share <= 1:
            raise InputError(f"{name}: found {share}, expected more than 0 and at most 1")
    for name, number in (("top", top), ("batch_size", batch_size)):
        if number < 1:
            raise InputError(f"{name}: found {number}, expected at least 1")
    check_seed(seed)
    program = meme_program() if aligner == "meme" else None
    if output is not None:
        check_writable(Path(output), force=force, folder=NAMES)
    targets = read_motifs(database) if isinstance(database, (str, Path)) else database
    model = TopicModel(run, device)
    columns = model.columns(topics)
    found = top_oligos(
        model, columns, length, top, kind=kind, sample=sample, seed=seed, batch_size=batch_size,
        progress=progress,
    )  # fmt: skip
    names = [model.topics[i] for i in columns]
    made = [
        None if found.silent[i] else _motif(name, found.oligos[i], length, program)
        for i, name in enumerate(names)
    ]
    inputs: dict[str, Any] = {"run": model.provenance}
    if isinstance(database, (str, Path)):
        inputs["database"] = schemas.digest(Path(database))
    parameters = {
        "topics": list(topics), "length": length, "sample": sample, "top": top, "kind": kind,
        "aligner": aligner, "q": q, "seed": seed,
    }  # fmt: skip
    document = schemas.provenance("topics motifs", inputs, parameters) | {
        "format": schemas.TOPIC_MOTIFS,
        "n": found.n,
        "matched": targets is not None,
    }
    result = _tables(names, found, made, length, document, targets, q, threads)
    return result if output is None else result.write(Path(output), force=force)


def _motif(
    name: str, oligos: npt.NDArray[np.int64], length: int, program: str | None
) -> _Made | None:
    if program is not None:
        found = find_motif(program, spelled_oligos(oligos, length))
        if found is None:
            return None
        n = int(found.nsites or 0)
        motif = Motif(name=name, probabilities=found.probabilities, nsites=float(n))
        return _Made(motif, n, [None] * len(oligos))
    made = align(oligo_codes(oligos, length))
    motif, start = motif_of(name, made)
    places = [
        ("-" if minus else "+", offset - start) if aligned else None
        for aligned, minus, offset in zip(
            made.aligned.tolist(), made.minus.tolist(), made.offset.tolist(), strict=True
        )
    ]
    return _Made(motif, int(made.aligned.sum()), places)


def motif_of(name: str, made: Alignment) -> tuple[Motif, int]:
    """The motif of aligned words, and the column that it starts at."""
    n = made.counts.sum(1)
    covered = np.flatnonzero(n >= COVERED * made.aligned.sum())
    covered = covered if len(covered) else np.array([int(n.argmax())])
    low, high = int(covered[0]), int(covered[-1]) + 1
    whole = Motif.from_counts(name, made.counts[low:high])
    informative = np.flatnonzero(whole.information >= MIN_BITS)
    if not len(informative):
        return whole, low
    low, high = low + int(informative[0]), low + int(informative[-1]) + 1
    nsites = float(made.aligned.sum())
    return Motif.from_counts(name, made.counts[low:high], nsites=nsites), low


def _tables(
    names: Sequence[str],
    found: TopOligos,
    made: Sequence[_Made | None],
    length: int,
    document: dict[str, Any],
    targets: Sequence[Motif] | None,
    q: float,
    threads: int | None,
) -> TopicMotifs:
    motifs = [each.motif for each in made if each is not None]
    matches = None if targets is None else _matches(motifs, targets, q, threads)
    nearest = {} if matches is None else matches.best()
    rows: list[dict[str, Any]] = []
    for i, (name, each) in enumerate(zip(names, made, strict=True)):
        eta = found.concentrations[i]
        rows.append({"topic": name, "silent": bool(found.silent[i])})
        rows[-1] |= {"highest": float(eta[0]), "lowest": float(eta[-1])}
        if each is not None:
            rows[-1] |= {
                "aligned": each.aligned,
                "information": each.motif.total_information,
                "consensus": each.motif.consensus,
                "frequencies": each.motif.probabilities.ravel().tolist(),
            }
        if name in nearest:
            best = nearest[name]
            rows[-1] |= {"match": best["target"], "match_alt_name": best["target_alt_name"]}
            rows[-1] |= {"match_p": best["p"], "match_q": best["q"]}
    schema = schemas.with_metadata(topic_motifs_schema(), document)
    return TopicMotifs(
        pa.Table.from_pylist(rows, schema=schema),
        _oligo_table(names, found, made, length, document),
        document,
        matches,
    )


def _oligo_table(
    names: Sequence[str],
    found: TopOligos,
    made: Sequence[_Made | None],
    length: int,
    document: dict[str, Any],
) -> pa.Table:
    schema = schemas.with_metadata(oligos_schema(), document)
    n, top = found.oligos.shape
    places = [place for each in made for place in (each.places if each else [None] * top)]
    strands = pa.array([None if p is None else int(p[0] == "-") for p in places], pa.int8())
    columns = [
        pa.DictionaryArray.from_arrays(
            pa.array(np.repeat(np.arange(n, dtype=np.int32), top)), names
        ),
        pa.array(np.tile(np.arange(1, top + 1, dtype=np.int32), n)),
        pa.array(spelled_oligos(found.oligos.ravel(), length)),
        pa.array(found.concentrations.ravel()),
        pa.array(found.proportions.ravel()),
        pa.DictionaryArray.from_arrays(strands, ["+", "-"]),
        pa.array([None if p is None else p[1] for p in places], pa.int32()),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _matches(
    motifs: list[Motif], targets: Sequence[Motif], q: float, threads: int | None
) -> MotifMatches:
    if motifs:
        return tomtom(motifs, targets, q=q, threads=threads)
    # no topic has a motif: a query of any, without its rows
    found = tomtom(list(targets[:1]), targets, q=q, threads=threads)
    return MotifMatches(found.table.slice(0, 0))
