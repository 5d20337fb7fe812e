"""The client behaves as Udacity's simulator: what it says, what it answers, where it stops."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_server import GREETING, ScriptedServer
from websockets.frames import Opcode

from ghostlap.base.errors import SimulatorError
from ghostlap.driving.unity.client import UnityClient, UnityTelemetry
from ghostlap.driving.unity.unity_numbers import NUMBER_FORMATS, number_format
from ghostlap.driving.unity.unity_socket import FRAGMENT_BYTES

ALL = sorted(NUMBER_FORMATS)
TELEMETRY = UnityTelemetry(steering=-0.125664, throttle=0.25, speed_mph=12.34561, jpeg=b"\xff\xd8")


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.stop()


def connected(server: ScriptedServer, locale: str = "en-US") -> UnityClient:
    """A client that was let in and greeted, and has sent its first ping."""
    client = UnityClient("127.0.0.1", server.port, number_format(locale), Clock())
    client.listen(0.0)
    server.accept()
    hear_until(client, lambda: client.connected)
    server.say(GREETING, "40")
    hear_until(client, lambda: client.asked == 2)
    assert server.hear() == "2"
    return client


def hear_until(client: UnityClient, happened: Any) -> None:
    for _ in range(100):
        if happened():
            return
        client.listen(0.1)
    raise AssertionError("it never happened")


def steer(steering: Any, throttle: Any = "2000E-4") -> str:
    values = {"steering_angle": steering, "throttle": throttle}
    return f'42["steer",{json.dumps(values)}]'


@pytest.mark.parametrize(
    ("locale", "value", "text"),
    [
        ("en-US", -3.14159, "-3.1416"), ("en-US", 1234567.5, "1,234,567.5000"),
        ("de-DE", -1234.5678, "-1.234,5678"), ("fr-FR", 1234.5678, "1\u202f234,5678"),
        ("sv-SE", -3.1416, "\u22123,1416"), ("fa-IR", -3.1416, "3/1416-"),
        ("hr-HR", -3.1416, "- 3,1416"), ("x-accounting", -3.1416, "(3.1416)"),
        ("de-CH", 1234.5, "1\u2019234.5000"), ("de-DE", -0.00001, "0,0000"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_the_locale_does(locale: str, value: float, text: str) -> None:
    assert number_format(locale).n4(value) == text


@pytest.mark.parametrize(
    ("locale", "text", "value"),
    [
        ("en-US", "0.1234", 0.1234), ("en-US", "1,2,3.5", 123.5), ("en-US", " -.5E1 ", -5.0),
        ("de-DE", "0.1234", 1234.0), ("de-DE", "0,1234", 0.1234), ("fr-FR", "0.1234", None),
        ("sv-SE", "\u22121E-1", -0.1), ("sv-SE", "1E\u22121", 0.1), ("fa-IR", "0/5", 0.5),
        ("en-US", "+0.5", None), ("en-US", "", None), ("en-US", ".", None), ("en-US", "1E", None),
        ("en-US", "0.5-", None), ("en-US", "nan", None), ("en-US", "1e999", None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_the_locale_does(locale: str, text: str, value: float | None) -> None:
    assert number_format(locale).parse(text) == value


@pytest.mark.parametrize("locale", NUMBER_FORMATS)
@settings(deadline=None)
@given(steering=st.integers(-10000, 10000))
def test_whole_numbers_with_an_exponent_are_read_alike_everywhere(
    locale: str, steering: int
) -> None:
    assert number_format(locale).parse(f"{steering}E-4") == pytest.approx(steering / 10000)


@pytest.mark.parametrize("locale", NUMBER_FORMATS)
@settings(deadline=None)
@given(value=st.floats(-1e6, 1e6))
def test_digits_and_any_minus_sign_are_enough_to_read_what_is_written(
    locale: str, value: float
) -> None:
    text = number_format(locale).n4(value)
    amount = int("".join(c for c in text if c.isdecimal())) / 10000
    assert (-amount if set(text) & set("-\u2212(") else amount) == round(value, 4)


@settings(deadline=None)
@given(text=st.text(st.sampled_from("0123456789.,/eE+- \u2212\u00a0")), locale=st.sampled_from(ALL))
def test_whatever_is_read_is_a_number_or_nothing(text: str, locale: str) -> None:
    value = number_format(locale).parse(text)
    assert value is None or abs(value) < float("inf")


def test_an_unknown_locale_is_told() -> None:
    with pytest.raises(SimulatorError, match=r"--locale must be one of en-US, .* Got 'tlh'.*comma"):
        number_format("tlh")


def test_it_asks_for_what_the_simulator_asks_for(server: ScriptedServer) -> None:
    client = UnityClient("127.0.0.1", server.port)
    client.listen(0.0)
    server.accept()
    request = server.requests[0]
    assert request.path == "/socket.io/?EIO=4&transport=websocket"
    assert "Sec-WebSocket-Extensions" not in request.headers
    client.close()


def test_open_is_raised_twice_so_two_telemetries_start(server: ScriptedServer) -> None:
    client = connected(server)
    client.tell(TELEMETRY)
    told = [server.hear(), server.hear()]
    image = base64.b64encode(TELEMETRY.jpeg).decode()
    assert told[0] == told[1]
    assert told[0] == (
        '42["telemetry",{"steering_angle":"-3.1416","throttle":"0.2500","speed":"12.3456",'
        f'"image":"{image}"}}]'
    )
    assert server.hears_nothing()
    client.close()


def test_a_car_that_brakes_tells_no_throttle(server: ScriptedServer) -> None:
    client = connected(server, "de-DE")
    client.tell(TELEMETRY._replace(throttle=-0.5, steering=1.0))
    assert '"steering_angle":"25,0000","throttle":"0,0000"' in server.hear()
    client.close()


def test_a_car_driven_by_hand_tells_null(server: ScriptedServer) -> None:
    client = connected(server)
    client.tell(None)
    assert server.hear() == '42["telemetry",null]'
    client.close()


def test_each_steer_and_each_manual_asks_for_one_telemetry(server: ScriptedServer) -> None:
    client = connected(server)
    client.tell(TELEMETRY)
    server.say(steer("1234E-4", "-5000E-4"))
    hear_until(client, lambda: client.asked == 1)
    assert (client.steering, client.throttle) == (0.1234, -0.5)
    server.say('42["manual",{}]', '42["manual"]')
    hear_until(client, lambda: client.asked == 3)
    assert (client.steering, client.throttle) == (0.1234, -0.5)
    assert (client.commands, client.wakes) == (1, 2)
    client.tell(TELEMETRY)
    assert [server.hear()[:13] for _ in range(5)] == ['42["telemetry'] * 5
    assert server.hears_nothing()
    client.close()


def test_controls_are_clamped(server: ScriptedServer) -> None:
    client = connected(server)
    server.say(steer("7", "-9"))
    hear_until(client, lambda: client.commands == 1)
    assert (client.steering, client.throttle) == (1.0, -1.0)
    client.close()


def test_a_decimal_point_is_full_lock_where_it_separates_thousands(server: ScriptedServer) -> None:
    client = connected(server, "de-DE")
    server.say(steer("0.1234"))
    hear_until(client, lambda: client.commands == 1)
    assert client.steering == 1.0
    client.close()


@pytest.mark.parametrize(
    "event",
    [
        steer(0.1234), steer(None), steer("0,1"), steer(["1E-1"]), '42["steer",{}]', '42["steer"]',
        '42["steer",{"steering_angle":NaN,"throttle":"1"}]', steer("", "1E-1"),
    ],
)  # fmt: skip
def test_a_steer_that_cannot_be_read_stops_a_chain(server: ScriptedServer, event: str) -> None:
    client = connected(server, "fr-FR" if "0,1" not in event else "fa-IR")
    client.tell(TELEMETRY)
    event = event.replace('"0,1"', '"0.1"')  # neither a decimal nor a thousands separator there
    server.say(event, steer("1E-1"))
    hear_until(client, lambda: client.commands == 1)
    assert (client.dropped, client.asked) == (1, 1)
    client.close()


def test_a_throttle_that_cannot_be_read_comes_after_the_steering(server: ScriptedServer) -> None:
    client = connected(server)
    server.say(steer("5000E-4", 0.2))
    hear_until(client, lambda: client.dropped == 1)
    assert (client.steering, client.throttle) == (0.5, 0.0)
    client.close()


def test_what_it_does_not_know_it_ignores(server: ScriptedServer) -> None:
    client = connected(server)
    server.say("40", '40{"sid":"b"}', "3", "6", "41", '42["reset",{"a":1}]', "1")
    server.say(steer("1E-1"))
    hear_until(client, lambda: client.commands == 1)
    assert client.connected
    assert client.dropped == 0
    client.close()


@pytest.mark.parametrize(
    "junk",
    [
        "hello", "4", "4x", '42["steer",{},1]', '42["steer",[]]', '42["steer",null]', "42[]",
        "42{}", '42["steer"', "42[1,{}]", "",
    ],
)  # fmt: skip
def test_at_junk_it_breaks_off_and_comes_back(server: ScriptedServer, junk: str) -> None:
    client = connected(server)
    server.say(junk)
    hear_until(client, lambda: not client.connected)
    with pytest.raises(EOFError):
        server.hear()
    client.listen(0.0)
    server.accept()
    hear_until(client, lambda: client.connections == 2)
    client.close()


@pytest.mark.parametrize("first", ["40", '42["manual",{}]', "0[]", '0{"upgrades":[]}', "0"])
def test_the_first_word_must_be_a_greeting(server: ScriptedServer, first: str) -> None:
    client = UnityClient("127.0.0.1", server.port)
    client.listen(0.0)
    server.accept()
    hear_until(client, lambda: client.connected)
    server.say(first)
    hear_until(client, lambda: not client.connected)
    assert client.asked == 0


def test_binary_messages_are_junk(server: ScriptedServer) -> None:
    client = connected(server)
    server.say_binary(b"4")
    hear_until(client, lambda: not client.connected)


def test_long_messages_come_in_small_masked_fragments(server: ScriptedServer) -> None:
    client = connected(server)
    jpeg = bytes(range(256)) * 40
    server.frames.clear()
    client.tell(TELEMETRY._replace(jpeg=jpeg))
    heard = server.hear()
    frames = server.frames[: next(i for i, frame in enumerate(server.frames) if frame.fin) + 1]
    assert [frame.opcode for frame in frames] == [Opcode.TEXT] + [Opcode.CONT] * (len(frames) - 1)
    assert {len(frame.data) for frame in frames[:-1]} == {FRAGMENT_BYTES}
    assert 0 < len(frames[-1].data) <= FRAGMENT_BYTES
    assert base64.b64decode(json.loads(heard[2:])[1]["image"]) == jpeg
    client.close()


@pytest.mark.parametrize("long_by", [-1, 0, 1])
def test_a_message_of_just_a_fragments_length_is_one(server: ScriptedServer, long_by: int) -> None:
    client = connected(server)
    server.frames.clear()
    length = len('42["telemetry",null]')
    assert client._socket is not None
    client._socket.send("x" * (FRAGMENT_BYTES + long_by - length) + "x" * length)
    server.hear()
    assert len(server.frames) == (2 if long_by == 1 else 1)
    client.close()


def test_it_pings_now_and_then(server: ScriptedServer) -> None:
    client = connected(server)
    clock = client._clock
    assert isinstance(clock, Clock)
    clock.now_s = 24.9
    client.listen(0.0)
    assert server.hears_nothing()
    clock.now_s = 25.1
    client.listen(0.0)
    assert server.hear() == "2"
    client.close()


def test_a_ping_is_answered(server: ScriptedServer) -> None:
    client = connected(server)
    server.say("2", steer("1E-1"))
    hear_until(client, lambda: client.commands == 1)
    assert server.hear() == "3"
    client.close()


def test_it_comes_back_with_the_same_key_and_its_controls(server: ScriptedServer) -> None:
    client = connected(server)
    server.say(steer("1E-1"))
    hear_until(client, lambda: client.commands == 1)
    server.leave()
    hear_until(client, lambda: not client.connected)
    assert client.asked == 0
    client.tell(TELEMETRY)  # nobody is there to be told
    client.listen(0.0)
    server.accept()
    hear_until(client, lambda: client.connections == 2)
    server.say(GREETING)
    hear_until(client, lambda: client.asked == 2)
    keys = [request.headers["Sec-WebSocket-Key"] for request in server.requests]
    assert keys[0] == keys[1]
    assert client.steering == 0.1
    client.close()


def test_refused_by_http_it_tries_again(server: ScriptedServer) -> None:
    client = UnityClient("127.0.0.1", server.port)
    client.listen(0.0)
    server.accept(status=400)
    hear_until(client, lambda: client.fileno() == -1)
    client.listen(0.0)
    server.accept()
    hear_until(client, lambda: client.connected)
    assert client.connections == 1
    client.close()


def test_where_nobody_listens_it_keeps_trying() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = UnityClient("127.0.0.1", port)
    for _ in range(3):
        client.listen(0.0)
        assert not client.connected
    client.close()


@pytest.mark.parametrize("host", ["::1", "no.such.host.invalid", "a" * 64])
def test_a_host_without_an_address_is_told(host: str) -> None:
    with pytest.raises(SimulatorError, match=rf"--host must be an IPv4 address .* Got '{host}'"):
        UnityClient(host, 4567).listen(0.0)


def test_a_server_that_is_killed_is_noticed_while_talking(server: ScriptedServer) -> None:
    client = connected(server)
    server._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server._connection.close()
    for _ in range(20):
        client.asked = 1
        client.tell(TELEMETRY)
    assert not client.connected
