"""A Ray cluster, reached and found fit: somebody answers, lets us in, and has the same versions."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from ghostlap.base.errors import ProcessError
from ghostlap.base.signals import handlers_kept

_REACH_S = 5.0
_HTTP2_SETTINGS = b"\4"
_HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0" + _HTTP2_SETTINGS + bytes(5)
"""What Ray's head answers to, as all of gRPC; for anything else Ray itself waits for minutes."""
_ANSWER_S = 120.0
_PACKAGES = ("ghostlap", "ray")


def _ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ProcessError(
            f"--cluster needs the package {error.name}, which is not installed. Install Ghostlap "
            "with it: pip install 'ghostlap[cluster]'"
        ) from error
    return ray


@contextlib.contextmanager
def connection(address: str) -> Iterator[Any]:
    """Be connected to a cluster all nodes of which have this machine's versions.

    Within a connection it stays as it is.

    Raises:
        ProcessError: there is no cluster, it lets nobody in, or a node has other versions.
    """
    ray = _ray()
    if ray.is_initialized():
        already = ray.get_runtime_context().gcs_address
        if address not in ("auto", already):
            raise ProcessError(f"--cluster {address}: this process is connected to {already}.")
        yield ray
        return
    try:
        with handlers_kept():  # Ray takes SIGTERM for itself
            _connect(ray, _reachable(address))
        _check_nodes(ray)
        yield ray
    finally:
        ray.shutdown()


def _reachable(address: str) -> str:
    """The address, at which something listens."""
    named = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    if not named:
        return "auto"
    if not re.fullmatch(r"[\w.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", named):
        whose = f"--cluster {address}" if named == address else f"RAY_ADDRESS={named}"
        raise ProcessError(
            f"{whose}: must be auto or host:port, as 'ray start --head' says it, on a machine that "
            "is a node of the cluster."
        )
    host, _, port = named.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _REACH_S) as there:
            if not os.environ.get("RAY_USE_TLS", "0").strip("0"):
                there.sendall(_HTTP2_HELLO)
                if there.recv(4)[3:] != _HTTP2_SETTINGS:
                    raise OSError("what listens there is something else")
    except (OSError, OverflowError) as error:
        raise ProcessError(
            f"--cluster {named}: no cluster answers there ({error}). Begin one with 'ray start "
            "--head' (docs/cluster.md), or leave out --cluster."
        ) from error
    return named


def _connect(ray: Any, address: str) -> None:
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except ray.exceptions.AuthenticationError as error:
        raise ProcessError(
            f"--cluster {address}: the cluster asks for a token, and has none of ours "
            f"({first_line(error)}). RAY_AUTH_TOKEN_PATH names the file that holds it."
        ) from error
    except ConnectionError as error:
        if address != "auto":
            raise ProcessError(
                f"--cluster {address}: what answers there does not let this machine in "
                f"({first_line(error)}). Where nodes are started with RAY_AUTH_MODE=token, set it "
                "here too, and RAY_AUTH_TOKEN_PATH to the file with the cluster's token; or it is "
                "no cluster of Ray."
            ) from error
        raise ProcessError(
            f"--cluster {address}: there is no cluster on this machine ({first_line(error)}). "
            "Begin one with 'ray start --head', or join one with 'ray start --address host:port' "
            "(docs/cluster.md), or leave out --cluster."
        ) from error
    except (RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise ProcessError(
            f"--cluster {address}: cannot be joined ({' '.join(str(error).split())}). This machine "
            "must be a node of it ('ray start --address host:port', --num-cpus 0 if it shall do no "
            "work), with the same Ray and Python."
        ) from error


def first_line(error: Exception) -> str:
    """What Ray says first, without the pages that follow it."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0]


def versions() -> dict[str, str]:
    """Of what must be the same on all nodes."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python, **{name: version(name) for name in _PACKAGES}}


def versions_by_value() -> Callable[[Sequence[str]], dict[str, str]]:
    """A function for nodes that may have no Ghostlap, or another one: Ray sends its code along."""

    def versions_there(packages: Sequence[str]) -> dict[str, str]:
        import platform
        from importlib.metadata import PackageNotFoundError, version

        found = {"python": ".".join(platform.python_version_tuple()[:2])}
        for name in packages:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                found[name] = "none"
        return found

    return versions_there


def _check_nodes(ray: Any) -> None:
    """Ask each node for its versions."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    ask = ray.remote(num_cpus=0, max_retries=0)(versions_by_value())
    asked = {
        ask.options(scheduling_strategy=On(node["NodeID"], soft=False)).remote(_PACKAGES): node
        for node in ray.nodes()
        if node["Alive"]
    }
    ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER_S)
    for answer in ready:
        with contextlib.suppress(ray.exceptions.RayError):  # it has left meanwhile
            node = asked[answer]
            name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
            check_versions(ray.get(answer), name)


def check_versions(found: Mapping[str, str], node: str) -> None:
    """Refuse a node whose versions are not this machine's."""
    differing = [
        f"{name} {found[name]} there, {wanted} here"
        for name, wanted in versions().items()
        if found[name] != wanted
    ]
    if differing:
        raise ProcessError(
            f"node {node}: {'; '.join(differing)}. Install the same on every node "
            "(docs/cluster.md)."
        )
