"""``python -m benchmarks sim``: pictures, batches, physics, recording and start of the simulator.

Everything but recording is one core's work: Warp runs its CPU kernels in the calling thread, and
``cores_used`` (processor time over wall time) shows that it did.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import warp as wp
from rich.console import Console

from benchmarks.measures import in_fresh_process, median_s, one_core_limits
from ghostlap.base.platform import cores
from ghostlap.commands.record import record
from ghostlap.data.vision.pictures import encode_jpeg
from ghostlap.driving.expert_recording.config import RecordConfig
from ghostlap.sim.expert import Expert, ExpertDriver
from ghostlap.sim.render.renderer import Renderer, start_warp
from ghostlap.sim.scene.conditions import FIXED
from ghostlap.sim.scene.scenery import scene_of
from ghostlap.sim.simulation import Start
from ghostlap.sim.track.track import Track
from ghostlap.sim.track.tracks import track_named
from ghostlap.sim.vehicle import PHYSICS_STEP_S
from ghostlap.sim.world import World

TRACK = "lake"
SIZE_PX = (160, 320)
"""Height and width of Udacity's pictures."""
PILOT_ROWS = (60, 135)
"""What the default preprocessing looks at."""
CPU_CARS = (1, 16, 64, 256)
CUDA_CARS = (*CPU_CARS, 1024, 4096)
PLACES = 24
"""Around the lap, that each repeat takes pictures at: what they show decides how long they take."""

_STEP_S = 1 / 15
_PHYSICS_CARS = (1, 256)
_PHYSICS_STEPS = 50


