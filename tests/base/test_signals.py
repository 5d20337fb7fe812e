"""Being asked to stop: once is enough, more is harmless, and nobody sees a traceback."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from places import ROOT
from systems import posix

from ghostlap.base.signals import (
    Asked,
    Stopped,
    ask_to_stop,
    handlers_kept,
    listening,
    noted,
    stoppable,
)

SIGHUP = getattr(signal, "SIGHUP", 1)
sends_signals = posix("signals end a process there without asking it")

PROGRAM = """
import sys, time
from ghostlap.base import files
from ghostlap.commands import cli
from ghostlap.base.terminal import say

def command(arguments):
    {body}

cli._run = lambda name, arguments: command(arguments)
cli.main()
"""
WORKS = """
    try:
        print("ready", flush=True)
        while True:
            pass
    finally:
        for _ in range(20):
            time.sleep(0.02)
        print("saved", flush=True)
"""
LOSES = """
    class Holder:
        def __del__(self):
            print("ready", flush=True)
            time.sleep(0.5)
    Holder()
    time.sleep(20)
"""
TURNS = """
    try:
        print("ready", flush=True)
        time.sleep(20)
    except KeyboardInterrupt:
        raise ValueError("a library's own") from None
"""
HANGS = """
    try:
        print("ready", flush=True)
        time.sleep(20)
    finally:
        from ghostlap.base import signals
        signals._PATIENCE_S = 0.3
        print("cleaning", flush=True)
        time.sleep(30)
"""


def started(body: str, **options: Any) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body), "train"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@sends_signals
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (getattr(signal, "SIGHUP", 0), 129)],
)
def test_five_quick_ones_are_as_one(number: signal.Signals, status: int) -> None:
    process = started(WORKS)
    for _ in range(5):
        process.send_signal(number)
        time.sleep(0.03)
    said, told = process.communicate(timeout=20)
    assert said == "saved\n"
    assert told == "\nstopped\n"
    assert process.returncode == status


def test_one_that_was_started_to_be_stopped_stops_with_its_input() -> None:
    process = started(WORKS, **stoppable())
    ask_to_stop(process)
    said, told = process.communicate(timeout=20)
    assert said == "saved\n"
    assert told == "\nstopped\n"
    assert process.returncode == 143


INHERITS = """
    print("ready", flush=True)
    import os, subprocess
    child = [sys.executable, "-c", "import os, sys; print(sys.stdin.read(), *os.environ)"]
    print(subprocess.run(child, capture_output=True, text=True).stdout, flush=True)
"""


def test_what_it_starts_itself_is_not_stopped_so() -> None:
    process = started(INHERITS, **stoppable())
    assert process.stdout is not None
    assert "STOPS_WITH_ITS_INPUT" not in process.stdout.readline()
    process.wait(20)
    process.communicate()


@sends_signals
@pytest.mark.parametrize(("body", "told"), [(LOSES, "\nstopped\n"), (TURNS, "stopped (ValueError")])
def test_it_is_heard_where_python_or_a_library_loses_it(body: str, told: str) -> None:
    process = started(body)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=20)
    assert words.startswith(told)
    assert "Traceback" not in words
    assert process.returncode == 130


@sends_signals
def test_where_cleaning_up_hangs_a_later_one_ends_it() -> None:
    process = started(HANGS)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "cleaning\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=20)
    assert words == ""
    assert process.returncode == 130


def test_it_is_noted_once_and_breaks_off_the_second_time() -> None:
    before = signal.getsignal(signal.SIGINT)
    with noted() as asked:
        assert not asked
        signal.raise_signal(signal.SIGINT)
        assert asked
        assert asked.number == signal.SIGINT
        with pytest.raises(Stopped):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@posix("SIGHUP")
def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with listening() as asked:
            signal.raise_signal(signal.SIGHUP)
            assert not asked
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_beside_the_main_thread_nothing_changes() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def listen() -> None:
        with noted() as asked:
            seen.append((asked, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    [(asked, within)] = seen
    assert type(asked) is Asked
    assert within is before


def test_only_one_module_handles_signals() -> None:
    package = ROOT / "src" / "ghostlap"
    handling = ("signal.signal(", "add_signal_handler(", "default_int_handler")
    found = {
        path.name
        for path in package.rglob("*.py")
        if any(words in path.read_text(encoding="utf-8") for words in handling)
    }
    assert found == {"signals.py", "worker.py"}  # a worker ignores Ctrl-C


def test_handlers_are_kept_whatever_a_library_does() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with contextlib.suppress(ValueError), handlers_kept():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise ValueError
    assert signal.getsignal(signal.SIGTERM) is before


@sends_signals
@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "sign"),
    [
        (("train",), "history.csv"),
        (("search", "--trials", "2", "--space", "steps_per_epoch=500..600"), "trial-000.log"),
    ],
    ids=["train", "search"],
)
@pytest.mark.parametrize("after_s", [0.0, 0.7, 1.9])
def test_a_training_is_stopped_by_five_quick_ones(
    command: tuple[str, ...], sign: str, after_s: float, small_recording: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    more = ["--steps-per-epoch", "5", "--epochs", "1000"] if command[0] == "train" else []
    process = subprocess.Popen(
        [sys.executable, "-m", "ghostlap", command[0], str(small_recording), *command[1:], *more,
         "--out", str(out), "--cache", str(tmp_path / "cache")],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (out / sign).exists():
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(after_s)
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "stopped" in told
    assert "goes on from here" in told
    for word in ("Traceback", "Exception", "Error", "executing"):
        assert word not in told
