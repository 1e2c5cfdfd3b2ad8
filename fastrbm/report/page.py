"""A web page in one file: text that is escaped, tables, and pictures as data, so that it needs no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING

from .._core.display import facts, grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .verdict import Answer

_MANY = 5  # columns of a table, more of which take the whole width
_DPI = 130  # of a picture, about twice what a screen shows it at

_STYLE = """
:root { color-scheme: light; }
body { font: 1rem/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 72rem; margin: 0 auto;
  padding: 1rem 1.25rem 3rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.25rem 0 .5rem; border-bottom: 1px solid #ccc; padding-bottom: .2rem; }
p { max-width: 46rem; margin: .5rem 0; }
p.about { font-size: .9rem; color: #444; max-width: none; margin: .25rem 0; }
p.warning { border-left: .3rem solid #d55e00; background: #fdf1e8; padding: .5rem .75rem; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 0 2.5rem;
  align-items: start; }
.sides > div { min-width: 0; }
table { border-collapse: collapse; margin: .75rem 0; }
th, td { text-align: left; vertical-align: top; padding: .2rem 1.25rem .2rem 0; border-bottom: 1px solid #e5e5e5; }
th { font-weight: 600; min-width: 8rem; }
thead th { color: #444; min-width: 0; }
table.verdict td { max-width: 46rem; }
td.answer { font-weight: 600; white-space: nowrap; border-left: .3rem solid transparent; padding-left: .5rem; }
tr.good td.answer { color: #1b6e3c; }
tr.bad td { background: #fdf1e8; }
tr.bad td.answer { color: #b34700; border-left-color: #d55e00; }
@media (max-width: 40rem) {  /* one below another where three columns would leave no room for words */
  table.verdict :is(th, td) { display: block; border-bottom: none; }
  table.verdict tr { display: block; border-bottom: 1px solid #e5e5e5; padding: .4rem 0; }
  table.verdict tr td.answer { border-left: none; padding-left: 0; }
}
pre { font: .85rem/1.35 ui-monospace, monospace; overflow-x: auto; background: #f8f8f8; padding: .5rem .75rem;
  margin: .25rem 0; }
.scroll { overflow-x: auto; }
.scroll :is(th, td) { overflow-wrap: normal; }  /* a word that is broken anywhere is hard to read: it scrolls */
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 1.25rem; }
.wide { grid-template-columns: 1fr; }
figure { min-width: 0; margin: .75rem 0 0; }
figure img { width: 100%; height: auto; border: 1px solid #e5e5e5; box-sizing: border-box; }
figcaption { font-size: .9rem; color: #444; max-width: 46rem; }
code { font: .9em ui-monospace, monospace; background: #f4f4f4; padding: .1em .3em; }
@media print {
  @page { margin: 15mm; }
  html { font-size: 9pt; }
  body { max-width: none; padding: 0; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2 { break-after: avoid; }
  figure, tr, p { break-inside: avoid; }
  .sides { display: block; }
  .pictures { grid-template-columns: 1fr 1fr; gap: .75rem; }
  .wide { grid-template-columns: 1fr; }
  .scroll { overflow: visible; }
  .scroll :is(th, td) { padding-right: .75rem; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
}
"""


class Page:
    """Parts of a page, added in order. Whatever text they are given is escaped."""

    def __init__(self, title: str) -> None:
        self._title = escape(title)
        self._parts = [f"<h1>{self._title}</h1>"]

    def heading(self, text: str) -> None:
        self._parts.append(f"<h2>{escape(text)}</h2>")

    def text(self, text: str, warning: bool = False) -> None:
        kind = ' class="warning"' if warning else ""
        self._parts.append(f"<p{kind}>{escape(text)}</p>")

    def about(self, text: str) -> None:
        """A line below the title."""
        self._parts.append(f'<p class="about">{escape(text)}</p>')

    def code(self, text: str) -> None:
        self._parts.append(f"<p><code>{escape(text)}</code></p>")

    def table(self, rows: Mapping[str, object]) -> None:
        """A line for each name and value."""
        self._parts.append(facts(rows, style=""))

    def answers(self, answers: list[Answer]) -> None:
        """A line for each question: what it is, the answer, numbers and what to do."""
        kinds = {True: "good", False: "bad", None: "open"}
        lines = (
            f'<tr class="{kinds[a.good]}"><th scope="row">{escape(a.question)}</th>'
            f'<td class="answer">{escape(a.answer)}</td><td>{escape(a.words)}</td></tr>'
            for a in answers
        )
        self._parts.append('<table class="verdict">\n' + "\n".join(lines) + "\n</table>")

    def grid(self, head: list[str], rows: list[list[str]]) -> None:
        """A table with a line of names."""
        self._parts.append(_grid(head, rows))

    @contextmanager
    def sides(self) -> Iterator[None]:
        """What is added within stands side by side, where the page is wide enough: each :meth:`side`."""
        self._parts.append('<div class="sides">')
        yield
        self._parts.append("</div>")

    @contextmanager
    def side(self) -> Iterator[None]:
        """One of the sides."""
        self._parts.append("<div>")
        yield
        self._parts.append("</div>")

    def texts(self, *parts: tuple[str, list[str] | None, list[str], list[list[str]], str]) -> None:
        """Lines, or where they are None a table with names and rows (title, lines, names, rows, what it means), side by
        side; tables of many columns one below another."""
        wide = any(sum(map(bool, head)) > _MANY for _, _, head, _, _ in parts)
        self._parts.append(f'<div class="pictures{" wide" * wide}">')
        for title, lines, head, rows, meaning in parts:
            body = _grid(head, rows) if lines is None else f"<pre>{escape(chr(10).join(lines))}</pre>"
            self._parts.append(
                f"<figure><strong>{escape(title)}</strong>\n{body}\n<figcaption>{escape(meaning)}</figcaption></figure>"
            )
        self._parts.append("</div>")

    def pictures(self, *parts: tuple[Figure, str, str], wide: bool = False) -> None:
        """Figures (what is drawn, what a reader who cannot see it reads, what it means) side by side, or, if wide, one
        below another."""
        self._parts.append(f'<div class="pictures{" wide" if wide else ""}">')
        for figure, seen, meaning in parts:
            source = f"data:image/png;base64,{_png(figure)}"
            self._parts.append(
                f'<figure><img src="{source}" alt="{escape(seen)}"><figcaption>{escape(meaning)}</figcaption></figure>'
            )
        self._parts.append("</div>")

    def html(self) -> str:
        """The whole page."""
        head = (
            f'<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{self._title}</title>\n<style>{_STYLE}</style>"
        )
        body = "\n".join(self._parts)
        return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'


def figure(width: float = 6.5, height: float = 5.5):
    """A figure that pyplot does not know of, and its axes."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, fig.subplots()


def _grid(head: list[str], rows: list[list[str]]) -> str:
    return f'<div class="scroll">{grid(head, [list(map(escape, row)) for row in rows], style="")}</div>'


def _png(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})
    return base64.b64encode(file.getvalue()).decode("ascii")
