"""One engine at work, in a process of its own, for ``python -m benchmarks cluster`` to measure.

Each node of a cluster keeps to one core, and so does the driver with the head, where there are
enough; all of them have caches of their own, in which nobody has drawn a scene yet.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pickle
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ghostlap.base.engine import connected, run_tasks
from ghostlap.base.engine.tasks import Report
from ghostlap.base.files import own_folder, write_json
from ghostlap.commands.evaluate import drive_the_rest
from ghostlap.driving.evaluation.episode_files import drive_episodes
from ghostlap.driving.evaluation.folder import begin_folder, keep
from ghostlap.driving.rollout.config import EvaluateConfig
from ghostlap.driving.rollout.plan import EpisodesTask, plan_pilot
from ghostlap.sim.track.tracks import track_named

EPISODE_S = 60.0
SLEEP_S = 5.0
SLEEPERS_A_NODE = 10
_SLEEPERS_ROUNDS = 3
_STORE_BYTES = 160 * 2**20
_SHORT_TASKS = 1000
_LARGE_RESULTS = 60
_LARGE_BYTES = 4 * 2**20
_PARCEL_BYTES = 64 * 2**20


@dataclasses.dataclass(frozen=True)
class Reading:
    """A task that reads a file."""

    reads: tuple[Path, ...]


def nothing(task: int, report: Report) -> int:
    """A task that takes no time."""
    return task


def large(task: int, report: Report) -> bytes:
    """A task with a large result."""
    return os.urandom(_LARGE_BYTES)


def sleep(size: int, report: Report) -> bytes:
    """A task that takes as long as an episode and no processor; its result is as large as one."""
    time.sleep(SLEEP_S)
    return os.urandom(size)


def read(task: Reading, report: Report) -> None:
    """A task that only has its file brought."""


def processes(run: dict[str, Any]) -> dict[str, Any]:
    """Episodes in processes."""
    _keep_to(run["cores"])
    tasks = episodes(run["tasks"])
    with _cold_cache() as folder:
        began_s = time.perf_counter()
        seconds_each = _evaluate(folder, tasks, processes=run["count"])
        seconds = time.perf_counter() - began_s
    return {"seconds": seconds, "task_seconds": seconds_each}


def nodes(run: dict[str, Any]) -> dict[str, Any]:
    """Episodes on one-core nodes, and what starting and the driver cost."""
    tasks = episodes(run["tasks"])
    with _nodes(run["count"], run["cores"]) as cluster, tempfile.TemporaryDirectory() as folder:
        began_s = time.perf_counter()
        list(run_tasks(nothing, [0], cluster=cluster.address))
        start_s = time.perf_counter() - began_s
        with connected(cluster.address), _measured(cluster) as figures:
            seconds_each = _evaluate(Path(folder), tasks, cluster=cluster.address)
    return figures | {"start_s": start_s, "task_seconds": seconds_each}


def _evaluate(
    folder: Path, tasks: list[EpisodesTask], processes: int | None = None, cluster: str = ""
) -> list[float]:
    """As ``ghostlap evaluate`` does it, drives and pictures written; seconds of each episode."""
    finished = begin_folder(own_folder(folder / "evaluation"), {}, tasks, False)
    drive_the_rest(folder / "evaluation", processes, cluster, tasks, finished, Console(quiet=True))
    return [result.seconds for _, result in finished]


def driver(run: dict[str, Any]) -> dict[str, Any]:
    """What tasks, results and files cost the driver: tasks that do nothing else."""
    with _nodes(run["nodes"], run["cores"]) as cluster, connected(cluster.address):
        list(run_tasks(nothing, range(4 * run["nodes"]), cluster=cluster.address))
        with _measured(cluster) as short:
            list(run_tasks(nothing, range(_SHORT_TASKS), cluster=cluster.address))
        with _measured(cluster) as big:
            for _ in run_tasks(large, range(_LARGE_RESULTS), cluster=cluster.address):
                pass
        with tempfile.TemporaryDirectory() as folder, _measured(cluster) as sent:
            file = Path(folder) / "file"
            file.write_bytes(os.urandom(_PARCEL_BYTES))
            readers = [Reading((file,))] * (2 * run["nodes"])
            list(run_tasks(read, readers, cluster=cluster.address))
    back_mb, sent_mb = _LARGE_RESULTS * _LARGE_BYTES / 1e6, _PARCEL_BYTES / 1e6
    return {
        "short_tasks_a_s": _SHORT_TASKS / short["seconds"],
        "driver_s_a_task": short["driver_s"] / _SHORT_TASKS,
        "head_s_a_task": short["head_s"] / _SHORT_TASKS,
        "driver_s_a_mb_back": big["driver_s"] / back_mb,
        "head_s_a_mb_back": big["head_s"] / back_mb,
        "mb_back_a_s": back_mb / big["seconds"],
        "driver_s_a_mb_sent_once": sent["driver_s"] / sent_mb,
        "head_s_a_mb_a_node": sent["head_s"] / sent_mb / run["nodes"],
        "mb_to_nodes_a_s": sent_mb * run["nodes"] / sent["seconds"],
    }


def sleepers(run: dict[str, Any]) -> dict[str, Any]:
    """The driver of many cores that only sleep: what a cluster of that size costs it."""
    count = max(1, run["nodes"])
    with _nodes(count, [], SLEEPERS_A_NODE) as cluster, connected(cluster.address):
        at_once = count * SLEEPERS_A_NODE
        list(run_tasks(sleep, [0] * at_once, cluster=cluster.address))
        with _measured(cluster) as figures:
            for _ in run_tasks(
                sleep, [run["bytes"]] * (_SLEEPERS_ROUNDS * at_once), cluster=cluster.address
            ):
                pass
    return figures | {"cores": at_once, "ideal_s": _SLEEPERS_ROUNDS * SLEEP_S}


def warm(run: dict[str, Any]) -> dict[str, Any]:
    """The first picture of a machine, for which kernels are compiled; then one whole episode."""
    began_s = time.perf_counter()
    [task] = episodes(1)
    with _cold_cache():
        drive_episodes(dataclasses.replace(task, seconds=1.0), lambda _: None)
    first_s = time.perf_counter() - began_s
    with _cold_cache() as folder:
        driven = drive_episodes(task, lambda _: None)
        begin_folder(own_folder(folder / "evaluation"), {}, [task], False)
        began_s = time.process_time()
        keep(folder / "evaluation", 0, driven)
        keep_s = time.process_time() - began_s
    return {
        "seconds": first_s,
        "episode_s": driven.result.seconds,
        "keep_s": keep_s,
        "sent_bytes": len(pickle.dumps((drive_episodes, task))),
        "back_bytes": len(pickle.dumps(driven)),
        "read_bytes": sum(path.stat().st_size for path in task.reads),
    }


def episodes(count: int) -> list[EpisodesTask]:
    """Episodes of a minute, one car each."""
    config = EvaluateConfig(
        Path("generalist"), ("lake",), seeds=count, direction="forward", seconds=EPISODE_S
    )
    return plan_pilot(config, [track_named("lake")])


@contextlib.contextmanager
def _measured(cluster: Any) -> Iterator[dict[str, Any]]:
    """Time, the driver's processor time and that of the head's other processes, bytes sent."""
    figures: dict[str, Any] = {}
    before_s, before_bytes = _head_s(cluster), _loopback_bytes()
    began_s, began_driver_s = time.perf_counter(), time.process_time()
    yield figures
    figures |= {
        "seconds": time.perf_counter() - began_s,
        "driver_s": time.process_time() - began_driver_s,
        "head_s": _head_s(cluster) - before_s,
        "loopback_bytes": _loopback_bytes() - before_bytes,
    }


def _head_s(cluster: Any) -> float:
    """Processor time of the head: its daemons, and the desk that collects reports."""
    import psutil

    total_s = 0.0
    for started in cluster.head_node.all_processes.values():
        for info in started:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(info.process.pid)
                for one in (process, *process.children(recursive=True)):
                    with contextlib.suppress(psutil.Error):
                        total_s += sum(one.cpu_times()[:2])
    return total_s


def _loopback_bytes() -> int:
    """All that was sent between processes of this machine through TCP; 0 where nobody counts."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/net/dev").read_text("utf-8").splitlines():
            if line.strip().startswith("lo:"):
                return int(line.split(":")[1].split()[0])
    return 0


