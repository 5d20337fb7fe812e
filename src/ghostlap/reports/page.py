"""Pages for people: one HTML file each, with no scripts and nothing beside it.

Templates and the one style sheet lie in ``pages/``. All text is escaped by Jinja2; what would act
in a terminal or turn a line's direction is shown as an escape.
"""

from __future__ import annotations

import base64
import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ghostlap.base.errors import GhostlapError
from ghostlap.base.files import read_start
from ghostlap.base.platform import quoted
from ghostlap.base.terminal import escaped
from ghostlap.data.vision.pictures import Rgb, encode_jpeg

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

MINUS = "\N{MINUS SIGN}"


class Picture(NamedTuple):
    """A picture inside a page."""

    uri: str
    width_px: int
    height_px: int


class Cell(NamedTuple):
    """A table's cell: a figure with something small below it."""

    text: str
    small: str = ""
    percent: float | None = None
    """Length of a bar below the figure; None draws none."""


def photograph(rgb: Rgb, quality: int) -> Picture:
    """A frame as a JPEG inside the page."""
    return Picture(data_uri(encode_jpeg(rgb, quality), "jpeg"), rgb.shape[1], rgb.shape[0])


def data_uri(data: bytes, kind: str) -> str:
    """The ``src`` of a picture inside a page."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def page_html(template: str, **values: Any) -> str:
    """A whole page: ``verb`` (the command), ``title``, ``below`` and what the template names."""
    return _environment().get_template(template).render(values)


def require_own_page(page: Path, verb: str) -> None:
    """Make sure that a page to be replaced is none of somebody else's.

    Raises:
        GhostlapError: it was not written by ``ghostlap VERB``, or cannot be read.
    """
    try:
        mark = f'content="ghostlap {verb}"'.encode()
        foreign = page.exists() and mark not in read_start(page, 4000)
    except OSError as error:
        raise GhostlapError(f"{page}: cannot be written ({error.strerror}).") from error
    if foreign:
        raise GhostlapError(
            f"{page}: this page was not made by 'ghostlap {verb}', so it is left alone. "
            "Name another --out."
        )


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


def _command_line(*words: object) -> str:
    """A command for a shell."""
    return quoted("ghostlap", *words)


def _code(text: str) -> Markup:
    """Words between backquotes are set as code."""
    from markupsafe import Markup

    pieces = [Markup.escape(escaped(piece)) for piece in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if i % 2 else piece
        for i, piece in enumerate(pieces)
    )


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ghostlap.reports", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if hasattr(value, "__html__") else escaped(value),
    )
    environment.filters["code"] = _code
    environment.globals["command"] = _command_line
    return environment
