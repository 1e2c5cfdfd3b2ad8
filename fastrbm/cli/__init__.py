"""The command line: fastrbm train | sample | score | report | info | bench."""

from ._main import build_parser, main

__all__ = ["build_parser", "main"]
