"""Light, weather and materials: everything about a scene that a seed may change.

A pilot that has only seen one light and one asphalt tells road from verge by their colours. Drawn
conditions vary sun, haze, tint, the materials of road and verge, and the number of trees, all from
one seed. Wide ones go to the limits at which a person would still drive: night, colour casts, roads
of dirt or snow, no lines, a sun at the horizon. ``any`` draws markings, edges and camera as well.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import numpy as np

from ghostlap.base.errors import SimulatorError
from ghostlap.base.options import Options, Range, Share
from ghostlap.data.vision.camera import Camera
from ghostlap.sim.scene.strokes import Stroke, drawn_strokes, drawn_walls

if TYPE_CHECKING:  # options name kinds of conditions; a drive needs no road for that
    from ghostlap.sim.track.track import Theme

Material = Literal[
    "asphalt_old", "asphalt_new", "asphalt_jungle", "concrete", "dirt", "gravel", "sand", "snow",
    "dry_grass", "grass",
]  # fmt: skip
MATERIALS: tuple[Material, ...] = get_args(Material)

ROADS: tuple[Material, ...] = ("asphalt_old", "asphalt_new", "asphalt_jungle", "concrete")
VERGES: tuple[Material, ...] = ("dry_grass", "grass", "dirt", "gravel", "sand", "snow")
"""Materials of drawn conditions."""


@dataclasses.dataclass(frozen=True)
class Conditions(Options, error=SimulatorError, called="{name}"):
    """Light, weather and materials of one scene."""

    road: Material = "asphalt_old"
    """Material of the road, bridges excepted."""
    verge: Material = "dry_grass"
    """Material of the ground beside the road."""
    lines: bool = True
    """Whether the road is marked."""
    strokes: tuple[Stroke, ...] | None = None
    """Its markings, patches, kerbs, pavements and walls; None for those of the track."""
    shoulder: bool = True
    """Whether there are the theme's own shoulders, and kerbs in bends."""
    sun_azimuth_deg: float = 35.0
    """Direction of the sun, counterclockwise from east."""
    sun_elevation_deg: Annotated[float, Range(3, 90)] = 55.0
    """Height of the sun; low suns cast long shadows."""
    shadow_depth: Share = 0.55
    """Share of the light that a shadow takes away, in [0, 1]."""
    brightness: Annotated[float, Range(0.05, 4)] = 1.0
    """Factor on the whole picture."""
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Factors on red, green and blue."""
    haze: Annotated[float, Range(0, 50)] = 1.0
    """Factor on how fast colours fade with distance; 0 is perfectly clear."""
    tree_density: Annotated[float, Range(0, 4)] = 1.0
    """Factor on the number of trees."""
    parked_per_km: Annotated[float, Range(0, 500)] = 0.0
    """Number of cars and vans that are parked beside each kilometre of road."""
    texture_seed: Annotated[int, Range(0, 2**31)] = 0
    """Seed of the textures' noise and of the places of trees, boulders and parked cars."""
    hills: Annotated[float, Range(0, 4)] = 1.0
    """Factor on the hills at the horizon; 0 is an open one."""
    camera_height: Annotated[float, Range(0.5, 2)] = 1.0
    """Factor on the height of the camera."""
    camera_focal: Annotated[float, Range(0.5, 2)] = 1.0
    """Factor on the camera's focal length: a smaller one sees more to the sides."""
    camera_pitch_deg: Annotated[float, Range(-10, 10)] = 0.0
    """How far the camera looks further up than it should."""

    @property
    def camera(self) -> Camera:
        """The camera with which a scene is seen, of frames of the usual size."""
        usual = Camera()
        focal_px = usual.focal_px * self.camera_focal
        lower_px = focal_px * math.tan(math.radians(self.camera_pitch_deg))
        return Camera(focal_px, usual.horizon_px + lower_px, usual.height_m * self.camera_height)


ConditionsKind = Literal["fixed", "seed", "wide", "markings", "camera", "any"]
"""``fixed``: as Udacity's simulator shows a theme; ``seed``: drawn; ``wide``: of a wider range;
``any``: with other markings, edges and camera, too; ``markings``, ``camera``: with those alone."""

