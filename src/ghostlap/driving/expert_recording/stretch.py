"""Driving one stretch and writing it down: what each process does."""

from __future__ import annotations

import dataclasses
import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from ghostlap.base.engine import Report
from ghostlap.base.engine.travel import located
from ghostlap.base.errors import RecordingError, SimulatorError
from ghostlap.data.auxiliary import mask_text
from ghostlap.data.lines import SIDES, line_at
from ghostlap.data.recordings.recorder import Recorder
from ghostlap.data.recordings.side_table import Cell, SideLog
from ghostlap.data.recordings.tables_beside import GROUND_TRUTH
from ghostlap.driving.expert_recording.folder import Part, begin_folder
from ghostlap.driving.expert_recording.plan import Job, Stretch
from ghostlap.driving.rollout.driver import ReferenceDriver
from ghostlap.driving.rollout.rollout import ClosedLoop, Observer
from ghostlap.sim.expert import Expert, ExpertDriver
from ghostlap.sim.road_ahead import road_ahead
from ghostlap.sim.scene.conditions import Conditions
from ghostlap.sim.simulation import Start
from ghostlap.sim.track.track import Track
from ghostlap.sim.track.tracks import track_named
from ghostlap.sim.world import World

if TYPE_CHECKING:
    from ghostlap.driving.expert_recording.config import RecordConfig
    from ghostlap.sim.scene.scenery import Scene

_WARM_UP_M = 15.0
"""Driven before a lap's stretch begins, so that the car sits in the road as if it came along it."""

_CONTROL_HZ = 30.0
"""About how often the expert moves the controls."""

_OF_TRUTH = ("s_m", "cte_m", "heading_error_rad", "margin_m")
_OF_STRETCH = ("track", "direction", "conditions_seed", "recovery")

_EPOCH = datetime.datetime(1970, 1, 1)


def record_job(job: Job, report: Report) -> int:
    """Drive the stretches of a job; returns the moments recorded. Reports metres driven."""
    config = dataclasses.replace(job.config, out=located(job.config.out))
    begin_folder(config.out)
    return sum(record_stretch(config, stretch, report) for stretch in job.stretches)


def record_stretch(config: RecordConfig, stretch: Stretch, report: Report) -> int:
    """Drive a stretch and leave it in the recording's folder; returns the moments recorded.

    Raises:
        SimulatorError: the expert does not get along the stretch.
        RecordingError: the folder cannot be written.
    """
    track = _track(stretch.track)
    conditions = config.conditions_for(track.theme, stretch.conditions_seed)
    expert = Expert(
        speed_limit_mph=config.speed_limit,
        line=config.line,
        noise=config.noise,
        style=config.style,
        seed=stretch.hand_seed,
    )
    driver = ReferenceDriver(track, expert, cars=1)
    world = World(
        track,
        conditions,
        [_start(track, stretch, driver)],
        cameras=config.cameras,
        width_px=config.size[0],
        height_px=config.size[1],
        scene=_scene(stretch.track, conditions),
    )
    steps = max(1, round(_CONTROL_HZ / config.rate_hz))
    step_s = 1 / config.rate_hz / steps
    warm_up, before_m = ClosedLoop(world, driver), 0.0 if stretch.recovery else _WARM_UP_M
    while world.truth().distance_m[0] < before_m:
        warm_up.step(step_s)
        _check_progress(world.time_s, stretch)
    part = Part(config.out, stretch.number)
    start_m, driven_m = float(world.truth().distance_m[0]), 0.0
    with _recorder(config, part) as recorder:
        rows = _Rows(config, stretch, world, recorder, steps)
        loop = ClosedLoop(world, driver, (rows,))
        while driven_m < stretch.length_m:
            for _ in range(steps):
                loop.step(step_s)
            _check_progress(rows.count / config.rate_hz, stretch)
            now_m = float(world.truth().distance_m[0]) - start_m
            report(min(now_m, stretch.length_m) - driven_m)
            driven_m = now_m
    part.finish()
    return rows.count


