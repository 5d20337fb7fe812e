"""What the page and the server say to each other, without any I/O.

Both speak JSON objects with a ``type``: :data:`Message` is what pages say, :data:`News` what the
server says. Pictures go to the page as binary messages (:func:`picture`).
"""

from __future__ import annotations

import enum
import struct
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from ghostlap.base.errors import CockpitError
from ghostlap.data.lines import Command as LineCommand
from ghostlap.data.lines import Line
from ghostlap.sim.scene.conditions import ConditionsKind

VERSION = 1
MAX_MESSAGE_BYTES = 64 * 1024
MAX_NAME_CHARACTERS = 200
MAX_SEED = 2**31 - 1
_LARGEST_COUNT = 2**53
_SHOWN_CHARACTERS = 80
_HEADER = struct.Struct("<BId")

Mode = Literal["manual", "autonomous"]
Key = Literal["left", "right", "up", "down"]
Level = Literal["info", "warning", "error"]
Name = Annotated[str, Meta(max_length=MAX_NAME_CHARACTERS)]
Control = Annotated[float, Meta(ge=-1, le=1)]


class Kind(enum.IntEnum):
    """What a binary message shows."""

    MAIN = 1
    LEFT = 2
    CENTER = 3
    RIGHT = 4
    SALIENCY = 5


class Take(Struct, frozen=True, tag="take"):
    """Sit down in the driver's seat."""


class Leave(Struct, frozen=True, tag="leave"):
    """Get up from the driver's seat; the car brakes to a stand."""


class Input(Struct, frozen=True, tag="input"):
    """How the controls are held: some keys, or a stick with both numbers."""

    n: Annotated[int, Meta(ge=0, le=_LARGEST_COUNT)]
    """Counts a page's inputs."""
    keys: Annotated[frozenset[Key], Meta(max_length=4)] = frozenset()
    steering: Control | None = None
    """Positive to the right; None with keys."""
    throttle: Control | None = None
    """Negative brakes; None with keys."""

    def __post_init__(self) -> None:
        if (self.steering is None) != (self.throttle is None):
            raise ValueError("Expected both steering and throttle, or neither")


class SetMode(Struct, frozen=True, tag="mode"):
    mode: Mode


class Record(Struct, frozen=True, tag="record"):
    on: bool


class Reset(Struct, frozen=True, tag="reset"):
    """Put the car back on the middle of the road."""


class ChoosePilot(Struct, frozen=True, tag="pilot"):
    run: Name
    """A run's name; empty for no pilot."""


class ChooseTrack(Struct, frozen=True, tag="track"):
    track: Annotated[Name, Meta(min_length=1)]
    conditions: ConditionsKind = "fixed"
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)] = 0
    direction: Literal[1, -1] = 1


class SpeedLimit(Struct, frozen=True, tag="speed_limit"):
    mph: Annotated[float, Meta(ge=1, le=30)]


class SetLine(Struct, frozen=True, tag="line"):
    """Keep to this line of the road."""

    line: Line


class ShowSaliency(Struct, frozen=True, tag="saliency"):
    on: bool


class ShowCameras(Struct, frozen=True, tag="cameras"):
    on: bool


class Pause(Struct, frozen=True, tag="pause"):
    on: bool


class Seen(Struct, frozen=True, tag="seen"):
    """The page has shown a main picture."""

    frame: Annotated[int, Meta(ge=0, lt=2**32)]


class Ping(Struct, frozen=True, tag="ping"):
    t: Annotated[float, Meta(ge=-_LARGEST_COUNT, le=_LARGEST_COUNT)]


Command = (
    Input | SetMode | Record | Reset | ChoosePilot | ChooseTrack | SpeedLimit | SetLine
    | ShowSaliency | ShowCameras | Pause
)  # fmt: skip
"""What only the driver may say."""

Message = Command | Take | Leave | Seen | Ping


class Pong(Struct, frozen=True, tag="pong"):
    t: float


