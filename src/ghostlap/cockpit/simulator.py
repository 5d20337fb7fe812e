"""The embedded simulator as what the cockpit drives."""

from __future__ import annotations

import contextlib
import datetime
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from ghostlap.base.errors import CockpitError, GhostlapError
from ghostlap.cockpit.config import CockpitConfig
from ghostlap.cockpit.driving_session import DrivingSession
from ghostlap.cockpit.engine import Engine
from ghostlap.cockpit.hub import Outlet
from ghostlap.cockpit.library import Library
from ghostlap.cockpit.pilot_runner import PilotRunner
from ghostlap.cockpit.protocol import ChooseTrack, Command, Level
from ghostlap.cockpit.recorder import SessionRecorder
from ghostlap.cockpit.scene import DrivingScene
from ghostlap.sim.track.random_track import RANDOM_PREFIX
from ghostlap.sim.track.tracks import TRACKS

COMES_ALONG = "generalist"
"""The pilot that is chosen at first, so that one key shows a car that drives."""
_LEAVE_AFTER_S = 4.0
_RANDOM = re.compile(re.escape(RANDOM_PREFIX) + "[0-9]{1,9}")
"""What a page may ask for besides the built-in tracks and the one that the cockpit began with: any
other name could be a file's."""


class EmbeddedSource:
    """Makes the first scene, and an engine once there is somewhere to publish.

    With ``pilot_begins`` the first pilot drives as soon as somebody looks.

    Raises:
        TrackError: there is no such track.
        PilotError: the first pilot is none.
    """

    kind: Literal["sim", "unity"] = "sim"

    def __init__(self, config: CockpitConfig, *, pilot_begins: bool = False) -> None:
        self._pilot_begins = pilot_begins
        self._recorders: list[SessionRecorder] = []
        self.library = Library(config.recordings, config.runs)
        threading.Thread(target=self.library.tidy, daemon=True).start()  # disks may hang
        self._config = config
        direction = 1 if config.direction == "forward" else -1
        self._scene = DrivingScene(
            config.track, config.conditions, config.seed, direction, config.simulation
        )
        self._pilot: PilotRunner | None = None
        if config.pilot is None:  # one that was not asked for must not keep anybody from driving
            with contextlib.suppress(GhostlapError):
                self._pilot = self._load_pilot(COMES_ALONG, config.speed_limit)
        elif config.pilot:
            self._pilot = self._load_pilot(config.pilot, config.speed_limit)

    def start(self, outlet: Outlet) -> None:
        """Let time pass."""
        self._say: Callable[[Level, str], None] = outlet.say
        session = DrivingSession(self._scene, outlet.say, self._config.speed_limit)
        if self._pilot is not None:
            session.choose(self._pilot)
            if self._pilot_begins:
                session.set_mode("autonomous")
        self._engine = Engine(
            session, outlet, self._open_recorder, self._load_pilot, self._make_scene
        )
        self._engine.start()

    def stop(self) -> None:
        """End; what was recorded is whole, unless its disk hangs."""
        self._engine.stop()
        for recorder in self._recorders:
            recorder.close(_LEAVE_AFTER_S)

    @property
    def road_map(self) -> dict[str, Any]:
        """The road that is driven, for the page's map."""
        return self._scene.road_map

    @property
    def tracks(self) -> list[str]:
        """Tracks that a page may name; besides, any ``random:NUMBER``."""
        return list(dict.fromkeys([*TRACKS, self._config.track]))

    def tell(self, command: Command) -> None:
        self._engine.tell(command)

    def sit(self, taken: bool) -> None:
        self._engine.sit(taken)

    def watched_by(self, pages: int) -> None:
        self._engine.watched_by(pages)

    @property
    def recorded(self) -> list[str]:
        """Names of the recordings that were made and are there."""
        return [recorder.name for recorder in self._recorders if recorder.folder.is_dir()]

    def is_recording(self, name: str) -> bool:
        """Whether something is still being written there; any thread may ask."""
        return any(
            recorder.name == name and not recorder.is_finished for recorder in self._recorders
        )

    def _open_recorder(self, track: str) -> SessionRecorder:
        stem = re.sub(r"[^A-Za-z0-9]+", "-", Path(track).stem).strip("-") or "track"
        began = f"{datetime.datetime.now():%Y-%m-%d-%H%M%S}-{stem}"
        recorder = SessionRecorder(
            self.library.new_recording(began), lambda text: self._say("error", text)
        )
        self._recorders.append(recorder)
        return recorder

    def _load_pilot(self, run: str, speed_limit_mph: float) -> PilotRunner:
        return PilotRunner(run, self.library.run_folder(run), speed_limit_mph)

    def _make_scene(self, wanted: ChooseTrack) -> DrivingScene:
        if wanted.track not in self.tracks and not _RANDOM.fullmatch(wanted.track):
            raise CockpitError(
                f"There is no track {wanted.track[:60]!r}. Known are {', '.join(self.tracks)} and "
                f"{RANDOM_PREFIX}SEED."
            )
        self._scene = DrivingScene(
            wanted.track, wanted.conditions, wanted.seed, wanted.direction, self._config.simulation
        )
        return self._scene
