"""The training loop: the only one, for every model.

All that decides the weights is a function of the config, the data and the state that a checkpoint
holds: examples of (seed, epoch, place), random numbers of a step (dropout) of (seed, epoch, batch,
rank). So a run that was killed and goes on ends with the same bits.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from kmerengine.errors import InputError
from modelkit.config import Config
from modelkit.data.draws import Purpose, draw
from modelkit.tasks.observe import observe_all
from modelkit.tasks.task import Batches, Losses, Task
from modelkit.training.checkpoint import load_into, read_checkpoint
from modelkit.training.optimizer import Averages, Stepper
from modelkit.training.ranks import Ranks
from modelkit.training.rules import Best, Rules
from modelkit.training.run import BEST, BEST_LOSS, LAST, MODEL, Run

__all__ = ["Reporter", "Trainer"]

AVERAGE, OPTIMIZER, SUMS = "average/", "optimizer/", "sums"
STEPS_BETWEEN_QUESTIONS = 50  # whether it is time to save: asking costs ranks a wait

Row = dict[str, float | int]


class Reporter(Protocol):
    """Told how training goes."""

    def say(self, line: str) -> None:
        """A line for people."""

    def stepped(self, epoch: int, done: int, of: int) -> None:
        """So many of the epoch's examples are done."""

    def epoch(self, row: Row) -> None:
        """An epoch has ended with these metrics."""


class Silent:
    """Says nothing."""

    def say(self, line: str) -> None: ...

    def stepped(self, epoch: int, done: int, of: int) -> None: ...

    def epoch(self, row: Row) -> None: ...


