"""The embedded simulation: controls in; pictures, telemetry and truth out, for several cars.

Equal starts and controls give equal numbers and frames, bit for bit. Cars do not see or touch each
other, so no car's drive depends on the others.

    world = World(track_named("lake"), FIXED["lake"], [Start(), Start(s_m=300.0, direction=-1)])
    while world.time_s < 60:
        steering, throttle = somebody(world.frames(), world.telemetry())
        world.step(steering, throttle, seconds=0.05)
    print(world.truth().cte_m)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghostlap.base.errors import SimulatorError
from ghostlap.data.labels import MPS_A_MPH
from ghostlap.sim.render.camera_poses import (
    CameraName,
    CarPoses,
    camera_poses,
    known_cameras,
    rows_within,
)
from ghostlap.sim.scene.conditions import Conditions
from ghostlap.sim.simulation import Start, Telemetry, Truth
from ghostlap.sim.track.track import Track, wrapped
from ghostlap.sim.vehicle import PHYSICS_STEP_S, Cars, Floats, Vehicle

if TYPE_CHECKING:  # a world without cameras works without the renderer's libraries
    from ghostlap.sim.render.renderer import Renderer
    from ghostlap.sim.scene.scenery import Scene

_STEPS_A_LOOK = 5
"""Most physics steps (0.1 s in all) between two searches for the cars' places on the track."""


