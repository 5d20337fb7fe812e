"""What differs between Linux, macOS and Windows, all of it: no other module asks where it runs."""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import errno
import mmap
import os
import platform
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

try:
    import resource
except ModuleNotFoundError:  # Windows limits processes in other ways
    resource = None  # type: ignore[assignment]

WINDOWS = os.name == "nt"
LINUX = sys.platform == "linux"

OPEN_FILES_STAY = WINDOWS
"""Whether a file that is open, and the folder it lies in, can be neither renamed nor removed."""

BINARY: int = getattr(os, "O_BINARY", 0)
"""For ``os.open``: without it Windows writes ``\\r\\n`` where ``\\n`` is meant."""

AT_ONCE: int = getattr(os, "O_NONBLOCK", 0)
"""For ``os.open``: a FIFO does not wait for its other end. Windows has none."""

QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)
"""The option of a TCP socket that acknowledges at once what comes in. Only Linux has it."""

ADDRESS_TAKEN = (errno.EADDRINUSE, errno.EACCES) if WINDOWS else (errno.EADDRINUSE,)
"""Error numbers of ``bind``; Windows also forbids what another program has for itself."""

APART: dict[str, Any] = (
    {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    if WINDOWS
    else {"start_new_session": True}
)
"""Options of :class:`subprocess.Popen` with which Ctrl-C in a terminal is for the parent alone."""

STOP_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # of these, a system has three
    if hasattr(signal, name)
]

_MOST_OPEN_ON_MACOS = 10240
"""``OPEN_MAX`` of its ``<sys/syslimits.h>``: more is refused, also where no limit is told."""
_DONTNEED = 4  # of <sys/mman.h> on Linux
_SEGMENT_BYTES = 536
_PATIENT_ON_WINDOWS = 0x4000  # BELOW_NORMAL_PRIORITY_CLASS


def cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_name() -> str:
    """What the processor is called; a person reads it."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


def words_of(command: str) -> list[str]:
    """The words of a command line, quoted as in a shell; in Windows' paths ``\\`` is a backslash.

    Raises:
        ValueError: a quotation does not end.
    """
    words = shlex.shlex(command, posix=True, punctuation_chars=False)
    words.whitespace_split, words.commenters = True, ""
    if WINDOWS:
        words.escape = ""
    return list(words)


def quoted(*words: object) -> str:
    """Words as they are typed in a shell; on Windows in PowerShell and ``cmd``, so in its quotes.

    :func:`words_of` understands them.
    """
    one = _quoted if WINDOWS else shlex.quote
    return " ".join(one(str(word)) for word in words)


def _quoted(word: str) -> str:
    if re.fullmatch(r"[\w\\/:.=+-]+", word):
        return word
    return f'"{word}"' if '"' not in word else shlex.quote(word)


def start_patiently(command: Sequence[str], niceness: int, **options: Any) -> subprocess.Popen[Any]:
    """Start a process that runs only where nobody else wants the processor.

    Args:
        command: the program and its arguments.
        niceness: from 1 to 19, where a system counts so.
        options: of :class:`subprocess.Popen`.
    """
    if WINDOWS:
        options["creationflags"] = options.get("creationflags", 0) | _PATIENT_ON_WINDOWS
        return subprocess.Popen(command, **options)
    process = subprocess.Popen(command, **options)
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, niceness)
    return process


def kill_group(process: subprocess.Popen[Any]) -> None:
    """End a process that was started :data:`APART` at once, and with it what it has started.

    Windows knows of no group there: what it started has to end by itself.
    """
    with contextlib.suppress(OSError):
        if WINDOWS:
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def make_thread_patient() -> None:
    """Let this thread run only where a core is idle; a priority of one thread only Linux has."""
    if LINUX:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


def signal_main_thread(number: int) -> None:
    """Send this process a signal that wakes its main thread, where a system can."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        _thread.interrupt_main(signal.Signals(number))


def listen_alone(listening: socket.socket) -> None:
    """Let a socket have an address for itself, also one just used by a server that has ended.

    Windows lets a second server share the port with ``SO_REUSEADDR``; elsewhere it frees the port
    of what is left of old connections.
    """
    exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
    listening.setsockopt(socket.SOL_SOCKET, exclusive or socket.SO_REUSEADDR, 1)


def acknowledge_early(listening: socket.socket) -> None:
    """Where there is no quick acknowledgement, make what comes in fill a segment soon.

    Systems refuse that where they like: macOS below its own default, Windows always. Then a client
    that sends in small pieces waits for each to be acknowledged.
    """
    if QUICK_ACK is None and hasattr(socket, "TCP_MAXSEG"):
        with contextlib.suppress(OSError):
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT_BYTES)


def let_many_files_be_open() -> None:
    """Raise the limit of open files to what the system lets us."""
    if resource is None:
        return
    few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(few, _MOST_OPEN_ON_MACOS) if most == resource.RLIM_INFINITY else most
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def limit_process(*, memory_bytes: int, processor_s: int, file_bytes: int) -> None:
    """Let this process have no more than that from now on, as far as a system can say so.

    Windows has no such limits, macOS none of memory: what is read must be checked all the same.
    """
    if resource is not None:
        _limit(resource.RLIMIT_AS, memory_bytes)
        _limit(resource.RLIMIT_CPU, processor_s)
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_FSIZE, file_bytes)


def _limit(what: int, most: int) -> None:
    _, allowed = resource.getrlimit(what)
    if allowed != resource.RLIM_INFINITY:
        most = min(most, allowed)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(what, (most, most))


@contextlib.contextmanager
def memory_limited(more_bytes: int) -> Iterator[None]:
    """Let this process have only so much more memory than it has, on Linux, which can tell."""
    if not LINUX:
        yield
        return
    with open("/proc/self/statm", encoding="ascii") as file:
        limit = int(file.read().split()[0]) * resource.getpagesize() + more_bytes
    before, most = resource.getrlimit(resource.RLIMIT_AS)
    if before != resource.RLIM_INFINITY:
        limit = min(limit, before)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, most))


def give_back_pages(mapped: mmap.mmap) -> None:
    """Give back the memory of a mapped file; what is used is read anew."""
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def give_back_code(library: str) -> None:
    """Give back the pages of a loaded library's machine code; what is used is read anew.

    The start of Warp touches 73 MB of code for graphics cards that most machines do not have. Pages
    of code are never written to, so nothing is lost; elsewhere than on Linux nothing is done.

    Args:
        library: the name of its file.
    """
    if not LINUX:
        return
    with (
        contextlib.suppress(OSError, ValueError),
        open("/proc/self/maps", encoding="utf-8") as maps,
    ):
        system = ctypes.CDLL(None)
        for line in maps:
            where, rights, *_ = line.split(maxsplit=2)
            if rights == "r-xp" and line.rstrip("\n").endswith(f"/{library}"):
                first, end = (int(address, 16) for address in where.split("-"))
                system.madvise(ctypes.c_void_p(first), ctypes.c_size_t(end - first), _DONTNEED)
