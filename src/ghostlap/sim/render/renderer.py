"""Pictures of a scene, as the cameras on the car take them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from ghostlap.base.errors import SimulatorError
from ghostlap.base.platform import give_back_code
from ghostlap.base.terminal import native_words_held_back
from ghostlap.data.vision.camera import Camera
from ghostlap.sim.render.kernels import BUCKETS, Shown, paint_columns, project_things
from ghostlap.sim.render.shading import Land, Optics
from ghostlap.sim.scene.scenery import Scene

_HAZE_FROM_M = 900.0
"""At haze 1, things at this distance have lost four fifths of their colour."""
_LARGEST_PX = 4096
_WARP = "warp.so"


class Renderer:
    """Takes pictures of one scene, several views at a time.

    Args:
        scene: of :func:`ghostlap.sim.scene.scenery.scene_of`.
        views: pictures taken by each call of :meth:`render`.
        height_px, width_px: of a whole picture.
        rows: first and end row of the part to paint; None is the whole picture.
        device: ``cpu``, or ``cuda`` where Warp finds a GPU.

    Raises:
        SimulatorError: an impossible size, or no such device.
    """

    def __init__(
        self,
        scene: Scene,
        views: int,
        *,
        height_px: int = 160,
        width_px: int = 320,
        rows: tuple[int, int] | None = None,
        device: str = "cpu",
    ) -> None:
        first, end = rows if rows is not None else (0, height_px)
        _check_size(views, height_px, width_px, first, end)
        start_warp()
        try:
            self.device = wp.get_device(device)
        except (ValueError, RuntimeError) as error:
            raise SimulatorError(
                f"The renderer has no device {device!r} here ({error}). Use cpu."
            ) from error
        self.views = views
        camera = Camera().for_frames(height_px, width_px)
        self._optics = _optics(camera, first, end)
        self._land = self._land_of(scene)
        self._sun = wp.vec3(*map(float, scene.sun))
        self._upright = self._array(scene.upright, float)
        self._wires = self._array(scene.wires.reshape(-1, 7), float)
        self._sprites = self._array(_packed(scene.sprites), wp.uint32)
        bonnet, bonnet_top = _bonnet(height_px, width_px)
        self._bonnet = self._array(bonnet, wp.vec3)
        self._bonnet_top = self._array(bonnet_top, int)
        shape = (views, width_px, height_px)
        self._colours = wp.empty(shape, dtype=wp.vec3, device=self.device)
        self._depths = wp.empty(shape, dtype=float, device=self.device)
        self._shown = wp.empty((views, max(1, len(scene.upright))), dtype=Shown, device=self.device)
        self._members = wp.empty(
            (views, BUCKETS, max(1, len(scene.upright))), dtype=int, device=self.device
        )
        self._counts = wp.zeros((views, BUCKETS), dtype=int, device=self.device)
        self.frames = wp.empty(
            (views, end - first, width_px, 3), dtype=wp.uint8, device=self.device
        )
        """The last pictures, on the device."""

    def render(self, eyes: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Take a picture from each eye.

        Args:
            eyes: shape ``(views, 5)``: x, y and height of the camera in metres, heading and pitch
                in radians; pitch is the car's own, positive with the nose up.

        Returns:
            ``uint8``, shape ``(views, rows, width, 3)``, red first. On the CPU this is the
            renderer's own buffer, overwritten by the next call.
        """
        self.render_on_device(eyes)
        return np.asarray(self.frames.numpy())

    def render_on_device(self, eyes: NDArray[np.floating]) -> Any:
        """Like :meth:`render`, but the pictures stay on the device, as a Warp array."""
        eyes = np.ascontiguousarray(eyes, np.float32)
        if eyes.shape != (self.views, 5):
            raise SimulatorError(f"eyes must have shape ({self.views}, 5). Got {eyes.shape}.")
        placed: Any = wp.array(eyes, dtype=float, device=self.device)
        self._counts.zero_()
        wp.launch(
            project_things,
            dim=(self.views, len(self._upright)),
            inputs=[
                placed,
                self._optics,
                self._sun,
                self._upright,
                self._shown,
                self._members,
                self._counts,
            ],
            device=self.device,
        )
        wp.launch(
            paint_columns,
            dim=(self.views, self._optics.width),
            inputs=[
                placed, self._optics, self._land, self._shown, self._members, self._counts,
                self._sprites, self._wires, self._bonnet, self._bonnet_top, self._colours,
                self._depths, self.frames,
            ],
            device=self.device,
        )  # fmt: skip
        _give_back_compiler()
        return self.frames

    def _array(self, values: NDArray[Any], dtype: Any) -> Any:
        return wp.array(np.ascontiguousarray(values), dtype=dtype, device=self.device)

    def _land_of(self, scene: Scene) -> Land:
        land = Land()
        land.height = self._array(scene.height_m, float)
        land.distance = self._array(scene.distance_m, float)
        land.arc = self._array(scene.arc_m, float)
        land.ground = self._array(_packed(scene.ground), wp.uint32)
        land.stations = self._array(scene.stations, float)
        land.patterns = self._array(scene.patterns, wp.uint8)
        land.horizon = self._array(scene.horizon, wp.vec2)
        rows, columns = scene.height_m.shape
        land.per_cell = 1 / scene.cell_m
        land.x0, land.y0 = scene.x0_m, scene.y0_m
        land.last_column, land.last_row = columns - 1.01, rows - 1.01
        land.highest = float(scene.height_m.max())
        land.stations_per_m = 1 / scene.station_m
        land.dark, land.light = (wp.vec3(*map(float, colour)) for colour in scene.road[0])
        land.bridge_dark, land.bridge_light = (
            wp.vec3(*map(float, colour)) for colour in scene.road[1]
        )
        land.road_pattern, land.verge_pattern = scene.road_pattern, scene.verge_pattern
        land.sun = wp.vec3(*map(float, scene.sun))
        land.shadow = wp.vec3(*map(float, scene.shadow_light))
        land.markings, land.theme = scene.markings, scene.theme
        land.gain = wp.vec3(*map(float, scene.gain))
        land.haze_per_m = scene.haze / _HAZE_FROM_M
        return land


