"""What fit measures, and when: the columns that are always there, and the metrics that the user gave."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import philox
from ..sampling import gibbs
from ..states.bits import BitMatrix, packed, zeros
from ..states.drawn import drawn_parts
from ..states.missing import absent_sites, are_sites
from .columns import columns_of, of_reals
from .contracts import Metric, Snapshot, metric_values
from .data import MEASURED
from .history import History

if TYPE_CHECKING:
    from ..ranks import Alone, Ranks
    from ..rbm import RBM
    from ..units.unit import Unit

_UPDATES_A_MEASUREMENT = 256  # so that measuring stays near 1 % of the work
_ROWS = 20  # of the history: where measuring costs more than 1 % for them, it may cost more
_FEWEST_UPDATES = 64  # between two measurements, which take as long as 10 updates; epochs up to _ROWS have a row each
_BASIC_COLUMNS = (
    "epoch", "update", "seconds", "learning_rate", "reconstruction_error", "shuffled_gap", "hidden_activity",
    "weight_norm",
)  # fmt: skip
_PART_OF_COST = 0.005  # each metric's, where it leaves open when it is due
_PART_OF_COST_WATCHED = 0.05  # likewise, where the training may end by it
_TIMES_WATCHED = 50  # and then it is taken so many times at least
_VALIDATION_EXAMPLES = 256
_AT_THE_END, _NUMBERS = 2048, 1 << 22  # examples by which the end is judged; fewer where they have more units than that


class Measuring:
    """The measurements of a training of so many epochs of n_batches updates; they go to its history."""

    def __init__(
        self, metrics: list[Metric], validation: BitMatrix | None, epochs: int, n_batches: int, seed: int,
        n_threads: int | None, ranks: Alone | Ranks, visible: Unit, hidden: Unit,
    ) -> None:  # fmt: skip
        self.ranks = ranks
        self.metrics, self.validation, self.seed, self.n_threads = metrics, validation, seed, n_threads
        self._n_batches = n_batches
        least, most = (-(-updates // n_batches) for updates in (_FEWEST_UPDATES, _UPDATES_A_MEASUREMENT))
        self._interval = 1 if epochs <= _ROWS else min(most, max(least, epochs // _ROWS))
        # updates between two measurements of an epoch, where epochs are too few for so many rows
        self.piece = max(_FEWEST_UPDATES, -(-n_batches // -(-_ROWS // max(1, epochs))))
        about = columns_of(_BASIC_COLUMNS) | of_reals(visible.real, hidden.real)
        self.history = History(about | {k: v for metric in metrics for k, v in columns_of(metric.columns).items()})

    @property
    def columns(self) -> list[str]:
        """Of the history that there will be."""
        more = [name for metric in self.metrics for name in metric.columns]
        return [*_BASIC_COLUMNS, *(["free_energy_gap"] if self.validation else []), *more]

    def shown(self, callbacks: list[Any]) -> list[str]:
        """The columns of the progress line, the score first: what a callback watches, metrics in their order, and the
        basic ones."""
        watched = [column for callback in callbacks if (column := getattr(callback, "column", None)) in self.columns]
        more = [name for metric in self.metrics for name in metric.columns if self.history.about(name).mode]
        gaps = ["free_energy_gap"] if self.validation else []
        return list(dict.fromkeys([*watched, *more, *gaps, "shuffled_gap", "reconstruction_error"]))

    def start(self, examples: np.ndarray, unit: Unit) -> None:
        """Measure on these examples of this layer, uint8 (n, columns) or float64 (n, V)."""
        self.basics = Basics(examples, self.validation, self.seed, unit)

    def row_is_due(self, epoch: int, epochs: int) -> bool:
        """Whether there is a row at the end of this epoch, whatever metrics are due."""
        return epoch == epochs or epoch % self._interval == 0

    def due(self, epoch: int, epochs: int, callbacks: list[Any]) -> list[Metric]:
        """The metrics that are due at the end of this epoch, of so many."""
        if epoch == epochs:
            return self.metrics
        return [metric for metric in self.metrics if epoch % self._every(metric, epochs, callbacks) == 0]

    def _every(self, metric: Metric, epochs: int, callbacks: list[Any]) -> int:
        """Epochs between two measurements."""
        every = getattr(metric, "every", None)
        if every is not None:
            return every
        watched = any(getattr(callback, "column", None) in metric.columns for callback in callbacks)
        part = _PART_OF_COST_WATCHED if watched else _PART_OF_COST
        every = max(1, math.ceil(getattr(metric, "cost", 1.0) / part / self._n_batches))
        return min(every, max(1, epochs // _TIMES_WATCHED)) if watched else every

    def measure(
        self, rbm: RBM, epoch: int, update: int, seconds: float, rate: float, chains: Any, due: list[Metric]
    ) -> None:
        """Add a row of the model as it is: the basic columns, and those of the metrics that are due. All ranks have the
        row of rank 0, since what decides must be the same, and sums of NumPy's are not on any CPU."""
        row = self.ranks.agree(lambda: self._row(rbm, epoch, update, seconds, rate, chains, due))
        self.history.record(**self.ranks.first(row))

    def _row(
        self, rbm: RBM, epoch: int, update: int, seconds: float, rate: float, chains: Any, due: list[Metric]
    ) -> dict[str, float]:
        row: dict[str, float] = {
            "epoch": epoch, "update": update, "seconds": seconds, "learning_rate": rate,
            **self.basics.measure(rbm, epoch, self.n_threads),
        }  # fmt: skip
        snapshot = Snapshot(
            rbm, self.basics.bits, self.validation, getattr(chains, "visible_bits", None), epoch, self.seed,
            self.n_threads,
        )  # fmt: skip
        now = {id(metric) for metric in due}
        for metric in self.metrics:
            row |= metric_values(metric, snapshot) if id(metric) in now else dict.fromkeys(metric.columns, math.nan)
        return row


