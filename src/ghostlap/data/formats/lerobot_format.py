"""What a LeRobotDataset looks like, of format v3 above all: files, features and statistics."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION = "v3.0"
INFO, STATS, TASKS = "meta/info.json", "meta/stats.json", "meta/tasks.parquet"
FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
EPISODES_PATH = f"meta/episodes/{FILE}.parquet"
DATA_PATH = f"data/{FILE}.parquet"
VIDEO_PATH = "videos/{video_key}/" + FILE + ".mp4"
V2_EPISODES = "meta/episodes.jsonl"
V2_DATA_PATH = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
V2_VIDEO_PATH = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
"""Of v2.0 and v2.1, where each episode has files of its own."""
IMAGES = "observation.images."
STATE, ACTION = "observation.state", "action"
RECORDED_TIME = "recorded_time_ms"
ACTION_NAMES = ("steering", "throttle", "brake")
STATE_NAMES = ("speed_mph", "previous_speed_mph")
"""Two, because a LeRobot policy cannot take a state of a single number: it comes as a scalar."""

FILES_A_CHUNK = 1000
MAX_FRAMES = 5_000_000
"""Of a dataset that is read."""
QUANTILES = (0.01, 0.10, 0.50, 0.90, 0.99)
SAFE_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
"""Of a feature; it becomes the name of a folder."""

INDEX_COLUMNS = ("frame_index", "episode_index", "index", "task_index")

Stats = dict[str, NDArray[np.float64]]


def features(
    cameras: tuple[str, ...], shape: tuple[int, ...], fps: int, has_speed: bool
) -> dict[str, dict[str, Any]]:
    """``features`` of ``info.json``, of frames ``(height, width, 3)``."""
    height_px, width_px, _ = shape
    video = {
        "dtype": "video",
        "shape": [height_px, width_px, 3],
        "names": ["height", "width", "channels"],
        "info": {
            "video.height": height_px,
            "video.width": width_px,
            "video.codec": "h264",
            "video.pix_fmt": "yuv420p",
            "video.is_depth_map": False,
            "video.fps": fps,
            "video.channels": 3,
            "has_audio": False,
        },
    }
    numbers: dict[str, tuple[str, ...]] = {ACTION: ACTION_NAMES}
    if has_speed:
        numbers[STATE] = STATE_NAMES
    return {
        **{IMAGES + camera: video for camera in cameras},
        **{
            key: {"dtype": "float32", "shape": [len(names)], "names": list(names)}
            for key, names in numbers.items()
        },
        RECORDED_TIME: {"dtype": "int64", "shape": [1], "names": None},
        "timestamp": {"dtype": "float32", "shape": [1], "names": None},
        **{name: {"dtype": "int64", "shape": [1], "names": None} for name in INDEX_COLUMNS},
    }


def stats_of(values: NDArray[Any], count: int, shape: tuple[int, ...]) -> Stats:
    """Least, greatest, mean and so on of each column.

    Args:
        values: shape ``(n, columns)``.
        shape: that each figure shall have.
    """
    numbers = np.asarray(values, np.float64)
    figures = {
        "min": numbers.min(axis=0),
        "max": numbers.max(axis=0),
        "mean": numbers.mean(axis=0),
        "std": numbers.std(axis=0),
    }
    for share, figure in zip(QUANTILES, np.quantile(numbers, QUANTILES, axis=0), strict=True):
        figures[f"q{round(share * 100):02d}"] = figure
    found = {name: figure.reshape(shape) for name, figure in figures.items()}
    found["count"] = np.array([count], np.int64)
    return found


def merged(parts: list[Stats]) -> Stats:
    """The statistics of several episodes together; quantiles are averaged, as LeRobot does."""
    counts = np.array([int(part["count"][0]) for part in parts])
    share = counts / counts.sum()

    def mean(name: str) -> NDArray[np.float64]:
        return np.tensordot(share, np.stack([part[name] for part in parts]), axes=1)

    middle = mean("mean")
    spread = np.stack([part["std"] ** 2 + (part["mean"] - middle) ** 2 for part in parts])
    return {
        "min": np.min([part["min"] for part in parts], axis=0),
        "max": np.max([part["max"] for part in parts], axis=0),
        "mean": middle,
        "std": np.sqrt(np.tensordot(share, spread, axes=1)),
        **{f"q{round(q * 100):02d}": mean(f"q{round(q * 100):02d}") for q in QUANTILES},
        "count": np.array([counts.sum()]),
    }


def listed(stats: Stats) -> dict[str, Any]:
    """As JSON and parquet hold it."""
    return {name: figure.tolist() for name, figure in stats.items()}
