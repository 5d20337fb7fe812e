"""The thread that gives the drive its time: real time, and a picture as soon as the hands move.

Physics and the picture go together: whatever time has passed is driven with the newest controls,
and then painted. Input brings the next picture forward, so that a key shows at once. Nothing queues
up: a machine that is too slow shows fewer pictures, and no old ones.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from ghostlap.base.errors import GhostlapError
from ghostlap.cockpit.driving_session import DrivingSession
from ghostlap.cockpit.hub import Outlet
from ghostlap.cockpit.making import Making
from ghostlap.cockpit.pilot_runner import PilotRunner
from ghostlap.cockpit.protocol import (
    ChoosePilot,
    ChooseTrack,
    Command,
    Input,
    Kind,
    Pause,
    Record,
    Reset,
    SetLine,
    SetMode,
    ShowCameras,
    ShowSaliency,
    SpeedLimit,
    picture,
)
from ghostlap.cockpit.recorder import SessionRecorder
from ghostlap.cockpit.scene import DrivingScene
from ghostlap.cockpit.trouble import told
from ghostlap.data.vision.pictures import encode_jpeg

PICTURE_S = 1 / 30
_SOONEST_S = 1 / 60
"""Least time between a picture and one that input brings forward."""
_CATCH_UP_S = 0.1
"""Time lost beyond this is never made up for: on a busy machine slow motion is easier to drive than
a car that jumps, and making up for lost time would lose more."""
_IDLE_S = 0.25
"""Time between states while nothing moves."""
_EVERY_CAMERAS, _EVERY_STATE = 6, 2
"""Pictures for one of these."""
_LEAVE_AFTER_S = 3.0
_AFTER_TROUBLE_S = 1.0
"""Time until the drive goes on after something that should not have happened."""
_MOST_TASKS = 10_000
"""Most tasks that wait while the engine is held up."""


class Engine:
    """Drives a session in real time.

    Args:
        outlet: where pictures and states go.
        open_recorder: makes a recording for a track's name.
        load_pilot: loads the pilot of a run, to hold a speed.
        make_scene: makes a scene as a page asked for it.
    """

    def __init__(
        self,
        session: DrivingSession,
        outlet: Outlet,
        open_recorder: Callable[[str], SessionRecorder],
        load_pilot: Callable[[str, float], PilotRunner],
        make_scene: Callable[[ChooseTrack], DrivingScene],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._session, self._outlet, self._clock = session, outlet, clock
        self._open_recorder, self._load_pilot, self._make_scene = (
            open_recorder,
            load_pilot,
            make_scene,
        )
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._watchers = 0
        self._frame = 0
        self._shown: object = None
        """What the last picture showed, by the world's time and the scene."""
        self._saliency, self._cameras = False, True
        self._cameras_at = -_EVERY_CAMERAS
        self._hurry = False
        self._owes_state = False
        """Input has come of which no state tells yet."""
        self._making = Making(self._tasks.put, clock)
        self._should_record = False
        self._trouble = ""
        self._last_state_s = -1.0
        self._thread = threading.Thread(target=self._run, name="ghostlap-engine", daemon=True)

    def start(self) -> None:
        """Let time pass."""
        self._thread.start()

    def stop(self) -> None:
        """End, with the recording closed; unless a pilot or the like never comes to an end."""
        self._tasks.put(None)
        self._thread.join(_LEAVE_AFTER_S)

    def tell(self, command: Command) -> None:
        """Carry out what the driver asks for, soon. Any thread may call."""
        if self._tasks.qsize() < _MOST_TASKS:
            self._tasks.put(lambda: self._carry_out(command))

    def sit(self, taken: bool) -> None:
        """Say whether somebody sits in the driver's seat."""
        self._tasks.put(lambda: self._session.sit(taken))

    def watched_by(self, pages: int) -> None:
        """Say how many pages want pictures; without any, none are painted."""
        self._tasks.put(lambda: self._watch(pages))

    def _run(self) -> None:
        driven_s = due_s = self._clock()
        try:
            while self._do_until(due_s):
                now_s = self._clock()
                if self._hurry:
                    due_s, self._hurry = min(due_s, driven_s + _SOONEST_S), False
                if now_s < due_s:
                    continue
                try:
                    self._session.tick(min(now_s - driven_s, _CATCH_UP_S))
                    self._show(now_s)
                    due_s, self._trouble = max(due_s + PICTURE_S, self._clock()), ""
                except Exception as error:  # whatever it was, the drive goes on
                    due_s = self._clock() + _AFTER_TROUBLE_S
                    self._survive(error)
                driven_s = now_s
        finally:
            self._session.stop_recording()

    def _survive(self, error: Exception) -> None:
        """Go on as plainly as can be; say why, once."""
        self._saliency = False
        why = told(error, "the drive was interrupted")
        if why != self._trouble:
            self._trouble = why
            self._session.dismiss(why)

    def _do_until(self, due_s: float) -> bool:
        """Do what there is to do until then, or until a picture should come sooner."""
        while True:
            try:
                task = self._tasks.get(timeout=max(0.0, due_s - self._clock()))
            except queue.Empty:
                return True
            if task is None:
                return False
            try:
                task()
            except Exception as error:  # whatever it was, the drive goes on
                self._outlet.say("error", told(error, "that did not work"))
            if self._hurry and self._tasks.empty():
                return True

    def _carry_out(self, command: Command) -> None:
        session = self._session
        match command:
            case Input():
                before = session.manual_input.held
                session.hold(command)
                after = session.manual_input.held
                if (before.keys, before.steering, before.throttle) != (
                    after.keys, after.steering, after.throttle,
                ):  # fmt: skip
                    self._hurry = self._owes_state = True
            case SetMode():
                session.set_mode(command.mode)
            case Record():
                self._record(command.on)
            case Reset():
                session.put_back()
            case ChoosePilot(run=""):
                session.choose(None)
            case ChoosePilot():
                limit_mph = session.speed_limit_mph
                self._making.begin(
                    "pilot", lambda: self._load_pilot(command.run, limit_mph), session.choose
                )
            case ChooseTrack():
                self._making.begin("track", lambda: self._make_scene(command), self._enter)
                self._outlet.say("info", f"making {command.track}: a moment, please")
            case SpeedLimit():
                session.set_speed_limit(command.mph)
            case SetLine():
                session.set_line(command.line)
            case ShowSaliency():
                self._saliency = command.on
                if command.on and (session.pilot is None or not session.pilot.has_saliency):
                    self._outlet.say("warning", _no_saliency(session.pilot))
            case ShowCameras():
                self._cameras = command.on
            case Pause():
                session.paused = command.on
        self._shown = None

    def _enter(self, scene: DrivingScene) -> None:
        self._session.enter(scene)
        self._shown = None
        self._outlet.new_map(scene.road_map)

    def _record(self, on: bool) -> None:
        session = self._session
        self._should_record = on
        if not on:
            if session.recorder is not None:
                recorder = session.recorder
                session.stop_recording()
                still = "" if recorder.is_finished else "; the slow disk still writes some"
                self._outlet.say("info", f"recorded {recorder.name}: {recorder.rows} rows{still}")
        elif session.recorder is None and not self._making.is_making("recording"):
            track = session.scene.track_name
            self._making.begin(
                "recording",
                lambda: self._open_recorder(track),
                self._begin_recording,
                SessionRecorder.close,
            )

    def _begin_recording(self, recorder: SessionRecorder) -> None:
        if self._should_record:
            self._session.record(recorder)
        else:
            recorder.close()

    def _watch(self, pages: int) -> None:
        self._watchers, self._shown = pages, None

    def _show(self, now_s: float) -> None:
        """Paint what is asked for, and tell."""
        session = self._session
        showing = (session.scene.simulation.time_s, id(session.scene))
        moves = showing != self._shown
        if not self._watchers or (not moves and now_s - self._last_state_s < _IDLE_S):
            return
        self._shown = showing
        state = None
        if self._frame % _EVERY_STATE == 0 or self._owes_state or not moves:
            self._last_state_s, self._owes_state = now_s, False
            state = session.state()
            state.t, state.frame, state.saliency = now_s, self._frame, self._shows_saliency
        self._outlet.publish(self._view(now_s) if moves else {}, state)
        if moves and self._cameras and self._cameras_are_due(session.scene):
            self._cameras_at = self._frame
            self._outlet.publish(self._three(now_s), None)  # the view does not wait for these
        self._frame += moves

    def _cameras_are_due(self, scene: DrivingScene) -> bool:
        """Every so many pictures; while recording, wait for those that are taken anyway."""
        waited = self._frame - self._cameras_at
        if self._session.recorder is not None:
            return waited >= _EVERY_CAMERAS and scene.three_are_taken
        return waited >= _EVERY_CAMERAS

    @property
    def _shows_saliency(self) -> bool:
        pilot = self._session.pilot
        return self._saliency and pilot is not None and pilot.has_saliency

    def _view(self, now_s: float) -> dict[Kind, bytes]:
        pilot, main = self._session.pilot, self._session.scene.main_picture()
        if pilot is not None and self._shows_saliency:
            try:
                kind, shown = Kind.SALIENCY, pilot.overlaid(main)
            except GhostlapError as error:
                self._saliency, kind, shown = False, Kind.MAIN, main
                self._outlet.say("error", f"the saliency cannot be shown: {error}")
        else:
            kind, shown = Kind.MAIN, main
        return {kind: picture(kind, self._frame, now_s, encode_jpeg(shown))}

    def _three(self, now_s: float) -> dict[Kind, bytes]:
        kinds = Kind.LEFT, Kind.CENTER, Kind.RIGHT
        return {
            kind: picture(kind, self._frame, now_s, encode_jpeg(shown))
            for kind, shown in zip(kinds, self._session.scene.three_pictures(), strict=True)
        }


def _no_saliency(pilot: PilotRunner | None) -> str:
    if pilot is None:
        return "saliency shows what a pilot looks at; choose one first"
    return f"{pilot.name} has no saliency; 'ghostlap explain' makes it"
