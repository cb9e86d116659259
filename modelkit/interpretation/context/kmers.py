"""Words that a model goes by around core motifs: 5-mer enrichment of Zheng et al. (2021).

Of each factor the bound sequences are cut into windows, see `count_words`; of each word, Fisher's
exact test says whether it is more often a top window than other words are.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import check_writable
from modelkit.figures import Format
from modelkit.interpretation.column_tables import table_of
from modelkit.interpretation.context.context_figures import draw_heatmap
from modelkit.interpretation.context.folders import write_folder
from modelkit.interpretation.context.heatmap import merged
from modelkit.interpretation.context.kmer_set import (
    ABOUT,
    FIGURE,
    NAMES,
    TABLE,
    ContextKmers,
    kmers_schema,
)
from modelkit.interpretation.context.places import StartPlaces
from modelkit.interpretation.context.sites import (
    Given,
    NamedSet,
    Sites,
    input_digests,
    named_sets,
    read_sites,
)
from modelkit.interpretation.context.windows import WordCounts, count_words, letters_of
from modelkit.metrics.fisher import greater, odds_ratios

__all__ = ["kmers"]

LONGEST = 8  # of a word: 65,536 of them
OTHER_PART = "sequences of the other part"

Part = Literal["all", "proximal", "distal"]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def kmers(
    sets: Mapping[str, Given],
    output: str | Path,
    *,
    k: int = 5,
    share: float = 0.01,
    targets: Mapping[str, str] | str | None = None,
    label: str | None = None,
    shift: int = 0,
    tss: str | Path | None = None,
    within: int = 3000,
    part: Part = "all",
    top: int = 50,
    p: float = 0.01,
    cap: float = 10.0,
    like: str | Path | None = None,
    figure: Format = "png",
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ContextKmers:
    """Test which words are enriched among the windows that score most.

    Parameters
    ----------
    sets : mapping of str to attributions
        Attributions (or their folders) of a data set of `kmerengine sample sites`, by factor, or by
        ``SETTING:FACTOR``. Of those with labels, the bound examples are taken.
    output : path
        A folder: kmers.parquet, kmers.json and the heatmap.
    k : int
        Bases of a word, at most 8.
    share : float
        Of a factor's windows that are top.
    targets : str or mapping of str to str, optional
        The target of the attributions, of all factors or by factor; such as the class of a model of
        many. May be left out where there is only one.
    label : str, optional
        The label that says what is bound; by default that of the target's name, or the only one.
    shift : int
        A control: move scores by so many bp along the genome, away from the bases they are of.
    tss : path, optional
        GTF, GFF3 or BED of transcription start sites, for `part`.
    within : int
        bp from the middle of a core motif to a start site, of a proximal one, for `part`.
    part : "all", "proximal" or "distal"
        Which sequences are taken. A factor without such is left out, and named in the document.
    top, p, cap
        Of the heatmap: words of each setting, largest P of an odds ratio that is not 0, and odds
        ratio at which colours end; see `heatmap.merged`.
    like : path, optional
        A folder of before, whose heatmap says which words and factors are shown, and their order.
    figure : "png" or "svg"
    force : bool
        Replace `output` when it exists.
    progress : callable, optional
        Called with factors that are done, and all.

    Raises
    ------
    InputError
        As of `read_sites`, `named_sets` and `count_words`; no bound sequence has a score; an option
        out of its range.
    """
    path = Path(output)
    check_writable(path, force=force, folder=NAMES)
    _check(k, share, within, top, p, cap, part, tss)
    wanted = named_sets(sets, targets)
    shown = None if like is None else ContextKmers.open(like)
    if shown is not None and (of_k := shown.provenance["parameters"]["k"]) != k:
        raise InputError(f"{shown.path}: is of words of {of_k} bases, expected {k}")
    starts = None if tss is None else StartPlaces(tss)
    inputs = input_digests(wanted)
    counts, rows, some, without = [], [], [], []
    for done, each in enumerate(wanted):
        sites = read_sites(each.given, each.target, label)
        chosen, left = _rows(sites, starts, within, part)
        if len(chosen) or part == "all":
            found = count_words(sites, chosen, k=k, share=share, shift=shift)
            counts.append(found)
            rows.append(_said(each, sites, chosen, found, left))
            some.append(each)
        else:
            without.append({"setting": each.setting, "name": each.name})
        if progress is not None:
            progress(done + 1, len(wanted))
    if not some:
        raise InputError(
            f"{tss}: no core motif is {part}, with {within} bp to a start site; give another part "
            "or reach"
        )
    wanted = some
    letters = letters_of(k)
    columns, odds, log_p = _tested(wanted, counts, letters)
    names = list(dict.fromkeys(each.name for each in wanted))
    settings = list(dict.fromkeys(each.setting for each in wanted))
    cube = np.full((2, len(settings), len(names), len(letters)), np.nan)
    for each, of_odds, of_p in zip(wanted, odds, log_p, strict=True):
        cube[:, settings.index(each.setting), names.index(each.name)] = of_odds, of_p
    chosen_words = merged(cube[0], cube[1], top=top, p=p, cap=cap)
    factors, words = chosen_words.factors.tolist(), chosen_words.words.tolist()
    if shown is not None:
        factors, words = _as_in(shown, names, letters)
    parameters = {
        "k": k, "share": share, "targets": [each["target"] for each in rows], "label": label,
        "shift": shift, "within": within, "part": part, "top": top, "p": p, "cap": cap,
    }  # fmt: skip
    for name, given in (("tss", tss), ("like", None if shown is None else shown.path / ABOUT)):
        if given is not None:
            inputs[name] = schemas.digest(Path(given))
    document = schemas.provenance("kmers", inputs, parameters) | {
        "format": schemas.CONTEXT_KMERS,
        "sets": rows,
        "without": without,
        "heatmap": {
            "names": [names[i] for i in factors],
            "kmers": [letters[w] for w in words],
        },
    }
    drawn = None
    if words:
        at = np.ix_(range(len(settings)), factors, words)
        drawn = draw_heatmap(
            chosen_words.odds[at], cube[1][at], settings, document["heatmap"]["names"],
            document["heatmap"]["kmers"], p=p, n_tests=len(letters), cap=cap,
        )  # fmt: skip
    table = table_of(kmers_schema(), columns)
    write_folder(
        path, (TABLE, table), (ABOUT, document), None if drawn is None else (FIGURE, drawn),
        names=NAMES, figure=figure, force=force,
    )  # fmt: skip
    return ContextKmers(table, document, path)


def _check(
    k: int, share: float, within: int, top: int, p: float, cap: float, part: str,
    tss: str | Path | None,
) -> None:  # fmt: skip
    if not 1 <= k <= LONGEST:
        raise InputError(f"k: found {k}, expected 1 to {LONGEST}")
    for name, value in (("share", share), ("p", p)):
        if not 0 < value < 1:
            raise InputError(f"{name}: found {value}, expected more than 0 and less than 1")
    for name, number in (("within", within), ("top", top)):
        if number < 1:
            raise InputError(f"{name}: found {number}, expected at least 1")
    if not 0 < cap < math.inf:
        raise InputError(f"cap: found {cap}, expected a number above 0")
    if part not in ("all", "proximal", "distal"):
        raise InputError(f"part: found {part!r}, expected all, proximal or distal")
    if (part == "all") != (tss is None):
        raise InputError(
            f"part: found {part!r} {'without' if tss is None else 'with'} tss, expected proximal "
            "or distal, and the start sites; or neither"
        )


def _as_in(
    shown: ContextKmers, names: list[str], letters: list[str]
) -> tuple[list[int], list[int]]:
    """Factors and words in the order of another heatmap; factors that it lacks come last."""
    known = [names.index(name) for name in shown.heatmap["names"] if name in names]
    known += [i for i in range(len(names)) if i not in known]
    return known, [letters.index(word) for word in shown.heatmap["kmers"]]


def _rows(
    sites: Sites, starts: StartPlaces | None, within: int, part: Part
) -> tuple[Ints, dict[str, int]]:
    """Examples that are taken, and how many are not, by reason."""
    scored, left = sites.bound_rows()
    rows = scored
    if starts is not None:
        near = starts.near(sites, scored, within)
        rows = scored[near if part == "proximal" else ~near]
    return rows, left | {OTHER_PART: len(scored) - len(rows)}


def _said(
    named: NamedSet, sites: Sites, rows: Ints, counts: WordCounts, left: dict[str, int]
) -> dict[str, Any]:
    return {
        "setting": named.setting,
        "name": named.name,
        "target": sites.target,
        "sequences": len(rows),
        "windows": int(counts.windows.sum()),
        "top": int(counts.top.sum()),
        "threshold": counts.threshold,
        "sequences_left_out": left,
        "windows_left_out": counts.skipped,
    }


def _tested(
    wanted: list[NamedSet], counts: list[WordCounts], letters: list[str]
) -> tuple[dict[str, Any], list[Floats], list[Floats]]:
    """Columns of the table; odds ratios and logarithms of P of each set."""
    n_words = len(letters)
    odds, log_p, parts = [], [], []
    for each in counts:
        n_top, n_all = int(each.top.sum()), int(each.windows.sum())
        ratio = odds_ratios(each.top, each.windows, n_top, n_all)
        logs = greater(each.top, each.windows, n_top, n_all)
        order = np.lexsort((np.arange(n_words), -np.nan_to_num(ratio, nan=-1.0), logs))
        rank = np.empty(n_words, np.int64)
        rank[order] = np.arange(1, n_words + 1)
        rest = each.windows - each.top
        parts.append(
            {
                "top": each.top, "rest": rest, "top_others": n_top - each.top,
                "rest_others": n_all - n_top - rest, "odds_ratio": ratio, "p": np.exp(logs),
                "log10_p": logs / math.log(10),
                "bonferroni": np.minimum(1.0, np.exp(logs) * n_words), "rank": rank,
            }
        )  # fmt: skip
        odds.append(ratio)
        log_p.append(logs)
    columns: dict[str, Any] = {
        name: np.concatenate([part[name] for part in parts]) for name in parts[0]
    }
    columns["setting"] = np.repeat([each.setting for each in wanted], n_words)
    columns["name"] = np.repeat([each.name for each in wanted], n_words)
    columns["kmer"] = pa.array(letters * len(wanted))
    return columns, odds, log_p
