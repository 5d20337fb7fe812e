"""What takes long to be made, beside the drive: a pilot, a track, a recording's folder."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import TypeVar

from ghostlap.base.errors import CockpitError
from ghostlap.cockpit.trouble import told

Made = TypeVar("Made")

PATIENCE_S = 60.0
"""Longest wait for something: afterwards another may be chosen in its place."""


class Making:
    """Makes things on threads of its own, one of each kind at a time.

    ``put`` has a function called soon on the engine's thread, where errors that it raises are told.
    """

    def __init__(
        self, put: Callable[[Callable[[], None]], None], clock: Callable[[], float]
    ) -> None:
        self._put, self._clock = put, clock
        self._begun: dict[str, tuple[object, float]] = {}

    def is_making(self, what: str) -> bool:
        """Whether something of this kind is waited for."""
        return what in self._begun and self._clock() - self._begun[what][1] < PATIENCE_S

    def begin(
        self,
        what: str,
        make: Callable[[], Made],
        use: Callable[[Made], None],
        waste: Callable[[Made], None] = lambda made: None,
    ) -> None:
        """Make something, and use it once it is there.

        Args:
            make: may take long, and may raise anything.
            use: called in the engine's thread.
            waste: likewise, for what comes so late that another was wanted meanwhile.

        Raises:
            CockpitError: one such thing is waited for already.
        """
        if self.is_making(what):
            raise CockpitError(f"One {what} at a time: the one chosen before is being made ready.")
        ticket = object()

        def take(made: Made) -> None:
            if self._end(what, ticket):
                use(made)
            else:
                waste(made)

        def fail(error: BaseException) -> None:
            if self._end(what, ticket):
                raise CockpitError(told(error, f"the {what} cannot be made ready")) from error

        def work() -> None:
            try:
                made = make()
            except BaseException as error:  # whatever it was, another may be chosen
                self._put(functools.partial(fail, error))
            else:
                self._put(functools.partial(take, made))

        threading.Thread(target=work, name="ghostlap-making", daemon=True).start()
        self._begun[what] = ticket, self._clock()

    def _end(self, what: str, ticket: object) -> bool:
        """Whether something is still wanted, now that it has come or failed."""
        is_wanted = what in self._begun and self._begun[what][0] is ticket
        if is_wanted:
            del self._begun[what]
        return is_wanted
