"""States of layers, as the kernels hold them."""

from .bits import BitMatrix, CodeMatrix

__all__ = ["BitMatrix", "CodeMatrix"]
