"""One simulator's session: every telemetry answered once, whatever happens. Without any I/O."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostlap.driving.server.config import DriveConfig
from ghostlap.driving.server.drive_recorder import AnsweredFrame
from ghostlap.driving.server.model_thread import Asker, PendingFrame, Prediction
from ghostlap.driving.server.session import Session
from ghostlap.driving.server.stats import Stats
from ghostlap.driving.unity.wire import MANUAL


def telemetry(speed: str = "10.0000", image: str = "AAAA") -> str:
    return (
        f'42["telemetry",{{"steering_angle":"0.0000","throttle":"0.2500","speed":"{speed}",'
        f'"image":"{image}"}}]'
    )


class Driven:
    """A session with a clock that a test winds, and a pilot that answers when a test says so."""

    def __init__(self, **options: Any) -> None:
        self.now_s = 100.0
        self.sent: list[str] = []
        self.ended: list[tuple[int, str]] = []
        self.said: list[str] = []
        self.moments: list[AnsweredFrame] = []
        self.finished = False
        self.asking: list[Asker] = []
        self.stats = Stats()
        self.session = Session(
            "simulator 1",
            DriveConfig(pilot=Path("none"), **options),
            self,
            self.asking.append,
            self.said.append,
            self.stats,
            lambda: self.now_s,
            lambda: self,
        )
        self.opening, self.sent = self.sent, []

    def send_text(self, text: str) -> None:
        self.sent.append(text)

    def end(self, code: int, reason: str) -> None:
        self.ended.append((code, reason))

    def add(self, answered: AnsweredFrame) -> None:
        self.moments.append(answered)

    def finish(self) -> None:
        self.finished = True

    def look(self) -> PendingFrame:
        """The pilot takes the newest frame."""
        (asker,) = self.asking
        self.asking.clear()
        return asker.newest.pop()

    def answer(self, waiting: PendingFrame, steering: float = 0.3, **answer: Any) -> None:
        self.session.answered(waiting, Prediction(steering, **answer))

    def pass_s(self, seconds: float) -> None:
        """Time passes, in the server's ticks."""
        for _ in range(round(seconds / 0.05)):
            self.now_s += 0.05
            self.session.tick()

    def steers(self) -> list[tuple[float, float]]:
        """What was sent since, as steering and throttle."""
        sent, self.sent = self.sent, []
        commands = [json.loads(text.removeprefix("42")) for text in sent]
        assert all(name == "steer" for name, _ in commands)
        return [(float(v["steering_angle"]), float(v["throttle"])) for _, v in commands]


def test_the_opening_is_two_packets_and_no_steer() -> None:
    first, second = Driven().opening
    assert first.startswith('0{"sid":"')
    assert second.startswith('40{"sid":"')


def test_a_telemetry_has_one_steer() -> None:
    driven = Driven()
    driven.session.received(telemetry())
    driven.answer(driven.look(), 0.3)
    (steer,) = driven.steers()
    assert steer == (0.3, 1.0)
    driven.pass_s(0.9)
    assert driven.sent == []


def test_too_fast_it_brakes_and_the_seed_rule_is_there_too() -> None:
    driven = Driven(speed_limit=10.0, throttle="seed", slow_in_bends=0.0)
    for speed, throttle in (("0.0000", 1.0), ("5.0000", 0.5), ("10.0000", 0.0), ("20.0000", -1.0)):
        driven.session.received(telemetry(speed))
        driven.answer(driven.look())
        assert driven.steers() == [(0.3, throttle)]


def test_bends_are_taken_slower_unless_asked_otherwise() -> None:
    for options, is_braking in (({}, True), ({"slow_in_bends": 0.0}, False)):
        driven = Driven(speed_limit=20.0, **options)
        driven.session.received(telemetry("18.0000"))
        driven.answer(driven.look(), 0.5)
        assert (driven.steers()[0][1] < 0) == is_braking


def test_a_pilot_that_knows_its_speed_is_listened_to() -> None:
    driven = Driven(speed_limit=30.0)
    driven.session.received(telemetry("20.0000"))
    driven.answer(driven.look(), 0.0, speed_mph=8.0)
    assert driven.steers()[0][1] == -1.0


