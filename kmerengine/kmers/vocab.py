"""Write a vocabulary: id, word and number of wildcards of every feature."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic
from kmerengine.io.tables import table_writer
from kmerengine.kmers.bindvae import write_vocabulary
from kmerengine.kmers.vocabulary import Vocabulary

SUFFIXES = (".parquet", ".arrow", ".npy", ".txt")


def vocab(
    output: str | Path, *, vocabulary: Vocabulary | None = None, force: bool = False
) -> Vocabulary:
    """Write the features of a vocabulary in the order of their ids.

    Parameters
    ----------
    output : path
        `.parquet` or `.arrow`: columns id, word, wildcards; `.txt`: the same, tab-separated with
        a header; `.npy`: BindVAE's, strings with 'EMPTY' first, so that their id = ours + 1.
    vocabulary : Vocabulary, optional
        By default BindVAE's, `Vocabulary.wildcard()`.
    force : bool
        Replace an existing file.

    Returns
    -------
    Vocabulary
        The one that was written.
    """
    chosen = Vocabulary.wildcard() if vocabulary is None else vocabulary
    path = Path(output)
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"{path}: found suffix {path.suffix!r}, expected one of {' '.join(SUFFIXES)}"
        )
    words, wildcards = chosen.words(), chosen.n_wildcards()
    with atomic(path, force=force) as temporary:
        if path.suffix == ".npy":
            write_vocabulary(temporary, words)
        elif path.suffix == ".txt":
            with temporary.open("w") as lines:
                lines.write("id\tword\twildcards\n")
                rows = zip(words.tolist(), wildcards.tolist(), strict=True)
                lines.writelines(f"{i}\t{word}\t{n}\n" for i, (word, n) in enumerate(rows))
        else:
            document = schemas.provenance("vocab", {}, {})
            document |= {"format": schemas.VOCABULARY, "vocabulary": chosen.spec}
            document |= {"words_sha256": chosen.digest()}
            schema = schemas.with_metadata(schemas.vocabulary_schema(), document)
            ids = np.arange(len(words), dtype=np.uint32)
            columns = [pa.array(ids), pa.array(words), pa.array(wildcards)]
            with table_writer(temporary, schema, path.suffix) as writer:
                writer.write(pa.RecordBatch.from_arrays(columns, schema=schema))
    return chosen
