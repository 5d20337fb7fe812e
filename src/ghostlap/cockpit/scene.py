"""A track in its light, one car on it, and every picture that the cockpit takes of both."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import CockpitError
from ghostlap.data.labels import MPS_A_MPH
from ghostlap.data.vision.pictures import Rgb
from ghostlap.data.vision.preprocessing import crop
from ghostlap.driving.rollout.episode import simulation_class
from ghostlap.pilots.pilot import Pilot
from ghostlap.sim.expert import Expert, ExpertDriver
from ghostlap.sim.render.camera_poses import CameraName
from ghostlap.sim.render.renderer import Renderer
from ghostlap.sim.scene.conditions import ConditionsKind, conditions_of
from ghostlap.sim.simulation import Start, Telemetry, Truth
from ghostlap.sim.track.tracks import track_named
from ghostlap.sim.world import World

CAMERAS: tuple[CameraName, ...] = ("left", "center", "right")
MAIN_HEIGHT_PX, MAIN_WIDTH_PX = 320, 640
_MAP_POINTS = 600
_CENTER = slice(1, 2)


class DrivingScene:
    """Where the person drives. Making one takes some seconds, as its scenery is baked.

    Args:
        direction: 1 is the track's own way round, -1 the other.
        simulation: ``package.module:class`` of a user's own; empty for the embedded one.

    Raises:
        TrackError: there is no such track.
        CockpitError: the simulation cannot be imported.
    """

    def __init__(
        self, track_name: str, conditions: ConditionsKind = "fixed", seed: int = 0,
        direction: int = 1, simulation: str = "",
    ) -> None:  # fmt: skip
        self.track = track = track_named(track_name)
        self.track_name, self.direction = track_name, direction
        self.conditions = conditions if conditions == "fixed" else f"{conditions} {seed}"
        self.simulation = simulation_class(simulation, CockpitError)(
            track,
            conditions_of(conditions, track.theme, seed),
            [Start(track.start_s_m, direction)],
            cameras=CAMERAS,
        )
        self._world = self.simulation if isinstance(self.simulation, World) else None
        self._expert = ExpertDriver(track, Expert(), 1)
        self._taken: tuple[float, NDArray[np.uint8]] | None = None
        self._renderers: dict[tuple[int, ...], Renderer] = {}
        self.main_picture()  # compiles what paints it

    def main_picture(self) -> Rgb:
        """What the center camera sees, larger; overwritten by the next call."""
        if self._world is None:
            size = MAIN_WIDTH_PX, MAIN_HEIGHT_PX
            return np.asarray(cv2.resize(self.three_pictures()[1], size), np.uint8)
        return self._center(self._world, MAIN_HEIGHT_PX, MAIN_WIDTH_PX, 0, MAIN_HEIGHT_PX)[0]

    def three_pictures(self) -> NDArray[np.uint8]:
        """What the three cameras see, shape ``(3, height, width, 3)``: left, center, right.

        Taken once a moment, not to be changed.
        """
        if self._taken is None or self._taken[0] != self.simulation.time_s:
            self._taken = self.simulation.time_s, self.simulation.frames()[0]
        return self._taken[1]

    @property
    def three_are_taken(self) -> bool:
        """Whether the three pictures of this moment are there already."""
        return self._taken is not None and self._taken[0] == self.simulation.time_s

    def picture_for(self, pilot: Pilot) -> NDArray[np.uint8]:
        """The rows of the center camera's picture that a pilot reads, ``(1, rows, width, 3)``."""
        spec = pilot.preprocessing
        if self._world is None:
            center = self.three_pictures()[1]
            return crop(center, spec.for_frames(*center.shape[:2]))[None]
        return self._center(
            self._world, spec.frame_height_px, spec.frame_width_px, spec.crop_top_px,
            spec.crop_bottom_px,
        )  # fmt: skip

    def _center(
        self, world: World, height_px: int, width_px: int, first: int, last: int
    ) -> NDArray[np.uint8]:
        """Some rows of the center camera's picture in a size of its own, ``(1, rows, width, 3)``.

        Only these rows are painted.
        """
        size = height_px, width_px, first, last
        if size not in self._renderers:
            self._renderers[size] = Renderer(
                world.scene, 1, height_px=height_px, width_px=width_px, rows=(first, last)
            )
        return self._renderers[size].render(world.camera_poses()[_CENTER])

    def pose(self, truth: Truth) -> tuple[float, float, float]:
        """The car on the map: east and north in metres, and its heading in rad."""
        s_m, way = truth.s_m[0], self.direction
        x_m, y_m = self.track.position(s_m, way * truth.cte_m[0])
        heading_rad = float(self.track.heading(s_m)) + truth.heading_error_rad[0]
        return float(x_m), float(y_m), float(heading_rad) + (0.0 if way > 0 else math.pi)

    def expert_steering(self, truth: Truth, told: Telemetry) -> float:
        """What the expert would steer where the car is."""
        wanted = self._expert.steering_for(
            truth.s_m, truth.cte_m, truth.heading_error_rad, told.speed_mph * MPS_A_MPH,
            self.simulation.direction,
        )  # fmt: skip
        return float(wanted[0])

    @cached_property
    def road_map(self) -> dict[str, Any]:
        """The road on the map: points of the centre and of both edges, in metres."""
        track = self.track
        s_m = track.stations_s_m
        s_m = s_m[:: max(1, -(-len(s_m) // _MAP_POINTS))]
        left_m, right_m = track.half_widths(s_m)
        lines = {"centre": 0 * left_m, "left": left_m, "right": -right_m}
        road = {
            name: np.round(track.position(s_m, aside_m), 2).tolist()
            for name, aside_m in lines.items()
        }
        return {**road, "start": np.round(track.position(track.start_s_m), 2).tolist()}
