"""Reading a LeRobotDataset v2 or v3 as moments of driving."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import ExchangeError
from ghostlap.base.files import open_file, read_json
from ghostlap.data.formats.frames import Moment, Picture, Source
from ghostlap.data.formats.lerobot_features import Place, cameras_of, check_known, places_of
from ghostlap.data.formats.lerobot_format import (
    DATA_PATH,
    INFO,
    MAX_FRAMES,
    V2_DATA_PATH,
    V2_EPISODES,
    V2_VIDEO_PATH,
    VIDEO_PATH,
)
from ghostlap.data.formats.lerobot_table import read_columns, understood
from ghostlap.data.formats.lerobot_video import read_frames
from ghostlap.data.motion import STRETCH_GAP_S
from ghostlap.data.recordings.columns import LATEST_MS, NO_CHOICE, Choice
from ghostlap.data.recordings.image_names import NO_TIME
from ghostlap.data.recordings.lines import lines_of
from ghostlap.data.vision.pictures import decode_rgb

MAX_JSON_BYTES = 16 * 1024**2
_VERSION = re.compile(r"v([23])\.\d{1,3}")
_PAUSE_MS = round(STRETCH_GAP_S * 1000) + 1000


@dataclasses.dataclass(frozen=True)
class _Episode:
    """Where an episode's frames are."""

    number: int
    table: Path
    videos: dict[str, tuple[Path, float]]
    """By camera: the file, and when the episode begins in it, in seconds."""


def read_lerobot(folder: Path, choice: Choice = NO_CHOICE) -> Source:
    """Read a dataset, whose moments are decoded while they are asked for; episodes are stretches.

    Raises:
        ExchangeError: it is of another version, something is missing, or features do not tell
            which camera is the centre one or which number is the steering.
    """
    with understood(folder / INFO):
        info, is_v2 = _info(folder)
        cameras, places = cameras_of(info, choice), places_of(folder, info, choice)
        check_known(folder, info, cameras, places)
    total = info.get("total_frames")
    source = Source(
        (),
        total if type(total) is int and 0 <= total <= MAX_FRAMES else 0,
        tuple(cameras),
        "speed" in places,
        step_s=1 / float(info["fps"]),
    )
    missing = [name for name in ("throttle", "brake") if name not in places]
    if missing:
        source.notes.append(f"the dataset tells no {' and no '.join(missing)}: written as 0")
    if "time" not in places:
        source.notes.append(
            f"the dataset tells no time of day: frames are {source.step_s:.3g} s apart as of 1970, "
            f"episodes {_PAUSE_MS / 1000:g} s"
        )
    source.moments = _careful(folder, _moments(folder, info, is_v2, cameras, places, source))
    return source


def _careful(folder: Path, moments: Iterator[Moment]) -> Iterator[Moment]:
    with understood(folder):
        yield from moments


def _info(folder: Path) -> tuple[dict[str, Any], bool]:
    path = folder / INFO
    try:
        info = read_json(path, MAX_JSON_BYTES)
    except (OSError, ValueError) as error:
        raise ExchangeError(f"{path}: cannot be read ({error}). Copy the dataset again.") from error
    version = info.get("codebase_version") if isinstance(info, dict) else None
    known = _VERSION.fullmatch(str(version))
    if not known:
        raise ExchangeError(
            f"{path}: must be a LeRobot dataset of v2.0, v2.1 or v3. Got {version!r}. LeRobot's "
            "own scripts convert older ones: see convert_dataset_v1_to_v2 in its sources."
        )
    fps, features = info.get("fps"), info.get("features")
    if not isinstance(features, dict) or type(fps) not in (int, float) or not 0.01 <= fps <= 1000:
        raise ExchangeError(f"{path}: lacks its features or a frame rate from 0.01 to 1000.")
    is_v2 = known[1] == "2"
    data, video = (V2_DATA_PATH, V2_VIDEO_PATH) if is_v2 else (DATA_PATH, VIDEO_PATH)
    if info.get("data_path") != data or info.get("video_path") not in (video, None):
        raise ExchangeError(
            f"{path}: its files must lie where {version} puts them, {data} and {video}. "
            "Copy the dataset again."
        )
    return info, is_v2


def _moments(
    folder: Path,
    info: dict[str, Any],
    is_v2: bool,
    cameras: dict[str, str],
    places: dict[str, Place],
    source: Source,
) -> Iterator[Moment]:
    in_tables = [key for key in cameras.values() if info["features"][key]["dtype"] == "image"]
    videos = {camera: key for camera, key in cameras.items() if key not in in_tables}
    wanted = sorted({*(place.feature for place in places.values()), *in_tables})
    fps, count, begins_ms = float(info["fps"]), 0, 0
    tables: dict[Path, Any] = {}
    for episode in _v2_episodes(folder, info, videos) if is_v2 else _episodes(folder, videos):
        table = _rows(episode, wanted, tables)
        numbers = {name: _numbers(episode, name, place, table) for name, place in places.items()}
        length = table.num_rows
        count += length
        if count > MAX_FRAMES:
            raise ExchangeError(f"{folder}: may have at most {MAX_FRAMES} frames. It has more.")
        streams = {
            camera: read_frames(path, from_s, length, fps)
            for camera, (path, from_s) in episode.videos.items()
        }
        for row in range(length):
            pictures = {camera: Picture.of_rgb(next(video)) for camera, video in streams.items()}
            for camera, key in cameras.items():
                if key in in_tables:
                    pictures[camera] = _picture(table[key][row].as_py(), episode)
            time_ms = begins_ms + round(row * 1000 / fps)
            moment = _moment(numbers, row, pictures, time_ms)
            controls = (moment.steering, moment.throttle, moment.brake)
            if abs(moment.steering) <= 1 and all(0 <= value <= 1 for value in controls[1:]):
                yield moment
            else:
                source.left_out.append(
                    f"episode {episode.number}, frame {row}: steering, throttle and "
                    f"brake are {controls}; they must be within 1"
                )
        begins_ms += round(length * 1000 / fps) + _PAUSE_MS


