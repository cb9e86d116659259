"""From seqlets to motifs: cluster, combine, compare two models, name (bpAI-TAC, Methods)."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import check_writable
from kmerengine.motifs.files import read_motifs
from kmerengine.motifs.motif import Motif
from kmerengine.parallel import Progress
from modelkit.interpretation.attribution.attributions import ABOUT as ATTRIBUTIONS
from modelkit.interpretation.attribution.attributions import Attributions
from modelkit.interpretation.motifs.clusters import cluster_seqlets
from modelkit.interpretation.motifs.modisco import modisco_clusters
from modelkit.interpretation.motifs.motif_set import NAMES, Motifs
from modelkit.interpretation.motifs.motif_write import write_motifs
from modelkit.interpretation.motifs.presets import Count, preset_of
from modelkit.interpretation.motifs.seqlet_set import Seqlets

__all__ = ["motifs"]

Method = Literal["seqlets", "modisco"]

COUNTS = ("lineages", "sequences", "seqlets")


def motifs(
    seqlets: Sequence[Seqlets | Attributions | str | Path],
    output: str | Path,
    *,
    method: Method = "seqlets",
    names: Sequence[str] = (),
    database: str | Path | Sequence[Motif] | None = None,
    preset: str = "paper",
    threshold: float | None = None,
    rounds: int | None = None,
    count: Count | None = None,
    alpha: float = 0.01,
    q: float = 0.05,
    window: int = 400,
    max_seqlets: int = 20_000,
    threads: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Motifs:
    """Cluster the seqlets of one or several models to motifs.

    Parameters
    ----------
    seqlets : sequence of Seqlets or path; of Attributions or path with the method "modisco"
        What `seqlets` (or `attribute`) wrote, of each model. With two, motifs that one of them
        goes by more often are looked for (see `modelkit.interpretation.motifs.enrichment`).
    output : path
        The folder to write, see `modelkit.interpretation.motifs.motif_set`.
    method : "seqlets" or "modisco"
        bpAI-TAC's clusters, or TF-MoDISco's (see `modelkit.interpretation.motifs.modisco`), for
        which the package `modisco` must be installed; threshold and rounds are then not used.
    names : sequence of str
        Of the models; by default those of their attributions.
    database : path or sequence of Motif, optional
        Name motifs after the nearest of these, by Tomtom.
    preset : "paper" or "code"
        Gives threshold, rounds and count where nothing else is said: 0.05, 1 and lineages as
        bpAI-TAC's paper has them, or 0.001, 2 and sequences as its notebook does.
    threshold : float, optional
        Largest p-value of the aligned correlation of two seqlets of a motif.
    rounds : int, optional
        Times of clustering: from the second on what the one before made is clustered.
    count : "lineages", "sequences" or "seqlets", optional
        What Fisher's test counts.
    alpha : float
        A motif is enriched where p < alpha / number of motifs.
    q : float
        Name motifs after targets with at most this q-value.
    window, max_seqlets : int
        Of TF-MoDISco: bp around the middle, and most seqlets of either sign.
    threads : int, optional
        By default the processors this process may use. Same bits for any number.
    force : bool
        Replace an existing output.
    progress : callable, optional
        Called with (done, of) in pairs of seqlets.

    Returns
    -------
    Motifs

    Notes
    -----
    Time and memory grow with the square of the seqlets: 1.8 GB for 30,000 of them.

    Of two models a UserWarning names what they differ in beside the model: targets, number of
    examples, options of `seqlets`.

    Raises
    ------
    InputError
        Options out of range, two models of one name, a file that holds no seqlets.
    """
    output = Path(output)
    chosen = preset_of(preset)
    threshold = chosen.threshold if threshold is None else threshold
    rounds = chosen.rounds if rounds is None else rounds
    count = chosen.count if count is None else count
    if count not in COUNTS:
        raise InputError(f"count: found {count!r}, expected one of {', '.join(COUNTS)}")
    if not 0 < alpha < 1:
        raise InputError(f"alpha: found {alpha}, expected more than 0 and less than 1")
    if not 0 < threshold < 1:
        raise InputError(f"threshold: found {threshold}, expected more than 0 and less than 1")
    check_writable(output, force=force, folder=NAMES)
    if method not in ("seqlets", "modisco"):
        raise InputError(f"method: found {method!r}, expected seqlets or modisco")
    targets = read_motifs(database) if isinstance(database, (str, Path)) else database
    parameters: dict[str, Any] = {"preset": preset, "count": count, "alpha": alpha, "q": q}
    about: dict[str, Any] = {}
    if method == "modisco":
        parameters |= {"window": window, "max_seqlets": max_seqlets}
        data = [_attributions(each) for each in seqlets]
        models = _names([each.path.name for each in data], names)
        files = [each.path / ATTRIBUTIONS for each in data]
        sizes = [(len(each), len(each.targets)) for each in data]
        tables, clusters = modisco_clusters(data, window=window, max_seqlets=max_seqlets)
    else:
        parameters |= {"threshold": threshold, "rounds": rounds}
        opened = [_seqlets(each) for each in seqlets]
        models = _names([each.name for each in opened], names)
        files = [each.path for each in opened]
        sizes = [(each.n_examples, len(each.targets)) for each in opened]
        about = {"cutoffs": [each.cutoff for each in opened]}
        _warn_of_differences(opened, models)
        tables = [each.table() for each in opened]
        matrices = [matrix for each in opened for matrix in each.matrices()]
        clusters = cluster_seqlets(
            matrices, threshold, rounds=rounds, threads=threads, progress=progress
        )
    inputs: dict[str, Any] = {"seqlets": [schemas.digest(each) for each in files]}
    if isinstance(database, (str, Path)):
        inputs["database"] = schemas.digest(Path(database))
    document = schemas.provenance("motifs", inputs, parameters) | about
    document |= {
        "format": schemas.MOTIFS,
        "method": method,
        "models": models,
        "count": count,
        "alpha": alpha,
    }
    return write_motifs(
        output, tables, clusters, document, sizes=sizes, targets=targets, q=q, threads=threads,
        force=force,
    )  # fmt: skip


def _attributions(given: object) -> Attributions:
    if isinstance(given, Seqlets):
        raise InputError(f"{given.path}: holds seqlets, but the method modisco takes attributions")
    return given if isinstance(given, Attributions) else Attributions.open(Path(str(given)))


def _seqlets(given: object) -> Seqlets:
    if isinstance(given, Attributions) or (isinstance(given, (str, Path)) and Path(given).is_dir()):
        where = given.path if isinstance(given, Attributions) else given
        raise InputError(
            f"{where}: is a folder, expected a file of modelkit seqlets; only the method modisco "
            "takes attributions"
        )
    return given if isinstance(given, Seqlets) else Seqlets.open(Path(str(given)))


def _warn_of_differences(opened: Sequence[Seqlets], models: Sequence[str]) -> None:
    """Fisher's test tells models apart only where all else is the same."""
    if len(opened) != 2:
        return
    one, two = (
        {"targets": ", ".join(each.targets), "examples": each.n_examples}
        | each.provenance["parameters"]
        for each in opened
    )
    differ = [name for name in one if one[name] != two.get(name)]
    if differ:
        found = "; ".join(f"{name} {one[name]!s:.60} and {two.get(name)!s:.60}" for name in differ)
        warnings.warn(
            f"seqlets of {models[0]} and {models[1]}: found {found}; Fisher's test compares models "
            "only where these are the same",
            stacklevel=3,
        )


def _names(known: Sequence[str], names: Sequence[str]) -> list[str]:
    if not known:
        raise InputError("seqlets: found none, expected at least one file")
    if names and len(names) != len(known):
        raise InputError(f"names: found {len(names)}, expected one for each of {len(known)} files")
    chosen = list(names or known)
    if len(set(chosen)) != len(chosen):
        raise InputError(
            f"names: found {', '.join(chosen)}, expected different ones; give each its --name"
        )
    return chosen
