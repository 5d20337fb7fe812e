"""The pieces that sections are made of: text in, HTML out; all text is escaped here."""

from __future__ import annotations

import base64
import dataclasses
import math
import shlex
from collections.abc import Mapping, Sequence

from ghostlap.base.terminal import in_html
from ghostlap.reports.explore.page import text_html

MINUS = "\N{MINUS SIGN}"


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page."""

    name: str
    """Of the anchor, a word."""
    title: str
    html: str


@dataclasses.dataclass(frozen=True)
class Cell:
    """A table's cell: a figure with something small below it."""

    text: str
    small: str = ""
    percent: float | None = None
    """Of a bar below the figure."""


def number(value: float | None, digits: int, sign: bool = False) -> str:
    """A figure for people; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    text = f"{value:{'+' if sign else ''},.{digits}f}"
    if not text.strip("+-0.,"):
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def limits(interval: tuple[float, float] | None, digits: int) -> str:
    """An interval, or nothing where it has no width at these digits."""
    if interval is None:
        return ""
    low, high = (number(limit, digits) for limit in interval)
    return "" if low == high else f"{low} to {high}"


def paragraph(text: str, kind: str = "") -> str:
    """Words between backquotes are set as code."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{text_html(text)}</p>"


def missing(text: str, command: str = "") -> str:
    """What is not there, and the command that makes it."""
    line = f"<pre><code>{in_html(command)}</code></pre>" if command else ""
    return f'<div class="missing"><p>{text_html(text)}</p>{line}</div>'


def command_line(*words: object) -> str:
    """A command for a shell."""
    return "ghostlap " + " ".join(shlex.quote(str(word)) for word in words)


def heading(text: str) -> str:
    return f"<h3>{in_html(text)}</h3>"


def grid(*items: str, kind: str = "") -> str:
    """Items side by side where there is room."""
    return f'<div class="grid {kind}">{"".join(items)}</div>'


def figure(content: str, caption: str = "", title: str = "") -> str:
    """A chart or picture with a title above it and words below it."""
    above = f'<p class="chart-title">{in_html(title)}</p>' if title else ""
    below = f"<figcaption>{text_html(caption)}</figcaption>" if caption else ""
    return f"<figure>{above}{content}{below}</figure>"


def picture(jpeg: bytes, alt: str, width_px: int, height_px: int) -> str:
    """A JPEG inside the page."""
    data = base64.b64encode(jpeg).decode()
    return (
        f'<img src="data:image/jpeg;base64,{data}" alt="{in_html(alt)}" '
        f'width="{width_px}" height="{height_px}">'
    )


def facts(lines: Mapping[str, str], title: str = "") -> str:
    """Names and values, in a box."""
    items = "".join(f"<dt>{in_html(k)}</dt><dd>{in_html(v)}</dd>" for k, v in lines.items())
    return f'<div class="facts">{heading(title) if title else ""}<dl>{items}</dl></div>'


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str | Cell]],
    caption: str,
    words: int = 1,
    faint: Sequence[int] = (),
) -> str:
    """A table that can be pushed sideways where it is too wide.

    Args:
        columns: their headings.
        rows: of the same length each.
        caption: what the table shows, for those who do not see it, too.
        words: how many columns, from the left, hold words rather than figures.
        faint: indices of rows that stand back.
    """
    kinds = ["word" if i < words else "figure" for i in range(len(columns))]
    head = "".join(
        f'<th scope="col" class="{kind}">{in_html(column)}</th>'
        for kind, column in zip(kinds, columns, strict=True)
    )
    body = []
    for index, row in enumerate(rows):
        cells = []
        for i, (kind, cell) in enumerate(zip(kinds, row, strict=True)):
            tag = 'th scope="row"' if i == 0 else "td"
            cells.append(f'<{tag} class="{kind}">{_cell(cell)}</{tag[:2]}>')
        attribute = ' class="faint"' if index in faint else ""
        body.append(f"<tr{attribute}>{''.join(cells)}</tr>")
    return (
        f'<p class="caption">{in_html(caption)}</p><div class="scroll" tabindex="0" role="region" '
        f'aria-label="{in_html(caption)}"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _cell(cell: str | Cell) -> str:
    if isinstance(cell, str):
        return in_html(cell)
    small = f"<small>{in_html(cell.small)}</small>" if cell.small else ""
    bar = ""
    if cell.percent is not None:
        end = min(max(cell.percent, 0.0), 100.0)
        bar = (
            '<svg class="bar" viewBox="0 0 100 5" preserveAspectRatio="none" aria-hidden="true">'
            f'<path class="rest" d="M0 0H100V5H0z"/><path d="M0 0H{end:.1f}V5H0z"/></svg>'
        )
    return in_html(cell.text) + bar + small
