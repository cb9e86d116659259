"""Sequences in a plane by their topics: figures 4a and 4b of Kshirsagar et al. (2021).

The paper projects 1,000 ChIP-seq peaks of each of three factors with UMAP (McInnes et al. 2018) and
does not say how; here it has 15 neighbours, a least distance of 0.1, and Euclidean distances of
proportions. Principal components are offered beside it, and where umap-learn is not installed.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from modelkit.figures import Format, encoded
from modelkit.interpretation.column_tables import column, put_table, table_of
from modelkit.interpretation.topics.analysis_figures import draw_points
from modelkit.interpretation.topics.values import check_model, check_seed, values_of

if TYPE_CHECKING:
    from modelkit.interpretation.topics.proportions import Proportions

__all__ = ["TopicProjection", "principal_components", "topic_projection"]

NAMES = ("points.*", "projection.*")
FEWEST = 3  # sequences that lie in a plane
MOST_SEED = 2**32 - 1  # that UMAP takes

Floats = npt.NDArray[np.float64]
Method = Literal["auto", "umap", "pca"]

SCHEMA = pa.schema(
    [
        column("set", pa.string()),
        column("row", pa.int64()),  # of its proportions
        column("name", pa.string(), nullable=True),
        column("x", pa.float64()),
        column("y", pa.float64()),
    ]
)


class TopicProjection(NamedTuple):
    """Sequences in a plane.

    Attributes
    ----------
    path : Path
    table : pyarrow.Table
    method : "umap" or "pca"
    notes : list of str
        What a user should know, such as why it is not UMAP.
    """

    path: Path
    table: pa.Table
    method: str
    notes: list[str]


def topic_projection(
    sets: Mapping[str, "Proportions | str | Path | npt.ArrayLike"],
    output: str | Path,
    *,
    n: int = 1000,
    method: Method = "auto",
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    seed: int = 0,
    figure: Format = "png",
    force: bool = False,
) -> TopicProjection:
    """Lay sequences out in a plane by their proportions.

    Parameters
    ----------
    sets : mapping of str to Proportions, path or array of shape (n, M)
        Such as the ChIP-seq peaks of a factor, by its name; of one model.
    output : path
        A folder: points.parquet and the figure.
    n : int
        Sequences of each set, drawn at random; of a smaller set all.
    method : "auto", "umap" or "pca"
        By default UMAP where umap-learn is installed, else principal components.
    n_neighbors, min_dist
        Of UMAP.
    seed : int
        The same seed gives the same points.
    figure : "png" or "svg"
    force : bool
        Replace `output` when it exists.

    Raises
    ------
    InputError
        Sets of different models, fewer than three sequences or not more than neighbours; "umap"
        without umap-learn.
    """
    path = Path(output)
    check_writable(path, force=force, folder=NAMES)
    if method not in ("auto", "umap", "pca"):
        raise InputError(f"method: found {method!r}, expected auto, umap or pca")
    check_seed(seed, MOST_SEED)
    if not sets or n < 1:
        raise InputError(f"sets, n: found {len(sets)} sets and {n}, expected at least 1 of each")
    given = {name: values_of(each, "proportions") for name, each in sets.items()}
    first = next(iter(given.values()))
    rng = np.random.default_rng(seed)
    rows, few = [], {}
    for name, each in given.items():
        check_model(each, first.topics, first.inputs, first.where)
        if len(each.matrix) < n:
            few[name] = len(each.matrix)
        rows.append(np.sort(rng.permutation(len(each.matrix))[:n]))
    z = np.concatenate([each.matrix[some] for each, some in zip(given.values(), rows, strict=True)])
    if len(z) < FEWEST:
        raise InputError(f"sets: found {len(z)} sequences, expected at least {FEWEST}")
    notes = [f"{name} has {m:,} sequences, fewer than {n:,}" for name, m in few.items()]
    used = _method(method, notes)
    points = principal_components(z) if used == "pca" else _umap(z, n_neighbors, min_dist, seed)
    group = np.repeat(np.arange(len(given)), [len(each) for each in rows])
    names = list(given)
    parameters = {
        "n": n, "method": used, "n_neighbors": n_neighbors, "min_dist": min_dist, "seed": seed,
    }  # fmt: skip
    document = schemas.provenance(
        "topics projection", {name: each.inputs for name, each in given.items()}, parameters
    ) | {"format": schemas.TOPIC_PROJECTION, "notes": notes}
    row = np.concatenate(rows)
    table = table_of(
        SCHEMA,
        {
            "set": [names[i] for i in group.tolist()],
            "row": row,
            "name": [
                None if listed is None else listed[i]
                for listed, some in zip((g.names for g in given.values()), rows, strict=True)
                for i in some.tolist()
            ],
            "x": points[:, 0],
            "y": points[:, 1],
        },
    )
    label = "UMAP" if used == "umap" else "component"
    drawn = draw_points(points, group, names, label)
    with atomic(path, force=force, folder=NAMES) as folder:
        put_table(folder / "points.parquet", table, document)
        (folder / f"projection.{figure}").write_bytes(encoded(drawn, figure))
    return TopicProjection(path, table, used, notes)


def principal_components(z: Floats) -> Floats:
    """The first two principal components of rows, (n, 2).

    The sign of each is that which makes the largest of its loadings positive.
    """
    centred = z - z.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2]
    largest = np.abs(axes).argmax(1)
    signs = np.where(axes[np.arange(len(axes)), largest] < 0, -1.0, 1.0)
    found: Floats = centred @ (axes * signs[:, None]).T
    return found


def _method(method: Method, notes: list[str]) -> str:
    """What is used; a note says why it is not UMAP."""
    if method == "pca":
        return "pca"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it misses what it does not need here
            import umap  # type: ignore[import-untyped]  # noqa: F401
    except ImportError as error:
        missing = "found no umap-learn; install it with pip install umap-learn"
        if method == "umap":
            raise InputError(f"method: {missing}, or choose pca") from error
        notes.append(f"principal components, not UMAP: {missing}")
        return "pca"
    return "umap"


def _umap(z: Floats, n_neighbors: int, min_dist: float, seed: int) -> Floats:
    if not 2 <= n_neighbors < len(z) or not 0 <= min_dist <= 1:
        raise InputError(
            f"n_neighbors, min_dist: found {n_neighbors} and {min_dist}, expected 2 to "
            f"{len(z) - 1}, fewer than the sequences, and 0 to 1"
        )
    import umap

    made = umap.UMAP(
        n_neighbors=n_neighbors,
        min_dist=min_dist,
        metric="euclidean",
        random_state=seed,
        n_jobs=1,  # with a seed it would take no more, and say so
        # a random start of a few points: eigenvectors need more than there are components
        init="spectral" if len(z) > n_neighbors + 1 else "random",
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        warnings.filterwarnings("ignore", message="Spectral initialisation failed")
        found = made.fit_transform(z.astype(np.float32))
    return np.asarray(found, np.float64)
