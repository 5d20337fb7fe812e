"""Small recordings with drawn pictures, for tests.

The pictures are of a flat road with speckled ground, seen as the simulator's three cameras see it
and bent as the steering asks, so that a network can learn from them and left differs from right.
"""

from __future__ import annotations

import datetime
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghostlap.data.vision.pictures import encode_jpeg

CAMERA_X_M = {"center": 0.0, "left": -0.83, "right": 0.83}
START = datetime.datetime(2024, 5, 6, 7, 8, 9)
WINDOWS = "C:\\Users\\Ann Lee\\my drive\\IMG\\"


def draw_frame(
    steering: float, distance_m: float = 0.0, camera: str = "center", seed: int = 0
) -> NDArray[np.uint8]:
    """A frame, ``uint8`` of shape ``(160, 320, 3)``, RGB."""
    speckle = np.random.default_rng(seed).integers(-25, 26, (64, 64))
    rows = np.arange(59, 160)[:, None]
    ahead_m = 138.6 * 1.36 / (rows - 58.6)
    bend_per_m = math.tan(math.radians(25) * steering) / 3.2
    x_m = (np.arange(320)[None, :] - 159.5) * ahead_m / 138.6 + CAMERA_X_M[camera]
    x_m = x_m - np.where(ahead_m < 40, bend_per_m * ahead_m**2 / 2, 0)
    grain = speckle[
        np.floor((ahead_m + distance_m) * 2).astype(int) % 64, np.floor(x_m * 3).astype(int) % 64
    ]
    ground = np.where(
        (np.abs(x_m) < 3.5)[..., None], np.array([136, 134, 117]), np.array([120, 141, 80])
    )
    ground = np.where((np.abs(np.abs(x_m) - 3.4) < 0.15)[..., None], [210, 190, 60], ground)
    frame = np.full((160, 320, 3), (150, 190, 230), np.int64)
    frame[59:] = ground + grain[..., None]
    return np.clip(frame, 0, 255).astype(np.uint8)


def steering_at(row: int) -> float:
    """Weaving with straight stretches between, as from a keyboard: about half the rows are 0."""
    swing = math.sin(row / 6)
    return round(0.4 * swing, 4) if abs(swing) > 0.7 else 0.0


def make_recording(
    folder: Path,
    rows: int = 60,
    *,
    side_cameras: bool = True,
    header: bool = False,
    origin: str = WINDOWS,
    start: datetime.datetime = START,
    step_ms: int = 70,
    seed: int = 0,
) -> Path:
    """Write a recording and return its folder.

    Args:
        folder: made if it is not there.
        rows: moments, ``step_ms`` apart.
        side_cameras: without, the left and right cells are empty.
        header: begin the log with its column names.
        origin: what stands before the file names in the log.
        start: time of the first row.
        seed: of the ground's speckle.
    """
    images = folder / "IMG"
    images.mkdir(parents=True)
    cameras = tuple(CAMERA_X_M) if side_cameras else ("center",)
    lines = ["center,left,right,steering,throttle,brake,speed"] if header else []
    for row in range(rows):
        steering = steering_at(row)
        names = image_names(row, start, step_ms)
        for name, camera in zip(names, cameras, strict=False):
            frame = draw_frame(steering, distance_m=row * 0.9, camera=camera, seed=seed)
            (images / name).write_bytes(encode_jpeg(frame))
        cells = [origin + name for name in names[: len(cameras)]] + [""] * (3 - len(cameras))
        speed_mph = 28 + math.sin(row / 9)  # below with seven digits, as the simulator prints it
        lines.append(",".join([*cells, f"{steering:g}", "1", "0", f"{speed_mph:.4f}1"]))
    (folder / "driving_log.csv").write_text("\n".join(lines) + "\n")
    return folder


def image_names(
    row: int, start: datetime.datetime = START, step_ms: int = 70
) -> tuple[str, str, str]:
    """The names of the center, left and right image of a row."""
    moment = start + datetime.timedelta(milliseconds=row * step_ms)
    stamp = f"{moment:%Y_%m_%d_%H_%M_%S}_{moment.microsecond // 1000:03d}"
    return f"center_{stamp}.jpg", f"left_{stamp}.jpg", f"right_{stamp}.jpg"


def log_lines(
    rows: int, origin: str = WINDOWS, first: int = 0, speed_mph: float = 12.34567
) -> Iterator[str]:
    """Lines of a log without pictures; the steering is 0.001234 times the row's number."""
    for row in range(first, first + rows):
        names = ",".join(origin + name for name in image_names(row))
        yield f"{names},{row * 0.001234:.6g},0.5,0,{speed_mph}\n"


if __name__ == "__main__":
    print(make_recording(Path(sys.argv[1]), rows=int(sys.argv[2])))
