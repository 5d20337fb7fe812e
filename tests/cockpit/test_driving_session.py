"""The drive in the cockpit: hands, modes, taking over, recording. No clock passes here."""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import numpy as np
import pytest
from rings import ring_file
from small_pilot import make_pilot

from ghostlap.base.errors import CockpitError, PilotError, RecordingError
from ghostlap.cockpit.driving_session import DrivingSession
from ghostlap.cockpit.manual_input import HANDS_OFF_AFTER_S, ManualInput
from ghostlap.cockpit.pilot_runner import PilotRunner
from ghostlap.cockpit.protocol import Input, Key
from ghostlap.cockpit.recorder import SessionRecorder
from ghostlap.cockpit.scene import MAIN_HEIGHT_PX, MAIN_WIDTH_PX, DrivingScene
from ghostlap.commands.doctor import examine
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.lines import Line, lines_of
from ghostlap.data.recordings import background_recorder
from ghostlap.data.recordings.recorder import Recorder
from ghostlap.data.recordings.tables_beside import read_who_drove
from ghostlap.sim.simulation import Start
from ghostlap.sim.world import World

STEP_S = 1 / 30
ROUND_IT = -math.degrees(math.atan(2.8 / 30.0)) / 25
"""The steering that stays on a ring of 30 m, driven slowly."""


@pytest.fixture(scope="module")
def ring_scene(tmp_path_factory: pytest.TempPathFactory) -> DrivingScene:
    folder = tmp_path_factory.mktemp("ring")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GHOSTLAP_CACHE", str(folder))
        return DrivingScene(ring_file(folder))


def begin_anew(scene: DrivingScene) -> None:
    assert isinstance(scene.simulation, World)
    scene.simulation.place(0, Start())


@pytest.fixture
def scene(ring_scene: DrivingScene) -> DrivingScene:
    begin_anew(ring_scene)
    return ring_scene


class Copied:
    """A pilot that answers what it is told to."""

    def __init__(self, steering: float = 0.0, throttle: float = 0.0) -> None:
        self.name, self.spread, self.latency_ms = "copied", None, 1.0
        self.warning_s: float | None = None
        self.steering: float | None = steering
        self.throttle = throttle
        self.limit_mph = math.nan
        self.knows_lines, self.line = False, "centre"
        self.looks = self.forgotten = 0

    def look(self, scene: DrivingScene) -> tuple[float, float]:
        self.looks += 1
        return self.steering or 0.0, self.throttle

    def hold_speed(self, mph: float) -> None:
        self.limit_mph = mph

    def keep_to(self, line: Line) -> None:
        self.line = line

    def forget(self) -> None:
        self.forgotten += 1


class Cockpit:
    """A session with somebody in the seat, and what was said in it."""

    def __init__(self, scene: DrivingScene) -> None:
        self.said: list[str] = []
        self.session = DrivingSession(
            scene, lambda level, text: self.said.append(f"{level}: {text}")
        )
        self.session.sit(True)
        self._n = 0

    def drive(self, seconds: float, *keys: Key) -> dict[str, Any]:
        """Hold keys for so long, as a page says it."""
        for step in range(round(seconds / STEP_S)):
            if step % 3 == 0:
                self._n += 1
                self.session.hold(Input(self._n, frozenset(keys)))
            self.session.tick(STEP_S)
        return self.state()

    def state(self) -> dict[str, Any]:
        return msgspec.to_builtins(self.session.state())

    def let_pilot_drive(self, pilot: Copied) -> None:
        self.session.choose(cast(PilotRunner, pilot))
        self.session.set_mode("autonomous")


@pytest.fixture
def cockpit(scene: DrivingScene) -> Cockpit:
    return Cockpit(scene)