@contextlib.contextmanager
def _cold_cache() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GHOSTLAP_CACHE"] = folder
        yield Path(folder)


@contextlib.contextmanager
def _nodes(count: int, cores: Sequence[int], slots: int = 1) -> Iterator[Any]:
    """A cluster whose driver and head keep to the first core, and its nodes to one more each."""
    from ray.cluster_utils import Cluster

    path = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
    with _cold_cache() as folder:
        _keep_to(cores[:1])
        common: dict[str, Any] = {"object_store_memory": _STORE_BYTES}
        head = {"num_cpus": 0, "include_dashboard": False, **common}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            for node in range(count):
                _keep_to(cores[1 + node : 2 + node])
                cache = {"GHOSTLAP_CACHE": str(folder / f"node-{node}"), "PYTHONPATH": path}
                cluster.add_node(num_cpus=slots, env_vars=cache, **common)
            _keep_to(cores[:1])
            yield cluster
        finally:
            cluster.shutdown()


def _keep_to(cores: Sequence[int]) -> None:
    """Let this thread, and what it starts from now on, run on these cores alone."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def work(text: str) -> None:
    """Do one run; JSON says which, and in which file its figures shall stand."""
    kinds = {one.__name__: one for one in (processes, nodes, driver, sleepers, warm)}
    run = json.loads(text)
    write_json(Path(run["answer"]), kinds[run["kind"]](run))
