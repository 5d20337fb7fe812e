"""What DonkeySim and a client say to each other, without any I/O.

Each message is an object of JSON and a line of its own, with its kind in ``msg_type``; the client's
numbers are texts. Written from the protocol that the simulator's public Python client speaks
(github.com/tawnkramer/gym-donkeycar); the simulator itself has not been run with it.

    >>> wire = DonkeyWire((160, 320, 3))
    >>> telemetry, answers = wire.receive(b'{"msg_type": "need_car_config"}')
    >>> answers                          # send these
    [b'{"msg_type": "cam_config", …}\\n']
"""

from __future__ import annotations

import json
import re
from typing import Any

from ghostlap.base.errors import WireError
from ghostlap.data.labels import MPS_A_MPH
from ghostlap.driving.metrics import is_number
from ghostlap.driving.unity.wire import EXTRA_FIELDS, TelemetryEvent

MAX_LINE_BYTES = 2_000_000
_FIELD_OF_VIEW_DEG = "60"
_DECIMAL_COMMA = re.compile(rb"(:\s*-?\d+),(\d)")
"""A simulator on a machine with another locale writes ``"speed": 1,5``."""


class DonkeyWire:
    """The client's side of one connection.

    Args:
        shape: of the frames wanted, ``(height, width, 3)``.
        scene: to load, if the simulator asks which; "" takes the first that it names.
    """

    def __init__(self, shape: tuple[int, int, int], scene: str = "") -> None:
        self._shape, self._scene = shape, scene

    def receive(self, line: bytes) -> tuple[TelemetryEvent | None, list[bytes]]:
        """Take in a message: what a car told, if it is that, and what is to be sent.

        Raises:
            WireError: it is none that the simulator sends, or there is no such scene.
        """
        try:
            told = json.loads(_DECIMAL_COMMA.sub(rb"\1.\2", line))
            kind = told["msg_type"]
        except (ValueError, KeyError, TypeError, RecursionError):
            shown = line[:60].decode("utf-8", "replace")
            raise WireError(
                f"DonkeySim sends objects of JSON with a msg_type. Got {shown!r}. Is another "
                "program listening there?"
            ) from None
        if kind == "telemetry":
            return _telemetry(told), []
        if kind == "scene_selection_ready":
            return None, [_message("get_scene_names")]
        if kind == "scene_names":
            return None, [_message("load_scene", scene_name=self._scene_of(told))]
        if kind == "need_car_config":
            height, width, depth = self._shape
            camera = {
                "fov": _FIELD_OF_VIEW_DEG, "img_w": str(width), "img_h": str(height),
                "img_d": str(depth), "img_enc": "JPG",
            }  # fmt: skip
            return None, [_message("cam_config", **camera)]
        return None, []  # lap times, collisions and the like

    def control(self, steering: float, throttle: float) -> bytes:
        """What the car is told: steering in [-1, 1], positive to the right; below 0 it brakes."""
        return _message(
            "control",
            steering=f"{steering:.4f}",
            throttle=f"{max(throttle, 0.0):.4f}",
            brake=f"{max(-throttle, 0.0):.4f}",
        )

    def _scene_of(self, told: dict[str, Any]) -> str:
        names = told.get("scene_names")
        known = [one for one in names if isinstance(one, str)] if isinstance(names, list) else []
        if not known or (self._scene and self._scene not in known):
            has = ", ".join(known)[:300] or "none"
            raise WireError(f"DonkeySim has no scene {self._scene!r}. It has: {has}.")
        return self._scene or known[0]


def _telemetry(told: dict[str, Any]) -> TelemetryEvent:
    image: Any = told.get("image")
    speed_mps: Any = told.get("speed")
    return TelemetryEvent(
        speed_mph=abs(speed_mps) / MPS_A_MPH if is_number(speed_mps) else float("nan"),
        image=image if isinstance(image, str) else "",
        extra={name: float(told[name]) for name in EXTRA_FIELDS if is_number(told.get(name))},
    )


def _message(kind: str, **values: str) -> bytes:
    return json.dumps({"msg_type": kind, **values}).encode() + b"\n"