def test_keys_turn_the_wheel_as_fast_as_in_the_original() -> None:
    manual_input = ManualInput()
    manual_input.hold(Input(1, frozenset({"right", "up"})))
    manual_input.move(0.1)
    assert (manual_input.steering, manual_input.throttle) == (pytest.approx(0.3), 1.0)
    manual_input.move(0.3)
    assert manual_input.steering == 1.0
    manual_input.hold(Input(2))
    manual_input.move(0.1)
    assert (manual_input.steering, manual_input.throttle) == (pytest.approx(0.4), 0.0)
    manual_input.move(1.0)
    assert manual_input.steering == 0.0


def test_a_stick_is_followed_at_once() -> None:
    manual_input = ManualInput()
    manual_input.hold(Input(1, steering=-0.7, throttle=-0.2))
    manual_input.move(0.001)
    assert (manual_input.steering, manual_input.throttle) == (-0.7, -0.2)


def test_silence_lets_go_of_what_was_held() -> None:
    manual_input = ManualInput()
    manual_input.hold(Input(1, steering=1.0, throttle=1.0))
    manual_input.move(HANDS_OFF_AFTER_S)
    assert manual_input.throttle == 1.0
    manual_input.move(0.01)
    assert manual_input.throttle == 0.0


def test_keys_drive_the_car(cockpit: Cockpit) -> None:
    state = cockpit.drive(2.0, "up")
    assert state["speed_mph"] > 10
    assert state["distance_m"] > 3
    assert (state["mode"], state["driving"], state["throttle"]) == ("manual", "person", 1.0)
    assert cockpit.drive(0.2, "up", "left")["steering"] == pytest.approx(-0.6, abs=0.11)


def test_backing_works_too(cockpit: Cockpit) -> None:
    assert cockpit.drive(2.0, "down")["distance_m"] < -1


@pytest.mark.parametrize("key", ["up", "down"])
def test_without_a_driver_the_car_brakes_to_a_stand(cockpit: Cockpit, key: Key) -> None:
    cockpit.drive(2.0, key)
    cockpit.session.sit(False)
    for _ in range(90):
        cockpit.session.tick(STEP_S)
    assert cockpit.session.is_parked
    stands_at = cockpit.state()["distance_m"]
    for _ in range(60):
        cockpit.session.tick(STEP_S)
    assert cockpit.state()["distance_m"] == stands_at


def test_a_pilot_without_a_driver_in_the_seat_is_stopped_too(cockpit: Cockpit) -> None:
    cockpit.let_pilot_drive(Copied(ROUND_IT, 0.5))
    cockpit.drive(2.0)
    cockpit.session.sit(False)
    for _ in range(120):
        cockpit.session.tick(STEP_S)
    state = cockpit.state()
    assert state["speed_mph"] < 0.5
    assert (state["mode"], state["driving"], state["interventions"]) == ("autonomous", "pilot", 0)
    cockpit.session.sit(True)  # the page was only loaded again
    assert cockpit.drive(1.0)["speed_mph"] > 2


def test_a_pause_stops_time(cockpit: Cockpit) -> None:
    before = cockpit.drive(1.0, "up")
    cockpit.session.paused = True
    assert cockpit.drive(1.0, "up")["distance_m"] == before["distance_m"]


def test_off_the_road_a_person_drives_on_and_reset_puts_the_car_back(cockpit: Cockpit) -> None:
    assert cockpit.drive(3.0, "up")["off_road"]
    assert cockpit.said == []
    cockpit.session.put_back()
    state = cockpit.state()
    assert state["cte_m"] == pytest.approx(0, abs=0.01)
    assert (state["off_road"], state["interventions"]) == (False, 0)


def test_a_car_that_is_lost_is_put_back(cockpit: Cockpit) -> None:
    cockpit.drive(10.0, "up")
    assert "warning: the car was lost, and is back on the road" in cockpit.said


def test_autonomy_needs_a_pilot(cockpit: Cockpit) -> None:
    with pytest.raises(CockpitError, match="Choose one first"):
        cockpit.session.set_mode("autonomous")


