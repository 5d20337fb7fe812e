"""The engine: what a picture waits for, what it tells, and that nothing ends the drive."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from odd_pilots import ODD, odd_pilot
from rings import ring_file
from small_pilot import make_pilot

from ghostlap.base.errors import CockpitError, PilotError
from ghostlap.cockpit import engine as engine_module
from ghostlap.cockpit import making as making_module
from ghostlap.cockpit.driving_session import DrivingSession
from ghostlap.cockpit.engine import Engine
from ghostlap.cockpit.making import Making
from ghostlap.cockpit.pilot_runner import PilotRunner
from ghostlap.cockpit.protocol import (
    ChoosePilot,
    ChooseTrack,
    Command,
    Input,
    Kind,
    Record,
    SetMode,
    ShowSaliency,
    State,
)
from ghostlap.cockpit.recorder import SessionRecorder
from ghostlap.cockpit.scene import DrivingScene
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.run_folder import ONNX_FILE

PATIENCE_S = 60.0
PICTURES = 20


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> DrivingScene:
    folder = tmp_path_factory.mktemp("ring")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GHOSTLAP_CACHE", str(folder))
        return DrivingScene(ring_file(folder))


class Presser:
    """Presses or releases a key as soon as it is shown a picture."""

    def __init__(self) -> None:
        self.engine: Engine
        self.published: list[set[Kind]] = []
        self.told: list[int | None] = []
        """The input that each main picture says it had."""
        self.done = threading.Event()

    def publish(self, pictures: dict[Kind, bytes], state: State | None) -> None:
        self.published.append(set(pictures))
        if Kind.MAIN in pictures:
            self.told.append(None if state is None else state.input_ack)
            number = len(self.told)
            keys = frozenset({"left"}) if number % 2 else frozenset()
            self.engine.tell(Input(number, keys))  # type: ignore[arg-type]
            if number > PICTURES:
                self.done.set()

    def say(self, level: str, text: str) -> None: ...

    def new_map(self, road: dict[str, Any] | None) -> None: ...


def never(*_: Any) -> Any:
    raise AssertionError("nothing is made here")


def test_every_input_is_told_with_the_picture_that_shows_it(scene: DrivingScene) -> None:
    outlet = Presser()
    session = DrivingSession(scene, outlet.say)
    engine = outlet.engine = Engine(session, outlet, never, never, never)
    engine.sit(True)
    engine.watched_by(1)
    engine.start()
    assert outlet.done.wait(PATIENCE_S)
    engine.stop()
    assert outlet.told[1 : PICTURES + 1] == list(range(1, PICTURES + 1))
    # The three cameras come after the view, which does not wait for them.
    cameras = {Kind.LEFT, Kind.CENTER, Kind.RIGHT}
    assert cameras in outlet.published
    assert all(kinds in ({Kind.MAIN}, cameras) for kinds in outlet.published)
    assert outlet.published[outlet.published.index(cameras) - 1] == {Kind.MAIN}


class Listener:
    """A page that waits until it is told or shown what it expects."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.state: dict[str, Any] = {}
        self._news = threading.Condition()

    def publish(self, pictures: dict[Kind, bytes], state: State | None) -> None:
        with self._news:
            self.state = msgspec.to_builtins(state) if state else self.state
            self._news.notify_all()

    def say(self, level: str, text: str) -> None:
        with self._news:
            if level == "error":  # a car may be put back on its way, or a disk be slow
                self.errors.append(text)
            self._news.notify_all()

    def new_map(self, road: dict[str, Any] | None) -> None: ...

    def until(self, holds: Callable[[], Any]) -> None:
        with self._news:
            assert self._news.wait_for(holds, PATIENCE_S), (self.errors, self.state)


class Drive:
    """An engine under way, whose pilots are run folders in one folder."""

    def __init__(self, scene: DrivingScene, folder: Path) -> None:
        self.folder, self.page = folder, Listener()
        self.session = DrivingSession(scene, self.page.say)
        self.failure: BaseException | None = None
        self.engine = Engine(self.session, self.page, self._recorder, self._pilot, self._scene)
        self.engine.sit(True)
        self.engine.watched_by(1)
        self.engine.start()

    def choose(self, run: str) -> None:
        self.engine.tell(ChoosePilot(run))

    def choose_a_good_one(self) -> None:
        self.failure = None
        self.choose("good")
        self.page.until(lambda: self.page.state.get("pilot") == "good")

    def _pilot(self, run: str, limit_mph: float) -> PilotRunner:
        if self.failure is not None:
            raise self.failure
        return PilotRunner(run, self.folder / run, limit_mph)

    def _scene(self, wanted: ChooseTrack) -> DrivingScene:
        if self.failure is not None:
            raise self.failure
        return self.session.scene

    def _recorder(self, track: str) -> SessionRecorder:
        if self.failure is not None:
            raise self.failure
        return SessionRecorder(self.folder / "rec", lambda text: self.page.say("error", text))


@pytest.fixture
def drive(scene: DrivingScene, tmp_path: Path) -> Iterator[Drive]:
    make_pilot(tmp_path / "good")
    drive = Drive(scene, tmp_path)
    yield drive
    drive.engine.stop()
    assert threading.active_count() < 20


