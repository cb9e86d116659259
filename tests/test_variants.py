"""Effects of variants, against networks that letters can be added up for, and one by one."""

import json
import math

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.spatial.distance import jensenshannon

import kmerengine
import modelkit
from kmerengine import InputError, schemas
from modelkit.cli import main
from modelkit.interpretation.variants import variant_sequences
from modelkit.interpretation.variants.variants import VariantScores, _quantiles, variants
from modelkit.models.bpaitac import BpAITAC
from modelkit.recipes.bpaitac import BpAITACConfig
from modelkit.training.run import Run

WIDTH, WINDOW = 60, 20
LOW = (WIDTH - WINDOW) // 2
TASKS = ("B", "NK")
BASES = "ACGT"
WEIGHTS = np.array([[3.0, 8.0, 1.0, 4.0], [20.0, 2.0, 6.0, 1.0]])  # tasks x A C G T
LOGITS = np.array([[0.5, -1.0, 0.25, 2.0], [0.0, 1.5, -0.5, 0.75]])
OFFSETS = np.array([0.5, 2.0])
SIZES = {"chr1": 900, "chr2": 700}
GENOME = {
    name: "".join(np.random.default_rng(i).choice(list(BASES), size))
    for i, (name, size) in enumerate(SIZES.items())
}
GENOME["chr2"] = GENOME["chr2"][:300] + "N" + GENOME["chr2"][301:].lower()


def other(base, steps=1):
    return BASES[(BASES.index(base.upper()) + steps) % 4]


def row(chrom, position, width=1, steps=(1,), name="."):
    """A line of VCF; `position` is 0-based."""
    reference = GENOME[chrom][position : position + width]
    alleles = ["".join(other(base, step) for base in reference) for step in steps]
    return f"{chrom}\t{position + 1}\t{name}\t{reference}\t{','.join(alleles)}\n"