def measure(repeats: int, laps: int, console: Console) -> dict[str, Any]:
    """All figures of the simulator, by part."""
    track = track_named(TRACK)
    parts: list[tuple[str, Callable[[], Any]]] = [
        ("limit", lambda: one_core_limits(repeats)),
        ("start", lambda: starts(TRACK, max(1, repeats // 8))),
        ("pictures", lambda: picture_rates(track, repeats)),
        ("physics", lambda: [physics(track, cars, repeats) for cars in _PHYSICS_CARS]),
        ("batch", lambda: batches(CPU_CARS, "cpu", repeats)),
        ("recording", lambda: recording(laps)),
        ("limit_after", lambda: one_core_limits(repeats)),
    ]
    start_warp()
    if wp.get_cuda_device_count():
        parts += [
            ("cuda_batch", lambda: batches(CUDA_CARS, "cuda", repeats)),
            ("cuda_difference", lambda: difference(track, "cuda")),
        ]
    figures: dict[str, Any] = {}
    for name, part in parts:
        with console.status(f"measuring: {name} …"):
            figures[name] = part()
    return figures


def starts(track: str, repeats: int, device: str = "cpu") -> dict[str, dict[str, float]]:
    """Median seconds of a process's first steps, with empty caches and with full ones.

    Returns:
        ``uncached`` and ``cached``, each with ``imports_s``, ``scene_s`` and ``kernels_s``.
    """
    task = {"work": "start", "track": track, "device": device}
    found: dict[str, list[dict[str, float]]] = {"uncached": [], "cached": []}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            caches = {"GHOSTLAP_CACHE": folder, "WARP_CACHE_PATH": folder}
            for seconds in found.values():
                seconds.append(in_fresh_process("benchmarks.sim_process", task, caches))
    return {
        name: {part: float(np.median([times[part] for times in seconds])) for part in seconds[0]}
        for name, seconds in found.items()
    }


def picture_rates(
    track: Track, repeats: int, size_px: tuple[int, int] = SIZE_PX
) -> dict[str, float]:
    """What one core shows in a second.

    Returns:
        ``frames_per_s`` of whole pictures and ``pilot_rows_per_s`` of a pilot's part of them, one
        camera; ``three_cameras_steps_per_s`` of a world that the expert drives, physics and all;
        ``jpegs_per_s``; ``cores_used``; ``pixels_per_s`` of the whole pictures.
    """
    height_px, width_px = size_px
    conditions = FIXED[track.theme]
    scene = scene_of(track, conditions)
    places = [Start(s_m=k * track.length_m / PLACES, speed_mps=10.0) for k in range(PLACES)]
    eyes = World(track, conditions, places).camera_poses()
    rows = tuple(row * height_px // SIZE_PX[0] for row in PILOT_ROWS)

    def pictures_per_s(rows: tuple[int, int] | None) -> float:
        renderer = Renderer(
            scene, 1, height_px=height_px, width_px=width_px, rows=rows, device="cpu"
        )

        def look_around() -> None:
            for eye in eyes:
                renderer.render(eye[None])

        return PLACES / median_s(look_around, repeats)

    world = World(
        track,
        conditions,
        [places[0]],
        cameras=("center", "left", "right"),
        height_px=height_px,
        width_px=width_px,
        scene=scene,
    )
    driver = ExpertDriver(track, Expert(), cars=1)

    def drive_around() -> None:
        for place in places:
            world.place(0, place)
            steering, throttle = driver.control(world)
            world.step(steering, throttle, _STEP_S)
            world.frames()

    began_s, began_working_s = time.perf_counter(), time.process_time()
    frames_per_s = pictures_per_s(None)
    cores_used = (time.process_time() - began_working_s) / (time.perf_counter() - began_s)
    picture = world.frames()[0, 0]
    return {
        "frames_per_s": frames_per_s,
        "pixels_per_s": frames_per_s * height_px * width_px,
        "pilot_rows_per_s": pictures_per_s((rows[0], rows[1])),
        "three_cameras_steps_per_s": PLACES / median_s(drive_around, repeats),
        "jpegs_per_s": 1 / median_s(lambda: encode_jpeg(picture, 75), 4 * repeats),
        "cores_used": cores_used,
    }


def physics(track: Track, cars: int, repeats: int) -> dict[str, float]:
    """Microseconds of a world's step of 1/50 s without pictures, and of the expert's control."""
    starts = [Start(s_m=k * track.length_m / cars, speed_mps=10.0) for k in range(cars)]
    world = World(track, FIXED[track.theme], starts, cameras=())
    driver = ExpertDriver(track, Expert(), cars)
    steering, throttle = driver.control(world)

    def drive() -> None:
        for _ in range(_PHYSICS_STEPS):
            world.step(steering, throttle, PHYSICS_STEP_S)

    step_s = median_s(drive, repeats) / _PHYSICS_STEPS
    control_s = median_s(lambda: driver.control(world), repeats)
    return {"cars": cars, "step_us": step_s * 1e6, "expert_us": control_s * 1e6}


def batches(
    cars: tuple[int, ...],
    device: str,
    repeats: int,
    track: str = TRACK,
    size_px: tuple[int, int] = SIZE_PX,
) -> list[dict[str, float | None]]:
    """Pictures a second and peak memory of a process that shows so many cars at once."""
    task = {
        "work": "batch", "track": track, "device": device, "repeats": repeats,
        "height_px": size_px[0], "width_px": size_px[1],
    }  # fmt: skip
    return [in_fresh_process("benchmarks.sim_process", task | {"cars": count}) for count in cars]


def recording(
    laps: int, track: str = TRACK, size_px: tuple[int, int] = SIZE_PX, rate_hz: float = 15.0
) -> dict[str, float]:
    """``ghostlap record`` of so many laps, three cameras, all cores, scenes made and all.

    Once, not a median: it takes most of a minute. ``processor_s`` of all processes together is
    what it would take on one core that nobody else uses.
    """
    before_s = _processor_s()
    with tempfile.TemporaryDirectory() as folder, _environment(GHOSTLAP_CACHE=folder):
        began_s = time.perf_counter()
        result = record(
            RecordConfig(
                track=(track,),
                laps=laps,
                out=Path(folder) / "rec",
                size=(size_px[1], size_px[0]),
                rate_hz=rate_hz,
            ),
            Console(file=io.StringIO()),
        )
        seconds = time.perf_counter() - began_s
    return {
        "laps": laps,
        "processes": cores(),
        "seconds": seconds,
        "processor_s": _processor_s() - before_s,
        "moments": result["rows"],
        "frames_per_s": 3 * result["rows"] / seconds,
    }


def difference(track: Track, device: str, size_px: tuple[int, int] = SIZE_PX) -> dict[str, float]:
    """How far a device's pictures are from the CPU's, in steps of 256.

    Returns:
        ``mean`` absolute difference, and the share of values that are off ``by_more_than_3``.
    """
    conditions = FIXED[track.theme]
    scene = scene_of(track, conditions)
    starts = [Start(s_m=k * track.length_m / PLACES) for k in range(PLACES)]
    eyes = World(track, conditions, starts).camera_poses()
    ours, theirs = (
        Renderer(scene, PLACES, height_px=size_px[0], width_px=size_px[1], device=name)
        .render(eyes)
        .astype(np.int16)
        for name in ("cpu", device)
    )
    off = np.abs(ours - theirs)
    return {"mean": float(off.mean()), "by_more_than_3": float((off > 3).mean())}


def _processor_s() -> float:
    """Of this process and all that it started and that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@contextlib.contextmanager
def _environment(**changes: str) -> Iterator[None]:
    """Environment variables, for the processes that are started meanwhile too."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
