"""What a step of Adam is told, where a loop takes it along with the gradient."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class AdamStep(NamedTuple):
    """Step number `number`, from 1, at a learning rate (Kingma and Ba 2015).

    With a `decay` the weights shrink by rate * decay of themselves too (AdamW, Loshchilov and
    Hutter 2019).
    """

    number: int
    rate: float
    betas: tuple[float, float]
    eps: float
    decay: float = 0.0

    def factors(self) -> npt.NDArray[np.float32]:
        """Rate over the mean's correction, 1 - betas, 1 / root of the square's correction, eps, and
        what is left of a weight.
        """
        first, second = self.betas
        size = self.rate / (1 - first**self.number)
        root = 1 / math.sqrt(1 - second**self.number)
        kept = 1 - self.rate * self.decay
        return np.array([size, 1 - first, 1 - second, root, self.eps, kept], np.float32)
