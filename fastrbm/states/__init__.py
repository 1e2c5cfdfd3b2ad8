"""States of layers, as the kernels hold them."""

from .bits import BitMatrix
from .codes import CodeMatrix

__all__ = ["BitMatrix", "CodeMatrix"]
