"""Plain functions over plain tasks, on several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import tasks
from places import TESTS
from systems import posix

from ghostlap.base.engine import run_tasks
from ghostlap.base.engine.processes import python
from ghostlap.base.errors import GhostlapError, ProcessError
from ghostlap.base.platform import cores

ON_ONE_AND_TWO = pytest.mark.parametrize("processes", [1, 2])


def is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(pids: list[int]) -> list[int]:
    """Those still alive after ten seconds."""
    for _ in range(200):
        pids = [pid for pid in pids if is_alive(pid)]
        if not pids:
            break
        time.sleep(0.05)
    return pids


@ON_ONE_AND_TWO
def test_every_task_has_its_result_and_its_reports(processes: int) -> None:
    reports: list[tuple[int, float]] = []
    results = dict(
        run_tasks(
            tasks.doubled,
            [10, 20, 30, 40, 50],
            processes=processes,
            on_report=lambda index, amount: reports.append((index, amount)),
        )
    )
    assert results == {0: 20, 1: 40, 2: 60, 3: 80, 4: 100}
    assert sorted(reports) == [(i, amount) for i in range(5) for amount in (0.5, 1)]


@ON_ONE_AND_TWO
def test_no_tasks_no_results(processes: int) -> None:
    assert list(run_tasks(tasks.doubled, [], processes=processes)) == []


def test_results_come_as_they_finish(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "012"]
    order = [index for index, _ in run_tasks(tasks.slow_first, files, processes=2)]
    assert order == [1, 2, 0]


def test_one_process_is_this_one() -> None:
    [(_, found)] = run_tasks(tasks.process_of, [None], processes=1)
    assert found[0] == os.getpid()


def test_processes_are_lean_single_threaded_and_no_more_than_asked() -> None:
    found = [result for _, result in run_tasks(tasks.process_of, list(range(6)), processes=2)]
    assert os.getpid() not in {pid for pid, *_ in found}
    assert len({pid for pid, *_ in found}) <= 2
    _, environment, modules, main = found[0]
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["OPENCV_FOR_THREADS_NUM"] == "1"
    assert not {"numpy", "cv2", "keras", "warp", "pandas", "pytest"} & set(modules)
    assert main == "none", "the caller's main module must not be run again"


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import tasks\n"
        "from ghostlap.base.engine import run_tasks\n"
        "print(sorted(r for _, r in run_tasks(tasks.doubled, [1, 2, 3], processes=2)))\n"
    )
    ended = subprocess.run(
        [sys.executable, str(script), str(TESTS)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "[2, 4, 6]\n"


def test_a_function_of_the_script_itself_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from ghostlap.base.engine import run_tasks\n"
        "def mine(task, report): return task\n"
        "list(run_tasks(mine, [1, 2], processes=2))\n"
    )
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "must be importable, so not defined in a notebook or a script" in ended.stderr


@ON_ONE_AND_TWO
@pytest.mark.parametrize(("task", "kind"), [("user", GhostlapError), ("defect", ZeroDivisionError)])
def test_an_error_is_passed_on_with_its_task(
    task: str, kind: type[Exception], processes: int
) -> None:
    with pytest.raises(kind) as caught:
        list(run_tasks(tasks.failing, ["fine", task], processes=processes))
    assert type(caught.value) is kind
    assert f"in task 2 of 2, {task}" in caught.value.__notes__
    if processes == 2:
        assert "def failing" not in str(caught.value)
        assert any("tasks.py" in note for note in caught.value.__notes__)


def test_an_error_that_cannot_be_passed_on_is_told() -> None:
    with pytest.raises(ProcessError) as caught:
        list(run_tasks(tasks.failing, ["odd", "fine"], processes=2))
    assert str(caught.value) == "OddError: it fell because of gravity"


@pytest.mark.parametrize(
    ("task", "how"), [("killed", "(killed by signal|exit status) 9"), ("exit", "status 7")]
)
def test_a_process_that_ended_is_told(task: str, how: str) -> None:
    with pytest.raises(
        ProcessError, match=f"task 2 of 2, {task}: its process ended .*{how}.*fewer processes"
    ):
        list(run_tasks(tasks.failing, ["fine", task], processes=2))


def test_work_that_cannot_be_passed_is_refused() -> None:
    with pytest.raises(ProcessError, match="task 1 of 2, a cannot be passed to another process"):
        list(run_tasks(lambda task, report: task, ["a", "b"], processes=2))
    with pytest.raises(ProcessError, match="result of type lock cannot be passed"):
        list(run_tasks(tasks.unpassable, [1, 2], processes=2))
    with pytest.raises(ProcessError, match="result of type Odd cannot .*it cannot be made again"):
        list(run_tasks(tasks.odd, [1, 2], processes=2))
    with pytest.raises(ProcessError, match="its process ended before its time .exit status"):
        list(run_tasks(tasks.leaving, [1, 2], processes=2))


def test_a_task_with_a_long_name_is_named_shortly() -> None:
    with pytest.raises(ProcessError) as caught:
        list(run_tasks(lambda task, report: task, ["x" * 1000, "b"], processes=2))
    assert "x" * 200 + "… cannot" in str(caught.value)


@pytest.mark.parametrize("processes", [0, -1])
def test_no_process_is_too_few(processes: int) -> None:
    with pytest.raises(ProcessError, match=f"processes must be at least 1. Got {processes}"):
        run_tasks(tasks.doubled, [1], processes=processes)


def test_cores_by_default() -> None:
    assert cores() >= 1
    assert dict(run_tasks(tasks.doubled, [1, 2])) == {0: 2, 1: 4}


def test_an_error_in_the_loop_ends_the_processes(tmp_path: Path) -> None:
    def stop(index: int, amount: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_tasks(tasks.long_work, [tmp_path, tmp_path], processes=2, on_report=stop))
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert pids
    assert not wait_until_gone(pids)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(signal.SIGINT, marks=posix("SIGINT")),
        signal.SIGTERM,
        getattr(signal, "SIGKILL", signal.SIGTERM),
    ],
)
def test_no_process_outlives_its_parent(how: int, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1])\n"
        "import tasks\n"
        "from ghostlap.base.engine import run_tasks\n"
        "folder = pathlib.Path(sys.argv[2])\n"
        "list(run_tasks(tasks.long_work, [folder, folder], processes=2))\n"
    )
    parent: subprocess.Popen[Any] = subprocess.Popen(
        [sys.executable, "-c", code, str(TESTS), str(tmp_path)],
        stderr=subprocess.DEVNULL,
    )
    while len(list(tmp_path.iterdir())) < 2:
        assert parent.poll() is None
        time.sleep(0.02)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    parent.send_signal(how)
    parent.wait(10)
    assert not wait_until_gone(pids)


@pytest.mark.parametrize("work", ["long_work", "talking"])
def test_processes_end_without_a_word_when_their_parent_is_killed(
    work: str, tmp_path: Path
) -> None:
    folder, said = tmp_path / "pids", tmp_path / "said"
    folder.mkdir()
    code = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1])\n"
        "import tasks\n"
        "from ghostlap.base.engine import run_tasks\n"
        "folder = pathlib.Path(sys.argv[2])\n"
        f"list(run_tasks(tasks.{work}, [folder, folder], processes=2))\n"
    )
    with said.open("wb") as stderr:
        parent: subprocess.Popen[Any] = subprocess.Popen(
            [sys.executable, "-c", code, str(TESTS), str(folder)], stderr=stderr
        )
    while len(list(folder.iterdir())) < 2:
        assert parent.poll() is None
        time.sleep(0.02)
    parent.kill()
    parent.wait(10)
    assert not wait_until_gone([int(path.name) for path in folder.iterdir()])
    assert said.read_text() == ""


def test_no_process_imports_what_lies_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "pickle", "ghostlap", "onnx"):
        (tmp_path / f"{name}.py").write_text("open('came-in', 'w')")
    monkeypatch.chdir(tmp_path)
    assert dict(run_tasks(tasks.doubled, [1, 2], processes=2)) == {0: 2, 1: 4}
    subprocess.run(python("-m", "ghostlap", "--version"), check=True)
    assert not (tmp_path / "came-in").exists()
