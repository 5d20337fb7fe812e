"""Tasks on the nodes of a real Ray cluster, each with one core and a cache of its own."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import tasks
from clusters import STORE_BYTES, Nodes, need_ray, nodes_of
from hosts import hosts_of
from places import TESTS

from ghostlap.base.engine import cluster, connected, run_tasks
from ghostlap.base.errors import GhostlapError, ProcessError

need_ray()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with nodes_of(tmp_path_factory.mktemp("nodes"), 2) as started:
        yield started


def test_every_task_has_its_result_and_its_reports(nodes: Nodes) -> None:
    told: list[tuple[int, float]] = []
    done = run_tasks(
        tasks.doubled, [10, 20, 30, 40, 50], cluster=nodes.address,
        on_report=lambda index, amount: told.append((index, amount)),
    )  # fmt: skip
    assert dict(done) == {0: 20, 1: 40, 2: 60, 3: 80, 4: 100}
    assert sorted(told) == [(i, amount) for i in range(5) for amount in (0.5, 1)]


def test_what_tasks_read_goes_to_a_node_once_and_what_they_leave_comes_back(
    nodes: Nodes, tmp_path: Path
) -> None:
    words = tmp_path / "words"
    (words / "inner").mkdir(parents=True)
    (words / "inner" / "a.txt").write_bytes(b"ab" * 10_000_000)
    (words / "b.txt").write_text("b")
    (words / ".hidden").write_text("not sent")
    out = tmp_path / "out"
    given = [tasks.Travelling(n, (words, words / "b.txt"), out) for n in range(6)]
    found = dict(run_tasks(tasks.read_and_leave, given, cluster=nodes.address))
    assert [found[n][0] for n in range(6)] == [{"inner/a.txt": 20_000_000, "b.txt": 1}] * 6
    assert sorted(path.name for path in out.iterdir()) == [f"{n}.json" for n in range(6)]
    assert (out / "3.json").read_text() == f'["{out}", 3]'
    times: dict[str, int] = {}
    for node, modified_ns in (one[1] for one in found.values()):
        assert times.setdefault(node, modified_ns) == modified_ns, "sent twice"
    changed = words / "b.txt"
    changed.write_text("other")
    [(_, (sizes, _))] = run_tasks(tasks.read_and_leave, given[:1], cluster=nodes.address)
    assert sizes["b.txt"] == 5


@pytest.mark.parametrize(("task", "kind"), [("user", GhostlapError), ("defect", ZeroDivisionError)])
def test_an_error_is_passed_on_with_its_task(nodes: Nodes, task: str, kind: type) -> None:
    with pytest.raises(kind) as caught:
        list(run_tasks(tasks.failing, ["fine", task], cluster=nodes.address))
    assert type(caught.value) is kind
    assert f"in task 2 of 2, {task}" in caught.value.__notes__


def test_a_task_that_is_killed_again_and_again_is_named_and_the_others_are_kept(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "TRIES", 2)
    done = run_tasks(tasks.failing, ["killed", "a", "b"], cluster=nodes.address)
    assert sorted(index for index, _ in (next(done), next(done))) == [1, 2]
    with pytest.raises(
        ProcessError, match=r"task 1 of 3, killed: lost 2 times.*1 of 3 tasks.*--num-cpus"
    ):
        next(done)


def test_a_module_that_a_node_lacks(nodes: Nodes) -> None:
    with pytest.raises(
        ProcessError, match=r"node .*No module named 'not_there'.*what is installed here"
    ):
        list(run_tasks(tasks.needing, ["not_there"], cluster=nodes.address))


def test_a_result_larger_than_a_nodes_object_store(nodes: Nodes) -> None:
    usage = shutil.disk_usage("/tmp")
    if usage.free < 0.06 * usage.total:
        pytest.skip("this disk is as good as full, and Ray says so at 95 %")
    done = run_tasks(tasks.large, [2 * STORE_BYTES], cluster=nodes.address)
    assert [len(result) for _, result in done] == [2 * STORE_BYTES]


@pytest.mark.slow
def test_a_host_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 MB of shared memory are enough to join; what no disk takes is named at the end."""
    monkeypatch.setattr(cluster, "TRIES", 2)
    with hosts_of(tmp_path, 0) as hosts:
        hosts.add(shm="64m", disk="100m")
        done = run_tasks(tasks.large, [10, 2 * STORE_BYTES, 20], cluster=hosts.address)
        assert dict([next(done), next(done)]).keys() == {0, 2}
        with pytest.raises(
            ProcessError, match=r"task 2 of 3, .*no room for the result \(1 of 3.*--temp-dir"
        ):
            next(done)


def test_more_cores_than_any_node_has(nodes: Nodes) -> None:
    with pytest.raises(ProcessError, match="needs 2 CPU of a node, and none of the 3 nodes has"):
        list(run_tasks(tasks.doubled, [1], cluster=nodes.address, cores_each=2))


def test_processes_and_a_cluster_are_not_asked_for_together(nodes: Nodes) -> None:
    with pytest.raises(ProcessError, match="Leave out --processes or --cluster"):
        run_tasks(tasks.doubled, [1], cluster=nodes.address, processes=2)


