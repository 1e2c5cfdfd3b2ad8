"""States of layers, as the kernels hold them."""

from .bits import BitMatrix

__all__ = ["BitMatrix"]
