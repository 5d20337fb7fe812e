"""What the page asks for by HTTP: the library, replay, training. Work is done on threads."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ghostlap.cockpit import replay
from ghostlap.cockpit.cutting import cut
from ghostlap.cockpit.library import Library
from ghostlap.cockpit.protocol import MAX_MESSAGE_BYTES, text_of
from ghostlap.cockpit.trainer import Trainer
from ghostlap.cockpit.verdicts import Verdicts
from ghostlap.errors import CockpitError, GhostlapError

_MOST_RECORDINGS = 200
"""That one training may learn from."""


class Source(Protocol):
    """What drives, as far as the library has to know."""

    @property
    def tracks(self) -> list[str]: ...

    def recording_name(self) -> str | None: ...


class Api:
    """The routes below ``/api``.

    Args:
        library: what there is.
        trainer: of new pilots.
        source: what drives.
    """

    def __init__(self, library: Library, trainer: Trainer, source: Source) -> None:
        self._library, self._trainer, self._source = library, trainer, source
        self._predictions = replay.Predictions(library)
        self._verdicts = Verdicts()

    def stop(self) -> None:
        """End what is worked out beside."""
        self._predictions.stop()
        self._verdicts.stop()

    def routes(self) -> list[Route]:
        here = "/api/recordings/{name}"
        return [
            Route("/api/library", _answering(self._list)),
            Route(f"{here}/frames/{{row:int}}.jpg", self._frame),
            Route(f"{here}/rows", _answering(self._rows)),
            Route(f"{here}/predictions", _answering(self._predicted)),
            Route(f"{here}/trash", _answering(self._throw_away), methods=["POST"]),
            Route(f"{here}/restore", _answering(self._restore), methods=["POST"]),
            Route(f"{here}/cut", _answering(self._cut), methods=["POST"]),
            Route("/api/trash/empty", _answering(self._empty), methods=["POST"]),
            Route("/api/train", _answering(self._train), methods=["POST"]),
            Route("/api/train", _answering(self._jobs)),
            Route("/api/train/{job}/stop", _answering(self._stop_job), methods=["POST"]),
        ]

    def _list(self, asked: Asked) -> dict[str, Any]:
        recordings = self._library.list_recordings()
        names, under_way = self._library.names(), self._source.recording_name()
        for one in recordings:
            name = str(one["name"])
            is_under_way = name == under_way
            one["complete"] = one["complete"] and not is_under_way
            one["verdict"] = None
            if not is_under_way and name in names:
                with contextlib.suppress(OSError):  # gone meanwhile
                    one["verdict"] = self._verdicts.of(names[name])
        return {
            "recordings": recordings,
            "runs": self._library.list_runs(),
            "trash": list(self._library.trash_names()),
            "tracks": self._source.tracks,
            "free_gb": self._library.free_gb(),
        }

    async def _frame(self, request: Request) -> Response:
        name, row = request.path_params["name"], request.path_params["row"]
        camera = request.query_params.get("camera", "center")
        try:
            data, kind = await asyncio.to_thread(replay.frame, self._library, name, row, camera)
        except (GhostlapError, OSError) as error:
            return JSONResponse({"error": str(error)}, 404)
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
        first, last = (asked.whole(end) for end in ("from", "to"))
        return {"name": cut(self._library, asked.name, first, last)}

    def _train(self, asked: Asked) -> dict[str, Any]:
        names, init = asked.body.get("recordings"), asked.body.get("init")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise CockpitError("recordings must be a list of names.")
        if len(names) > _MOST_RECORDINGS:
            raise CockpitError(f"A training may have at most {_MOST_RECORDINGS} recordings.")
        if init is not None and not isinstance(init, str):
            raise CockpitError("init must be a run's name, or null.")
        for name in names:
            self._check_not_under_way(name)
        return {"job": self._trainer.start(names, asked.whole("epochs"), init)}

    def _jobs(self, asked: Asked) -> dict[str, Any]:
        return {"jobs": self._trainer.list_jobs()}

    def _stop_job(self, asked: Asked) -> dict[str, Any]:
        self._trainer.stop(asked.name)
        return {}

    def _check_not_under_way(self, name: str) -> None:
        if name == self._source.recording_name():
            raise CockpitError(f"{name} is being recorded. Stop the recording first.")


class Asked:
    """A request as far as the answers need it."""

    def __init__(self, name: str, query: dict[str, str], body: dict[str, Any]) -> None:
        self.name, self.query, self.body = name, query, body

    def whole(self, field: str) -> int:
        """A whole number of the body.

        Raises:
            CockpitError: it is none.
        """
        number = self.body.get(field)
        if isinstance(number, bool) or not isinstance(number, int):
            raise CockpitError(f"{field} must be a whole number.")
        return number


def _answering(answer: Callable[[Asked], dict[str, Any]]) -> Callable[..., Awaitable[Response]]:
    """A route that answers with JSON, worked out on a thread; 202 where it is not ready yet."""

    async def endpoint(request: Request) -> Response:
        try:
            path = request.path_params
            name = str(path.get("name", path.get("job", "")))
            body = await _body(request) if request.method == "POST" else {}
            asked = Asked(name, dict(request.query_params), body)
            found = await asyncio.to_thread(answer, asked)
        except GhostlapError as error:
            return JSONResponse({"error": str(error)}, 400)
        except OSError as error:
            return JSONResponse({"error": f"{error.strerror or error}"}, 500)
        status = 202 if "progress" in found else 200
        return Response(text_of(found), status, media_type="application/json")

    return endpoint


async def _body(request: Request) -> dict[str, Any]:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_MESSAGE_BYTES:
            raise CockpitError(f"A request may have at most {MAX_MESSAGE_BYTES} bytes.")
    try:
        values = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        raise CockpitError("The body of a request must be JSON.") from None
    if not isinstance(values, dict):
        raise CockpitError("The body of a request must be a JSON object.")
    return values
