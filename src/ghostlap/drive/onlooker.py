"""Who watches a drive in the browser, and may change how fast it goes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

from ghostlap.control import ControlConfig
from ghostlap.drive.drive_recorder import Moment

if TYPE_CHECKING:
    from ghostlap.cockpit.unity import UnityDrive


class Onlooker(Protocol):
    """Watches; neither method waits."""

    def see(self, car: str, moment: Moment) -> None:
        """A frame of a car was answered."""
        ...

    def changed(self, control: ControlConfig) -> ControlConfig:
        """How the pilot's answers are to be carried out from now on."""
        ...


class CockpitOnlooker:
    """The cockpit's page, as a session knows it.

    Args:
        drive: what the page shows.
    """

    def __init__(self, drive: UnityDrive) -> None:
        self._drive = drive

    def see(self, car: str, moment: Moment) -> None:
        from ghostlap.cockpit.unity import Seen

        told, answer = moment.waiting.telemetry, moment.answer
        self._drive.see(
            car,
            Seen(
                jpeg=answer.picture,
                steering=float(moment.control.steering[0]),
                throttle=float(moment.control.throttle[0]),
                pilot_steering=answer.steering,
                spread=answer.spread,
                speed_mph=told.speed_mph,
                latency_s=moment.latency_s,
                extra=told.extra,
            ),
        )

    def changed(self, control: ControlConfig) -> ControlConfig:
        return dataclasses.replace(control, speed_limit_mph=self._drive.speed_limit_mph)
