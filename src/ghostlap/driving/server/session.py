"""One simulator from the moment that it connects, without any I/O."""

from __future__ import annotations

import math
import secrets
from collections import deque
from collections.abc import Callable

from ghostlap.base.errors import WireError
from ghostlap.driving.control import Control, Controller
from ghostlap.driving.server.config import DriveConfig
from ghostlap.driving.server.drive_recorder import AnsweredFrame
from ghostlap.driving.server.model_thread import Asker, PendingFrame, Prediction
from ghostlap.driving.server.observer import FrameSink, Link, Observer
from ghostlap.driving.server.stats import CarNow, Stats
from ghostlap.driving.server.uncertainty_notice import UncertaintyNotice
from ghostlap.driving.unity.wire import (
    MANUAL,
    PING,
    PING_INTERVAL_S,
    PING_TIMEOUT_S,
    Ignored,
    Leaving,
    ManualTelemetry,
    Ping,
    TelemetryEvent,
    Wire,
)

POLICY_VIOLATION = 1008
NORMAL = 1000
GOING_AWAY = 1001

_TWINS_S = 0.008
"""Frames of the simulator's two chains that come so close together show the same."""
_STUCK_ANSWER_S = 0.1
"""Once a pilot is known to be stuck, a car is told to brake this soon."""
_LONGEST_WAKE_S = 32.0
_SAY_AGAIN_S = 60.0
_MOST_SAID = 20
"""Kinds of trouble; hostile images could have any number."""


