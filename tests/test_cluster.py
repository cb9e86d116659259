"""On a Dask cluster results are those of one process, whatever happens to its workers."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from time import sleep
from typing import Any

import numpy as np
import pytest
from attribute_world import make_data, make_files, make_run, same_files
from click.testing import CliRunner
from distributed import Client

import kmerengine
from kmerengine import InputError, Vocabulary
from kmerengine.cli import main
from kmerengine.cluster import Cluster, connected
from kmerengine.kmers import rows as kmer_rows
from kmerengine.kmers import totals_on_cluster
from kmerengine.motifs import search as motif_search
from modelkit.interpretation.attribution.attribute import attribute

pytestmark = pytest.mark.usefixtures("one_thread")

MOTIFS = """MEME version 4
ALPHABET= ACGT
strands: + -
Background letter frequencies
A 0.25 C 0.25 G 0.25 T 0.25
MOTIF one
letter-probability matrix: alength= 4 w= 5 nsites= 20
0.9 0.1 0 0
0 0.8 0.1 0.1
0.1 0 0.9 0
0 0.1 0 0.9
1 0 0 0
"""


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two processes of one thread; one that is killed is replaced."""
    with connected("local:2") as cluster:
        assert cluster is not None
        yield cluster._client


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genome with short and long contigs and N, regions, motifs and fragments."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(3)
    sizes = {"c1": 9000, "c2": 40, "c3": 3, "c4": 6000}
    text = {name: "".join(rng.choice(list("ACGTacgt"), size)) for name, size in sizes.items()}
    text["c1"] = text["c1"][:4000] + "N" * 30 + text["c1"][4030:]
    (folder / "g.fa").write_text(
        "".join(f">{n}\n" + "".join(f"{t[i : i + 60]}\n" for i in range(0, len(t), 60))
                for n, t in text.items())
    )  # fmt: skip
    starts = np.sort(rng.integers(0, 5700, 60)).tolist()
    (folder / "r.bed").write_text(
        "".join(f"c{1 + 3 * (i % 2)}\t{s}\t{s + 150 + i}\tr{i}\t{i % 7}\t{'+-.'[i % 3]}\n"
                for i, s in enumerate(starts))
    )  # fmt: skip
    (folder / "m.meme").write_text(MOTIFS)
    for name, n in (("a", 400), ("b", 300), ("d", 500)):
        at = np.sort(rng.integers(0, 5700, n)).tolist()
        (folder / f"{name}.tsv").write_text(
            "".join(f"c1\t{s}\t{s + 80 + i % 90}\tcell{i % 5}\t1\n" for i, s in enumerate(at))
        )
    (folder / "groups.tsv").write_text("".join(f"cell{i}\tg{i % 2}\n" for i in range(5)))
    (folder / "sheet.tsv").write_text(
        "sample\tfile\tgroups\nx\ta.tsv\tgroups.tsv\ny\tb.tsv\t\nx\td.tsv\tgroups.tsv\n"
        "z\tbefore.parquet\t\n"
    )
    return folder


@contextmanager
def one_worker_killed(client: Client) -> Iterator[None]:
    """A worker freezes, is killed once it holds a piece of work or all is over, and is replaced.

    Pieces go where what they need is, so that of few it may hold none;
    `test_a_piece_whose_worker_is_killed_at_it_is_done_again` has one that is held for certain.
    """
    client.wait_for_workers(1, timeout=100)
    pids = client.run(os.getpid, on_error="return").items()  # one may have died just now
    address, pid = next((each, pid) for each, pid in pids if isinstance(pid, int))
    os.kill(pid, signal.SIGSTOP)
    over = Event()

    def kill() -> None:
        while not over.wait(0.02) and not client.processing().get(address):
            pass
        os.kill(pid, signal.SIGKILL)

    killer = Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        over.set()
        killer.join()
    assert pid not in client.run(os.getpid, on_error="return").values()


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kmer_rows, "BATCH_BASES", 1500)
    monkeypatch.setattr(kmer_rows, "BATCH_FEATURES", 1 << 15)
    monkeypatch.setattr(motif_search, "PIECE_BASES", 1000)
    monkeypatch.setattr(motif_search, "FEWEST_BASES", 1000)
    monkeypatch.setattr(totals_on_cluster, "SHARE_BASES", 1000)


