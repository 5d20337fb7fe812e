"""Debian's Firefox for tests, by WebDriver BiDi (https://w3c.github.io/webdriver-bidi): it speaks
that by itself, needs no driver beside it, and is not the changed one that Playwright brings."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

KEYS = {"ArrowUp": "\ue013"}
"""What the protocol calls keys that write nothing."""
_PATIENCE_S = 60.0


class Firefox:
    """The one page of a browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.send("session.new", capabilities={})
        self._context = self.send("browsingContext.getTree")["contexts"][0]["context"]

    def send(self, method: str, **params: Any) -> Any:
        """Let a command be done, and give its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (told := json.loads(self._socket.recv(_PATIENCE_S))).get("id") != number:
            pass
        assert told["type"] == "success", told
        return told["result"]

    def open(self, address: str, width_px: int, height_px: int) -> None:
        size = {"width": width_px, "height": height_px}
        self.send("browsingContext.setViewport", context=self._context, viewport=size)
        self.send("browsingContext.navigate", context=self._context, url=address, wait="complete")

    def evaluate(self, expression: str) -> Any:
        told = self.send("script.evaluate", expression=f"JSON.stringify({expression}) ?? 'null'",
                         target={"context": self._context}, awaitPromise=True)  # fmt: skip
        assert told["type"] == "success", told
        return json.loads(told["result"]["value"])

    def press(self, key: str, down: bool) -> None:
        action = {"type": "keyDown" if down else "keyUp", "value": KEYS.get(key, key)}
        keys = {"type": "key", "id": "keys", "actions": [action]}
        self.send("input.performActions", context=self._context, actions=[keys])


@contextlib.contextmanager
def open_firefox(profile: Path) -> Iterator[Firefox]:
    """Firefox without a window, ended afterwards; the test is skipped where there is none."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        pytest.skip("no Firefox: as root, apt-get install firefox-esr")
    profile.mkdir()
    command = [program, "--headless", "--no-remote", "--profile", str(profile),
               "--remote-debugging-port", "0"]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            listening = (re.search(r"ws://\S+", line) for line in process.stderr)
            address = next(filter(None, listening))[0]
            with connect(f"{address}/session", max_size=None, open_timeout=_PATIENCE_S) as socket:
                yield Firefox(socket)
        finally:
            process.terminate()
            process.stderr.close()
