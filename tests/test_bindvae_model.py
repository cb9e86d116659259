"""BindVAE: weights, divergence, bound, samples, batches and metrics, against plain float64."""

import math

import mpmath
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Dirichlet, kl_divergence
from torch.nn import functional

from kmerengine import InputError, Vocabulary
from modelkit.config_files import read_config
from modelkit.data.words import WordBatch, WordLoader, Words
from modelkit.models.bindvae import BindVAE, TopicNetwork, dirichlet_divergence
from modelkit.recipes.bindvae import BindVAEConfig
from modelkit.tasks.topics import TopicTask
from native_kernels.kmer_count import count_rows

TINY = Vocabulary.wildcard(3, 1)
CPU = torch.device("cpu")


def words_of(texts: list[str], vocabulary: Vocabulary = TINY) -> Words:
    table = np.full(256, 255, np.uint8)
    table[[ord(base) for base in "ACGT"]] = range(4)
    codes = table[np.frombuffer("".join(texts).encode(), np.uint8)]
    ends = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    return Words(*count_rows(codes, ends, vocabulary.k))


def batch_of(texts: list[str], vocabulary: Vocabulary = TINY) -> WordBatch:
    return WordBatch.of(np.arange(len(texts)), words_of(texts, vocabulary), vocabulary, CPU)


def random_texts(n: int, length: int = 30, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("ACGT"), length)) for _ in range(n)]


def tiny(**more) -> BindVAE:
    torch.manual_seed(4)
    options = {"topics": 4, "hidden": (6, 5), "vocabulary": TINY.spec, **more}
    return BindVAE(TopicNetwork(**options))


def task_without_data(network: TopicNetwork) -> TopicTask:
    """The losses and metrics need no data set."""
    task = object.__new__(TopicTask)
    task.vocabulary = network.features
    return task


# ---------------------------------------------------------------------------- weights


def test_parameters_at_full_size_and_their_first_values() -> None:
    torch.manual_seed(0)
    model = BindVAE(TopicNetwork())
    sizes = {name: each.numel() for name, each in model.named_parameters()}
    encoder = sum(n for name, n in sizes.items() if name not in ("decoder", "prior"))
    assert encoder == 34_051_000
    assert (sizes["decoder"], sizes["prior"]) == (11_280_000, 100)
    assert sum(sizes.values()) == 45_331_100
    for name, parameter in model.named_parameters():
        weight = parameter.detach()
        if name.endswith("bias"):
            assert not weight.any()
        elif weight.ndim == 2:
            expected = math.sqrt(2 / sum(weight.shape))
            assert float(weight.std()) == pytest.approx(expected, rel=0.02), name
            assert abs(float(weight.mean())) < 0.02 * expected
            assert float(weight.abs().max()) > 3 * expected  # normal, not uniform
    tens = torch.full((100,), 10.0).double()
    torch.testing.assert_close(model.alpha().detach(), tens, rtol=1e-6, atol=0)
    theta = model.theta().detach()
    sums = theta.double().sum(1)
    torch.testing.assert_close(sums, torch.ones(100).double(), rtol=1e-4, atol=0)
    assert float(theta.max() * 112_800) < 1.05  # practically uniform


