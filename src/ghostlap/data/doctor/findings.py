"""What the doctor says about a recording."""

from __future__ import annotations

import dataclasses
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a recording, or worth knowing."""

    kind: str
    """A short name for programs, such as ``missing-images``."""
    severity: Severity
    """``error``: harms training. ``warning``: look at it. ``note``: worth knowing."""
    count: int
    """Of rows, images or gaps, as the message says."""
    message: str
    example: str
    """Where to look: a line of the log or an image."""
    fix: str
    """What ``--fix`` does about it, or what a person should do."""
