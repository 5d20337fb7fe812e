"""JSON from people unknown: bounded in size and depth, and unwrapped where it lies in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ghostlap.base.errors import LegacyError
from ghostlap.base.files import open_file

MAX_BYTES = 16 * 1024 * 1024
"""Of a network's description; the largest that Keras ships have under 1 MB."""

_MOST_WRAPPINGS = 3


def read_json_file(path: Path) -> dict[str, Any]:
    """The description of a network in a file.

    Raises:
        LegacyError: it is missing, too large, or no JSON object.
    """
    try:
        with open_file(path) as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise LegacyError(f"{path}: no such file.") from None
    except OSError as error:
        raise LegacyError(f"{path}: cannot be read ({error.strerror}).") from error
    return parse_json(data, str(path))


def parse_json(data: bytes | str, where: str) -> dict[str, Any]:
    """A JSON object; also one that was written as a string of JSON, as some ``to_json`` were.

    Raises:
        LegacyError: too large, nested too deeply, or no JSON object.
    """
    if len(data) > MAX_BYTES:
        raise LegacyError(
            f"{where}: the description of a network may have at most {MAX_BYTES // 2**20} MiB. "
            f"Got {'more' if isinstance(data, bytes) else len(data)}. Is it the model.json that "
            "belongs to the weights?"
        )
    found: Any = data
    for _ in range(_MOST_WRAPPINGS):
        found = _parse(found, where)
        if isinstance(found, dict):
            return found
        if not isinstance(found, str):
            break
    raise LegacyError(
        f"{where}: must hold a JSON object, the description of a network. "
        f"Got {type(found).__name__}."
    )


def _parse(text: bytes | str, where: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise LegacyError(
            f"{where}: the JSON is nested too deeply to be the description of a network."
        ) from None
    except ValueError as error:  # UnicodeDecodeError is one, too
        raise LegacyError(
            f"{where}: must be JSON, as Keras' model.to_json() wrote it. Got what cannot be read "
            f"as such ({str(error)[:200]})."
        ) from None
