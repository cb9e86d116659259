"""Labels of sequences from their bases and the cuts there, such as which factors bind.

Channels 0 to 3 are the bases, 4 the cuts of the forward strand, 5 those of the reverse one. A
reverse complement has the bases complemented, all channels backwards and the strands exchanged.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kmerengine.errors import InputError
from modelkit.data.loader import Batch
from modelkit.tasks.binding_config import BindingConfig, BindingOptions
from modelkit.tasks.labels import LabelTask

if TYPE_CHECKING:
    from kmerengine.datasets.folder import Dataset

__all__ = ["BindingTask", "cut_channels"]


class BindingTask(LabelTask):
    """A `LabelTask` whose networks take bases and cuts, or the bases alone.

    Raises
    ------
    InputError
        Data without cuts of two strands over the bases of the sequence, where the network sees
        cuts.
    """

    data: BindingOptions

    def __init__(self, config: BindingConfig, dataset: "Dataset") -> None:
        super().__init__(config, dataset)
        self._sees_cuts = config.network.inputs != "dna"
        if self._sees_cuts:
            _check_cuts(dataset, self.data.atac_bin)

    def inputs(self, batch: Batch) -> Tensor:
        """Bases and cuts (B, 6, P); the bases alone (B, 4, P) of a network that sees no cuts.

        A network that sees cuts alone is given both and takes its part, so that attributions know
        which channels are bases.
        """
        if not self._sees_cuts:
            return batch.sequence
        assert batch.counts is not None  # _check_cuts saw that the data set has them
        cuts_B2P = cut_channels(batch.counts, self.data)
        return torch.cat([batch.sequence, cuts_B2P.to(batch.sequence.dtype)], 1)


def cut_channels(counts_BTP: Tensor, options: BindingOptions) -> Tensor:
    """What is told of cuts, (B, 2, P), forward and reverse strand.

    Parameters
    ----------
    counts_BTP : Tensor, shape (B, 2 S, P)
        Forward and reverse cuts of each of S samples, which are added up.
    options : BindingOptions
    """
    n, _, length = counts_BTP.shape
    width = options.atac_bin
    cuts_B2P = counts_BTP.reshape(n, -1, 2, length).sum(1)
    if width > 1:
        cuts_B2P = cuts_B2P.reshape(n, 2, -1, width).sum(3).repeat_interleave(width, 2)
    match options.atac_mode:
        case "binary":
            return (cuts_B2P > 0).to(cuts_B2P.dtype)
        case "log1p":
            return cuts_B2P.log1p()
        case _:
            return cuts_B2P


def _check_cuts(dataset: "Dataset", width: int) -> None:
    instead = "or set network.inputs=dna"
    if "counts" not in dataset.spans:
        raise InputError(
            f"{dataset.path}: has no cuts, expected them beside the bases; make it with --cuts and "
            f"--strands split, {instead}"
        )
    if dataset.strands != "split":
        raise InputError(
            f"{dataset.path}: has cuts of strands {dataset.strands!r}, expected those of each "
            f"strand; make it with --strands split, {instead}"
        )
    bases, cuts = dataset.spans["sequence"], dataset.spans["counts"]
    if bases != cuts:
        raise InputError(
            f"{dataset.path}: has the bases {list(bases)} and the cuts {list(cuts)} of its regions "
            "(bp from their start), expected the same; make it with --width equal to "
            f"--input-width, {instead}"
        )
    length = bases[1] - bases[0]
    if length % width:
        raise InputError(
            f"data.atac_bin: found {width}, which does not divide the {length} bp of {dataset.path}"
        )
