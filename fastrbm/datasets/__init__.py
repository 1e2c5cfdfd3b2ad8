"""Data: bundled digits, bars and stripes, and readers for common files."""

from ._bundled import bars_and_stripes, load_digits
from ._files import load, load_fractions

__all__ = ["bars_and_stripes", "load", "load_digits", "load_fractions"]