@pytest.mark.parametrize(
    "failure",
    [OSError(errno.ENOSPC, "No space left on device", "cache/x"), MemoryError(), SystemExit(1),
     RuntimeError("onnx\nand more"), PilotError("rec: no pilot.")],
    ids=lambda failure: type(failure).__name__,
)  # fmt: skip
def test_whatever_fails_is_told_and_another_may_be_chosen(
    drive: Drive, failure: BaseException
) -> None:
    wishes: list[Command] = [ChoosePilot("x"), ChooseTrack("lake"), Record(True)]
    for wish in wishes:
        drive.failure, told = failure, len(drive.page.errors)
        drive.engine.tell(wish)
        drive.page.until(lambda told=told: len(drive.page.errors) > told)  # type: ignore[misc]
        assert "\n" not in drive.page.errors[-1]
    drive.choose_a_good_one()
    drive.engine.tell(ChooseTrack("lake"))
    drive.engine.tell(Record(True))
    drive.page.until(lambda: drive.page.state["recording"] is not None)
    assert len(drive.page.errors) == 3


@pytest.mark.parametrize("answers", ODD)
def test_a_pilot_that_answers_no_steering_is_refused(drive: Drive, answers: str) -> None:
    odd_pilot(drive.folder / "odd", answers)
    drive.choose("odd")
    drive.page.until(lambda: drive.page.errors)
    assert "odd" in drive.page.errors[0]
    drive.choose_a_good_one()
    drive.engine.tell(SetMode("autonomous"))
    drive.page.until(lambda: drive.page.state["driving"] == "pilot")


@pytest.mark.parametrize("content", [b"", b"no network", None])
def test_a_broken_network_is_told(drive: Drive, content: bytes | None) -> None:
    model = make_pilot(drive.folder / "broken") / ONNX_FILE
    model.write_bytes(model.read_bytes()[:-40] if content is None else content)
    drive.choose("broken")
    drive.page.until(lambda: drive.page.errors)
    drive.choose_a_good_one()


def test_a_pilot_that_fails_on_the_way_hands_the_car_to_the_person(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive.choose_a_good_one()
    drive.engine.tell(SetMode("autonomous"))
    drive.page.until(lambda: drive.page.state["driving"] == "pilot")

    def scalar(self: Pilot, seen: Any) -> Any:
        return np.float32(0.5)

    monkeypatch.setattr(Pilot, "predict_cropped", scalar)
    drive.page.until(lambda: drive.page.errors)
    drive.page.until(lambda: drive.page.state["driving"] == "person")
    assert drive.page.state["pilot"] is None
    assert "You drive now." in drive.page.errors[0]
    monkeypatch.undo()
    drive.choose_a_good_one()


def test_a_defect_interrupts_the_drive_and_does_not_end_it(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_AFTER_TROUBLE_S", 0.01)
    drive.choose_a_good_one()
    defects = 0

    def broken(elapsed_s: float) -> None:
        nonlocal defects
        defects += 1
        raise ZeroDivisionError("once more")

    monkeypatch.setattr(drive.session, "tick", broken)
    drive.page.until(lambda: drive.page.errors)
    while defects < 5:
        time.sleep(0.01)
    monkeypatch.undo()
    drive.page.until(lambda: drive.page.state["pilot"] is None)
    assert drive.page.errors == [
        "the drive was interrupted (ZeroDivisionError: once more). You drive now."
    ]
    drive.choose_a_good_one()


def test_a_failing_saliency_is_switched_off(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    drive.choose_a_good_one()
    pilot = drive.session.pilot
    assert pilot is not None
    pilot._saliency = object()  # type: ignore[assignment]  # looks like one, and fails
    drive.engine.tell(Input(1, frozenset({"up"})))
    drive.engine.tell(ShowSaliency(True))
    drive.page.until(lambda: drive.page.errors)
    assert "the saliency cannot be shown" in drive.page.errors[0]
    drive.page.until(lambda: drive.page.state["saliency"] is False)
    assert drive.page.state["pilot"] == "good"


def test_what_never_comes_is_given_up_and_what_comes_late_is_not_used() -> None:
    now_s, release = 0.0, threading.Event()
    put: list[Callable[[], None]] = []
    news = threading.Event()

    def take_in(task: Callable[[], None]) -> None:
        put.append(task)
        news.set()

    def come_late() -> str:
        assert release.wait(PATIENCE_S)
        return "late"

    making = Making(take_in, lambda: now_s)
    used: list[str] = []
    wasted: list[str] = []
    making.begin("pilot", come_late, used.append, wasted.append)
    with pytest.raises(CockpitError, match="One pilot at a time"):
        making.begin("pilot", never, used.append)
    now_s = making_module.PATIENCE_S
    making.begin("pilot", lambda: "next", used.append)
    assert news.wait(PATIENCE_S)
    put.pop()()
    news.clear()
    release.set()
    assert news.wait(PATIENCE_S)
    put.pop()()
    assert (used, wasted) == (["next"], ["late"])


def test_a_recording_that_is_no_longer_wanted_leaves_nothing(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, go_on = threading.Event(), threading.Event()
    made: list[SessionRecorder] = []

    def slow(track: str) -> SessionRecorder:
        opened.set()
        assert go_on.wait(PATIENCE_S)
        made.append(SessionRecorder(drive.folder / "rec", drive.page.errors.append))
        return made[0]

    monkeypatch.setattr(drive.engine, "_open_recorder", slow)
    drive.engine.tell(Record(True))
    assert opened.wait(PATIENCE_S)
    drive.engine.tell(Record(False))
    go_on.set()
    drive.page.until(lambda: made and made[0].is_finished)  # a state comes even while nothing moves
    assert drive.session.recorder is None
    assert not (drive.folder / "rec").exists()
