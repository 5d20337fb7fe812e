"""What the page and the server say to each other, without any I/O.

Messages of the page are JSON objects with a ``type``; :func:`parse` makes one of the classes below
out of them, or says what is wrong. Pictures go to the page as binary messages (:func:`picture`).
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args

from ghostlap.base.errors import CockpitError

if TYPE_CHECKING:  # the page of a Unity car works without the simulator's libraries
    from ghostlap.sim.scene.conditions import ConditionsKind

VERSION = 1
MAX_MESSAGE_BYTES = 64 * 1024
MAX_NAME_CHARACTERS = 200
MAX_SEED = 2**31 - 1

Mode = Literal["manual", "autonomous"]
Key = Literal["left", "right", "up", "down"]

CONDITIONS: tuple[ConditionsKind, ...] = ("fixed", "seed", "wide")

_MODES: tuple[Mode, ...] = get_args(Mode)
_KEYS: tuple[Key, ...] = get_args(Key)
_LARGEST_COUNT = 2**53
_SPEED_LIMITS_MPH = (1.0, 30.0)
_SHOWN_CHARACTERS = 40
_HEADER = struct.Struct("<BId")


class Kind(enum.IntEnum):
    """What a binary message shows."""

    MAIN = 1
    LEFT = 2
    CENTER = 3
    RIGHT = 4
    SALIENCY = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Take:
    """Sit down in the driver's seat."""


@dataclasses.dataclass(frozen=True, slots=True)
class Leave:
    """Get up from it; the car brakes to a stand."""


@dataclasses.dataclass(frozen=True, slots=True)
class Input:
    """How the controls are held."""

    n: int
    """Counts a page's inputs."""
    keys: frozenset[Key] = frozenset()
    steering: float | None = None
    """In [-1, 1], positive to the right; None with keys."""
    throttle: float | None = None
    """In [-1, 1], negative brakes; None with keys."""


@dataclasses.dataclass(frozen=True, slots=True)
class SetMode:
    mode: Mode


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    on: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Reset:
    """Put the car back on the middle of the road."""


@dataclasses.dataclass(frozen=True, slots=True)
class ChoosePilot:
    run: str
    """A run's name; none is chosen where it is empty."""


@dataclasses.dataclass(frozen=True, slots=True)
class ChooseTrack:
    track: str
    conditions: ConditionsKind = "fixed"
    seed: int = 0
    direction: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class SpeedLimit:
    mph: float


@dataclasses.dataclass(frozen=True, slots=True)
class ShowSaliency:
    on: bool


@dataclasses.dataclass(frozen=True, slots=True)
class ShowCameras:
    on: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Pause:
    on: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """The page has shown a main picture."""

    frame: int


@dataclasses.dataclass(frozen=True, slots=True)
class Ping:
    t: float


Command = (
    Input | SetMode | Record | Reset | ChoosePilot | ChooseTrack | SpeedLimit | ShowSaliency
    | ShowCameras | Pause
)  # fmt: skip
"""What only the driver may say."""

Message = Command | Take | Leave | Seen | Ping


def parse(text: str) -> Message:
    """Understand a message of a page.

    Raises:
        CockpitError: it is too long, no JSON, or says nothing that there is.
    """
    if len(text) > MAX_MESSAGE_BYTES:
        raise CockpitError(
            f"A message may have at most {MAX_MESSAGE_BYTES} characters. Got {len(text)}."
        )
    try:
        values = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise CockpitError(f"A message must be JSON. Got {_shown(text)}.") from None
    kind = values.get("type") if isinstance(values, dict) else None
    if not isinstance(kind, str) or kind not in _READERS:
        raise CockpitError(f"A message must have a type that there is. Got {_shown(text)}.")
    return _READERS[kind](values)


def picture(kind: Kind, frame: int, time_s: float, jpeg: bytes) -> bytes:
    """The binary message that shows a picture.

    Args:
        kind: of what.
        frame: counts the main pictures, from 0; wraps at 2**32.
        time_s: of the server's clock, when it was taken.
        jpeg: the file.
    """
    return _HEADER.pack(kind, frame % 2**32, time_s) + jpeg


