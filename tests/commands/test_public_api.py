"""Every verb can be called from a notebook, by the example that its own docstring shows."""

from __future__ import annotations

import doctest
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rings import ring_file

import ghostlap
from ghostlap.commands.cli import COMMANDS, config_of, function_of
from ghostlap.training.fit import TrainResult

UNTIL_STOPPED = {"drive", "simulate"}
LONG = {
    "demo": "a whole demo, which tests/commands/test_demo.py runs",
    "benchmark": "a whole suite; tests/driving/benchmark runs a small one",
    "critic": "needs drives that fail; tests/training/test_critic.py has some",
    "failures": "a car under each of 36 conditions; tests/training/test_critic.py drives a few",
    "compare": "needs the results of two",
}
VERBS = sorted(
    name
    for name in ghostlap.__all__
    if name.islower() and name not in ("balance", "preprocess", "read_recording", "read_rgb")
)


class LastLine(doctest.OutputChecker):
    """A command may print what a person reads before what it gives; on Windows, paths are other."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return not want or got.replace(r"\\", "/").splitlines()[-1:] == want.splitlines()


def test_every_command_is_a_function_of_the_package() -> None:
    functions = [function_of(name) for name in COMMANDS]
    assert {function.__name__ for function in functions} == set(VERBS)
    assert {config_of(function).__name__ for function in functions} <= set(ghostlap.__all__)


@pytest.mark.parametrize("verb", ["ghostlap", *VERBS])
def test_the_example_of_a_docstring_runs(
    verb: str,
    small_recording: Path,
    trained: TrainResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text: str = (ghostlap if verb == "ghostlap" else getattr(ghostlap, verb)).__doc__ or ""
    example = doctest.DocTestParser().get_doctest(text, {"ghostlap": ghostlap}, verb, None, None)
    assert example.examples, "the docstring shows no example"
    if verb in UNTIL_STOPPED or verb in LONG:
        for line in example.examples:
            compile(line.source, verb, "single")
        return
    shutil.copytree(small_recording, tmp_path / "my-drive")
    only_the_run = shutil.ignore_patterns("evaluate", "dagger")  # other tests drive it, too
    shutil.copytree(trained.out, tmp_path / "runs" / "a", ignore=only_the_run)
    Path(ring_file(tmp_path)).rename(tmp_path / "oval.csv")
    monkeypatch.chdir(tmp_path)
    told: list[str] = []
    failed = doctest.DocTestRunner(LastLine()).run(example, out=told.append).failed
    assert not failed, "".join(told)


def test_naming_a_verb_imports_what_it_needs_and_no_more() -> None:
    code = "import sys, ghostlap; ghostlap.drive; sys.exit('keras' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
