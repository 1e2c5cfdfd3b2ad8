"""Unit types: what a visible or hidden unit can be."""

from .bernoulli import Bernoulli
from .categorical import Categorical
from .layer import TYPES, LayerLike, from_segments, layer, reader
from .row import Row
from .spin import Spin
from .unit import Unit

__all__ = ["TYPES", "Bernoulli", "Categorical", "LayerLike", "Row", "Spin", "Unit", "from_segments", "layer", "reader"]
