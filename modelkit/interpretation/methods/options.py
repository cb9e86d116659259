"""How attributions are made: the method, what an input is compared with, and how many rows at once.

Each method is a paper's:

    deepshap   DeepLIFT's rescale rule, mean over shuffled references (Shrikumar et al. 2017;
               Lundberg and Lee 2017); bpAI-TAC's
    deeplift   the same with one reference
    ig         integrated gradients (Sundararajan et al. 2017); DeepATAC's
    saliency   gradients (Simonyan et al. 2013)
    guided     gradients that pass a ReLU only if they are positive (Springenberg et al. 2014); of
               Koo and Eddy 2019
    gradcam    of the first convolution, times gradients (Selvaraju et al. 2017); AgentBind's
    ism        every base in turn put in the place of every other
"""

import math
from dataclasses import dataclass, fields
from typing import Literal, get_args

from kmerengine.errors import InputError

__all__ = ["METHODS", "AttributionOptions", "Method", "References"]

Method = Literal["deepshap", "deeplift", "ig", "saliency", "guided", "gradcam", "ism"]
References = Literal["shuffle", "zeros", "background"]

METHODS: tuple[Method, ...] = get_args(Method)
REFERENCES: dict[str, References] = {
    "deepshap": "shuffle",
    "deeplift": "background",
    "ig": "zeros",
}  # of the methods that compare, what they compare with by default
TOGETHER = 1e-6  # how far the background may be from a sum of 1


@dataclass(frozen=True, kw_only=True)
class AttributionOptions:
    """Of `modelkit.interpretation.methods.explain.explain`.

    Attributes
    ----------
    method : str
        One of METHODS.
    references : "shuffle", "zeros" or "background", optional
        The bases that a sequence is compared with: its dinucleotides in another order, no base at
        all, or `background` at each position. By default shuffles for deepshap, the background for
        deeplift and no base for ig; the other methods compare with nothing.
    n_references : int
        Shuffles of each sequence; of the other kinds there is one.
    background : (float, float, float, float)
        Share of A, C, G and T.
    signals : float
        What a signal, a channel behind the bases, is compared with.
    steps : int
        Of ig: gradients from the reference to the sequence.
    seed : int
        Of the shuffles, 0 to 2**64 - 1.
    layer : str, optional
        Of gradcam: name of the layer in the network, by default its first convolution.
    max_rows : int
        Sequences that pass the network at once, references and mutants included.
    bfloat16 : bool
        Let the network calculate in bfloat16 where PyTorch's autocast does.
    """

    method: Method = "deepshap"
    references: References | None = None
    n_references: int = 20
    background: tuple[float, float, float, float] = (0.3, 0.2, 0.2, 0.3)
    signals: float = 0.5
    steps: int = 50
    seed: int = 0
    layer: str | None = None
    max_rows: int = 40
    bfloat16: bool = False

    def __post_init__(self) -> None:
        for name, known in (("method", METHODS), ("references", get_args(References))):
            value = getattr(self, name)
            if value not in known and not (name == "references" and value is None):
                raise InputError(f"{name}: found {value!r}, expected one of {', '.join(known)}")
        for name in ("n_references", "steps", "max_rows"):
            value = getattr(self, name)
            if value < 1:
                raise InputError(f"{name}: found {value}, expected 1 or more")
        if not 0 <= self.seed < 1 << 64:
            raise InputError(f"seed: found {self.seed}, expected 0 to 2**64 - 1")
        if self.references is not None and self.method not in REFERENCES:
            compare = ", ".join(REFERENCES)
            raise InputError(
                f"references: found {self.references!r} for {self.method}, which compares with "
                f"none; expected one of {compare}"
            )
        if self.method == "deeplift" and self.references == "shuffle":
            raise InputError(
                "references: found 'shuffle' for deeplift, expected zeros or background; "
                "deepshap takes shuffles"
            )
        shares = tuple(self.background)
        if len(shares) != 4 or not (min(shares) >= 0 and abs(sum(shares) - 1) <= TOGETHER):
            raise InputError(
                f"background: found {shares}, expected shares of A, C, G and T that add up to 1"
            )
        if not math.isfinite(self.signals):
            raise InputError(f"signals: found {self.signals}, expected a number")
        if self.layer is not None and self.method != "gradcam":
            raise InputError(f"layer: found {self.layer!r} for {self.method}, expected gradcam")
        if self.bfloat16 and self.method == "ism":
            raise InputError("bfloat16: found True for ism, whose differences it would round away")

    @property
    def compared_with(self) -> References | None:
        """The kind of references, None of a method that compares with none."""
        return self.references or REFERENCES.get(self.method)

    @property
    def is_complete(self) -> bool:
        """Whether contributions should add up to the difference from the references."""
        return self.method in REFERENCES

    def as_json(self) -> dict[str, object]:
        """Names and values, with the kind of references that is used."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return found | {"references": self.compared_with, "background": list(self.background)}
