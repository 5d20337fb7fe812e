"""A pilot drives, the expert says what was right: what each process does."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.engine import Report
from ghostlap.base.engine.travel import located
from ghostlap.base.files import remove
from ghostlap.data.lines import SIDES, line_at
from ghostlap.data.recordings.recorder import Recorder
from ghostlap.data.recordings.tables_beside import WHO_DROVE
from ghostlap.driving.evaluation.results import drive_name
from ghostlap.driving.rollout.driver import Driver, Floats, PilotDriver, ReferenceDriver
from ghostlap.driving.rollout.episode import simulation_of
from ghostlap.driving.rollout.observers import Progress
from ghostlap.driving.rollout.plan import EpisodesTask
from ghostlap.driving.rollout.rollout import ClosedLoop, Observer, rollout
from ghostlap.driving.rollout.stress import TICK_S
from ghostlap.pilots.pilot import Pilot
from ghostlap.sim.expert import Expert
from ghostlap.sim.render.camera_poses import CameraName
from ghostlap.sim.simulation import Simulation, Telemetry, Truth
from ghostlap.sim.track.tracks import track_named

TICKS_A_ROW = 2
"""Every second moment is recorded, so at 10 Hz: frames closer in time hardly differ."""

TRUTH_COLUMNS = ("s_m", "cte_m", "heading_error_rad", "margin_m")
"""Beside who drove, of each recorded moment: see :class:`ghostlap.sim.simulation.Truth`."""

_TURN_TICKS = round(1 / TICK_S)
"""Who drives is drawn anew every second: a change each moment would average the two."""

_PAUSE_S = 10.0
"""Jump of a recording's clock where a car was put back."""

_FIRST_MOMENT = datetime.datetime(2001, 1, 1)


@dataclasses.dataclass(frozen=True)
class LabelTask:
    """Episodes that a pilot drives for new data, a recording for each."""

    episodes: EpisodesTask
    """What an evaluation would drive; ``driver`` is the pilot's run folder. Each car drives
    ``laps * length_m``."""
    expert: Expert
    """Says what is right, and drives now and then."""
    beta: float
    """Share of the time for which the expert drives."""
    seed: int
    """Seed of who drives when."""
    cameras: tuple[CameraName, ...]
    """What is recorded, the center camera first."""
    folder: Path
    """Where the recordings go."""

    @property
    def reads(self) -> tuple[Path, ...]:
        """Files that driving it opens."""
        return self.episodes.reads

    @property
    def writes(self) -> Path:
        """Where it leaves recordings."""
        return self.folder

    @property
    def recordings(self) -> tuple[Path, ...]:
        """The folder of each episode's recording."""
        names = [drive_name(self.episodes, episode) for episode in self.episodes.episodes]
        return tuple(self.folder / name for name in names)

    @property
    def is_done(self) -> bool:
        """Whether all of it has been recorded."""
        return all(recording.is_dir() for recording in self.recordings)

    def __str__(self) -> str:
        return f"{self.episodes} for {self.folder}"


def drive_and_label(task: LabelTask, report: Report) -> int:
    """Drive a task's episodes, record frames with the expert's steering, and count them.

    Recordings get their final names when all of the task is driven; until then there are none.

    Raises:
        RecordingError: the folder cannot be written, or the disk is full.
    """
    task = dataclasses.replace(task, folder=located(task.folder))
    unfinished = [path.with_name(f".{path.name}.part") for path in task.recordings]
    for path in (*unfinished, *task.recordings):
        remove(path, task.folder)
    line = SIDES[line_at(task.expert.line, 0.0)]
    with contextlib.ExitStack() as stack:
        recorders = [
            stack.enter_context(contextlib.closing(EpisodeRecorder(path, task.cameras, car, line)))
            for car, path in enumerate(unfinished)
        ]
        _drive(task, recorders, report)
        rows = sum(recorder.rows for recorder in recorders)
    for path, recording in zip(unfinished, task.recordings, strict=True):
        path.rename(recording)
    return rows


def _drive(task: LabelTask, recorders: list[EpisodeRecorder], report: Report) -> None:
    episodes, cars = task.episodes, len(recorders)
    assert isinstance(episodes.driver, Path)
    pilot = Pilot.load(episodes.driver)
    simulation = simulation_of(
        episodes,
        cameras=task.cameras,
        height_px=pilot.preprocessing.frame_height_px,
        width_px=pilot.preprocessing.frame_width_px,
    )
    ticks = round(episodes.seconds / TICK_S)
    driver = CorrectedDriver(
        PilotDriver(pilot, episodes.control, cars),
        ReferenceDriver(track_named(episodes.track), task.expert, cars),
        _turns(task, ticks),
    )
    progress = Progress(episodes.whole_m, cars, report)
    loop = ClosedLoop(
        simulation,
        driver,
        (progress, LabelRecording(driver, recorders)),
        is_over=lambda truth: truth.distance_m >= episodes.laps * episodes.length_m,
        pushes=[episode.pushes for episode in episodes.episodes],
    )
    rollout(loop, episodes.seconds)
    progress.finish()