def same_bytes(make: Callable[..., Any], one: Path, other: Path, *, scheduler: Any,
               **options: Any) -> None:  # fmt: skip
    """What `make` writes, alone and on the cluster."""
    make(output=one)
    make(output=other, scheduler=scheduler, **options)
    assert same_files(one, other) if one.is_dir() else one.read_bytes() == other.read_bytes()


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize(
    ("name", "regions", "options"),
    [
        ("k.parquet", True, {}),
        ("parts", True, {"parts": True, "materialize": True, "drop_n": True}),
        ("k.arrow", False, {"per_record": True, "vocabulary": Vocabulary.exact(5, stranded=True)}),
        ("t.parquet", False, {}),
        ("t.arrow", False, {"vocabulary": Vocabulary.exact(5, stranded=True)}),
    ],
)
def test_counts_are_the_same(
    name: str, regions: bool, options: dict[str, Any], files: Path, tmp_path: Path, client: Client
) -> None:
    def make(**more: Any) -> None:
        inputs = [files / "g.fa", *([files / "r.bed"] if regions else [])]
        kmerengine.count(*inputs, threads=1, **options, **more)

    seen: list[tuple[int, int]] = []
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    same_bytes(make, tmp_path / "one" / name, tmp_path / "other" / name, scheduler=client,
               progress=lambda *at: seen.append(at))  # fmt: skip
    assert len(seen) > 2
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize(
    ("regions", "options"),
    [(False, {"q": 1.0, "p": 1e-2, "sequence": True}), (True, {"best": True, "p": 1e-2})],
)
def test_hits_are_the_same(
    regions: bool, options: dict[str, Any], files: Path, tmp_path: Path, client: Client
) -> None:
    def make(**more: Any) -> None:
        inputs = [files / "g.fa", files / "m.meme", *([files / "r.bed"] if regions else [])]
        hits = kmerengine.scan(*inputs, threads=1, **options, **more)
        assert len(hits) > 20

    same_bytes(make, tmp_path / "one.parquet", tmp_path / "other.parquet", scheduler=client)


@pytest.mark.usefixtures("small_batches")
def test_hits_are_the_same_when_a_worker_is_killed(
    files: Path, tmp_path: Path, client: Client
) -> None:
    seen: list[tuple[int, int]] = []
    with one_worker_killed(client):
        same_bytes(
            lambda **more: kmerengine.scan(files / "g.fa", files / "m.meme", p=1e-2, **more),
            tmp_path / "one.parquet", tmp_path / "other.parquet", scheduler=client,
            progress=lambda *at: seen.append(at),
        )  # fmt: skip
    done = [at for at, _ in seen]
    assert done == sorted(set(done))
    assert seen[-1] == (15_043, 15_043)


@pytest.mark.parametrize("name", ["c.parquet", "c.{sample}.{strand}.bw"])
def test_cuts_are_the_same_when_a_worker_is_killed(
    name: str, files: Path, tmp_path: Path, client: Client
) -> None:
    """With groups, files of one sample, and cuts that were counted before."""
    kmerengine.cuts([files / "b.tsv"], output=files / "before.parquet", names=["z"], force=True)
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    split: dict[str, Any] = {"strands": "split"} if "strand" in name else {}

    def make(**more: Any) -> None:
        kmerengine.cuts(sheet=files / "sheet.tsv", threads=1, **split, **more)

    make(output=tmp_path / "one" / name)
    seen: list[tuple[int, int]] = []
    with one_worker_killed(client):
        make(output=tmp_path / "other" / name, scheduler=client,
             progress=lambda *at: seen.append(at))  # fmt: skip
    assert same_files(tmp_path / "one", tmp_path / "other")
    n = len(list((tmp_path / "one").iterdir()))
    assert n == (16 if split else 1)  # bigWigs, each with its document
    assert seen == [(i, 4) for i in range(1, 5)]


def test_attributions_are_the_same(tmp_path: Path, client: Client) -> None:
    """With a worker killed, and with a process that ends early and another that goes on."""
    files = make_files(tmp_path)
    data = make_data(files, tmp_path / "d")
    run = make_run(tmp_path / "run", data)
    options: dict[str, Any] = {"split": "all", "batch_size": 2, "n_references": 2}
    attribute(run, data, tmp_path / "one", **options)

    class EndedError(Exception):
        pass

    def stop(done: int, _: int) -> None:
        if done >= 4:
            raise EndedError

    with one_worker_killed(client), pytest.raises(EndedError):
        attribute(run, data, tmp_path / "other", scheduler=client, progress=stop, **options)
    seen: list[tuple[int, int]] = []
    attribute(
        run, data, tmp_path / "other", resume=True, scheduler=client,
        progress=lambda *at: seen.append(at), **options,
    )  # fmt: skip
    assert same_files(tmp_path / "one", tmp_path / "other")
    assert seen == [(6, 9), (8, 9), (9, 9)]


