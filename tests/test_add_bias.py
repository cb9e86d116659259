"""`modelkit add-bias`: logits beside the bases that they are of."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import kmerengine
from kmerengine.datasets.folder import Dataset
from kmerengine.datasets.with_bias import bias_span, with_bias
from kmerengine.errors import InputError
from modelkit.cli.add_bias import command
from modelkit.config_files import read_config
from modelkit.data.loader import Loader
from modelkit.inference.bias import add_bias
from modelkit.models.bpaitac import BpAITAC
from modelkit.training.run import Run

SIZES = {"chr1": 4000, "chr2": 3000}
RNG = np.random.default_rng(3)
GENOME = {
    name: "".join(RNG.choice(list("ACGTN"), size, p=[0.05, 0.3, 0.3, 0.3, 0.05]))
    for name, size in SIZES.items()
}
CENTRES = [("chr1", 700), ("chr1", 1500), ("chr1", 1621), ("chr2", 900), ("chr2", 2000)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bias")
    (folder / "g.fa").write_text("".join(f">{n}\n{s}\n" for n, s in GENOME.items()))
    (folder / "r.bed").write_text("".join(f"{c}\t{x - 1}\t{x + 1}\n" for c, x in CENTRES))
    rows = [(c, x + int(d), x + int(d) + 40) for c, x in CENTRES for d in RNG.integers(-60, 60, 30)]
    lines = "".join(f"{c}\t{s}\t{e}\tcell\t1\n" for c, s, e in sorted(rows))
    (folder / "a.tsv").write_text(lines)
    for shift in ("+4/-4", "+4/-5"):
        kmerengine.cuts(
            [folder / "a.tsv"], output=folder / f"cuts{shift[-2:]}.parquet", shift=shift,
            input_shift="none", genome=folder / "g.fa",
        )  # fmt: skip
    return folder


def make(files, path, cuts="cuts-4.parquet", **options):
    given = {"genome": files / "g.fa", "cuts": files / cuts, "width": 120, "window": 40}
    return kmerengine.dataset(files / "r.bed", output=path, **(given | options))


def impulse(path, *, shift="+4/-4", off_by_two=False, **network):
    """A run whose logit is 1 at every A, and 0 elsewhere."""
    sizes = {"tasks": 1, "length": 60, "window": 30, "window_start": 10, "channels": 1, "blocks": 0}
    config = read_config(model="bpaitac-bias").changed({"network": sizes | network})
    model = BpAITAC(config.network)
    weights = {name: torch.zeros_like(w) for name, w in model.state_dict().items()}
    for name, row in (("stem.weight", 0), ("profile.weight", 0)):
        weights[name][row, 0, weights[name].shape[2] // 2] = 1.0
    model.load_state_dict(weights)
    about = {"shift": shift, "off_by_two": off_by_two, "tasks": ["bias"], "samples": ["naked"]}
    return Run.create(path, config, model, about)


@pytest.mark.parametrize("off_by_two", [False, True])
def test_the_bias_of_a_base_stands_beside_it(files, tmp_path, off_by_two):
    made = make(files, tmp_path / "d", off_by_two=off_by_two, margin=9)
    run = impulse(tmp_path / "run", off_by_two=off_by_two)
    found = add_bias(run, made, tmp_path / "e", device="cpu")
    dropped = 2 if off_by_two else 0
    assert found.spans["bias"] == (dropped, 120)
    assert found.spans["counts"] == (0, 120 - dropped)
    stored, start = found.stored("bias")
    assert (stored.shape, stored.dtype, start) == ((5, 138 - dropped), np.float32, dropped - 9)
    for row, (chrom, centre) in enumerate(CENTRES):
        low = centre - 60 + dropped
        whole = GENOME[chrom][low - 9 : centre + 60 + 9]
        assert stored[row].tolist() == [float(base == "A") for base in whole]
        assert found.bias[row].tolist() == [float(b == "A") for b in whole[9:-9]]
    for array in ("counts", "sequence"):
        assert np.array_equal(getattr(found, array), getattr(made, array))
    assert stored.sum() > 20


def test_bias_and_sequence_move_together(files, tmp_path):
    made = make(files, tmp_path / "d", margin=9)
    found = add_bias(impulse(tmp_path / "run"), made, tmp_path / "e")
    options = {"jitter": 9, "centre": True, "reverse_complement": True, "seed": 5, "batch_size": 5}
    n_forward = 0
    for epoch in range(6):
        for batch in Loader(found, workers=0, **options).batches(epoch):
            window = batch.sequence[:, :, 40:80]
            # backwards an A has become a T
            forward = (window[:, 0] == batch.bias).all(1)
            backward = (window[:, 3] == batch.bias).all(1)
            assert (forward ^ backward).all()
            n_forward += int(forward.sum())
    assert 0 < n_forward < 30


def test_a_longer_sequence_has_the_bias_of_the_counts(files, tmp_path):
    made = make(files, tmp_path / "d", input_width=171, margin=4)
    assert bias_span(made) == (0, 120)
    found = add_bias(impulse(tmp_path / "run"), made, tmp_path / "e")
    for row, (chrom, centre) in enumerate(CENTRES):
        expected = [float(base == "A") for base in GENOME[chrom][centre - 64 : centre + 64]]
        assert found.stored("bias")[0][row].tolist() == expected


def test_weights_are_used_whatever_the_length(files, tmp_path):
    """Against torch.nn, on one-hot letters, in float64."""
    made = make(files, tmp_path / "d", margin=3)
    sizes = {"tasks": 1, "length": 60, "window": 30, "window_start": 10, "channels": 5, "blocks": 2}
    config = read_config(model="bpaitac-bias").changed({"network": sizes})
    torch.manual_seed(1)
    model = BpAITAC(config.network)
    for name, value in model.state_dict().items():
        if name.endswith(("running_mean", "running_var", "norm.weight", "norm.bias")):
            value.uniform_(0.5, 1.5)
    about = {"shift": "+4/-4", "off_by_two": False, "tasks": ["bias"], "samples": ["naked"]}
    run = Run.create(tmp_path / "run", config, model, about)
    found = add_bias(run, made, tmp_path / "e")
    w = {name: value.double() for name, value in model.state_dict().items()}
    for row, (chrom, centre) in enumerate(CENTRES):
        letters = GENOME[chrom][centre - 63 : centre + 63]
        x = torch.tensor([[[float(b == base) for b in letters] for base in "ACGT"]]).double()
        conv = torch.nn.functional.conv1d
        x = conv(x, w["stem.weight"], w["stem.bias"], padding=12)
        for i, dilation in enumerate((2, 4)):
            names = [f"blocks.{i}.{part}" for part in ("conv", "norm")]
            z = conv(
                x, w[f"{names[0]}.weight"], w[f"{names[0]}.bias"], padding=dilation,
                dilation=dilation,
            )  # fmt: skip
            norm = [w[f"{names[1]}.{n}"] for n in ("running_mean", "running_var", "weight", "bias")]
            x = x + torch.nn.functional.batch_norm(z, *norm).relu()
        expected = conv(x, w["profile.weight"], w["profile.bias"], padding=12)[0, 0]
        assert np.allclose(found.stored("bias")[0][row], expected, atol=1e-5)


def test_all_else_is_shared_and_the_document_says_what_the_bias_is(files, tmp_path):
    made = make(files, tmp_path / "d", kmers=True, split=["validation=chr2"])
    run = impulse(tmp_path / "run")
    found = add_bias(run, made, tmp_path / "e")
    for name in ("sequence.arrow", "counts.arrow", "kmers.arrow"):
        assert (found.path / name).samefile(made.path / name)
    assert not (made.path / "bias.arrow").exists()
    assert found.regions == made.regions
    assert found.totals.tolist() == made.totals.tolist()
    assert found.normalised.tolist() == made.normalised.tolist()
    assert found.kmers.exact.sum() == made.kmers.exact.sum() > 0
    source = found.provenance["inputs"]["bias"]
    assert (source["run"], source["shift"], source["off_by_two"]) == ("run", "+4/-4", False)
    assert source["weights"]["sha256"]
    rest = {"inputs", "spans", "arrays"}
    for key in made.provenance.keys() - rest:
        assert found.provenance[key] == made.provenance[key]
    again = add_bias(run, found, tmp_path / "f")
    assert (again.path / "bias.arrow").read_bytes() == (found.path / "bias.arrow").read_bytes()
    add_bias(run, again, tmp_path / "f", force=True)
    assert Dataset.open(tmp_path / "f").bias.tolist() == found.bias.tolist()


def test_what_does_not_belong_together_is_refused(files, tmp_path):
    made = make(files, tmp_path / "d")
    run = impulse(tmp_path / "run")
    other = make(files, tmp_path / "other", cuts="cuts-5.parquet")
    corrected = make(files, tmp_path / "two", off_by_two=True)
    cases = {
        "learnt cuts with shift .4/-4, .*other has shift .4/-5": (run, other),
        "learnt cuts with off_by_two False, .*two has off_by_two True": (run, corrected),
        "is no bias model: network.tasks is 2, expected 1": (
            impulse(tmp_path / "tasks", tasks=2), made),
        "network.bin_size is 5, expected 1": (impulse(tmp_path / "bins", bin_size=5), made),
    }  # fmt: skip
    for message, (each, data) in cases.items():
        with pytest.raises(InputError, match=message):
            add_bias(each, data, tmp_path / "out")
    config = read_config(model="bpaitac").changed(
        {"network": {"tasks": 1, "length": 250, "window": 30, "window_start": 10, "channels": 2}}
    )
    about = {"shift": "+4/-4", "off_by_two": False, "tasks": ["bias"], "samples": ["naked"]}
    both = Run.create(tmp_path / "both", config, BpAITAC(config.network), about)
    with pytest.raises(InputError, match="total_head is conv, expected none"):
        add_bias(both, made, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    add_bias(run, made, tmp_path / "out")
    with pytest.raises(InputError, match="exists"):
        add_bias(run, made, tmp_path / "out")


def test_blocks_that_are_no_bias_are_refused(files, tmp_path):
    made = make(files, tmp_path / "d")
    good = np.zeros((5, 120), np.float32)
    bad = good[:2].copy()
    bad[1, 7] = np.inf
    cases = {
        "float64 .*expected float32": [good.astype(np.float64)],
        r"found bias of float32 \(5, 119\)": [good[:, 1:]],
        "from row 5 on, expected": [good, good[:1]],
        "nothing for row 3": [good[:3]],
        "row 4: found bias that is no number": [good[:3], bad],
    }
    for message, blocks in cases.items():
        with pytest.raises(InputError, match=message):
            with_bias(made, blocks, tmp_path / "out", source={})
        assert not (tmp_path / "out").exists()
    narrow = make(files, tmp_path / "narrow", input_width=80)
    with pytest.raises(InputError, match=r"has the sequence of \[20, 100\), expected .*\[0, 120\)"):
        with_bias(narrow, [np.zeros((5, 80), np.float32)], tmp_path / "out", source={})


def test_command(files, tmp_path):
    made = make(files, tmp_path / "d")
    run = impulse(tmp_path / "run")
    arguments = [str(run.path), "--data", str(made.path), "-o", str(tmp_path / "e")]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0
    assert "5 examples" in done.output
    assert Dataset.open(tmp_path / "e").bias.shape == (5, 120)


def test_weights_of_another_network_are_refused(tmp_path):
    runs = [impulse(tmp_path / name, window=window) for name, window in (("a", 30), ("b", 20))]
    (runs[0].path / "best.safetensors").write_bytes(
        (runs[1].path / "best.safetensors").read_bytes()
    )
    with pytest.raises(InputError, match=r"a/best.safetensors: holds weights of another network"):
        Run.open(runs[0].path).network()
