"""A track in its light, one car on it, and every picture that the cockpit takes of both."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.data.vision.preprocessing import Rgb
from ghostlap.pilots.pilot import Pilot
from ghostlap.sim.expert import Expert, ExpertDriver
from ghostlap.sim.render.camera_poses import CameraName
from ghostlap.sim.render.renderer import Renderer
from ghostlap.sim.scene.conditions import ConditionsKind, conditions_of
from ghostlap.sim.track.tracks import track_named
from ghostlap.sim.vehicle import MPS_A_MPH
from ghostlap.sim.world import Start, Telemetry, Truth, World

CAMERAS: tuple[CameraName, ...] = ("left", "center", "right")
MAIN_HEIGHT_PX, MAIN_WIDTH_PX = 320, 640
_MAP_POINTS = 600
_CENTER = slice(1, 2)


class DrivingScene:
    """Where the person drives. Making one takes some seconds, as its scenery is baked.

    Args:
        track_name: as :func:`ghostlap.sim.track.tracks.track_named` knows it.
        conditions: which kind.
        seed: of drawn conditions.
        direction: 1 is the track's own way round, -1 the other.

    Raises:
        TrackError: there is no such track.
    """

    def __init__(
        self, track_name: str, conditions: ConditionsKind = "fixed", seed: int = 0,
        direction: int = 1,
    ) -> None:  # fmt: skip
        track = track_named(track_name)
        self.track_name, self.direction = track_name, direction
        self.conditions = conditions if conditions == "fixed" else f"{conditions} {seed}"
        self.world = World(
            track,
            conditions_of(conditions, track.theme, seed),
            [Start(track.start_s_m, direction)],
            cameras=CAMERAS,
        )
        self._main = Renderer(self.world.scene, 1, height_px=MAIN_HEIGHT_PX, width_px=MAIN_WIDTH_PX)
        self._expert = ExpertDriver(track, Expert(), 1)
        self._taken: tuple[float, NDArray[np.uint8]] | None = None
        self._pilots_eye: tuple[tuple[int, ...], Renderer] | None = None
        self.main_picture()  # compiles what paints it

    def main_picture(self) -> Rgb:
        """What the center camera sees, larger; overwritten by the next call."""
        return self._main.render(self.world.camera_poses()[_CENTER])[0]

    def three_pictures(self) -> NDArray[np.uint8]:
        """What the three cameras see, shape ``(3, 160, 320, 3)``: left, center, right.

        Taken once a moment, not to be changed.
        """
        if self._taken is None or self._taken[0] != self.world.time_s:
            self._taken = self.world.time_s, np.array(self._three.render(self.world.camera_poses()))
        return self._taken[1]

    @property
    def three_are_taken(self) -> bool:
        """Whether the three pictures of this moment are there already."""
        return self._taken is not None and self._taken[0] == self.world.time_s

    def picture_for(self, pilot: Pilot) -> NDArray[np.uint8]:
        """The rows of the center camera's picture that a pilot reads, ``(1, rows, width, 3)``."""
        spec = pilot.preprocessing
        size = spec.frame_height_px, spec.frame_width_px, spec.crop_top_px, spec.crop_bottom_px
        if self._pilots_eye is None or self._pilots_eye[0] != size:
            eye = Renderer(
                self.world.scene, 1, height_px=size[0], width_px=size[1], rows=(size[2], size[3])
            )
            self._pilots_eye = size, eye
        return self._pilots_eye[1].render(self.world.camera_poses()[_CENTER])

    def expert_steering(self, truth: Truth, told: Telemetry) -> float:
        """What the expert would steer where the car is."""
        wanted = self._expert.steering_for(
            truth.s_m, truth.cte_m, truth.heading_error_rad, told.speed_mph * MPS_A_MPH,
            self.world.direction,
        )  # fmt: skip
        return float(wanted[0])

    @cached_property
    def road_map(self) -> dict[str, Any]:
        """The road on the map: points of the centre and of both edges, in metres."""
        track = self.world.track
        s_m = track.stations_s_m
        s_m = s_m[:: max(1, -(-len(s_m) // _MAP_POINTS))]
        left_m, right_m = track.half_widths(s_m)
        lines = {"centre": 0 * left_m, "left": left_m, "right": -right_m}
        road = {
            name: np.round(track.position(s_m, aside_m), 2).tolist()
            for name, aside_m in lines.items()
        }
        return {**road, "start": np.round(track.position(track.start_s_m), 2).tolist()}

    @cached_property
    def _three(self) -> Renderer:
        return Renderer(self.world.scene, len(CAMERAS))