def test_a_person_at_the_controls_gets_manual() -> None:
    driven = Driven()
    driven.session.received('42["telemetry",null]')
    assert driven.sent == [MANUAL]
    assert driven.stats.cars["simulator 1"].by_hand
    driven.session.received(telemetry())
    assert not driven.stats.cars["simulator 1"].by_hand


def test_pings_are_answered_and_sent() -> None:
    driven = Driven()
    driven.session.received("2")
    assert driven.sent == ["3"]
    driven.session.received("3")
    driven.pass_s(24.5)
    assert "2" not in driven.sent
    driven.pass_s(1.0)
    assert driven.sent.count("2") == 1


def test_a_client_without_any_sign_of_life_is_left() -> None:
    driven = Driven()
    driven.pass_s(44)
    assert driven.ended == []
    driven.pass_s(2)
    assert driven.ended[0] == (1001, "no sign of life")


@pytest.mark.parametrize("message", ["1", "41"])
def test_good_bye_ends_it(message: str) -> None:
    driven = Driven()
    driven.session.received(message)
    assert driven.ended == [(1000, "")]


@pytest.mark.parametrize("message", ["", b"", b"\x00", "junk"])
def test_junk_ends_it(message: str | bytes) -> None:
    driven = Driven()
    driven.session.received(message)
    assert driven.ended[0][0] == 1008
    assert driven.said == []


def test_a_frame_that_comes_while_the_pilot_looks_is_answered_with_the_same_answer() -> None:
    """Two chains, a pilot of 50 ms: neither waits for the other, and the next frame is new."""
    driven = Driven()
    driven.session.received(telemetry())
    first = driven.look()
    driven.now_s += 0.001
    driven.session.received(telemetry())
    driven.now_s += 0.05
    driven.answer(first, 0.3)
    assert [steering for steering, _ in driven.steers()] == [0.3, 0.3]
    assert driven.asking == []
    assert driven.stats.dropped == 0, "it showed the same"
    driven.session.received(telemetry())
    driven.answer(driven.look(), -0.2)
    assert [steering for steering, _ in driven.steers()] == [-0.2]


def test_of_many_frames_the_newest_is_looked_at_if_it_is_fresh() -> None:
    driven = Driven()
    driven.session.received(telemetry())
    first = driven.look()
    for _ in range(5):
        driven.now_s += 0.01
        driven.session.received(telemetry())
    driven.answer(first, 0.3)
    assert len(driven.steers()) == 5
    assert driven.stats.dropped == 4
    newest = driven.look()
    assert newest.number == 6
    driven.answer(newest, 0.1)
    assert [steering for steering, _ in driven.steers()] == [0.1]


def test_while_others_have_their_turn_a_newer_frame_takes_the_place() -> None:
    driven = Driven()
    for _ in range(4):
        driven.session.received(telemetry())
    assert len(driven.asking) == 1
    newest = driven.look()
    assert newest.number == 4
    driven.answer(newest)
    assert len(driven.steers()) == 4


def test_a_broken_image_holds_the_steering_without_throttle_and_is_said_once() -> None:
    driven = Driven()
    driven.session.received(telemetry())
    driven.answer(driven.look(), 0.3)
    driven.steers()
    for _ in range(3):
        driven.session.received(telemetry())
        driven.session.answered(driven.look(), Prediction(problem="the JPEG is cut off"))
        assert driven.steers() == [(0.3, 0.0)]
    assert driven.said[1:] == ["simulator 1: the JPEG is cut off; holding the steering, throttle 0"]
    assert driven.stats.troubled == 3
    assert "cut off" in driven.stats.cars["simulator 1"].trouble
    driven.session.received(telemetry())
    driven.answer(driven.look(), 0.1)
    assert driven.stats.cars["simulator 1"].trouble == ""


