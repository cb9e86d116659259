"""What a model of labels predicts and why: files, means over runs and strands, attributions."""

import json
from html.parser import HTMLParser

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from label_world import LENGTH, WORDS, make_labels, small_config, write_labels
from sklearn.metrics import roc_auc_score

import kmerengine
from kmerengine import InputError, schemas
from modelkit.cli import main
from modelkit.config_files import read_config
from modelkit.inference.evaluate import evaluate
from modelkit.inference.predict import predict
from modelkit.inference.predictions import Predictions
from modelkit.interpretation.attribution.attribute import attribute
from modelkit.reporting.report import report
from modelkit.training.several import train_seeds
from modelkit.training.train import train

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = tuple(WORDS)
OPTIONS = ("training.learning_rate=0.01", "network.dense_dropout=0.1", "network.filters=[16, 16]")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_labels(tmp_path_factory.mktemp("labels"))


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    return train_seeds(small_config(*OPTIONS), data, tmp_path_factory.mktemp("runs") / "t", 2)


def bases(data, rows):
    """One-hot (n, 4, bp), float64."""
    return np.eye(5, 4)[np.minimum(np.array(data.sequence)[rows], 4)].transpose(0, 2, 1)


def logits_of(run, x):
    with torch.no_grad():
        return run.network().double()(torch.from_numpy(x.copy())).numpy()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_a_row_for_each_example_with_a_number_for_each_label(data, runs, tmp_path):
    made = predict(runs[0], data, tmp_path / "p", split="test", batch_size=7)
    rows = data.split("test")
    expected = logits_of(runs[0], bases(data, rows))
    assert made.tasks == NAMES
    assert made.window is None
    assert made.totals is None
    np.testing.assert_allclose(made.logits, expected, atol=1e-5)
    np.testing.assert_allclose(made.probabilities, sigmoid(expected), atol=1e-6)
    table = pq.read_table(tmp_path / "p" / "labels.parquet")
    assert table.schema.names[-2:] == ["logit", "probability"]
    assert table["row"].to_pylist() == rows.tolist()
    assert table["name"].to_pylist() == [f"seq{row}" for row in rows]
    assert table["probability"].to_pylist() == made.probabilities.tolist()
    assert sorted(each.name for each in (tmp_path / "p").iterdir()) == [
        "labels.parquet", "predictions.json"
    ]  # fmt: skip
    again = Predictions.open(tmp_path / "p")
    assert np.array_equal(again.probabilities, made.probabilities)
    found = evaluate(runs[0], data, resamples=5).by_name["model"]["auroc"]
    labels = data.labels[rows]
    areas = [roc_auc_score(labels[:, i], made.probabilities[:, i]) for i in range(3)]
    assert found.tolist() == pytest.approx(areas)


def test_labels_have_no_replicates(data, runs):
    with pytest.raises(InputError, match="replicates: found two data sets, but"):
        evaluate(runs[0], data, replicates=(data.path, data.path))


def test_several_runs_and_both_strands_are_means_of_probabilities(data, runs, tmp_path):
    made = predict(runs, data, tmp_path / "p", reverse_complement=True)
    x = bases(data, np.arange(len(data)))
    each = [logits_of(run, strand) for run in runs for strand in (x, x[:, ::-1, ::-1])]
    p = np.mean([sigmoid(one) for one in each], axis=0)
    assert np.abs(each[0] - each[1]).max() > 0.01  # the strands are not alike to it
    np.testing.assert_allclose(made.probabilities, p, atol=1e-6)
    np.testing.assert_allclose(made.logits, np.log(p / (1 - p)), atol=1e-5)
    assert not np.allclose(made.logits, np.mean(each, axis=0), atol=1e-3)  # is no mean of logits
    alone = predict(runs, data, tmp_path / "q")
    np.testing.assert_allclose(
        alone.probabilities, (sigmoid(each[0]) + sigmoid(each[2])) / 2, atol=1e-6
    )


