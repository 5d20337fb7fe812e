"""Whoever watches a drive, and may change how fast it goes."""

from __future__ import annotations

from typing import Protocol

from ghostlap.driving.control import ControlConfig
from ghostlap.driving.server.drive_recorder import AnsweredFrame


class Observer(Protocol):
    """Watches; neither method waits."""

    def see(self, car: str, answered: AnsweredFrame) -> None:
        """A frame of a car was answered."""
        ...

    def changed(self, control: ControlConfig) -> ControlConfig:
        """How the pilot's answers are to be carried out from now on."""
        ...
