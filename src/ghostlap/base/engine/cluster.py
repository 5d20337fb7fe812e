"""Tasks on the nodes of a Ray cluster: Ray Core's tasks alone, no file system in common.

A node that dies, or a process that is killed there, costs its tasks another try; nodes that join
are given tasks too. The driver sends what tasks read to nodes that lack it, and writes what they
leave; so a driver that was killed goes on as on one machine.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ghostlap.base.engine.cluster_access import (
    check_versions,
    connection,
    first_line,
    versions,
    versions_by_value,
)
from ghostlap.base.engine.tasks import ONE_THREAD, name_of, packed_work, unpacked
from ghostlap.base.engine.travel import Parcel, deliver, parcel_of, reads_of
from ghostlap.base.errors import ProcessError

TRIES = 5
"""So often a task is begun, if its process or its node is lost again and again."""

_LOOK_UP_S = 0.2
_LOOK_AT_NODES_S = 5.0
_FEWEST_AT_ONCE = 16
"""Tasks in Ray's queue; more than there are cores, for nodes that join."""
_REPORTS_A_S = 200.0
_MORE_MEMORY = (
    "Nodes kill processes when memory runs out: give nodes more memory, or 'ray start' them with "
    "fewer --num-cpus."
)
_MORE_ROOM = (
    "What is too large for a node's object store goes to its disk, where --temp-dir of 'ray start' "
    "says, or else to /tmp/ray; Ray takes a disk for full at 95 %. Make room there."
)
_THREADS = {name: one for name, one in ONE_THREAD.items() if not name.startswith("TF_")}
"""TensorFlow keeps as many threads as it has here, because sums depend on their number."""


def _begin_by_value() -> Callable[..., Any]:
    """What begins a task on a node, which may have no Ghostlap, or another one."""
    versions_there = versions_by_value()

    def begin(
        wanted: Mapping[str, str], environment: Mapping[str, str], paths: Any, work: Any
    ) -> Any:
        import os
        import sys

        found = versions_there([name for name in wanted if name != "python"])
        if found != wanted:
            return "other", (found, os.uname().nodename)
        os.environ.update(environment)
        # Ray lets nodes import from the driver's current folder, which may be a stranger's here.
        named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        sys.path[:] = [path for path in sys.path if path not in paths or path in named]
        from ghostlap.base.engine.node import Work, work_on

        return work_on(Work(*work))

    return begin


def run_on_cluster(
    function: Callable[..., Any],
    tasks: Sequence[Any],
    tell: Callable[[int, float], None],
    address: str,
    cores_each: int,
    gpus_each: float,
) -> Iterator[tuple[int, Any]]:
    """As :func:`ghostlap.base.engine.run_tasks`, on a cluster."""
    if not tasks:
        return
    with connection(address) as ray:
        team = _Team(ray, function, tasks, tell, cores_each, gpus_each)
        try:
            yield from team.results()
        except ray.exceptions.RayError as error:
            raise ProcessError(
                f"--cluster {address}: {type(error).__name__}, {first_line(error)}"
            ) from error
        finally:
            team.end()