_OF_THE_CAMERA = ("camera_height", "camera_focal", "camera_pitch_deg")

FIXED: dict[Theme, Conditions] = {
    "lake": Conditions(),
    "jungle": Conditions("asphalt_jungle", "grass", sun_elevation_deg=40.0, shadow_depth=0.72),
    "circuit": Conditions(road="asphalt_new", verge="grass"),
}
"""``--conditions fixed``: each theme as Udacity's simulator shows it."""


def conditions_of(kind: ConditionsKind, theme: Theme, seed: int | None) -> Conditions:
    """Conditions of a kind; fixed ones need no seed.

    Of ``seed`` conditions, half keep the theme's own materials. Of ``wide`` ones, any material may
    be the road beside any other; without lines the two always differ. ``any`` draws as wide, and
    then markings, edges and camera independently of theme and materials.
    """
    own = FIXED[theme]
    if kind == "fixed" or seed is None:
        return own
    wide = kind != "seed"
    draw = np.random.default_rng([seed, 73 if wide else 71])
    road, verge = own.road, own.verge
    if draw.random() < (0.75 if wide else 0.5):
        roads = MATERIALS if wide and draw.random() < 0.5 else ROADS
        road, verge = roads[draw.integers(len(roads))], VERGES[draw.integers(len(VERGES))]
    lines = not wide or bool(draw.random() < 0.75) or road == verge
    red, green, blue = map(float, np.exp(draw.normal(0.0, 0.14 if wide else 0.05, 3)))
    elevations_deg = (25, 80) if wide else (25, 75)
    if wide and draw.random() < 0.3:
        elevations_deg = (5, 25)
    drawn = dataclasses.replace(
        own,
        road=road,
        verge=verge,
        lines=lines,
        sun_azimuth_deg=float(draw.uniform(0, 360)),
        sun_elevation_deg=float(draw.uniform(*elevations_deg)),
        shadow_depth=float(draw.uniform(*((0.3, 0.9) if wide else (0.35, 0.75)))),
        brightness=float(
            np.exp(draw.uniform(np.log(0.3), np.log(1.4)) if wide else draw.normal(0.0, 0.18))
        ),
        tint=(red, green, blue),
        haze=float(draw.choice([0.3, 1.0, 1.0, 2.5, 8.0] if wide else [0.3, 1.0, 1.0, 2.5])),
        tree_density=float(draw.uniform(*((0.2, 1.8) if wide else (0.4, 1.6)))),
        texture_seed=int(draw.integers(2**31)),
    )
    if kind in ("seed", "wide"):
        return drawn
    varied = _any(drawn, np.random.default_rng([seed, 79]))
    if kind == "any":
        return varied
    camera, others = (varied, drawn) if kind == "camera" else (drawn, varied)
    return dataclasses.replace(others, **{name: getattr(camera, name) for name in _OF_THE_CAMERA})


def _any(wide: Conditions, draw: np.random.Generator) -> Conditions:
    """The conditions with other markings, edges, walls, parked cars and camera.

    A third keep the track's own markings.
    """
    alike = wide.road == wide.verge
    own_strokes, shoulder = bool(draw.random() < 0.3), bool(draw.random() < 0.5)
    strokes = drawn_strokes(draw, lined=alike)
    hills, height, focal, pitch_deg = (
        float(draw.choice([0.0, 0.5, 1.0, 1.5])),
        *map(float, draw.uniform((0.93, 0.95, -1.0), (1.07, 1.05, 1.0))),
    )
    walls = drawn_walls(draw) if draw.random() < 0.3 else ()
    return dataclasses.replace(
        wide,
        lines=wide.lines or not own_strokes,
        strokes=None if own_strokes else strokes + walls,
        shoulder=shoulder,
        parked_per_km=float(draw.uniform(5, 60)) if draw.random() < 0.3 else 0.0,
        hills=hills,
        camera_height=height,
        camera_focal=focal,
        camera_pitch_deg=pitch_deg,
    )