class Say(Struct, frozen=True, tag="say"):
    """Something for a person to read."""

    level: Level
    text: str


class DriverChanged(Struct, frozen=True, tag="driver"):
    driver: int | None
    """The page in the driver's seat."""


class MapChanged(Struct, frozen=True, tag="map"):
    map: dict[str, Any] | None
    """Points of the road's ``centre``, ``left`` and ``right``, and its ``start``, in metres."""


class Hello(Struct, frozen=True, tag="hello"):
    """What a page is told when it comes."""

    you: int
    driver: int | None
    source: Literal["sim", "unity"]
    tracks: list[str]
    map: dict[str, Any] | None
    protocol: int = VERSION


class Recording(Struct, frozen=True):
    """The recording under way."""

    name: str
    rows: int
    seconds: float


class State(Struct, kw_only=True, tag="state"):
    """The drive at one moment; None is what is not known, or not there."""

    t: float
    """Seconds of the server's clock."""
    frame: int = 0
    """The main picture that it belongs to."""
    mode: Mode
    driving: Literal["person", "pilot"]
    paused: bool = False
    speed_mph: float
    speed_limit_mph: float
    line: LineCommand = "centre"
    """The line of the road that is commanded."""
    steering: float
    throttle: float
    cte_m: float | None = None
    margin_m: float | None = None
    off_road: bool = False
    lap: int | None = None
    lap_s: float | None = None
    best_lap_s: float | None = None
    distance_m: float | None = None
    autonomy_percent: float | None = None
    interventions: int = 0
    pilot_m: float = 0.0
    x: float | None = None
    y: float | None = None
    heading_rad: float | None = None
    recording: Recording | None = None
    pilot: str | None = None
    pilot_steering: float | None = None
    spread: float | None = None
    """Steering standard deviation that the pilot predicts."""
    warning_s: float | None = None
    """Within how many seconds the pilot's critic expects a failure."""
    latency_ms: float | None = None
    expert_steering: float | None = None
    track: str | None = None
    direction: int | None = None
    conditions: str | None = None
    input_ack: int = 0
    """The newest input of the driver's page that was carried out."""
    saliency: bool = False
    watchers: int = 0
    driver: int | None = None


News = Hello | State | DriverChanged | MapChanged | Say | Pong


class Cut(Struct, frozen=True, rename={"first": "from", "last": "to"}):
    """A request to leave out rows of a recording, both ends included."""

    first: int
    last: int


class Train(Struct, frozen=True):
    """A request to train."""

    recordings: Annotated[list[str], Meta(max_length=200)]
    epochs: int
    init: str | None = None
    """The run to go on from."""


class NoBody(Struct, frozen=True):
    """A request that its address says all about."""


Read = TypeVar("Read")


def parse(text: str) -> Message:
    """Understand a message of a page.

    Raises:
        CockpitError: it is too long, no JSON, or says nothing that there is.
    """
    if len(text) > MAX_MESSAGE_BYTES:
        raise CockpitError(
            f"A message may have at most {MAX_MESSAGE_BYTES} characters. Got {len(text)}."
        )
    return read_json_as(_MESSAGES, text, "A message")


def read_json_as(decoder: msgspec.json.Decoder[Read], data: str | bytes, what: str) -> Read:
    """Read JSON from outside, of a size that was looked at.

    Args:
        decoder: of what it must be.
        data: the JSON.
        what: it is, for errors.

    Raises:
        CockpitError: it is no JSON, or something else.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise CockpitError(
            f"{what} of the page is wrong: {error}. Got {_shown(data)}. "
            "Load the page again: it may be of another version."
        ) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise CockpitError(f"{what} must be JSON. Got {_shown(data)}.") from None


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


def text_of(message: Struct | dict[str, Any]) -> str:
    """What the server says, as JSON; a number that is not finite becomes null."""
    return msgspec.json.encode(message).decode()


def _shown(data: str | bytes) -> str:
    text = repr(data)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


_MESSAGES: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
