"""The web page of :mod:`ghostlap.commands.explore`: one file that needs nothing beside it."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ghostlap.base.terminal import in_html
from ghostlap.data.vision.preprocessing import decode_rgb, encode_jpeg
from ghostlap.reports.explore.facts import RecordingFacts

MARK = '<meta name="generator" content="ghostlap explore">'
"""By this line a page is known to be one of ours."""

_JPEG_QUALITY = 88

_CSS = """
:root { color-scheme: light dark; --text: #1f2937; --faint: #5b6472; --page: #fff; --line: #d9dde3;
  --note: #fff6df; }
@media (prefers-color-scheme: dark) { :root { --text: #e5e7eb; --faint: #a3abb8; --page: #14171c;
  --line: #343a44; --note: #3a3014; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 62rem; color: var(--text);
  background: var(--page); font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .75rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 0 0 .25rem; }
.faint, dt { color: var(--faint); }
p { max-width: 46rem; margin: .5rem 0; }
code { font-size: .92em; background: color-mix(in srgb, var(--line) 45%, transparent);
  padding: .05em .3em; border-radius: .25em; }
ul.notes { background: var(--note); border-radius: .5rem; padding: .6rem 1rem .6rem 2rem; }
.facts { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(17rem, 100%), 26rem)); }
.facts section { border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .1rem 1rem; margin: 0; }
dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 1rem 0; }
img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: .4rem; }
.small figure { margin: 0; }
.small { display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); }
@media print { body { max-width: none; font-size: 10pt; }
  h2, h3 { break-after: avoid; } figure, .facts section { break-inside: avoid; }
  .small { grid-template-columns: 1fr 1fr; } }
"""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture file and what the page says about it, all plain text."""

    file: str
    title: str
    look_for: str
    """What to look for and what to do about it; words between backquotes are set as code."""
    alt: str
    """What one would see, for those who do not."""
    photographic: bool = False
    """Frames rather than lines: the page takes it as a JPEG, a tenth of the size."""


def page_html(
    folder: Path,
    pictures: Sequence[Picture],
    small: Sequence[Picture],
    facts: Sequence[RecordingFacts],
    notes: Sequence[str],
) -> str:
    """The whole page.

    Args:
        folder: holds the picture files.
        pictures: one below the other, each with a heading.
        small: a grid of strips, one for each kind of augmentation.
        facts: of each recording.
        notes: what was left out, and why.
    """
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        MARK,
        f"<title>{in_html(_title(facts))}</title><style>{_CSS}</style></head><body><main>",
        f"<h1>{in_html(_title(facts))}</h1>",
        '<p class="faint">What is in the data, before a network learns from it.</p>',
        '<div class="facts">',
        *(_facts_html(number, one, len(facts)) for number, one in enumerate(facts, 1)),
        "</div>",
    ]
    if notes:
        parts += [
            '<ul class="notes">',
            *(f"<li>{text_html(note)}</li>" for note in notes),
            "</ul>",
        ]
    for picture in pictures:
        parts.append(f"<h2>{in_html(picture.title)}</h2>{_figure_html(folder, picture)}")
    if small:
        parts += [
            "<h2>Each kind of augmentation</h2>",
            "<p>Every kind alone, at both ends of its range. Where a picture moves sideways, the "
            "dot must go along with the road: then picture and label agree. Change one with "
            "<code>--augment default,shear.p=0.2</code>, leave one out with "
            "<code>shear.p=0</code>.</p>",
            '<div class="small">',
        ]
        for picture in small:
            title = f"<h3>{in_html(picture.title)}</h3>"
            parts.append(f"<div>{title}{_figure_html(folder, picture)}</div>")
        parts.append("</div>")
    parts.append("</main></body></html>\n")
    return "\n".join(parts)


def _title(facts: Sequence[RecordingFacts]) -> str:
    names = [Path(one.folder).resolve().name for one in facts]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return "Recording " + " + ".join(names[:2]) + more


def _facts_html(number: int, facts: RecordingFacts, recordings: int) -> str:
    def known(value: float | None, form: str) -> str:
        return "not recorded" if value is None else form.format(value)

    minutes, seconds = divmod(round(facts.driving_s), 60)
    size = facts.frame_px
    lines = {
        "recorded": facts.recorded or "not known",
        "rows": f"{facts.rows:,}",
        "driving time": f"{minutes} min {seconds:02d} s",
        "stretches": str(facts.stretches),
        "distance": known(facts.distance_km, "{:.2f} km"),
        "mean speed": known(facts.mean_speed_mph, "{:.1f} mph"),
        "steering exactly 0": known(facts.zero_steering, "{:.0%} of the rows"),
        "frames": f"{size[0]} \N{MULTIPLICATION SIGN} {size[1]} px" if size else "none can be read",
        "missing pictures": f"{facts.missing_pictures:,}",
    }
    prefix = f"{number}. " if recordings > 1 else ""
    items = "".join(f"<dt>{in_html(k)}</dt><dd>{in_html(v)}</dd>" for k, v in lines.items())
    return f"<section><h3>{prefix}{in_html(facts.folder)}</h3><dl>{items}</dl></section>"


def _figure_html(folder: Path, picture: Picture) -> str:
    return (
        f"<p>{text_html(picture.look_for)}</p>"
        f'<figure id="{in_html(Path(picture.file).stem)}">'
        f'<img src="{_data_uri(folder / picture.file, picture.photographic)}" '
        f'alt="{in_html(picture.alt)}" title="{in_html(picture.file)}"></figure>'
    )


def text_html(text: str) -> str:
    """Plain text as HTML; words between backquotes are set as code."""
    pieces = [in_html(piece) for piece in text.split("`")]
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(pieces))


def _data_uri(path: Path, photographic: bool) -> str:
    data, kind = path.read_bytes(), "png"
    if photographic:
        data, kind = encode_jpeg(decode_rgb(data, str(path)), _JPEG_QUALITY), "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
