"""DonkeySim's protocol, against a stand-in written from its public client; not the real binary."""

from __future__ import annotations

import base64
import io
import json
import math
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from small_pilot import GREY, make_pilot

from ghostlap.base.errors import DriveError, WireError
from ghostlap.commands.drive import drive
from ghostlap.data.vision.pictures import encode_jpeg
from ghostlap.driving.donkey.wire import DonkeyWire
from ghostlap.driving.server.config import DriveConfig

QUIET = Console(file=io.StringIO())


class StandIn:
    """A simulator that asks what is asked of a client, shows frames, and leaves."""

    def __init__(self, frames: list[bytes]) -> None:
        self.frames = frames
        self.heard: list[dict[str, Any]] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection, connection.makefile("rwb") as stream:

            def say(**message: Any) -> None:
                stream.write(json.dumps(message).encode() + b"\n")
                stream.flush()

            def hear() -> bool:
                line = stream.readline()
                self.heard += [json.loads(line)] if line else []
                return bool(line)

            say(msg_type="scene_selection_ready")
            hear()
            say(msg_type="scene_names", scene_names=["generated_road", "warehouse"])
            if not hear():
                return
            say(msg_type="car_loaded")
            say(msg_type="need_car_config")
            hear()
            for frame in self.frames:
                image = base64.b64encode(frame).decode()
                stream.write(b'{"msg_type": "telemetry", "speed": 4,4704, "cte": 0.5, "image": "')
                stream.write(image.encode() + b'"}\n')
                stream.flush()
                hear()

    def close(self) -> None:
        self._thread.join(10)
        self._listening.close()


@pytest.fixture
def simulator() -> Iterator[StandIn]:
    brightness = (GREY, GREY // 2)
    frames = [encode_jpeg(np.full((160, 320, 3), grey, np.uint8)) for grey in brightness]
    found = StandIn([*frames, b"no picture"])
    yield found
    found.close()


def test_a_pilot_drives_donkeysim(simulator: StandIn, tmp_path: Path) -> None:
    run = make_pilot(tmp_path / "a")
    told = io.StringIO()
    config = DriveConfig(run, simulator="donkey", port=simulator.port, scene="warehouse")
    result = drive(config, Console(file=told, width=300))
    names, scene, camera, straight, left, held = simulator.heard
    assert names == {"msg_type": "get_scene_names"}
    assert scene == {"msg_type": "load_scene", "scene_name": "warehouse"}
    assert (camera["msg_type"], camera["img_w"], camera["img_h"]) == ("cam_config", "320", "160")
    assert all(isinstance(value, str) for value in (*camera.values(), *straight.values()))
    assert abs(float(straight["steering"])) < 0.02
    assert abs(float(left["steering"]) + 0.5) < 0.02
    assert 0 < float(straight["throttle"]) <= 1, "10 mph, and 20 are wanted"
    assert float(straight["brake"]) == 0.0
    assert held["steering"] == left["steering"]
    assert float(held["throttle"]) == 0.0
    assert (result["answered"], result["troubled"]) == (3, 1)
    assert "holding the steering, throttle 0" in told.getvalue()


def test_what_donkeysim_cannot_be_asked(simulator: StandIn, tmp_path: Path) -> None:
    run = make_pilot(tmp_path / "a")
    config = DriveConfig(run, simulator="donkey", port=simulator.port, scene="moon")
    with pytest.raises(DriveError, match=r"no scene 'moon'. It has: generated_road, warehouse"):
        drive(config, QUIET)
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    with pytest.raises(DriveError, match="no simulator listens on .*Start DonkeySim first"):
        drive(DriveConfig(run, simulator="donkey", port=port), QUIET)
    with pytest.raises(DriveError, match="--record is for Udacity's simulator"):
        DriveConfig(run, simulator="donkey", record=tmp_path / "rec")
    assert DriveConfig(run, simulator="donkey").port == 9091
    assert DriveConfig(run).port == 4567


@pytest.mark.parametrize("line", [b"", b"hello", b"[]", b'{"msg": 1}', b'{"msg_type": [}'])
def test_another_program_is_told_apart(line: bytes) -> None:
    with pytest.raises(WireError, match="sends objects of JSON with a msg_type"):
        DonkeyWire((160, 320, 3)).receive(line)


KEYS = st.sampled_from(["msg_type", "image", "speed", "cte", "scene_names"])
KINDS = st.sampled_from(["telemetry", "scene_names", "need_car_config"])
VALUES = st.one_of(
    st.none(), st.text(max_size=5), st.floats(), st.integers(), st.lists(st.text(max_size=3)), KINDS
)


@given(st.dictionaries(KEYS, VALUES))
def test_any_object_is_taken_or_refused(message: dict[str, Any]) -> None:
    try:
        telemetry, answers = DonkeyWire((160, 320, 3)).receive(json.dumps(message).encode())
    except WireError:
        return
    assert all(answer.endswith(b"\n") for answer in answers)
    if telemetry is not None:
        assert isinstance(telemetry.image, str)
        assert math.isnan(telemetry.speed_mph) or telemetry.speed_mph >= 0
