"""The page itself: one file that needs no network, no scripts and nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence

from ghostlap.base.terminal import in_html
from ghostlap.reports.report.parts import Section
from ghostlap.reports.report.style import CSS

MARK = '<meta name="generator" content="ghostlap report">'
"""By this line a page is known to be one of ours."""

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'"


def page_html(title: str, below: str, sections: Sequence[Section]) -> str:
    """The whole page.

    Args:
        title: of the run, plain text.
        below: a line about it, plain text.
        sections: in their order; the first one is the answer on top.
    """
    links = "".join(
        f'<li><a href="#{section.name}">{in_html(section.title)}</a></li>'
        for section in sections[1:]
    )
    first, *rest = (
        f'<section id="{section.name}"><h2>{in_html(section.title)}</h2>{section.html}</section>'
        for section in sections
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            MARK,
            f"<title>{in_html(title)} \N{MIDDLE DOT} Ghostlap</title>",
            f"<style>{CSS}</style></head><body>",
            f'<header><p class="kicker">Ghostlap report</p><h1>{in_html(title)}</h1>',
            f'<p class="faint">{in_html(below)}</p></header><main>',
            first,
            f'<nav aria-label="Sections"><ul>{links}</ul></nav>',
            *rest,
            "</main><footer>Written by <code>ghostlap report</code>. One file: it can be sent, "
            "kept and printed as it is.</footer></body></html>\n",
        ]
    )
