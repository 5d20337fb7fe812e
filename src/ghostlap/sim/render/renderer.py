"""The renderer: pictures of a scene by the cameras on the car."""

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
from ghostlap.sim.render.camera_poses import rows_within
from ghostlap.sim.render.kernels import BUCKETS, Projection, paint_columns, project_props
from ghostlap.sim.render.shading import Land, Optics
from ghostlap.sim.scene.scenery import Scene

_HAZE_FROM_M = 900.0
"""Distance at which haze 1 has taken four fifths of all colour."""
_LARGEST_PX = 4096
_WARP = "warp.so"


class Renderer:
    """A renderer of one scene, several views at a time.

    Args:
        views: number of pictures in each call of :meth:`render`.
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
        if views < 1 or not (8 <= height_px <= _LARGEST_PX and 8 <= width_px <= _LARGEST_PX):
            raise SimulatorError(
                f"The renderer needs at least 1 view of 8x8 to {_LARGEST_PX}x{_LARGEST_PX} pixels. "
                f"Got {views} of {width_px}x{height_px}."
            )
        first, end = rows_within(rows, height_px)
        start_warp()
        try:
            self.device = wp.get_device(device)
        except (ValueError, RuntimeError) as error:
            raise SimulatorError(
                f"The renderer has no device {device!r} here ({error}). Use cpu."
            ) from error
        self.views = views
        focal_px, horizon_px, eye_m = map(float, scene.camera)
        camera = Camera(focal_px, horizon_px, eye_m).for_frames(height_px, width_px)
        self._optics = _optics(camera, first, end)
        self._land = self._land_of(scene)
        self._sun = _vector(scene.sun)
        self._props = self._array(scene.props, float)
        self._wires = self._array(scene.wires.reshape(-1, 7), float)
        self._sprites = self._array(_packed(scene.sprites), wp.uint32)
        bonnet, bonnet_top = _bonnet(height_px, width_px)
        self._bonnet = self._array(bonnet, wp.vec3)
        self._bonnet_top = self._array(bonnet_top, int)
        shape = (views, width_px, height_px)
        self._colours = wp.empty(shape, dtype=wp.vec3, device=self.device)
        self._depths = wp.empty(shape, dtype=float, device=self.device)
        props = max(1, len(scene.props))
        self._shown = wp.empty((views, props), dtype=Projection, device=self.device)
        self._members = wp.empty((views, BUCKETS, props), dtype=int, device=self.device)
        self._counts = wp.zeros((views, BUCKETS), dtype=int, device=self.device)
        part = (views, end - first, width_px, 3)
        self.frames = wp.empty(part, dtype=wp.uint8, device=self.device)
        """The last pictures, on the device."""

    def render(self, camera_poses: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Take pictures, RGB ``uint8`` ``(views, rows, width, 3)``, from poses ``(views, 5)``.

        A pose is x, y and height in metres, heading and pitch in radians; pitch is the car's own,
        positive with the nose up. On the CPU the pictures are the renderer's own buffer,
        overwritten by the next call.
        """
        self.render_on_device(camera_poses)
        return np.asarray(self.frames.numpy())

    def render_on_device(self, camera_poses: NDArray[np.floating]) -> Any:
        """Take pictures as :meth:`render` does, but leave them on the device, as a Warp array."""
        if np.shape(camera_poses) != (self.views, 5):
            raise SimulatorError(
                f"camera_poses must have shape ({self.views}, 5). Got {np.shape(camera_poses)}."
            )
        poses = self._array(np.asarray(camera_poses, np.float32), float)
        self._counts.zero_()
        shown = [self._shown, self._members, self._counts]
        wp.launch(
            project_props,
            dim=(self.views, len(self._props)),
            inputs=[poses, self._optics, self._sun, self._props, *shown],
            device=self.device,
        )
        wp.launch(
            paint_columns,
            dim=(self.views, self._optics.width),
            inputs=[
                poses, self._optics, self._land, *shown, self._sprites, self._wires, self._bonnet,
                self._bonnet_top, self._colours, self._depths, self.frames,
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
        (land.dark, land.light), (land.bridge_dark, land.bridge_light) = (
            map(_vector, colours) for colours in scene.road
        )
        land.road_pattern, land.verge_pattern = scene.road_pattern, scene.verge_pattern
        land.sun, land.shadow = _vector(scene.sun), _vector(scene.shadow_light)
        land.strokes = self._array(scene.strokes, float)
        land.shoulder, land.theme = scene.shoulder, scene.theme
        land.gain = _vector(scene.gain)
        land.haze_per_m = scene.haze / _HAZE_FROM_M
        return land


@lru_cache(maxsize=1)
def start_warp() -> None:
    """Start Warp without its native message on standard error that there is no CUDA driver.

    Raises:
        SimulatorError: compiled kernels cannot be kept.
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
    """Give back the memory of Warp's compiler, which is not needed once pictures are drawn."""
    for library in (_WARP, "warp-clang.so"):
        give_back_code(library)


def _optics(camera: Camera, first: int, end: int) -> Optics:
    optics = Optics()
    optics.focal, optics.horizon = camera.focal_px, camera.horizon_px
    optics.height_m = camera.height_m
    optics.middle = camera.frame_width_px / 2
    optics.width = camera.frame_width_px
    optics.first_row, optics.end_row = first, end
    return optics


def _vector(values: NDArray[Any]) -> Any:
    return wp.vec3(*map(float, values))


def _packed(colours: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """The four bytes of each colour packed into one number."""
    return np.ascontiguousarray(colours).view(np.uint32)[..., 0]


def _bonnet(height_px: int, width_px: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The car's bonnet: colours ``(rows, columns, 3)``, and its first row in each column."""
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