def read_picture(message: bytes) -> tuple[Kind, int, float, bytes]:
    """The reverse of :func:`picture`."""
    kind, frame, time_s = _HEADER.unpack_from(message)
    return Kind(kind), frame, time_s, message[_HEADER.size :]


def text_of(message: dict[str, Any]) -> str:
    """A message to the page as it goes over the wire; what is not finite becomes null."""
    return json.dumps(_finite(message), separators=(",", ":"), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value


def _input(values: dict[str, Any]) -> Input:
    n = _whole(values, "n", 0, _LARGEST_COUNT)
    if "keys" in values:
        keys = values["keys"]
        if not isinstance(keys, list) or not all(key in _KEYS for key in keys[: len(_KEYS) + 1]):
            raise _wrong("input", "keys", f"a list of {', '.join(_KEYS)}", keys)
        return Input(n, frozenset(keys[: len(_KEYS)]))
    return Input(
        n,
        steering=_number(values, "steering", -1.0, 1.0),
        throttle=_number(values, "throttle", -1.0, 1.0),
    )


def _track(values: dict[str, Any]) -> ChooseTrack:
    conditions = next((one for one in CONDITIONS if one == values.get("conditions", "fixed")), None)
    if conditions is None:
        raise _wrong("track", "conditions", ", ".join(CONDITIONS), values["conditions"])
    direction = values.get("direction", 1)
    if direction not in (1, -1) or isinstance(direction, bool):
        raise _wrong("track", "direction", "1 or -1", direction)
    seed = 0 if values.get("seed") is None else _whole(values, "seed", 0, MAX_SEED)
    return ChooseTrack(_name(values, "track"), conditions, seed, int(direction))


def _pilot(values: dict[str, Any]) -> ChoosePilot:
    return ChoosePilot("" if values.get("run") == "" else _name(values, "run"))


def _mode(values: dict[str, Any]) -> SetMode:
    for mode in _MODES:
        if values.get("mode") == mode:
            return SetMode(mode)
    raise _wrong("mode", "mode", " or ".join(_MODES), values.get("mode"))


_READERS: dict[str, Callable[[dict[str, Any]], Message]] = {
    "take": lambda values: Take(),
    "leave": lambda values: Leave(),
    "input": _input,
    "mode": _mode,
    "record": lambda values: Record(_flag(values)),
    "reset": lambda values: Reset(),
    "pilot": _pilot,
    "track": _track,
    "speed_limit": lambda values: SpeedLimit(_number(values, "mph", *_SPEED_LIMITS_MPH)),
    "saliency": lambda values: ShowSaliency(_flag(values)),
    "cameras": lambda values: ShowCameras(_flag(values)),
    "pause": lambda values: Pause(_flag(values)),
    "seen": lambda values: Seen(_whole(values, "frame", 0, 2**32 - 1)),
    "ping": lambda values: Ping(_number(values, "t", -math.inf, math.inf)),
}


def _flag(values: dict[str, Any]) -> bool:
    on = values.get("on")
    if not isinstance(on, bool):
        raise _wrong(values["type"], "on", "true or false", on)
    return on


def _name(values: dict[str, Any], field: str) -> str:
    name = values.get(field)
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARACTERS:
        raise _wrong(values["type"], field, f"1 to {MAX_NAME_CHARACTERS} characters", name)
    return name


def _whole(values: dict[str, Any], field: str, low: int, high: int) -> int:
    number = values.get(field)
    if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= high:
        raise _wrong(values["type"], field, f"a whole number from {low} to {high}", number)
    return number


def _number(values: dict[str, Any], field: str, low: float, high: float) -> float:
    number = values.get(field)
    if (
        isinstance(number, bool)
        or not isinstance(number, (int, float))
        or not low <= number <= high
        or abs(number) > _LARGEST_COUNT
    ):
        raise _wrong(values["type"], field, f"a number from {low:g} to {high:g}", number)
    return float(number)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _wrong(kind: str, field: str, wanted: str, got: object) -> CockpitError:
    return CockpitError(f"{field} of a message {kind} must be {wanted}. Got {_shown(got)}.")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
