"""Reading a LeRobotDataset v3 as moments of driving."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import ExchangeError
from ghostlap.base.files import read_json
from ghostlap.data.formats.columns import LATEST_MS, Column, parse_columns
from ghostlap.data.formats.frames import Moment, Picture, Source
from ghostlap.data.formats.lerobot_format import (
    ACTION,
    DATA_PATH,
    INFO,
    MAX_FRAMES,
    RECORDED_TIME,
    SAFE_KEY,
    STATE,
    VERSION,
    VIDEO_PATH,
)
from ghostlap.data.formats.lerobot_table import read_columns, understood
from ghostlap.data.formats.lerobot_video import read_frames
from ghostlap.data.recordings import CAMERAS
from ghostlap.data.recordings.image_names import NO_TIME

MAX_JSON_BYTES = 16 * 1024**2
_CONTROLS = ("steering", "throttle", "brake")


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where a number stands: a feature, and which of its numbers."""

    feature: str
    number: int
    column: Column | None


def read_lerobot(folder: Path, columns: Sequence[str] = ()) -> Source:
    """Read a dataset.

    Args:
        folder: with ``meta/info.json``.
        columns: ``--columns``; without, what the features' own names say.

    Returns:
        Its moments, decoded while they are asked for; an episode begins a stretch.

    Raises:
        ExchangeError: it is of another version, something is missing, or features do not tell
            which camera is the centre one or which number is the steering.
    """
    asked = parse_columns(columns) if columns else {}
    with understood(folder / INFO):
        info = _info(folder)
        cameras = _cameras(folder, info, asked)
        places = _places(folder, info, asked)
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
    source.moments = _careful(folder, _moments(folder, info, cameras, places, source))
    return source


def _careful(folder: Path, moments: Iterator[Moment]) -> Iterator[Moment]:
    with understood(folder):
        yield from moments


def _info(folder: Path) -> dict[str, Any]:
    path = folder / INFO
    try:
        info = read_json(path, MAX_JSON_BYTES)
    except (OSError, ValueError) as error:
        raise ExchangeError(f"{path}: cannot be read ({error}). Copy the dataset again.") from error
    version = info.get("codebase_version") if isinstance(info, dict) else None
    if version != VERSION:
        raise ExchangeError(
            f"{path}: must be a LeRobot dataset of {VERSION}. Got {version!r}. LeRobot's own "
            "script converts older ones: python -m lerobot.datasets.v30.convert_dataset_v21_to_v30"
        )
    fps, features = info.get("fps"), info.get("features")
    if not isinstance(features, dict) or type(fps) not in (int, float) or not 0.01 <= fps <= 1000:
        raise ExchangeError(f"{path}: lacks its features or a frame rate from 0.01 to 1000.")
    if info.get("data_path") != DATA_PATH or info.get("video_path") not in (VIDEO_PATH, None):
        raise ExchangeError(
            f"{path}: its files must lie where {VERSION} puts them, {DATA_PATH} and {VIDEO_PATH}."
        )
    return info


def _cameras(folder: Path, info: dict[str, Any], asked: dict[str, Column]) -> dict[str, str]:
    """Feature of each camera."""
    videos = [
        key
        for key, feature in info["features"].items()
        if isinstance(feature, dict) and feature.get("dtype") == "video" and SAFE_KEY.fullmatch(key)
    ]
    if asked:
        cameras = {camera: asked[camera].source for camera in CAMERAS if camera in asked}
        absent = [key for key in cameras.values() if key not in videos]
        if absent:
            raise ExchangeError(f"{folder}: has no video {absent[0]!r}. It has {_listed(videos)}.")
        return cameras
    cameras = {
        camera: key for camera in CAMERAS for key in videos if key.rpartition(".")[2] == camera
    }
    if "center" not in cameras and len(videos) == 1:
        cameras = {"center": videos[0]}
    if "center" not in cameras:
        raise ExchangeError(
            f"{folder}: which camera looks ahead? It has the videos {_listed(videos)}. "
            "Say --columns center=… steering=…"
        )
    return cameras


def _places(folder: Path, info: dict[str, Any], asked: dict[str, Column]) -> dict[str, _Place]:
    """Where steering, throttle, brake, speed and time stand."""
    features = info["features"]
    if asked:
        return {
            name: _asked_place(folder, features, column)
            for name, column in asked.items()
            if name not in CAMERAS
        }
    places = {}
    for target, feature, name in (
        *((control, ACTION, control) for control in _CONTROLS),
        ("speed", STATE, "speed_mph"),
    ):
        names = _names(features.get(feature))
        if name in names:
            places[target] = _Place(feature, names.index(name), None)
    if RECORDED_TIME in features:
        places["time"] = _Place(RECORDED_TIME, 0, None)
    if "steering" not in places:
        raise ExchangeError(
            f"{folder}: no number of its action is called steering. It has "
            f"{_listed(_names(features.get(ACTION)))}. Say --columns center=… steering=action.0"
        )
    return places