class Trainer:
    """Trains a network for a task and keeps its run.

    Parameters
    ----------
    config : Config
        Complete: `for_dataset` has been called.
    network : Module
        On its device, the same on every rank.
    task : Task
    run : Run
        Written to by the first rank alone.
    ranks : Ranks
    device : torch.device
    reporter : Reporter
    """

    def __init__(
        self,
        config: Config,
        network: nn.Module,
        task: Task,
        run: Run,
        ranks: Ranks,
        device: torch.device,
        reporter: Reporter,
    ) -> None:
        options = config.training
        self.options, self.network, self.task, self.run = options, network, task, run
        self.ranks, self.device, self.reporter = ranks, device, reporter
        ranks.synchronise_norms(network)
        self.training_rows = task.rows("train")
        piece = options.batch_size // options.accumulate
        strands = 2 if getattr(config.data, "both_strands", False) else 1
        n_examples = strands * len(self.training_rows)
        if n_examples < options.batch_size:
            out = ", ".join(f"{n:,} {reason}" for reason, n in task.skipped.items())
            raise InputError(
                f"training.batch_size: found {options.batch_size}, but there are "
                f"{n_examples} training examples" + (f" (left out: {out})" if out else "")
            )
        if piece * options.accumulate != options.batch_size or piece % ranks.ranks:
            raise InputError(
                f"training.batch_size: found {options.batch_size}, expected a multiple of "
                f"accumulate ({options.accumulate}) times the ranks ({ranks.ranks})"
            )
        self.stepper = Stepper(network, options, alone=ranks.ranks == 1)
        self.averages = Averages(network, options.ema) if options.ema is not None else None
        self.batches: Batches = task.batches(
            self.training_rows,
            training=True,
            batch_size=piece,
            seed=options.seed,
            rank=ranks.rank,
            ranks=ranks.ranks,
            device=device,
        )
        # an incomplete last batch is left out where it is in pieces too; another one every epoch
        self.n_batches = len(self.batches) // options.accumulate * options.accumulate
        if not self.n_batches:
            raise InputError(
                f"training.batch_size: found {options.batch_size} for {n_examples} training "
                "examples, expected at most as many"
            )
        self.judged = len(task.rows("validation")) > 0
        select = self._selecting(options.select)
        self.rules = Rules(Best(select, task.better[select]), Best("loss", "min"))
        self.epoch, self.batch = 0, 0  # the next to be done
        self.history: list[Row] = []
        self.sums: dict[str, Tensor] = {}
        self.seconds = 0.0  # of this epoch, before it was interrupted
        self.stopped: str | None = None
        self.parallel: nn.parallel.DistributedDataParallel | None = None
        if ranks.ranks > 1:
            self.parallel = nn.parallel.DistributedDataParallel(
                network,
                device_ids=[device] if device.type == "cuda" else None,
                gradient_as_bucket_view=True,
            )
        called = self.parallel or network  # by the steps
        self.model: nn.Module = torch.compile(called) if options.compile else called  # type: ignore[assignment]

    def _selecting(self, wanted: str | None) -> str:
        """The metric whose best weights are kept; without validation there is nothing to choose by,
        and the last weights are.
        """
        task = self.task
        if not self.judged:
            if wanted is not None:
                raise InputError(
                    f"training.select: found {wanted!r}, but the data have no validation examples; "
                    "give them a split"
                )
            return "loss"
        if wanted is not None and wanted not in task.better:
            raise InputError(
                f"training.select: found {wanted!r}, expected one of {', '.join(task.better)}"
            )
        return wanted or task.select

    def fit(self) -> None:
        """Train to the end, from where the state stands."""
        while self.epoch <= self.options.epochs and self.stopped is None and not self._is_over:
            if self.epoch > 0:
                self._train_epoch()
            elif self.options.evaluate_first:
                self._measure_first()
            if self.epoch > 0 or self.options.evaluate_first:
                self._judge()
            self.epoch, self.batch, self.sums, self.seconds = self.epoch + 1, 0, {}, 0.0
            self._save()
        if self.rules.select.value is None:  # there was no epoch, or no number
            self._save_weights(BEST)

    @property
    def _has_taken_all_steps(self) -> bool:
        return self.stepper.step_number == self.options.steps

    @property
    def _is_over(self) -> bool:
        """All steps are taken, and the epoch that they ended in is measured."""
        return self._has_taken_all_steps and self.batch == 0

    def _train_epoch(self) -> None:
        options, batches = self.options, self.batches
        started, saved, done_before = time.monotonic(), time.monotonic(), self.seconds
        size, n = batches.batch_size, self.n_batches
        self.model.train()
        for batch in islice(batches.batches(self.epoch, self.batch), n - self.batch):
            if self._has_taken_all_steps:
                break
            first = self.batch // options.accumulate * options.accumulate
            last = min(first + options.accumulate, n) - 1
            n_step = min((last + 1) * size, batches.n_examples) - first * size
            ends = self.batch == last
            self._seed()
            with self._unsynchronised(until_now=not ends), self._autocast():
                losses = self.task.losses(self.model, batch)
                n_here = self._count(losses, len(batch[0]))
            with self._unsynchronised(until_now=not ends):
                (losses.loss * (n_here * self.ranks.ranks / n_step)).backward()  # type: ignore[no-untyped-call]
            self.batch += 1
            if not ends:
                continue
            self.stepper.step()
            if self.averages is not None:
                self.averages.update(self.network, self.stepper.step_number)
            self.seconds = done_before + time.monotonic() - started
            of = min(n * size, batches.n_examples)
            self.reporter.stepped(self.epoch, min(self.batch * size, of), of)
            if self.batch < n and self._is_due(time.monotonic() - saved):
                self._save()
                saved = time.monotonic()

    def _measure_first(self) -> None:
        """The loss of an epoch's examples before any step."""
        started = time.monotonic()
        self.model.eval()
        with torch.no_grad(), self._autocast():
            for batch in islice(self.batches.batches(0), self.n_batches):
                self._count(self.task.losses(self.network, batch), len(batch[0]))
        self.seconds = time.monotonic() - started

    def _judge(self) -> None:
        """End an epoch: measure, decide, record."""
        names = list(self.sums)
        sums = self.ranks.sum(torch.stack([self.sums[name] for name in names]))
        found: dict[str, float] = dict(zip(names, sums.tolist(), strict=True))
        n = found.pop("n")
        means = {name: value / n for name, value in found.items()}
        self._check(means["loss"])
        row: Row = {
            "epoch": self.epoch,
            "step": self.stepper.step_number,
            "learning_rate": self.stepper.learning_rate,
        }
        row |= {f"train_{name}": value for name, value in means.items()}
        started = time.monotonic()
        metrics = self.measure("validation") if self.judged else means
        if self.judged:
            row |= {f"validation_{name}": value for name, value in metrics.items()}
        select = self.rules.select.metric
        if select not in metrics:
            raise InputError(
                f"training.select: found {select!r}, which these data and network do not have; "
                f"expected one of {', '.join(n for n in metrics if n in self.task.better)}"
            )
        verdict = self.rules.after(
            self.options, self.epoch, means["loss"], metrics[select], metrics["loss"]
        )
        self.stepper.factor = self.rules.factor
        self.stopped = verdict.stop
        row |= {"seconds": self.seconds, "validation_seconds": time.monotonic() - started}
        row["examples_per_second"] = n / self.seconds if self.seconds else float("nan")
        self.history.append(row)
        if verdict.best[select] or not self.judged:
            self._save_weights(BEST)
        if verdict.best["loss"] and select != "loss":
            self._save_weights(BEST_LOSS)
        self.reporter.epoch(row)
        if verdict.dropped:
            self.reporter.say(f"epoch {self.epoch}: learning rate {self.stepper.learning_rate:g}")
        if verdict.stop is not None:
            self.reporter.say(f"epoch {self.epoch}: stopped, {verdict.stop}")

    def _check(self, loss: float) -> None:
        if loss != loss or abs(loss) == float("inf"):
            raise InputError(
                f"epoch {self.epoch}: the training loss is {loss}, expected a number; lower "
                f"training.learning_rate ({self.options.learning_rate:g}) or set "
                "training.clip_norm, and train anew"
            )

    @property
    def best(self) -> dict[str, Any]:
        """Which weights were kept."""
        if not self.judged:
            return {"metric": None, "value": None, "epoch": self.epoch - 1}
        best = self.rules.select
        return {"metric": best.metric, "value": best.value, "epoch": best.epoch}

    def measure(self, split: str) -> dict[str, float]:
        """The task's metrics on a split."""
        rows = self.ranks.share(self.task.rows(split))
        self.model.eval()
        averages = self.averages if self.options.ema_validated else None
        inside = nullcontext() if averages is None else averages.inside(self.network)
        with inside, self._autocast():
            batches = self._plain(rows).batches(0) if len(rows) else iter(())
            found = observe_all(self.task, self.network, batches)
        return self.task.metrics(self.ranks.gather(found))

    def _plain(self, rows: np.ndarray[Any, Any]) -> Batches:
        size = -(-self.options.batch_size // (self.options.accumulate * self.ranks.ranks))
        return self.task.batches(rows, training=False, batch_size=size, device=self.device)

    def _count(self, losses: Losses, n: int) -> int:
        """Add a batch of n examples to the sums of the epoch; float64, on the device."""
        for name, value in {"loss": losses.loss, **losses.parts}.items():
            held = value.detach().double() * n
            self.sums[name] = self.sums[name] + held if name in self.sums else held
        more = torch.full((), n, dtype=torch.float64, device=self.device)
        self.sums["n"] = self.sums["n"] + more if "n" in self.sums else more
        return n

    def _seed(self) -> None:
        """Set PyTorch's random numbers for this step."""
        place = np.array([self.batch * self.ranks.ranks + self.ranks.rank])
        torch.manual_seed(int(draw(self.options.seed, self.epoch, Purpose.STEP, place)[0]) >> 1)

    def _autocast(self) -> Any:
        if not self.options.amp:
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    @contextmanager
    def _unsynchronised(self, *, until_now: bool) -> Iterator[None]:
        """Add up gradients here, without the other ranks, until the last piece of a step."""
        if until_now and self.parallel is not None:
            with self.parallel.no_sync():
                yield
        else:
            yield

    def _is_due(self, seconds: float) -> bool:
        """Whether to save now: all ranks answer the same."""
        options, step = self.options, self.stepper.step_number
        if options.checkpoint_steps is not None and step % options.checkpoint_steps == 0:
            return True
        minutes = options.checkpoint_minutes
        if minutes is None or (self.ranks.ranks > 1 and step % STEPS_BETWEEN_QUESTIONS):
            return False
        due = self.ranks.first and seconds > 60 * minutes
        return bool(self.ranks.sum(torch.tensor(int(due), device=self.device)))

    def _weights(self) -> dict[str, Tensor]:
        average = self.averages
        return average.of(self.network) if average is not None else self.network.state_dict()

    def _save_weights(self, name: str) -> None:
        if self.ranks.first:
            tensors = {MODEL + key: value for key, value in self._weights().items()}
            self.run.save(name, tensors, epoch=self.epoch, step=self.stepper.step_number)

    def _save(self) -> None:
        """Write the whole state; what a run goes on from."""
        names = list(self.sums)
        sums = torch.zeros(self.ranks.ranks, len(names), dtype=torch.float64, device=self.device)
        if names:
            sums[self.ranks.rank] = torch.stack([self.sums[name] for name in names])
        sums = self.ranks.sum(sums)  # a row of each rank: zeros add nothing
        if names:
            self._check(float(sums[:, names.index("loss")].sum()))
        if not self.ranks.first:
            return
        tensors = {MODEL + name: value for name, value in self.network.state_dict().items()}
        tensors |= {OPTIMIZER + name: value for name, value in self.stepper.state().items()}
        if self.averages is not None:
            tensors |= {AVERAGE + name: value for name, value in self.averages.weights.items()}
        tensors[SUMS] = sums
        state = {
            "epoch": self.epoch,
            "batch": self.batch,
            "step": self.stepper.step_number,
            "sums": names,
            "rules": self.rules.state(),
            "history": self.history,
            "seconds": self.seconds,
            "stopped": self.stopped,
        }
        self.run.write_metrics(self.history)
        self.run.save(LAST, tensors, state=state)

    def resume(self) -> None:
        """Take up the state that the run's last checkpoint holds."""
        path = self.run.path / LAST
        tensors, about = read_checkpoint(path)
        load_into(self.network, tensors, MODEL, path)
        try:
            state = about["state"]
            held = {n.removeprefix(OPTIMIZER): t for n, t in tensors.items()
                    if n.startswith(OPTIMIZER)}  # fmt: skip
            self.stepper.restore(held, int(state["step"]))
            if self.averages is not None:
                for name, weight in self.averages.weights.items():
                    weight.copy_(tensors[AVERAGE + name])
            self.epoch, self.batch = int(state["epoch"]), int(state["batch"])
            if self.epoch < 0 or not 0 <= self.batch < max(self.n_batches, 1):
                raise ValueError(f"epoch {self.epoch}, batch {self.batch}")
            self.rules = Rules.restored(state["rules"])
            self.history, self.seconds = list(map(dict, state["history"])), state["seconds"]
            self.stopped = state["stopped"]
            self._take_sums(tensors[SUMS].to(self.device), state["sums"])
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise InputError(
                f"{path}: holds no state to go on from ({error}); train anew with --force"
            ) from error
        self.stepper.factor = self.rules.factor

    def _take_sums(self, sums: Tensor, names: list[str]) -> None:
        """What this rank had added up of the epoch."""
        if len(sums) != self.ranks.ranks:  # then one rank carries on what all had
            sums = sums.sum(0, keepdim=True) * (self.ranks.rank == 0)
            sums = sums.expand(self.ranks.ranks, -1)
        here = sums[self.ranks.rank]
        self.sums = {name: here[i].clone() for i, name in enumerate(names)}