def test_an_error_on_a_worker_is_the_same_line_here(
    files: Path, tmp_path: Path, client: Client
) -> None:
    (tmp_path / "bad.tsv").write_text("c1\t5\t90\tx\t1\nc1\t90\t5\tx\t1\n")
    said = []
    for scheduler in (None, client):
        with pytest.raises(InputError) as error:
            kmerengine.cuts([files / "a.tsv", tmp_path / "bad.tsv"], output=tmp_path / "c.parquet",
                            scheduler=scheduler)  # fmt: skip
        said.append(str(error.value))
    assert said[0] == said[1]
    assert "bad.tsv" in said[0]
    assert [each.name for each in tmp_path.iterdir()] == ["bad.tsv"]


def square() -> Callable[[int], int]:
    return lambda number: number * number


def deadly() -> Callable[[int], int]:
    def work(_: int) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    return work


class Waits:
    """Of the first that does item 3 notes its process, and waits for its end."""

    def __init__(self, note: Path) -> None:
        self.note = note

    def __call__(self) -> Callable[[int], int]:
        def work(number: int) -> int:
            if number == 3 and not self.note.exists():
                self.note.with_suffix(".tmp").write_text(str(os.getpid()))
                self.note.with_suffix(".tmp").rename(self.note)
                sleep(600)
            return number * number

        return work


def test_a_piece_whose_worker_is_killed_at_it_is_done_again(tmp_path: Path, client: Client) -> None:
    def kill() -> None:
        while not (tmp_path / "note").exists():
            sleep(0.02)
        os.kill(int((tmp_path / "note").read_text()), signal.SIGKILL)

    killer = Thread(target=kill, daemon=True)
    killer.start()
    found = list(Cluster(client).in_order(Waits(tmp_path / "note"), range(8)))
    assert found == [n * n for n in range(8)]
    left = client.run(os.getpid, on_error="return").values()
    assert int((tmp_path / "note").read_text()) not in left


def of_another_version() -> Callable[[int], int]:
    raise AssertionError


def test_results_come_in_order_and_few_are_in_flight(client: Client) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(30):
            taken.append(number)
            yield number

    for n, found in enumerate(Cluster(client).in_order(square, items())):
        assert found == n * n
        assert len(taken) <= n + 4  # two threads, two items each


def test_a_piece_that_kills_every_worker_is_given_up(client: Client) -> None:
    with pytest.raises(InputError, match="worker after worker died"):
        list(Cluster(client).in_order(deadly, [1]))
    assert list(Cluster(client).in_order(square, [3])) == [9]


def test_other_versions_are_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kmerengine.cluster.version", lambda _: "0.0.other")
    with pytest.raises(InputError, match=r"a worker has kmerengine .*, expected 0\.0\.other"):
        list(Cluster(client).in_order(of_another_version, [1]))


@pytest.mark.parametrize(
    ("scheduler", "said"),
    [
        ("local:0", "found local:0, expected local:1"),
        ("local", "expected tcp://HOST:PORT"),
        ("127.0.0.1:8786", "expected tcp://HOST:PORT"),
        ("tcp://127.0.0.1:1", "no scheduler answers there"),
    ],
)
def test_what_is_no_cluster_is_one_line(
    scheduler: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmerengine.cluster.ANSWERS_IN", 0.5)
    with pytest.raises(InputError, match=said) as error, connected(scheduler):
        pass
    assert "\n" not in str(error.value)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    said = r"pip install 'kmerengine\[scale\]'"
    with pytest.raises(InputError, match=said), connected("local:2"):
        pass


def test_what_a_cluster_cannot_do_is_said_before_it_is_asked(files: Path, tmp_path: Path) -> None:
    import gzip

    (tmp_path / "g.fa.gz").write_bytes(gzip.compress((files / "g.fa").read_bytes()))
    nowhere = "tcp://127.0.0.1:1"
    with pytest.raises(InputError, match="is gzip"):
        kmerengine.count(tmp_path / "g.fa.gz", files / "r.bed", scheduler=nowhere)
    with pytest.raises(InputError, match="totals of k = 13"):
        kmerengine.count(files / "g.fa", vocabulary=Vocabulary.exact(13), scheduler=nowhere)
    with pytest.raises(InputError, match="cuda with a scheduler"):
        kmerengine.count(files / "g.fa", device="cuda", scheduler=nowhere)


def test_the_command_works_on_processes_of_its_own(files: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / "one.parquet", tmp_path / "other.parquet"]
    for output, more in zip(outputs, ([], ["--scheduler", "local:1"]), strict=True):
        arguments = ["count", f"{files}/g.fa", f"{files}/r.bed", "-o", str(output), "--json", "-q"]
        done = CliRunner().invoke(main, [*arguments, *more])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["regions"] == 60
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