@lru_cache(maxsize=1)
def start_warp() -> None:
    """Start Warp without its native line on standard error that there is no CUDA driver.

    Most machines have none; who asks for ``cuda`` there gets a SimulatorError.

    Raises:
        SimulatorError: there is no place for compiled kernels.
    """
    try:
        with native_words_held_back():
            wp.init()
        give_back_code(_WARP)
    except OSError as error:
        raise SimulatorError(
            f"{error.filename or 'the cache folder'}: compiled kernels of the simulator cannot be "
            f"kept there ({error.strerror}). Name a folder: WARP_CACHE_PATH=/some/folder ghostlap …"
        ) from error


@lru_cache(maxsize=1)
def _give_back_compiler() -> None:
    """Once pictures are drawn, what compiled and loaded their kernels is needed no more."""
    for library in (_WARP, "warp-clang.so"):
        give_back_code(library)


def _check_size(views: int, height_px: int, width_px: int, first: int, end: int) -> None:
    if views < 1 or not (8 <= height_px <= _LARGEST_PX and 8 <= width_px <= _LARGEST_PX):
        raise SimulatorError(
            f"The renderer needs at least 1 view of 8x8 to {_LARGEST_PX}x{_LARGEST_PX} pixels. "
            f"Got {views} of {width_px}x{height_px}."
        )
    if not 0 <= first < end <= height_px:
        raise SimulatorError(
            f"rows must lie within the picture's {height_px} rows. Got {first} to {end}."
        )


def _optics(camera: Camera, first: int, end: int) -> Optics:
    optics = Optics()
    optics.focal, optics.horizon = camera.focal_px, camera.horizon_px
    optics.height_m = camera.height_m
    optics.middle = camera.frame_width_px / 2
    optics.width = camera.frame_width_px
    optics.first_row, optics.end_row = first, end
    return optics


def _packed(colours: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Four bytes of each colour as one number."""
    return np.ascontiguousarray(colours).view(np.uint32)[..., 0]


def _bonnet(height_px: int, width_px: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The car's bonnet: colours ``(rows, columns, 3)``, and the first row of it in each column."""
    rows, columns = np.mgrid[:height_px, :width_px].astype(np.float32)
    row = (rows + 0.5) * (160 / height_px)
    aside = np.abs((columns + 0.5) * (320 / width_px) - 160)
    edge = 138.0 + (aside / 112) ** 2.3 * 20
    bonnet = np.zeros((height_px, width_px, 3), np.float32)
    layers = (
        (0.0, (0.60, 0.54, 0.42)), (2.0, (0.68, 0.60, 0.47)), (7.0, (0.46, 0.40, 0.31)),
        (10.5, (0.10, 0.10, 0.09)), (12.0, (0.66, 0.66, 0.60)), (15.0, (0.22, 0.22, 0.20)),
        (16.5, (0.72, 0.72, 0.66)),
    )  # fmt: skip
    for below, colour in layers:
        bonnet[row > edge + below] = colour
    return bonnet, (row <= edge).sum(0, dtype=np.int32)
