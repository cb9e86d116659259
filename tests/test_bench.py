"""The benchmark harness: agreement before time, honest rows, a table that follows from them."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from bench import (
    attribution,
    command,
    count,
    cuts,
    expected,
    harness,
    loader,
    models,
    models_alone,
    observe,
    peers,
    sample,
    scan,
    self_timed,
    seqlets,
    table,
    targets,
)
from bench.data import REGION, Genome
from bench.harness import BenchError, Case, Provider

TINY = Genome(name="tiny", contigs=2, length=50_000)


def provider(
    name: str,
    code: str = "print(6)",
    *,
    observe: Callable[[Path, str], harness.Facts] = lambda _, out: {"answer": int(out)},
    **options: Any,
) -> Provider:
    """A provider that runs a line of Python in its output folder."""
    return Provider(
        name=name,
        command=lambda output: [
            sys.executable,
            "-S",
            "-c",
            f"import os; os.chdir({str(output)!r})\n{code}",
        ],
        observe=observe,
        version=options.pop("version", lambda: "1.0"),
        **options,
    )


def case(*providers: Provider, **options: Any) -> Case:
    """A case of 600 bases."""
    return Case(name="toy", label="toy work", work=600, unit="base", providers=providers, **options)


def rows_of(tmp_path: Path, *cases: Case, repeats: int = 3) -> list[harness.Row]:
    return harness.run("toy", cases, repeats=repeats, results=tmp_path, work=tmp_path / "work")


def test_a_row_says_what_it_took_and_what_it_was_measured_on(tmp_path: Path) -> None:
    memory = "x = b'1' * 80_000_000; open('out', 'wb').write(x[:12345]); print(6)"
    (row,) = rows_of(tmp_path, case(provider("a", memory), setup=lambda: {"answer": 6}))
    assert row["runs"] == 3
    assert 0 < row["p20"] <= row["p50"] <= row["p80"]
    assert row["work_per_second"] == pytest.approx(600 / row["p50"], rel=0.01, abs=1)
    assert 80_000_000 < row["peak_rss_bytes"] < 130_000_000  # not what this process holds
    assert row["output_bytes"] == 12345
    assert row["facts"] == {"answer": 6}
    assert row["agrees_with"] == [harness.INDEPENDENT]
    assert row["versions"]["a"] == "1.0"
    assert {"commit", "dirty", "date", "machine", "device", "unit"} <= row.keys()
    assert json.loads((tmp_path / "toy.json").read_text()) == [row]


def test_providers_take_turns_in_fresh_folders(tmp_path: Path) -> None:
    log = f"open({str(tmp_path / 'log')!r}, 'a').write('%s')"
    code = f"assert not os.listdir(); {log}; open('x', 'w'); print(6)"
    rows = rows_of(tmp_path, case(provider("a", code % "a"), provider("b", code % "b", runs=2)))
    assert (tmp_path / "log").read_text() == "ab" + "ab" + "ab" + "a"
    assert [row["runs"] for row in rows] == [3, 2]
    assert list((tmp_path / "work").iterdir()) == []


def test_rows_are_appended(tmp_path: Path) -> None:
    rows = [rows_of(tmp_path, case(provider("a")), repeats=1)[0] for _ in range(2)]
    assert harness.read_rows(tmp_path / "toy.json") == rows


def test_nothing_is_timed_unless_all_agree(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="answer is 6 by a but 7 by b"):
        rows_of(tmp_path, case(provider("a"), provider("b", "print(7)")))
    with pytest.raises(BenchError, match=r"answer is 5 by independent computation but 6 by a"):
        rows_of(tmp_path, case(provider("a"), setup=lambda: {"answer": 5}))
    other = provider("b", observe=lambda *_: {"something else": 6})
    with pytest.raises(BenchError, match="b shares no fact"):
        rows_of(tmp_path, case(provider("a"), other))
    assert not (tmp_path / "toy.json").exists()


def test_a_missing_tool_leaves_a_line_and_no_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(tmp_path, case(provider("a"), provider("b", version=lambda: None)), repeats=1)
    assert [row["provider"] for row in rows] == ["a"]
    assert "toy: b is not installed here; no row" in capsys.readouterr().err


def test_a_failing_command_ends_the_run_and_shows_its_words(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"a: exit 3(.|\n)*no such genome"):
        rows_of(
            tmp_path,
            case(
                provider("a", "import sys; print('no such genome', file=sys.stderr); sys.exit(3)")
            ),
        )
    assert list((tmp_path / "work").iterdir()) == []


def test_a_self_timed_provider_is_taken_at_its_word(tmp_path: Path) -> None:
    code = """print('loading'); print('{"seconds": 0.25, "answer": 6}')"""
    alone = provider("a", code, observe=lambda *_: {"answer": 6}, self_timed=True)
    (row,) = rows_of(tmp_path, case(alone), repeats=1)
    assert row["seconds"] == [0.25]
    assert row["work_per_second"] == 2400


@pytest.mark.parametrize(("q", "value"), [(0, 1), (0.2, 1.4), (0.5, 2), (0.8, 4.4), (1, 6)])
def test_quantiles_lie_between_the_runs(q: float, value: float) -> None:
    assert harness.quantile([1, 2, 6], q) == pytest.approx(value)
    assert harness.quantile([7], q) == 7


def test_the_genome_is_a_function_of_its_seed(tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert TINY.write(tmp_path).read_bytes() == TINY.write(again).read_bytes()
    assert TINY.regions(40, tmp_path).read_bytes() == TINY.regions(40, again).read_bytes()
    other = Genome(name="other", contigs=2, length=50_000, seed=2)
    assert other.write(tmp_path).read_bytes() != TINY.write(tmp_path).read_bytes()


def test_the_genome_is_fasta_of_60_bases_a_line_with_n_and_lower_case(tmp_path: Path) -> None:
    lines = TINY.write(tmp_path).read_text().splitlines()
    assert [line for line in lines if line.startswith(">")] == [">chr1", ">chr2"]
    contig = lines[1 : lines.index(">chr2")]
    assert {len(line) for line in contig[:-1]} == {60}
    text = "".join(contig)
    assert text.encode() == TINY.contig(0).tobytes()
    counts = Counter(text)
    assert set(counts) == set("ACGTacgtN")
    for base in "ACGT":
        assert 12_000 < counts[base] + counts[base.lower()] < 13_000


def test_regions_are_sorted_and_inside(tmp_path: Path) -> None:
    lines = [line.split() for line in TINY.regions(500, tmp_path).read_text().splitlines()]
    rows = [(chrom, int(start), int(end)) for chrom, start, end in lines]
    assert len(rows) == 500
    assert rows == sorted(rows)
    assert {chrom for chrom, _, _ in rows} == {"chr1", "chr2"}
    assert all(start >= 0 and end == start + REGION <= TINY.length for _, start, end in rows)


def test_the_expectation_equals_strings_and_dicts(tmp_path: Path) -> None:
    genome, bed = TINY.write(tmp_path), TINY.regions(300, tmp_path)
    sequences = list(peers.region_strings(str(genome), str(bed)))
    gapped = [peers.gapped_counts(sequence) for sequence in sequences]
    assert any("N" in sequence for sequence in sequences)
    assert expected.count_gapped(TINY, bed) == {
        "regions": 300,
        "feature_total": sum(sum(row.values()) for row in gapped),
        "feature_nonzeros": sum(map(len, gapped)),
    }
    exact = [{w: n for w, n in row.items() if "N" not in w} for row in gapped]
    number = {base: i for i, base in enumerate("ACGT")}
    checksum = sum(
        (row + 1) * (sum(number[b] * 4**i for i, b in enumerate(reversed(word))) + 1) * n
        for row, words in enumerate(exact)
        for word, n in words.items()
    )
    assert expected.count_exact(TINY, bed) == {
        "regions": 300,
        "total": sum(sum(row.values()) for row in exact),
        "nonzeros": sum(map(len, exact)),
        "checksum": checksum % 2**64,
    }


def test_windows_without_n_are_counted(tmp_path: Path) -> None:
    records = TINY.write(tmp_path).read_text().split(">")[1:]
    contigs = ["".join(record.split("\n")[1:]) for record in records]
    n = sum("N" not in contig[i : i + 9] for contig in contigs for i in range(len(contig) - 8))
    assert expected.count_windows(TINY, 9) == {"total": n}


def test_a_palindrome_has_nine_features() -> None:
    assert len(peers.gapped_counts("ACGTACGT")) == 9
    assert len(peers.gapped_counts("AACCGGTC")) == 16
    assert sorted({int(n) for n in (expected.window_features() >= 0).sum(1)}) == [9, 16]


def write_kmers(path: Path, words: list[list[int]], counts: list[list[int]]) -> None:
    path.parent.mkdir(exist_ok=True)
    lists = {
        "word": pa.array(words, pa.list_(pa.uint32())),
        "count": pa.array(counts, pa.list_(pa.uint32())),
    }
    pq.write_table(pa.table(lists), path)


def test_what_the_engine_wrote_is_read_back(tmp_path: Path) -> None:
    write_kmers(tmp_path / "out" / "part-0.parquet", [[3, 5], []], [[1, 2], []])
    write_kmers(tmp_path / "out" / "part-1.parquet", [[7]], [[4]])
    assert observe.observe_regions(tmp_path / "out") == {
        "regions": 3,
        "total": 7,
        "nonzeros": 3,
        "checksum": 1 * 4 * 1 + 1 * 6 * 2 + 3 * 8 * 4,
    }


def make_rows(
    *seconds: tuple[str, str, float], run: str = "2026-01-01T00:00:00"
) -> list[harness.Row]:
    shared = {
        "run": run,
        "date": run[:10],
        "commit": "0123456789abcdef",
        "dirty": False,
        "device": "cpu",
        "self_timed": False,
        "machine": {"cpu": "A CPU", "cores": 2, "memory_bytes": 8 << 30, "system": "Linux x86_64"},
        "versions": {
            "python": "3.11.0",
            "numpy": "2",
            "numba": "0",
            "pyarrow": "1",
            "KMC": "3.2.1",
        },
    }
    return [
        {
            **shared,
            **{"op": "count", "case": name, "label": f"the {name}", "provider": provider},
            **{"runs": 3, "p20": p50 * 0.9, "p50": p50, "p80": p50 * 1.1, "unit": "base"},
            **{"work_per_second": 1e8 / p50, "peak_rss_bytes": 5e8, "output_bytes": 1_500},
        }
        for name, provider, p50 in seconds
    ]


def test_the_table_shows_the_newest_run_of_each_case() -> None:
    old = make_rows(("totals-12", "kmerengine", 9.0), ("regions", "kmerengine", 0.05))
    new = make_rows(
        ("totals-12", "kmerengine", 2.0), ("totals-12", "KMC", 6.0), run="2026-02-02T00:00:00"
    )
    text = table.make_table(old + new)
    assert "| the totals-12 | kmerengine | 2 (1.8-2.2) | 50 Mbase/s | 500 MB | 1.5 kB |" in text
    assert "|  | KMC 3.2.1 | 6 (5.4-6.6) | 16.7 Mbase/s | 500 MB | 1.5 kB |" in text
    assert "| the regions | kmerengine | 0.05 (0.045-0.055) | 2 Gbase/s |" in text
    assert "| 9 (" not in text
    assert text.index("the totals-12") < text.index("the regions")
    assert "A CPU, 2 cores, 8 GiB" in text
    assert "commit 0123456789; 2026-01-01" in text
    assert "commit 0123456789; 2026-02-02" in text


def test_the_table_goes_between_its_markers() -> None:
    readme = f"above\n{table.BEGIN}\nold\n{table.END}\nbelow\n"
    assert table.put_table(readme, "new") == f"above\n{table.BEGIN}\nnew\n{table.END}\nbelow\n"
    with pytest.raises(ValueError, match="needs the lines"):
        table.put_table("no markers", "new")


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([("totals-12", "kmerengine", 2.0), ("totals-12", "KMC", 6.0)], "met"),
        ([("totals-12", "kmerengine", 2.0), ("totals-12", "KMC", 4.9)], "missed"),
        ([("totals-12", "kmerengine", 2.0)], "not measured"),
    ],
)
def test_targets_compare_with_the_peer_of_the_same_run(
    rows: list[tuple[str, str, float]], verdict: str
) -> None:
    (target,) = [target for target in targets.TARGETS if target.case == "totals-12"]
    found = {(row["case"], row["provider"]): row for row in make_rows(*rows)}
    assert targets.judge(target, found)[0] == verdict


def test_every_target_names_a_case_and_a_provider_of_it() -> None:
    listed = (count.CASES, cuts.CASES, cuts.LARGE, scan.CASES, scan.LARGE)
    listed = (*listed, sample.CASES, sample.LARGE, loader.CASES, models.CASES)
    listed = (*listed, attribution.CASES, seqlets.CASES, seqlets.LARGE)
    cases = [case for group in listed for case in group]
    known = {(case.name, provider.name) for case in cases for provider in case.providers}
    for target in targets.TARGETS:
        assert (target.case, target.provider) in known
        assert target.against is None or target.against in known


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Two would wait for each other longer than one sample takes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("job", ["bpnet-train", "bpnet-predict"])
def test_networks_of_the_same_weights_agree_and_of_others_do_not(
    job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    for by in ("modules", "conv1d"):
        said = models_alone.measure(job, by, 1, 1)
        assert said.pop("seconds") > 0
        found[by] = said
    harness.check_agreement(job, found)
    assert len(found["conv1d"]) > 1
    monkeypatch.setattr(models_alone.networks.PlainBPNet, "forward", half_a_stem)
    found["conv1d"] = models_alone.measure(job, "conv1d", 1, 1)
    with pytest.raises(BenchError, match=r"(gradient|logits|totals|loss) is"):
        harness.check_agreement(job, found)


def half_a_stem(self: Any, sequence: Any) -> Any:
    """BPNet whose ReLU after the first convolution is forgotten."""
    x = self.blocks(self.stem(sequence))[..., 520:1594]
    return self.head(x), self.total(x.mean(2))


@pytest.mark.usefixtures("one_thread")
def test_bfloat16_must_be_near_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = models_alone.measure("bpnet-predict", "modules", 1, 1)
    narrow = models_alone.measure("bpnet-predict-bfloat16", "modules", 1, 1)
    assert wide.keys() == narrow.keys()
    assert all(wide[fact] == narrow[fact] for fact in wide if fact != "seconds")
    monkeypatch.setattr(models_alone, "BFLOAT16_OFF", 1e-5)
    with pytest.raises(RuntimeError, match="bfloat16 is off by 0"):
        models_alone.measure("bpnet-predict-bfloat16", "modules", 1, 1)


@pytest.mark.parametrize(("keep", "seen"), [(True, ["4294967296", "17179869184"]), (False, [])])
def test_memory_is_kept_or_not_whatever_the_environment_says(
    keep: bool, seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in self_timed.KEPT:
        monkeypatch.setenv(name, "1")
    made = models.network("a", "bpnet-train", "modules", batch=3, batches=5, keep=keep)
    command = list(made.command(Path()))
    at = command.index(sys.executable)
    assert command[at:][2:] == ["bench.models_alone", "bpnet-train", "modules", "3", "5"]
    shown = subprocess.run(
        [*command[:at], "printenv", *self_timed.KEPT], capture_output=True, text=True, check=False
    )
    assert shown.stdout.split() == seen
    assert ("memory kept" in made.name) == keep


def test_the_peer_of_the_networks_is_absent_if_something_it_needs_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(models, "package_version", lambda _: "1.1.0")
    monkeypatch.setattr(models, "PEER_NEEDS", ("json",))
    assert models.peer_version() == "1.1.0"
    monkeypatch.setattr(models, "PEER_NEEDS", ("json", "no_such_module"))
    assert models.peer_version() is None


def test_a_network_is_timed_by_itself(tmp_path: Path) -> None:
    (made,) = [each for each in models.CASES if each.name == "product"]
    small = models.network("PyTorch", "product", "float32", batch=1, batches=1)
    (row,) = rows_of(tmp_path, replace(made, providers=[small]), repeats=1)
    assert row["facts"].keys() == {"trace"}
    assert row["self_timed"]
    assert made.work == 2 * 1024**3 * 100


def test_cases_can_be_chosen() -> None:
    (chosen,) = command.select(count.CASES, ["totals-8"], ["KMC"])
    assert [provider.name for provider in chosen.providers] == ["KMC"]
    assert command.select(count.CASES, [], []) == count.CASES


@pytest.mark.parametrize(
    ("arguments", "cases"),
    [
        ([], ["small"]),
        (["--large"], ["small", "big"]),
        (["--case", "big"], ["big"]),
        (["--large", "--case", "small"], ["small"]),
    ],
)
def test_large_cases_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    cases: list[str],
) -> None:
    small, big = (replace(case(provider("a")), name=name) for name in ("small", "big"))
    monkeypatch.setattr(sys, "argv", ["bench.toy", "--list", *arguments])
    command.main("toy", "About.", [small], [big])
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == cases


def test_the_readme_shows_the_results() -> None:
    found = table.README.read_text()
    assert found == table.put_table(found, table.read_table()), "run: python -m bench.table"
