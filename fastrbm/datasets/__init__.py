"""Data: bundled digits, bars and stripes, and readers for common files."""

from .bundled import bars_and_stripes, load_digits
from .files import load, load_fractions

__all__ = ["bars_and_stripes", "load", "load_digits", "load_fractions"]
