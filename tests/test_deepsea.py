"""Data sets from arrays of others: DeepSEA's files, written here in their formats, and ImmGen's."""

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from scipy.io import savemat

from kmerengine import Dataset, InputError, dataset_from_arrays, deepsea
from kmerengine.cli import main
from kmerengine.cut_profiles.quantiles import quantile_normalise
from kmerengine.io.one_hot import codes_of_one_hot

BP, N_LABELS = 60, 5
SIZES = {"train": 40, "validation": 9, "test": 7}


def letters_and_labels(split):
    rng = np.random.default_rng(sorted(SIZES).index(split))
    n = SIZES[split]
    texts = ["".join(rng.choice(list("ACGTN"), BP, p=[0.3, 0.2, 0.2, 0.2, 0.1])) for _ in range(n)]
    return texts, (rng.random((n, N_LABELS)) < 0.25).astype(np.uint8)


def one_hot(texts, order, dtype=np.uint8):
    return np.array([[[x == base for x in text] for base in order] for text in texts], dtype)


def write(path, split, order="AGCT"):
    texts, labels = letters_and_labels(split)
    inputs = one_hot(texts, order)
    names = {"train": "train", "validation": "valid", "test": "test"}
    key = names[split]
    if path.suffix == ".npz":
        np.savez(path, x=inputs, y=labels)
    elif split == "train":
        with h5py.File(path, "w", userblock_size=512) as file:  # MATLAB 7.3 turns the axes around
            file["trainxdata"] = inputs.transpose(2, 1, 0)
            file["traindata"] = labels.T
    else:
        savemat(path, {f"{key}xdata": inputs, f"{key}data": labels})
    return path


@pytest.fixture
def files(tmp_path):
    return {split: write(tmp_path / f"{split}.mat", split) for split in SIZES}


def text(codes):
    return "".join("ACGT"[code] if code < 4 else "N" for code in codes.tolist())


def expected(columns, width):
    low = BP // 2 - width // 2
    rows = []
    for split in SIZES:
        texts, labels = letters_and_labels(split)
        for number, (sequence, given) in enumerate(zip(texts, labels.tolist(), strict=True)):
            chosen = [given[column] for column in columns]
            if any(chosen):
                rows.append((split, str(number), sequence[low : low + width], chosen))
    return rows


@pytest.mark.parametrize("columns", [[3, 0, 4], [1]])
@pytest.mark.parametrize("width", [20, 60, 7])
def test_deepseas_files(files, tmp_path, columns, width, monkeypatch):
    monkeypatch.setattr("kmerengine.io.deepsea.BLOCK_ROWS", 16)
    made = deepsea(files, output=tmp_path / "d", columns=columns, width=width)
    rows = expected(columns, width)
    assert [text(codes) for codes in made.sequence] == [row[2] for row in rows]
    assert made.labels.tolist() == [row[3] for row in rows]
    assert made.regions["split"].to_pylist() == [row[0] for row in rows]
    assert made.regions["name"].to_pylist() == [row[1] for row in rows]
    assert made.label_names == tuple(map(str, columns))
    left_out = sum(SIZES.values()) - len(rows)
    assert made.provenance["skipped"] == {"no positive label": left_out}
    assert left_out > 5
    for name, by_split in made.provenance["positives"].items():
        column = columns.index(int(name))
        for split in SIZES:
            assert by_split[split] == sum(r[3][column] for r in rows if r[0] == split)


def test_labels_by_name_and_every_row(files, tmp_path):
    names = ["CTCF", "GABPA", "SP1", "SRF", "YY1"]
    made = deepsea(
        files, output=tmp_path / "d", columns=["SRF", 0], names=names, width=20,
        require_label=False,
    )  # fmt: skip
    assert made.label_names == ("SRF", "CTCF")
    assert len(made) == sum(SIZES.values())
    labels = np.concatenate([letters_and_labels(split)[1] for split in SIZES])
    assert made.labels.tolist() == labels[:, [3, 0]].tolist()
    every = deepsea(files, output=tmp_path / "e", width=20, require_label=False)
    assert every.labels.tolist() == labels.tolist()


