"""Episodes on one-core nodes of a Ray cluster on this machine, beside processes of its own."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from ghostlap.base.engine import connected, run_tasks
from ghostlap.base.engine.processes import run_in_processes
from ghostlap.base.engine.tasks import Report
from ghostlap.driving.rollout.config import EvaluateConfig
from ghostlap.driving.rollout.episode import run_episodes
from ghostlap.driving.rollout.plan import EpisodesTask, plan_pilot
from ghostlap.sim.track.tracks import track_named

_STORE_BYTES = 80 * 2**20
_SECONDS = 60.0


def measure(episodes: int, console: Console) -> dict[str, Any]:
    """Time the same episodes with each engine, all of them with scenes that nobody has drawn yet.

    Args:
        episodes: of a minute each, one car each.
        console: where it is said what is being measured.

    Returns:
        ``processes_1_s``, ``processes_2_s``, ``nodes_1_s``, ``nodes_2_s``: seconds in all;
        ``start_s``: from no connection to the first result; ``driver_share``: of a core, with two
        nodes.
    """
    config = EvaluateConfig(
        Path("generalist"), ("lake",), seeds=episodes, direction="forward", seconds=_SECONDS
    )
    tasks = plan_pilot(config, [track_named("lake")])
    figures: dict[str, Any] = {"episodes": len(tasks), "episode_s": _SECONDS}
    for count in (1, 2):
        with console.status(f"{count} process(es) …"), _cold_cache():
            began_s = time.perf_counter()
            for _ in run_in_processes(run_episodes, tasks, count, lambda *_: None):
                pass
            figures[f"processes_{count}_s"] = time.perf_counter() - began_s
        with console.status(f"{count} node(s) …"), _nodes(count) as address:
            began_s = time.perf_counter()
            list(run_tasks(nothing, [0], cluster=address))
            figures["start_s"] = time.perf_counter() - began_s
            with connected(address):
                figures |= _on_nodes(tasks, address, count)
    return figures


def _on_nodes(tasks: list[EpisodesTask], address: str, count: int) -> dict[str, float]:
    began_s, began_processor_s = time.perf_counter(), time.process_time()
    for _ in run_tasks(run_episodes, tasks, cluster=address):
        pass
    seconds = time.perf_counter() - began_s
    share = (time.process_time() - began_processor_s) / seconds
    return {f"nodes_{count}_s": seconds, "driver_share": share}


def nothing(task: int, report: Report) -> int:
    """A task that takes no time."""
    return task


@contextlib.contextmanager
def _cold_cache() -> Iterator[Path]:
    before = os.environ.get("GHOSTLAP_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GHOSTLAP_CACHE"] = folder
        try:
            yield Path(folder)
        finally:
            os.environ.pop("GHOSTLAP_CACHE")
            if before is not None:
                os.environ["GHOSTLAP_CACHE"] = before


@contextlib.contextmanager
def _nodes(count: int) -> Iterator[str]:
    from ray.cluster_utils import Cluster

    with _cold_cache() as folder:
        common: dict[str, Any] = {"object_store_memory": _STORE_BYTES}
        cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "include_dashboard": False, **common},
        )
        try:
            for node in range(count):
                environment = {
                    "GHOSTLAP_CACHE": str(folder / f"node-{node}"),
                    "PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")]),
                }
                cluster.add_node(num_cpus=1, env_vars=environment, **common)
            yield str(cluster.address)
        finally:
            cluster.shutdown()


def show(figures: dict[str, Any], console: Console) -> None:
    """Print the figures."""
    for count in (1, 2):
        processes_s, nodes_s = (figures[f"{kind}_{count}_s"] for kind in ("processes", "nodes"))
        console.print(
            f"{figures['episodes']} episodes of a minute: {processes_s:.1f} s by {count} "
            f"process(es), {nodes_s:.1f} s by {count} node(s), {nodes_s / processes_s - 1:+.1%}"
        )
    gain = figures["nodes_1_s"] / figures["nodes_2_s"]
    console.print(
        f"two nodes are {gain:.2f} times as fast as one; start {figures['start_s']:.1f} s; the "
        f"driver takes {figures['driver_share']:.1%} of a core"
    )
