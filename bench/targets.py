"""The speeds asked for, against the newest results: `python -m bench.targets`; exit 1 if missed."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.harness import Row, newest_rows, read_all

ENGINE = "kmerengine"
TO_PARQUET, TO_BIGWIG = "kmerengine (Parquet, by strand)", "kmerengine (bigWig)"
FIGWIG = "figwig (bigWig)"
BPNET = "native_kernels (memory kept)"
SCORES = "modelkit (memory kept)"
ALONE = "kmerengine, counting alone"
MB = 1_000_000
GB = 1_000 * MB


@dataclass(frozen=True, kw_only=True)
class Target:
    """A row's figure, over another row's if `against` names one, must not pass `limit`.

    With `at_least`, must reach it.
    """

    case: str
    figure: str
    limit: float
    provider: str = ENGINE
    against: tuple[str, str] | None = None
    at_least: bool = False


TARGETS = [
    Target(case="regions", figure="p50", limit=1.5),
    Target(case="regions", figure="peak_rss_bytes", limit=600 * MB),
    Target(case="regions-10x", figure="p50", limit=11, against=("regions", ENGINE)),
    Target(case="features-arrow", figure="p50", limit=6),
    Target(case="features-parts", figure="p50", limit=6),
    Target(case="features-parquet", figure="p50", limit=9),
    Target(case="totals-8", figure="p50", limit=1),
    Target(case="totals-8", figure="work_per_second", limit=GB, provider=ALONE, at_least=True),
    Target(case="totals-12", figure="p50", limit=1 / 2.5, against=("totals-12", "KMC")),
    Target(case="totals-21", figure="p50", limit=1 / 1.5, against=("totals-21", "KMC")),
    Target(case="totals-21", figure="peak_rss_bytes", limit=4 * GB),
    *(
        Target(case=case, figure="p50", limit=limit, provider=provider, against=(case, FIGWIG))
        for case, provider, limit in [
            ("cuts-4M", TO_PARQUET, 1.15),
            ("cuts-4M", TO_BIGWIG, 1.15),
            ("cuts-20M", TO_PARQUET, 1),
        ]
    ),
    *(
        Target(case=case, figure="peak_rss_bytes", limit=500 * MB, provider=provider)
        for case in ("cuts-4M", "cuts-20M")
        for provider in (TO_PARQUET, TO_BIGWIG)
    ),
    Target(case="profiles", figure="p50", limit=1),
    Target(case="scan-12M", figure="p50", limit=1, against=("scan-12M", "memelite")),
    Target(case="scan-250M", figure="peak_rss_bytes", limit=2 * GB),
    Target(case="sample-windows-3G", figure="p50", limit=300),
    Target(case="sample-windows-3G", figure="peak_rss_bytes", limit=2 * GB),
    *(
        Target(
            case="loader", figure="work_per_second", limit=400_000, provider=each, at_least=True
        )
        for each in ("modelkit.data, no worker", "modelkit.data, 2 threads")
    ),
    *(
        Target(case=case, figure="work_per_second", limit=limit, provider=BPNET, at_least=True)
        for case, limit in [
            ("bpnet-train", 45),
            ("bpnet-predict", 190),
            ("bpnet-predict-bfloat16", 600),  # of a processor that multiplies bfloat16
        ]
    ),
    *(
        Target(case=case, figure="work_per_second", limit=limit, provider=SCORES, at_least=True)
        for case, limit in [("deepshap", 1.0), ("ig", 2.5), ("ism", 0.15)]
    ),
    Target(case="seqlets-30k", figure="p50", limit=300),
]


def judge(target: Target, rows: Mapping[tuple[str, str], Row]) -> tuple[str, float | None]:
    """ "met", "missed" or "not measured", and the value."""
    row = rows.get((target.case, target.provider))
    base = rows.get(target.against) if target.against else None
    if row is None or (target.against and base is None):
        return "not measured", None
    value = row[target.figure] / (base[target.figure] if base else 1)
    met = value >= target.limit if target.at_least else value <= target.limit
    return ("met" if met else "missed"), value


def main(rows: Sequence[Row]) -> int:
    """Print a line per target."""
    newest = {(row["case"], row["provider"]): row for row in newest_rows(rows)}
    verdicts = []
    for target in TARGETS:
        verdict, value = judge(target, newest)
        verdicts.append(verdict)
        of = f" over {target.against[1]}'s of {target.against[0]}" if target.against else ""
        sign = ">=" if target.at_least else "<="
        shown = "" if value is None else f" {value:.4g}"
        by = "" if target.provider == ENGINE else f" of {target.provider}"
        asked = f"asked {sign} {target.limit:.4g}"
        print(f"{verdict}: {target.case}, {target.figure}{by}{of}{shown}, {asked}")
    return int("missed" in verdicts)


if __name__ == "__main__":
    sys.exit(main(read_all()))
