"""A report on a model: one HTML file, to be read offline, with a verdict, score, pictures and diagnostics of chains.

Needs matplotlib: ``pip install matplotlib``.
"""

from .build import report

__all__ = ["report"]