def test_probabilities_near_0_and_1_keep_their_logits(data, runs, tmp_path):
    from modelkit.training.run import Run

    network = runs[0].network()
    with torch.no_grad():
        network.output.bias.copy_(torch.tensor([900.0, -900.0, 60.0]))
    told = {name: runs[0].about[name] for name in ("tasks", "shift", "off_by_two")}
    sure = Run.create(tmp_path / "sure", runs[0].config, network, told)
    made = predict([sure, sure], data, tmp_path / "p")
    expected = logits_of(sure, bases(data, np.arange(len(data))))
    np.testing.assert_allclose(made.logits, expected, rtol=1e-5)
    assert (made.probabilities[:, 0] == 1).all()
    assert (made.probabilities[:, 1] == 0).all()


def test_sequences_without_labels_are_predicted_alike(data, runs, tmp_path):
    letters = "".join("ACGT"[code] for code in np.array(data.sequence)[:3].ravel())
    (tmp_path / "g.fa").write_text(f">c\n{letters}\n")
    (tmp_path / "r.bed").write_text("".join(f"c\t{i * 60}\t{i * 60 + 60}\n" for i in range(3)))
    bare = kmerengine.dataset(
        tmp_path / "r.bed", genome=tmp_path / "g.fa", output=tmp_path / "d", width=LENGTH
    )
    assert bare.labels is None
    found = predict(runs[0], bare, tmp_path / "p").logits
    expected = predict(runs[0], data, tmp_path / "q").logits[:3]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_command_is_the_function(data, runs, tmp_path):
    paths = [str(run.path) for run in runs]
    words = ["predict", *paths, "--data", str(data.path), "-o", str(tmp_path / "o")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "275 sequences, 3 labels, " in done.stderr
    predict(runs, data, tmp_path / "p")
    for name in ("labels.parquet", "predictions.json"):
        assert (tmp_path / "o" / name).read_bytes() == (tmp_path / "p" / name).read_bytes()
    assert "note" not in done.stderr
    done = CliRunner().invoke(main, [*words, "--force", "--no-bigwig"])
    assert done.exit_code == 0, done.output
    assert "note: --bigwig/--no-bigwig says nothing of labels" in done.stderr
    assert "--bias" not in done.stderr
    about = json.loads((tmp_path / "o" / "predictions.json").read_text())
    assert about["values"] == ["logit", "probability"]
    assert [run["name"] for run in about["inputs"]["runs"]] == ["seed-0", "seed-1"]


class TestWhatIsRefused:
    def test_a_genome(self, data, runs, tmp_path):
        with pytest.raises(InputError, match=r"genome: found g\.fa, but .* predicts labels"):
            predict(runs, data, tmp_path / "p", genome="g.fa")

    def test_runs_of_other_labels(self, data, runs, tmp_path):
        splits = np.repeat(["train", "validation", "test"], (150, 50, 75))
        other = write_labels(
            tmp_path / "w", np.array(data.sequence), data.labels, NAMES[::-1], splits
        )
        strange = train(small_config("training.epochs=0"), other, tmp_path / "run")
        with pytest.raises(InputError, match=r"predicts sp1, tal, gata, .* gata, tal, sp1; expec"):
            predict([runs[0], strange], data, tmp_path / "p")
        assert not (tmp_path / "p").exists()

    def test_sequences_of_another_length(self, runs, tmp_path):
        (tmp_path / "g.fa").write_text(">c\n" + "ACGTTGCA" * 20 + "\n")
        (tmp_path / "r.bed").write_text("c\t10\t70\n")
        short = kmerengine.dataset(
            tmp_path / "r.bed", genome=tmp_path / "g.fa", output=tmp_path / "d", width=50
        )
        with pytest.raises(InputError, match=r"has 50 bp of sequence, .* takes 60"):
            predict(runs, short, tmp_path / "p")

    def test_runs_of_another_kind(self, data, runs, tmp_path):
        import small_data

        cuts = small_data.make_data(tmp_path)
        config = read_config(model="bpaitac", changes=[*small_data.SMALL, "training.epochs=0"])
        profile = train(config, cuts, tmp_path / "run")
        with pytest.raises(InputError, match=r"is of bpaitac, expected one of .*koo"):
            predict([runs[0], profile], data, tmp_path / "p")
        with pytest.raises(InputError, match="is of koo, expected one of bpaitac"):
            predict([profile, runs[0]], cuts, tmp_path / "p")

    def test_a_folder_that_was_changed(self, data, runs, tmp_path):
        predict(runs, data, tmp_path / "p")
        path = tmp_path / "p" / "predictions.json"
        text = path.read_text()
        about = {k: v for k, v in json.loads(text).items() if k != schemas.SEAL}
        path.write_text(schemas.as_text({k: v for k, v in about.items() if k != "values"}))
        with pytest.raises(InputError, match="names no values"):
            Predictions.open(tmp_path / "p")
        path.write_text(schemas.as_text({**about, "tasks": ["gate", "tal", "sp1"]}))
        with pytest.raises(InputError, match="is not of the same predictions"):
            Predictions.open(tmp_path / "p")
        path.write_text(text.replace('"gata"', '"gate"'))
        with pytest.raises(InputError, match="metadata is damaged"):
            Predictions.open(tmp_path / "p")


# --- why


def rows_with(data, name, n=6):
    held = data.labels[:, NAMES.index(name)] == 1
    rows = data.split("test")
    return rows[held[rows]][:n]


@pytest.mark.parametrize("head", ["logit", "probability"])
@pytest.mark.parametrize("method", ["deepshap", "ig", "saliency", "guided", "gradcam", "ism"])
def test_attributions_are_of_a_class_and_a_head(data, runs, tmp_path, method, head):
    rows = rows_with(data, "tal")
    found = attribute(
        runs[0], data, tmp_path / "a", method=method, head=head, targets=["tal"], rows=rows,
        n_references=4, steps=200,
    )  # fmt: skip
    assert (found.targets, found.head) == (("tal",), head)
    logit = logits_of(runs[0], bases(data, rows))[:, 1]
    expected = logit if head == "logit" else sigmoid(logit)
    np.testing.assert_allclose(found.prediction[:, 0], expected, atol=1e-5)
    scores, _ = found.read(0, len(found))
    assert np.abs(scores).max() > 0
    if method in ("deepshap", "ig"):
        missed = np.abs(found.delta[:, 0]).max()
        assert missed < (1e-5 if method == "deepshap" else 0.02)
        assert found.spread.min() > 1e-3
    if method == "saliency":
        x = torch.from_numpy(bases(data, rows)).requires_grad_()
        y = runs[0].network().double()(x)[:, 1]
        (y if head == "logit" else y.sigmoid()).sum().backward()
        np.testing.assert_allclose(scores[:, 0], x.grad.numpy(), rtol=1e-3, atol=1e-6)
    if method == "guided":
        x = torch.from_numpy(bases(data, rows)).requires_grad_()
        y = guided(runs[0].network().double(), x)[:, 1]
        (y if head == "logit" else y.sigmoid()).sum().backward()
        np.testing.assert_allclose(scores[:, 0], x.grad.numpy(), rtol=1e-3, atol=1e-6)


class Guided(torch.autograd.Function):
    """A ReLU whose gradient passes where both are above 0 (Springenberg et al. 2014)."""

    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        (z,) = ctx.saved_tensors
        return torch.where((z > 0) & (gradient > 0), gradient, torch.zeros_like(gradient))


def guided(network, x):
    """The network by its layers, each ReLU guided, batch norms as they evaluate."""
    x = x.mT
    for block, pool in zip(network.convs, network.pools, strict=True):
        half = block.conv.weight.shape[2] // 2
        z = torch.nn.functional.conv1d(x.mT, block.conv.weight, padding=half)
        x = pool(Guided.apply(block.norm(z).mT))
    z = torch.nn.functional.linear(x.flatten(1), network.dense.conv.weight[:, :, 0])
    return network.output(Guided.apply(network.dense.norm(z)))


def test_a_head_or_class_that_is_not_there(data, runs, tmp_path):
    with pytest.raises(InputError, match=r"head: found 'totals', .* has logit, probability"):
        attribute(runs[0], data, tmp_path / "a", head="totals")
    with pytest.raises(InputError, match=r"targets\.ctcf: found 'ctcf', expected tasks"):
        attribute(runs[0], data, tmp_path / "a", targets=["ctcf"])


def test_the_command_explains_a_class(data, runs, tmp_path):
    words = ["attribute", str(runs[0].path), "--data", str(data.path), "-o", str(tmp_path / "a"),
             "--method", "guided", "--target", "sp1", "--head", "probability"]  # fmt: skip
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "guided of probability, 75 sequences, 1 targets" in done.stderr


def test_the_words_that_were_planted_are_found(tmp_path):
    """Of a network that has learnt them, contributions lie in the word of the class."""
    data = make_labels(tmp_path / "w", n=(1500, 200, 100))
    run = train(small_config(*OPTIONS, "training.epochs=12"), data, tmp_path / "run")
    rows = rows_with(data, "sp1", 20)
    found = attribute(run, data, tmp_path / "a", targets=["sp1"], rows=rows, n_references=4)
    scores, codes = found.read(0, len(found))
    word = WORDS["sp1"]
    other = word.translate(str.maketrans("ACGT", "TGCA"))[::-1]
    shares = []
    for one, code in zip(scores[:, 0], codes, strict=True):
        text = "".join("ACGT"[each] for each in code)
        at = max(text.find(word), text.find(other))
        assert at >= 0
        each = np.take_along_axis(one[:4], code[None].astype(int), 0)[0]
        shares.append(each[at : at + 8].sum() / np.abs(each).sum())
    assert np.median(shares) > 0.4  # of 8 in 60 bp


# --- the page


class Page(HTMLParser):
    """Rows of tables by caption, alternative texts of figures, and headings."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.alt, self.headings, self._open, self._text = {}, [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.alt.append(dict(attrs)["alt"])
        if tag in ("caption", "td", "th", "h2"):
            self._text = ""
        if tag == "tr":
            self._row = []

    def handle_data(self, data):
        self._text += data

    def handle_endtag(self, tag):
        text = " ".join(self._text.split())
        if tag == "caption":
            self._rows = self.tables.setdefault(text, [])
        elif tag in ("td", "th"):
            self._row.append(text)
        elif tag == "tr":
            self._rows.append(self._row)
        elif tag == "h2":
            self.headings.append(text)

    def table(self, caption):
        return next(rows for name, rows in self.tables.items() if name.startswith(caption))


def test_a_page_about_a_run_of_labels(data, runs, tmp_path):
    found = evaluate(runs[0], data, tmp_path / "e", resamples=20)
    made = report(runs[0], tmp_path / "r.html", dataset=data, evaluation=tmp_path / "e")
    page = Page(made.read_text("utf-8"))
    assert "Predicted labels" in page.headings
    assert "Predicted and counted cuts" not in page.headings
    counts = {row[0]: row[1:] for row in page.table("Examples with each label")[1:]}
    for i, name in enumerate(NAMES):
        of = [data.labels[data.split(each), i].sum() for each in ("train", "validation", "test")]
        assert counts[name] == [f"{n:,}" for n in of]
    areas = found.by_name["model"]
    for caption in ("Of the model, by name", "How well the model tells each label"):
        shown = {row[0]: row[1:3] for row in page.table(caption)[1:]}
        for i, name in enumerate(NAMES):
            assert shown[name] == [f"{areas[each][i]:.4f}" for each in ("auroc", "auprc")], caption
    spread = found.over_names()["auroc"]
    assert any(f"auroc {spread} (of 3)" in caption for caption in page.tables)
    for said in ("loss by epoch", "auroc by epoch", "Precision-recall curve of tal"):
        assert any(said in alt for alt in page.alt), said
    assert not any("n undefined" in alt for alt in page.alt)
    assert len(page.table("Regions by split")[0]) == 4  # no cuts, so no median of them


def test_a_page_without_data_says_which_command_it_needs(runs, tmp_path):
    text = report(runs[0], tmp_path / "r.html").read_text("utf-8")
    assert "Predicted labels" in text
    assert "modelkit report RUN --data DATASET" in text
