"""Training: the loop, its data and history, what is measured on the way, when it stops, how it goes on."""

from . import metrics
from .early_stopping import EarlyStopping
from .fit import FitState
from .history import History
from .verdict import TrainingWarning

__all__ = ["EarlyStopping", "FitState", "History", "TrainingWarning", "metrics"]
