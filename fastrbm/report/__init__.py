"""A report on a model: one HTML file with its score, its pictures and its chains' diagnostics, to be read offline.

Needs matplotlib: ``pip install "fastrbm[plot]"``.
"""

from .build import report

__all__ = ["report"]
