"""What trained models expect of sequences with one allele and with the other.

    log2_fold_change  log2((alternative + c) / (reference + c))       of the totals, c = 1 cut
    jsd               H((p + q) / 2) - (H(p) + H(q)) / 2              of the profiles, bits
    effect            |log2_fold_change| * jsd

as the scores of ChromBPNet's and bpnet-lite's users are (Pampari et al. 2024); their jsd may be the
square root of this. Totals and profiles are means over the runs and both strands first. Profiles
are without any bias.

V = variants, T = tasks, W = bp of the window, P = bp of sequence.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kmerengine.errors import InputError
from modelkit.inference.ensemble import shortened
from modelkit.inference.strands import check_middle
from modelkit.models.bpaitac import NetworkOptions, ProfileOutput
from modelkit.training.run import Run
from native_kernels.example_gather import gather_one_hot

__all__ = ["AlleleModels", "Scores"]

Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


class Scores(NamedTuple):
    """Of variants, each float64 of shape (V, T); None of what the models do not predict.

    Attributes
    ----------
    reference_total, alternative_total : float64 or None
        Cuts in the window.
    log2_fold_change, jsd, effect : float64 or None
        See the formulas of the module.
    """

    reference_total: Floats | None
    alternative_total: Floats | None
    log2_fold_change: Floats | None
    jsd: Floats | None
    effect: Floats | None


class AlleleModels:
    """Runs with their weights, whose predictions are averaged.

    Parameters
    ----------
    runs : Run, path or sequence of them
        Of the same tasks, width, window and heads.
    reverse_complement : bool
        Average over both strands, the other one turned back.
    pseudocount : float
        Cuts that are added to both totals of a fold change.
    device : torch.device

    Attributes
    ----------
    runs : list of Run
    tasks : tuple of str
    length : int
        bp of sequence.
    has_totals, has_profiles : bool

    Raises
    ------
    InputError
        Runs of another kind, or that do not fit each other; a window that a reverse complement
        would move.
    """

    def __init__(
        self,
        runs: Run | str | Path | Sequence[Run | str | Path],
        *,
        reverse_complement: bool,
        pseudocount: float,
        device: torch.device,
    ) -> None:
        listed = [runs] if isinstance(runs, Run | str | Path) else list(runs)
        if not listed:
            raise InputError("runs: found none, expected at least one")
        if not 0 < pseudocount < float("inf"):
            raise InputError(f"pseudocount: found {pseudocount}, expected a number above 0")
        self.runs = [each if isinstance(each, Run) else Run.open(each) for each in listed]
        self._options = [_options_of(run) for run in self.runs]
        for run, options in zip(self.runs, self._options, strict=True):
            _check_alike(self.runs[0], self._options[0], run, options)
            if reverse_complement:
                _check_reversible(run, options)
        first = self._options[0]
        self.tasks = _tasks(self.runs[0])
        self.length, self.has_profiles = _length(first), first.profile_head
        self.has_totals = first.total_head != "none"
        self._reverse_complement, self._pseudocount = reverse_complement, pseudocount
        self._device = device
        self._networks: list[nn.Module] = [run.network(device) for run in self.runs]

    @torch.inference_mode()
    def scores(self, reference: Codes, alternative: Codes) -> Scores:
        """Compare two alleles of each variant.

        Parameters
        ----------
        reference, alternative : uint8, shape (V, P)
            A C G T = 0 1 2 3, else no base.
        """
        n = len(reference)
        totals_AVT, profiles_AVTW = self._expected(np.concatenate([reference, alternative]))
        before = after = change = jsd = None
        if totals_AVT is not None:
            before, after = totals_AVT[:n], totals_AVT[n:]
            c = self._pseudocount
            change = ((after + c) / (before + c)).log2()
        if profiles_AVTW is not None:
            jsd = _divergence(profiles_AVTW[:n], profiles_AVTW[n:])
        effect = None if change is None or jsd is None else change.abs() * jsd
        found = (before, after, change, jsd, effect)
        return Scores(*(None if each is None else each.cpu().numpy() for each in found))

    def totals(self, codes: Codes) -> Floats:
        """Cuts in the window, (n, T), of models that predict them."""
        with torch.inference_mode():
            totals, _ = self._expected(codes, profiles=False)
        assert totals is not None  # has_totals
        found: Floats = totals.cpu().numpy()
        return found

    def _expected(
        self, codes: Codes, *, profiles: bool = True
    ) -> tuple[Tensor | None, Tensor | None]:
        """Means over runs and strands: totals (n, T) and profiles (n, T, W), float64."""
        n, width = codes.shape
        rows, none = np.arange(n), np.zeros(n, np.int64)
        one_hot = gather_one_hot(
            np.ascontiguousarray(codes), rows, none, np.zeros(n, np.bool_), width
        )
        x = torch.from_numpy(one_hot).to(self._device)
        totals_found, profiles_found = [], []
        for network, options in zip(self._networks, self._options, strict=True):
            for turned in (False, True) if self._reverse_complement else (False,):
                output: ProfileOutput = network(x.flip(1, 2) if turned else x)
                if output.totals is not None:
                    totals_found.append(output.totals.double().clamp(min=0))
                if output.logits is not None and profiles:
                    p = _per_bp(output.logits.double().softmax(-1), options)
                    profiles_found.append(p.flip(-1) if turned else p)
        return _mean(totals_found), _mean(profiles_found)


def _mean(found: list[Tensor]) -> Tensor | None:
    return torch.stack(found).mean(0) if found else None


def _per_bp(p: Tensor, options: NetworkOptions) -> Tensor:
    """Probabilities of bins, shared by their bp; 0 beyond the last bin."""
    if options.bin_size == 1:
        return p
    assert options.window is not None  # a run's
    spread = p.repeat_interleave(options.bin_size, -1) / options.bin_size
    return nn.functional.pad(spread, (0, options.window - spread.shape[-1]))


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """Jensen and Shannon's, bits, over the last axis."""
    found = _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2
    return found.clamp(min=0)  # rounding


