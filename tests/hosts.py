"""Ray clusters whose nodes are hosts of their own: network, /tmp and /dev/shm are not shared.

Each is a network namespace on a bridge to this machine, where the head and the driver are.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from clusters import STORE_BYTES, need_ray
from places import ROOT, TESTS

_BRIDGE = "ghostlap0"
_SUBNET = "10.213.77"
_PORT = 6399
_JOIN_S = 120.0
_OWN = "mount -t tmpfs -o size={disk} none /tmp && mount -t tmpfs -o size={shm} none /dev/shm"


def need_hosts() -> None:
    """Skip where this process may not make network namespaces."""
    need_ray()
    try:
        _ip("netns", "add", "ghostlap-probe")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no network namespaces: they need Linux, root and the command ip")
    _ip("netns", "delete", "ghostlap-probe")


class Hosts:
    """A head without cores on this machine, and hosts with one core each."""

    def __init__(self, folder: Path, hosts: int) -> None:
        self._made = 0
        self.address = f"{_SUBNET}.1:{_PORT}"
        self.hosts: list[str] = []
        _ip("link", "add", _BRIDGE, "type", "bridge")
        _ip("address", "add", f"{_SUBNET}.1/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
        head = ["--head", "--port", str(_PORT), "--num-cpus", "0", "--include-dashboard", "false"]
        self._head = subprocess.Popen(
            [*_ray_start(f"{_SUBNET}.1", *head), "--block"],
            env=_environment(folder / "head"), stdout=subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(hosts):
            self.add()

    def add(self, shm: str = "1g", disk: str = "8g") -> str:
        """Let a host join, with so much room in /dev/shm and in /tmp."""
        self._made += 1
        name, own = f"ghostlap-{self._made}", f"{_SUBNET}.{self._made + 1}"
        _ip("netns", "add", name)
        self.hosts.append(name)
        cable = f"ghostlap{self._made}"
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", cable, "master", _BRIDGE, "up")
        _ip("-n", name, "address", "add", f"{own}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "link", "set", "lo", "up")
        join = _ray_start(own, "--address", self.address, "--num-cpus", "1")
        script = f'{_OWN.format(shm=shm, disk=disk)} && exec "$@"'
        for _ in range(10):  # the head may not answer yet
            command = ["ip", "netns", "exec", name, "unshare", "-m", "sh", "-c", script, "-", *join]
            done = subprocess.run(
                command, env=_environment(Path("/tmp/cache")), capture_output=True
            )
            if not done.returncode:
                return name
            time.sleep(1.0)
        raise AssertionError(done.stdout.decode() + done.stderr.decode())

    def kill(self, name: str) -> None:
        """End a host as a power cut does: it says nothing any more, not even that."""
        _ip("link", "delete", name.replace("-", ""))
        listed = subprocess.run(["ip", "netns", "pids", name], capture_output=True, check=True)
        for pid in listed.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), 9)
        _ip("netns", "delete", name)
        self.hosts.remove(name)

    def end(self) -> None:
        for name in self.hosts[:]:
            self.kill(name)
        for process in (*psutil.Process(self._head.pid).children(recursive=True), self._head):
            process.kill()
        self._head.wait()
        _ip("link", "delete", _BRIDGE)


def _ray_start(own_address: str, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "ray.scripts.scripts", "start", "--node-ip-address", own_address,
        "--object-store-memory", str(STORE_BYTES), "--disable-usage-stats", *more,
    ]  # fmt: skip


def _environment(cache: Path) -> dict[str, str]:
    return {
        **os.environ,
        "GHOSTLAP_CACHE": str(cache),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(TESTS)]),
    }


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextlib.contextmanager
def hosts_of(folder: Path, hosts: int) -> Iterator[Hosts]:
    """A cluster for as long as this context lasts."""
    need_hosts()
    started = Hosts(folder, hosts)
    try:
        yield started
    finally:
        started.end()
