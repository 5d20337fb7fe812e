"""Ray clusters of real nodes on this machine, which have neither caches nor paths in common."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from places import ROOT, TESTS

STORE_BYTES = 80 * 2**20
_TIMES = {"seconds", "real_time_factor", "real_time_factor_a_process"}
_WHERE = {"processes", "resume", "cluster", "out", "name", "cache"}


class Nodes:
    """A head without cores, where the driver is, and nodes with one core each."""

    def __init__(self, folder: Path, nodes: int) -> None:
        from ray.cluster_utils import Cluster

        self._folder, self._made = folder, 0
        self.cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False,
                "env_vars": self._environment(),
            },
        )  # fmt: skip
        self.nodes = [self.add() for _ in range(nodes)]

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self, **more: str) -> Any:
        """Let a node join."""
        return self.cluster.add_node(
            num_cpus=1,
            object_store_memory=STORE_BYTES,
            env_vars={**self._environment(), **more},
        )

    def kill(self, node: Any) -> None:
        """End a node as a power cut does."""
        self.cluster.remove_node(node, allow_graceful=False)

    def _environment(self) -> dict[str, str]:
        self._made += 1
        cache = self._folder / f"node-{self._made}"
        cache.mkdir(parents=True)
        return {
            "GHOSTLAP_CACHE": str(cache),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(TESTS)]),
            "RAY_USAGE_STATS_ENABLED": "0",
        }


def need_ray() -> None:
    """Skip where there is no Ray; where it is broken, tests fail."""
    if os.name == "nt":
        pytest.skip("not on Windows: a cluster's nodes", allow_module_level=True)
    pytest.importorskip("ray", reason="Ray, the extra 'cluster', is not installed")


@contextlib.contextmanager
def nodes_of(folder: Path, nodes: int) -> Iterator[Nodes]:
    """A cluster for as long as this context lasts."""
    need_ray()
    started = Nodes(folder, nodes)
    try:
        yield started
    finally:
        started.cluster.shutdown()


def content_of(folder: Path) -> dict[str, Any]:
    """Every file by its name: JSON without times and places; no logs and tables of times."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.endswith((".log", "log.txt", "trials.csv", ".v2")):
            found[name] = path.read_bytes()
            if name.endswith(".csv"):
                found[name] = found[name].replace(str(folder).encode(), b"HERE")
            if name.endswith((".json", ".jsonl")):
                text = found[name].decode().replace(str(folder), "HERE")
                lines = text.splitlines() if name.endswith("l") else [text]
                found[name] = [without_times(json.loads(line)) for line in lines]
            if name.endswith(".jsonl"):
                found[name].sort(key=str)  # lines come as tasks finish
    return found


def without_times(values: Any) -> Any:
    if isinstance(values, dict):
        return {
            name: without_times(value)
            for name, value in values.items()
            if name not in _TIMES | _WHERE
        }
    return [without_times(value) for value in values] if isinstance(values, list) else values
