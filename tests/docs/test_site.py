"""The documentation's site builds without a warning, and fetches nothing from anywhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from browser import open_browser
from places import ROOT

from ghostlap.driving.metrics import FIGURES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="no package mkdocs: pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": "src"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
    )  # fmt: skip
    assert (built.returncode, built.stdout) == (0, "")
    return folder


def test_every_metric_stands_there_with_its_formula(site: Path) -> None:
    page = (site / "metrics.html").read_text("utf-8")
    for figure in FIGURES.values():
        assert figure.formula, figure.name
        assert re.search(f"<code[^>]*>{figure.name}</code>", page)


def test_roles_of_docstrings_and_marks_of_blocks_are_not_shown(site: Path) -> None:
    for page in site.glob("*.html"):
        shown = re.sub(r"<pre.*?</pre>|<!--.*?-->", "", page.read_text("utf-8"), flags=re.S)
        assert not re.search(r":(class|data|func|meth|mod):", shown), page.name


def test_a_browser_asks_no_other_host(site: Path) -> None:
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 844})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for name in ("index.html", "commands.html", "api.html"):
            page.goto((site / name).as_uri())
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 390, f"{name} is {wide} px wide on a phone"
    assert [url for url in asked if not url.startswith(site.as_uri())] == []
