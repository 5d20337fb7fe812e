"""Each system's ways, where it is not the one that the tests run on faked as its manual has it."""

from __future__ import annotations

import contextlib
import errno
import mmap
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from systems import linux, posix

from ghostlap.base import platform

INFINITY = 2**63 - 1


class Limits(SimpleNamespace):
    """The module ``resource`` of a system, and what was set there."""

    def __init__(self, hard: int, refuses: type[Exception] | None = None) -> None:
        super().__init__(
            RLIMIT_AS=5, RLIMIT_CPU=0, RLIMIT_CORE=4, RLIMIT_FSIZE=1, RLIMIT_NOFILE=8,
            RLIM_INFINITY=INFINITY, hard=hard, refuses=refuses, set={},
        )  # fmt: skip

    def getrlimit(self, what: int) -> tuple[int, int]:
        return min(256, self.hard), self.hard

    def setrlimit(self, what: int, limits: tuple[int, int]) -> None:
        if self.refuses and what in (self.RLIMIT_AS, self.RLIMIT_NOFILE):
            raise self.refuses("current limit exceeds maximum limit")
        self.set[what] = limits


def limited(limits: Limits | None, monkeypatch: pytest.MonkeyPatch) -> dict[int, tuple[int, int]]:
    monkeypatch.setattr(platform, "resource", limits)
    platform.limit_process(memory_bytes=4000, processor_s=10, file_bytes=2000)
    platform.let_many_files_be_open()
    return limits.set if limits else {}


def test_a_process_gets_the_limits_that_its_system_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    linux = limited(Limits(INFINITY), monkeypatch)
    assert linux[5] == (4000, 4000)
    assert linux[0] == (10, 10)
    macos = limited(Limits(INFINITY, refuses=ValueError), monkeypatch)
    assert macos == {0: (10, 10), 4: (0, 0), 1: (2000, 2000)}
    assert limited(None, monkeypatch) == {}, "Windows has no such module"


def test_a_limit_that_is_lower_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limited(Limits(hard=1000), monkeypatch)[5] == (1000, 1000)


def test_as_many_files_as_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limited(Limits(hard=5000), monkeypatch)[8] == (5000, 5000)
    assert limited(Limits(hard=INFINITY), monkeypatch)[8] == (10240, INFINITY), "all of macOS"


class Socket:
    """A socket that notes what it is told, or refuses it as a system does."""

    def __init__(self, refuses: int | None = None) -> None:
        self.refuses, self.calls = refuses, list[tuple[int, ...]]()

    def setsockopt(self, *arguments: int) -> None:
        if self.refuses is not None:
            raise OSError(self.refuses, "Protocol not available")
        self.calls.append(arguments)


WSAENOPROTOOPT = 10042


@pytest.mark.parametrize("refuses", [WSAENOPROTOOPT, errno.EINVAL, None])
def test_a_server_listens_also_where_small_segments_are_refused(
    refuses: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "QUICK_ACK", None)
    monkeypatch.setattr(socket, "TCP_MAXSEG", 4, raising=False)
    listening: Any = Socket(refuses)
    platform.acknowledge_early(listening)
    assert listening.calls == ([] if refuses else [(socket.IPPROTO_TCP, 4, 536)])


def test_what_can_acknowledge_at_once_keeps_its_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "QUICK_ACK", 12)
    listening: Any = Socket()
    platform.acknowledge_early(listening)
    assert not listening.calls


def test_windows_lets_nobody_share_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    exclusive = ~socket.SO_REUSEADDR
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", exclusive, raising=False)
    listening: Any = Socket()
    platform.listen_alone(listening)
    assert listening.calls == [(socket.SOL_SOCKET, exclusive, 1)]


def test_two_servers_share_no_port() -> None:
    with socket.socket() as first, socket.socket() as second:
        for one in (first, second):
            platform.listen_alone(one)
        first.bind(("127.0.0.1", 0))
        first.listen()
        with pytest.raises(OSError) as refused:  # noqa: PT011
            second.bind(first.getsockname())
        assert refused.value.errno in platform.ADDRESS_TAKEN


def test_patience_and_groups_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, Any]] = []
    process = SimpleNamespace(pid=1, kill=lambda: started.append({"killed": True}))

    def start(command: list[str], **options: Any) -> SimpleNamespace:
        started.append(options)
        return process

    monkeypatch.setattr(platform, "WINDOWS", True)
    monkeypatch.setattr(subprocess, "Popen", start)
    platform.start_patiently(["x"], 10, creationflags=0x200, stdin=None)
    platform.kill_group(process)  # type: ignore[arg-type]
    assert started == [{"creationflags": 0x4200, "stdin": None}, {"killed": True}]