class CorrectedDriver(Driver):
    """A pilot and an expert at one wheel: who drives is drawn, the expert says what is right.

    Args:
        pilot: looks through the first camera of a simulation that takes whole frames.
        expert_drives: whether the expert drives, shape ``(seconds, cars)``.
    """

    def __init__(
        self, pilot: PilotDriver, expert: ReferenceDriver, expert_drives: NDArray[np.bool_]
    ) -> None:
        super().__init__(expert_drives.shape[1])
        self._pilot, self._expert, self._expert_drives = pilot, expert, expert_drives
        self._ticks = 0
        self.frames: NDArray[np.uint8] = np.empty(0, np.uint8)
        """What the cameras last saw, shape ``(cars, cameras, height, width, 3)``."""
        self.pilot_steering: NDArray[np.float32] = np.empty(0, np.float32)
        """What the pilot answered to it, shape ``(cars,)``."""
        self.by_expert: NDArray[np.bool_] = expert_drives[0]
        """Whether the expert drives, shape ``(cars,)``."""

    def control(self, simulation: Simulation) -> tuple[Floats, Floats]:
        """Steering and throttle of whoever drives each car."""
        preprocessing = self._pilot.pilot.preprocessing
        rows = slice(preprocessing.crop_top_px, preprocessing.crop_bottom_px)
        self.frames = simulation.frames()
        answers = self._pilot.pilot.predict_cropped(self.frames[:, 0, rows])
        self.by_expert = self._expert_drives[self._ticks // _TURN_TICKS]
        self._ticks += 1
        steering, throttle = np.where(
            self.by_expert,
            self._expert.control(simulation),
            self._pilot.carry_out(answers, simulation),
        )
        self.pilot_steering = self._pilot.steering
        for car in np.flatnonzero(self.by_expert):
            self.reset(int(car))  # what the expert does is no error for the pilot to make up for
        return steering, throttle

    def right_steering(self, simulation: Simulation) -> Floats:
        """What the expert would steer where each car is, shape ``(cars,)``."""
        return self._expert.steering_now(simulation)

    def reset(self, car: int) -> None:
        self._pilot.reset(car)


class LabelRecording(Observer):
    """Writes down every second moment of each car, with the steering that would be right."""

    def __init__(self, driver: CorrectedDriver, recorders: list[EpisodeRecorder]) -> None:
        self._driver, self._recorders = driver, recorders

    def acted(self, loop: ClosedLoop) -> None:
        simulation, tick = loop.simulation, loop.tick
        assert tick is not None
        for car in np.flatnonzero(tick.interventions):
            self._recorders[car].pause()
        if tick.number % TICKS_A_ROW:
            return
        driver = self._driver
        labels = driver.right_steering(simulation)
        truth, telemetry = simulation.truth(), simulation.telemetry()
        for car in np.flatnonzero(loop.driving):
            self._recorders[car].add(
                tick.number * TICK_S, driver.frames[car], labels[car], driver.by_expert[car],
                driver.pilot_steering[car], truth, telemetry,
            )  # fmt: skip


def _turns(task: LabelTask, ticks: int) -> NDArray[np.bool_]:
    """Whether the expert drives, in each second and for each car."""
    draw = np.random.default_rng([task.seed, task.episodes.episodes[0].seed, 29])
    turns = ticks // _TURN_TICKS + 1
    return np.asarray(draw.random((turns, len(task.episodes.episodes))) < task.beta)


class EpisodeRecorder:
    """One car's drive as a recording, and who drove beside it.

    Args:
        cameras: as the pictures come, the center camera first.
        car: which one; its pictures get times of their own.
        line: that it should keep to, as :data:`ghostlap.data.lines.SIDES` has it.
    """

    def __init__(self, folder: Path, cameras: tuple[CameraName, ...], car: int, line: int) -> None:
        self._cameras = cameras
        self._car, self._line = car, line
        self._recorder = Recorder(
            folder, beside=WHO_DROVE.plus(dict.fromkeys(TRUTH_COLUMNS, ".5f")).open
        )
        self._began = _FIRST_MOMENT + datetime.timedelta(days=car)
        self._pauses_s = 0.0

    @property
    def rows(self) -> int:
        return self._recorder.rows_written

    def add(
        self,
        time_s: float,
        frames: NDArray[np.uint8],
        label: float,
        by_expert: bool,
        pilot_steering: float,
        truth: Truth,
        telemetry: Telemetry,
    ) -> None:
        """Write down a moment: the car as it is, with the steering that would be right."""
        throttle = float(telemetry.throttle[self._car])
        pictures = dict(zip(self._cameras, frames, strict=True))
        self._recorder.append(
            center=pictures["center"],
            left=pictures.get("left"),
            right=pictures.get("right"),
            steering=float(label),
            throttle=max(0.0, throttle),
            brake=max(0.0, -throttle),
            speed_mph=float(telemetry.speed_mph[self._car]),
            time=self._began + datetime.timedelta(seconds=time_s + self._pauses_s),
            beside={
                "driver": "expert" if by_expert else "pilot",
                "pilot_steering": float(pilot_steering),
                "lane": self._line,
                **{name: float(getattr(truth, name)[self._car]) for name in TRUTH_COLUMNS},
            },
        )

    def pause(self) -> None:
        """The car was put elsewhere: what follows is another stretch of driving."""
        self._pauses_s += _PAUSE_S

    def close(self) -> None:
        self._recorder.close()
