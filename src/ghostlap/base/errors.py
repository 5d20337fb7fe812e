"""The errors that a user can mend.

Every message says four things: what is wrong, where, what was got, and what to do about it.
The command line prints such an error without a traceback; anything else is a defect of ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self


class GhostlapError(Exception):
    """A mistake in the input or the surroundings; its text is the whole message."""

    instead: tuple[Path, Path] | None = None
    """What was named, and what seems to be meant: the command line says what to type for that."""

    def meaning(self, named: Path, meant: Path | None) -> Self:
        """The error itself, which knows what seems to be meant, if anything."""
        self.instead = None if meant is None else (named, meant)
        return self


class FolderError(GhostlapError):
    """A folder cannot be written: another process is at work, or a link leads elsewhere."""


class RecordingError(GhostlapError):
    """A recording, its log or its pictures cannot be used as they are."""


class ImageError(GhostlapError):
    """One picture cannot be decoded, or has the wrong shape."""


class DatasetError(GhostlapError):
    """Samples cannot be made, balanced or split as asked."""


class CacheError(GhostlapError):
    """Decoded frames or scenes of the simulator cannot be kept or read."""


class ModelError(GhostlapError):
    """A network cannot be built, or does not have the shape that Ghostlap needs."""


class PilotError(GhostlapError):
    """A run folder holds no usable pilot."""


class LegacyError(GhostlapError):
    """A model from elsewhere cannot be read, or does what no pilot could."""


class TrainingError(GhostlapError):
    """A training cannot start or go on."""


class TrackError(GhostlapError):
    """There is no such track, or what was given cannot be one."""


class SimulatorError(GhostlapError):
    """The simulator was asked for what it cannot do."""


class EvaluationError(GhostlapError):
    """A pilot cannot be evaluated as asked."""


class BenchmarkError(GhostlapError):
    """A policy cannot be measured as asked, or results cannot be read or compared."""


class ProcessError(GhostlapError):
    """Work cannot be passed to another process, or a process ended before its time."""


class VideoError(GhostlapError):
    """A video cannot be made of what was given, or cannot be written."""


class WireError(GhostlapError):
    """Something on the wire that no simulator says, or that none could be told."""


class DriveError(GhostlapError):
    """The drive server cannot start or go on as asked."""


class DaggerError(GhostlapError):
    """A pilot cannot be improved by corrections as asked."""


class DemoError(GhostlapError):
    """A demo cannot be made, or gone on with, as asked."""


class ExchangeError(GhostlapError):
    """Data or a model cannot be brought in or out as asked."""


class CockpitError(GhostlapError):
    """The cockpit cannot start, or cannot do what its page asks for."""