class World:
    """Cars on a track.

    Args:
        conditions: light and materials, which only the cameras notice.
        cameras: the pictures that :meth:`frames` takes; none where nobody looks.
        rows: part of each frame, from the first row to before the second; None is the whole.
        device: where pictures are made: ``cpu``, ``cuda``, ``cuda:1``, …
        scene: of this track and these conditions, if it has been made already.

    Raises:
        SimulatorError: no cars, or unknown cameras.
    """

    def __init__(
        self,
        track: Track,
        conditions: Conditions,
        starts: Sequence[Start],
        *,
        cameras: Sequence[CameraName] = ("center",),
        height_px: int = 160,
        width_px: int = 320,
        rows: tuple[int, int] | None = None,
        device: str = "cpu",
        vehicle: Vehicle | None = None,
        scene: Scene | None = None,
    ) -> None:
        if not starts:
            raise SimulatorError("A world needs at least one car. Got no starts.")
        self.track = track
        self.conditions = conditions
        self.vehicle = vehicle or Vehicle()
        self.cameras = known_cameras(cameras)
        self.height_px, self.width_px = height_px, width_px
        self.rows = rows_within(rows, height_px)
        self.device = device
        self.cars = len(starts)
        self.time_s = 0.0
        self.direction = np.ones(self.cars, np.int64)
        """Driving direction of each car, 1 or -1."""
        self.bad_actions = np.zeros(self.cars, np.int64)
        """Number of steps of each car with a control out of range or not a number."""
        self._scene = scene
        self._motion = Cars(self.cars, self.vehicle)
        self._steering, self._throttle = np.zeros(self.cars), np.zeros(self.cars)
        self._s_m, self._cte_m = np.zeros(self.cars), np.zeros(self.cars)
        self._heading_error_rad, self._grade = np.zeros(self.cars), np.zeros(self.cars)
        self._distance_m = np.zeros(self.cars)
        for car, start in enumerate(starts):
            self.place(car, start)

    def step(self, steering: ArrayLike, throttle: ArrayLike, seconds: float) -> None:
        """Advance time with the controls held.

        Args:
            steering: in [-1, 1], positive to the right; shape ``(cars,)``, or one for all.
            throttle: in [-1, 1], negative to brake and then reverse; shape as for the steering.
            seconds: duration; physics takes equal steps of at most 1/50 s.

        NaN counts as 0 and controls out of range are clipped; :attr:`bad_actions` counts both.

        Raises:
            SimulatorError: controls of another shape, or a duration that is not above 0.
        """
        if not (math.isfinite(seconds) and seconds > 0):
            raise SimulatorError(f"seconds of a step must be above 0. Got {seconds}.")
        self._steering, bad_steering = self._checked("steering", steering)
        self._throttle, bad_throttle = self._checked("throttle", throttle)
        self.bad_actions += bad_steering | bad_throttle
        steps = max(1, math.ceil(seconds / PHYSICS_STEP_S - 1e-9))
        for done in range(1, steps + 1):
            self._motion.step(self._steering, self._throttle, self._grade, seconds / steps)
            if done % _STEPS_A_LOOK == 0 or done == steps:
                before_m = self._s_m.copy()
                self._locate(slice(None))
                half_m = self.track.length_m / 2
                ahead_m = (self._s_m - before_m + half_m) % self.track.length_m - half_m
                self._distance_m += ahead_m * self.direction
        self.time_s += seconds

    def telemetry(self) -> Telemetry:
        """The last controls and the speed of each car."""
        speed_mps = np.hypot(self._motion.speed_mps, self._motion.sideways_mps)
        return Telemetry(self._steering.copy(), self._throttle.copy(), speed_mps / MPS_A_MPH)

    def truth(self) -> Truth:
        """The true place of each car on the road."""
        left_m, right_m = self.track.half_widths(self._s_m)
        margin_m = np.minimum(left_m - self._cte_m, right_m + self._cte_m)
        backwards = np.where(self.direction > 0, 0.0, math.pi)
        return Truth(
            self._s_m.copy(),
            self._cte_m * self.direction + 0.0,  # never -0
            wrapped(self._heading_error_rad - backwards),
            margin_m,
            margin_m < 0,
            np.floor(np.maximum(self._distance_m, 0) / self.track.length_m).astype(np.int64),
            self._distance_m.copy(),
        )

    def poses(self) -> CarPoses:
        """Positions and headings of the cars on the map."""
        motion = self._motion
        return CarPoses(motion.x_m.copy(), motion.y_m.copy(), motion.heading_rad.copy())

    def frames(self) -> NDArray[np.uint8]:
        """The cameras' pictures now: RGB, shape ``(cars, cameras, rows, width, 3)``, a copy.

        Raises:
            SimulatorError: this world has no cameras.
        """
        if not self.cameras:
            raise SimulatorError(
                'This world has no cameras to look through. Make it with cameras=("center",).'
            )
        pictures = self._renderer.render(self.camera_poses())
        shape = (self.cars, len(self.cameras), self.rows[1] - self.rows[0], self.width_px, 3)
        return np.array(pictures).reshape(shape)

    def frames_at(self, places: Sequence[Start]) -> NDArray[np.uint8]:
        """Whole center pictures of other places: RGB, shape ``(places, height, width, 3)``.

        No car of this world moves.
        """
        elsewhere = World(
            self.track,
            self.conditions,
            places,
            height_px=self.height_px,
            width_px=self.width_px,
            device=self.device,
            scene=self.scene,
        )
        return elsewhere.frames()[:, 0]

    def camera_poses(self) -> NDArray[np.float32]:
        """The cameras' x, y, z, heading and pitch, shape ``(cars * cameras, 5)``."""
        s_m, error_rad = self._s_m, self._heading_error_rad
        axle_m, height_m = self.vehicle.axle_m, self.conditions.camera.height_m
        return camera_poses(
            self.track, self.cameras, self.poses(), s_m, error_rad, axle_m, height_m
        )

    @property
    def scene(self) -> Scene:
        """The scene around the track, made on first use, which takes about a second."""
        if self._scene is None:
            from ghostlap.sim.scene.scenery import scene_of

            self._scene = scene_of(self.track, self.conditions)
        return self._scene

    def place(self, car: int, start: Start) -> None:
        """Start one car anew: its distance, laps and bad actions count from here."""
        track, sign = self.track, start.direction
        x_m, y_m = track.position(start.s_m, sign * start.cte_m)
        heading_rad = float(track.heading(start.s_m)) + start.heading_error_rad
        heading_rad += 0.0 if sign > 0 else math.pi
        self._motion.place(car, float(x_m), float(y_m), heading_rad, start.speed_mps)
        self.direction[car] = sign
        self._s_m[car] = start.s_m % track.length_m
        self._distance_m[car] = 0.0
        self.bad_actions[car] = 0
        self._steering[car] = self._throttle[car] = 0.0
        self._locate(slice(car, car + 1))

    def put_back(self, car: int, cte_m: float = 0.0) -> None:
        """Put a car back where it left the road: straight, at half its speed, ``cte_m`` left."""
        speed_mps = max(0.0, float(self._motion.speed_mps[car]) / 2)
        start = Start(float(self._s_m[car]), int(self.direction[car]), cte_m, speed_mps=speed_mps)
        distance_m, bad_actions = self._distance_m[car], self.bad_actions[car]
        self.place(car, start)
        self._distance_m[car], self.bad_actions[car] = distance_m, bad_actions

    def push(self, car: int, cte_m: float, heading_rad: float) -> None:
        """Displace a car at once: ``cte_m`` to the left, turned ``heading_rad`` to the left."""
        motion, s_m = self._motion, float(self._s_m[car])
        place_m = self.track.position(s_m, self._cte_m[car] + self.direction[car] * cte_m)
        motion.x_m[car], motion.y_m[car] = place_m
        motion.heading_rad[car] += heading_rad
        self._locate(slice(car, car + 1))

    @cached_property
    def _renderer(self) -> Renderer:
        from ghostlap.sim.render.renderer import Renderer, start_warp

        start_warp()  # before the scene is made: its start takes memory that is given back
        return Renderer(
            self.scene,
            self.cars * len(self.cameras),
            height_px=self.height_px,
            width_px=self.width_px,
            rows=self.rows,
            device=self.device,
        )

    def _locate(self, cars: slice) -> None:
        """Update some cars' places on the track, searching near the last ones."""
        motion, s_m = self._motion, self._s_m[cars]
        x_m, y_m, heading_rad = motion.x_m[cars], motion.y_m[cars], motion.heading_rad[cars]
        place = self.track.locate(x_m, y_m, heading_rad, s_m)
        self._s_m[cars], self._cte_m[cars], self._heading_error_rad[cars] = place
        self._grade[cars] = self.track.grade(place.s_m) * np.cos(place.heading_error_rad)

    def _checked(self, name: str, control: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
        """The control of each car clipped to [-1, 1], and a mask of those that were not in it."""
        given = np.asarray(control, float)
        if given.shape not in ((), (self.cars,)):
            raise SimulatorError(
                f"{name} must be one number for each of {self.cars} cars, or one for all. "
                f"Got the shape {given.shape}."
            )
        given = np.broadcast_to(given, (self.cars,))
        usable = np.minimum(np.maximum(np.where(np.isnan(given), 0.0, given), -1.0), 1.0)
        return usable, usable != given
