"""Likelihoods: log Z exactly or with an interval, `log p(v)` of data, some of whose entries may be missing,
pseudo-likelihood, conditional scores, labels."""

from .ais import ais, reverse_ais, standard_betas
from .along import Along, along
from .bidirectional import bidirectional
from .bounds import lower_bound
from .conditional import conditional
from .exact import exact
from .labels import label_probabilities
from .marginal import marginal
from .pseudo import pseudo
from .results import METHODS, Bidirectional, LogPartition, Score
from .score import score

__all__ = [
    "METHODS", "Along", "Bidirectional", "LogPartition", "Score", "ais", "along", "bidirectional", "conditional",
    "exact", "label_probabilities", "lower_bound", "marginal", "pseudo", "reverse_ais", "score", "standard_betas",
]  # fmt: skip
