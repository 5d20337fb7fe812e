"""What Udacity's simulator and a drive server say to each other, without any I/O.

The simulator speaks what Engine.IO 3 and Socket.IO 2 spoke, over WebSocket, though it asks for
Engine.IO 4. Its numbers are strings in the format of its machine's locale: degrees, mph, with a
decimal point, a decimal comma or a slash. What is sent to it here is read alike in every locale.

    >>> wire = Wire("a1b2")
    >>> wire.opening()                       # send these; never a steer, which nothing asked for
    >>> event = wire.receive('42["telemetry",{"steering_angle":"-3,1416", …}]')
    >>> event.steering_deg, wire.unanswered
    (-3.1416, 1)
    >>> wire.steer(0.1234, 0.2)              # send this, once for each telemetry
    '42["steer",{"steering_angle":"1234E-4","throttle":"2000E-4"}]'
"""

from __future__ import annotations

import binascii
import dataclasses
import json
import math
import re
from typing import Any

from ghostlap.base.errors import WireError
from ghostlap.driving.unity.unity_numbers import command_number, read_number

FULL_LOCK_DEG = 25.0
"""The simulator tells steering in degrees and is told it in [-1, 1]; these are 1."""
PING_INTERVAL_S = 25.0
PING_TIMEOUT_S = 20.0
PING = "2"
MANUAL = '42["manual",{}]'
"""Hands the controls to whoever holds them, and has one telemetry sent in return."""

EXTRA_FIELDS = (
    "cte", "lapNumber", "currentWayPoint", "distance", "sim_time", "crash", "tot_obes",
    "tot_crashes",
)  # fmt: skip
"""Numbers that research forks of the simulator send beside the usual ones."""

_MOST_FIELDS = 256
_LONGEST_PING = 128
_EVENT = re.compile(r'42(?:/[^,"\[]{0,64},)?\d{0,18}\[\s*"((?:[^"\\]|\\.){0,128})"\s*([,\]])', re.S)
_OTHER_PROJECT = re.compile(
    r'"(ptsx|waypoints|sensor_fusion|previous_path_x|sense_x|sense_observations_x|sensor_measurement)"'
)
"""What Udacity's simulators of other projects send."""


@dataclasses.dataclass(frozen=True, slots=True)
class TelemetryEvent:
    """What a car told; it wants exactly one answer. NaN is a number that could not be read."""

    steering_deg: float = math.nan
    """Angle of the front wheels, positive to the right; :data:`FULL_LOCK_DEG` at most."""
    throttle: float = math.nan
    speed_mph: float = math.nan
    image: str = ""
    """The camera's JPEG in base64; see :func:`image_bytes`."""
    extra: dict[str, float] = dataclasses.field(default_factory=dict)
    """Those of :data:`EXTRA_FIELDS` that came with it."""
    problem: str = ""
    """Why nothing of it can be used, where that is so."""


@dataclasses.dataclass(frozen=True, slots=True)
class ManualTelemetry:
    """A person holds the controls; it wants exactly one :meth:`Wire.manual`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ping:
    """The other side asks for a sign of life."""

    pong: str
    """What to send back."""


@dataclasses.dataclass(frozen=True, slots=True)
class Leaving:
    """The other side says good-bye."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing to do: a pong, a greeting, an event that driving does not need."""

    event: str = dataclasses.field(default="", compare=False)
    """Its name, if it is an event, as it can be shown."""


Event = TelemetryEvent | ManualTelemetry | Ping | Leaving | Ignored

_NOTHING = Ignored()