def _moment(
    numbers: dict[str, NDArray[Any]], row: int, pictures: dict[str, Picture], time_ms: int
) -> Moment:
    values = {name: float(column[row]) for name, column in numbers.items() if name != "time"}
    if "time" in numbers:
        ms = float(numbers["time"][row])
        time_ms = int(ms) if 0 <= ms <= LATEST_MS else NO_TIME
    throttle, brake = values.get("throttle", 0.0), values.get("brake", 0.0)
    if "brake" not in values and throttle < 0:  # a pedal for both
        throttle, brake = 0.0, -throttle
    return Moment(
        pictures,
        values["steering"],
        throttle,
        brake,
        values.get("speed", math.nan),
        time_ms,
        begins=row == 0,
    )


def _picture(cell: Any, episode: _Episode) -> Picture:
    data = cell.get("bytes") if isinstance(cell, dict) else None
    if not isinstance(data, bytes):
        raise ExchangeError(
            f"{episode.table}: a picture of episode {episode.number} is not in the table. "
            "Copy the whole dataset again."
        )
    return Picture(data, decode_rgb(data, str(episode.table)))


def _episodes(folder: Path, videos: dict[str, str]) -> Iterator[_Episode]:
    """Of v3: many episodes in one file."""
    wanted = ["episode_index", "data/chunk_index", "data/file_index"]
    for key in videos.values():
        wanted += [
            f"videos/{key}/{name}" for name in ("chunk_index", "file_index", "from_timestamp")
        ]
    files = sorted((folder / "meta" / "episodes").glob("chunk-*/file-*.parquet"))
    if not files:
        raise ExchangeError(f"{folder}: no table in meta/episodes. Copy the whole dataset again.")
    for file in files:
        for some in read_columns(file, wanted).to_batches(max_chunksize=1000):
            for about in some.to_pylist():
                yield _Episode(
                    about["episode_index"],
                    folder / DATA_PATH.format(**_where(folder, about, "data/")),
                    {
                        camera: (
                            folder / VIDEO_PATH.format(
                                video_key=key, **_where(folder, about, f"videos/{key}/")
                            ),
                            float(about[f"videos/{key}/from_timestamp"]),
                        )
                        for camera, key in videos.items()
                    },
                )  # fmt: skip


def _where(folder: Path, about: dict[str, Any], begin: str) -> dict[str, int]:
    place = {name: about[begin + name] for name in ("chunk_index", "file_index")}
    if any(type(value) is not int or value < 0 for value in place.values()):
        raise ExchangeError(f"{folder}: an episode does not say in which file it is: {place}.")
    return place


def _v2_episodes(folder: Path, info: dict[str, Any], videos: dict[str, str]) -> Iterator[_Episode]:
    """Of v2: each episode in files of its own."""
    size = info.get("chunks_size")
    if type(size) is not int or size < 1:
        raise ExchangeError(f"{folder / INFO}: chunks_size must be at least 1. Got {size!r}.")
    path = folder / V2_EPISODES
    with open_file(path) as file:
        for line in lines_of(file, str(path), "list of episodes", ExchangeError):
            number = json.loads(line)["episode_index"] if line.strip() else None
            if number is None:
                continue
            if type(number) is not int or not 0 <= number <= MAX_FRAMES:
                raise ExchangeError(f"{path}: {number!r} is no number of an episode.")
            place = {"episode_chunk": number // size, "episode_index": number}
            yield _Episode(
                number,
                folder / V2_DATA_PATH.format(**place),
                {
                    camera: (folder / V2_VIDEO_PATH.format(video_key=key, **place), 0.0)
                    for camera, key in videos.items()
                },
            )


def _rows(episode: _Episode, wanted: list[str], tables: dict[Path, Any]) -> Any:
    """An episode's rows as a table of Arrow; ``tables`` keeps the file that was read last."""
    path = episode.table
    if path not in tables:
        tables.clear()
        tables[path] = read_columns(path, ["episode_index", *wanted])
    table = tables[path]
    rows = np.flatnonzero(table["episode_index"].to_numpy() == episode.number)
    if not len(rows):
        raise ExchangeError(f"{path}: has no frame of episode {episode.number}.")
    return table.slice(int(rows[0]), int(rows[-1] - rows[0]) + 1)


def _numbers(episode: _Episode, name: str, place: Place, table: Any) -> NDArray[Any]:
    """Values of an episode for one target."""
    values = np.array(table[place.feature].to_pylist())
    if values.ndim > 1 and place.number < values.shape[1]:
        values = values[:, place.number]
    if values.ndim != 1 or (name != "time" and values.dtype.kind not in "iufb"):
        raise ExchangeError(f"{episode.table}: {place.feature} has no number {place.number}.")
    if place.column is None:
        return values
    if name == "time":
        return np.array([place.column.time_ms(str(value)) for value in values])
    return values.astype(np.float64) * place.column.scale[0] + place.column.scale[1]
