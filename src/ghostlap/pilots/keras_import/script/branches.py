"""What names are worth behind branches and changes in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ghostlap.pilots.keras_import.script.picture import Picture
from ghostlap.pilots.keras_import.script.values import UNKNOWN, Unknown


def restore(kept: Sequence[dict[str, Any]], states: Sequence[dict[str, Any]]) -> None:
    for names, state in zip(kept, states, strict=True):
        names.clear()
        names.update(state)


def joined(values: Sequence[Any], why: str) -> Any:
    """What a value is that may be any of these."""
    first = values[0]
    if all(value is first or (type(value) is type(first) and value == first) for value in values):
        return first
    for value in values:
        if isinstance(value, Unknown) and value.reason:
            return value
    pictures = [value for value in values if isinstance(value, Picture)]
    if pictures and all(picture == pictures[0] for picture in pictures):
        others = [value for value in values if not isinstance(value, Picture)]
        if all(value is None or isinstance(value, Unknown) for value in others):
            return pictures[0]  # nothing else could be asked about
    return Unknown(f"{why}, which is not known from the script") if pictures else UNKNOWN


def change(
    kept: Sequence[dict[str, Any]], before: Picture, now: Picture | Unknown, *, sure: bool
) -> None:
    """Pixels are changed where they lie: every name of them sees it.

    Names of another part or view of the same memory are not known any more.
    """
    lost = now if isinstance(now, Unknown) else Unknown(
        f"{now.log[-1].where if now.log else ''}: another view of the picture is changed in place"
    )  # fmt: skip

    def change_in(owner: Any, sure: bool) -> None:
        for name, value in list(owner.items() if isinstance(owner, dict) else enumerate(owner)):
            if isinstance(value, Picture) and value.memory is before.memory:
                owner[name] = now if sure and value == before else lost

    for names in kept:
        change_in(names, sure=True)
        for value in list(names.values()):
            if isinstance(value, list | dict):
                change_in(value, sure)
