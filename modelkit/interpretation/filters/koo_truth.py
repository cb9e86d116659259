"""The JASPAR motifs that count as each of Koo and Eddy's 12 factors.

Koo and Eddy 2019, "Table 1": a filter is relevant if it is like a motif of a factor that was laid
into the sequences. The lists are those of their released code, of JASPAR CORE 2016 vertebrates
(versions that it does not hold match nothing), with one change that is flagged below.
"""

from types import MappingProxyType

__all__ = ["KOO_TRUTH"]

KOO_TRUTH = MappingProxyType(
    {
        "Arid3a": ("MA0151.1", "MA0601.1", "PB0001.1"),  # MA0601 is Arid3b
        "CEBPB": ("MA0466.1", "MA0466.2"),
        "FOSL1": ("MA0477.1",),
        "Gabpa": ("MA0062.1", "MA0062.2"),
        "MAFK": ("MA0496.1", "MA0496.2"),
        "MAX": ("MA0058.1", "MA0058.2", "MA0058.3"),
        # MA0660 is MEF2B and MA0773 MEF2D: the released code lists both under STAT1
        "MEF2A": ("MA0052.1", "MA0052.2", "MA0052.3", "MA0660.1", "MA0773.1"),
        "NFYB": ("MA0502.1", "MA0060.1", "MA0060.2"),  # MA0060 is NFYA
        "SP1": ("MA0079.1", "MA0079.2", "MA0079.3"),
        "SRF": ("MA0083.1", "MA0083.2", "MA0083.3"),
        "STAT1": ("MA0137.1", "MA0137.2", "MA0137.3"),
        "YY1": ("MA0095.1", "MA0095.2"),
    }
)