class Session:
    """Answers every telemetry of one simulator, exactly once, whatever happens.

    Where a pilot is slower than frames come, they never queue up: its answer goes to all
    telemetries that wait, and a frame that has waited for long is passed over, because the one that
    is sent in return is newer. The simulator runs two chains of telemetries, which would otherwise
    wait for each other for ever.

    Args:
        ask: has the newest frame of a session looked at; :meth:`answered` is called with the
            answer.
        now_s: a monotonic clock, fine enough for milliseconds.
        record: opens where the drive is recorded, if it is.
    """

    def __init__(
        self,
        name: str,
        config: DriveConfig,
        link: Link,
        ask: Callable[[Asker], None],
        say: Callable[[str], None],
        stats: Stats,
        now_s: Callable[[], float],
        record: Callable[[], FrameSink | None] = lambda: None,
        observer: Observer | None = None,
    ) -> None:
        self.name = name
        self.newest: deque[PendingFrame] = deque(maxlen=1)
        self.telemetries = 0
        self.active_s = -math.inf
        """When the last telemetry came."""
        self.began_s = math.inf
        """When the first telemetry came."""
        self._config = config
        self._link = link
        self._ask = ask
        self._say = say
        self._stats = stats
        self._now_s = now_s
        self._record, self._observer = record, observer
        self._recorder: FrameSink | None = None
        self._wire = Wire(secrets.token_hex(8), config.limits.message_bytes)
        self._controller = Controller(config.control())
        self._notice = UncertaintyNotice(config.slow_when_unsure)
        self._car = CarNow()
        self._waiting: deque[PendingFrame] = deque()
        self._asking = False
        self._stuck = False
        self._said_s: dict[str, float] = {}
        now = now_s()
        self._heard_s = self._controlled_s = now
        self._ping_at_s = now + PING_INTERVAL_S
        self._wake_at_s = now + config.wake_after_s
        self._wake_again_s = config.wake_after_s
        for text in self._wire.opening():
            link.send_text(text)

    def received(self, message: str | bytes) -> None:
        """Take in a message of the simulator."""
        now = self._heard_s = self._now_s()
        try:
            event = self._wire.receive(message)
        except WireError as error:
            self._link.end(POLICY_VIOLATION, str(error)[:100])
            return
        match event:
            case TelemetryEvent():
                self._telemetry(event, now)
            case ManualTelemetry():
                self._by_hand(now)
            case Ping():
                self._link.send_text(event.pong)
            case Leaving():
                self._link.end(NORMAL, "")
            case Ignored() if event.event and not self.telemetries:
                self._say_rarely(
                    f'sends {event.event} and no "telemetry", the only event that is answered; '
                    "is it another simulator?",
                    "event",
                )
            case _:
                pass

    def answered(self, waiting: PendingFrame, prediction: Prediction) -> None:
        """Carry out what the pilot says to a frame."""
        now = self._now_s()
        self._asking = False
        if self._stuck:
            self._stuck = False
            self._say_rarely("the pilot answers again", "again")
        # Whom the server has told to brake meanwhile is answered already.
        if self._waiting and self._waiting[0].number <= waiting.number:
            control = self._carry_out(waiting, prediction, now)
            served = self._served_by(waiting, now)
            self._reply(served, control, now)
            self._stats.dropped += sum(
                abs(one.received_s - waiting.received_s) > _TWINS_S for one in served
            )
        if self._waiting:
            self._asking = True
            self._ask(self)
        else:
            self.newest.clear()

    def tick(self) -> None:
        """What has to happen without any message: to be called some 20 times a second."""
        now = self._now_s()
        patience_s = _STUCK_ANSWER_S if self._stuck else self._config.late_after_s
        if self._waiting and now - self._waiting[0].received_s > patience_s:
            self._pilot_is_stuck(now)
        if not self._waiting and now >= self._wake_at_s:
            # Each has one more telemetry sent once the simulator is back, so they get rarer.
            self._link.send_text(MANUAL)
            self._wake_again_s = min(2 * self._wake_again_s, _LONGEST_WAKE_S)
            self._wake_at_s = now + self._wake_again_s
        if now >= self._ping_at_s:
            self._link.send_text(PING)
            self._ping_at_s = now + PING_INTERVAL_S
        if now - self._heard_s > PING_INTERVAL_S + PING_TIMEOUT_S:
            self._link.end(GOING_AWAY, "no sign of life")

    def ended(self, reason: str = "") -> None:
        """The connection is gone; by whose will, if it was this side's."""
        self._waiting.clear()
        if self._stats.cars.pop(self.name, None):
            because = f", disconnected: {reason}" if reason else ""
            self._say(f"{self.name} left after {self.telemetries} frames{because}")
        if self._recorder is not None:
            self._recorder.finish()

    def _telemetry(self, telemetry: TelemetryEvent, now: float) -> None:
        self._is_awake(now)
        self.telemetries += 1
        self._car.by_hand = False
        self._car.speed_mph, self._car.extra = telemetry.speed_mph, telemetry.extra
        waiting = PendingFrame(telemetry, now, self.telemetries)
        if telemetry.problem:
            self._reply([waiting], self._hold(telemetry.problem), now)
            return
        self._waiting.append(waiting)
        self.newest.append(waiting)
        if not self._asking:
            self._asking = True
            self._ask(self)

    def _by_hand(self, now: float) -> None:
        self._is_awake(now)
        self._car.by_hand = True
        self._controller.reset()
        self._link.send_text(self._wire.manual())

    def _is_awake(self, now: float) -> None:
        if self.active_s < 0:
            self.began_s = now
            self._stats.cars[self.name] = self._car
            self._recorder = self._record()
            self._say(f"{self.name} connected")
        self.active_s = now
        self._wake_again_s = self._config.wake_after_s
        self._wake_at_s = now + self._wake_again_s

    def _carry_out(self, waiting: PendingFrame, prediction: Prediction, now: float) -> Control:
        if prediction.problem:
            return self._hold(prediction.problem)
        age_s, elapsed_s = now - waiting.received_s, now - self._controlled_s
        prediction = prediction.remembering(
            self._controller, waiting.telemetry.speed_mph, elapsed_s, age_s
        )
        control = self._control(waiting, prediction, now, age_s)
        speed = 0.0 if prediction.speed_mph is None else prediction.speed_mph
        if not (math.isfinite(prediction.steering) and math.isfinite(speed)):
            self._trouble("the pilot answers NaN: braking to a stop", "NaN")
        elif age_s > self._config.late_after_s:
            self._trouble(f"the pilot takes {age_s:.1f} s for a frame: braking to a stop", "late")
        else:
            self._car.trouble = ""
        if self._notice.begins(float(self._controller.unsure[0]), now):
            self._say(f"{self.name}: unsure: slowing down")
        self._car.slowed = self._notice.slows
        answered = AnsweredFrame(waiting, prediction, control, age_s, self._controller.warning_s)
        if self._recorder is not None:
            self._recorder.add(answered)
        if self._observer is not None:
            self._observer.see(self.name, answered)
            self._controller.config = self._observer.changed(self._controller.config)
        return control

    def _control(
        self, waiting: PendingFrame, prediction: Prediction, now: float, age_s: float
    ) -> Control:
        elapsed_s, self._controlled_s = now - self._controlled_s, now
        return self._controller.control(
            prediction.steering,
            waiting.telemetry.speed_mph,
            elapsed_s,
            pilot_speed_mph=prediction.speed_mph,
            unsure=prediction.unsure,
            evidence=prediction.evidence,
            age_s=age_s,
        )

    def _served_by(self, looked_at: PendingFrame, now: float) -> list[PendingFrame]:
        """Take from those that wait whom an answer serves: all, or all but a fresh newest one."""
        keep = 0
        if self._waiting and self._waiting[-1].number > looked_at.number:
            age_s = now - self._waiting[-1].received_s
            keep = int(age_s < (now - looked_at.received_s) / 2)
        return [self._waiting.popleft() for _ in range(len(self._waiting) - keep)]

    def _pilot_is_stuck(self, now: float) -> None:
        self._stuck = True
        self._trouble(
            f"the pilot has not answered for {self._config.late_after_s:g} s: braking to a stop",
            "stuck",
        )
        waiting = list(self._waiting)
        self._waiting.clear()
        self._stats.dropped += len(waiting)
        none = Prediction(steering=math.nan)
        self._reply(waiting, self._control(waiting[-1], none, now, math.inf), now)

    def _hold(self, problem: str) -> Control:
        self._stats.troubled += 1
        self._trouble(f"{problem}; holding the steering, throttle 0", problem[:30])
        return self._controller.hold()

    def _reply(self, waiting: list[PendingFrame], control: Control, now: float) -> None:
        steering, throttle = float(control.steering[0]), float(control.throttle[0])
        self._car.steering, self._car.throttle = steering, throttle
        for one in waiting:
            self._link.send_text(self._wire.steer(steering, throttle))
            self._stats.add_answer(now - one.received_s)

    def _trouble(self, what: str, kind: str) -> None:
        """Show what is wrong, and say it."""
        self._car.trouble = what
        self._say_rarely(what, kind)

    def _say_rarely(self, what: str, kind: str) -> None:
        now = self._now_s()
        if kind in self._said_s:
            is_due = now - self._said_s[kind] > _SAY_AGAIN_S
        else:
            is_due = len(self._said_s) < _MOST_SAID
        if is_due:
            self._said_s[kind] = now
            self._say(f"{self.name}: {what}")
