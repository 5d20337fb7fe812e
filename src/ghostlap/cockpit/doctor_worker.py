"""What the doctor says of recordings, one after the other, in a patient process of its own."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path
from typing import Any

from ghostlap.base.engine.processes import python
from ghostlap.base.platform import start_patiently
from ghostlap.cockpit.library import stamp_of

_PATIENCE_S = 300.0
_MOST_KEPT = 500
_NICENESS = 15
_UNKNOWN = {"errors": None, "warnings": None}
_MOST_TRIES = 3
"""Tries at a recording that cannot be looked at, say because it is just being written."""


class DoctorWorker:
    """DoctorWorker of the doctor, kept until a recording changes; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[object, dict[str, Any]]] = {}
        self._wanted: dict[Path, None] = {}
        self._failed: dict[Path, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._working = self._stopped = False

    def of(self, folder: Path) -> dict[str, Any] | None:
        """Errors and warnings found, or None as long as that is not known; then it is looked at."""
        stamp = stamp_of(folder)
        with self._lock:
            known = self._known.get(folder)
            if known is not None and known[0] == stamp:
                return known[1]
            if not self._stopped and len(self._wanted) < _MOST_KEPT:
                self._wanted[folder] = None
                if not self._working:
                    threading.Thread(target=self._work, name="ghostlap-doctor", daemon=True).start()
                    self._working = True
        return None

    def stop(self) -> None:
        """Examine nothing more."""
        with self._lock:
            self._stopped = True
            self._wanted.clear()
            if self._process is not None:
                self._process.kill()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._working = False
                    return
                folder = next(iter(self._wanted))
            try:
                stamp = stamp_of(folder)
                verdict = self._examine(folder)
            except Exception:  # gone meanwhile, or no process can start: others may go better
                stamp, verdict = (0, 0, 0), _UNKNOWN
            with self._lock:
                self._wanted.pop(folder, None)
                if len(self._known) >= _MOST_KEPT:
                    self._known.clear()
                    self._failed.clear()
                self._failed[folder] = self._failed.get(folder, 0) + (verdict is _UNKNOWN)
                if verdict is not _UNKNOWN or self._failed[folder] >= _MOST_TRIES:
                    self._known[folder] = stamp, verdict

    def _examine(self, folder: Path) -> dict[str, Any]:
        command = python("-m", "ghostlap", "doctor", str(folder.absolute()), "--json")
        with self._lock:
            if self._stopped:
                return _UNKNOWN
            self._process = start_patiently(
                command,
                _NICENESS,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        with self._process as process:
            try:
                output, _ = process.communicate(timeout=_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                return _UNKNOWN
        return _verdict_in(output, process.returncode)


def _verdict_in(output: bytes, status: int) -> dict[str, Any]:
    """Kinds of errors and of warnings in what the doctor printed."""
    if status == 2:  # it cannot even be read
        return {"errors": 1, "warnings": 0}
    try:
        findings = json.loads(output.splitlines()[-1])["recordings"][0]["findings"]
        severities = [finding["severity"] for finding in findings]
    except (ValueError, LookupError, TypeError):
        return _UNKNOWN
    return {"errors": severities.count("error"), "warnings": severities.count("warning")}
