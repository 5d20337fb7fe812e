"""Which feature of a LeRobot dataset is what: by their names, or as it is asked for."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ghostlap.base.errors import ExchangeError
from ghostlap.data.formats.lerobot_format import ACTION, RECORDED_TIME, SAFE_KEY, STATE
from ghostlap.data.recordings.columns import CAMERAS, Choice, Column, command
from ghostlap.data.recordings.layout import column_named

_CONTROLS = ("steering", "throttle", "brake")
_SPEED_UNIT = re.compile(r"mph|mps|m/s|km/?h|kph")


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a number stands: a feature, and which of its numbers."""

    feature: str
    number: int
    column: Column | None


def _pictures(info: dict[str, Any]) -> list[str]:
    """Features that are pictures, in videos or in tables."""
    return [
        key
        for key, feature in info["features"].items()
        if isinstance(feature, dict)
        and feature.get("dtype") in ("video", "image")
        and SAFE_KEY.fullmatch(key)
    ]


def cameras_of(info: dict[str, Any], choice: Choice) -> dict[str, str]:
    """Feature of each camera."""
    pictures = _pictures(info)
    named = [(column_named(_last(key))[0], key) for key in pictures]
    cameras: dict[str, str] = {}
    for camera in CAMERAS:
        fit = [key for column, key in named if column and column.target == camera]
        if camera in choice.columns:
            cameras[camera] = choice.columns[camera].source
        elif len(fit) == 1 or f"observation.images.{camera}" in fit:
            cameras[camera] = fit[0] if len(fit) == 1 else f"observation.images.{camera}"
    if "center" not in cameras and len(pictures) == 1:
        cameras["center"] = pictures[0]
    return cameras


def places_of(folder: Path, info: dict[str, Any], choice: Choice) -> dict[str, Place]:
    """Where steering, throttle, brake, speed and time stand."""
    features = info["features"]
    places = {
        name: _asked_place(folder, info, column)
        for name, column in choice.columns.items()
        if name not in CAMERAS
    }
    acts = sorted((key for key in features if _is_of(key, ACTION)), key=lambda key: key != ACTION)
    states = [key for key in features if _is_of(key, STATE)]
    for key in (*acts, *states):
        for number, name in enumerate(_names(key, features[key])):
            column, _ = column_named(name)
            if column is None or column.target in places:
                continue
            if (
                column.target in _CONTROLS
                if key in acts
                else column.target == "speed" and _SPEED_UNIT.search(name.lower())
            ):
                places[column.target] = Place(key, number, column)
    if RECORDED_TIME in features and "time" not in places:
        places["time"] = Place(RECORDED_TIME, 0, None)
    return places


def _is_of(key: str, what: str) -> bool:
    return key == what or key.startswith(f"{what}.")


def check_known(
    folder: Path, info: dict[str, Any], cameras: dict[str, str], places: dict[str, Place]
) -> None:
    pictures = _pictures(info)
    absent = [key for key in cameras.values() if key not in pictures]
    if pictures and not absent and "center" in cameras and "steering" in places:
        return
    features = info["features"]
    numbers = [
        f"{key}.{number}" if len(names) > 1 or key == ACTION else key
        for key in features
        if _is_of(key, ACTION) or _is_of(key, STATE)
        for names in [_names(key, features[key]) or [""] * _size(features[key])]
        for number in range(len(names))
    ]
    front = [key for key in pictures if "front" in key or "forward" in key] or pictures
    asked = [] if "center" in cameras and not absent else [f"center={one}" for one in front[:1]]
    if "steering" not in places:
        asked += [f"steering={one}" for one in numbers[:1]]
    what = (
        f"has no picture {absent[0]!r}"
        if absent
        else f"which picture looks ahead{'' if 'steering' in places else ', and what steers'}?"
        if "center" not in cameras
        else "no number of its action is called steering"
    )
    named = [f"{key}: {', '.join(_names(key, features[key])) or _size(features[key])}"
             for key in features if _is_of(key, ACTION)]  # fmt: skip
    raise ExchangeError(
        f"{folder}: {what}. It has the pictures {_listed(pictures)}; {_listed(named)}. "
        + (command(str(folder), asked) if pictures and numbers else "Nothing can be learned of it.")
    )


def _asked_place(folder: Path, info: dict[str, Any], column: Column) -> Place:
    features = info["features"]
    if column.source in features:
        return Place(column.source, 0, column)
    feature, _, which = column.source.rpartition(".")
    names = _names(feature, features.get(feature))
    if feature in features and which.isdigit():
        return Place(feature, int(which[:6]), column)
    if which in names:
        return Place(feature, names.index(which), column)
    raise ExchangeError(
        f"{folder}: has no number {column.source!r}. It has {_listed(list(features))}; say which "
        f"number of it. {command(str(folder), [f'{column.target}={ACTION}.0'])}"
    )


def _names(key: str, feature: Any) -> list[str]:
    names = feature.get("names") if isinstance(feature, dict) else None
    if isinstance(names, dict):  # {"motors": ["a", "b"]}
        names = next(iter(names.values()), None)
    if not isinstance(names, list):
        return [_last(key)] if _size(feature) == 1 and "." in key else []
    return [str(name) for name in names]


def _size(feature: Any) -> int:
    shape = feature.get("shape") if isinstance(feature, dict) else None
    first = shape[0] if isinstance(shape, list) and shape else 1
    return first if type(first) is int and 0 < first <= 100 else 1


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) or "none"
