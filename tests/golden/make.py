"""Make one small file of every format: `PYTHONPATH=.:tests python tests/golden/make.py FOLDER`.

What is in the folder already stays as it is, and what is missing is added: a file is made once for
a version of its format, kept, and read by later versions. `expected.json` in it is what the readers
said of each file when it was made.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import attribute_world
import context_world
import golden_readers
import numpy as np
import results
import topic_world
from test_seqlets import noise, write
from topic_tables import make_proportions

import kmerengine
import modelkit
from kmerengine import Motif, Vocabulary, write_meme
from modelkit.training.checkpoint import write_checkpoint

# chr1 holds GATTACA at 3 and, on the other strand, at 15
GENOME = ">chr1\nACGGATTACACCGGNTGTAATCGGT\n>chr2\nTTTTGATTACA\n"
REGIONS = "chr1\t0\t12\ta\t5\t+\nchr1\t10\t25\tb\t7\t-\nchr2\t2\t11\tc\t1\t.\n"
FRAGMENTS = "chr1\t2\t9\tx\t1\nchr1\t2\t14\tx\t1\nchr1\t5\t20\tx\t1\nchr2\t1\t8\tx\t1\n"
SMALL = Vocabulary.wildcard(4, 1)


class Stop(Exception):
    """Ends an attribution on its way."""


def engine(here: Path, out: Path) -> None:
    """What `kmerengine` writes."""
    genome, regions, fragments = here / "g.fa", here / "r.bed", here / "f.tsv"
    genome.write_text(GENOME)
    regions.write_text(REGIONS)
    fragments.write_text(FRAGMENTS)
    for name in ("counts.parquet", "counts.arrow", "counts.npz", "counts.h5ad"):
        kmerengine.count(genome, regions, output=out / name, vocabulary=SMALL)
    kmerengine.count(genome, regions, output=out / "parts", vocabulary=SMALL, parts=True)
    long = Vocabulary.exact(14)
    kmerengine.count(genome, regions, output=out / "counts14.parquet", vocabulary=long)
    kmerengine.count(
        genome, regions, output=out / "features.parquet", vocabulary=SMALL, materialize=True
    )
    kmerengine.count(genome, output=out / "totals.parquet", vocabulary=SMALL)
    kmerengine.count(genome, output=out / "totals.arrow", vocabulary=SMALL, materialize=True)
    kmerengine.vocab(out / "vocabulary.parquet", vocabulary=Vocabulary.wildcard(3, 1))
    options = {"input_shift": "none", "shift": "none", "genome": genome}
    for name in ("cuts.parquet", "cuts.arrow", "cuts.bw"):
        kmerengine.cuts([fragments], names=["s"], output=out / name, **options)
    motif = Motif(name="gata", probabilities=np.array(
        [[0.97 if base == each else 0.01 for each in "ACGT"] for base in "GATTACA"]
    ))  # fmt: skip
    write_meme(out / "motifs.meme", [motif])
    kmerengine.scan(genome, out / "motifs.meme", output=out / "hits.parquet", p=1e-3)
    kmerengine.profiles(out / "cuts.parquet", regions, width=8, window=6, output=out / "profiles")
    rng = np.random.default_rng(1)
    long_genome = here / "long.fa"
    long_genome.write_text(f">chr1\n{''.join(rng.choice(list('ACGT'), 4000))}\n")
    peaks = here / "peaks.bed"
    peaks.write_text("".join(f"chr1\t{i}\t{i + 50}\n" for i in range(100, 3000, 600)))
    kmerengine.sample_windows(long_genome, peaks, output=out / "sample", width=50)
    kmerengine.qc([fragments], names=["s"], regions=regions, genome=genome, output=here / "qc",
                  input_shift="none", reach=10)  # fmt: skip
    shutil.copytree(here / "qc", out / "qc", ignore=shutil.ignore_patterns("*.png"))
    sizes = {"n_contigs": 2, "contig_length": 20_000, "n_peaks": 6, "sites_per_tf": 10}
    atac = kmerengine.simulate_atac(here / "atac", n_cell_types=2, n_decoys=4, **sizes)
    koo = kmerengine.simulate_kmers(here / "kmers", n_peaks=4, n_probes=1)
    for path in [*atac.sampling.parent.glob("*.parquet"), *koo.genome.parent.glob("*.parquet")]:
        shutil.copyfile(path, out / f"simulated.{path.parent.name}.{path.name}")


def models(here: Path, out: Path) -> None:
    """What `modelkit` writes of a model of cuts."""
    files = attribute_world.make_files(here)
    data = attribute_world.make_data(files, out / "dataset")
    run = attribute_world.make_run(out / "run", data)
    write_checkpoint(out / "tensors.safetensors", *golden_readers.TENSORS)
    modelkit.predict(run, data, out / "predictions", genome=files / "g.sizes", device="cpu")
    modelkit.evaluate(run, data, out / "evaluation", split="all", device="cpu")
    scores = {"split": "all", "method": "saliency", "device": "cpu", "batch_size": 2}
    modelkit.attribute(run, data, out / "attributions", **scores)

    def stop(done: int, _: int) -> None:
        if done >= 4:
            raise Stop

    try:
        modelkit.attribute(run, data, out / "begun", progress=stop, **scores)
    except Stop:
        (out / ".begun.partial").rename(out / "begun.partial")
    vcf = here / "v.vcf"
    base = attribute_world.GENOME["chr2"][405]
    other = "ACGT"[("ACGT".index(base) + 1) % 4]
    vcf.write_text(
        f"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\nchr2\t406\tv\t{base}\t{other}\n"
    )
    modelkit.variants(run, vcf, out / "variants.parquet", genome=files / "g.fa", device="cpu")
    changes = {"training.epochs=1", "training.batch_size=4", "objective.use_bias=false",
               "network.channels=4", "network.blocks=1", "network.stem_width=5",
               "network.head_width=3", "network.pools=[2,2,2]"}  # fmt: skip
    config = modelkit.read_config(model="bpaitac", changes=sorted(changes))
    modelkit.train(config, data, out / "trained", device="cpu", threads=1)
    sequence, hypothetical = noise()
    for example, low in ((0, 5), (3, 20), (5, 40)):
        sequence[example, low : low + 7] = ["ACGT".index(base) for base in "GATTACA"]
        hypothetical[example, 0, sequence[example, low : low + 7], range(low, low + 7)] += 2
    planted = write(here / "planted", sequence, hypothetical)
    modelkit.seqlets(planted, out / "seqlets.parquet")
    modelkit.motifs([out / "seqlets.parquet"], output=out / "motifs", database=out / "motifs.meme")
    modelkit.tomtom(out / "motifs.meme", out / "motifs.meme", out / "matches.parquet")
    sequences = ["ACGTTGATTACATTGACCTA", "TTGATTACAGGATCCATTAG"] * 4
    sites = context_world.sites_of(
        here / "sites", sequences, np.tile(np.arange(20) / 20, (8, 1)), [(5, 9)] * 8
    )
    modelkit.kmers({"f": sites}, output=out / "context_kmers", k=3, p=0.99)
    modelkit.aggregate({"f": sites}, output=out / "context_profiles")


def topics(here: Path, out: Path) -> None:
    """What `modelkit topics` writes."""
    run = topic_world.random_run(out / "topic_run", vocabulary=SMALL, topics=3, hidden=[4])
    modelkit.topic_kmers(run, here / "topic_kmers", top=3, aligned=4)
    results.without_figures(here / "topic_kmers", out / "topic_kmers")
    places = [("chr1", 100 * i, 100 * i + 50) for i in range(12)]
    eta = np.eye(3)[np.arange(12) % 3] * 2 + 0.5
    make_proportions(eta, places=places, path=out / "proportions.parquet")
    names = ["abc"[i % 3] + str(i) for i in range(12)]
    labels = ["abc"[i % 3] for i in range(12)]
    probes = make_proportions(eta, names=names, path=here / "probes.parquet")
    found = modelkit.topic_map(probes, labels, out / "topic_map.parquet", p=0.5, top=0.4)
    modelkit.topic_selection([found, found], out / "topic_selection", names=["x", "y"], ensemble=1)
    modelkit.topic_heatmap(probes, labels, here / "heatmap", n_probes=2)
    modelkit.topic_assignment(out / "proportions.parquet", found, out / "topic_assignment")
    modelkit.topic_comparison(found, ["a", "b"], out / "topic_comparison.parquet")
    results.without_figures(here / "heatmap", out / "topic_heatmap")


def main(folder: str) -> None:
    """Make the files that are missing, and write down what readers say of them."""
    kept, path = Path(folder), Path(folder, "expected.json")
    kept.mkdir(exist_ok=True)
    expected = json.loads(path.read_text()) if path.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        out = Path(name, "v")
        out.mkdir()
        for make in (engine, models, topics, *results.EVERY):
            here = Path(name, make.__name__)
            here.mkdir()
            make(here, out)
        for each in sorted(out.iterdir()):
            if not (kept / each.name).exists():
                (shutil.copytree if each.is_dir() else shutil.copyfile)(each, kept / each.name)
    for name, read in golden_readers.readers_in(kept).items():
        if name not in expected:
            expected[name] = golden_readers.plain(read(kept / name))
    order = golden_readers.readers_in(kept)
    lines = (json.dumps(name) + ": " + json.dumps(expected[name]) for name in order)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1])
