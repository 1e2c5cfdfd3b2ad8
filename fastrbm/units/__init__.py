"""Unit types: what a visible or hidden unit can be."""

from .bernoulli import Bernoulli
from .categorical import Categorical
from .gaussian import Gaussian
from .layer import TYPES, LayerLike, from_segments, layer, reader
from .relu import DReLU, ReLU
from .row import Row
from .spin import Spin
from .unit import Unit

__all__ = [
    "TYPES", "Bernoulli", "Categorical", "DReLU", "Gaussian", "LayerLike", "ReLU", "Row", "Spin", "Unit",
    "from_segments", "layer", "reader",
]  # fmt: skip
