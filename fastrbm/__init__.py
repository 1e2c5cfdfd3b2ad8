"""fastrbm: restricted Boltzmann machines on bits."""

from . import datasets, gradient, optim
from ._config import __version__, show_config
from .bits import BitMatrix
from .chains import Chains
from .fit import FitState, fit
from .history import History
from .moments import Moments
from .rbm import RBM, load

__all__ = [
    "RBM", "BitMatrix", "Chains", "FitState", "History", "Moments", "__version__", "datasets", "fit", "gradient",
    "load", "optim", "show_config",
]  # fmt: skip