class _Rows(Observer):
    """Writes a row before every so many steps: what is seen, and what is done next."""

    def __init__(
        self, config: RecordConfig, stretch: Stretch, world: World, recorder: Recorder,
        every: int,
    ) -> None:  # fmt: skip
        self.count = 0
        self._judge = ExpertDriver(world.track, Expert(speed_limit_mph=config.speed_limit), 1)
        self._config, self._stretch, self._world = config, stretch, world
        self._recorder, self._steps, self._every = recorder, 0, every

    def acted(self, loop: ClosedLoop) -> None:
        self._steps += 1
        if (self._steps - 1) % self._every:
            return
        config, (steering, throttle) = self._config, loop.command
        time_ms = self._stretch.start_ms + round(1000 * self.count / config.rate_hz)
        pictures = dict(zip(config.cameras, self._world.frames()[0], strict=True))
        line = line_at(config.line, self._world.time_s, self._stretch.hand_seed)
        try:
            self._recorder.append(
                center=pictures["center"],
                left=pictures.get("left"),
                right=pictures.get("right"),
                steering=float(steering[0]),
                throttle=max(0.0, float(throttle[0])),
                brake=max(0.0, -float(throttle[0])),
                speed_mph=float(self._world.telemetry().speed_mph[0]),
                time=_EPOCH + datetime.timedelta(milliseconds=time_ms),
                beside={
                    **_truth(self._stretch, self._world),
                    "lane": SIDES[line],
                    **_steering_on_lines(self._judge, self._world),
                },
            )
        except RecordingError as error:
            if not isinstance(error.__cause__, OSError):
                raise
            # What is safe of all stretches, and how to go on, is for the command to say.
            raise RecordingError(
                f"{config.out}: cannot be written ({error.__cause__.strerror})."
            ) from error
        self.count += 1


def _start(track: Track, stretch: Stretch, driver: ReferenceDriver) -> Start:
    before_m = 0.0 if stretch.recovery else _WARM_UP_M
    s_m = (stretch.s_m - stretch.direction * before_m) % track.length_m
    return Start(
        s_m=s_m,
        direction=stretch.direction,
        cte_m=stretch.cte_m,
        heading_error_rad=stretch.heading_error_rad,
        speed_mps=float(driver.speed_for(s_m, stretch.direction)),
    )


def _check_progress(seconds: float, stretch: Stretch) -> None:
    if seconds > stretch.limit_s:
        raise SimulatorError(
            f"{stretch.track}: the expert does not get on at {stretch.s_m:.0f} m, direction "
            f"{stretch.direction}: {stretch.length_m:.0f} m are not done after {seconds:.0f} s. "
            "Try a lower --speed-limit or another track."
        )


@lru_cache(maxsize=4)
def _track(name: str) -> Track:
    return track_named(name)


@lru_cache(maxsize=1)
def _scene(name: str, conditions: Conditions) -> Scene:
    from ghostlap.sim.scene.scenery import scene_of

    return scene_of(_track(name), conditions)


def _recorder(config: RecordConfig, part: Part) -> Recorder:
    return Recorder(
        config.out,
        jpeg_quality=config.jpeg_quality,
        beside=lambda _: SideLog(GROUND_TRUTH, part.unfinished_truth, has_header=False),
        log=part.unfinished_log,
    )


def _steering_on_lines(expert: ExpertDriver, world: World) -> dict[str, Cell]:
    """What an expert would steer now on each line, for a row of the ground truth."""
    steering: dict[str, Cell] = {}
    for expert.line in SIDES:
        steering[f"steering_{expert.line}"] = float(expert.steering_now(world)[0])
    return steering


def _truth(stretch: Stretch, world: World) -> dict[str, Cell]:
    """What a row of the ground truth says of the only car in a world."""
    truth, poses, ahead = world.truth(), world.poses(), road_ahead(world)
    return {
        **{name: float(getattr(truth, name)[0]) for name in _OF_TRUTH},
        "x_m": float(poses.x_m[0]),
        "y_m": float(poses.y_m[0]),
        **{name: getattr(stretch, name) for name in _OF_STRETCH},
        "stretch": stretch.number,
        "curvature_ahead_per_m": ahead.curvature_per_m,
        "width_m": ahead.width_m,
        "road_mask": mask_text(ahead.mask),
    }