def test_trouble_that_stays_is_said_again_after_a_minute_and_any_number_of_kinds_is_not() -> None:
    driven = Driven()
    for step in range(130):
        driven.now_s += 1.0
        driven.session.received(telemetry())
        driven.session.answered(driven.look(), Prediction(problem="broken"))
        driven.session.received('42["telemetry",7]')
        assert len(driven.said) == 3 + 2 * (step // 61)
    for number in range(100):
        driven.session.received(telemetry())
        driven.session.answered(driven.look(), Prediction(problem=f"{number} is wrong"))
    assert len(driven.said) < 30


def test_a_telemetry_that_is_no_telemetry_is_answered_too() -> None:
    driven = Driven()
    driven.session.received('42["telemetry",7]')
    assert driven.steers() == [(0.0, 0.0)]
    assert driven.asking == []
    driven.session.received(telemetry(speed="?"))
    driven.answer(driven.look(), 0.2)
    assert driven.steers() == [(0.2, 0.0)]


@pytest.mark.parametrize("answer", [math.nan, math.inf])
def test_nan_stops_the_car_loudly(answer: float) -> None:
    driven = Driven()
    for steering in (0.25, answer):
        driven.session.received(telemetry("20.0000"))
        driven.answer(driven.look(), steering)
    assert driven.steers()[-1] == (0.25, -1.0)
    assert driven.said[-1] == "simulator 1: the pilot answers NaN: braking to a stop"


def test_a_stuck_pilot_stops_the_car_loudly_and_may_come_back() -> None:
    driven = Driven(late_after_s=0.5)
    driven.session.received(telemetry("20.0000"))
    driven.answer(driven.look(), 0.25)
    driven.steers()
    driven.session.received(telemetry("20.0000"))
    stuck = driven.look()
    driven.pass_s(0.45)
    assert driven.sent == []
    driven.pass_s(0.15)
    assert driven.steers() == [(0.25, -1.0)]
    assert driven.said[-1].endswith("the pilot has not answered for 0.5 s: braking to a stop")
    for _ in range(3):  # the simulator goes on telling, and is told without half a second's wait
        driven.session.received(telemetry("5.0000"))
        driven.pass_s(0.15)
        assert driven.steers() == [(0.25, -0.5)]
    driven.answer(stuck, 0.9)
    assert driven.steers() == []
    driven.session.received(telemetry("5.0000"))
    driven.answer(driven.look(), -0.1)
    assert driven.steers() == [(-0.1, 1.0)]
    assert driven.said[-1] == "simulator 1: the pilot answers again"


def test_a_late_answer_is_no_answer() -> None:
    driven = Driven(late_after_s=0.5)
    driven.session.received(telemetry("20.0000"))
    waiting = driven.look()
    driven.now_s += 0.7  # no tick in between
    driven.answer(waiting, 0.9)
    assert driven.steers() == [(0.0, -1.0)]
    assert "takes 0.7 s for a frame" in driven.said[-1]


def test_a_silent_simulator_is_woken_ever_more_rarely() -> None:
    """Each wake is one more chain of telemetries, once it is back."""
    driven = Driven(wake_after_s=1.0)
    driven.pass_s(0.9)
    assert driven.sent == []
    driven.pass_s(0.2)
    assert driven.sent == [MANUAL]
    driven.pass_s(1.8)
    assert driven.sent == [MANUAL]
    driven.pass_s(0.3)
    assert driven.sent == [MANUAL] * 2
    driven.session.received(telemetry())
    driven.answer(driven.look())
    driven.sent.clear()
    driven.pass_s(1.1)
    assert driven.sent == [MANUAL]


def test_a_simulator_that_waits_for_the_pilot_is_not_silent() -> None:
    driven = Driven(wake_after_s=0.1, late_after_s=10.0)
    driven.session.received(telemetry())
    driven.pass_s(2.0)
    assert driven.sent == []


def test_what_it_sends_beside_the_usual_is_shown() -> None:
    driven = Driven()
    driven.session.received('42["telemetry",{"speed":"9.0000","lapNumber":"2","image":"AAAA"}]')
    car = driven.stats.cars["simulator 1"]
    assert car.speed_mph == 9.0
    assert car.extra == {"lapNumber": 2.0}


def test_what_was_looked_at_is_recorded_and_nothing_else() -> None:
    driven = Driven()
    driven.session.received(telemetry())
    waiting = driven.look()
    driven.session.received(telemetry())
    driven.now_s += 0.01
    driven.answer(waiting, 0.3, picture=b"jpeg")
    driven.session.received('42["telemetry",7]')
    (answered,) = driven.moments
    assert answered.frame is waiting
    assert answered.prediction.picture == b"jpeg"
    assert answered.control.steering[0] == 0.3
    assert answered.latency_s == pytest.approx(0.01)
    assert not driven.finished
    driven.session.ended()
    assert driven.finished


def test_an_answer_to_one_who_has_left_is_nothing() -> None:
    driven = Driven()
    driven.session.received(telemetry())
    waiting = driven.look()
    driven.session.ended("too many messages a second")
    driven.answer(waiting)
    assert driven.sent == []
    assert driven.said[-1] == (
        "simulator 1 left after 1 frames, disconnected: too many messages a second"
    )
    assert driven.stats.cars == {}


ANY = st.floats(allow_nan=True, allow_infinity=True)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("receive"), st.sampled_from([telemetry(), '42["telemetry",7]',
                  '42["telemetry",{}]', '42["telemetry",null]', "2", '42["foo"]'])),
        st.tuples(st.just("look"), st.none()),
        st.tuples(st.just("answer"), st.builds(Prediction, ANY, st.none() | ANY,
                  st.just(b""), st.sampled_from(["", "", "broken"]))),
        st.tuples(st.just("pass"), st.floats(0, 3)),
    ),
    max_size=30,
)  # fmt: skip


