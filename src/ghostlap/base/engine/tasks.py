"""What all engines have in common: reports, names of tasks, results that came from elsewhere."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

from ghostlap.base.errors import ProcessError

Report = Callable[[float], None]
"""Called by a function at work to say how much it has done since its last report."""

ONE_THREAD = dict.fromkeys(
    [
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS", "OPENCV_FOR_THREADS_NUM",
        "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
    ],
    "1",
)  # fmt: skip
"""Environment of a process that works beside others."""

_NAME_LENGTH = 200


def name_of(tasks: Sequence[Any], index: int) -> str:
    """What messages call a task."""
    text = str(tasks[index])
    if len(text) > _NAME_LENGTH:
        text = text[:_NAME_LENGTH] + "…"
    return f"task {index + 1} of {len(tasks)}, {text}"


def packed_work(function: Callable[..., Any], tasks: Sequence[Any], index: int) -> bytes:
    """A function and a task on their way to another process.

    Raises:
        ProcessError: they cannot be passed.
    """
    try:
        return pickle.dumps((function, tasks[index]))
    except Exception as error:
        raise ProcessError(
            f"{name_of(tasks, index)} cannot be passed to another process ({error}). Use "
            "functions and classes of a module, and plain data, or one process."
        ) from error


def unpacked(type_name: str, packed: bytes) -> tuple[str, Any]:
    """The result that was passed here, or that it cannot be."""
    try:
        return "result", pickle.loads(packed)
    except Exception as error:
        return "failed", not_passable(type_name, error)


def not_passable(type_name: str, error: Exception) -> ProcessError:
    """What is told of a result that cannot be passed between processes."""
    return ProcessError(
        f"a result of type {type_name} cannot be passed between processes "
        f"({type(error).__name__}: {error}). Return plain data."
    )