class Wire:
    """The server's side of one connection, as a state machine.

    It counts what is owed: each telemetry is answered once, for the simulator sends the next one
    only upon an answer, and two upon two. ``sid`` is a name of letters and digits.
    """

    def __init__(self, sid: str, max_message_bytes: int = 1_000_000) -> None:
        self.unanswered = 0
        """Telemetries that :meth:`steer` still has to answer."""
        self.unanswered_manual = 0
        """Those of a person at the controls, for :meth:`manual`."""
        self._sid = sid
        self._max_message_bytes = max_message_bytes

    def opening(self) -> tuple[str, str]:
        """What is sent first: Engine.IO's greeting, and Socket.IO's.

        Nobody asked for the second. The simulator ignores it, and current clients take it for the
        answer to a question that it never asks.
        """
        greeting = {
            "sid": self._sid,
            "upgrades": [],
            "pingInterval": round(PING_INTERVAL_S * 1000),
            "pingTimeout": round(PING_TIMEOUT_S * 1000),
            "maxPayload": self._max_message_bytes,
        }
        return "0" + _json(greeting), "40" + _json({"sid": self._sid})

    def receive(self, message: str | bytes) -> Event:
        """Take a WebSocket message in.

        Raises:
            WireError: no simulator and no Socket.IO client says that.
        """
        if not isinstance(message, str):
            raise WireError(f"a binary message of {len(message)} bytes; this protocol has none")
        kind = message[:1]
        if kind == "4":
            return self._socket_io(message)
        if kind == "2" and len(message) <= _LONGEST_PING:
            return Ping("3" + message[1:])
        if kind == "1":
            return Leaving()
        if kind and kind in "0356":
            return _NOTHING
        raise WireError(f"not an Engine.IO packet: {_shown(message)}")

    def steer(self, steering: float, throttle: float) -> str:
        """The answer to a telemetry.

        Args:
            steering: in [-1, 1], positive to the right; clipped.
            throttle: in [-1, 1], negative brakes; clipped.

        Raises:
            WireError: nothing is to be answered, or a value is not finite.
        """
        if not self.unanswered:
            raise WireError("a steer without a telemetry would start a chain that never ends")
        text = steer_text(steering, throttle)
        self.unanswered -= 1
        return text

    def manual(self) -> str:
        """The answer to a telemetry of a person at the controls.

        Raises:
            WireError: nothing is to be answered.
        """
        if not self.unanswered_manual:
            raise WireError("a manual without a telemetry would start a chain that never ends")
        self.unanswered_manual -= 1
        return MANUAL

    def _socket_io(self, message: str) -> Event:
        kind = message[1:2]
        if kind == "1":
            return Leaving()
        if kind == "2":
            return self._event(message)
        if kind and kind in "034":
            return _NOTHING
        raise WireError(f"not a Socket.IO packet of text: {_shown(message)}")

    def _event(self, message: str) -> Event:
        start = _EVENT.match(message)
        if start is None:
            raise WireError(f"not a Socket.IO event: {_shown(message)}")
        if start[1] != "telemetry":
            return Ignored(_shown(start[1]))
        event = _telemetry(message[message.index("[") :])
        if isinstance(event, ManualTelemetry):
            self.unanswered_manual += 1
        else:
            self.unanswered += 1
        return event


def steer_text(steering: float, throttle: float) -> str:
    """A steer, which every locale reads alike.

    Raises:
        WireError: a value is not finite.
    """
    return (
        f'42["steer",{{"steering_angle":"{command_number(steering)}",'
        f'"throttle":"{command_number(throttle)}"}}]'
    )


def image_bytes(telemetry: TelemetryEvent) -> bytes:
    """The picture in a telemetry, as a file's bytes.

    Raises:
        WireError: there is none, or it is not base64.
    """
    if not telemetry.image:
        raise WireError("the telemetry has no image")
    try:
        return binascii.a2b_base64(telemetry.image, strict_mode=True)
    except ValueError as error:
        raise WireError(f"the telemetry's image is not base64 ({error})") from None


def _telemetry(text: str) -> TelemetryEvent | ManualTelemetry:
    if (other := _OTHER_PROJECT.search(text)) and '"image"' not in text:
        return TelemetryEvent(
            problem=f"the telemetry has {other[1]} and no image, so this simulator is of another "
            "project (MPC, path planning, localization); start its Term 1 version, autonomous mode"
        )
    # Base64 has neither; so this bounds the work before it is done.
    if text.count(",") + text.count("[") + text.count("{") > _MOST_FIELDS:
        return TelemetryEvent(problem=f"the telemetry has more than {_MOST_FIELDS} values")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return TelemetryEvent(problem=f"the telemetry is no JSON: {_shown(text)}")
    data = values[1] if len(values) > 1 else {}
    if data is None:
        return ManualTelemetry()
    if not isinstance(data, dict):
        return TelemetryEvent(problem=f"the telemetry's data are no JSON object: {_shown(text)}")
    image = data.get("image")
    extra = {name: read_number(data[name]) for name in EXTRA_FIELDS if name in data}
    return TelemetryEvent(
        steering_deg=read_number(data.get("steering_angle")),
        throttle=read_number(data.get("throttle")),
        speed_mph=read_number(data.get("speed")),
        image=image if isinstance(image, str) else "",
        extra={name: number for name, number in extra.items() if not math.isnan(number)},
    )


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, separators=(",", ":"))


def _shown(message: str) -> str:
    return ascii(message if len(message) <= 40 else message[:40] + "…")
