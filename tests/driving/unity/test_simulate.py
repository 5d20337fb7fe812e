"""The embedded simulator as a program: its loop, its pace, its end, and the figures it prints."""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tyro
from flat_road import FlatRoad
from rich.console import Console
from rings import ring, ring_file
from scripted_server import GREETING
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from benchmarks.drive_load import Server
from ghostlap.base.errors import SimulatorError
from ghostlap.commands.sim import simulate
from ghostlap.commands.sim_config import SimulateConfig
from ghostlap.data.vision.pictures import decode_rgb
from ghostlap.driving.metrics import Intervention
from ghostlap.driving.unity.client import UnityClient, UnityTelemetry
from ghostlap.driving.unity.loop import End, UnityLoop
from ghostlap.driving.unity.pace import RealTime, Uncapped
from ghostlap.sim.scene.conditions import FIXED
from ghostlap.sim.simulation import Start
from ghostlap.sim.world import World
from ghostlap.training.fit import TrainResult

ROUND_IT = -math.degrees(math.atan(2.8 / 30.0)) / 25
"""The steering that stays on a ring of 30 m, driven slowly."""


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class ClientAtHand(UnityClient):
    """A client whose server is the test: it has always just commanded something."""

    def __init__(self, clock: Clock, steering: float = 0.0, throttle: float = 0.0) -> None:
        super().__init__("127.0.0.1", 1)
        self.clock, self.told = clock, list[UnityTelemetry | None]()
        self.steering, self.throttle = steering, throttle

    def listen(self, wait_s: float) -> None:
        self.clock.now_s += wait_s

    def command(self) -> None:
        self.commands += 1
        self.asked += 1

    def tell(self, telemetry: UnityTelemetry | None) -> None:
        self.told += [telemetry] * self.asked
        self.asked = 0


