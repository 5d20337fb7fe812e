"""What the simulator and a server say to each other, byte by byte."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ghostlap.base.errors import WireError
from ghostlap.driving.unity.unity_numbers import command_number, read_number
from ghostlap.driving.unity.wire import (
    EXTRA_FIELDS,
    MANUAL,
    Event,
    Ignored,
    Leaving,
    ManualTelemetry,
    Ping,
    TelemetryEvent,
    Wire,
    image_bytes,
    steer_text,
)

TELEMETRY = (
    '42["telemetry",{"steering_angle":"-3.1416","throttle":"0.2500","speed":"12.3456",'
    '"image":"/9j/4AAQ"}]'
)

N4_NUMBERS = [
    ("-3.1416", -3.1416),  # most
    ("-3,1416", -3.1416),  # de-DE, pt-BR, …
    ("1.234,5678", 1234.5678),
    ("1,234.5678", 1234.5678),
    ("1 234,5678", 1234.5678),
    ("1\xa0234,5678", 1234.5678),
    ("1\u202f234,5678", 1234.5678),
    ("1’234.5678", 1234.5678),
    ("12,34,567.8901", 1234567.8901),
    ("3/1416-", -3.1416),
    ("- 3,1416", -3.1416),
    ("3.1416-", -3.1416),
    ("3.1416 -", -3.1416),
    ("(3.1416)", -3.1416),
    ("\u22123,1416", -3.1416),
    ("\u200e-3.1416", -3.1416),
    ("\u200f-3.1416", -3.1416),
    ("3٫1416", 3.1416),
    ("0.0000", 0.0),
    ("-0.0000", 0.0),
    ("25.0000", 25.0),
    ("-0,0001", -0.0001),
]


def telemetry_of(message: str) -> TelemetryEvent:
    event = Wire("a").receive(message)
    assert isinstance(event, TelemetryEvent)
    return event


def test_the_first_packets_are_byte_for_byte_those_that_work() -> None:
    assert Wire("f00d").opening() == (
        '0{"sid":"f00d","upgrades":[],"pingInterval":25000,"pingTimeout":20000,'
        '"maxPayload":1000000}',
        '40{"sid":"f00d"}',
    )


def test_a_telemetry_and_its_steer() -> None:
    wire = Wire("a")
    assert wire.receive(TELEMETRY) == TelemetryEvent(-3.1416, 0.25, 12.3456, "/9j/4AAQ")
    assert wire.steer(0.1234, 0.2) == (
        '42["steer",{"steering_angle":"1234E-4","throttle":"2000E-4"}]'
    )


def test_a_ping_has_its_pong_and_a_probe_its_own() -> None:
    assert Wire("a").receive("2") == Ping("3")
    assert Wire("a").receive("2probe") == Ping("3probe")


def test_a_person_at_the_controls_is_answered_with_manual() -> None:
    wire = Wire("a")
    assert wire.receive('42["telemetry",null]') == ManualTelemetry()
    assert wire.unanswered == 0
    assert wire.manual() == '42["manual",{}]' == MANUAL


@pytest.mark.parametrize(("text", "value"), N4_NUMBERS)
def test_numbers_of_every_locale_are_their_digits(text: str, value: float) -> None:
    assert read_number(text) == value


@given(
    st.integers(0, 10**12),
    st.sampled_from([".", ",", "/", "٫", "·", "'"]),
    st.sampled_from(["", ",", ".", " ", "\xa0", "\u202f", "’"]),
    st.sampled_from(["{}", "-{}", "- {}", "{}-", "{} -", "({})", "\u2212{}", "\u200e-{}"]),
)
def test_any_locale_reads_alike(units: int, point: str, group: str, sign: str) -> None:
    whole = f"{units // 10_000:,}".replace(",", group)
    text = sign.format(f"{whole}{point}{units % 10_000:04}")
    assert read_number(text) == (units if sign == "{}" else -units) / 10_000


@pytest.mark.parametrize(
    ("value", "number"),
    [(12.5, 12.5), (-3, -3.0), ("0.5", 0.5), ("-12", -12.0), ("1e-3", 0.001), ("7.25E1", 72.5)],
)
def test_forks_that_send_plain_numbers_are_understood(value: Any, number: float) -> None:
    assert read_number(value) == number


@pytest.mark.parametrize(
    "value",
    [
        None, True, [], {}, "", "x", "NaN", "∞", "-", "1e999", math.nan, math.inf, 10**400,
        "9" * 65, "-3\x1f", "\x1c1.5",
    ],
)  # fmt: skip
def test_what_is_no_number_is_nan(value: Any) -> None:
    assert math.isnan(read_number(value))


@given(st.floats(-1, 1))
def test_commands_are_whole_numbers_with_an_exponent(value: float) -> None:
    text = command_number(value)
    assert re.fullmatch(r"-?[0-9]+E-4", text)
    assert float(text) == pytest.approx(value, abs=0.5e-4)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1234, "1234E-4"), (-1.0, "-10000E-4"), (1.0, "10000E-4"), (0.0, "0E-4"),
        (-0.0, "0E-4"), (-0.00001, "0E-4"), (5.0, "10000E-4"), (-5.0, "-10000E-4"),
        (np.float32(0.5), "5000E-4"),
    ],
)  # fmt: skip
def test_commands_to_the_letter(value: float, text: str) -> None:
    assert command_number(value) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_car_is_never_told_what_is_no_number(value: float) -> None:
    wire = Wire("a")
    wire.receive(TELEMETRY)
    with pytest.raises(WireError, match="a car cannot be told"):
        wire.steer(0.0, value)
    assert wire.unanswered == 1
    with pytest.raises(WireError, match="a car cannot be told"):
        steer_text(value, 0.0)


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_steer_is_an_object_of_two_strings(steering: float, throttle: float) -> None:
    text = steer_text(steering, throttle)
    name, values = json.loads(text.removeprefix("42"))
    assert name == "steer"
    assert list(values) == ["steering_angle", "throttle"]
    assert all(isinstance(value, str) for value in values.values())


def test_nothing_is_steered_that_did_not_ask() -> None:
    wire = Wire("a")
    with pytest.raises(WireError, match="would start a chain that never ends"):
        wire.steer(0.0, 0.0)
    with pytest.raises(WireError, match="would start a chain that never ends"):
        wire.manual()
    wire.receive(TELEMETRY)
    wire.steer(0.0, 0.0)
    with pytest.raises(WireError, match="would start a chain that never ends"):
        wire.steer(0.0, 0.0)


def test_what_research_forks_add_is_read_when_present() -> None:
    sent = '42["telemetry",{"speed":"1.0000","cte":-0.25,"lapNumber":"3","crash":"no","foo":1}]'
    assert telemetry_of(sent).extra == {"cte": -0.25, "lapNumber": 3.0}
    everything = json.dumps(["telemetry", dict.fromkeys(EXTRA_FIELDS, "1.5000")])
    assert telemetry_of("42" + everything).extra == dict.fromkeys(EXTRA_FIELDS, 1.5)


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ('42["telemetry"]', ""),
        ('42["telemetry",{}]', ""),
        ('42["telemetry",{"image":7,"speed":null}]', ""),
        ('42["telemetry",5]', "no JSON object"),
        ('42["telemetry","x"]', "no JSON object"),
        ('42["telemetry",{"speed":"1.0000"', "no JSON"),
        ('42["telemetry",{"a":' + "[" * 200 + "]" * 200 + "}]", ""),
        ('42["telemetry",' + "[" * 5000, "more than 256 values"),
        ('42["telemetry",[' + "1," * 300 + "1]]", "more than 256 values"),
    ],
)
def test_a_telemetry_that_says_nothing_wants_an_answer_all_the_same(
    message: str, problem: str
) -> None:
    wire = Wire("a")
    event = wire.receive(message)
    assert isinstance(event, TelemetryEvent)
    assert problem in event.problem
    assert wire.unanswered == 1
    with pytest.raises(WireError, match="the telemetry has no image"):
        image_bytes(event)


def test_socket_io_variants_of_a_telemetry() -> None:
    for start in ("42", "427", "42/,", "42/sim,12"):
        assert telemetry_of(TELEMETRY.replace("42", start, 1)).speed_mph == 12.3456
    assert telemetry_of('42[ "telemetry" , {"speed": "1,0000"} ]').speed_mph == 1.0


@pytest.mark.parametrize(
    "message", ["40", "40{}", '40{"sid":"x"}', "3", "3probe", "6", "5", '42["foo",1]', '42["x"]',
                '430["ok"]', '44{"message":"no"}', '42["telemetry2",{}]', "0{}"],
)  # fmt: skip
def test_what_driving_does_not_need_is_ignored(message: str) -> None:
    assert Wire("a").receive(message) == Ignored()


@pytest.mark.parametrize("message", ["1", "41", "41/sim,"])
def test_good_bye(message: str) -> None:
    assert Wire("a").receive(message) == Leaving()


@pytest.mark.parametrize(
    ("message", "wrong"),
    [
        (b"42", "a binary message of 2 bytes"), (b"", "a binary message of 0 bytes"),
        ("", "not an Engine.IO packet: ''"), ("GET /", "not an Engine.IO packet: 'GET /'"),
        ("9", "not an Engine.IO packet"), ("4", "not a Socket.IO packet"),
        ("45-[]", "not a Socket.IO packet"), ("42", "not a Socket.IO event"),
        ("42{}", "not a Socket.IO event"), ("42[5]", "not a Socket.IO event"),
        ("2" * 500, r"not an Engine.IO packet: '2{40}\\u2026'"),
    ],
)  # fmt: skip
def test_junk_is_refused_with_its_own_error(message: str | bytes, wrong: str) -> None:
    with pytest.raises(WireError, match=wrong):
        Wire("a").receive(message)


def test_pictures_come_in_base64() -> None:
    assert image_bytes(TelemetryEvent(image="/9j/4AAQ")) == b"\xff\xd8\xff\xe0\x00\x10"
    for broken in ("/9j/4AA", "/9j/*AAQ", "ü9j/", "/9j/\n4AAQ"):
        with pytest.raises(WireError, match="image is not base64"):
            image_bytes(TelemetryEvent(image=broken))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
telemetry_values = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("steering_angle", "throttle", "speed", "image", "cte"), json_values),
)
messages = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=40),
    st.builds(lambda start, rest: start + rest, st.sampled_from(["42", "42[", '42["telemetry"',
              '42["telemetry",', "40", "4", "2"]), st.text(max_size=40)),
    st.builds(lambda data: f'42["telemetry",{json.dumps(data)}]', json_values | telemetry_values),
)  # fmt: skip


@given(st.lists(messages, max_size=8))
@example(['42["telemetry","\\ud800"]', '42["telemetry",{"image":"\\ud800"}]'])
@example(['42["telemetry",' + "9" * 5000 + "]"])
@example(['42["telemetry",{"a":' * 250])
def test_no_input_raises_anything_but_its_own_error_and_each_telemetry_has_one_answer(
    messages: list[str | bytes],
) -> None:
    wire, events = Wire("a"), list[Event]()
    for message in messages:
        try:
            events.append(wire.receive(message))
        except WireError:
            continue
    telemetries = [event for event in events if isinstance(event, TelemetryEvent)]
    by_hand = [event for event in events if isinstance(event, ManualTelemetry)]
    for telemetry in telemetries:
        wire.steer(0.1, 0.2)
        try:
            image_bytes(telemetry)
        except WireError:
            continue
    for _ in by_hand:
        wire.manual()
    assert wire.unanswered == wire.unanswered_manual == 0


@given(json_values)
def test_reading_a_number_never_fails(value: Any) -> None:
    assert isinstance(read_number(value), float)