HEAD = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\n"
GOOD = [
    ("chr1", 30, 1, (1,)), ("chr1", 100, 1, (1, 2, 3)), ("chr2", 350, 4, (2,)),
    ("chr2", 345, 1, (1,)), ("chr1", 870, 1, (3,)), ("chr1", 400, 3, (1,)),
]  # fmt: skip
ALLELES = [(c, p, w, step) for c, p, w, steps in GOOD for step in steps]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "g.fa").write_text("".join(f">{n}\n{text}\n" for n, text in GENOME.items()))
    (folder / "v.vcf").write_text(HEAD + "".join(row(*each) for each in GOOD))
    rows = (f"{n}\t{at}\t{at + 30}\tx\t1\n" for n in SIZES for at in range(0, 600, 3))
    (folder / "f.tsv").write_text("".join(rows))
    (folder / "p.bed").write_text("".join(f"chr1\t{at}\t{at + 2}\n" for at in range(40, 800, 19)))
    (folder / "n.bed").write_text("chr2\t100\t102\nchr2\t400\t402\n")
    kmerengine.cuts(
        [folder / "f.tsv"] * 2, names=TASKS, output=folder / "c.parquet", input_shift="none",
        genome=folder / "g.fa",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def data(files):
    return kmerengine.dataset(
        files / "p.bed", genome=files / "g.fa", cuts=files / "c.parquet", width=WIDTH,
        window=WINDOW, output=files / "d", negatives=files / "n.bed", split=["test=chr2"],
    )  # fmt: skip


def make_run(path, data, /, *, scale=1.0, random=None, moved=0, **network):
    """A network of one bp: logits by base, totals by the shares of the bases; or random weights."""
    small = {"channels": 4, "stem_width": 1, "blocks": 0, "head_width": 1,
             "total_head": "global-pool"}  # fmt: skip
    changes = {"network": small | network, "objective": {"use_bias": False}}
    if network.get("total_head") == "none" or not network.get("profile_head", True):
        changes["objective"]["lambda_"] = float(network.get("profile_head", True))
    config = BpAITACConfig().changed(changes).for_dataset(data)
    window = {"window_start": config.network.window_start + moved}
    config = config.model_copy(update={"network": config.network.model_copy(update=window)})
    torch.manual_seed(random or 0)
    model = BpAITAC(config.network)
    if random is None:
        state = {name: torch.zeros_like(t) for name, t in model.state_dict().items()}
        state["stem.weight"] = torch.eye(4)[:, :, None]
        if config.network.profile_head:
            state["profile.weight"] = torch.tensor(scale * LOGITS).float()[:, :, None]
        if config.network.total_head != "none":
            state["total.dense.weight"] = torch.tensor(scale * WEIGHTS).float()
            state["total.dense.bias"] = torch.tensor(OFFSETS).float()
        model.load_state_dict(state)
    told = {"shift": data.shift, "off_by_two": data.off_by_two, "tasks": list(TASKS)}
    return Run.create(path, config, model, told, force=True)


@pytest.fixture(scope="module")
def run(files, data):
    return make_run(files / "run", data)


def alleles(chrom, position, width, step):
    """The sequence and its mutant, the variant's middle base in the middle."""
    low = position + width // 2 - WIDTH // 2
    before = GENOME[chrom][low : low + WIDTH].upper()
    at = position - low
    after = "".join(
        other(base, step) if at <= i < at + width else base for i, base in enumerate(before)
    )
    return before, after


def turned(sequence):
    return sequence[::-1].translate(str.maketrans("ACGT", "TGCA"))


def total(sequence, task, scale=1.0):
    seen = [scale * WEIGHTS[task][BASES.index(base)] for base in sequence if base in BASES]
    return sum(seen) / WIDTH + OFFSETS[task]


def profile(sequence, task, scale=1.0):
    logits = [
        scale * LOGITS[task][BASES.index(base)] if base in BASES else 0.0
        for base in sequence[LOW : LOW + WINDOW]
    ]
    weights = [math.exp(z) for z in logits]
    return np.array([w / sum(weights) for w in weights])


def expected(allele, task, *, scales=(1.0,), both=True):
    """Totals, fold change, divergence and quantile-free effect of one allele, by hand."""
    totals, profiles = [], []
    for sequence in alleles(*allele):
        strands = [(sequence, 1), (turned(sequence), -1)] if both else [(sequence, 1)]
        made = [(s, way, scale) for s, way in strands for scale in scales]
        totals.append(np.mean([total(s, task, scale) for s, _, scale in made]))
        each = [profile(s, task, scale)[::way] for s, way, scale in made]
        profiles.append(np.mean(each, axis=0))
    change = math.log2((totals[1] + 1) / (totals[0] + 1))
    jsd = jensenshannon(*profiles, base=2) ** 2
    return [*totals, change, jsd, abs(change) * jsd]


COLUMNS = ["reference_total", "alternative_total", "log2_fold_change", "jsd", "effect"]


def assert_scores(made, **of):
    rows = made.table().to_pylist()
    assert len(rows) == len(made) == len(ALLELES)
    for found, allele in zip(rows, ALLELES, strict=True):
        for task in range(2):
            values = [found[name][task] for name in COLUMNS]
            assert values == pytest.approx(expected(allele, task, **of), rel=2e-5, abs=5e-7)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
@pytest.mark.parametrize("both", [True, False])
def test_scores_are_those_of_letters_added_up(files, run, tmp_path, monkeypatch, both, batch_size):
    monkeypatch.setattr(variant_sequences, "TOGETHER", 3)
    made = variants(
        run, files / "v.vcf", tmp_path / "o.parquet", genome=files / "g.fa",
        reverse_complement=both, batch_size=batch_size,
    )  # fmt: skip
    assert_scores(made, both=both)
    assert made.tasks == TASKS
    assert made.skipped == {}
    rows = made.table().to_pylist()
    for found, (chrom, position, width, step) in zip(rows, ALLELES, strict=True):
        reference = GENOME[chrom][position : position + width].upper()
        assert found["chrom"], found["start"] == (chrom, position)
        assert found["reference"] == reference
        assert found["alternative"] == "".join(other(base, step) for base in reference)


def test_predictions_of_several_runs_are_averaged(files, data, run, tmp_path):
    second = make_run(tmp_path / "r", data, scale=2.0)
    made = variants(
        [run, second.path], files / "v.vcf", tmp_path / "o.parquet", genome=files / "g.fa"
    )
    assert_scores(made, scales=(1.0, 2.0))
    assert [each["name"] for each in made.provenance["inputs"]["runs"]] == ["run", "r"]


def test_a_network_that_sees_order_is_asked_one_by_one(files, data, tmp_path):
    """Of random weights, with bins whose rest is not predicted; every pass by itself."""
    run = make_run(
        tmp_path / "r", data, random=3, channels=6, stem_width=7, blocks=2, head_width=5,
        total_head="flat", total_activation="softplus", bin_size=3,
    )  # fmt: skip
    made = variants(run, files / "v.vcf", tmp_path / "o.parquet", genome=files / "g.fa")
    network = run.network()
    for found, allele in zip(made.table().to_pylist(), ALLELES, strict=True):
        totals, profiles = [], []
        for sequence in alleles(*allele):
            some = []
            for strand, way in ((sequence, 1), (turned(sequence), -1)):
                x = torch.zeros(1, 4, WIDTH)
                for i, base in enumerate(strand):
                    if base in BASES:
                        x[0, BASES.index(base), i] = 1
                with torch.no_grad():
                    output = network(x)
                bins = output.logits.softmax(-1)[0].numpy()
                per_bp = np.pad(np.repeat(bins, 3, axis=1) / 3, ((0, 0), (0, WINDOW % 3)))
                some.append((output.totals[0].numpy(), per_bp[:, ::way]))
            totals.append(np.mean([each[0] for each in some], axis=0))
            profiles.append(np.mean([each[1] for each in some], axis=0))
        for task in range(2):
            change = np.log2((totals[1][task] + 1) / (totals[0][task] + 1))
            jsd = jensenshannon(profiles[0][task], profiles[1][task], base=2) ** 2
            assert found["log2_fold_change"][task] == pytest.approx(change, abs=1e-6)
            assert found["jsd"][task] == pytest.approx(jsd, rel=1e-3, abs=1e-7)


def test_the_pseudocount_is_added_to_both(files, run, tmp_path):
    made = variants(
        run, files / "v.vcf", tmp_path / "o.parquet", genome=files / "g.fa", pseudocount=0.25
    )
    for found in made.table().to_pylist():
        for a, b, change in zip(*(found[name] for name in COLUMNS[:3]), strict=True):
            assert change == pytest.approx(math.log2((b + 0.25) / (a + 0.25)))


def test_quantiles_are_among_the_peaks_without_the_negatives(files, data, run, tmp_path):
    made = variants(
        run, files / "v.vcf", tmp_path / "o.parquet", genome=files / "g.fa", dataset=data.path,
        batch_size=5,
    )  # fmt: skip
    peaks = []
    for start, negative in zip(data.regions["start"].to_pylist(), data.negative, strict=True):
        sequence = GENOME["chr1"][start : start + WIDTH]
        if not negative:
            peaks.append([
                (total(sequence, t) + total(turned(sequence), t)) / 2 for t in range(2)
            ])  # fmt: skip
    assert 0 < len(peaks) < len(data)
    seen = set()
    for found in made.table().to_pylist():
        for task, quantile in enumerate(found["active_allele_quantile"]):
            stronger = max(found["reference_total"][task], found["alternative_total"][task])
            least, most = (  # of equal totals rounding decides
                sum(each[task] <= stronger + by for each in peaks) / len(peaks)
                for by in (-1e-5, 1e-5)
            )
            assert least - 1e-9 <= quantile <= most + 1e-9
            seen.add(quantile)
    assert len(seen) > 3


def test_a_peak_of_the_same_total_is_not_above():
    peaks = np.array([[1.0, 5.0], [2.0, 6.0], [2.0, 7.0], [3.0, 8.0]])
    found = _quantiles(np.array([[2.0, 4.0], [0.5, 8.0], [2.5, 6.5]]), peaks)
    assert found.tolist() == [[0.75, 0.0], [0.0, 1.0], [0.75, 0.5]]


@pytest.mark.parametrize(
    ("network", "there"),
    [
        ({"total_head": "none"}, ["jsd"]),
        ({"profile_head": False}, COLUMNS[:3]),
    ],
)
def test_scores_that_a_model_has_not_have_no_column(files, data, tmp_path, network, there):
    run = make_run(tmp_path / "r", data, **network)
    made = variants(run, files / "v.vcf", tmp_path / "o.parquet", genome=files / "g.fa")
    assert [name for name in made.table().column_names if name in COLUMNS] == there
    for found, allele in zip(made.table().to_pylist(), ALLELES, strict=True):
        for name in there:
            values = [expected(allele, task)[COLUMNS.index(name)] for task in range(2)]
            assert found[name] == pytest.approx(values, rel=2e-5, abs=5e-7)
    if "total_head" in network:
        with pytest.raises(InputError, match="predicts no totals"):
            variants(
                run, files / "v.vcf", tmp_path / "p.parquet", genome=files / "g.fa", dataset=data
            )


LEFT_OUT = [
    ("chrX\t30\t.\tA\tC\n", "its contig is not in the genome"),
    (f"chr1\t101\t.\t{other(GENOME['chr1'][100])}\t{GENOME['chr1'][100]}\n", "REF is not"),
    ("chr1\t901\t.\tA\tC\n", "REF is not"),
    ("chr2\t301\t.\tA\tC\n", "REF is not"),
    (row("chr1", 29), "its sequence would pass an end"),
    (row("chr1", 871), "its sequence would pass an end"),
    (row("chr1", 400, 61), "longer than the models' sequence"),
    ("chr1\t50\t.\tA\tAC,<DEL>,*\n", "an insertion or deletion"),
]


def test_what_has_no_score_is_counted_by_reason(files, run, tmp_path):
    (tmp_path / "v.vcf").write_text(
        HEAD + "".join(text for text, _ in LEFT_OUT) + row("chr1", 400) + row("chr1", 400, 60)
    )
    made = variants(run, tmp_path / "v.vcf", tmp_path / "o.parquet", genome=files / "g.fa")
    assert made.table()["start"].to_pylist() == [400, 400]
    assert made.provenance["alleles"] == 12
    assert made.provenance["lines"] == 10
    assert made.skipped.pop("a symbolic allele, such as <DEL>") == 1
    assert made.skipped.pop("an allele that another variant deletes (ALT is *)") == 1
    for reason, n in made.skipped.items():
        assert n == sum(reason.startswith(each) for _, each in LEFT_OUT), reason
    assert sum(made.skipped.values()) == len(LEFT_OUT)


def test_a_file_of_another_assembly_is_an_error(files, run, tmp_path):
    for text, message in (LEFT_OUT[0], LEFT_OUT[1]):
        (tmp_path / "v.vcf").write_text(HEAD + text * 2)
        with pytest.raises(InputError, match=f"line 3: .*{message}.*2 do not fit"):
            variants(run, tmp_path / "v.vcf", tmp_path / "o.parquet", genome=files / "g.fa")
    assert [each.name for each in tmp_path.iterdir()] == ["v.vcf"]


def test_a_header_alone_gives_an_empty_table(files, run, tmp_path):
    (tmp_path / "v.vcf").write_text(HEAD)
    made = variants(run, tmp_path / "v.vcf", tmp_path / "o.parquet", genome=files / "g.fa")
    assert len(made) == 0
    assert made.table().schema.names[:5] == ["chrom", "start", "name", "reference", "alternative"]


def test_damage_leaves_nothing_behind(files, run, tmp_path):
    text = (files / "v.vcf").read_text()
    (tmp_path / "v.vcf").write_text(text[: text.rindex("\t")])
    with pytest.raises(InputError, match="line 8: found 4 columns, expected 5"):
        variants(run, tmp_path / "v.vcf", tmp_path / "o.parquet", genome=files / "g.fa")
    (tmp_path / "o.parquet").write_text("here")
    with pytest.raises(InputError, match="exists"):
        variants(run, files / "v.vcf", tmp_path / "o.parquet", genome=files / "g.fa")
    assert (tmp_path / "o.parquet").read_text() == "here"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["o.parquet", "v.vcf"]


def test_runs_that_do_not_fit_are_errors(files, data, run, tmp_path):
    def score(runs, **options):
        variants(runs, files / "v.vcf", tmp_path / "o.parquet", genome=files / "g.fa", **options)

    with pytest.raises(InputError, match="total_head: found False"):
        score([run, make_run(tmp_path / "r", data, total_head="none")])
    with pytest.raises(InputError, match="expected at least one"):
        score([])
    with pytest.raises(InputError, match="pseudocount: found 0"):
        score(run, pseudocount=0)
    with pytest.raises(InputError, match="batch_size: found 0"):
        score(run, batch_size=0)
    aside = make_run(tmp_path / "s", data, moved=-10)
    with pytest.raises(
        InputError, match=r"window \[10, 30\) is not the middle.*--no-reverse"
    ):
        score(aside)
    score(aside, reverse_complement=False)


def test_the_file_says_how_it_was_made_and_damage_is_an_error(files, run, tmp_path):
    made = variants(run, files / "v.vcf", tmp_path / "o.parquet", genome=files / "g.fa")
    about = made.provenance
    assert about["inputs"]["vcf"] == schemas.digest(files / "v.vcf")
    assert about["parameters"] == {"reverse_complement": True, "pseudocount": 1.0}
    again = variants(run, files / "v.vcf", tmp_path / "p.parquet", genome=files / "g.fa")
    assert (tmp_path / "o.parquet").read_bytes() == (tmp_path / "p.parquet").read_bytes()
    assert len(again) == len(VariantScores.open(tmp_path / "o.parquet"))
    (tmp_path / "p.parquet").write_bytes((tmp_path / "o.parquet").read_bytes()[:-9])
    with pytest.raises(InputError):
        VariantScores.open(tmp_path / "p.parquet")
    assert modelkit.variants is variants


def test_a_table_is_not_called_by_another_name(files, run, tmp_path):
    with pytest.raises(InputError, match=r"v\.tsv: found suffix '\.tsv', expected \.parquet"):
        variants(run, files / "v.vcf", tmp_path / "v.tsv", genome=files / "g.fa")
    assert list(tmp_path.iterdir()) == []


def test_the_command(files, data, run, tmp_path):
    (tmp_path / "v.vcf").write_text((files / "v.vcf").read_text() + LEFT_OUT[0][0])
    words = ["variants", run.path, run.path, "--genome", files / "g.fa", tmp_path / "v.vcf"]
    words += ["-o", tmp_path / "o.parquet", "--data", data.path, "--no-reverse-complement"]
    said = CliRunner().invoke(main, list(map(str, words)))
    assert said.exit_code == 0, said.output
    assert said.stdout == ""
    assert "scored             8" in said.stderr
    assert "1  its contig is not in the genome" in said.stderr
    made = VariantScores.open(tmp_path / "o.parquet")
    assert_scores(made, both=False)
    json.dumps(made.provenance)
