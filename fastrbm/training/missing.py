"""Training data of which entries are missing: latent, so that they are drawn as the training goes on."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core import philox, saved
from ..sampling import gibbs
from ..sampling.clamp import Clamp, ClampedLayer
from ..states.bits import BitMatrix, of_planes, packed, zeros
from ..states.missing import absent_sites, known_parts
from ..states.planes import free_planes
from .data import InMemory

if TYPE_CHECKING:
    from ..rbm import RBM


class Latent(InMemory):
    """Examples in memory, each with a state that fills what is missing of it: data augmentation (Tanner & Wong 1987).

    The states start at draws from the visible biases. Each time that a batch comes, those of its incomplete examples
    take n_sweeps Gibbs sweeps of the model as it then is, in which what is known is clamped; then the batch is
    complete. So each example has a persistent chain, which follows p(missing | known) as those of PCD follow p(v), and

        d log p(known) / dtheta = E_{p(missing | known)}[d log p(v) / dtheta]

    is estimated without bias where the chains keep up with the model. A draw is that of its place in the epoch: the
    same for any number of threads.

    Attributes
    ----------
    n_missing : int
        Entries that are missing.
    """

    refills = True

    def __init__(
        self, X: Any, rbm: RBM, batch_size: int, seed: int, sample_weight: Any, n_sweeps: int, n_threads: int | None
    ) -> None:
        self._rbm, self._n_sweeps, self._n_threads = rbm, n_sweeps, n_threads
        super().__init__(X, rbm.visible, batch_size, seed, sample_weight)
        self._known = super().describe()
        self._last_drawn: tuple[int, int] | None = None  # epoch and start of a batch
        unit = rbm.visible
        examples = np.flatnonzero(self._missing.any(axis=1))
        self.n_missing = int(np.count_nonzero(self._missing))
        self._place = np.full(self.n, -1, np.intp)  # of an example among those that are incomplete
        self._place[examples] = np.arange(len(examples))
        self._examples = examples
        self._free = free_planes(self._missing[examples], unit)  # planes of these
        del self._missing
        start = gibbs.independent_states(unit, rbm.visible_bias, len(examples), seed, philox.LATENT, n_threads)
        self._fill(start)

    def _keep(self, X: Any) -> BitMatrix:
        parts, self._missing = known_parts(X, self._unit, "X")
        return packed(parts, self._unit, "X")

    def _fill(self, states: BitMatrix) -> None:
        """Let what is missing of the incomplete examples be as in states."""
        assert self._packed is not None
        free = self._free.T
        self._packed[self._examples] = (self._packed[self._examples] & ~free) | (states.planes.T & free)

    def part(
        self, epochs: range, first: int, n: int, n_threads: int | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
        """Of one batch, which is drawn; of none where it has no weight, and the loop passes it over."""
        rows, weight = self._batch(epochs.start, first * self.batch_size)
        assert self._packed is not None
        if weight is not None and not weight.any():
            return self._packed, rows, np.zeros(1, np.int64), weight
        self._draw(rows, epochs.start, first * self.batch_size)
        return self._packed, rows, np.array([0, len(rows)]), weight

    def batches(self, epoch: int, first: int = 0) -> Iterator[tuple[BitMatrix | np.ndarray, np.ndarray | None]]:
        """As of all data in memory; a batch is drawn when it is asked for."""
        for start in range(first * self.batch_size, self.n, self.batch_size):
            rows, weight = self._batch(epoch, start)
            self._draw(rows, epoch, start)
            yield self._rows(rows), weight

    def _batch(self, epoch: int, start: int) -> tuple[np.ndarray, np.ndarray | None]:
        """The batch that begins with example start of an epoch's order: its examples, and their weights."""
        rows = self.orders(range(epoch, epoch + 1))[0, start : start + self.batch_size]
        return rows, None if self._weight is None else self._weight[rows]

    def _draw(self, rows: np.ndarray, epoch: int, first: int) -> None:
        """Sweep the states of the incomplete ones of these examples, a batch, with the random numbers of chains first,
        first + 1, ... of an epoch."""
        if self._last_drawn == (epoch, first):  # for an update that the kernel of many left to the loop
            return
        self._last_drawn = epoch, first
        places = self._place[rows]
        incomplete = places >= 0
        examples, places = rows[incomplete], places[incomplete]
        if not len(examples):
            return
        assert self._packed is not None
        parameters, visible = self._rbm._parameters, self._rows(examples)
        hidden = zeros(len(examples), self._rbm.hidden)
        sweep = 1 + (epoch - 1) * (self._n_sweeps + 1)
        place: dict[str, Any] = {"seed": self._seed, "stream": philox.LATENT, "first_chain": first}
        gibbs.check_capacity(sweep, self._n_sweeps + 1)
        gibbs.half_step(
            parameters.to_hidden, visible, kind=philox.HIDDEN, sweep=sweep, out=hidden, n_threads=self._n_threads,
            **place,
        )  # fmt: skip
        free = self._free.take(places, axis=1)
        clamp = Clamp(ClampedLayer(visible, free), None)
        gibbs.sweep(
            parameters, visible, hidden, self._n_sweeps, first_sweep=sweep + 1, clamp=clamp, n_threads=self._n_threads,
            **place,
        )  # fmt: skip
        self._packed[examples] = visible.planes.T  # what is clamped is as it was

    def describe(self) -> str:
        """What is known, how much is not, and how it is drawn."""
        places = zlib.crc32(self._examples.tobytes(), zlib.crc32(self._free.tobytes("F")))
        return f"{self._known}, {self.n_missing} latent ({places:08x}), {self._n_sweeps} sweeps"

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps: the states of the incomplete examples."""
        assert self._packed is not None
        return {"states": self._packed[self._examples]}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that get_state gave."""
        states = saved.array(state, "states", np.uint8, self._free.T.shape, 0, 255)
        try:
            filled = of_planes(np.ascontiguousarray(states.T), self._unit)
        except ValueError as error:
            raise ValueError(f"the state's states: {error}") from None
        if absent_sites(filled) is not None:
            raise ValueError("the state's states must hold categories of their sites")
        self._fill(filled)
        self._last_drawn = None
