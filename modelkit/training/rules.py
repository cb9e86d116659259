"""After each epoch: whether the learning rate drops, whether training ends, what is best."""

from dataclasses import asdict, dataclass, field
from math import isnan
from typing import Any, Literal

from modelkit.config import TrainingOptions

__all__ = ["Best", "Rules", "Verdict"]


@dataclass
class Best:
    """The best value of a metric so far."""

    metric: str
    better: Literal["max", "min"]
    value: float | None = None
    epoch: int = -1
    epochs_since: int = 0

    def see(self, value: float, epoch: int) -> bool:
        """Whether this value is better than all before it; one that is no number never is."""
        sign = 1 if self.better == "max" else -1
        if not isnan(value) and (self.value is None or sign * value > sign * self.value):
            self.value, self.epoch, self.epochs_since = value, epoch, 0
            return True
        self.epochs_since += 1
        return False


@dataclass(frozen=True)
class Verdict:
    """What follows from an epoch."""

    best: dict[str, bool]  # metrics whose value is the best so far
    dropped: bool
    stop: str | None  # why


@dataclass
class Rules:
    """The state of learning-rate drops and early stopping.

    bpAI-TAC (its code): the rate drops when the training loss rises by more than 20 % of the first
    one, or rises three epochs in a row. Its two stopping rules share a short circuit, so that the
    second counts only after the first has fired; here each counts by itself, and training stops
    when both are exhausted.
    """

    select: Best
    loss: Best
    first_loss: float | None = None
    last_loss: float | None = None
    rises: int = 0
    epochs_since_drop: int = 0
    factor: float = field(default=1.0)

    def after(
        self, options: TrainingOptions, epoch: int, train_loss: float, selected: float, loss: float
    ) -> Verdict:
        """Judge an epoch by its losses and the value of the metric that selects."""
        same = self.select.metric == "loss"
        best = {"loss": self.loss.see(loss, epoch)}
        if same:
            self.select = self.loss
        else:
            best[self.select.metric] = self.select.see(selected, epoch)
        dropped = self._drops(options, train_loss, better=best["loss"])
        if dropped:
            self.factor *= options.drop_factor
        return Verdict(best, dropped, self._stops(options))

    def _drops(self, options: TrainingOptions, train_loss: float, *, better: bool) -> bool:
        first = train_loss if self.first_loss is None else self.first_loss
        rise = 0.0 if self.last_loss is None else train_loss - self.last_loss
        self.first_loss, self.last_loss = first, train_loss
        self.rises = self.rises + 1 if rise > 0 else 0
        self.epochs_since_drop = 0 if better else self.epochs_since_drop + 1
        if options.drop == "rises":
            if rise > options.drop_rise * abs(first) or self.rises >= options.drop_epochs:
                self.rises = 0
                return True
        elif options.drop == "plateau" and self.epochs_since_drop >= options.drop_epochs:
            self.epochs_since_drop = 0
            return True
        return False

    def _stops(self, options: TrainingOptions) -> str | None:
        rate = options.learning_rate * self.factor
        # 1e-3 that was divided by ten twice is a little more than 1e-5
        if options.stop_below is not None and rate <= options.stop_below * (1 + 1e-9):
            return f"the learning rate is {rate:g}"
        waited = min(self.select.epochs_since, self.loss.epochs_since)
        if options.patience is not None and waited >= options.patience:
            what = {self.select.metric, "loss"}
            return f"{waited} epochs without a better {' or '.join(sorted(what))}"
        return None

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "Rules":
        """Of `state`."""
        values = dict(state)
        return cls(select=Best(**values.pop("select")), loss=Best(**values.pop("loss")), **values)
