"""What the documentation's site takes from elsewhere: hooks of mkdocs (see ``mkdocs.yml``).

In a page, ``<!-- metrics -->`` becomes the table of :data:`FIGURES`, ``<!-- help: train -->`` what
``ghostlap train --help`` prints, and ``<!-- include: CHANGELOG.md -->`` that file.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from ghostlap.driving.metrics import FIGURES

ROOT = Path(__file__).resolve().parents[1]
WIDTH = "90"
"""Columns of a terminal that a page is as wide as."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The cockpit's icon is the site's."""
    icon = ROOT / "src" / "ghostlap" / "cockpit" / "page" / "icon.svg"
    files.append(File.generated(config, "icon.svg", abs_src_path=str(icon)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """A page before it is rendered."""
    markdown = re.sub(r"<!-- include: (\S+) -->", lambda found: included(found[1]), markdown)
    markdown = re.sub(r"<!-- help: (\S+) -->", lambda found: help_of(found[1]), markdown)
    return markdown.replace("<!-- metrics -->", metrics_table())


def on_page_content(html: str, **_: Any) -> str:
    """A page's HTML: roles of docstrings go but for their names, and short code is not broken."""
    html = re.sub(
        r":(?:class|data|func|meth|mod):(<code>)~?(?:[\w.]+\.(?=\w+</code>))?", r"\1", html
    )
    return re.sub(r"<code>([^<\n]{1,24}</code>)", r'<code class="whole">\1', html)


def included(name: str) -> str:
    """A file of the repository, whose links are as from ``docs/``."""
    text = (ROOT / name).read_text("utf-8")
    links = {
        "](docs/": "](",
        "](CONTRIBUTING.md": "](contributing.md",
        "](CHANGELOG.md": "](changes.md",
    }
    for link, here in links.items():
        text = text.replace(link, here)
    return text


def help_of(command: str) -> str:
    """A command's help, as on a terminal, to be unfolded."""
    shown = subprocess.run(
        [sys.executable, "-m", "ghostlap", command, "--help"],
        env={**os.environ, "COLUMNS": WIDTH}, check=True, capture_output=True, encoding="utf-8",
    ).stdout  # fmt: skip
    return f"/// details | All options of `ghostlap {command}`\n```text\n{shown}```\n///"


def metrics_table() -> str:
    """All that a drive is measured by, out of where it is computed."""
    rows = [
        f"| `{one.name}` | {one.title} | {one.unit} | {one.formula} | {one.source or 'here'} |"
        for one in FIGURES.values()
    ]
    head = ["| in JSON | in tables | unit | formula | source |", "|---|---|---|---|---|"]
    return "\n".join([*head, *(row.replace("|cte|", r"\|cte\|") for row in rows)])
