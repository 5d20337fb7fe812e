"""A pilot drives DonkeySim: connect, look, steer, until the simulator closes or one stops it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from ghostlap.base.errors import DriveError, WireError
from ghostlap.driving.control import Control, Controller
from ghostlap.driving.donkey.wire import MAX_LINE_BYTES, DonkeyWire
from ghostlap.driving.server.config import DriveConfig
from ghostlap.driving.server.model_thread import Predict
from ghostlap.driving.server.stats import CarNow, Stats
from ghostlap.driving.unity.wire import TelemetryEvent

_HOST = "127.0.0.1"


async def drive_donkey(
    config: DriveConfig,
    predict: Predict,
    say: Callable[[str], None],
    stats: Stats,
    shape: tuple[int, int, int],
) -> None:
    """Show a pilot frames of ``shape`` and drive, until the simulator closes the connection.

    Raises:
        DriveError: no simulator listens there, or it is none.
    """
    try:
        reader, writer = await asyncio.open_connection(_HOST, config.port, limit=MAX_LINE_BYTES)
    except OSError as error:
        raise DriveError(
            f"--simulator donkey: no simulator listens on {_HOST}:{config.port} "
            f"({error.strerror or error}). Start DonkeySim first; --port names another port."
        ) from None
    say(f"connected to DonkeySim on port {config.port}; Ctrl-C ends it")
    try:
        await _talk(
            _Car(config, predict, say, stats), DonkeyWire(shape, config.scene), reader, writer
        )
    except WireError as error:
        raise DriveError(f"{_HOST}:{config.port}: {error}") from None
    except asyncio.LimitOverrunError:
        raise DriveError(
            f"{_HOST}:{config.port}: a message there has more than {MAX_LINE_BYTES:,} bytes. Is "
            "another program listening?"
        ) from None
    finally:
        writer.close()
    say("the simulator has closed the connection")


async def _talk(
    car: _Car, wire: DonkeyWire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        while line := await reader.readuntil(b"\n"):
            if not line.strip():
                continue
            telemetry, answers = wire.receive(line)
            if telemetry is not None:
                steering, throttle = await asyncio.to_thread(car.answer, telemetry)
                answers = [wire.control(float(steering[0]), float(throttle[0]))]
            for answer in answers:
                writer.write(answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        return


class _Car:
    """The car, and its pilot's answers carried out."""

    def __init__(
        self, config: DriveConfig, predict: Predict, say: Callable[[str], None], stats: Stats
    ) -> None:
        self._predict, self._say, self._stats = predict, say, stats
        self._controller = Controller(config.control())
        self._now = stats.cars["DonkeySim"] = CarNow()
        self._asked_s = time.perf_counter()

    def answer(self, telemetry: TelemetryEvent) -> Control:
        """What the car is told now."""
        began_s = time.perf_counter()
        prediction = self._predict(telemetry)
        if prediction.problem:
            self._stats.troubled += 1
            if self._now.trouble != prediction.problem:
                self._say(f"{prediction.problem}; holding the steering, throttle 0")
            control = self._controller.hold()
        else:
            now_s = time.perf_counter()
            prediction = prediction.remembering(
                self._controller, telemetry.speed_mph, now_s - self._asked_s, now_s - began_s
            )
            control = self._controller.control(
                prediction.steering,
                telemetry.speed_mph,
                now_s - self._asked_s,
                pilot_speed_mph=prediction.speed_mph,
                unsure=prediction.unsure,
                evidence=prediction.evidence,
                age_s=now_s - began_s,
            )
            self._asked_s = now_s
            if not math.isfinite(prediction.steering) and not self._now.trouble:
                self._say("the pilot answers NaN: braking to a stop")
        self._now.trouble = prediction.problem
        self._now.speed_mph, self._now.extra = telemetry.speed_mph, telemetry.extra
        self._now.steering, self._now.throttle = (float(one[0]) for one in control)
        self._stats.add_answer(time.perf_counter() - began_s)
        return control