@posix("groups of processes")
def test_patience_and_groups_elsewhere() -> None:
    code = "import os, time; print(os.nice(0), flush=True); time.sleep(60)"
    process = platform.start_patiently(
        [sys.executable, "-c", f"import time; time.sleep(0.3); {code}"],
        7,
        stdout=subprocess.PIPE,
        **platform.APART,
    )
    assert process.stdout is not None
    assert int(process.stdout.readline()) >= 7
    platform.kill_group(process)
    assert process.wait(20) == -signal.SIGKILL
    platform.kill_group(process)  # nobody is there: no error
    process.stdout.close()


def test_where_signals_cannot_be_sent_to_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.delattr(signal, "pthread_kill", raising=False)
    monkeypatch.setattr("_thread.interrupt_main", sent.append)
    platform.signal_main_thread(signal.SIGINT)
    assert sent == [signal.SIGINT]


def test_what_tells_of_processor_and_memory_only_on_linux(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(path: str, **_: Any) -> None:
        raise FileNotFoundError(path)

    monkeypatch.setattr("builtins.open", missing)
    monkeypatch.setattr(platform, "LINUX", False)
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    assert platform.processor_name()
    assert platform.cores() >= 1
    platform.make_thread_patient()
    platform.give_back_code("warp.so")
    with platform.memory_limited(1):
        assert len(bytes(10**6)) == 10**6


def test_mapped_pages_are_given_back_where_that_can_be_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"x" * 10000)
    with (
        (tmp_path / "file").open("rb") as file,
        contextlib.closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as mapped,
    ):
        platform.give_back_pages(mapped)
        monkeypatch.delattr(mmap, "MADV_DONTNEED", raising=False)
        platform.give_back_pages(mapped)
        assert mapped[9999:] == b"x"


@linux("reads /proc")
def test_code_that_is_given_back_still_runs_and_takes_less() -> None:
    code = (
        "import pathlib, warp as wp\n"
        "from ghostlap.base.platform import give_back_code\n"
        "def pages(): return int(pathlib.Path('/proc/self/statm').read_text().split()[1])\n"
        "wp.config.quiet = True; wp.init(); before = pages()\n"
        "give_back_code('warp.so'); give_back_code('no such library')\n"
        "print(before - pages(), wp.zeros(3, device='cpu').numpy().sum())\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    given_back, total = ended.stdout.split()[-2:]
    assert int(given_back) > 5000, "20 MB"
    assert float(total) == 0


@pytest.mark.parametrize(
    ("windows", "command", "words"),
    [
        (True, r"C:\py\python.exe policy.py", [r"C:\py\python.exe", "policy.py"]),
        (True, r"""'C:\my py\python.exe' "a b\" #1""", [r"C:\my py\python.exe", "a b\\", "#1"]),
        (False, r"""my\ python 'a b' "c\"d" #1""", ["my python", "a b", 'c"d', "#1"]),
    ],
)
def test_a_command_line_is_split_as_its_system_writes_it(
    monkeypatch: pytest.MonkeyPatch, windows: bool, command: str, words: list[str]
) -> None:
    monkeypatch.setattr(platform, "WINDOWS", windows)
    assert platform.words_of(command) == words
    with pytest.raises(ValueError, match="No closing quotation"):
        platform.words_of("'python")


@given(st.booleans(), st.lists(st.text(st.characters(codec="utf-8")), min_size=1))
@example(True, ["it's", 'a "word"', "C:\\Users\\me", ""])
def test_quoted_words_are_understood(windows: bool, words: list[str]) -> None:
    if windows:  # no quotation there holds both
        words = [word.replace('"', "") if "'" in word else word for word in words]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(platform, "WINDOWS", windows)
        assert platform.words_of(platform.quoted(*words)) == words


@pytest.mark.parametrize(
    ("windows", "typed"),
    [(True, 'evaluate runs\\a "my laps\\b" --columns "speed=a,b"'),
     (False, "evaluate 'runs\\a' 'my laps\\b' --columns speed=a,b")],
)  # fmt: skip
def test_commands_are_typed_as_the_system_wants_them(
    monkeypatch: pytest.MonkeyPatch, windows: bool, typed: str
) -> None:
    """``cmd`` knows no single quotes, and PowerShell takes a comma for a list."""
    monkeypatch.setattr(platform, "WINDOWS", windows)
    assert platform.quoted("evaluate", "runs\\a", "my laps\\b", "--columns", "speed=a,b") == typed
