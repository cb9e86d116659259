"""Every table that is written: its format's name, columns, types and units.

Coordinates are 0-based, half-open, in bp. What a file says of itself, beside its columns, is
`kmerengine.documents`; its names are here too, so that who writes a table needs one import.
"""

from pathlib import Path

import pyarrow as pa

from kmerengine.documents import METADATA_KEY as METADATA_KEY
from kmerengine.documents import SEAL as SEAL
from kmerengine.documents import VERSION as VERSION
from kmerengine.documents import as_text as as_text
from kmerengine.documents import contigs_digest as contigs_digest
from kmerengine.documents import damage_refused as damage_refused
from kmerengine.documents import digest as digest
from kmerengine.documents import parse_metadata as parse_metadata
from kmerengine.documents import provenance as provenance
from kmerengine.documents import read_document as read_document
from kmerengine.documents import read_metadata as read_metadata
from kmerengine.documents import with_metadata as with_metadata
from kmerengine.errors import InputError

KMERS = "kmerengine.kmers"  # exact words per region
FEATURES = "kmerengine.features"  # gapped features per region (--materialize)
KMER_TOTALS = "kmerengine.kmer_totals"  # exact words of a whole genome or set of sequences
FEATURE_TOTALS = "kmerengine.feature_totals"  # gapped features of the same
CUTS = "kmerengine.cuts"  # Tn5 cut sites per base, strand and sample
PROFILES = "kmerengine.profiles"  # cuts of regions per base and sample: a folder
DATASET = "kmerengine.dataset"  # a training data set: a folder
QC = "kmerengine.qc"  # quality of samples: a folder of tables and a figure
MOTIF_HITS = "kmerengine.motif_hits"  # motif instances
SAMPLE = "kmerengine.sample"  # positives with negatives matched to them
SAMPLE_BINS = "kmerengine.sample.bins"  # how many there were of each bin, and how many were kept
RUN = "kmerengine.run"  # a trained model: a folder
EVALUATION = "kmerengine.evaluation"  # measures of each example
RUN_METRICS = "kmerengine.run.metrics"  # losses and metrics of each epoch
PREDICTIONS = "kmerengine.predictions"  # of a data set by trained models: a folder
ATTRIBUTIONS = "kmerengine.attributions"  # what bases did to a model's output: a folder
MARGINALS = "kmerengine.marginals"  # what motifs add to predictions: a folder
FOOTPRINTS = "kmerengine.footprints"  # predicted profiles around motifs: a folder
SEQLETS = "kmerengine.seqlets"  # stretches of significant attributions
MOTIFS = "kmerengine.motifs"  # clusters of seqlets: a folder
MOTIF_MATCHES = "kmerengine.motif_matches"  # motifs of a database that motifs are like
FILTERS = "kmerengine.filters"  # filters of a network as motifs: a folder
SELECTION = "kmerengine.selection"  # regions that some models predict better than others
CONTEXT_KMERS = "kmerengine.context_kmers"  # words around core motifs: a folder
CONTEXT_PROFILES = "kmerengine.context_profiles"  # mean scores around core motifs: a folder
CROSS = "kmerengine.cross"  # runs on each other's data: a folder
PIPELINE = "kmerengine.pipeline"  # stages and what they were made of
PIPELINE_AGENTBIND = "kmerengine.pipeline.agentbind"  # factors and sets of a pipeline
VARIANTS = "kmerengine.variants"  # how variants change predictions
TOPIC_PROPORTIONS = "kmerengine.topic_proportions"  # of sequences, by a topic model
TOPIC_KMERS = "kmerengine.topic_kmers"  # features of each topic: a folder
TOPIC_MOTIFS = "kmerengine.topic_motifs"  # what words each topic answers to: a folder
TOPIC_MAP = "kmerengine.topic_map"  # tests of every factor and topic
TOPIC_SELECTION = "kmerengine.topic_selection"  # models by the factors that they have: a folder
TOPIC_HEATMAP = "kmerengine.topic_heatmap"  # probes of factors: a folder
TOPIC_COOPERATION = "kmerengine.topic_cooperation"  # probes of factors and pair: a folder
TOPIC_ACCESSIBILITY = "kmerengine.topic_accessibility"  # sums over peaks of cell types: a folder
TOPIC_ASSIGNMENT = "kmerengine.topic_assignment"  # factors of peaks: a folder
TOPIC_CLR = "kmerengine.topic_clr"  # log ratios of peaks that factors bind: a folder
TOPIC_PROJECTION = "kmerengine.topic_projection"  # peaks in a plane: a folder
TOPIC_COMPARISON = "kmerengine.topic_comparison"  # factors of two tools: a folder
TOPIC_WINDOWS = "kmerengine.topic_windows"  # topics or factors along peaks: a BED file
VOCABULARY = "kmerengine.vocabulary"  # the features themselves
SEQUENCES = "kmerengine.simulated.sequences"  # labelled sequences
EMBEDDED = "kmerengine.simulated.embedded"  # the motifs in them
SITES = "kmerengine.simulated.sites"  # motifs in a genome, and where they are bound
PEAKS = "kmerengine.simulated.peaks"  # peaks with their expected cuts
CELL_TYPES = "kmerengine.simulated.cell_types"  # activity of each factor
PEAK_TOPICS = "kmerengine.simulated.peak_topics"  # peaks with proportions of topics
TOPICS = "kmerengine.simulated.topics"  # the motifs of each topic
PROBES = "kmerengine.simulated.probes"  # sequences of one motif
SAMPLING = "kmerengine.simulated.sampling"  # how well bound sites can be told from others