class Steps:
    """A pace that is always the same."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def physics_steps(self, client: UnityClient) -> int:
        return self.steps


def world(start: Start | None = None) -> World:
    track = ring(radius_m=30.0)
    starts = [start or Start()]
    return World(track, FIXED[track.theme], starts, height_px=16, width_px=32)


def frames(simulator: UnityLoop, most: int = 10_000) -> End:
    for _ in range(most):
        if end := simulator.frame():
            return end
    raise AssertionError("the drive does not end")


def test_physics_keeps_up_with_the_clock_at_any_frame_rate() -> None:
    for frame_rate_hz in (7.0, 60.0, 200.0):
        clock = Clock()
        pace, client = RealTime(frame_rate_hz, clock), ClientAtHand(clock)
        steps = [pace.physics_steps(client) for _ in range(int(frame_rate_hz) * 2)]
        assert clock.now_s == pytest.approx(int(frame_rate_hz) * 2 / frame_rate_hz)
        assert sum(steps) == pytest.approx(50 * clock.now_s, abs=1)


def test_a_long_break_is_not_made_up_for() -> None:
    clock = Clock()
    pace, client = RealTime(60.0, clock), ClientAtHand(clock)
    clock.now_s = 100.0
    assert pace.physics_steps(client) == 16
    assert pace.physics_steps(client) <= 1
    assert clock.now_s < 101


def test_uncapped_time_passes_only_with_commands() -> None:
    clock = Clock()
    pace, client = Uncapped(60.0), ClientAtHand(clock)
    assert pace.physics_steps(client) == 0
    client.command()
    assert sum(pace.physics_steps(client) for _ in range(120)) == 100


def test_the_drive_begins_with_the_first_command() -> None:
    client = ClientAtHand(Clock(), throttle=0.5)
    simulator = UnityLoop(world(), client, Steps(5), seconds=2.0)
    for _ in range(10):
        assert simulator.frame() is None
    assert simulator.driven_s == 0
    assert simulator.drive() is None
    client.command()
    assert frames(simulator) is End.SECONDS
    drive = simulator.drive()
    assert drive is not None
    assert drive.time_s[0] == 0
    assert drive.time_s[-1] == pytest.approx(2.0, abs=0.05)
    assert len(drive.time_s) == pytest.approx(2.0 / 0.05 + 1, abs=1)


def test_laps_end_the_drive() -> None:
    client = ClientAtHand(Clock(), ROUND_IT, 0.3)
    client.command()
    simulator = UnityLoop(world(), client, Steps(5), laps=1)
    assert frames(simulator) is End.LAPS
    assert simulator.simulation.truth().distance_m[0] >= ring(radius_m=30.0).length_m
    drive = simulator.drive()
    assert drive is not None
    assert drive.laps[-1] == 1


def test_another_simulation_stands_in_for_udacitys() -> None:
    client = ClientAtHand(Clock(), ROUND_IT, 0.3)
    client.command()
    flat = FlatRoad(ring(radius_m=30.0), None, [Start()], height_px=16, width_px=32)
    simulator = UnityLoop(flat, client, Steps(5), seconds=3.0)
    assert frames(simulator) is End.SECONDS
    drive = simulator.drive()
    assert drive is not None
    assert drive.distance_m[-1] > 3
    assert len(client.told) == 1


def test_a_car_off_the_road_is_put_back_and_counted() -> None:
    seen: list[Intervention] = []
    client = ClientAtHand(Clock(), 0.0, 0.4)
    client.command()
    simulator = UnityLoop(world(), client, Steps(5), seconds=20.0, on_intervention=seen.append)
    frames(simulator)
    drive = simulator.drive()
    assert drive is not None
    assert simulator.interventions == len(seen) == (drive.intervention != 0).sum() > 2
    assert set(seen) == {Intervention.OFF_ROAD}


def test_without_commands_it_gives_up() -> None:
    clock = Clock()
    client = ClientAtHand(clock)
    simulator = UnityLoop(world(), client, Steps(1), wait_s=30.0, clock=clock)
    assert simulator.frame() is None
    clock.now_s = 29.0
    client.command()
    assert simulator.frame() is None
    clock.now_s = 58.0
    assert simulator.frame() is None
    clock.now_s = 59.5
    assert simulator.frame() is End.NO_COMMANDS


def test_telemetry_tells_the_car_and_a_picture_of_the_moment() -> None:
    client = ClientAtHand(Clock(), -0.1, 0.3)
    simulator = UnityLoop(world(Start(speed_mps=5.0)), client, Steps(1))
    client.asked = 2
    simulator.frame()
    first, second = client.told
    assert first is not None
    assert first == second
    assert (first.steering, first.throttle) == (-0.1, 0.3)
    assert first.speed_mph == pytest.approx(5 / 0.44704, rel=0.05)
    assert decode_rgb(first.jpeg).shape == (16, 32, 3)


def test_where_no_time_has_passed_the_picture_is_the_same() -> None:
    client, pace = ClientAtHand(Clock(), 0.0, 0.3), Steps(0)
    simulator = UnityLoop(world(), client, pace)
    for _ in range(3):
        client.asked = 1
        simulator.frame()
    assert simulator.frames == 1
    pace.steps = 1
    client.asked = 1
    simulator.frame()
    assert simulator.frames == 2


def drive_round(connection: ServerConnection, steer: str) -> None:
    """Prediction every telemetry with one and the same command."""
    connection.send(GREETING)
    connection.send("40")
    try:
        for message in connection:
            connection.send("3" if message == "2" else steer)
    except ConnectionClosed:
        pass


@pytest.fixture
def serving() -> Iterator[Callable[[str], int]]:
    """Starts a drive server with one command; gives its port."""
    servers = []

    def start(steer: str) -> int:
        server = serve(lambda c: drive_round(c, steer), "127.0.0.1", 0, compression=None)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return int(server.socket.getsockname()[1])

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()


@pytest.fixture
def ring_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path))
    return ring_file(tmp_path)


def run(config: SimulateConfig) -> tuple[dict[str, Any], str]:
    text = io.StringIO()
    return simulate(config, Console(file=text, width=200)), text.getvalue()


@pytest.mark.parametrize("locale", ["de-DE", "fa-IR"])
def test_a_server_drives_the_car_round(
    locale: str, serving: Callable[[str], int], ring_name: str
) -> None:
    steering = round(ROUND_IT * 10_000)
    port = serving(f'42["steer",{{"steering_angle":"{steering}E-4","throttle":"3000E-4"}}]')
    config = SimulateConfig(
        autonomous=True, track=ring_name, port=port, locale=locale, seconds=2.0, wait_s=60.0,
        uncapped=True, frame_rate_hz=20.0,
    )  # fmt: skip
    found, shown = run(config)
    assert found["ended"] == "seconds"
    assert found["score"]["autonomy_percent"] == 100
    assert found["score"]["distance_km"] > 0.001
    assert found["score"]["mean_abs_cte_m"] < 1
    assert (found["connections"], found["chains_stopped"]) == (1, 0)
    assert found["commands"] >= found["frames"] - 2
    assert f"connected to the drive server on 127.0.0.1:{port}" in shown
    assert "autonomy 100.0 %, interv. 0, off road 0.00 1/km" in shown


def test_a_pilot_drives_the_lake_through_the_drive_server(
    trained: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the real path, as a German machine: server, pilot, wire, fragments, picture, car."""
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path))
    with Server({"work": "drive", "run": str(trained.out)}) as server:
        config = SimulateConfig(
            autonomous=True, port=server.port, locale="de-DE", seconds=5.0, wait_s=60.0,
            uncapped=True, frame_rate_hz=20.0,
        )  # fmt: skip
        found, _ = run(config)
    assert found["ended"] == "seconds"
    assert found["score"]["distance_km"] > 0.005
    assert (found["connections"], found["chains_stopped"]) == (1, 0)
    assert found["commands"] >= 98