def _asked_place(folder: Path, features: dict[str, Any], column: Column) -> _Place:
    if column.source in features:
        return _Place(column.source, 0, column)
    feature, _, which = column.source.rpartition(".")
    names = _names(features.get(feature))
    if feature in features and which.isdigit():
        return _Place(feature, int(which[:6]), column)
    if which in names:
        return _Place(feature, names.index(which), column)
    raise ExchangeError(
        f"{folder}: has no number {column.source!r}. It has {_listed(list(features))}; say which "
        "number of it, as in action.0"
    )


def _names(feature: Any) -> list[str]:
    names = feature.get("names") if isinstance(feature, dict) else None
    if isinstance(names, dict):  # {"motors": ["a", "b"]}
        names = next(iter(names.values()), None)
    return [str(name) for name in names] if isinstance(names, list) else []


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) or "none"


def _moments(
    folder: Path,
    info: dict[str, Any],
    cameras: dict[str, str],
    places: dict[str, _Place],
    source: Source,
) -> Iterator[Moment]:
    count = 0
    tables: dict[Path, Any] = {}
    for episode in _episodes(folder, cameras):
        numbers = _numbers(folder, episode, places, tables)
        length = len(next(iter(numbers.values())))
        count += length
        if count > MAX_FRAMES:
            raise ExchangeError(f"{folder}: may have at most {MAX_FRAMES} frames. It has more.")
        videos = {
            camera: read_frames(
                folder / _video_path(key, episode),
                float(episode[f"videos/{key}/from_timestamp"]),
                length,
                float(info["fps"]),
            )
            for camera, key in cameras.items()
        }
        for row in range(length):
            pictures = {camera: Picture.of_rgb(next(video)) for camera, video in videos.items()}
            moment = _moment(numbers, row, pictures)
            controls = (moment.steering, moment.throttle, moment.brake)
            if abs(moment.steering) <= 1 and all(0 <= value <= 1 for value in controls[1:]):
                yield moment
            else:
                source.left_out.append(
                    f"episode {episode['episode_index']}, frame {row}: steering, throttle and "
                    f"brake are {controls}; they must be within 1"
                )


def _moment(numbers: dict[str, NDArray[Any]], row: int, pictures: dict[str, Picture]) -> Moment:
    values = {name: float(column[row]) for name, column in numbers.items() if name != "time"}
    return Moment(
        pictures,
        values["steering"],
        values.get("throttle", 0.0),
        values.get("brake", 0.0),
        values.get("speed", np.nan),
        _time_ms(numbers["time"][row]) if "time" in numbers else NO_TIME,
        begins=row == 0,
    )


def _time_ms(value: Any) -> int:
    """Milliseconds since 1970, or NO_TIME where there are none that a date could have."""
    ms = float(value)
    return int(ms) if 0 <= ms <= LATEST_MS else NO_TIME


def _episodes(folder: Path, cameras: dict[str, str]) -> Iterator[dict[str, Any]]:
    wanted = ["episode_index", "data/chunk_index", "data/file_index"]
    for key in cameras.values():
        wanted += [
            f"videos/{key}/{name}" for name in ("chunk_index", "file_index", "from_timestamp")
        ]
    files = sorted((folder / "meta" / "episodes").glob("chunk-*/file-*.parquet"))
    if not files:
        raise ExchangeError(f"{folder}: no table in meta/episodes. Copy the whole dataset again.")
    for file in files:
        for some in read_columns(file, wanted).to_batches(max_chunksize=1000):
            yield from some.to_pylist()


def _numbers(
    folder: Path, episode: dict[str, Any], places: dict[str, _Place], tables: dict[Path, Any]
) -> dict[str, NDArray[Any]]:
    """Values of an episode, by target; ``tables`` keeps the file that was read last."""
    path = folder / DATA_PATH.format(**_where(folder, episode, "data/"))
    if path not in tables:
        tables.clear()
        features = sorted({place.feature for place in places.values()})
        tables[path] = read_columns(path, ["episode_index", *features])
    table = tables[path]
    rows = np.flatnonzero(table["episode_index"].to_numpy() == episode["episode_index"])
    if not len(rows):
        raise ExchangeError(f"{path}: has no frame of episode {episode['episode_index']}.")
    table = table.slice(int(rows[0]), int(rows[-1] - rows[0]) + 1)
    found: dict[str, NDArray[Any]] = {}
    for name, place in places.items():
        values = np.array(table[place.feature].to_pylist())
        if values.dtype == object or (values.ndim > 1 and place.number >= values.shape[1]):
            raise ExchangeError(f"{path}: {place.feature} has no number {place.number}.")
        values = values[:, place.number] if values.ndim > 1 else values
        if place.column is not None:
            read = place.column.time_ms if name == "time" else place.column.number
            values = np.array([read(str(value)) for value in values])
        found[name] = values
    return found


def _where(folder: Path, episode: dict[str, Any], begin: str) -> dict[str, int]:
    place = {name: episode[begin + name] for name in ("chunk_index", "file_index")}
    if any(type(value) is not int or value < 0 for value in place.values()):
        raise ExchangeError(f"{folder}: an episode does not say in which file it is: {place}.")
    return place


def _video_path(key: str, episode: dict[str, Any]) -> str:
    return VIDEO_PATH.format(video_key=key, **_where(Path(key), episode, f"videos/{key}/"))
