"""A process that simulates, for ``python -m benchmarks sim`` to measure from its start.

Imports stand within the functions: what they cost is part of what is measured.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from benchmarks.measures import median_s, peak_mb

_PICTURES_A_ROUND = 32
_PICTURES_IN_ALL = 512
_GOLDEN = 0.618034


def start(task: dict[str, Any]) -> dict[str, float]:
    """Seconds until the first picture: imports, the scene, compiling or reading the kernels."""
    began_s = time.perf_counter()
    from ghostlap.sim.render.renderer import Renderer
    from ghostlap.sim.scene.conditions import FIXED
    from ghostlap.sim.scene.scenery import scene_of
    from ghostlap.sim.simulation import Start
    from ghostlap.sim.track.tracks import track_named
    from ghostlap.sim.world import World

    imported_s = time.perf_counter()
    track = track_named(task["track"])
    conditions = FIXED[track.theme]
    scene = scene_of(track, conditions)
    scene_s = time.perf_counter()
    world = World(track, conditions, [Start()], scene=scene)
    renderer = Renderer(scene, 1, device=task["device"])
    renderer.render(world.camera_poses())
    first_s = time.perf_counter()
    renderer.render(world.camera_poses())
    second_s = time.perf_counter() - first_s
    return {
        "imports_s": imported_s - began_s,
        "scene_s": scene_s - imported_s,
        "kernels_s": first_s - scene_s - second_s,
    }


def batch(task: dict[str, Any]) -> dict[str, float | None]:
    """Pictures a second, one of each car, and memory, for a number of cars.

    The cars stand all around the track; each round has them elsewhere. On a GPU the pictures stay
    there.
    """
    import warp as wp

    from ghostlap.sim.render.renderer import Renderer
    from ghostlap.sim.scene.conditions import FIXED
    from ghostlap.sim.scene.scenery import scene_of
    from ghostlap.sim.simulation import Start
    from ghostlap.sim.track.tracks import track_named
    from ghostlap.sim.world import World

    cars, device = task["cars"], wp.get_device(task["device"])
    track = track_named(task["track"])
    conditions = FIXED[track.theme]
    free_before = device.free_memory if device.is_cuda else 0
    renderer = Renderer(
        scene_of(track, conditions),
        cars,
        height_px=task["height_px"],
        width_px=task["width_px"],
        device=task["device"],
    )
    calls = max(1, _PICTURES_A_ROUND // cars)
    repeats = max(3, min(task["repeats"], _PICTURES_IN_ALL // (calls * cars)))
    looks = []
    for k in range(calls):
        starts = [
            Start(s_m=(car / cars + k * _GOLDEN) % 1 * track.length_m, direction=1 - 2 * (car % 2))
            for car in range(cars)
        ]
        looks.append(World(track, conditions, starts).camera_poses())

    def look_around() -> None:
        for eyes in looks:
            renderer.render_on_device(eyes)
        wp.synchronize_device(device)

    round_s = median_s(look_around, repeats)
    device_mb = (free_before - device.free_memory) / 2**20 if device.is_cuda else None
    return {
        "cars": cars,
        "frames_per_s": calls * cars / round_s,
        "peak_mb": peak_mb(),
        "device_mb": device_mb,
    }


WORK = {"start": start, "batch": batch}

if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps(WORK[asked["work"]](asked)))