def test_commands_that_the_locale_cannot_read_are_told(
    serving: Callable[[str], int], ring_name: str
) -> None:
    port = serving('42["steer",{"steering_angle":"0.1","throttle":"0.2"}]')
    config = SimulateConfig(
        autonomous=True, track=ring_name, port=port, locale="fr-FR", wait_s=1.0, uncapped=True
    )
    shown = io.StringIO()
    with pytest.raises(SimulatorError, match=rf"No drive server told .*127.0.0.1:{port} for 1 s"):
        simulate(config, Console(file=shown, width=200))
    assert "warning: a steer cannot be read in fr-FR" in shown.getvalue()
    assert shown.getvalue().count("warning") == 1


def test_a_car_that_leaves_the_road_is_told_of(
    serving: Callable[[str], int], ring_name: str
) -> None:
    port = serving('42["steer",{"steering_angle":"0E-4","throttle":"5000E-4"}]')
    found, shown = run(
        SimulateConfig(
            autonomous=True, track=ring_name, port=port, seconds=8.0, wait_s=60.0, uncapped=True,
            frame_rate_hz=5.0, direction="backward", conditions="seed", seed=3,
        )
    )  # fmt: skip
    interventions = found["score"]["interventions"]
    assert interventions >= 1
    assert shown.count("put back at ") == shown.count(": the car left the road") == interventions


def test_a_server_that_goes_and_comes_is_told_of(ring_name: str) -> None:
    def serve_three(connection: ServerConnection) -> None:
        connection.send(GREETING)
        for _ in range(3):
            connection.recv()
            connection.send('42["steer",{"steering_angle":"0E-4","throttle":"1000E-4"}]')

    with serve(serve_three, "127.0.0.1", 0, compression=None, close_timeout=0.1) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        config = SimulateConfig(
            autonomous=True, track=ring_name, port=port, laps=1, seconds=1.0, wait_s=60.0,
            uncapped=True, frame_rate_hz=5.0,
        )  # fmt: skip
        found, shown = run(config)
        server.shutdown()
        thread.join()
    assert found["ended"] == "seconds"
    assert found["connections"] > 1
    assert shown.count("connected to the drive server") == found["connections"]
    assert f"the drive server on 127.0.0.1:{port} is gone; trying again until it is" in shown


def test_ctrl_c_ends_with_what_was_driven(ring_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: UnityLoop) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(UnityLoop, "frame", stop)
    found, shown = run(SimulateConfig(autonomous=True, track=ring_name))
    assert found["ended"] == "stopped"
    assert found["score"] is None
    assert "Nothing was driven: no command came." in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"laps": 0}, "--laps must be at least 1. Got 0."),
        ({"seed": -1}, "--seed must be at least 0. Got -1."),
        ({"seconds": math.nan}, "--seconds must be above 0. Got nan."),
        ({"wait_s": 0.0}, "--wait-s must be above 0. Got 0.0."),
        (
            {"frame_rate_hz": 1001.0},
            "must be above 0 and at most 1000. Got 1001.0.",
        ),
        ({"host": ""}, "--host must be an IPv4 address or a name. Got nothing."),
        ({"port": 0}, "--port must be from 1 to 65535. Got 0."),
        ({"locale": "klingon"}, "--locale must be one of .*Got 'klingon'"),
    ],
)
def test_impossible_options_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SimulatorError, match=message):
        SimulateConfig(**options)


def test_options_that_would_be_passed_over_are_told() -> None:
    with pytest.raises(SimulatorError, match="--port is only for .* The page has --page-port"):
        SimulateConfig(port=8000)
    with pytest.raises(SimulatorError, match="--laps is only for a drive server, --autonomous"):
        SimulateConfig(laps=1)
    with pytest.raises(SimulatorError, match="--page-port is for the page"):
        SimulateConfig(autonomous=True, page_port=1)


def test_options_of_the_command_line() -> None:
    config = tyro.cli(SimulateConfig, args=["--track", "lake", "--autonomous", "--laps", "2"])
    assert config == SimulateConfig(autonomous=True, track="lake", laps=2)
