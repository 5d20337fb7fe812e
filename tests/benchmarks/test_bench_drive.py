"""The benchmark of the drive server: that it measures what it says, not how fast it is."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rings import ring_file
from scripted_server import GREETING
from websockets.sync.server import ServerConnection, serve

from benchmarks import command, drive, drive_load
from benchmarks.command import BenchConfig, bench
from benchmarks.drive_load import Server, end_trips, simulators_of
from benchmarks.drive_tables import show
from ghostlap.base.errors import GhostlapError, PilotError
from ghostlap.data.vision.pictures import decode_rgb
from ghostlap.training.fit import TrainResult


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("bench-drive")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GHOSTLAP_CACHE", str(folder))
        return drive.pictures_around(ring_file(folder), 3)


@pytest.fixture(scope="module")
def figures(pictures: list[bytes], trained: TrainResult) -> dict[str, Any]:
    """All figures, over few round trips."""
    run = trained.out
    return {
        "limit": drive.echo(pictures, 10),
        "limit_after": drive.echo(pictures, 10),
        "start": drive.starts(run, pictures, 1),
        "driving": drive.driving(run, pictures, 30),
        "one_chain": drive.driving(run, pictures, 20, chains=1),
        "bare": drive.driving(None, pictures, 30),
        "many": drive.driving(run, pictures, 120, clients=3),
        "memory": drive.memory(run, pictures, 200),
    }


def test_pictures_are_the_simulators(pictures: list[bytes]) -> None:
    assert {decode_rgb(picture).shape for picture in pictures} == {(160, 320, 3)}
    assert len(set(pictures)) == 3


def test_all_is_measured(figures: dict[str, Any]) -> None:
    for part in ("limit", "limit_after", "driving", "one_chain", "bare", "many"):
        assert 0 < figures[part]["p50_ms"] <= figures[part]["p99_ms"]
        assert figures[part]["trips_per_s"] > 0
    assert figures["start"]["first_steer_s"] > 0
    assert figures["many"]["clients"] == 3
    assert sum(figures["many"]["each_trips"]) >= 120
    assert all(figures["many"]["each_trips"])
    memory = figures["memory"]
    assert len(memory["resident_mb"]) == 20
    assert min(memory["resident_mb"]) > 20
    assert memory["growth_mb"] == memory["resident_mb"][-1] - memory["resident_mb"][0]


def test_a_telemetry_on_the_way_is_one_of_each_chain() -> None:
    """Counted by a server that never answers."""
    heard: list[list[str]] = []
    parted = threading.Event()

    def hold(connection: ServerConnection) -> None:
        heard.append([])
        connection.send(GREETING)
        for message in connection:
            if message != "2":
                heard[-1].append(str(message))
        parted.set()

    with serve(hold, "127.0.0.1", 0, compression=None) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        for chains in (1, 2):
            parted.clear()
            simulator = drive_load.Simulator(listening.socket.getsockname()[1], [b"jpeg"], chains)
            for _ in range(20):
                simulator.turn(0.02)
            simulator.client.close()
            assert parted.wait(10)
            assert len(heard[-1]) == chains
        listening.shutdown()
        thread.join()


def test_the_tables_show_it(figures: dict[str, Any]) -> None:
    text = io.StringIO()
    show(figures, Console(file=text, width=140))
    shown = text.getvalue()
    assert f"{figures['driving']['p50_ms']:.2f}" in shown
    assert f"{figures['bare']['trips_per_s']:.0f}" in shown
    assert "3 simulators at once" in shown
    assert f"{min(figures['many']['each_trips'])} answers" in shown
    assert f"start to first steer: {figures['start']['first_steer_s']:.2f} s" in shown
    assert "MB after 10 frames" in shown


def test_drive_measures_every_part_and_writes_json(
    figures: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def noting(result: Any) -> Callable[..., Any]:
        def note(*given: Any, **named: Any) -> Any:
            asked.append((given, named))
            return result

        return note

    monkeypatch.setattr("benchmarks.drive.Pilot.load", lambda run: None)
    monkeypatch.setattr(drive, "pictures_around", lambda *_: ["pictures"])
    monkeypatch.setattr(drive, "echo", lambda *_: figures["limit"])
    monkeypatch.setattr(drive, "starts", noting(figures["start"]))
    monkeypatch.setattr(drive, "driving", noting(figures["many"]))
    monkeypatch.setattr(drive, "memory", noting(figures["memory"]))
    monkeypatch.setattr(command, "console", Console(file=io.StringIO()))
    run = Path("runs/a")
    found = bench(BenchConfig("drive", run, out=tmp_path / "out.json", repeats=16, frames=5000))
    assert asked == [
        ((run, ["pictures"], 2), {}), ((run, ["pictures"], 1600), {}),
        ((run, ["pictures"], 1600), {"chains": 1}), ((None, ["pictures"], 1600), {}),
        ((run, ["pictures"], 1600, 8), {}), ((run, ["pictures"], 5000), {}),
    ]  # fmt: skip
    assert json.loads((tmp_path / "out.json").read_text()) == found
    assert set(figures) < set(found)


def test_a_server_that_ends_by_itself_is_told(tmp_path: Path, pictures: list[bytes]) -> None:
    with pytest.raises(GhostlapError, match=r"(?s)ended by itself. It said: .*PilotError"):
        drive.driving(tmp_path / "nothing", pictures, 1)


def test_a_server_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive_load, "_STALLED_S", 0.2)
    task = {"work": "echo", "read_bytes": 10**9, "answer_bytes": 1}
    with (
        pytest.raises(GhostlapError, match=r"not answered anything for 0.2 s. Try 'ghostlap"),
        Server(task) as server,
        simulators_of(server, [b""], 1),
    ):
        pass


def test_a_client_that_is_thrown_out_is_told() -> None:
    class Patient(Server):
        def __init__(self, port: int) -> None:
            self.port = port

        def be_patient(self) -> None: ...

        def check(self) -> None: ...

    with serve(lambda connection: None, "127.0.0.1", 0) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        server = Patient(listening.socket.getsockname()[1])
        with (
            pytest.raises(GhostlapError, match="the server disconnected a client"),
            simulators_of(server, [b"jpeg"], 1) as simulators,
        ):
            end_trips(server, simulators, 1)
        listening.shutdown()
        thread.join()


def test_without_a_pilot_nothing_is_measured(tmp_path: Path) -> None:
    with pytest.raises(PilotError, match="no such run folder"):
        bench(BenchConfig("drive", tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (BenchConfig("drive"), "bench drive needs a pilot .* python -m benchmarks drive RUN"),
        (BenchConfig("drive", Path("r"), frames=10), "--frames must be at least 1000. Got 10."),
    ],
)
def test_impossible_options_are_told(config: BenchConfig, message: str) -> None:
    with pytest.raises(GhostlapError, match=message):
        bench(config)
