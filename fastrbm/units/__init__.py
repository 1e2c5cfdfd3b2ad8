"""Unit types: what a visible or hidden unit can be."""

from .bernoulli import Bernoulli
from .layer import TYPES, LayerLike, from_segments, layer, reader
from .spin import Spin
from .unit import Unit

__all__ = ["TYPES", "Bernoulli", "LayerLike", "Spin", "Unit", "from_segments", "layer", "reader"]