def test_the_command_is_the_function(files, tmp_path):
    (tmp_path / "names.txt").write_text("CTCF\nGABPA\nSP1\nSRF\nYY1\n")
    given = " ".join(f"{split}={path}" for split, path in files.items())
    result = CliRunner().invoke(
        main, f"deepsea {given} -o {tmp_path}/d --columns SRF,0 --names {tmp_path}/names.txt "
        "--width 20",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    made, again = Dataset.open(tmp_path / "d"), tmp_path / "e"
    expected = deepsea(files, output=again, columns=[3, 0], width=20)
    assert made.label_names == ("SRF", "CTCF")
    assert made.labels.tolist() == expected.labels.tolist()
    assert made.sequence.tolist() == expected.sequence.tolist()
    assert f"kept    {len(made):>12,}" in result.stderr
    for wrong in ("train", "train=a train=b", "train="):
        result = CliRunner().invoke(main, f"deepsea {wrong} -o {tmp_path}/f")
        assert result.exit_code == 1
        assert "expected each split once" in result.stderr


KOO = {
    **{"Arid3a": 592, "CEBPB": 602, "FOSL1": 344, "Gabpa": 345, "MAFK": 635, "MAX": 636},
    **{"MEF2A": 349, "NFYB": 642, "SP1": 359, "SRF": 361, "STAT1": 661, "YY1": 369},
}


@pytest.fixture
def whole(tmp_path):
    """Files as the public ones, 1,000 bp and 919 labels: of all others every second is set."""
    folder = tmp_path / "whole"
    folder.mkdir()
    rng = np.random.default_rng(7)
    rows = {}
    for split, n in {"train": 30, "validation": 11, "test": 8}.items():
        texts = ["".join(rng.choice(list("ACGTN"), 1000, p=[0.4, 0.3, 0.15, 0.1, 0.05]))
                 for _ in range(n)]  # fmt: skip
        labels = (rng.random((n, 919)) < 0.5).astype(np.uint8)
        columns = list(KOO.values())
        labels[:, columns] = rng.random((n, 12)) < 0.1
        rows[split] = texts, labels
        key = {"validation": "valid"}.get(split, split)
        inputs = one_hot(texts, "AGCT")
        if split == "train":
            with h5py.File(folder / "train.mat", "w", userblock_size=512) as file:
                file["trainxdata"] = inputs.transpose(2, 1, 0)
                file["traindata"] = labels.T
        else:
            savemat(folder / f"{split}.mat", {f"{key}xdata": inputs, f"{key}data": labels})
    return {split: folder / f"{split}.mat" for split in rows}, rows


def test_koo_and_eddys_twelve_classes(whole, tmp_path):
    files, rows = whole
    given = " ".join(f"{split}={path}" for split, path in files.items())
    result = CliRunner().invoke(main, f"deepsea {given} -o {tmp_path}/d --columns koo --width 1000")
    assert result.exit_code == 0, result.output
    made = Dataset.open(tmp_path / "d")
    assert made.label_names == tuple(KOO)
    expected, left_out = [], 0
    for split, (texts, labels) in rows.items():
        for number, (sequence, of_row) in enumerate(zip(texts, labels.tolist(), strict=True)):
            chosen = [of_row[column] for column in KOO.values()]
            if any(chosen):
                expected.append((split, str(number), sequence, chosen))
            else:
                left_out += 1
    assert 5 < left_out < 40
    found = zip(
        made.regions["split"].to_pylist(), made.regions["name"].to_pylist(),
        map(text, made.sequence), made.labels.tolist(), strict=True,
    )  # fmt: skip
    assert list(found) == expected
    assert made.provenance["skipped"] == {"no positive label": left_out}
    assert f"skipped {left_out:>12,}  no positive label" in result.stderr
    assert made.provenance["parameters"]["columns"] == "koo"
    by_number = deepsea(files, output=tmp_path / "n", columns=list(KOO.values()), width=1000)
    assert by_number.labels.tolist() == made.labels.tolist()
    function = deepsea(files, output=tmp_path / "f", columns="koo", width=1000)
    for name in ("dataset.json", "sequence.arrow", "regions.parquet"):
        assert (function.path / name).read_bytes() == (tmp_path / "d" / name).read_bytes()


def test_where_the_twelve_classes_are_not(files, whole, tmp_path):
    with pytest.raises(InputError, match=r"train\.mat: has 5 labels, expected the 919"):
        deepsea(files, output=tmp_path / "d", columns="koo", width=20)
    with pytest.raises(InputError, match="found 'kool', expected koo, or a list"):
        deepsea(whole[0], output=tmp_path / "d", columns="kool")
    with pytest.raises(InputError, match="names: found with columns koo"):
        deepsea(whole[0], output=tmp_path / "d", columns="koo", names=["a"])
    (tmp_path / "names.txt").write_text("a\nb\nkoo\nc\nd\n")
    options = f"--columns koo --names {tmp_path}/names.txt --width 20"
    command = f"deepsea train={files['train']} -o {tmp_path}/d {options}"
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert Dataset.open(tmp_path / "d").label_names == ("koo",)  # a label that is called so


@pytest.mark.parametrize("order", ["ACGT", "AGCT", "ATCG", "TGCA"])
def test_the_order_of_channels_is_named(tmp_path, order):
    path = write(tmp_path / "x.npz", "test", order)
    made = deepsea({"test": path}, output=tmp_path / "d", alphabet=order, width=BP,
                                require_label=False)  # fmt: skip
    assert [text(codes) for codes in made.sequence] == letters_and_labels("test")[0]
    if order != "AGCT":
        other = deepsea({"test": path}, output=tmp_path / "o", width=BP,
                                     require_label=False)  # fmt: skip
        assert other.sequence.tolist() != made.sequence.tolist()


def truncated(path):
    path.write_bytes(path.read_bytes()[:-300])


@pytest.mark.parametrize("split", list(SIZES))
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: path.write_text("not a matrix" * 99), "cannot be read"),
        (lambda path: savemat(path, {"other": np.zeros(3)}), "holds other; expected one array"),
        (
            lambda path: savemat(path, {"xdata": np.zeros((3, 4, 5)), "data": np.zeros((4, 2))}),
            r"xdata is \(3, 4, 5\) and data \(4, 2\)",
        ),
        (
            lambda path: savemat(path, {"xdata": np.ones((3, 4, 5)), "data": np.zeros((3, 5))}),
            r"row 0, base 0: found \[1.0, 1.0, 1.0, 1.0\]",
        ),
        (
            lambda path: savemat(path, {"xdata": np.zeros((3, 4, 5)), "data": np.full((3, 5), 2)}),
            "row 0: found label 2 in column 0",
        ),
    ],
)
def test_files_that_are_not_deepseas(files, tmp_path, split, damage, message):
    damage(files[split])
    with pytest.raises(InputError, match=message):
        deepsea(files, output=tmp_path / "d", width=5, require_label=False)
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("split", list(SIZES))
def test_truncated_files(files, tmp_path, split):
    truncated(files[split])
    with pytest.raises(InputError, match="cannot be read"):
        deepsea(files, output=tmp_path / "d", width=20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": [5]}, "no label 5, expected a number below 5"),
        ({"columns": ["X"]}, "no label 'X'"),
        ({"columns": [-1]}, "no label -1"),
        ({"columns": [1, 1]}, "each once"),
        ({"columns": []}, "at least one"),
        ({"names": ["a"]}, "has 5 labels, found 1"),
        ({"width": 61}, "width: found 61, expected 1 to 60"),
        ({"alphabet": "AGC"}, "found 'AGC', expected the letters"),
    ],
)
def test_options_that_do_not_fit(files, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        deepsea(files, output=tmp_path / "d", **({"width": 20} | options))
    with pytest.raises(InputError, match="found \\['valid'\\], expected some of train"):
        deepsea({"valid": files["test"]}, output=tmp_path / "d")


def test_pickles_are_not_opened(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.array([{"a": 1}], object), y=np.zeros((1, 2)))
    with pytest.raises(InputError, match="cannot be read"):
        deepsea({"test": tmp_path / "x.npz"}, output=tmp_path / "d")
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read as an array"):
        dataset_from_arrays({"test": tmp_path / "x.npy"}, output=tmp_path / "d")


def test_absent_bases_are_0_or_a_quarter(tmp_path):
    texts = ["ACGTN", "NNACG"]
    whole = one_hot(texts, "ACGT", np.float32)
    quarter = whole + 0.25 * (whole.sum(axis=1, keepdims=True) == 0)
    for array in (whole, quarter, whole.astype(np.int64)):
        codes = codes_of_one_hot(array, "ACGT", tmp_path)
        assert [text(row) for row in codes] == texts
    for odd in (0.5, np.nan, -1.0):
        array = whole.copy()
        array[1, 2, 3] = odd
        with pytest.raises(InputError, match="row 1, base 3"):
            codes_of_one_hot(array, "ACGT", tmp_path)


def test_arrays_that_do_not_fit(tmp_path):
    paths = {}
    for split in ("train", "test"):
        paths[split] = tmp_path / f"{split}.npy"
        np.save(paths[split], one_hot(letters_and_labels(split)[0], "ACGT"))
    made = dataset_from_arrays(paths, output=tmp_path / "d")
    assert text(made.sequence[0]) == letters_and_labels("train")[0][0]
    np.save(tmp_path / "t.npy", np.ones((8, 3)))
    np.save(tmp_path / "u.npy", np.ones((7, 3)))
    for options, message in (
        ({"totals": {"train": tmp_path / "t.npy"}}, "expected a file for train, test"),
        ({"totals": dict.fromkeys(paths, tmp_path / "t.npy")}, r"expected \(40, 3\)"),
        ({"bias": dict.fromkeys(paths, paths["train"])}, r"expected \(7, 4, 60\)"),
    ):
        with pytest.raises(InputError, match=message):
            dataset_from_arrays(paths, output=tmp_path / "e", **options)
    one = {"test": paths["test"]}
    for options, message in (
        ({"totals": {"test": tmp_path / "u.npy"}, "samples": ["a"]}, "1 different names, exp"),
        ({"bias": {"test": tmp_path / "u.npy"}}, "bias: found 3 bp, expected 60"),
    ):
        with pytest.raises(InputError, match=message):
            dataset_from_arrays(one, output=tmp_path / "e", **options)
    np.save(tmp_path / "flat.npy", np.zeros((3, 5)))
    with pytest.raises(InputError, match=r"expected \(n, bp, 4\)"):
        dataset_from_arrays({"test": tmp_path / "flat.npy"}, output=tmp_path / "e")
    with pytest.raises(InputError, match="shift: found '4'"):
        dataset_from_arrays(paths, output=tmp_path / "e", shift="4")
    assert not (tmp_path / "e").exists()


@pytest.mark.data
def test_immgen(data, tmp_path):
    immgen = data / "immgen"
    by_kind = {
        kind: {split: immgen / f"{split}_{kind}.npy" for split in ("validation", "test")}
        for kind in ("onehot", "bias", "total_counts")
    }
    made = dataset_from_arrays(
        by_kind["onehot"],
        bias=by_kind["bias"],
        totals=by_kind["total_counts"],
        samples=immgen / "cell_names.npy",
        window=(375, 625),
        shift="+4/-4",
        off_by_two=True,
        output=tmp_path / "d",
    )
    opened = Dataset.open(made.path)
    assert (opened.shift, opened.off_by_two) == ("+4/-4", True)
    assert opened.window_in_sequence == (375, 625)
    first = 0
    for split in ("validation", "test"):
        arrays = {kind: np.load(files[split]) for kind, files in by_kind.items()}
        n = len(arrays["onehot"])
        rows = opened.split(split)
        assert rows.tolist() == list(range(first, first + n))
        again = np.eye(4, dtype=np.float32)[opened.sequence[rows]]
        assert np.array_equal(again, arrays["onehot"])
        assert np.array_equal(opened.bias[rows], arrays["bias"][:, 0])
        assert np.array_equal(opened.totals[rows].astype(np.float32), arrays["total_counts"])
        first += n
    assert opened.samples == tuple(np.load(immgen / "cell_names.npy").tolist())
    assert opened.normalised.tolist() == quantile_normalise(opened.totals).tolist()
    from modelkit.data import Loader

    batch = next(Loader(opened, opened.split("test"), batch_size=41, shuffle=False).batches(0))
    onehot = np.load(by_kind["onehot"]["test"]).transpose(0, 2, 1)
    assert np.array_equal(batch.sequence.numpy(), onehot)
    assert batch.counts is None