def test_the_pilot_drives_and_autonomy_is_counted(cockpit: Cockpit) -> None:
    pilot = Copied(ROUND_IT, 0.3)
    cockpit.let_pilot_drive(pilot)
    state = cockpit.drive(4.0)
    assert state["driving"] == "pilot"
    assert state["autonomy_percent"] == 100
    assert state["pilot_steering"] == ROUND_IT
    assert abs(state["cte_m"]) < 1
    assert pilot.looks >= 80
    assert state["pilot_m"] == pytest.approx(state["distance_m"])


def test_however_rarely_time_passes_the_pilot_looks_often(cockpit: Cockpit) -> None:
    pilot = Copied(ROUND_IT)
    cockpit.let_pilot_drive(pilot)
    before = pilot.looks
    cockpit.session.tick(0.3)
    assert pilot.looks - before >= 6


def test_touching_the_wheel_takes_over_until_it_is_handed_back(cockpit: Cockpit) -> None:
    pilot = Copied(ROUND_IT, 0.3)
    cockpit.let_pilot_drive(pilot)
    cockpit.drive(6.0)
    state = cockpit.drive(1.0, "left")
    assert (state["mode"], state["driving"], state["interventions"]) == ("autonomous", "person", 1)
    assert state["autonomy_percent"] == pytest.approx(0, abs=3)  # 6 of 6 s
    later = cockpit.drive(6.0, "up")
    assert later["autonomy_percent"] == state["autonomy_percent"]
    assert later["pilot_m"] == state["pilot_m"] < later["distance_m"]  # the rest a person drove
    begin_anew(cockpit.session.scene)
    forgotten = pilot.forgotten
    cockpit.session.set_mode("autonomous")
    assert pilot.forgotten == forgotten + 1
    state = cockpit.drive(6.0)
    assert (state["driving"], state["interventions"]) == ("pilot", 1)
    assert state["autonomy_percent"] == pytest.approx(50, abs=2)


def test_keys_still_held_while_handing_back_do_not_take_over_at_once(cockpit: Cockpit) -> None:
    cockpit.let_pilot_drive(Copied(ROUND_IT, 0.3))
    cockpit.drive(0.5, "up")
    cockpit.session.set_mode("autonomous")
    assert cockpit.drive(0.5, "up")["driving"] == "pilot"
    assert cockpit.drive(0.2)["driving"] == "pilot"
    assert cockpit.drive(0.2, "up")["driving"] == "person"


def test_a_stick_at_rest_takes_nothing_over(cockpit: Cockpit) -> None:
    cockpit.let_pilot_drive(Copied(ROUND_IT, 0.3))
    cockpit.session.hold(Input(1, steering=0.02, throttle=-0.01))
    assert cockpit.state()["driving"] == "pilot"
    cockpit.session.hold(Input(2, steering=0.2, throttle=0.0))
    assert cockpit.state()["driving"] == "person"


def test_a_pilot_that_leaves_the_road_is_put_back_and_counted(cockpit: Cockpit) -> None:
    cockpit.let_pilot_drive(Copied(0.5, 0.5))
    for _ in range(200):
        state = cockpit.drive(STEP_S)
        if state["interventions"]:
            break
    assert (state["interventions"], state["driving"]) == (1, "pilot")
    assert abs(state["cte_m"]) < 0.5
    assert cockpit.said == ["warning: the car was put back: it left the road"]


def test_a_pilot_that_stands_is_put_back_after_three_seconds(cockpit: Cockpit) -> None:
    cockpit.let_pilot_drive(Copied())
    assert cockpit.drive(2.8)["interventions"] == 0
    assert cockpit.drive(0.5)["interventions"] == 1


def test_a_pilot_that_is_silent_hands_the_car_to_the_person(cockpit: Cockpit) -> None:
    pilot = Copied(ROUND_IT, 0.3)
    cockpit.let_pilot_drive(pilot)
    cockpit.drive(1.0)
    pilot.steering = None
    assert cockpit.drive(0.8)["driving"] == "pilot"  # a picture or some may be lost
    state = cockpit.drive(0.5)
    assert (state["driving"], state["mode"], state["pilot"]) == ("person", "manual", None)
    assert cockpit.said == ["error: copied answers no number. You drive now."]


