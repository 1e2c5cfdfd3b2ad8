"""What is measured in every training, and what a metric is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._core import philox
from ..sampling import gibbs
from ..states.bits import BitMatrix

if TYPE_CHECKING:
    from ..rbm import RBM

_VALIDATION_EXAMPLES = 256


@dataclass(frozen=True)
class Snapshot:
    """What a metric is called with.

    Attributes
    ----------
    rbm : RBM
        The model as it is.
    examples : BitMatrix
        Up to 256 examples of the training data.
    validation : BitMatrix or None
        The validation data.
    chains : BitMatrix or None
        Visible states of the chains of the negative phase, where it has any.
    epoch : int
    seed : int
        Of the training.
    n_threads : int or None
    """

    rbm: RBM
    examples: BitMatrix
    validation: BitMatrix | None
    chains: BitMatrix | None
    epoch: int
    seed: int
    n_threads: int | None


def some_examples(examples: BitMatrix) -> BitMatrix:
    return examples[np.linspace(0, len(examples) - 1, min(len(examples), _VALIDATION_EXAMPLES)).astype(np.intp)]


class Basics:
    """The columns that are always there, on a few examples chosen once."""

    def __init__(self, examples: np.ndarray, validation: BitMatrix | None, seed: int) -> None:
        self.seed = seed
        self.states = (examples >= 0.5).astype(np.uint8) if examples.dtype == np.float64 else examples
        self.bits = BitMatrix.from_states(self.states)
        columns = [
            self.states[philox.permutation(len(self.states), seed, philox.MEASURE, unit), unit]
            for unit in range(self.states.shape[1])
        ]
        self.noise = BitMatrix.from_states(np.stack(columns, axis=1))
        self.validation = None if validation is None else some_examples(validation)

    def measure(self, rbm: RBM, epoch: int, n_threads: int | None) -> dict[str, float]:
        """Of the model as it is."""
        hidden = BitMatrix.empty(len(self.bits), rbm.n_hidden)
        means = np.empty(hidden.shape, np.float32)
        gibbs.half_step(
            rbm._parameters.to_hidden, self.bits, kind=philox.HIDDEN, seed=self.seed, stream=philox.MEASURE,
            sweep=epoch, out=hidden, probabilities=means, n_threads=n_threads,
        )  # fmt: skip
        changed = np.empty(self.states.shape, np.float32)
        gibbs.half_step(rbm._parameters.to_visible, hidden, probabilities=changed, n_threads=n_threads)
        error = np.abs(self.states - changed).mean(dtype=np.float64)
        free_energy = rbm._free_energy(self.bits, n_threads).mean()
        row = {
            "reconstruction_error": float(error),
            "shuffled_gap": float(rbm._free_energy(self.noise, n_threads).mean() - free_energy),
            "hidden_activity": float(means.mean(dtype=np.float64)),
            "weight_norm": rbm._parameters.norm,
        }
        if self.validation is not None:
            row["free_energy_gap"] = float(rbm._free_energy(self.validation, n_threads).mean() - free_energy)
        return row
