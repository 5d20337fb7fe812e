"""A second simulation: a flat grey road drawn with OpenCV, and a car that goes where it points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghostlap.sim.simulation import Start, Telemetry, Truth
from ghostlap.sim.track.track import Track, wrapped

WHEELBASE_M, FOCAL_PX, CAMERA_M, HORIZON = 3.2, 138.6, 1.36, 0.37


class FlatRoad:
    """The arguments of ``ghostlap.sim.world.World``, the methods of ``Simulation``."""

    middle_line: tuple[int, int, int] | None = None
    """Colour of a solid line along its middle, 0.3 m wide; None for none."""

    def __init__(
        self, track: Track, conditions: Any, starts: Sequence[Start], *,
        cameras: Sequence[str] = ("center",), height_px: int = 160, width_px: int = 320,
        rows: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        self.track, self.cameras, self.cars, self.time_s = track, tuple(cameras), len(starts), 0.0
        self.height_px, self.width_px, self.rows = height_px, width_px, rows or (0, height_px)
        self.direction = np.array([start.direction for start in starts])
        self.steering, self.throttle, self.distance_m = (np.zeros(self.cars) for _ in range(3))
        self.x_m, self.y_m, self.heading_rad, self.speed_mps = (
            np.array(column) for column in zip(*map(self._pose, starts), strict=True)
        )

    def _pose(self, start: Start) -> tuple[float, float, float, float]:
        x_m, y_m = self.track.position(start.s_m, start.direction * start.cte_m)
        turned = 0.0 if start.direction > 0 else math.pi
        heading_rad = float(self.track.heading(start.s_m)) + turned + start.heading_error_rad
        return float(x_m), float(y_m), heading_rad, start.speed_mps

    def telemetry(self) -> Telemetry:
        return Telemetry(self.steering.copy(), self.throttle.copy(), self.speed_mps / 0.44704)

    def truth(self) -> Truth:
        place = self.track.locate(self.x_m, self.y_m, self.heading_rad)
        left_m, right_m = self.track.half_widths(place.s_m)
        margin_m = np.minimum(left_m - place.cte_m, right_m + place.cte_m)
        laps = np.floor(np.maximum(self.distance_m, 0) / self.track.length_m).astype(np.int64)
        backwards = np.where(self.direction > 0, 0.0, math.pi)
        return Truth(
            place.s_m, place.cte_m * self.direction,
            wrapped(place.heading_error_rad - backwards), margin_m, margin_m < 0, laps,
            self.distance_m.copy(),
        )  # fmt: skip

    def step(self, steering: ArrayLike, throttle: ArrayLike, seconds: float) -> None:
        self.steering = np.clip(np.broadcast_to(steering, (self.cars,)), -1, 1).astype(float)
        self.throttle = np.clip(np.broadcast_to(throttle, (self.cars,)), -1, 1).astype(float)
        before_m = self.truth().s_m
        self.speed_mps = np.clip(self.speed_mps + 4 * self.throttle * seconds, 0, 14)
        curvature = -np.tan(self.steering * math.radians(25)) / WHEELBASE_M
        self.heading_rad = self.heading_rad + self.speed_mps * curvature * seconds
        self.x_m = self.x_m + self.speed_mps * np.cos(self.heading_rad) * seconds
        self.y_m = self.y_m + self.speed_mps * np.sin(self.heading_rad) * seconds
        half_m = self.track.length_m / 2
        ahead_m = (self.truth().s_m - before_m + half_m) % self.track.length_m - half_m
        self.distance_m = self.distance_m + ahead_m * self.direction
        self.time_s += seconds

    def put_back(self, car: int) -> None:
        start = Start(float(self.truth().s_m[car]), int(self.direction[car]))
        self.x_m[car], self.y_m[car], self.heading_rad[car], _ = self._pose(start)

    def push(self, car: int, cte_m: float, heading_rad: float) -> None:
        left_rad = self.heading_rad[car] + math.pi / 2
        self.x_m[car] += cte_m * math.cos(left_rad)
        self.y_m[car] += cte_m * math.sin(left_rad)
        self.heading_rad[car] += heading_rad

    def frames(self) -> NDArray[np.uint8]:
        poses = zip(self.x_m, self.y_m, self.heading_rad, strict=True)
        whole = np.stack([np.stack([self._picture(*pose) for _ in self.cameras]) for pose in poses])
        return whole[:, :, self.rows[0] : self.rows[1]]

    def frames_at(self, places: Sequence[Start]) -> NDArray[np.uint8]:
        return np.stack([self._picture(*self._pose(place)[:3]) for place in places])

    def _picture(self, x_m: float, y_m: float, heading_rad: float) -> NDArray[np.uint8]:
        """The road ahead as one grey polygon on green."""
        frame = np.full((self.height_px, self.width_px, 3), (90, 140, 60), np.uint8)
        frame[: round(HORIZON * self.height_px)] = (150, 190, 230)
        (s_m, _, turned_rad) = self.track.locate(
            np.array([x_m]), np.array([y_m]), np.array([heading_rad])
        )
        way = 1 if math.cos(turned_rad[0]) > 0 else -1
        ahead_m = s_m + way * np.linspace(2.5, 40, 30)
        edges = [self.track.position(ahead_m, side * 4.0) for side in (way, -way)]
        pixels = [self._seen(edge, x_m, y_m, heading_rad) for edge in edges]
        outline = np.concatenate([pixels[0], pixels[1][::-1]])
        cv2.fillPoly(frame, [np.clip(outline, -9999, 9999).astype(np.int32)], (130, 130, 130))
        if self.middle_line is not None:
            sides = [self.track.position(ahead_m, side * 0.15) for side in (way, -way)]
            seen = [self._seen(side, x_m, y_m, heading_rad) for side in sides]
            line = np.clip(np.concatenate([seen[0], seen[1][::-1]]), -9999, 9999)
            cv2.fillPoly(frame, [line.astype(np.int32)], self.middle_line)
        return frame

    def _seen(
        self, points_m: NDArray[np.float64], x_m: float, y_m: float, heading_rad: float
    ) -> NDArray[np.float64]:
        offset_m = points_m - (x_m, y_m)
        cos, sin = math.cos(heading_rad), math.sin(heading_rad)
        far_m = np.maximum(offset_m @ (cos, sin), 0.5)
        right_m = offset_m @ (sin, -cos)
        scale = FOCAL_PX * self.width_px / 320 / far_m
        return np.stack(
            [self.width_px / 2 + right_m * scale, HORIZON * self.height_px + CAMERA_M * scale], -1
        )


class YellowMiddle(FlatRoad):
    """The same road with nothing but a yellow line in its middle."""

    middle_line = (230, 200, 40)


def steer_to_the_road(frame: NDArray[np.uint8], speed_mph: float) -> float:
    """A policy for it: towards the middle of what is grey ahead."""
    height_px, width_px, _ = frame.shape
    row = frame[round(0.52 * height_px)].astype(int)
    grey = np.flatnonzero(np.ptp(row, axis=1) < 20)
    return 0.0 if not len(grey) else float(grey.mean() - width_px / 2) / width_px * 4


def with_throttle(frame: NDArray[np.uint8], speed_mph: float) -> tuple[float, float]:
    """The same, with a throttle of its own: it never goes faster than 5 mph."""
    return steer_to_the_road(frame, speed_mph), 0.3 if speed_mph < 5 else -0.1


def straight_on(frame: NDArray[np.uint8], speed_mph: float) -> float:
    """A policy that leaves the road in the first bend."""
    return 0.0


def says_words(frame: NDArray[np.uint8], speed_mph: float) -> str:
    return "left"