@pytest.mark.parametrize("prior", [0.1, 1.0, 30.0, 1000.0])
def test_the_prior_begins_where_it_is_told(prior: float) -> None:
    expected = torch.full((4,), prior).double()
    torch.testing.assert_close(tiny(prior=prior).alpha(), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("prior", [0.001, 0.02, 0.1, 0.3, 0.5, 1.0, 2.2, 10.0])
def test_a_prior_at_the_clip_may_leave_it(prior: float) -> None:
    """Rounded to float32 it may lie outside, where nothing has a gradient."""
    for model in (tiny(prior=prior, lowest=prior), tiny(prior=prior, lowest=1e-4, highest=prior)):
        alpha = model.alpha()
        alpha.sum().backward()
        assert (model.prior.grad != 0).all()
        torch.testing.assert_close(alpha, torch.full((4,), prior).double(), rtol=1e-6, atol=0)


# ---------------------------------------------------------------------------- divergence


def exact_divergence(eta: np.ndarray, alpha: np.ndarray) -> float:
    """With 60 digits."""
    with mpmath.workdps(60):
        e, a = [mpmath.mpf(float(v)) for v in eta], [mpmath.mpf(float(v)) for v in alpha]
        found = mpmath.loggamma(sum(e)) - mpmath.loggamma(sum(a))
        found += sum(mpmath.loggamma(v) for v in a) - sum(mpmath.loggamma(v) for v in e)
        whole = mpmath.digamma(sum(e))
        found += sum((u - v) * (mpmath.digamma(u) - whole) for u, v in zip(e, a, strict=True))
        return float(found)


@pytest.mark.parametrize(
    ("eta", "alpha"), [(0.1, 1000), (1000, 0.1), (10, 10), (999.9, 1000), (0.1, 0.1001), (3, 8)]
)
@pytest.mark.parametrize("topics", [2, 100])
def test_the_divergence_has_its_digits(eta: float, alpha: float, topics: int) -> None:
    rng = np.random.default_rng(0)
    e = np.clip(eta * rng.uniform(0.9, 1.1, topics), 0.1, 1000)
    a = np.full(topics, alpha, float)
    found = float(dirichlet_divergence(torch.from_numpy(e), torch.from_numpy(a)))
    assert found == pytest.approx(exact_divergence(e, a), rel=1e-9, abs=1e-8)


def test_the_divergence_is_pytorchs_and_the_mean_over_samples() -> None:
    torch.manual_seed(0)
    eta, alpha = torch.rand(5, 7).double() * 6 + 0.2, torch.rand(7).double() * 12 + 0.2
    found = dirichlet_divergence(eta, alpha)
    q, p = Dirichlet(eta), Dirichlet(alpha)
    torch.testing.assert_close(found, kl_divergence(q, p.expand((5,))))
    z = q.sample((40_000,)).clamp(min=1e-300)
    z = z / z.sum(-1, keepdim=True)
    away = q.log_prob(z) - p.log_prob(z)
    error = away.std(0) / math.sqrt(len(away))
    assert ((away.mean(0) - found).abs() < 5 * error).all()
    assert (error < 0.05 * found).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("topics", [2, 10, 1000])
def test_the_divergence_is_never_below_0(dtype: torch.dtype, topics: int) -> None:
    """Where it is 0 to rounding, and at concentrations as far apart as they can be."""
    torch.manual_seed(0)
    ends = torch.tensor([0.1, 1000.0])
    extreme = ends[torch.randint(2, (50, topics))]
    near = extreme * (1 + 1e-6 * torch.randn(50, topics))
    between = torch.exp(torch.empty(50, topics).uniform_(math.log(0.1), math.log(1000)))
    for eta in (extreme, near, between, torch.full((1, topics), 0.1)):
        for alpha in (eta[0], extreme[0], torch.full((topics,), 1000.0)):
            found = dirichlet_divergence(eta.to(dtype), alpha.to(dtype))
            assert found.dtype == torch.float64
            assert (found >= 0).all()
            assert found.isfinite().all()
    same = dirichlet_divergence(extreme.to(dtype), extreme.to(dtype)[0])
    assert float(same[0]) < 1e-6


def test_what_a_network_gives_under_autocast_has_a_divergence() -> None:
    model, batch = tiny(), batch_of(random_texts(4))
    with torch.autocast("cpu", torch.bfloat16):
        found = model(batch)
    assert found.concentrations.dtype == found.prior.dtype == torch.float64
    assert (dirichlet_divergence(found.concentrations, found.prior) >= 0).all()


# ---------------------------------------------------------------------------- the bound


def bound_by_hand(model: BindVAE, text: str) -> tuple[float, float]:
    """Reconstruction and divergence of the mean of the proportions, a number at a time."""
    pairs = str.maketrans("ACGT", "TGCA")
    weights = {name: each.double().tolist() for name, each in model.state_dict().items()}
    counts = [0] * TINY.n_features
    for start in range(len(text) - 2):
        window = text[start : start + 3]
        met = set()
        for read in (window, window.translate(pairs)[::-1]):
            met.add(TINY.feature(read))
            met.update(TINY.feature(read[:i] + "N" + read[i + 1 :]) for i in range(3))
        for feature in met:
            counts[feature] += 1
    x = [
        sum(c * row[unit] for c, row in zip(counts, weights["embedding"], strict=True)) + bias
        for unit, bias in enumerate(weights["bias"])
    ]
    for layer in range(len(model.layers)):
        x = [max(value, 0) for value in x]
        x = [
            sum(a * b for a, b in zip(x, row, strict=True)) + bias
            for row, bias in zip(
                weights[f"layers.{layer}.weight"], weights[f"layers.{layer}.bias"], strict=True
            )
        ]
    eta = [min(max(math.log1p(math.exp(value)), 0.1), 1000) for value in x]
    alpha = [min(max(math.log1p(math.exp(value)), 0.1), 1000) for value in weights["prior"]]
    z = [value / sum(eta) for value in eta]
    nll = 0.0
    logits = weights["decoder"]
    masses = [sum(math.exp(row[m]) for row in logits) for m in range(len(z))]
    for count, row in zip(counts, logits, strict=True):
        p = sum(z[m] * math.exp(row[m]) / masses[m] for m in range(len(z)))
        nll -= count * math.log(p)
    return nll, exact_divergence(np.array(eta), np.array(alpha))


def test_the_bound_by_hand() -> None:
    model, texts = tiny(), [*random_texts(3), "ACGTACGTTTAATTAA"]
    with torch.no_grad():
        model.decoder.normal_()
        model.prior.normal_(1, 1)
        for layer in model.layers:
            layer.bias.normal_()
    with torch.no_grad():
        found = model(batch_of(texts), sample=False)
        divergence = dirichlet_divergence(found.concentrations, found.prior)
    for i, text in enumerate(texts):
        nll, away = bound_by_hand(model, text)
        assert float(found.nll[i]) == pytest.approx(nll, rel=1e-5)
        assert float(divergence[i]) == pytest.approx(away, rel=1e-4)  # the encoder has 7 digits
    losses = task_without_data(model.options).losses(
        lambda batch: model(batch, sample=False), batch_of(texts)
    )
    total = np.mean([sum(bound_by_hand(model, text)) for text in texts])
    assert float(losses.loss.detach()) == pytest.approx(total, rel=1e-5)
    assert set(losses.parts) == {"reconstruction", "divergence"}


def test_concentrations_are_clipped() -> None:
    model, batch = tiny(lowest=0.5, highest=2.0), batch_of(random_texts(2))
    with torch.no_grad():
        model.layers[-1].bias.copy_(torch.tensor([-50.0, 50, 0, 0]))
    eta = model(batch).concentrations
    assert eta[:, 0].tolist() == [0.5] * 2
    assert eta[:, 1].tolist() == [2.0] * 2


def test_gradients_of_all_weights_are_those_of_a_dense_network() -> None:
    model, batch = tiny(), batch_of(random_texts(5))
    task = task_without_data(model.options)
    task.losses(lambda each: model(each, sample=False), batch).loss.backward()

    held = {n: each.detach().double().requires_grad_() for n, each in model.named_parameters()}
    assert batch.features is not None
    counts = batch.features.dense(5, torch.float64)
    x = counts @ held["embedding"] + held["bias"]
    for i in range(len(model.layers)):
        x = x.relu() @ held[f"layers.{i}.weight"].T + held[f"layers.{i}.bias"]
    q = Dirichlet(functional.softplus(x).clamp(0.1, 1000))
    p = Dirichlet(functional.softplus(held["prior"]).clamp(0.1, 1000))
    nll = -(counts * (q.mean @ held["decoder"].softmax(0).T).log()).sum(1)
    (nll.mean() + kl_divergence(q, p.expand((5,))).mean()).backward()
    for name, weight in model.named_parameters():
        expected = held[name].grad
        assert weight.grad is not None
        assert expected is not None
        off = (weight.grad.double() - expected).norm() / expected.norm()
        assert off < 1e-5, name


# ---------------------------------------------------------------------------- samples


def second_moments(eta: Tensor) -> Tensor:
    """E z_m**2 of a Dirichlet."""
    whole = eta.sum()
    return eta * (eta + 1) / (whole * (whole + 1))


@pytest.mark.parametrize("bias", [-1.0, 0.5, 3.0])
def test_gradients_through_samples_are_those_of_the_expectation(bias: float) -> None:
    """Of f = sum c_m z_m**2, whose mean is known; and by finite differences of the known mean."""
    model, n = tiny(), 20_000
    with torch.no_grad():
        model.layers[-1].bias.copy_(bias + torch.tensor([0.0, 0.3, -0.4, 1.0]))
    words = words_of(["ACGTTGCAAC"])
    batch = WordBatch.of(np.zeros(n, np.int64), words.take(np.zeros(n, np.int64)), TINY, CPU)
    torch.manual_seed(0)
    found = model(batch)
    c = torch.tensor([1.0, -2.0, 0.5, 3.0]).double()
    values = (c * found.proportions**2).sum(1)
    (slopes,) = torch.autograd.grad(values.sum(), found.concentrations)
    eta, values = found.concentrations[0].detach(), values.detach()
    mean, error = slopes.mean(0), slopes.std(0) / math.sqrt(n)
    for m in range(4):
        step = torch.zeros(4).double()
        step[m] = 1e-5 * eta[m]
        above, below = (c @ second_moments(eta + sign * step) for sign in (1, -1))
        expected = float(above - below) / float(2 * step[m])
        assert abs(float(mean[m]) - expected) < 5 * float(error[m]) + 1e-9
    assert float((values.mean() - c @ second_moments(eta)).abs()) < 5 * float(values.std()) / n**0.5


def test_the_seed_decides_the_samples() -> None:
    model, batch = tiny(), batch_of(random_texts(3))
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(model(batch).proportions)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    torch.testing.assert_close(drawn[0].sum(1), torch.ones(3).double())
    mean = model(batch, sample=False)
    eta = mean.concentrations
    torch.testing.assert_close(mean.proportions, eta / eta.sum(1, keepdim=True))


# ---------------------------------------------------------------------------- batches


def test_tokens_of_probes() -> None:
    texts = ["A" * 20, "CCCCCCAACCGGTTCCCCCC", "ACGTACGTACCCCCCCCCCC", "ACGTACGTACGTCCCCCCCC"]
    batch = batch_of(texts, Vocabulary.wildcard())
    assert batch.n_tokens.tolist() == [208, 201, 194, 187]
    assert batch.features is not None
    assert batch.features.dense(4, torch.float64).sum(1).tolist() == [208, 201, 194, 187]
    short = batch_of(["ACGTACG", "", "ACGTNACGT"], Vocabulary.wildcard())
    assert short.n_tokens.tolist() == [0, 0, 0]


def test_a_batch_has_the_features_that_the_projection_gives() -> None:
    words = words_of(random_texts(11))
    rows = np.array([7, 2, 9])
    batch = WordBatch.of(rows, words.take(rows), TINY, CPU)
    indptr, features, counts = TINY.projection.rows(*words)
    expected = np.zeros((3, TINY.n_features))
    for i, row in enumerate(rows):
        at = slice(indptr[row], indptr[row + 1])
        expected[i, features[at]] = counts[at]
    assert batch.features is not None
    assert np.array_equal(batch.features.dense(3, torch.float64).numpy(), expected)
    assert batch.n_tokens.tolist() == expected.sum(1).tolist()
    assert batch.rows.tolist() == rows.tolist()
    assert WordBatch.of(rows, words.take(rows), TINY, CPU, features=False).features is None


def loader(words: Words, **more) -> WordLoader:
    rows = np.arange(2, len(words.indptr) - 1)
    return WordLoader(words, TINY, rows, **{"batch_size": 4, "seed": 3, **more})


def rows_in(batches) -> list[list[int]]:
    return [batch.rows.tolist() for batch in batches]


def test_batches_are_a_function_of_seed_epoch_and_place() -> None:
    words = words_of(random_texts(17))
    whole = rows_in(loader(words, shuffle=True).batches(5))
    assert rows_in(loader(words, shuffle=True).batches(5, 2)) == whole[2:]
    assert rows_in(loader(words, shuffle=True).batches(6)) != whole
    assert rows_in(loader(words, shuffle=True, seed=4).batches(5)) != whole
    assert len(loader(words, shuffle=True)) == len(whole) == 3  # of 15 rows, only whole batches
    flat = [row for rows in whole for row in rows]
    assert len(set(flat)) == 12
    assert set(flat) <= set(range(2, 17))
    in_order = rows_in(loader(words).batches(0))
    assert [row for rows in in_order for row in rows] == list(range(2, 17))
    assert [len(rows) for rows in in_order] == [4, 4, 4, 3]


def test_ranks_share_each_batch_out() -> None:
    words = words_of(random_texts(14))
    whole = rows_in(loader(words, shuffle=True).batches(1))
    parts = [rows_in(loader(words, shuffle=True, rank=i, ranks=2).batches(1)) for i in range(2)]
    for batch, one, other in zip(whole, *parts, strict=True):
        assert (one, other) == (batch[::2], batch[1::2])
    for ranks, size in ((3, 4), (2, 11)):  # 4 is no multiple of 3; the last of 12 is alone
        with pytest.raises(InputError, match="batch_size: found"):
            loader(words, ranks=ranks, batch_size=size)


# ---------------------------------------------------------------------------- metrics


@pytest.mark.parametrize("level", [0.0, 3.0])
def test_perplexity_of_a_uniform_decoder(level: float) -> None:
    """112,800 of the reconstruction alone, whatever the proportions; the divergence adds to it."""
    network = TopicNetwork(topics=3, hidden=(2,))
    model = BindVAE(network)
    with torch.no_grad():
        model.decoder.fill_(level)
    task = task_without_data(network)
    observed = task.observe(model, batch_of([*random_texts(4, 200), "A" * 20], network.features))
    arrays = {name: value.numpy() for name, value in observed.items()}
    alone = task.metrics({**arrays, "loss": arrays["reconstruction"]})
    assert alone["perplexity"] == pytest.approx(112_800, rel=1e-5)
    whole = task.metrics(arrays)
    share = (arrays["reconstruction"] + arrays["divergence"]) / arrays["n_tokens"]
    assert whole["perplexity"] == pytest.approx(math.exp(share.mean()), rel=1e-9)
    assert whole["loss"] == pytest.approx(whole["reconstruction"] + whole["divergence"])
    assert whole["n_without_words"] == 0


def test_examples_without_words_are_counted_and_not_in_the_perplexity() -> None:
    model = tiny()
    task = task_without_data(model.options)
    texts = random_texts(3)
    some, more = (
        {n: v.numpy() for n, v in task.observe(model, batch_of(each)).items()}
        for each in (texts, [*texts, "NNNNN"])
    )
    assert task.metrics(more)["n_without_words"] == 1
    assert more["reconstruction"][3] == 0
    assert np.isfinite(task.metrics(more)["perplexity"])
    alone = {n: v.numpy() for n, v in task.observe(model, batch_of(["N", ""])).items()}
    assert math.isnan(task.metrics(alone)["perplexity"])
    assert some["n_tokens"].tolist() == more["n_tokens"][:3].tolist()


def test_measuring_draws_the_same_proportions_again_and_leaves_the_seed_alone() -> None:
    model = tiny()
    task, batch = task_without_data(model.options), batch_of(random_texts(3))
    torch.manual_seed(9)
    first = task.observe(model, batch)
    after = torch.rand(1)
    torch.manual_seed(9)
    assert torch.equal(torch.rand(1), after)
    assert torch.equal(task.observe(model, batch)["loss"], first["loss"])
    others = task.observe(model, batch._replace(rows=batch.rows + 5))
    assert not torch.equal(others["loss"], first["loss"])  # other rows, other proportions


# ---------------------------------------------------------------------------- configs


def test_presets_are_the_papers_and_the_codes_numbers() -> None:
    paper = read_config(model="bindvae", preset="paper").training
    code = read_config(model="bindvae", preset="code").training
    assert read_config(model="bindvae") == read_config(model="bindvae", preset="paper")
    for found, rate, batch, frozen in ((paper, 3e-4, 128, 150_000), (code, 1e-4, 16, 120_000)):
        assert (found.learning_rate, found.batch_size, found.steps) == (rate, batch, 300_000)
        assert found.frozen == {"prior": frozen}
        assert (found.optimizer, found.eps, found.betas) == ("adam", 1e-8, (0.9, 0.999))
    network = read_config(model="bindvae").network
    assert isinstance(network, TopicNetwork)
    assert (network.topics, network.hidden, network.prior) == (100, (300, 300, 300), 10)
    assert (network.lowest, network.highest) == (0.1, 1000)
    assert network.features.n_features == 112_800
    small = read_config(model="bindvae", preset="small")
    assert (small.training.steps, small.network.topics) == (10_000, 40)
    assert small.training.rates == {"embedding": 2e-3, "bias": 0.1, "layers": 0.1}


@pytest.mark.parametrize("topics", [10, 50, 100, 200, 500, 1000])
def test_the_papers_grids_are_configs(topics: int) -> None:
    for prior in (1e-3, 1e-2, 0.1, 1, 10, 20, 30, 50, 100):
        made = BindVAEConfig().changed({"network": {"topics": topics, "prior": prior}})
        assert (made.network.topics, made.network.prior) == (topics, prior)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"topics": 1}, "topics"),
        ({"hidden": []}, "hidden"),
        ({"prior": 0}, "prior"),
        ({"lowest": 5.0, "highest": 2.0}, "lowest must be below highest"),
        ({"vocabulary": {"kind": "x"}}, "vocabulary"),
        ({"vocabulary": Vocabulary.exact(20).spec}, "must have numbers"),
    ],
)
def test_networks_that_cannot_be(change: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        BindVAEConfig().changed({"network": change})


def test_layers_have_the_sizes_that_are_asked_for() -> None:
    model = tiny(hidden=(6, 5, 3), topics=9)
    sizes = [model.embedding.shape[1], *(layer.out_features for layer in model.layers)]
    assert sizes == [6, 5, 3, 9]
    assert [layer.in_features for layer in model.layers] == sizes[:-1]
