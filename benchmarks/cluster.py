"""Episodes on one-core nodes of a Ray cluster on this machine, beside processes of its own.

What needs few cores is measured at the same time where there are many, each kept to cores of its
own; what needs more than there are has the machine to itself.
"""

from __future__ import annotations

import heapq
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.cluster_process import SLEEPERS_A_NODE
from ghostlap.base.errors import GhostlapError
from ghostlap.base.files import read_json

_COUNTS = (1, 2, 4, 8, 14)
_BESIDE_PROCESSES = (1, 2, 8)
_FEWEST_EACH = 4
_DRIVERS_NODES = 4
_SLEEPERS_A_CORE = 6
_NETWORK_BYTES_A_S = 125e6
"""A gigabit a second."""
_LOOK_UP_S = 0.2
_RUN = "import sys; from benchmarks.cluster_process import work; work(sys.argv[1])"
_PAPER = ((100, 1), (1000, 1), (1000, 16))
"""Nodes, and cores of each."""


def measure(episodes: int, console: Console) -> dict[str, Any]:
    """Time the same episodes with each engine, all of them with scenes that nobody has drawn yet.

    Args:
        episodes: of a minute each, one car each; four for each node if that is more.
        console: where it is said what is being measured.

    Returns:
        ``processes_N`` and ``nodes_N`` for ``N`` cores, ``warm``: an episode by itself, ``driver``
        and ``sleepers``: what ``benchmarks.cluster_process`` says of them; ``paper``: what follows
        for larger clusters.
    """
    cores, physical = _cores()
    figures: dict[str, Any] = {"cores": cores, "physical_cores": physical, "episodes": episodes}
    figures |= _together([{"kind": "warm", "needs": 1}], cores, physical, console)
    runs: list[dict[str, Any]] = []
    for count in [one for one in _COUNTS if one < max(3, len(cores))]:
        run = {"count": count, "tasks": max(episodes, _FEWEST_EACH * count)}
        runs.append({"kind": "nodes", "needs": count + 1} | run)
        if count in _BESIDE_PROCESSES:
            runs.append({"kind": "processes", "needs": count} | run)
    alone = {"needs": len(cores)}
    runs.append({"kind": "driver", "nodes": min(_DRIVERS_NODES, len(cores) - 1)} | alone)
    sleepers = {"nodes": _SLEEPERS_A_CORE * len(cores) // SLEEPERS_A_NODE}
    runs.append({"kind": "sleepers", "bytes": figures["warm"]["back_bytes"]} | sleepers | alone)
    figures |= _together(runs, cores, physical, console)
    return figures | {"paper": on_paper(figures)}


def _cores() -> tuple[list[int], int]:
    """Cores of this machine, those that share a physical one last, and how many share none."""
    if not hasattr(os, "sched_getaffinity"):
        return list(range(os.cpu_count() or 1)), os.cpu_count() or 1
    first: list[int] = []
    second: list[int] = []
    seen: set[str] = set()
    for core in sorted(os.sched_getaffinity(0)):
        path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
        siblings = path.read_text("utf-8").strip() if path.exists() else str(core)
        (second if siblings in seen else first).append(core)
        seen.add(siblings)
    return first + second, len(first)


def _together(
    runs: list[dict[str, Any]], cores: list[int], physical: int, console: Console
) -> dict[str, dict[str, Any]]:
    """Do runs in their order, at the same time as long as there are physical cores for them."""
    waiting = list(runs)
    working: dict[str, tuple[subprocess.Popen[bytes], dict[str, Any]]] = {}
    answers: dict[str, dict[str, Any]] = {}
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            while waiting or working:
                for run in list(waiting):
                    busy = sum(other["needs"] for _, other in working.values())
                    if working and run["needs"] + busy > physical:
                        continue
                    waiting.remove(run)
                    taken = {core for _, other in working.values() for core in other["cores"]}
                    free = [core for core in cores if core not in taken][: run["needs"]]
                    name = f"{run['kind']}_{run['count']}" if "count" in run else run["kind"]
                    given = run | {"answer": str(Path(folder) / name)}
                    given["cores"] = free if len(free) == run["needs"] else []
                    process = subprocess.Popen([sys.executable, "-c", _RUN, json.dumps(given)])
                    working[name] = process, given
                time.sleep(_LOOK_UP_S)
                for name, (process, given) in list(working.items()):
                    if process.poll() is None:
                        continue
                    del working[name]
                    if process.returncode:
                        failed.append(name)
                    else:
                        answers[name] = read_json(Path(given["answer"]))
                        console.print(f"{name}: {json.dumps(_without_lists(answers[name]))}")
        finally:
            for process, _ in working.values():
                process.terminate()
    if failed:
        raise GhostlapError(f"{', '.join(failed)}: failed. What it said stands above.")
    return answers


def _without_lists(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 5) for name, value in figures.items() if not isinstance(value, list)}


