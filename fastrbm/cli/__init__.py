"""The command line: fastrbm train | sample | inpaint | score | report | info | bench."""

from .commands import build_parser, main

__all__ = ["build_parser", "main"]
