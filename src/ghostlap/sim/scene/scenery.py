"""Scenes: all that the renderer draws, baked once for a track and its conditions.

Baking takes about a second; the scene is then kept on disk for the next process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import CacheError, FolderError
from ghostlap.base.files import cache_folder, remove
from ghostlap.base.folder_lock import replacing_output
from ghostlap.sim.scene.conditions import Conditions
from ghostlap.sim.scene.ground import SKY_LIGHT, ground_colours, land_shadow, sun_direction
from ghostlap.sim.scene.materials import COBBLES, SUBSTANCES, patterns
from ghostlap.sim.scene.noise import around
from ghostlap.sim.scene.props import cast_shadows, props_of
from ghostlap.sim.scene.sprites import sprites
from ghostlap.sim.scene.strokes import OWN, Stroke, as_array
from ghostlap.sim.scene.terrain import raised, terrain_of
from ghostlap.sim.track.track import Track

_MOST_CACHED_BYTES = 2_000_000_000
HORIZON_BINS = 4096


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """The renderer's arrays; grids are ``float32``, ``(rows, columns)``."""

    cell_m: float
    x0_m: float
    y0_m: float
    height_m: NDArray[np.float32]
    distance_m: NDArray[np.float32]
    """Distance from the centre line, positive to the left of the track's direction."""
    arc_m: NDArray[np.float32]
    ground: NDArray[np.uint8]
    """``(rows, columns, 4)``: lit colour beside the road, and share of the sun that arrives."""
    stations: NDArray[np.float32]
    """``(stations, 6)``: half width left and right, curvature, surface, edge left and right."""
    station_m: float
    props: NDArray[np.float32]
    wires: NDArray[np.float32]
    sprites: NDArray[np.uint8]
    patterns: NDArray[np.uint8]
    horizon: NDArray[np.float32]
    """``(bins, 2)``: rise of a far and a nearer range of hills above the horizon, by azimuth."""
    road: NDArray[np.float32]
    """``(2, 2, 3)``: dark and light colour of road and bridge."""
    road_pattern: int
    verge_pattern: int
    sun: NDArray[np.float32]
    """Unit vector: east, north, up."""
    shadow_light: NDArray[np.float32]
    """Factors on red, green and blue in shadow."""
    strokes: NDArray[np.float32]
    """``(strokes, 16)``: what :func:`ghostlap.sim.scene.strokes.as_array` makes."""
    shoulder: int
    """Whose shoulders and kerbs there are: 0 the lake's, 1 none, 2 a circuit's."""
    theme: int
    """0 lake, 1 jungle, 2 circuit."""
    gain: NDArray[np.float32]
    """Factors on red, green and blue of the whole picture."""
    haze: float
    camera: NDArray[np.float64]
    """Focal length and row of the horizon in pixels of a frame 160 high, and height in metres."""


_THEMES = ("lake", "jungle", "circuit")
_BARE_SHOULDER = _THEMES.index("jungle")


def scene_of(track: Track, conditions: Conditions, cache: bool = True) -> Scene:
    """The scene of a track under given conditions, read from the user's cache if it was kept there.

    Raises:
        CacheError: the scene cannot be kept.
    """
    if not cache:
        return _bake(track, conditions)
    path = cache_folder() / "scenes" / f"{_key(track, conditions)}.npz"
    scene = _read(path)
    if scene is None:
        scene = _bake(track, conditions)
        _keep(scene, path)
    return scene


def _keep(scene: Scene, path: Path) -> None:
    elsewhere = "Or name a folder on another disk by the environment variable GHOSTLAP_CACHE."
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _forget_oldest(path.parent)
        with replacing_output(path) as unfinished, unfinished.open("wb") as file:
            np.savez(file, **dataclasses.asdict(scene))
    except FolderError as error:
        if not isinstance(error.__cause__, TimeoutError):  # else another process is keeping it
            raise CacheError(f"{error} {elsewhere}") from error
    except OSError as error:
        raise CacheError(
            f"{error.filename}: a scene of the simulator cannot be kept there ({error.strerror}). "
            f"Make room. {elsewhere}"
        ) from error