def in_a_process(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Code that may connect to another cluster than this process, or end at once."""
    code = f"import sys; sys.path.insert(0, {str(TESTS)!r})\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


CONNECT = """
from ghostlap.base.engine import connected
with connected(sys.argv[1]):
    print("in")
"""


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ray://127.0.0.1:10001", "must be auto or host:port"),
        ("nowhere", "must be auto or host:port"),
        ("127.0.0.1:FREE", "no cluster answers there"),
    ],
)
def test_no_cluster_at_the_address(
    address: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    process = in_a_process(CONNECT, address.replace("FREE", str(port)))
    _, told = process.communicate()
    assert f"ProcessError: --cluster {address.split(':')[0]}" in told
    assert said in told


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("ConnectionError('none')", "there is no cluster on this machine (none). Begin one"),
        ("RuntimeError('Version mismatch: Ray: 2.9')", "Version mismatch: Ray: 2.9"),
        ("ray.exceptions.AuthenticationError('no')", "asks for a token"),
    ],
)
def test_ray_lets_nobody_in(error: str, said: str) -> None:
    code = f"import ray\ndef init(**_): raise {error}\nray.init = init\n{CONNECT}"
    _, told = in_a_process(code, "auto").communicate()
    assert "ProcessError: --cluster auto: " in told
    assert said in told


HEAD = """
import time
from pathlib import Path
from clusters import nodes_of
with nodes_of(Path(sys.argv[1]), 0) as nodes:
    print(nodes.address, flush=True)
    time.sleep(1000)
"""


@pytest.mark.slow
def test_a_cluster_that_asks_for_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token, other = tmp_path / "token", tmp_path / "other"
    token.write_text("0123456789abcdef" * 2)
    other.write_text("fedcba9876543210" * 2)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    head = in_a_process(HEAD, str(tmp_path))  # whoever has used Ray keeps to its first settings
    assert head.stdout is not None
    address = head.stdout.readline().strip()
    try:
        said, told = in_a_process(CONNECT, address).communicate()
        assert said == "in\n", told
        monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(other))
        _, wrong = in_a_process(CONNECT, address).communicate()
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
        _, without = in_a_process(CONNECT, address).communicate()
    finally:
        head.terminate()
        head.communicate()
    for told in (wrong, without):
        assert f"--cluster {address}: what answers there does not let this machine in" in told
        assert "RAY_AUTH_TOKEN_PATH to the file with the cluster's token" in told


def test_one_cluster_at_a_time(nodes: Nodes) -> None:
    with (
        connected(nodes.address),
        pytest.raises(ProcessError, match="this process is connected to .* already|connected to"),
        connected("127.0.0.1:1"),
    ):
        pass


def test_something_else_listens_at_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        process = in_a_process(CONNECT, address)
        connection, _ = other.accept()
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n")
        _, told = process.communicate()
        connection.close()
    assert f"--cluster {address}: no cluster answers there (what listens there is" in told


def test_auto_finds_the_cluster_of_this_machine(nodes: Nodes) -> None:
    said, told = in_a_process(CONNECT, "auto").communicate()
    assert said == "in\n", told


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(ProcessError, match=r"needs the package ray.*ghostlap\[cluster\]"),
        connected("auto"),
    ):
        pass


@pytest.mark.slow
def test_a_node_with_another_version_is_named_at_the_start(tmp_path: Path) -> None:
    about = tmp_path / "other" / "ghostlap-0.0.7.dist-info" / "METADATA"
    about.parent.mkdir(parents=True)
    about.write_text("Metadata-Version: 2.1\nName: ghostlap\nVersion: 0.0.7\n")
    with nodes_of(tmp_path, 1) as nodes:
        nodes.add(PYTHONPATH=str(about.parents[1]))
        process = in_a_process(CONNECT, nodes.address)
        _, told = process.communicate()
    assert "ghostlap 0.0.7 there, " in told
    assert "here. Install the same on every node" in told


@pytest.mark.slow
def test_nodes_that_die_and_nodes_that_join(tmp_path: Path) -> None:
    """A node killed in the middle loses nothing; one that joins late is given tasks."""
    with nodes_of(tmp_path / "nodes", 2) as nodes, connected(nodes.address):
        seen = tmp_path / "seen"
        seen.mkdir()
        told: dict[int, float] = dict.fromkeys(range(12), 0.0)

        def note(index: int, amount: float) -> None:
            told[index] += amount

        given = [(seen, number) for number in range(12)]
        done = run_tasks(tasks.waiting_for_others, given, cluster=nodes.address, on_report=note)
        found = dict([next(done)])
        nodes.kill(nodes.nodes[0])
        nodes.add(GHOSTLAP_WHO="late")
        found |= dict(done)
    assert sorted(found) == list(range(12))
    assert "late" in found.values()
    assert told == dict.fromkeys(range(12), 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_work_outlives_its_driver(nodes: Nodes, how: int, tmp_path: Path) -> None:
    code = (
        "import pathlib, tasks\n"
        "from ghostlap.base.engine import run_tasks\n"
        "folder = pathlib.Path(sys.argv[2])\n"
        "list(run_tasks(tasks.long_work, [folder, folder], cluster=sys.argv[1]))\n"
    )
    driver = in_a_process(code, nodes.address, str(tmp_path))
    while len(list(tmp_path.iterdir())) < 2:
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.1)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    driver.send_signal(how)
    driver.communicate()
    working = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(working, 30)
    assert not alive
