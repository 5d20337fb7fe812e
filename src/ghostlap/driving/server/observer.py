"""Whom a session of the drive server tells: its simulator, the recording, who watches."""

from __future__ import annotations

from typing import Protocol

from ghostlap.driving.control import ControlConfig
from ghostlap.driving.server.drive_recorder import AnsweredFrame


class Link(Protocol):
    """How a session reaches its simulator; neither method waits nor raises."""

    def send_text(self, text: str) -> None: ...

    def end(self, code: int, reason: str) -> None: ...


class FrameSink(Protocol):
    """Where answered frames are recorded; never waits."""

    def add(self, answered: AnsweredFrame) -> None: ...

    def finish(self) -> None: ...


class Observer(Protocol):
    """Watches, and may change how fast the car goes; neither method waits."""

    def see(self, car: str, answered: AnsweredFrame) -> None:
        """A frame of a car was answered."""
        ...

    def changed(self, control: ControlConfig) -> ControlConfig:
        """How the pilot's answers are to be carried out from now on."""
        ...
