"""Plain functions over plain tasks: here, on several processes, or on the nodes of a cluster.

    >>> for index, result in run_tasks(drive_episode, episodes, processes=2):
    ...     results[index] = result

The function and its tasks must be picklable, and the function importable: not defined in a notebook
or a script. Where the work is done makes no difference to its results: they are keyed by the task.

A task that opens files says which in ``reads``, one that leaves files in a folder says which folder
in ``writes``, and the function asks :func:`ghostlap.base.engine.travel.located` for each of them:
nodes of a cluster have no disk in common.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from ghostlap.base.engine.processes import run_in_processes
from ghostlap.base.engine.tasks import Report as Report
from ghostlap.base.engine.tasks import name_of
from ghostlap.base.engine.travel import is_elsewhere
from ghostlap.base.errors import ProcessError
from ghostlap.base.platform import cores

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_tasks(
    function: Callable[[Task, Report], Result],
    tasks: Sequence[Task],
    *,
    processes: int | None = None,
    cluster: str = "",
    cores_each: int = 1,
    gpus_each: float = 0.0,
    on_report: Callable[[int, float], None] | None = None,
) -> Iterator[tuple[int, Result]]:
    """Call ``function(task, report)`` for each task; yield ``(index, result)`` as they finish.

    Tasks begin in their order. Closing the iterator, as Ctrl-C or an error in the loop over it
    does, ends all work at once, in the middle of it.

    Args:
        function: importable by its name. What it keeps in its module (a cache, say) lives as long
            as the process, so from one task to the next.
        tasks: their ``str`` names them in errors.
        processes: cores by default; never more than there are tasks. 1 calls the function here,
            in this very process, with its threads as they are.
        cores_each, gpus_each: of a node, that a task needs for itself.
        on_report: called here with a task's index and what its function reported.

    Raises:
        ProcessError: a process was killed, there is no such cluster, or a task, the function, its
            result or its error cannot be passed between processes.
        Exception: whatever a function raised, with a note that names its task.
    """
    tell = on_report or (lambda index, amount: None)
    if cluster:
        from ghostlap.base.engine.cluster import run_on_cluster

        if processes is not None:
            raise ProcessError(
                "--processes is for this machine alone: on a cluster as many work as its nodes "
                "have cores. Leave out --processes or --cluster."
            )
        return run_on_cluster(function, tasks, tell, cluster, cores_each, gpus_each)
    if processes is None:  # a node gives a task its cores, and other processes not its files
        processes = 1 if is_elsewhere() else max(1, cores() // cores_each)
    if processes < 1:
        raise ProcessError(f"processes must be at least 1. Got {processes}.")
    if processes == 1:
        return _run_here(function, tasks, tell)
    return run_in_processes(function, tasks, min(processes, len(tasks)), tell)


@contextlib.contextmanager
def connected(cluster: str) -> Iterator[None]:
    """Stay connected to a cluster, whose nodes are looked at; nothing without an address.

    Raises:
        ProcessError: there is none, or a node of it has other versions than this machine.
    """
    if not cluster:
        yield
        return
    from ghostlap.base.engine.cluster_access import connection

    with connection(cluster):
        yield


def _run_here(
    function: Callable[[Task, Report], Result],
    tasks: Sequence[Task],
    tell: Callable[[int, float], None],
) -> Iterator[tuple[int, Result]]:
    for index, task in enumerate(tasks):
        try:
            result = function(task, lambda amount, index=index: tell(index, amount))  # type: ignore[misc]
        except Exception as error:
            error.add_note(f"in {name_of(tasks, index)}")
            raise
        yield index, result
