"""What the page and the server say to each other."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ghostlap.base.errors import CockpitError
from ghostlap.cockpit import protocol
from ghostlap.cockpit.protocol import (
    ChoosePilot,
    ChooseTrack,
    Cut,
    Hello,
    Input,
    Kind,
    Message,
    Pause,
    Ping,
    Record,
    Say,
    Seen,
    SetLine,
    SetMode,
    SpeedLimit,
    Take,
    parse,
    picture,
    read_json_as,
    read_picture,
    text_of,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
TYPES = st.sampled_from(
    ["take", "leave", "input", "mode", "record", "reset", "pilot", "track", "speed_limit",
     "line", "saliency", "cameras", "pause", "seen", "ping", "other"]
)  # fmt: skip
FIELDS = st.sampled_from(
    ["n", "keys", "steering", "throttle", "mode", "on", "run", "track", "conditions", "seed",
     "direction", "mph", "line", "frame", "t"]
)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"type": "take"}, Take()),
        ({"type": "input", "n": 2}, Input(2)),
        ({"type": "input", "n": 3, "keys": ["up", "left"]}, Input(3, frozenset({"up", "left"}))),
        (
            {"type": "input", "n": 4, "steering": -0.5, "throttle": 1},
            Input(4, steering=-0.5, throttle=1.0),
        ),
        ({"type": "mode", "mode": "autonomous"}, SetMode("autonomous")),
        ({"type": "record", "on": True}, Record(True)),
        ({"type": "pause", "on": False}, Pause(False)),
        ({"type": "pilot", "run": "lake"}, ChoosePilot("lake")),
        ({"type": "pilot", "run": ""}, ChoosePilot("")),
        ({"type": "track", "track": "jungle"}, ChooseTrack("jungle")),
        (
            {"type": "track", "track": "lake", "conditions": "wide", "seed": 7, "direction": -1},
            ChooseTrack("lake", "wide", 7, -1),
        ),
        ({"type": "speed_limit", "mph": 12.5}, SpeedLimit(12.5)),
        ({"type": "line", "line": "left_lane"}, SetLine("left_lane")),
        ({"type": "seen", "frame": 2**32 - 1}, Seen(2**32 - 1)),
        ({"type": "ping", "t": 1.5}, Ping(1.5)),
    ],
)
def test_messages_of_the_page(said: dict[str, Any], meant: Message) -> None:
    assert parse(json.dumps(said)) == meant


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must be JSON"),
        ("{", "must be JSON"),
        ("[" * 60_000, "Expected `object`, got `array`"),
        ("{" * 60_000, "must be JSON"),
        ('{"type": "take", "x": ' + "[" * 60_000, "must be JSON"),
        ('{"type": "pilot", "run": "\\ud800"}', "must be JSON"),
        ('"take"', "Expected `object`, got `str`"),
        ('{"type": ["take"]}', "Expected `str` - at `$.type`"),
        ('{"type": "shell"}', "Invalid value 'shell' - at `$.type`"),
        (
            '{"type": "input", "n": 1, "keys": ["boost"]}',
            "'boost' - at `$.keys[0]`. Got",
        ),
        ('{"type": "input", "n": 1, "keys": "up"}', "Expected `array`, got `str` - at `$.keys`"),
        ('{"type": "input", "n": 1, "steering": 0}', "both steering and throttle"),
        ('{"type": "input", "n": 1, "steering": 2, "throttle": 0}', "`float` <= 1.0 - at `$.steer"),
        ('{"type": "input", "n": 1, "steering": NaN, "throttle": 0}', "must be JSON"),
        ('{"type": "input", "n": true, "keys": []}', "Expected `int`, got `bool` - at `$.n`"),
        ('{"type": "record", "on": 1}', "Expected `bool`, got `int` - at `$.on`"),
        ('{"type": "line", "line": "switch"}', "Invalid enum value 'switch' - at `$.line`"),
        ('{"type": "speed_limit", "mph": 31}', "<= 30.0 - at `$.mph`"),
        ('{"type": "speed_limit", "mph": 1e999}', "Number out of range - at `$.mph`"),
        ('{"type": "pilot", "run": null}', 'got `null` - at `$.run`. Got \'{"type": "pilot"'),
        ('{"type": "pilot", "run": "' + "a" * 201 + '"}', "of length <= 200 - at `$.run`"),
        ('{"type": "track", "track": ""}', "of length >= 1 - at `$.track`"),
        ('{"type": "track", "track": "lake", "direction": true}', "got `bool` - at `$.direction`"),
        ('{"type": "track", "track": "lake", "conditions": "x"}', "value 'x' - at `$.conditions`"),
        ('{"type": "seen", "frame": -1}', "Expected `int` >= 0 - at `$.frame`"),
        ('{"type": "take", "x": "' + "a" * protocol.MAX_MESSAGE_BYTES + '"}', "at most 65536"),
    ],
)
def test_what_no_page_says_is_told(text: str, why: str) -> None:
    with pytest.raises(CockpitError, match=re.escape(why)) as caught:
        parse(text)
    assert len(str(caught.value)) < 300
    assert (
        "Load the page again" in str(caught.value)
        or "must be JSON" in str(caught.value)
        or ("at most" in str(caught.value))
    )


# The first texts that hypothesis draws in a process take long: it makes its tables of characters.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(TYPES, st.dictionaries(FIELDS, JSON, max_size=4))
def test_nothing_but_its_own_error_comes_of_any_message(
    kind: str, fields: dict[str, object]
) -> None:
    try:
        message = parse(json.dumps({"type": kind, **fields}))
    except CockpitError:
        return
    if isinstance(message, Input) and message.steering is not None:
        assert -1 <= message.steering <= 1
    if isinstance(message, SpeedLimit):
        assert 1 <= message.mph <= 30


@given(st.text())
def test_nothing_but_its_own_error_comes_of_any_text(text: str) -> None:
    with pytest.raises(CockpitError):
        parse(text)


@given(st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.floats(allow_nan=False), st.binary())
def test_a_picture_is_read_as_it_was_written(
    kind: Kind, frame: int, time_s: float, jpeg: bytes
) -> None:
    assert read_picture(picture(kind, frame, time_s, jpeg)) == (kind, frame, time_s, jpeg)


def test_a_picture_as_the_page_reads_it() -> None:
    assert picture(Kind.MAIN, 258, 1.0, b"JPEG") == (
        b"\x01" + b"\x02\x01\x00\x00" + b"\x00\x00\x00\x00\x00\x00\xf0\x3f" + b"JPEG"
    )


def test_what_is_not_finite_is_null() -> None:
    assert text_of({"x": math.nan, "all": [math.inf, 0.5], "n": 2}) == (
        '{"x":null,"all":[null,0.5],"n":2}'
    )


def test_messages_of_the_server_say_their_type() -> None:
    assert json.loads(text_of(Say("info", "so"))) == {"type": "say", "level": "info", "text": "so"}
    hello = json.loads(text_of(Hello(2, 1, "sim", ["lake"], None)))
    assert hello == {
        "type": "hello", "you": 2, "driver": 1, "source": "sim", "tracks": ["lake"], "map": None,
        "protocol": protocol.VERSION,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "The body of a request must be JSON. Got b''."),
        (b"[]", "The body of a request of the page is wrong: Expected `object`, got `array`."),
        (b'{"from": 1}', "missing required field `to`"),
        (b'{"from": 1, "to": 2.5}', "Expected `int`, got `float` - at `$.to`"),
    ],
)
def test_a_wrong_body_is_told(body: bytes, why: str) -> None:
    with pytest.raises(CockpitError, match=re.escape(why)):
        read_json_as(msgspec.json.Decoder(Cut), body, "The body of a request")
