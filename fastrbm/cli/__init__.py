"""The command line: fastrbm train | sample | score | info."""

from ._main import build_parser, main

__all__ = ["build_parser", "main"]