@given(STEPS)
def test_every_telemetry_has_exactly_one_answer(steps: list[tuple[str, Any]]) -> None:
    driven, looked_at, told, by_hand = Driven(), list[PendingFrame](), 0, 0
    wakes = 0
    for step, value in steps:
        before = driven.sent.count(MANUAL)
        if step == "receive":
            driven.session.received(value)
            told += value.startswith('42["telemetry"') and "null" not in value
            by_hand += "null" in value
        elif step == "look" and driven.asking:
            looked_at.append(driven.look())
        elif step == "answer" and looked_at:
            driven.session.answered(looked_at.pop(), value)
        elif step == "pass":
            driven.pass_s(value)
            wakes += driven.sent.count(MANUAL) - before
        assert sum("steer" in text for text in driven.sent) <= told
    driven.pass_s(1.0)
    assert sum("steer" in text for text in driven.sent) == told
    assert driven.sent.count(MANUAL) >= by_hand + wakes


def test_a_car_that_is_slowed_for_an_unsure_pilot_is_said_once() -> None:
    driven = Driven(slow_when_unsure=0.5)
    for second in range(12):
        driven.now_s += 1.0
        driven.session.received(telemetry(speed="20.0000"))
        driven.answer(driven.look(), unsure=1.0 if second < 6 else 0.0)
        car = driven.stats.cars["simulator 1"]
        assert car.slowed == (second < 6)
        if second == 3:
            assert driven.steers()[-1][1] < 0, "20 mph is too fast for half of 20"
    assert [line for line in driven.said if "unsure" in line] == [
        "simulator 1: unsure: slowing down"
    ]


def test_an_unsure_pilot_is_not_said_where_nothing_is_slowed() -> None:
    driven = Driven(slow_when_unsure=0.0)
    for _ in range(5):
        driven.now_s += 1.0
        driven.session.received(telemetry())
        driven.answer(driven.look(), unsure=1.0)
    assert not any("unsure" in line for line in driven.said)
    assert not driven.stats.cars["simulator 1"].slowed


def test_a_simulator_that_sends_other_events_is_named_once() -> None:
    driven = Driven()
    for _ in range(50):
        driven.session.received('42["\\u001bstate",{"x":1}]')
        driven.pass_s(0.1)
    assert driven.said == [
        "simulator 1: sends '\\\\u001bstate' and no \"telemetry\", the only event that is "
        "answered; is it another simulator?"
    ]


def test_events_beside_telemetries_are_nothing_to_tell() -> None:
    driven = Driven()
    driven.session.received(telemetry())
    driven.session.received('42["lap",{}]')
    assert driven.said == ["simulator 1 connected"]


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"ptsx": [1.0], "ptsy": [2.0], "psi": 0.1, "speed": "3", "steering_angle": "0"}, "ptsx"),
        ({"x": 1, "previous_path_x": [1.0] * 400, "sensor_fusion": [[1] * 7] * 12}, "previous"),
    ],
)
def test_a_simulator_of_another_project_is_told_so(fields: dict[str, Any], names: str) -> None:
    driven = Driven()
    driven.session.received("42" + json.dumps(["telemetry", fields]))
    assert names in driven.said[1]
    assert "another project (MPC, path planning" in driven.said[1]
    assert len(driven.steers()) == 1
