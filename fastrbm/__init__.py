"""fastrbm: restricted Boltzmann machines on bits."""

from . import _command as _command  # first: it tells of what goes wrong below

try:
    from ._core import _cpu as _cpu
except ImportError as _error:
    raise ImportError(
        "fastrbm's compiled modules are not here. If this is its source folder, run 'pip install -e .' in it, or start "
        "Python in another folder."
    ) from _error

from . import datasets, diagnostics, gradient, likelihood, optim
from ._core.config import show_config
from ._core.version import __version__
from .moments import Moments
from .rbm import RBM, load
from .sampling.annealing import Population, population_annealing
from .sampling.chains import Chains
from .sampling.tempering import TemperedChains
from .states.bits import BitMatrix
from .training import metrics as metrics
from .training.early_stopping import EarlyStopping
from .training.fit import FitState, fit
from .training.history import History
from .training.verdict import TrainingWarning

__all__ = [
    "RBM", "BitMatrix", "Chains", "EarlyStopping", "FitState", "History", "Moments", "Population", "TemperedChains",
    "TrainingWarning", "__version__", "datasets", "diagnostics", "fit", "gradient", "likelihood", "load", "metrics",
    "optim", "population_annealing", "show_config",
]  # fmt: skip