def _column(name: str, kind: pa.DataType, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable)


def _list_of(kind: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", kind, nullable=False))


REGION_COLUMNS = pa.schema(
    [
        _column("chrom", pa.dictionary(pa.int32(), pa.string())),
        _column("start", pa.int64()),  # bp, 0-based
        _column("end", pa.int64()),  # bp, exclusive
        _column("name", pa.string()),
        _column("score", pa.float64(), nullable=True),  # null where the input has none
        _column("strand", pa.dictionary(pa.int8(), pa.string())),  # + - .
    ]
)


_TOTALS = pa.schema(
    [
        _column("total", _list_of(pa.int64())),  # cuts in the window around the centre, by sample
        _column("normalised", _list_of(pa.float64())),  # the same, quantile-normalised
    ]
)


def word_type(k: int) -> pa.DataType:
    """Packed words: two bits a base, the first base leading."""
    return pa.uint32() if k <= 16 else pa.uint64()


def counts_schema(k: int, *, materialized: bool = False) -> pa.Schema:
    """Regions with their exact words (or gapped features), ascending, and how often each occurs."""
    name, kind = ("feature", pa.uint32()) if materialized else ("word", word_type(k))
    lists = [_column(name, _list_of(kind)), _column("count", _list_of(pa.uint32()))]
    return pa.schema([*REGION_COLUMNS, *lists])


def totals_schema(k: int, *, materialized: bool = False) -> pa.Schema:
    """One row per word that occurs, ascending, with its letters to k = 12.

    Materialized: one row per feature of the vocabulary, in order, zeros included.
    """
    count = _column("count", pa.uint64())
    if materialized:
        return pa.schema([_column("feature", pa.uint32()), _column("word", pa.string()), count])
    letters = [_column("sequence", pa.string())] if k <= 12 else []
    return pa.schema([_column("word", word_type(k)), *letters, count])


def cuts_schema() -> pa.Schema:
    """Cut sites, sorted by sample, contig (in the header's order), position and strand."""
    return pa.schema(
        [
            _column("chrom", pa.dictionary(pa.int32(), pa.string())),
            _column("position", pa.int32()),  # bp, 0-based: the base that is cut, after the shift
            _column("strand", pa.dictionary(pa.int8(), pa.string())),  # of the read: + -
            _column("sample", pa.dictionary(pa.int32(), pa.string())),
            _column("count", pa.uint32()),  # cuts
        ]
    )


def profile_totals_schema() -> pa.Schema:
    """Regions with the cuts of each sample in the window around their centre."""
    return pa.schema([*REGION_COLUMNS, *_TOTALS])


CORE_COLUMNS = pa.schema(
    [
        _column("core_start", pa.int32()),  # bp from the region's start: the motif's first base
        _column("core_end", pa.int32()),  # exclusive
    ]
)


def dataset_schema(*, labels: bool = False, totals: bool = False, cores: bool = False) -> pa.Schema:
    """Examples of a data set; lists go by the document's `labels` and `samples`."""
    return pa.schema(
        [
            *REGION_COLUMNS,
            _column("split", pa.dictionary(pa.int8(), pa.string())),
            _column("negative", pa.bool_()),  # added as such, not one of the peaks
            *(CORE_COLUMNS if cores else []),
            *([_column("labels", _list_of(pa.uint8()))] if labels else []),
            *(_column(name, _list_of(pa.float64())) for name in _TOTALS.names if totals),
        ]
    )


def predictions_schema(*values: str) -> pa.Schema:
    """Examples that were predicted, in the data set's order; lists go by the document's `tasks`.

    Of models of cuts the `total` expected in the window; of models of labels `logit` and
    `probability`.
    """
    return pa.schema(
        [
            *REGION_COLUMNS,
            _column("split", pa.dictionary(pa.int8(), pa.string())),  # the data set's
            _column("row", pa.int64()),  # of the data set, 0-based
            *(_column(name, _list_of(pa.float64())) for name in values),
        ]
    )


def attributions_schema(*, cores: bool = False, labels: bool = False) -> pa.Schema:
    """Examples that were explained; lists go by the document's `targets`, and `labels` by its."""
    of_targets = _list_of(pa.float64())
    return pa.schema(
        [
            *predictions_schema(),
            _column("sequence_start", pa.int64()),  # bp, 0-based: where base 0 lies in the genome
            _column("prediction", of_targets),
            _column("delta", of_targets),  # by how much the scores miss their sum; or not a number
            _column("spread", of_targets),  # what that is to be small against; or not a number
            *(CORE_COLUMNS if cores else []),
            *([_column("labels", _list_of(pa.uint8()))] if labels else []),
        ]
    )


def variants_schema(
    *, totals: bool = True, profiles: bool = True, quantiles: bool = False
) -> pa.Schema:
    """Variants in the order of their file; lists go by the document's `tasks`."""
    further = {
        "reference_total": totals,  # cuts in the window with REF
        "alternative_total": totals,  # with ALT
        "log2_fold_change": totals,
        "jsd": profiles,  # of the two profiles, bits
        "effect": totals and profiles,  # |log2_fold_change| * jsd
        "active_allele_quantile": quantiles,  # of the larger total among those of peaks, 0 to 1
    }
    return pa.schema(
        [
            _column("chrom", pa.dictionary(pa.int32(), pa.string())),
            _column("start", pa.int64()),  # bp, 0-based: of the first base of REF
            _column("name", pa.string()),  # ID
            _column("reference", pa.string()),
            _column("alternative", pa.string()),  # as long
            *(_column(name, _list_of(pa.float64())) for name, wanted in further.items() if wanted),
        ]
    )


def hits_schema(
    *, q: bool = False, sequence: bool = False, region: bool = False, alt_name: bool = False
) -> pa.Schema:
    """Motif instances, sorted by contig (in the genome's order) or region, start and motif."""
    further = {
        "q": (q, pa.float64()),  # lowest false discovery rate at which it is called
        "region": (region, pa.int64()),  # 0-based row of the region in its file
        "sequence": (sequence, pa.string()),  # the bases matched, on the motif's strand
        "alt_name": (alt_name, pa.string()),  # the motif's second name
    }
    return pa.schema(
        [
            _column("chrom", pa.dictionary(pa.int32(), pa.string())),
            _column("start", pa.int64()),  # bp, 0-based
            _column("end", pa.int64()),  # bp, exclusive
            _column("motif", pa.dictionary(pa.int32(), pa.string())),
            _column("score", pa.float64()),  # bits
            _column("strand", pa.dictionary(pa.int8(), pa.string())),  # + - of the motif
            _column("p", pa.float64()),  # chance of the score or more at one random place
            *(
                _column(name, kind, nullable=True)
                for name, (wanted, kind) in further.items()
                if wanted
            ),
        ]
    )


def sample_schema(*, sites: bool = False) -> pa.Schema:
    """Positives and negatives, by contig (in the genome's order) and start; with motif sites."""
    site = [
        _column("motif", pa.dictionary(pa.int32(), pa.string())),
        _column("score", pa.float64()),  # as the scan gave it
        _column("p", pa.float64()),
        _column("p_bin", pa.float64()),  # -log10 p, least of the bin
        *CORE_COLUMNS,
    ]
    return pa.schema(
        [
            _column("chrom", pa.dictionary(pa.int32(), pa.string())),
            _column("start", pa.int64()),  # bp, 0-based
            _column("end", pa.int64()),  # bp, exclusive
            _column("name", pa.string()),  # of its own
            _column("strand", pa.dictionary(pa.int8(), pa.string())),  # + - .
            _column("label", pa.uint8()),  # 1 positive, 0 negative
            _column("row", pa.int64()),  # of the input, 0-based; a genome window's: of its match
            _column("gc", pa.float64(), nullable=True),  # C and G among A C G T; null without any
            _column("gc_bin", pa.float64(), nullable=True),  # least of the bin; null: not matched
            *(site if sites else []),
        ]
    )


def sample_bins_schema() -> pa.Schema:
    """One row per bin that has positives, or negatives of motif sites."""
    count = pa.int64()
    return pa.schema(
        [
            _column("chrom", pa.string(), nullable=True),  # null: all contigs
            _column("p_bin", pa.float64(), nullable=True),  # -log10 p, least of the bin
            _column("gc_bin", pa.float64(), nullable=True),  # least of the bin
            _column("positives", count),
            _column("negatives", count),  # of genome windows: candidates, of which many overlap
            _column("kept_positives", count),
            _column("kept_negatives", count),
        ]
    )


def qc_schema() -> pa.Schema:
    """One row per sample; null where what it needs was not given, or would be divided by zero."""
    count, share = pa.int64(), pa.float64()
    return pa.schema(
        [
            _column("sample", pa.string()),
            _column("records", count),  # of the file
            _column("kept", count),  # reads or fragments
            _column("dropped", count),  # of the records; by reason in the metadata
            _column("cuts_dropped", count),  # of what was kept: off the contig, in the blacklist
            _column("cuts", count),
            _column("mitochondrial", share, nullable=True),  # of cuts
            _column("flagged_duplicates", count),  # reads marked by another tool
            # of 10x files as their count column says, each cell by itself; 5' ends, of single reads
            _column("fragments", count),
            _column("distinct_fragments", count),  # by both ends
            _column("duplicates", share, nullable=True),  # of fragments
            _column("nrf", share, nullable=True),  # distinct / all (ENCODE)
            _column("pbc1", share, nullable=True),  # seen once / distinct (ENCODE)
            _column("pbc2", share, nullable=True),  # seen once / seen twice (ENCODE)
            _column("library_size", count, nullable=True),  # distinct molecules, estimated
            _column("median_length", count, nullable=True),  # bp
            _column("nucleosome_free", share, nullable=True),  # fragments under 147 bp
            _column("nucleosome_signal", share, nullable=True),  # 147 to 293 bp over under 147
            _column("frip", share, nullable=True),  # cuts in regions
            _column("tss_enrichment", share, nullable=True),  # within 50 bp, over the window's ends
            _column("region_enrichment", share, nullable=True),
            _column("input_shift", pa.string(), nullable=True),
            _column("shift_confidence", share, nullable=True),
            _column("shift_note", pa.string()),
        ]
    )


def lengths_schema() -> pa.Schema:
    """Fragments by length, of lengths that occur; 2,000 bp holds all longer ones."""
    return pa.schema(
        [
            _column("sample", pa.string()),
            _column("length", pa.int32()),  # bp
            _column("fragments", pa.int64()),
        ]
    )


def aggregate_schema() -> pa.Schema:
    """Cuts by their distance from anchors, summed over anchors."""
    return pa.schema(
        [
            _column("sample", pa.string()),
            _column("anchor", pa.string()),  # tss or regions
            _column("offset", pa.int32()),  # bp, along the anchor's strand
            _column("along", pa.int64()),  # cuts of reads on the anchor's strand
            _column("against", pa.int64()),  # cuts of reads on the other strand
        ]
    )


def v_plot_schema() -> pa.Schema:
    """Fragments by length and by the distance of their midpoint from anchors, in bins."""
    return pa.schema(
        [
            _column("sample", pa.string()),
            _column("length", pa.int32()),  # bp, first of its bin
            _column("offset", pa.float64()),  # bp, middle of its bin
            _column("fragments", pa.int64()),
        ]
    )


def vocabulary_schema() -> pa.Schema:
    """One row per feature, in order: id (0-based), word with N for a wildcard, wildcards."""
    return pa.schema(
        [
            _column("id", pa.uint32()),
            _column("word", pa.string()),
            _column("wildcards", pa.uint8()),
        ]
    )


def sequences_schema() -> pa.Schema:
    """Simulated sequences; labels are 0 or 1 for each of the document's `classes`, in order."""
    return pa.schema(
        [
            _column("name", pa.string()),
            _column("split", pa.dictionary(pa.int8(), pa.string())),  # train validation test
            _column("sequence", pa.string()),
            _column("labels", _list_of(pa.uint8())),
        ]
    )


def embedded_schema() -> pa.Schema:
    """Motifs in simulated sequences, by row of the sequences and place."""
    return pa.schema(
        [
            _column("row", pa.uint32()),  # of the sequences, 0-based
            _column("motif", pa.dictionary(pa.int32(), pa.string())),
            _column("start", pa.int32()),  # bp in the sequence, 0-based
            _column("end", pa.int32()),  # bp, exclusive
            _column("strand", pa.dictionary(pa.int8(), pa.string())),  # + -
        ]
    )


def sites_schema() -> pa.Schema:
    """Motifs of a simulated genome, by contig and start; lists go by the document's cell types."""
    return pa.schema(
        [
            _column("chrom", pa.dictionary(pa.int32(), pa.string())),
            _column("start", pa.int64()),  # bp, 0-based
            _column("end", pa.int64()),  # bp, exclusive
            _column("strand", pa.dictionary(pa.int8(), pa.string())),  # + -
            _column("motif", pa.dictionary(pa.int8(), pa.string())),
            _column("role", pa.dictionary(pa.int8(), pa.string())),  # pioneer tf cofactor decoy
            _column("open", pa.bool_()),
            _column("cofactor", pa.bool_()),  # a co-factor's motif lies beside it
            _column("bound", pa.bool_()),  # in the cell types that have the factor
            _column("peak", pa.int64(), nullable=True),  # row of the peaks
            _column("of", pa.int64(), nullable=True),  # a co-factor's: row of the site it is for
            _column("footprint", _list_of(pa.float32())),  # share of cuts kept off; 0: not bound
        ]
    )


def simulated_peaks_schema() -> pa.Schema:
    """Simulated peaks; lists go by the document's cell types."""
    return pa.schema(
        [
            *REGION_COLUMNS,
            _column("summit", pa.int64()),  # bp, 0-based
            _column("pioneer", pa.dictionary(pa.int8(), pa.string())),
            _column("accessibility", _list_of(pa.float32())),  # over that of closed DNA
            _column("expected", _list_of(pa.float32())),  # cuts in 250 bp around the summit
        ]
    )


def cell_types_schema() -> pa.Schema:
    """Factors of each simulated cell type."""
    return pa.schema(
        [
            _column("cell_type", pa.dictionary(pa.int32(), pa.string())),
            _column("motif", pa.dictionary(pa.int8(), pa.string())),
            _column("activity", pa.float32()),  # 0 to 1; 0 where the factor is not there
            _column("footprint", pa.float32()),  # share of cuts that it keeps off where bound
        ]
    )


def peak_topics_schema() -> pa.Schema:
    """Simulated peaks with the proportion of each topic."""
    return pa.schema([*REGION_COLUMNS, _column("topics", _list_of(pa.float32()))])


def topics_schema() -> pa.Schema:
    """Motifs of simulated topics; null for motifs that no peak has."""
    return pa.schema(
        [
            _column("topic", pa.int64(), nullable=True),  # 0-based
            _column("motif", pa.string()),
            _column("consensus", pa.string()),
        ]
    )


def probes_schema() -> pa.Schema:
    """Simulated probes of one motif each."""
    return pa.schema(
        [
            _column("name", pa.string()),
            _column("motif", pa.dictionary(pa.int32(), pa.string())),
            _column("planted", pa.bool_()),  # in the peaks
            _column("sequence", pa.string()),
        ]
    )


def sampling_schema() -> pa.Schema:
    """The best auROC of bound against unbound sites, by how the unbound ones are sampled."""
    return pa.schema([_column("setting", pa.string()), _column("bayes_auroc", pa.float64())])


def require(schema: pa.Schema, expected: pa.Schema, where: Path) -> None:
    """InputError naming the first column of `expected` that `schema` lacks, has more than once or
    types otherwise.
    """
    for field in expected:
        if field.name not in schema.names:
            raise InputError(f"{where}: no column {field.name!r}; it has {', '.join(schema.names)}")
        if schema.names.count(field.name) > 1:
            raise InputError(
                f"{where}: column {field.name!r} more than once, expected it once; make the file "
                "again"
            )
        found = schema.field(field.name).type
        if not found.equals(field.type):
            raise InputError(
                f"{where}: column {field.name!r} is {found}, expected {field.type}; "
                "make the file again"
            )