def test_a_pilot_that_fails_is_dismissed(cockpit: Cockpit, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(scene: DrivingScene) -> tuple[float, float]:
        raise PilotError("copied: its network fails (X).")

    pilot = Copied(ROUND_IT, 0.3)
    cockpit.let_pilot_drive(pilot)
    cockpit.drive(1.0)
    monkeypatch.setattr(pilot, "look", fail)
    cockpit.session.put_back()
    state = cockpit.drive(1.0)
    assert (state["driving"], state["mode"], state["pilot"]) == ("person", "manual", None)
    assert cockpit.said == ["error: copied: its network fails (X). You drive now."]


def test_reset_while_the_pilot_drives_is_an_intervention(cockpit: Cockpit) -> None:
    cockpit.let_pilot_drive(Copied(ROUND_IT, 0.3))
    cockpit.drive(0.5)
    cockpit.session.put_back()
    assert cockpit.state()["interventions"] == 1


def test_the_speed_limit_reaches_the_pilot_now_and_later(cockpit: Cockpit) -> None:
    pilot = Copied()
    cockpit.session.choose(cast(PilotRunner, pilot))
    cockpit.session.set_speed_limit(11.0)
    assert pilot.limit_mph == 11
    other = Copied()
    cockpit.session.choose(cast(PilotRunner, other))
    assert other.limit_mph == 11


def test_no_pilot_means_that_a_person_drives(cockpit: Cockpit) -> None:
    cockpit.let_pilot_drive(Copied())
    cockpit.session.choose(None)
    state = cockpit.state()
    assert (state["mode"], state["driving"], state["pilot"]) == ("manual", "person", None)


def test_laps_are_timed(cockpit: Cockpit) -> None:
    cockpit.let_pilot_drive(Copied(ROUND_IT, 0.5))
    for _ in range(100):
        if cockpit.drive(0.5)["lap"] == 1:
            break
    state = cockpit.state()
    assert 5 < state["best_lap_s"] < 60
    assert state["lap_s"] < 1


def test_a_recording_says_who_drove(cockpit: Cockpit, tmp_path: Path) -> None:
    cockpit.session.record(SessionRecorder(tmp_path / "rec", cockpit.said.append))
    cockpit.drive(1.0, "up")
    cockpit.let_pilot_drive(Copied(ROUND_IT, 0.3))
    state = cockpit.drive(1.0)
    assert state["recording"]["rows"] == pytest.approx(30, abs=2)
    assert state["recording"]["seconds"] == pytest.approx(2, abs=0.15)
    cockpit.session.stop_recording()
    recording = read_recording(tmp_path / "rec")
    assert len(recording.frames) == state["recording"]["rows"]
    assert [one for one in examine(recording) if one.severity == "error"] == []
    steps_ms = recording.frames["time"].diff().dropna().dt.total_seconds() * 1000
    assert steps_ms.median() == pytest.approx(67, abs=2)
    drove = list(read_who_drove(tmp_path / "rec").values())
    drivers = [one.driver for one in drove]
    assert 14 <= drivers.count("person") <= 17
    assert drivers == sorted(drivers)  # first the person, then the pilot
    assert drove[0].pilot_steering is None
    assert drove[-1].pilot_steering == pytest.approx(ROUND_IT, abs=1e-6)
    assert recording.frames["throttle"].iloc[5] == 1.0


def test_a_line_is_commanded_and_written_down(cockpit: Cockpit, tmp_path: Path) -> None:
    cockpit.session.record(SessionRecorder(tmp_path / "rec", cockpit.said.append))
    cockpit.session.set_line("right_lane")
    cockpit.drive(1.0, "up")
    knows = Copied(ROUND_IT, 0.3)
    knows.knows_lines = True
    cockpit.let_pilot_drive(knows)
    assert (knows.line, cockpit.state()["line"]) == ("right_lane", "right_lane")
    cockpit.session.set_line("left_lane")
    assert (knows.line, cockpit.state()["line"]) == ("left_lane", "left_lane")
    cockpit.drive(1.0)
    cockpit.session.choose(cast(PilotRunner, Copied(ROUND_IT, 0.3)))
    assert cockpit.state()["line"] == "centre"
    with pytest.raises(CockpitError, match="copied drives as it was taught.*'ghostlap train --lin"):
        cockpit.session.set_line("left_lane")
    cockpit.session.set_mode("manual")
    cockpit.session.set_line("left_lane")
    cockpit.session.set_mode("autonomous")
    assert cockpit.drive(0.2)["line"] == "centre"
    cockpit.session.stop_recording()
    lines = lines_of(read_recording(tmp_path / "rec")).tolist()
    assert lines == sorted(lines, key=[-1, 1, 0].index)
    assert [lines.count(side) for side in (-1, 1)] == [pytest.approx(15, abs=2)] * 2


def test_a_recording_of_nothing_leaves_nothing(cockpit: Cockpit, tmp_path: Path) -> None:
    cockpit.session.record(SessionRecorder(tmp_path / "rec", cockpit.said.append))
    cockpit.session.stop_recording()
    assert not (tmp_path / "rec").exists()


def test_a_full_disk_ends_the_recording_and_not_the_drive(
    cockpit: Cockpit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object, **__: object) -> None:
        raise RecordingError("rec: no room.")

    monkeypatch.setattr(Recorder, "append", no_room)
    recorder = SessionRecorder(tmp_path / "rec", cockpit.said.append)
    cockpit.session.record(recorder)
    cockpit.drive(0.2, "up")
    while not recorder.is_broken:
        time.sleep(0.001)
    assert cockpit.drive(0.5, "up")["recording"] is None
    assert cockpit.said == ["rec: no room. The driving goes on, unrecorded."]


def test_on_a_slow_disk_newer_moments_are_written_for_older_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill would lose what waits."""
    now_s, said, writing, goes_on = 1000.0, list[str](), threading.Event(), threading.Event()
    monkeypatch.setattr(background_recorder, "time", SimpleNamespace(monotonic=lambda: now_s))
    append = Recorder.append

    def slowly(*arguments: Any, **named: Any) -> Any:
        writing.set()
        goes_on.wait(20)
        return append(*arguments, **named)

    monkeypatch.setattr(Recorder, "append", slowly)
    recorder = SessionRecorder(tmp_path / "rec", said.append)
    pictures = np.zeros((3, 160, 320, 3), np.uint8)
    for i in range(10):
        if i == 1:
            writing.wait(20)
        now_s = 1000.0 + i / 5
        recorder.add(pictures, i / 5, 0.0, 0.0, i, "person", None, 0)
    assert recorder.rows == 5
    goes_on.set()
    recorder.close(60.0)
    assert len(said) == 1
    assert read_recording(tmp_path / "rec").frames["speed_mph"].tolist() == [0, 6, 7, 8, 9]


def test_a_disk_that_hangs_costs_moments_and_neither_memory_nor_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    goes_on, append = threading.Event(), Recorder.append
    monkeypatch.setattr(Recorder, "append", lambda *a, **b: goes_on.wait() and append(*a, **b))
    monkeypatch.setattr(background_recorder, "_MOST_WAITING", 64)
    recorder = SessionRecorder(tmp_path / "rec", said.append)
    pictures = np.zeros((3, 160, 320, 3), np.uint8)
    for i in range(100):
        recorder.add(pictures, i / 15, 0.0, 0.0, 0.0, "person", None, 0)
    assert 64 <= recorder.rows <= 65  # one of them may be in the writer's hands
    assert len(said) == 1
    assert "too slow" in said[0]
    recorder.close(0.01)
    recorder.close(0.01)
    assert not recorder.is_finished
    goes_on.set()
    recorder.close(60.0)
    assert recorder.is_finished
    assert len(read_recording(tmp_path / "rec").frames) == recorder.rows


def test_whatever_keeps_a_row_from_being_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Recorder, "append", no_memory)
    said: list[str] = []
    recorder = SessionRecorder(tmp_path / "rec", said.append)
    recorder.add(np.zeros((3, 160, 320, 3), np.uint8), 0.0, 0.0, 0.0, 0.0, "person", None, 0)
    recorder.close(60.0)
    assert recorder.is_broken
    assert said == [
        f"{tmp_path / 'rec'}: the row cannot be saved (MemoryError). The driving goes on, "
        "unrecorded."
    ]
    assert not (tmp_path / "rec").exists()


def test_a_real_pilot_looks_through_the_car(cockpit: Cockpit, tmp_path: Path) -> None:
    pilot = PilotRunner("small", make_pilot(tmp_path / "small"), 20.0)
    cockpit.session.choose(pilot)
    state = cockpit.drive(0.5)
    scene = cockpit.session.scene
    seen = scene.three_pictures()[1, 60:135].mean()
    assert state["pilot_steering"] == pytest.approx((seen - 120) / 120, abs=0.02)
    assert state["spread"] is None
    assert pilot.latency_ms is not None
    assert not pilot.has_saliency


def test_a_pilot_drives_off_at_once_on_another_road(cockpit: Cockpit, tmp_path: Path) -> None:
    cockpit.drive(60.0)  # another road's clock begins at 0
    cockpit.session.choose(PilotRunner("small", make_pilot(tmp_path / "small"), 20.0))
    cockpit.session.set_mode("autonomous")
    cockpit.drive(1.0)
    cockpit.session.enter(DrivingScene(cockpit.session.scene.track_name))
    state = cockpit.drive(1.5)
    assert state["speed_mph"] > 5
    assert (state["interventions"], cockpit.said) == (0, [])


def test_pictures_and_the_map_are_of_the_scene(scene: DrivingScene) -> None:
    main = scene.main_picture()
    assert main.shape == (MAIN_HEIGHT_PX, MAIN_WIDTH_PX, 3)
    assert scene.three_pictures().shape == (3, 160, 320, 3)
    road = scene.road_map
    assert 100 < len(road["centre"]) <= 600
    radii = {side: math.hypot(*road[side][0]) for side in ("centre", "left", "right")}
    assert radii == {
        "centre": pytest.approx(30, abs=0.1),
        "left": pytest.approx(26, abs=0.1),  # driven counterclockwise
        "right": pytest.approx(34, abs=0.1),
    }
    assert scene.expert_steering(scene.simulation.truth(), scene.simulation.telemetry()) < 0


def test_another_simulation_is_driven_as_the_embedded_one(tmp_path: Path) -> None:
    cockpit = Cockpit(DrivingScene(ring_file(tmp_path), simulation="flat_road:FlatRoad"))
    scene = cockpit.session.scene
    assert scene.main_picture().shape == (MAIN_HEIGHT_PX, MAIN_WIDTH_PX, 3)
    cockpit.session.record(SessionRecorder(tmp_path / "rec", cockpit.said.append))
    state = cockpit.drive(1.0, "up")
    assert (state["driving"], state["speed_mph"] > 5) == ("person", True)
    assert math.hypot(state["x"], state["y"]) == pytest.approx(30, abs=3)
    cockpit.session.put_back()
    cockpit.session.choose(PilotRunner("small", make_pilot(tmp_path / "small"), 20.0))
    cockpit.session.set_mode("autonomous")
    state = cockpit.drive(2.0)
    seen = scene.three_pictures()[1, 60:135].mean()
    assert state["driving"] == "pilot"
    assert state["pilot_steering"] == pytest.approx((seen - 120) / 120, abs=0.02)
    cockpit.session.stop_recording()
    assert len(read_recording(tmp_path / "rec").frames) == pytest.approx(45, abs=2)
    for _ in range(60):  # it steers by how bright the picture is
        if cockpit.drive(0.5)["interventions"]:
            break
    assert "warning: the car was put back: it left the road" in cockpit.said


def test_a_simulation_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CockpitError, match="--simulation flat_road:Sea: cannot be imported"):
        DrivingScene(ring_file(tmp_path), simulation="flat_road:Sea")