def _bake(track: Track, conditions: Conditions) -> Scene:
    strokes = _strokes(track, conditions)
    terrain = raised(terrain_of(track), track, strokes)
    props, wires = props_of(track, terrain, conditions)
    shadow = np.maximum(land_shadow(terrain, conditions), cast_shadows(terrain, props, conditions))
    half_left, half_right = track.half_widths(track.stations_s_m)
    codes = track.codes(track.stations_s_m)
    curvature = track.curvature(track.stations_s_m)
    road, cobbles = SUBSTANCES[conditions.road], COBBLES
    depth = conditions.shadow_depth
    return Scene(
        cell_m=terrain.cell_m,
        x0_m=terrain.x0_m,
        y0_m=terrain.y0_m,
        height_m=terrain.height_m,
        distance_m=terrain.distance_m,
        arc_m=terrain.arc_m,
        ground=ground_colours(track, terrain, conditions, shadow),
        stations=np.stack([half_left, half_right, curvature, *codes], -1).astype(np.float32),
        station_m=track.length_m / len(track.stations_s_m),
        props=props,
        wires=wires,
        sprites=sprites(conditions.texture_seed % 7),
        patterns=patterns(conditions.texture_seed % 7),
        horizon=_horizon(track, conditions),
        road=np.array([(road.dark, road.light), (cobbles.dark, cobbles.light)], np.float32),
        road_pattern=int(road.pattern),
        verge_pattern=int(SUBSTANCES[conditions.verge].pattern),
        sun=sun_direction(conditions).astype(np.float32),
        shadow_light=((1 - depth) * SKY_LIGHT).astype(np.float32),
        strokes=as_array(strokes),
        shoulder=_THEMES.index(track.theme) if conditions.shoulder else _BARE_SHOULDER,
        theme=_THEMES.index(track.theme),
        gain=(np.array(conditions.tint) * conditions.brightness).astype(np.float32),
        haze=conditions.haze,
        camera=np.array(dataclasses.astuple(conditions.camera)[:3]),
    )


def _strokes(track: Track, conditions: Conditions) -> tuple[Stroke, ...]:
    if not conditions.lines:
        return ()
    return OWN[track.markings] if conditions.strokes is None else conditions.strokes


def _horizon(track: Track, conditions: Conditions) -> NDArray[np.float32]:
    """Two ranges of hills all around, the nearer one with a ragged line of trees."""
    draw = np.random.default_rng([conditions.texture_seed, 53])
    high = {"lake": 0.05, "jungle": 0.12, "circuit": 0.02}[track.theme] * conditions.hills
    far = high * (1 + 0.4 * around(draw, HORIZON_BINS, 9)) + 0.01
    near = high * (0.55 + 0.3 * around(draw, HORIZON_BINS, 14))
    trees = np.repeat(draw.random(HORIZON_BINS // 4), 4) * np.tile(
        [0.3, 1.0, 0.8, 0.2], HORIZON_BINS // 4
    )
    near = near + 0.028 * trees * (draw.random(HORIZON_BINS) < 0.75)
    return np.stack([np.maximum(far, 0), np.maximum(near, 0)], -1).astype(np.float32)


def _key(track: Track, conditions: Conditions) -> str:
    digest = hashlib.sha256(_makers())
    digest.update(f"{track.name} {track.theme} {track.markings}".encode())
    for field in dataclasses.fields(track):
        value = getattr(track, field.name)
        if isinstance(value, np.ndarray):
            digest.update(np.ascontiguousarray(value).tobytes())
    digest.update(json.dumps(dataclasses.asdict(conditions)).encode())
    return digest.hexdigest()[:32]


@lru_cache(maxsize=1)
def _makers() -> bytes:
    """The source of the code that bakes: another version of it makes other scenes."""
    rooms = (Path(__file__).parent, Path(__file__).parents[1] / "track")
    return b"".join(path.read_bytes() for room in rooms for path in sorted(room.glob("*.py")))


def _read(path: Path) -> Scene | None:
    """A kept scene; None if there is none, or a broken one."""
    try:
        with path.open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            values: dict[str, Any] = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile):
        return None
    if set(values) != {field.name for field in dataclasses.fields(Scene)}:
        return None
    return Scene(**{name: one if one.ndim else one.item() for name, one in values.items()})


def _forget_oldest(folder: Path) -> None:
    """Keep the cache within its bound; other processes do so too, so any file may be gone."""
    kept = []
    for path in folder.glob("*.npz"):
        with contextlib.suppress(FileNotFoundError):
            about = path.stat()
            kept.append((about.st_mtime, about.st_size, path))
    total = 0
    for _, size, path in sorted(kept, reverse=True):
        total += size
        if total > _MOST_CACHED_BYTES:
            remove(path, folder)
