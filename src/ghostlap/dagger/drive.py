"""A pilot drives, the expert says what was right: what each process does."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections import deque
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostlap.evaluate.driver import PilotDriver, ReferenceDriver
from ghostlap.evaluate.episode import Progress, Referee, push_car
from ghostlap.evaluate.plan import EpisodesTask
from ghostlap.evaluate.results import drive_name
from ghostlap.evaluate.stress import TICK_S
from ghostlap.files import remove
from ghostlap.pilot import Pilot
from ghostlap.processes import Report
from ghostlap.recording.recorder import Recorder
from ghostlap.recording.who_drove import WhoDroveLog
from ghostlap.sim.expert import Expert
from ghostlap.sim.eyes import CameraName
from ghostlap.sim.tracks import track_named
from ghostlap.sim.vehicle import MPS_A_MPH
from ghostlap.sim.world import Telemetry, Truth, World

TICKS_A_ROW = 2
"""Every second moment is recorded, so at 10 Hz: frames closer in time hardly differ."""

TRUTH_COLUMNS = ("s_m", "cte_m", "heading_error_rad", "margin_m")
"""Beside who drove, of each recorded moment: see :class:`ghostlap.sim.world.Truth`."""

_TURN_TICKS = round(1 / TICK_S)
"""Who drives is drawn anew every second: a change each moment would average the two."""

_PAUSE_S = 10.0
"""By this the clock of a recording jumps where a car was put back."""

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
    """Of who drives when."""
    cameras: tuple[CameraName, ...]
    """What is recorded, the center camera first."""
    folder: Path
    """Where the recordings go."""

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
    """Drive the episodes of a task, and record each frame with the expert's steering.

    Recordings get their final names when all of the task is driven; until then there are none.

    Args:
        task: what to drive.
        report: told of the metres that cars have come further.

    Returns:
        Moments recorded.

    Raises:
        RecordingError: the folder cannot be written, or the disk is full.
    """
    unfinished = [path.with_name(f".{path.name}.part") for path in task.recordings]
    for path in (*unfinished, *task.recordings):
        remove(path, task.folder)
    with contextlib.ExitStack() as stack:
        diaries = [
            stack.enter_context(contextlib.closing(Diary(path, task.cameras, car)))
            for car, path in enumerate(unfinished)
        ]
        _drive(task, diaries, report)
        rows = sum(diary.rows for diary in diaries)
    for path, recording in zip(unfinished, task.recordings, strict=True):
        path.rename(recording)
    return rows


def _drive(task: LabelTask, diaries: list[Diary], report: Report) -> None:
    episodes, cars = task.episodes, len(diaries)
    assert isinstance(episodes.driver, Path)
    pilot = Pilot.load(episodes.driver)
    world = _world(task, pilot)
    driver = PilotDriver(pilot, episodes.control, cars)
    expert = ReferenceDriver(world.track, task.expert, cars)
    referee = Referee(cars)
    pushes = [deque(episode.pushes) for episode in episodes.episodes]
    on_the_way = np.ones(cars, bool)
    last_tick = round(episodes.seconds / TICK_S)
    expert_drives = _turns(task, last_tick)
    progress = Progress(episodes, report)

    for tick in range(last_tick):
        truth = world.truth()
        progress.tell(tick, truth)
        on_the_way &= truth.distance_m < episodes.laps * episodes.length_m
        if not on_the_way.any():
            break
        for car in np.flatnonzero(referee.judge(truth, world.telemetry())):
            world.put_back(int(car))
            driver.reset(int(car))
            diaries[car].pause()
        for place, queue in enumerate(pushes):
            if queue and queue[0].time_s <= (tick + 0.5) * TICK_S:
                push_car(world, place, queue.popleft())
        frames = world.frames()
        answers = pilot.predict_cropped(frames[:, 0, _kept_rows(pilot)])
        by_expert = expert_drives[tick // _TURN_TICKS]
        if tick % TICKS_A_ROW == 0:
            truth, telemetry = world.truth(), world.telemetry()
            labels = expert.steering_for(
                truth.s_m,
                truth.cte_m,
                truth.heading_error_rad,
                telemetry.speed_mph * MPS_A_MPH,
                world.direction,
            )
            for car in np.flatnonzero(on_the_way):
                diaries[car].add(
                    tick * TICK_S, frames[car], labels[car], by_expert[car], answers[car, 0],
                    truth, telemetry,
                )  # fmt: skip
        steering, throttle = np.where(
            by_expert, expert.control(world), driver.carry_out(answers, world)
        )
        for car in np.flatnonzero(by_expert):
            driver.reset(int(car))  # what the expert does is no error for it to make up for
        world.step(steering, throttle, seconds=TICK_S)
    progress.finish()


def _world(task: LabelTask, pilot: Pilot) -> World:
    return World(
        track_named(task.episodes.track),
        task.episodes.conditions,
        [episode.start for episode in task.episodes.episodes],
        cameras=task.cameras,
        height_px=pilot.preprocessing.frame_height_px,
        width_px=pilot.preprocessing.frame_width_px,
    )


def _kept_rows(pilot: Pilot) -> slice:
    return slice(pilot.preprocessing.crop_top_px, pilot.preprocessing.crop_bottom_px)


def _turns(task: LabelTask, ticks: int) -> NDArray[np.bool_]:
    """Whether the expert drives, in each second and for each car."""
    draw = np.random.default_rng([task.seed, task.episodes.episodes[0].seed, 29])
    turns = ticks // _TURN_TICKS + 1
    return np.asarray(draw.random((turns, len(task.episodes.episodes))) < task.beta)


class Diary:
    """One car's drive as a recording, and who drove beside it.

    Args:
        folder: made for it.
        cameras: as the pictures come, the center camera first.
        car: which one; its pictures get times of their own.
    """

    def __init__(self, folder: Path, cameras: tuple[CameraName, ...], car: int) -> None:
        self._cameras = cameras
        self._car = car
        self._recorder = Recorder(folder)
        self._who = WhoDroveLog(folder, TRUTH_COLUMNS)
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
        center, _, _ = self._recorder.append(
            center=pictures["center"],
            left=pictures.get("left"),
            right=pictures.get("right"),
            steering=float(label),
            throttle=max(0.0, throttle),
            brake=max(0.0, -throttle),
            speed_mph=float(telemetry.speed_mph[self._car]),
            time=self._began + datetime.timedelta(seconds=time_s + self._pauses_s),
        )
        self._who.append(
            center,
            "expert" if by_expert else "pilot",
            float(pilot_steering),
            *(float(getattr(truth, name)[self._car]) for name in TRUTH_COLUMNS),
        )

    def pause(self) -> None:
        """The car was put elsewhere: what follows is another stretch of driving."""
        self._pauses_s += _PAUSE_S

    def close(self) -> None:
        self._recorder.close()
        self._who.close()
