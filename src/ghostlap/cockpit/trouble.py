"""What a person is told of an error, whoever raised it."""

from __future__ import annotations

from ghostlap.base.errors import GhostlapError

_SHOWN_CHARACTERS = 300


def told(error: BaseException, what: str) -> str:
    """One sentence.

    Args:
        error: of Ghostlap, which says all by itself, or of a library, the system, a network.
        what: could not be done, for an error that does not say it.
    """
    text = str(error)
    if isinstance(error, GhostlapError):
        return text
    line = text.strip().split("\n")[0][:_SHOWN_CHARACTERS]
    return f"{what} ({type(error).__name__}{': ' if line else ''}{line})."


def knows_no_lines(pilot: str) -> str:
    """What to say where a pilot that drives is told its line in vain."""
    return (
        f"{pilot} drives as it was taught: it knows no other line. 'ghostlap train --lines' makes "
        "a pilot that does."
    )
