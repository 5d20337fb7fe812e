"""The cockpit of the embedded simulator, which ``ghostlap sim`` opens."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import webbrowser
from typing import Any

from rich.console import Console

from ghostlap.base.errors import CockpitError, GhostlapError
from ghostlap.base.promptness import prompt_threads
from ghostlap.base.signals import until_asked
from ghostlap.base.terminal import say, warn
from ghostlap.cockpit.config import CockpitConfig

console = Console(stderr=True, soft_wrap=True)


def cockpit(config: CockpitConfig, console: Console = console) -> dict[str, Any]:
    """Serve the page until Ctrl-C or SIGTERM; gives ``recordings``, the names of those made.

    Raises:
        CockpitError: the port is in use, something is not installed, or this is a notebook.
        TrackError: there is no such track.
        PilotError: ``config.pilot`` is none.
    """
    check_installed()
    check_no_loop("The cockpit", "sim", CockpitError)
    from ghostlap.cockpit.simulator import EmbeddedSource

    say(console, f"making {config.track} …")
    simulator = EmbeddedSource(config, pilot_begins=True)
    with prompt_threads():
        asyncio.run(_serve(simulator, config, console))
    return {"recordings": simulator.recorded}


async def _serve(simulator: Any, config: CockpitConfig, console: Console) -> None:
    from ghostlap.cockpit.app import App

    async with App(config, simulator) as app:
        say_where(config, app.address, console)
        if config.open_browser:
            # One for a terminal comes back only when it is left.
            threading.Thread(target=webbrowser.open, args=(app.address,), daemon=True).start()
        await until_asked()


def say_where(config: CockpitConfig, address: str, console: Console) -> None:
    """Show a person where the page is."""
    say(console, f"the cockpit is at {address}; Ctrl-C ends it", bold=address)
    if not config.is_private:
        warn(
            console,
            "other machines can reach it. Whoever has this address can drive, "
            "record and train here; the connection is not encrypted.",
        )


def check_installed() -> None:
    """Check that the web server's packages are installed.

    Raises:
        CockpitError: they are not.
    """
    try:
        import msgspec  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise CockpitError(
            f"The cockpit needs the package {error.name}, which is not installed. "
            "Install Ghostlap with it: pip install 'ghostlap[sim,cockpit]'"
        ) from None


def check_no_loop(server: str, command: str, error: type[GhostlapError]) -> None:
    """Raise an error if an event loop runs already, as in a notebook."""
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        raise error(
            f"{server} serves until it is stopped, which cannot be done within a notebook. "
            f"Start 'ghostlap {command}' in a terminal."
        )
