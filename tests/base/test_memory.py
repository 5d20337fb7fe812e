"""Code of a library that is given back still runs."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_code_that_is_given_back_still_runs_and_takes_less() -> None:
    code = (
        "import pathlib, warp as wp\n"
        "from ghostlap.base.memory import give_back_code\n"
        "def pages(): return int(pathlib.Path('/proc/self/statm').read_text().split()[1])\n"
        "wp.config.quiet = True; wp.init(); before = pages()\n"
        "give_back_code('warp.so'); give_back_code('no such library')\n"
        "print(before - pages(), wp.zeros(3, device='cpu').numpy().sum())\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    given_back, total = ended.stdout.split()[-2:]
    assert int(given_back) > 5000, "20 MB"
    assert float(total) == 0
