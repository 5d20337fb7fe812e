"""What the page asks for by HTTP: the library, replay, training. Work is done on threads."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ghostlap.base.errors import CockpitError, GhostlapError
from ghostlap.cockpit import replay
from ghostlap.cockpit.cutting import cut
from ghostlap.cockpit.doctor_worker import DoctorWorker
from ghostlap.cockpit.hub import Source
from ghostlap.cockpit.library import Library
from ghostlap.cockpit.protocol import (
    MAX_MESSAGE_BYTES,
    Cut,
    NoBody,
    Read,
    Train,
    read_json_as,
    text_of,
)  # fmt: skip
from ghostlap.cockpit.trainer import TrainingJobs
from ghostlap.cockpit.workers import BusyError, Workers

_ROW = re.compile("[0-9]{1,9}")
_BODY_WITHIN_S = 10.0
READ_WITHIN_S, CHANGED_WITHIN_S = 15.0, 60.0
"""Answers; for a change, a large recording may have to be copied."""


Answer = Callable[["Asked"], dict[str, Any]]


class Api:
    """The routes below ``/api``."""

    def __init__(self, library: Library, trainer: TrainingJobs, source: Source) -> None:
        self._library, self._trainer, self._source = library, trainer, source
        self._predictions = replay.Predictions(library)
        self._doctor = DoctorWorker()
        self._workers = Workers()

    def stop(self) -> None:
        """End what is worked out beside."""
        self._predictions.stop()
        self._doctor.stop()

    def routes(self) -> list[Route]:
        here = "/api/recordings/{name}"
        return [
            Route("/api/library", self._answering(self._list)),
            Route(f"{here}/frames/{{row}}.jpg", self._frame),
            Route(f"{here}/rows", self._answering(self._rows)),
            Route(f"{here}/predictions", self._answering(self._predicted)),
            Route(f"{here}/trash", self._answering(self._throw_away), methods=["POST"]),
            Route(f"{here}/restore", self._answering(self._restore), methods=["POST"]),
            Route(f"{here}/cut", self._answering(self._cut, Cut), methods=["POST"]),
            Route("/api/trash/empty", self._answering(self._empty), methods=["POST"]),
            Route("/api/train", self._answering(self._train, Train), methods=["POST"]),
            Route("/api/train", self._answering(self._jobs)),
            Route("/api/train/{job}/stop", self._answering(self._stop_job), methods=["POST"]),
        ]

    def _answering(
        self, answer: Answer, body_kind: type[Any] = NoBody
    ) -> Callable[..., Awaitable[Response]]:
        """A route that answers with JSON, worked out on a thread; 202 where it is not ready yet."""

        async def endpoint(request: Request) -> Response:
            try:
                changes = request.method == "POST"
                path = request.path_params
                name = str(path.get("name", path.get("job", "")))
                body = await _body(request, body_kind) if changes else None
                asked = Asked(name, dict(request.query_params), body)
                text, status = await self._workers.do(
                    name or request.url.path,
                    lambda: _told(answer(asked)),
                    CHANGED_WITHIN_S if changes else READ_WITHIN_S,
                )
            except (GhostlapError, OSError) as error:
                return _refusal(error, 400)
            return Response(text, status, media_type="application/json")

        return endpoint

    def _list(self, asked: Asked) -> dict[str, Any]:
        recordings = self._library.list_recordings()
        names = self._library.names()
        for one in recordings:
            name = str(one["name"])
            is_under_way = self._source.is_recording(name)
            one["complete"] = one["complete"] and not is_under_way
            one["verdict"] = None
            if not is_under_way and name in names:
                with contextlib.suppress(OSError):  # gone meanwhile
                    one["verdict"] = self._doctor.of(names[name])
        return {
            "recordings": recordings,
            "runs": self._library.list_runs(),
            "trash": list(self._library.trash_names()),
            "tracks": self._source.tracks,
            "free_gb": self._library.free_gb(),
        }

    async def _frame(self, request: Request) -> Response:
        name = request.path_params["name"]
        row, camera = request.path_params["row"], request.query_params.get("camera", "center")
        try:
            if not _ROW.fullmatch(row):
                raise CockpitError(f"{row[:40]!r} is no row's number.")
            data, kind = await self._workers.do(
                name, lambda: replay.frame(self._library, name, int(row), camera), READ_WITHIN_S
            )
        except (GhostlapError, OSError) as error:
            return _refusal(error, 404)
        return Response(data, 200, {"cache-control": "private, max-age=60"}, kind)

    def _rows(self, asked: Asked) -> dict[str, Any]:
        return replay.rows(self._library, asked.name)

    def _predicted(self, asked: Asked) -> dict[str, Any]:
        return self._predictions.of(asked.name, asked.query.get("run", ""))

    def _throw_away(self, asked: Asked) -> dict[str, Any]:
        self._check_not_under_way(asked.name)
        self._library.throw_away(asked.name)
        return {}

    def _restore(self, asked: Asked) -> dict[str, Any]:
        self._library.restore(asked.name)
        return {}

    def _empty(self, asked: Asked) -> dict[str, Any]:
        return {"deleted": self._library.empty_trash()}

    def _cut(self, asked: Asked) -> dict[str, Any]:
        self._check_not_under_way(asked.name)
        return {"name": cut(self._library, asked.name, asked.body.first, asked.body.last)}

    def _train(self, asked: Asked) -> dict[str, Any]:
        wanted = asked.body
        for name in wanted.recordings:
            self._check_not_under_way(name)
        return {"job": self._trainer.start(wanted.recordings, wanted.epochs, wanted.init)}

    def _jobs(self, asked: Asked) -> dict[str, Any]:
        return {"jobs": self._trainer.list_jobs()}

    def _stop_job(self, asked: Asked) -> dict[str, Any]:
        self._trainer.stop(asked.name)
        return {}

    def _check_not_under_way(self, name: str) -> None:
        if self._source.is_recording(name):
            raise CockpitError(f"{name} is being recorded. Stop the recording first.")


class Asked(NamedTuple):
    """A request as far as the answers need it."""

    name: str
    query: dict[str, str]
    body: Any


def _told(found: dict[str, Any]) -> tuple[str, int]:
    """An answer's text and status."""
    return text_of(found), 202 if "progress" in found else 200


def _refusal(error: GhostlapError | OSError, status: int) -> Response:
    """What a page is told instead of what it asked for."""
    if isinstance(error, BusyError):
        return JSONResponse({"error": str(error)}, 503)
    if isinstance(error, GhostlapError):
        return JSONResponse({"error": str(error)}, status)
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return JSONResponse({"error": "It is no longer there."}, 404)
    return JSONResponse({"error": f"The disk does not let it: {error.strerror or error}."}, 503)


async def _body(request: Request, kind: type[Read]) -> Read:
    data = b""
    try:
        async with asyncio.timeout(_BODY_WITHIN_S):
            async for chunk in request.stream():
                data += chunk
                if len(data) > MAX_MESSAGE_BYTES:
                    raise CockpitError(f"A request may have at most {MAX_MESSAGE_BYTES} bytes.")
    except TimeoutError:
        raise CockpitError(f"The body of a request must come in {_BODY_WITHIN_S:g} s.") from None
    except ClientDisconnect:
        raise CockpitError("The body of a request must be whole.") from None
    return read_json_as(msgspec.json.Decoder(kind), data or b"{}", "The body of a request")
