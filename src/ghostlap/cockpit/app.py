"""Everything that one address serves, put together: the source, the pages, the library."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

from ghostlap.cockpit.access import new_token
from ghostlap.cockpit.api import Api
from ghostlap.cockpit.config import CockpitConfig
from ghostlap.cockpit.hub import Hub, HubOutlet, Source
from ghostlap.cockpit.server import CockpitServer
from ghostlap.cockpit.trainer import TrainingJobs
from ghostlap.cockpit.workers import all_within

_ENDS_WITHIN_S = 8.0
"""Time to end: longer than a training has to save its state, and a recording its rows."""


Driven = TypeVar("Driven", bound=Source)


class App(Generic[Driven]):
    """The cockpit while it is entered; its source is started and stopped with it.

    Raises:
        CockpitError: the port is in use, or there is no such interface.
    """

    def __init__(self, config: CockpitConfig, source: Driven) -> None:
        self.source = source
        self.port = 0
        self.token = None if config.is_private else new_token()
        self._config = config

    @property
    def address(self) -> str:
        """Address of the page, for a person."""
        host = self._config.host
        shown = f"[{host}]" if ":" in host else host
        token = f"?token={self.token}" if self.token else ""
        return f"http://{shown}:{self.port}/{token}"

    async def __aenter__(self) -> App[Driven]:
        outlet = HubOutlet(asyncio.get_running_loop())
        self.hub = Hub(self.source, asyncio.get_running_loop())
        outlet.attach(self.hub)
        self._trainer = TrainingJobs(self.source.library)
        self._api = Api(self.source.library, self._trainer, self.source)
        self._server = CockpitServer(self.hub, self._api.routes(), self.token)
        self.source.start(outlet)  # first: pages come in as soon as the port is listened on
        try:
            self.port = await self._server.start(self._config.host, self._config.port)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()
        await self._end()

    async def _end(self) -> None:
        await all_within([self.source.stop, self._trainer.stop_all, self._api.stop], _ENDS_WITHIN_S)
