"""How well profiles and totals of held-out yeast peaks are predicted, and by what.

n = peaks, T = tasks (lengths of fragments), W = bp of the window. What a predictor expects is cuts
per bp, (n, T, W): a total times a profile.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kmerengine.datasets.folder import Dataset
from modelkit.metrics import jensen_shannon, paired_difference, pearson

Array = npt.NDArray[Any]
Row = dict[str, Any]

BASELINE, ADDITIVE = "bias x mean profile", "21-bp bias x mean profile"
MODELS = {  # runs but for ".SEED", and the data whose bias track is added to their logits
    "bpAI-TAC": ("bpaitac", "peaks.biased"),
    "bpAI-TAC over bias x mean profile": ("bpaitac.mean", "peaks.mean"),
}
RIDGE = "ridge on GC and dinucleotides"
PROFILES = ("mean profile", "bias", ADDITIVE, BASELINE)  # as the table has them
ENSEMBLE = "ensemble"  # in place of a seed: the mean of the expected cuts of all seeds' runs
HALVES = (("odd", "even"), ("first", "second"))
BOTH, ALL = "both", "all"  # the tasks' cuts added up; cuts of all fragments
REACH = 10  # bp on either side of a cut, of the additive bias
ALPHAS = 10.0 ** np.arange(-4, 5)  # of the ridge


def measure(work: Path, seeds: Sequence[int]) -> list[Row]:
    """All numbers of the table, from the folders that the chain of commands wrote."""
    from modelkit.training.run import Run

    data, closed = Dataset.open(work / "peaks.biased"), Dataset.open(work / "closed")
    rows, train = data.split("test"), data.split("train")
    counts = window_counts(data)
    expected: dict[str, Array] = {}
    of_seeds: dict[str, dict[int | str, Array]] = {name: {} for name in MODELS}
    about: dict[tuple[str, int | str], Row] = {}
    for name, (run_name, data_name) in MODELS.items():
        for seed in seeds:
            run = Run.open(work / f"{run_name}.{seed}")
            found = predictions(run, Dataset.open(work / data_name), rows, compare=not expected)
            of_seeds[name][seed] = found.pop("")
            expected |= found
            best, threads = run.about["best"]["epoch"], run.about["threads"]
            about[name, seed] = {"best_epoch": best, "threads": threads}
        of_seeds[name][ENSEMBLE] = np.mean([*of_seeds[name].values()], axis=0)
    additive = additive_logits(additive_weights(closed, closed.split("train")), data)
    expected[ADDITIVE] = times_mean(additive[rows], counts[train])
    observed = counts[rows]

    made = profile_rows({name: expected[name] for name in PROFILES}, observed, data.samples)
    for name, each in of_seeds.items():
        for which, values in each.items():
            of_run = profile_rows({name: values}, observed, data.samples)
            of_run += differences(name, values, expected[BASELINE], observed, data.samples)
            of_run += total_rows({name: values.sum(-1)}, observed.sum(-1), data.samples)
            more = {"seed": which, **about.get((name, which), {})}
            made += [{**row, **more} for row in of_run]
    for pair in HALVES:
        halves = [window_counts(Dataset.open(work / half))[rows] for half in pair]
        made += profile_rows({" against ".join(pair): halves[0]}, halves[1], data.samples)
    whole = window_counts(Dataset.open(work / "peaks.all"))
    for name, logits in ((ADDITIVE, additive), (BASELINE, window_of(data.bias, data))):
        one = {name: times_mean(logits[rows], whole[train])}
        made += profile_rows(one, whole[rows], (ALL,))
    totals = {RIDGE: ridge_totals(data, train, rows)}
    made += total_rows(totals, observed.sum(-1), data.samples)
    sizes = {"peaks": len(rows), "train_peaks": len(train)}
    return [{**row, **sizes} for row in made]


def predictions(
    run: Any, data: Dataset, rows: npt.NDArray[np.int64], *, compare: bool
) -> dict[str, Array]:
    """Expected cuts of the model, as "", and of `modelkit`'s baselines of the training peaks."""
    import torch

    from modelkit.inference.baselines import baselines
    from modelkit.tasks.profile import ProfileTask

    cpu = torch.device("cpu")
    task, network = ProfileTask(run.config, data), run.network()
    of_rows = task.batches(rows, training=False, batch_size=64, device=cpu)
    known = task.batches(task.rows("train"), training=False, batch_size=64, device=cpu)
    fitted = baselines(task, lambda: known.batches(0)) if compare else {}
    found: dict[str, list[Array]] = {name: [] for name in (*fitted, "")}
    with torch.inference_mode():
        for batch in of_rows.batches(0):
            for name, expect in fitted.items():
                logits, totals = expect(batch)
                found[name].append((totals[..., None] * logits.double().softmax(-1)).numpy())
            totals, profiles = task.predict(network, batch)
            found[""].append((totals.double()[..., None] * profiles.double()).numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def window_of(array: Array, data: Dataset) -> Array:
    """The window of counts or bias."""
    assert data.window is not None
    return np.asarray(array[..., data.window[0] : data.window[1]], np.float64)


def window_counts(data: Dataset) -> Array:
    """Cuts in the window, (n, T, W)."""
    return window_of(data.counts, data)


def additive_weights(data: Dataset, rows: npt.NDArray[np.int64]) -> Array:
    """Log odds of each base at each place around a cut, (2 * REACH + 1, 4).

    Bases around the cuts in the window against those around all of its bp.
    """
    sequence, first = _around_window(data)
    counts = window_counts(data).sum(1)[rows]
    width = counts.shape[1]
    cut, all_bp = np.zeros((2 * REACH + 1, 4)), np.zeros((2 * REACH + 1, 4))
    for j in range(2 * REACH + 1):
        bases = sequence[rows, first + j - REACH : first + j - REACH + width]
        for base in range(4):
            cut[j, base] = counts[bases == base].sum()
            all_bp[j, base] = (bases == base).sum()
    shares = [(each + 1) / (each + 1).sum(1, keepdims=True) for each in (cut, all_bp)]
    return np.asarray(np.log(shares[0] / shares[1]))


def additive_logits(weights: Array, data: Dataset) -> Array:
    """Sum of the weights of the bases around each bp of the window, (n, W); others count 0."""
    sequence, first = _around_window(data)
    assert data.window is not None
    width = data.window[1] - data.window[0]
    held = np.zeros((len(weights), 256))
    held[:, :4] = weights
    logits = np.zeros((len(data), width))
    for j, of_base in enumerate(held):
        low = first + j - REACH
        logits += of_base[sequence[:, low : low + width]]
    return logits


def times_mean(logits: Array, train_counts: Array) -> Array:
    """exp(logits) times the mean profile and total of the training peaks, (n, T, W)."""
    n = train_counts.sum(-1, keepdims=True)
    mean = (train_counts / np.maximum(n, 1)).mean(0)  # (T, W)
    profile = np.exp(logits - logits.max(1, keepdims=True))[:, None] * mean
    return np.asarray(profile / profile.sum(-1, keepdims=True) * n.mean(0))


def profile_rows(expected: Mapping[str, Array], observed: Array, tasks: Sequence[str]) -> list[Row]:
    """Mean Pearson r and JSD of the profiles with a cut, by predictor and task, and of both."""
    found = []
    for name, values in expected.items():
        for task, p, k in _by_task(values, observed, tasks):
            has = (k.sum(-1) > 0) & (p.sum(-1) > 0)
            found.append({
                "measure": "profile", "predictor": name, "task": task, "n": int(has.sum()),
                "pearson": float(pearson(p[has], k[has]).mean()),
                "jsd": float(jensen_shannon(p[has], k[has]).mean()),
            })  # fmt: skip
    return found


def differences(
    name: str, model: Array, baseline: Array, observed: Array, tasks: Sequence[str]
) -> list[Row]:
    """JSD and r of the model minus those of the baseline, peak by peak, of profiles with a cut."""
    found = []
    of_baseline = _by_task(baseline, observed, tasks)
    for (task, p, k), (_, q, _) in zip(_by_task(model, observed, tasks), of_baseline, strict=True):
        has = k.sum(-1) > 0
        for measure, of in (("jsd", jensen_shannon), ("pearson", pearson)):
            both = [of(each[has], k[has]) for each in (p, q)]
            found.append({
                "measure": f"difference of {measure}", "predictor": name, "against": BASELINE,
                "task": task, **paired_difference(*both)._asdict(),
            })  # fmt: skip
    return found


def ridge_totals(data: Dataset, train: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> Array:
    """Totals of `rows`, (n, T), by ridge regression of log(1 + total) on composition."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    assert data.window_in_sequence is not None
    low, high = data.window_in_sequence
    features = composition(data.sequence[:, low:high])
    logs = np.log1p(window_counts(data).sum(-1))
    model = make_pipeline(StandardScaler(), RidgeCV(ALPHAS))
    model.fit(features[train], logs[train])
    return np.asarray(np.expm1(model.predict(features[rows])))


def composition(codes: Array) -> Array:
    """Share of G and C, and of each of the 16 dinucleotides, (n, 17); other bases are left out."""
    known = codes < 4
    gc = ((codes == 1) | (codes == 2)).sum(1) / np.maximum(known.sum(1), 1)
    pairs = 4 * codes[:, :-1].astype(int) + codes[:, 1:]  # above 15 with another base
    counts = np.stack([(pairs == i).sum(1) for i in range(16)], 1)
    return np.column_stack([gc, counts / np.maximum(counts.sum(1, keepdims=True), 1)])


def total_rows(expected: Mapping[str, Array], observed: Array, tasks: Sequence[str]) -> list[Row]:
    """Pearson r of log(1 + total) over the peaks."""
    return [
        {"measure": "totals", "predictor": name, "task": task, "n": len(observed),
         "pearson": float(pearson(np.log1p(totals[:, t].clip(0)), np.log1p(observed[:, t])))}
        for name, totals in expected.items()
        for t, task in enumerate(tasks)
    ]  # fmt: skip


def _by_task(
    expected: Array, observed: Array, tasks: Sequence[str]
) -> list[tuple[str, Array, Array]]:
    """(task, expected, observed) of each task, and of their sum where there are several."""
    found = [(task, expected[:, t], observed[:, t]) for t, task in enumerate(tasks)]
    more = [(BOTH, expected.sum(1), observed.sum(1))] if len(tasks) > 1 else []
    return found + more


def _around_window(data: Dataset) -> tuple[npt.NDArray[np.uint8], int]:
    """Sequence as it is stored, and where the window starts in it."""
    sequence, start = data.stored("sequence")
    assert data.window_in_sequence is not None
    return sequence, data.window_in_sequence[0] + data.spans["sequence"][0] - start
