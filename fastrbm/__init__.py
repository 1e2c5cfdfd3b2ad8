"""fastrbm: restricted Boltzmann machines on bits, spins, categories and real numbers.

    rbm = RBM.from_data(X, n_hidden=128)     history = fit(rbm, X)      print(history.verdict)
    rbm.sample(100)                          print(likelihood.score(rbm, X))
    rbm.save("rbm.npz")                      rbm = load("rbm.npz")

Pages and a tutorial are in docs/. Every name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._core.version import __version__

if TYPE_CHECKING:
    from . import cli as cli
    from . import datasets, diagnostics, gradient, likelihood, optim, units
    from . import plot as plot
    from . import report as report
    from . import sampling as sampling
    from . import sklearn as sklearn
    from . import states as states
    from . import training as training
    from ._core.config import show_config
    from .loading import load, load_chains, load_path
    from .moments import Moments
    from .rbm import RBM
    from .sampling.annealing import Population, population_annealing
    from .sampling.chains import Chains
    from .sampling.tempering import TemperedChains
    from .states.bits import BitMatrix, CodeMatrix
    from .training import metrics
    from .training.early_stopping import EarlyStopping
    from .training.fit import FitState, fit
    from .training.history import History
    from .training.verdict import TrainingWarning
else:
    _MODULES = {name: name for name in (
        "cli", "datasets", "diagnostics", "gradient", "likelihood", "optim", "plot", "report", "sampling", "sklearn",
        "states", "training", "units",
    )} | {"metrics": "training.metrics"}  # fmt: skip
    _HOMES = {
        "BitMatrix": "states.bits", "Chains": "sampling.chains", "CodeMatrix": "states.bits",
        "EarlyStopping": "training.early_stopping", "FitState": "training.fit", "History": "training.history",
        "Moments": "moments",
        "Population": "sampling.annealing", "RBM": "rbm", "TemperedChains": "sampling.tempering",
        "TrainingWarning": "training.verdict", "fit": "training.fit", "load": "loading",
        "load_chains": "loading", "load_path": "loading", "population_annealing": "sampling.annealing",
        "show_config": "_core.config",
    }  # fmt: skip

    def __getattr__(name):
        if name in _MODULES:
            value = import_module(f"{__name__}.{_MODULES[name]}")
        elif name in _HOMES:
            value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__():
        return sorted({*__all__, *_MODULES})


# what `from fastrbm import *` gives: not what needs matplotlib or scikit-learn
__all__ = [
    "RBM", "BitMatrix", "Chains", "CodeMatrix", "EarlyStopping", "FitState", "History", "Moments", "Population",
    "TemperedChains", "TrainingWarning",
    "__version__", "datasets", "diagnostics", "fit", "gradient", "likelihood", "load", "load_chains",
    "load_path", "metrics", "optim", "population_annealing", "show_config", "units",
]  # fmt: skip
