"""Metrics of profile models against NumPy, one row at a time."""

import numpy as np
import pytest
import torch
from profile_world import (
    WINDOW,
    Says,
    World,
    batches,
    made,
    observed,
)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Nine samples: enough for correlations across tasks."""
    return World(tmp_path_factory.mktemp("many"), n_samples=9)


# --- metrics


def test_metrics_against_numpy_one_row_at_a_time(many):
    from scipy.stats import spearmanr

    _, task, model = made(many.data, "network.total_activation=softplus")
    assert (task.select, task.better[task.select]) == ("pearson_across_tasks", "max")
    rows = np.array([row for row in task.rows("all") if many.data.totals[row].std() > 0])
    found = observed(task, model, rows)
    metrics = task.metrics(found)
    y, n = found["predicted_total"].astype(float), found["n_total"].astype(float)
    pairs = {"tasks": list(zip(y, n, strict=True)), "regions": list(zip(y.T, n.T, strict=True))}
    for name, each in pairs.items():
        pearson = np.mean([np.corrcoef(one, other)[0, 1] for one, other in each])
        spearman = np.mean([spearmanr(one, other)[0] for one, other in each])
        assert metrics[f"pearson_across_{name}"] == pytest.approx(pearson, abs=1e-9)
        assert metrics[f"spearman_across_{name}"] == pytest.approx(spearman, abs=1e-9)
    logs = [np.corrcoef(np.log1p(one), np.log1p(other))[0, 1] for one, other in pairs["regions"]]
    assert metrics["log_pearson_across_regions"] == pytest.approx(np.mean(logs), abs=1e-9)
    assert metrics["n_constant"] == 0
    correlations, cross = [], []
    for batch in batches(task, rows):
        q = task.predict(model, batch).profiles.double().numpy()
        k = task.target(batch).counts.numpy()
        for row, each in np.argwhere(k.sum(-1) > 0):
            correlations.append(np.corrcoef(q[row, each], k[row, each])[0, 1])
            p = k[row, each] / k[row, each].sum()
            cross.append(-(p * np.log(q[row, each])).sum())
    assert metrics["profile_pearson"] == pytest.approx(np.mean(correlations), abs=1e-5)
    assert metrics["cross_entropy"] == pytest.approx(np.mean(cross), rel=1e-5)
    assert metrics["n_without_cuts"] == n.size - len(correlations)


def test_metrics_do_not_depend_on_the_batches(many):
    _, task, model = made(many.data)
    rows = task.rows("validation")
    once = task.metrics(observed(task, model, rows, batch_size=len(rows)))
    pieces = task.metrics(observed(task, model, rows, batch_size=3))
    assert once == pytest.approx(pieces, rel=1e-5)
    with torch.no_grad():
        losses = [
            (float(task.losses(model, each).loss), len(each.rows)) for each in batches(task, rows)
        ]
    mean = sum(loss * n for loss, n in losses) / len(rows)
    assert once["loss"] == pytest.approx(mean, rel=1e-5)


def test_a_dead_prediction_is_counted_and_correlates_with_nothing(many):
    _, task, _ = made(many.data)
    rows = task.rows("all")
    (batch,) = batches(task, rows, batch_size=len(rows))
    target = task.target(batch)
    totals = target.totals.clone()
    logits = torch.randn(len(rows), 9, WINDOW)
    whole = task.observe(Says(logits, totals), batch)
    metrics = task.metrics({name: each.numpy() for name, each in whole.items()})
    varied = int((totals.amax(1) > totals.amin(1)).sum())
    assert metrics["pearson_across_tasks"] == pytest.approx(varied / len(rows))
    dead = totals.clone()
    dead[:10] = 0
    still = int((totals[:10].amax(1) > totals[:10].amin(1)).sum())
    assert still > 5
    found = task.observe(Says(logits, dead), batch)
    metrics = task.metrics({name: each.numpy() for name, each in found.items()})
    assert metrics["n_constant"] == 10 + (len(rows) - 10) - (varied - still)
    assert metrics["pearson_across_tasks"] == pytest.approx((varied - still) / len(rows))
