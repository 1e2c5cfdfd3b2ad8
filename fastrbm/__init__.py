"""fastrbm: restricted Boltzmann machines on bits."""

from . import _command as _command  # first: it tells of what goes wrong below

try:
    from . import _cpu as _cpu
except ImportError as _error:
    raise ImportError(
        "fastrbm's compiled modules are not here. If this is its source folder, run 'pip install -e .' in it, or start "
        "Python in another folder."
    ) from _error

from . import datasets, diagnostics, gradient, likelihood, monitor, optim
from ._config import show_config
from ._verdict import TrainingWarning
from ._version import __version__
from .annealing import Population, population_annealing
from .bits import BitMatrix
from .chains import Chains
from .early_stopping import EarlyStopping
from .fit import FitState, fit
from .history import History
from .moments import Moments
from .rbm import RBM, load
from .tempering import TemperedChains

__all__ = [
    "RBM", "BitMatrix", "Chains", "EarlyStopping", "FitState", "History", "Moments", "Population", "TemperedChains",
    "TrainingWarning", "__version__", "datasets", "diagnostics", "fit", "gradient", "likelihood", "load", "monitor",
    "optim", "population_annealing", "show_config",
]  # fmt: skip
