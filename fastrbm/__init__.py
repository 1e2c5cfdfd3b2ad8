"""fastrbm: restricted Boltzmann machines on bits."""

try:
    from . import _cpu as _cpu
except ImportError as _error:
    raise ImportError(
        "fastrbm's compiled modules are not here. If this is its source folder, run 'pip install -e .' in it, or start "
        "Python in another folder."
    ) from _error

from . import datasets, gradient, likelihood, optim
from ._config import __version__, show_config
from .bits import BitMatrix
from .chains import Chains
from .fit import FitState, fit
from .history import History
from .moments import Moments
from .rbm import RBM, load

__all__ = [
    "RBM", "BitMatrix", "Chains", "FitState", "History", "Moments", "__version__", "datasets", "fit", "gradient",
    "likelihood", "load", "optim", "show_config",
]  # fmt: skip
