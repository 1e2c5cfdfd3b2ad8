"""How objects show themselves: in one line, and as HTML in notebooks.

The HTML needs no other file. It sets no colors, so that it has those of the page, dark or light."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

_WIDTH, _HEIGHT, _MARGIN = 120, 24, 2  # of a curve, in pixels
_POINTS = 120  # of a curve
LEFT = ' style="text-align: left; vertical-align: top"'


def one_line(thing: object, *names: str) -> str:
    """A repr by some attributes: numbers with six digits, arrays by their shape."""
    return f"{type(thing).__name__}({', '.join(f'{name}={_short(getattr(thing, name))}' for name in names)})"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"<{' x '.join(map(str, value.shape))}>" if isinstance(value, np.ndarray) else repr(value)


def number(value: float) -> str:
    """Four significant digits; those of large numbers before the point, so that few have an exponent."""
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.4g}"


def facts(rows: Mapping[str, object], style: str = LEFT) -> str:
    """A table with a line for each name and value; text is escaped. style: of cells, which notebooks align right."""
    lines = (
        f'<tr><th scope="row"{style}>{escape(str(name))}</th><td{style}>{escape(str(value))}</td></tr>'
        for name, value in rows.items()
    )
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def titled(title: str, body: str, words: str = "") -> str:
    """HTML below a title, and words below it."""
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in words.splitlines())
    return f"<div><strong>{escape(title)}</strong>\n{body}{paragraphs}</div>"


def grid(head: Sequence[str], rows: Sequence[Sequence[str]], style: str = LEFT) -> str:
    """A table with a line of names; cells are HTML."""
    names = "".join(f'<th scope="col"{style}>{escape(name)}</th>' for name in head)
    lines = "\n".join("<tr>" + "".join(f"<td{style}>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>\n<thead><tr>{names}</tr></thead>\n<tbody>\n{lines}\n</tbody>\n</table>"


def curve(values: np.ndarray) -> str:
    """Numbers as a small curve, SVG in the color of the text around it; nothing where fewer than two are finite."""
    finite = np.flatnonzero(np.isfinite(values))
    if finite.size < 2:
        return ""
    some = finite[np.linspace(0, finite.size - 1, min(finite.size, _POINTS)).astype(np.intp)]
    y = values[some].astype(np.float64)
    low, span = y.min(), np.ptp(y)
    if not math.isfinite(span):
        return ""
    heights = (y - low) / span if span > 0 else np.full(y.size, 0.5)
    places = (some - some[0]) / (some[-1] - some[0])
    points = " ".join(
        f"{_MARGIN + a * (_WIDTH - 2 * _MARGIN):.1f},{_HEIGHT - _MARGIN - b * (_HEIGHT - 2 * _MARGIN):.1f}"
        for a, b in zip(places, heights, strict=True)
    )
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true">'
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>'
    )
