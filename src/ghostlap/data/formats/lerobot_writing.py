"""Writing a LeRobotDataset v3: an episode is a stretch of driving, a frame is a moment.

LeRobot wants frames at a constant rate. Nothing is resampled: frame ``k`` of an episode has the
timestamp ``k / fps``, and when it was really recorded stands in a column of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ghostlap.base.errors import ExchangeError
from ghostlap.base.files import write_json
from ghostlap.data.formats.frames import Moment, Source, Stretches, known
from ghostlap.data.formats.lerobot_format import (
    ACTION,
    DATA_PATH,
    EPISODES_PATH,
    FILES_A_CHUNK,
    IMAGES,
    INDEX_COLUMNS,
    INFO,
    RECORDED_TIME,
    STATE,
    STATS,
    TASKS,
    VERSION,
    VIDEO_PATH,
    Stats,
    features,
    listed,
    merged,
    stats_of,
)
from ghostlap.data.formats.lerobot_video import VideoFile
from ghostlap.data.recordings.image_names import NO_TIME

LONGEST_EPISODE_S = 500
FULL_VIDEO_S = 400
"""A video goes on to the next file after this long. LeRobot compares times as 32-bit floats to
0.1 ms, which holds up to 1024 s into a file."""

DATA_MB, VIDEO_MB = 100, 200
_SAMPLED_EVERY = 10
_SAMPLED_PX = 4


def write_lerobot(
    moments: Iterable[Moment], folder: Path, source: Source, fps: int | None, task: str
) -> int:
    """Write moments into an empty folder.

    Args:
        source: for its cameras and usual step; gets notes on what was done to the time.
        fps: frames a second; None for the nearest to the usual step.

    Returns:
        How many frames were written.

    Raises:
        ExchangeError: frames of odd height or width, which a video cannot have.
    """
    rate = fps or max(1, round(1 / source.step_s))
    writer = _Writer(folder, source, rate)
    try:
        for moment in moments:
            missing = [camera for camera in source.cameras if camera not in moment.pictures]
            if missing or (source.has_speed and not known(moment.speed_mph)):
                what = f"no {missing[0]} picture" if missing else "no speed"
                source.left_out.append(f"a moment has {what}, as others have")
                continue
            writer.add(moment)
    finally:
        writer.close_videos()
    if writer.count:
        writer.finish(task)
        source.notes.append(
            f"{writer.episodes_written} episodes at {rate} frames a second, by their number; when "
            f"each was really recorded stands in {RECORDED_TIME}, at most "
            f"{writer.worst_drift_s:.1f} s off within an episode"
        )
        if not source.has_speed:
            source.notes.append(f"no speed is known, so there is no {STATE}")
    return writer.count


@dataclasses.dataclass
class _Episode:
    """An episode that is being written."""

    first_ms: int
    starts_s: dict[str, float]
    """Of its videos, by camera."""
    file_index: int
    rows: list[tuple[float, ...]] = dataclasses.field(default_factory=list)
    """Steering, throttle, brake, speed of each frame."""
    times_ms: list[int] = dataclasses.field(default_factory=list)
    pixels: dict[str, list[Any]] = dataclasses.field(default_factory=dict)


class _Writer:
    def __init__(self, folder: Path, source: Source, fps: int) -> None:
        self.folder = folder
        self.cameras = source.cameras
        self.has_speed = source.has_speed
        self.fps = fps
        self.count = 0
        self.worst_drift_s = 0.0
        self._shape: tuple[int, ...] = ()
        self._stretches = Stretches()
        self._videos: dict[str, VideoFile] = {}
        self._video_file = -1
        self._episode: _Episode | None = None
        self._columns: list[dict[str, Any]] = []
        self._episodes: list[dict[str, Any]] = []
        self._stats: list[dict[str, Stats]] = []

    @property
    def episodes_written(self) -> int:
        return len(self._episodes)

    def add(self, moment: Moment) -> None:
        begins = self._stretches.begins(moment)
        episode = self._episode
        if episode is None or begins or len(episode.rows) >= LONGEST_EPISODE_S * self.fps:
            episode = self._begin(moment)
        every = len(episode.rows) % _SAMPLED_EVERY == 0
        for camera in self.cameras:
            rgb = moment.pictures[camera].rgb
            self._videos[camera].add(rgb)
            if every:
                few = rgb[::_SAMPLED_PX, ::_SAMPLED_PX].reshape(-1, 3)
                episode.pixels.setdefault(camera, []).append(few)
        episode.rows.append((moment.steering, moment.throttle, moment.brake, moment.speed_mph))
        episode.times_ms.append(moment.time_ms)
        if NO_TIME not in (moment.time_ms, episode.first_ms):
            elapsed_s = (moment.time_ms - episode.first_ms) / 1000
            drift_s = abs(elapsed_s - (len(episode.rows) - 1) / self.fps)
            self.worst_drift_s = max(self.worst_drift_s, drift_s)
        self.count += 1

    def _begin(self, moment: Moment) -> _Episode:
        self._end()
        if not self._shape:
            self._shape = moment.pictures["center"].rgb.shape
            height_px, width_px, _ = self._shape
            if height_px % 2 or width_px % 2:
                raise ExchangeError(
                    f"LeRobot's videos need an even height and width. Got {width_px}x{height_px}."
                )
        full = not self._videos or self._videos["center"].frames > FULL_VIDEO_S * self.fps
        if full:
            self.close_videos()
            self._video_file += 1
            for camera in self.cameras:
                path = VIDEO_PATH.format(video_key=IMAGES + camera, **_place(self._video_file))
                self._videos[camera] = VideoFile(self.folder / path, self._shape, self.fps)
        starts_s = {camera: video.frames / self.fps for camera, video in self._videos.items()}
        self._episode = _Episode(moment.time_ms, starts_s, self._video_file)
        return self._episode

    def _end(self) -> None:
        """Put the episode that is being written with the finished ones."""
        episode, self._episode = self._episode, None
        if episode is None:
            return
        count, number = len(episode.rows), len(self._episodes)
        rows = np.array(episode.rows, np.float32)
        frame = np.arange(count)
        columns: dict[str, Any] = {ACTION: rows[:, :3]}
        if self.has_speed:
            columns[STATE] = np.stack([rows[:, 3], np.append(rows[:1, 3], rows[:-1, 3])], axis=1)
        columns[RECORDED_TIME] = np.array(episode.times_ms, np.int64)
        columns["timestamp"] = (frame / self.fps).astype(np.float32)
        index = (frame, np.full(count, number), frame + self.count - count, np.zeros(count, int))
        columns |= dict(zip(INDEX_COLUMNS, index, strict=True))
        stats = {
            key: stats_of(values.reshape(count, -1), count, values.shape[1:] or (1,))
            for key, values in columns.items()
        }
        for camera, pixels in episode.pixels.items():
            shares = np.concatenate(pixels) / 255
            stats[IMAGES + camera] = stats_of(shares, count, (3, 1, 1))
        about: dict[str, Any] = {
            "episode_index": number,
            "length": count,
            "data/chunk_index": 0,
            "data/file_index": 0,
            "dataset_from_index": self.count - count,
            "dataset_to_index": self.count,
        }
        for camera, start_s in episode.starts_s.items():
            begin = f"videos/{IMAGES}{camera}/"
            about |= {begin + name: value for name, value in _place(episode.file_index).items()}
            about[begin + "from_timestamp"] = start_s
            about[begin + "to_timestamp"] = start_s + count / self.fps
        self._columns.append(columns)
        self._episodes.append(about)
        self._stats.append(stats)

    def close_videos(self) -> None:
        """Close what is open."""
        for video in self._videos.values():
            video.close()
        self._videos = {}

    def finish(self, task: str) -> None:
        """Write the tables and what describes them."""
        self._end()
        described = features(self.cameras, self._shape, self.fps, self.has_speed)
        self._write_tables(task)
        whole = {key: merged([part[key] for part in self._stats]) for key in self._stats[0]}
        write_json(self.folder / STATS, {key: listed(stats) for key, stats in whole.items()})
        info = {
            "codebase_version": VERSION,
            "robot_type": "car",
            "total_episodes": len(self._episodes),
            "total_frames": self.count,
            "total_tasks": 1,
            "chunks_size": FILES_A_CHUNK,
            "data_files_size_in_mb": DATA_MB,
            "video_files_size_in_mb": VIDEO_MB,
            "fps": self.fps,
            "splits": {"train": f"0:{len(self._episodes)}"},
            "data_path": DATA_PATH,
            "video_path": VIDEO_PATH,
            "features": described,
        }
        write_json(self.folder / INFO, info)

    def _write_tables(self, task: str) -> None:
        import pandas as pd
        import pyarrow as pa
        import pyarrow.parquet as pq

        for path in (INFO, DATA_PATH.format(**_place(0)), EPISODES_PATH.format(**_place(0))):
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        table = {}
        for key in self._columns[0]:
            values = np.concatenate([columns[key] for columns in self._columns])
            flat = pa.array(values.ravel())
            table[key] = (
                pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
                if values.ndim == 2
                else flat
            )
        pq.write_table(pa.table(table), self.folder / DATA_PATH.format(**_place(0)))
        episodes = [
            {
                **about,
                "tasks": [task],
                "meta/episodes/chunk_index": 0,
                "meta/episodes/file_index": 0,
                **{
                    f"stats/{key}/{name}": figure
                    for key, figures in stats.items()
                    for name, figure in listed(figures).items()
                },
            }
            for about, stats in zip(self._episodes, self._stats, strict=True)
        ]
        episodes_file = self.folder / EPISODES_PATH.format(**_place(0))
        pq.write_table(pa.Table.from_pylist(episodes), episodes_file)
        tasks = pd.DataFrame({"task_index": [0]}, index=pd.Index([task], name="task"))
        tasks.to_parquet(self.folder / TASKS)


def _place(file: int) -> dict[str, int]:
    return {"chunk_index": file // FILES_A_CHUNK, "file_index": file % FILES_A_CHUNK}