def n_at_the_end(n_visible: int) -> int:
    """How many examples the end of a training is judged by, at most."""
    return max(MEASURED, min(_AT_THE_END, _NUMBERS // n_visible))


class Basics:
    """The columns that are always there, on a few examples chosen once."""

    def __init__(self, examples: np.ndarray, validation: BitMatrix | None, seed: int, unit: Unit) -> None:
        self.seed, self._unit = seed, unit
        self.states = drawn_parts(examples, unit, seed, philox.MEASURED_STATES)
        self.bits = packed(self.states, unit)
        absent = absent_sites(self.bits)
        self._present = None if absent is None else np.repeat(~absent, unit.units_of_columns, axis=1)
        columns = [
            self.states[philox.permutation(len(self.states), seed, philox.MEASURE, column), column]
            for column in range(self.states.shape[1])
        ]
        self.noise = packed(np.stack(columns, axis=1), unit)
        self.validation = None if validation is None else some(validation)

    def packed(self, examples: np.ndarray) -> BitMatrix:
        """The states of more examples."""
        return packed(drawn_parts(examples, self._unit, self.seed, philox.MEASURED_STATES, 1), self._unit)

    def measure(self, rbm: RBM, epoch: int, n_threads: int | None) -> dict[str, float]:
        """Of the model as it is."""
        hidden = zeros(len(self.bits), rbm.hidden)
        means = np.empty(hidden.shape, np.float32)
        gibbs.half_step(
            rbm._parameters.to_hidden, self.bits, kind=philox.HIDDEN, seed=self.seed, stream=philox.MEASURE,
            sweep=epoch, out=hidden, probabilities=means, n_threads=n_threads,
        )  # fmt: skip
        changed = np.empty(self.bits.shape, np.float32)
        gibbs.half_step(rbm._parameters.to_visible, hidden, probabilities=changed, n_threads=n_threads)
        error = self._mean_of(np.abs(self.bits.to_units() - changed))
        free_energy = rbm._free_energy(self.bits, n_threads).mean()
        row = {
            "reconstruction_error": error,
            "shuffled_gap": float(rbm._free_energy(self.noise, n_threads).mean() - free_energy),
            "hidden_activity": float(means.mean(dtype=np.float64)),
            "weight_norm": rbm._parameters.norm,
        }
        if self.validation is not None:
            row["free_energy_gap"] = float(rbm._free_energy(self.validation, n_threads).mean() - free_energy)
        return row

    def _mean_of(self, apart: np.ndarray) -> float:
        """The mean of distances of units (n, V) over the columns that are there; a site that is wrong is so in two of
        its categories."""
        unit, present = self._unit, slice(None) if self._present is None else self._present
        if unit.n == unit.n_columns:
            return float(apart[present].mean(dtype=np.float64))
        sizes = np.repeat(unit.units_of_columns, unit.units_of_columns)
        halves = np.where(np.repeat(are_sites(unit), unit.units_of_columns), 0.5, 1.0)
        columns = np.broadcast_to(1.0 / sizes, apart.shape)
        return float((apart * halves)[present].sum() / columns[present].sum())


def some(examples: BitMatrix) -> BitMatrix:
    return examples[np.linspace(0, len(examples) - 1, min(len(examples), _VALIDATION_EXAMPLES)).astype(np.intp)]