def _entropy(p: Tensor) -> Tensor:
    nats: Tensor = torch.special.entr(p).sum(-1)
    return nats / math.log(2)


def _options_of(run: Run) -> NetworkOptions:
    options = run.config.network
    if not isinstance(options, NetworkOptions):
        raise InputError(f"{run.path}: is of {run.config.model}, expected a model of profiles")
    if len(_tasks(run)) != options.tasks:
        raise InputError(
            f"{run.path}: names {len(_tasks(run))} tasks, its network has {options.tasks}; the "
            "folder is damaged, train again"
        )
    return options


def _tasks(run: Run) -> tuple[str, ...]:
    return tuple(getattr(run.config.data, "groups", None) or run.about.get("tasks", ()))


def _length(options: NetworkOptions) -> int:
    assert options.length is not None  # a run's
    return options.length


def _check_alike(first: Run, mine: NetworkOptions, other: Run, yours: NetworkOptions) -> None:
    for what, one, two in (
        ("tasks", _tasks(first), _tasks(other)),
        ("length", mine.length, yours.length),
        ("window", mine.window, yours.window),
        ("window_start", mine.window_start, yours.window_start),
        ("total_head", mine.total_head != "none", yours.total_head != "none"),
        ("profile_head", mine.profile_head, yours.profile_head),
        ("normalised", _normalised(first), _normalised(other)),
        ("off_by_two", first.about.get("off_by_two"), other.about.get("off_by_two")),
        ("shift", first.about.get("shift"), other.about.get("shift")),
    ):
        if one != two:
            raise InputError(
                f"{other.path}: {what}: found {shortened(two)}, {first.path} has {shortened(one)}; "
                "expected runs of the same to average"
            )


def _normalised(run: Run) -> bool:
    return bool(getattr(run.config.data, "normalised", False))


def _check_reversible(run: Run, options: NetworkOptions) -> None:
    assert options.window is not None  # a run's
    assert options.window_start is not None
    window = (options.window_start, options.window_start + options.window)
    check_middle(run.path, window, _length(options), "choose --no-reverse-complement")
