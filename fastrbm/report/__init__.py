"""A page about a model: its score, pictures and diagnostics."""

from .report import report

__all__ = ["report"]
