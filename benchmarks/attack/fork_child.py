"""The process that forks: it has imported the libraries once, so that a command starts at once.

It reads one JSON object a line from its standard input and answers with one a line. Each command
runs in a fork that leads a session of its own and ends as any interpreter does. Nothing but imports
happens before a fork: no thread of ours, no network, no session of TensorFlow.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import signal
import sys
import time
from typing import Any

# Not onnxruntime: it starts a thread when it is imported, and a fork that lacks it cannot end.
LIGHT = (
    "numpy", "cv2", "pandas", "onnx", "tyro", "rich.live", "rich.progress",
    "matplotlib.pyplot", "h5py", "warp", "pyarrow.parquet", "av", "psutil", "filelock",
    "scipy.ndimage", "scipy.spatial", "ghostlap.commands.cli",
)  # fmt: skip
HEAVY = (*LIGHT, "ghostlap.pilots.backend", "optuna")
MODULES = {"bare": ("ghostlap.commands.cli",), "light": LIGHT, "heavy": HEAVY}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_OPERATIONS = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.link")


def serve(modules: tuple[str, ...]) -> list[str] | None:
    """Fork a process for each request; gives a command's arguments in those, None in the parent."""
    orders, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    for module in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    gc.collect()
    gc.freeze()
    waiting = b""
    while True:
        while b"\n" not in waiting:
            got = os.read(orders, 65536)
            if not got:
                return None
            waiting += got
        line, _, waiting = waiting.partition(b"\n")
        order = json.loads(line)
        if "wait" in order:
            answer: dict[str, Any] = _wait(order["wait"], order["timeout_s"])
        else:
            pid = os.fork()
            if pid == 0:
                os.close(orders)
                os.close(answers)
                return _become(order)
            answer = {"pid": pid}
        os.write(answers, json.dumps(answer).encode() + b"\n")


def _wait(pid: int, timeout_s: float) -> dict[str, Any]:
    until = time.monotonic() + timeout_s
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return {"status": os.waitstatus_to_exitcode(status)}
        if time.monotonic() > until:
            return {"status": None}
        time.sleep(0.002)


def _become(order: dict[str, Any]) -> list[str]:
    """Make a fresh fork the process that a command line would have started."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(file, number)
        os.close(file)
    os.chdir(order["folder"])
    os.environ.update(order["env"])
    if order["limit_bytes"] is not None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does itself
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["limit_bytes"],) * 2)
    _watch_operations(order["root"], order["kill_at"], order["count_file"])
    arguments: list[str] = order["arguments"]
    sys.argv = ["ghostlap", *arguments]
    return arguments


def _watch_operations(root: str, kill_at: int | None, count_file: str | None) -> None:
    """Count what is opened for writing, made, renamed and removed; end just before one of them."""
    count = 0

    def hook(event: str, values: tuple[Any, ...]) -> None:
        nonlocal count
        if event == "open":
            path, _, flags = values
            if not isinstance(flags, int) or not flags & _WRITING:
                return
        elif event in _OPERATIONS:
            path = values[0]
        else:
            return
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        if not os.path.abspath(os.fsdecode(path)).startswith(root):
            return
        count += 1
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    if count_file is not None:

        def tell() -> None:
            with open(count_file, "w", encoding="utf-8") as file:
                file.write(str(count))

        atexit.register(tell)


def main() -> None:
    arguments = serve(MODULES[sys.argv[1]])
    if arguments is not None:
        from ghostlap.commands.cli import main as ghostlap

        ghostlap(arguments)


if __name__ == "__main__":
    main()