def on_paper(figures: dict[str, Any]) -> list[dict[str, float]]:
    """What limits larger clusters, from measured figures: the work, the driver, or its network.

    Returns:
        For each size: cores, the share of them at work over 50 episodes a core, the driver's share
        of a core, and its network's.
    """
    one, driver = figures["warm"], figures["driver"]
    seconds_each = figures["nodes_1"]["task_seconds"]
    task_s = statistics.mean(seconds_each)
    back_mb = one["back_bytes"] / 1e6
    driver_s = driver["driver_s_a_task"] + back_mb * driver["driver_s_a_mb_back"] + one["keep_s"]
    wire_s = (one["back_bytes"] + one["sent_bytes"]) / _NETWORK_BYTES_A_S
    found = []
    for nodes, cores_each in _PAPER:
        cores = nodes * cores_each
        seconds = simulated(cores, 50 * cores, seconds_each, max(driver_s, wire_s))
        found.append(
            {
                "nodes": nodes,
                "cores": cores,
                "cores_at_work": 50 * task_s / seconds,
                "driver_share": min(1.0, 50 * cores * driver_s / seconds),
                "network_share": min(1.0, 50 * cores * wire_s / seconds),
                "most_cores": task_s / max(driver_s, wire_s),
            }
        )
    return found


def simulated(cores: int, tasks: int, task_seconds: list[float], each_s: float) -> float:
    """Seconds that tasks take if all of them pass through one driver.

    Args:
        cores: that work, one task each.
        tasks: how many; two a core are begun ahead.
        task_seconds: how long they take, one after the other, from the start again.
        each_s: the driver's time, or its network's, for each.
    """
    free = [0.0] * cores
    under_way: list[float] = []
    driver_s = 0.0
    for task in range(tasks):
        if len(under_way) >= 2 * cores:
            driver_s = max(driver_s, heapq.heappop(under_way))
        driver_s += each_s
        end_s = max(driver_s, free[0]) + task_seconds[task % len(task_seconds)]
        heapq.heapreplace(free, end_s)
        heapq.heappush(under_way, end_s)
    return max(max(free), driver_s)


def show(figures: dict[str, Any], console: Console) -> None:
    """Print the figures."""
    one, episode = figures["nodes_1"], figures["warm"]
    for count in [count for count in _COUNTS if f"nodes_{count}" in figures]:
        run, beside = figures[f"nodes_{count}"], figures.get(f"processes_{count}")
        tasks = len(run["task_seconds"])
        gain = tasks / run["seconds"] / len(one["task_seconds"]) * one["seconds"]
        than = f" ({run['seconds'] / beside['seconds'] - 1:+.1%} to processes)" if beside else ""
        console.print(
            f"{tasks} episodes on {count} node(s): {run['seconds']:.1f} s{than}, {gain:.2f} times "
            f"as fast as one; start {run['start_s']:.1f} s; driver "
            f"{run['driver_s'] / run['seconds']:.1%} of a core, the head's other processes "
            f"{run['head_s'] / run['seconds']:.1%}"
        )
    console.print(
        f"an episode: {episode['sent_bytes'] / 1e3:.1f} kB to a node, "
        f"{episode['back_bytes'] / 1e3:.0f} kB back; a node once: "
        f"{episode['read_bytes'] / 1e3:.0f} kB; writing it takes {episode['keep_s'] * 1e3:.0f} ms"
    )
    for what, value in figures["driver"].items():
        console.print(f"{what}: {value:.4g}")
    sleepers = figures["sleepers"]
    console.print(
        f"{sleepers['cores']} cores that sleep: {sleepers['seconds']:.1f} s for "
        f"{sleepers['ideal_s']:.0f}, driver {sleepers['driver_s'] / sleepers['seconds']:.1%}, "
        f"head {sleepers['head_s'] / sleepers['seconds']:.1%}"
    )
    for size in figures["paper"]:
        console.print(
            f"on paper, {size['nodes']} nodes, {size['cores']} cores: {size['cores_at_work']:.1%} "
            f"at work, driver {size['driver_share']:.1%} of a core, network "
            f"{size['network_share']:.1%} of a gigabit; most {size['most_cores']:.0f} cores"
        )