class _Team:
    """The nodes at work on tasks."""

    def __init__(
        self, ray: Any, function: Callable[..., Any], tasks: Sequence[Any],
        tell: Callable[[int, float], None], cores_each: int, gpus_each: float,
    ) -> None:  # fmt: skip
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

        from ghostlap.base.engine.node import Desk

        self._ray, self._function, self._tasks, self._tell = ray, function, tasks, tell
        self._needs = {"CPU": cores_each, "GPU": gpus_each}
        here = ray.get_runtime_context().get_node_id()
        self._desk = ray.remote(Desk).options(
            num_cpus=0, scheduling_strategy=On(here, soft=False)
        ).remote()  # fmt: skip
        self._begin = ray.remote(num_cpus=cores_each, num_gpus=gpus_each, max_retries=0)(
            _begin_by_value()
        )
        backend = {name: os.environ[name] for name in ("KERAS_BACKEND",) if name in os.environ}
        self._environment = {**_THREADS, **backend}
        self._waiting = deque(range(len(tasks)))
        self._running: dict[Any, int] = {}
        self._tries = [0] * len(tasks)
        self._told = [0.0] * len(tasks)
        self._parcels: dict[Path, Parcel] = {}
        self._chunks: dict[str, list[Any]] = {}
        self._at_once, self._looked_s = 0, -_LOOK_AT_NODES_S
        self._lost: dict[int, tuple[str, str]] = {}

    def results(self) -> Iterator[tuple[int, Any]]:
        """Of all tasks, as they finish.

        Raises:
            ProcessError: some are lost again and again; the others are finished then.
        """
        self._check_needs()
        while self._waiting or self._running:
            if time.monotonic() - self._looked_s > _LOOK_AT_NODES_S:
                self._look_at_nodes()
            while self._waiting and len(self._running) < self._at_once:
                self._submit(self._waiting.popleft())
            if not self._running:  # what was lost with a node had been tried often enough
                break
            ready, _ = self._ray.wait(
                list(self._running), num_returns=len(self._running), timeout=_LOOK_UP_S
            )
            self._pass_on_reports()
            for answer in ready:
                yield from self._result(self._running.pop(answer), answer)
        self._pass_on_reports()
        if self._lost:
            index, (reason, advice) = next(iter(self._lost.items()))
            raise ProcessError(
                f"{name_of(self._tasks, index)}: lost {TRIES} times, the last time because "
                f"{reason} ({len(self._lost)} of {len(self._tasks)} tasks were lost so, the others "
                f"are finished). {advice}"
            )

    def end(self) -> None:
        """End what is still at work."""
        for answer in self._running:
            with contextlib.suppress(Exception):
                self._ray.cancel(answer, force=True)
        with contextlib.suppress(Exception):
            self._ray.kill(self._desk)

    def _check_needs(self) -> None:
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        for what, needed in self._needs.items():
            most = max((node.get(what, 0.0) for node in nodes), default=0.0)
            if most < needed:
                raise ProcessError(
                    f"a task needs {needed:g} {what} of a node, and none of the {len(nodes)} nodes "
                    f"has more than {most:g}. Add nodes with 'ray start --address', or ask for "
                    "less."
                )

    def _look_at_nodes(self) -> None:
        """Count their cores; begin again what is on nodes that are lost.

        Ray itself waits for ever for a result that was ready on a node and not yet here.
        """
        alive = {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
        where = self._ray.get(self._desk.where.remote())
        for answer, index in list(self._running.items()):
            node = where.get((index, self._tries[index]))
            if node is not None and node not in alive:
                del self._running[answer]
                self._try_again(index, "its node was lost", _MORE_MEMORY)
        cores = self._ray.cluster_resources().get("CPU", 0.0)
        self._at_once = max(_FEWEST_AT_ONCE, int(2 * cores / self._needs["CPU"]))
        self._looked_s = time.monotonic()

    def _submit(self, index: int) -> None:
        task = self._tasks[index]
        parcels = [self._parcel(path) for path in reads_of(task)]
        work = (
            packed_work(self._function, self._tasks, index),
            [(one.key, str(one.path), one.path.is_dir()) for one in parcels],
            {one.key: self._chunks[one.key] for one in parcels if one.key in self._chunks},
            getattr(task, "writes", None),
            self._desk,
            (index, self._tries[index]),
            max(1.0, self._at_once / _REPORTS_A_S),
        )
        answer = self._begin.remote(versions(), self._environment, [os.getcwd()], work)
        self._running[answer] = index

    def _parcel(self, path: Path) -> Parcel:
        if path not in self._parcels:
            self._parcels[path] = parcel_of(path)
        return self._parcels[path]

    def _result(self, index: int, answer: Any) -> Iterator[tuple[int, Any]]:
        try:
            kind, content = self._ray.get(answer)
        except (self._ray.exceptions.OutOfDiskError, self._ray.exceptions.ObjectStoreFullError):
            self._try_again(index, "its node has no room for the result", _MORE_ROOM)
            return
        except self._ray.exceptions.RayTaskError:
            raise  # of our own code
        except self._ray.exceptions.RayError as error:
            self._try_again(index, first_line(error), _MORE_MEMORY)
            return
        if kind == "other":
            check_versions(*content)
        if kind == "lacks":
            for parcel in self._parcels.values():
                if parcel.key in content and parcel.key not in self._chunks:
                    self._chunks[parcel.key] = [self._ray.put(one) for one in parcel.chunks()]
            self._waiting.appendleft(index)
            return
        message, left, pieces = content
        kind, result = pickle.loads(message)
        if kind == "result":
            kind, result = unpacked(*result)
        if kind == "failed":
            result.add_note(f"in {name_of(self._tasks, index)}")
            raise result
        task = self._tasks[index]
        if (folder := getattr(task, "writes", None)) is not None:
            deliver(left, pieces, folder, getattr(task, "entries", "*"))
        self._pass_on_reports()
        yield index, result

    def _try_again(self, index: int, reason: str, advice: str) -> None:
        self._tries[index] += 1
        self._tell(index, -self._told[index])
        self._told[index] = 0.0
        if self._tries[index] < TRIES:
            self._waiting.appendleft(index)
        else:
            self._lost[index] = reason, advice

    def _pass_on_reports(self) -> None:
        for (index, tried), amounts in self._ray.get(self._desk.taken.remote()):
            if tried == self._tries[index]:
                self._told[index] += sum(amounts)
                for amount in amounts:
                    self._tell(index, amount)
