"""What a server says of its clients: each kind of event at most once a minute, however many."""

from __future__ import annotations

import re
from collections.abc import Callable

SAY_AGAIN_S = 60.0
_MOST_KINDS = 12
"""Kinds that are told apart; all others are one kind, for a client can make up any number."""
_KIND_CHARACTERS = 60
_NUMBER = re.compile(r"[-+]?[0-9][0-9.]*")
_QUOTED = re.compile(r"""['"].*|\bGot\b.*""", re.DOTALL)
"""What a client sent makes no kind of its own."""


class Sayings:
    """Says the first event of a kind at once, and counts those of the next minute.

    Events are of one kind if what is said of them differs in names and numbers only.
    """

    def __init__(self, say: Callable[[str], None], now_s: Callable[[], float]) -> None:
        self._say, self._now_s = say, now_s
        self._said_s: dict[str, float] = {}
        self._more: dict[str, tuple[int, str]] = {}

    def say(self, name: str, what: str) -> None:
        """Say what happened to a client, in words that go on where its name ends."""
        kind = _NUMBER.sub("#", _QUOTED.sub("", what))[:_KIND_CHARACTERS]
        if kind not in self._said_s and len(self._said_s) >= _MOST_KINDS:
            kind = ""
        count, _ = self._more.get(kind, (0, ""))
        self._more[kind] = count + 1, f"{name}{what}"
        self._say_if_due(kind)

    def tick(self) -> None:
        """Say what was counted and is due by now: to be called now and then."""
        for kind in list(self._more):
            self._say_if_due(kind)

    def finish(self) -> None:
        """Say all that was counted."""
        self._said_s.clear()
        self.tick()

    def _say_if_due(self, kind: str) -> None:
        now_s = self._now_s()
        if kind in self._said_s and now_s - self._said_s[kind] < SAY_AGAIN_S:
            return
        self._said_s[kind] = now_s
        count, text = self._more.pop(kind)
        self._say(text if count == 1 else f"{text} (and {count - 1} more like this)")
