"""How parameters move: optimizers, learning-rate schedules, and averaging of parameters.

An optimizer has ``update(rbm, gradient, progress, n_threads)`` and ``rate(progress)``, where progress is the fraction
of the training that is done; to be kept in checkpoints, also ``get_state()``, ``set_state(state)`` and
``describe()``: see docs/extending.md.
"""

from .adam import Adam
from .averaging import Averaging
from .schedules import Cosine, InverseTime, Linear, WarmUp
from .sgd import SGD

__all__ = ["SGD", "Adam", "Averaging", "Cosine", "InverseTime", "Linear", "WarmUp"]
