"""Udacity's own simulator as what the cockpit shows: its pictures come from the drive server."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from ghostlap.cockpit.config import CockpitConfig
from ghostlap.cockpit.hub import Outlet
from ghostlap.cockpit.library import Library
from ghostlap.cockpit.protocol import (
    Command,
    Kind,
    SetLine,
    ShowSaliency,
    SpeedLimit,
    State,
    picture,
)
from ghostlap.cockpit.saliency_overlay import with_saliency
from ghostlap.cockpit.trouble import knows_no_lines, told
from ghostlap.data.lines import Command as LineCommand
from ghostlap.data.lines import Line
from ghostlap.data.vision.pictures import decode_rgb, encode_jpeg
from ghostlap.driving.control import ControlConfig
from ghostlap.driving.server.drive_recorder import AnsweredFrame
from ghostlap.pilots.saliency import SALIENCY_FILE, Saliency

_PICTURE_S = 1 / 30
"""No more pictures are shown than this, however many come."""
_ALONE_S = 2.0
"""Silence after which another of several simulators is shown."""
_EVERY_STATE = 2
_LEAVE_AFTER_S = 2.0


class UnitySource:
    """Shows what a drive server sees and answers, and lets the page change the speed limit.

    For the drive server it is an ``Observer``, for the cockpit a ``Source``. Pictures that say they
    are larger than ``max_side_px`` are not decoded; ``lines`` are those that the pilot knows.

    Raises:
        PilotError: the pilot's saliency is there and cannot be read.
    """

    def __init__(
        self,
        config: CockpitConfig,
        run: Path,
        speed_limit_mph: float,
        max_side_px: int,
        line: LineCommand = "centre",
        lines: Sequence[Line] = (),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.library = Library(config.recordings, config.runs)
        self.speed_limit_mph = speed_limit_mph
        """The one to hold; the page may change it."""
        self.line, self._lines = line, lines
        self._run, self._clock, self._max_side_px = run, clock, max_side_px
        self._saliency = Saliency.load(run) if (run / SALIENCY_FILE).is_file() else None
        self._shows_saliency = False
        self._shown_car: tuple[str, float] | None = None
        self._newest: AnsweredFrame | None = None
        self._news = threading.Event()
        self._frame = 0
        self._watchers = 0
        self._stopped = False
        self._outlet: Outlet | None = None
        self._thread = threading.Thread(target=self._work, name="ghostlap-cockpit", daemon=True)

    def changed(self, control: ControlConfig) -> ControlConfig:
        """How the pilot's answers are to be carried out: as the page asks for."""
        return dataclasses.replace(control, speed_limit_mph=self.speed_limit_mph, line=self.line)

    def see(self, car: str, seen: AnsweredFrame) -> None:
        """A simulator's picture was answered. Returns at once; the newest is shown."""
        now_s = self._clock()
        shown = self._shown_car
        if shown is None or shown[0] == car or now_s - shown[1] > _ALONE_S:
            self._shown_car = car, now_s
            self._newest = seen
            self._news.set()

    kind: Literal["sim", "unity"] = "unity"
    road_map = None

    @property
    def tracks(self) -> list[str]:
        """None: the simulator chooses its own."""
        return []

    def start(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._thread.start()

    def stop(self) -> None:
        self._stopped = True
        self._news.set()
        self._thread.join(_LEAVE_AFTER_S)

    def tell(self, command: Command) -> None:
        """Carry out what can be asked here: the speed limit, the line and the saliency."""
        outlet = self._outlet
        if isinstance(command, SpeedLimit):
            self.speed_limit_mph = command.mph
        elif isinstance(command, SetLine):
            if command.line in self._lines:
                self.line = command.line
            elif outlet is not None:
                outlet.say("error", knows_no_lines(self._run.name))
        elif isinstance(command, ShowSaliency):
            self._shows_saliency = command.on and self._saliency is not None
            if command.on and self._saliency is None and outlet is not None:
                outlet.say(
                    "warning", f"{self._run.name} has no saliency; 'ghostlap explain' makes it"
                )
        elif outlet is not None:
            outlet.say("info", "Udacity's simulator is driven by the pilot; this is done there")

    def sit(self, taken: bool) -> None:
        """Nobody's hands are on this car's wheel."""

    def watched_by(self, pages: int) -> None:
        self._watchers = pages

    def is_recording(self, name: str) -> bool:
        """No: what the drive server records is not in the library before it ends."""
        return False

    def _work(self) -> None:
        shown_s = -math.inf
        while self._news.wait() and not self._stopped:
            wait_s = shown_s + _PICTURE_S - self._clock()
            if wait_s > 0:
                time.sleep(wait_s)
            self._news.clear()
            seen, shown_s = self._newest, self._clock()
            if seen is not None and self._watchers and self._outlet is not None:
                self._show(seen, shown_s, self._outlet)

    def _show(self, seen: AnsweredFrame, now_s: float, outlet: Outlet) -> None:
        kind, jpeg = Kind.MAIN, seen.prediction.picture
        if self._shows_saliency and self._saliency is not None:
            try:
                frame = decode_rgb(jpeg, "the simulator's image", self._max_side_px)
                kind, jpeg = Kind.SALIENCY, encode_jpeg(with_saliency(self._saliency, frame))
            except Exception as error:  # a network may fail in its own ways
                self._shows_saliency = False
                outlet.say("error", told(error, "the saliency cannot be shown"))
        state = self._state(seen, now_s) if self._frame % _EVERY_STATE == 0 else None
        outlet.publish({kind: picture(kind, self._frame, now_s, jpeg)}, state)
        self._frame += 1

    def _state(self, seen: AnsweredFrame, now_s: float) -> State:
        told, prediction = seen.frame.telemetry, seen.prediction
        lap = told.extra.get("lapNumber")
        return State(
            t=now_s, frame=self._frame, mode="autonomous", driving="pilot",
            speed_mph=told.speed_mph, speed_limit_mph=self.speed_limit_mph,
            line=self.line,
            steering=float(seen.control.steering[0]), throttle=float(seen.control.throttle[0]),
            cte_m=told.extra.get("cte"), distance_m=told.extra.get("distance"),
            lap=None if lap is None or not math.isfinite(lap) else int(lap),
            pilot=self._run.name, pilot_steering=prediction.steering, spread=prediction.spread,
            warning_s=seen.warning_s,
            latency_ms=seen.latency_s * 1000, saliency=self._shows_saliency,
        )  # fmt: skip
