"""An HDF5 file of unknown origin as plain data: read by a process that may fail, and checked."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.engine.processes import python
from ghostlap.base.errors import LegacyError
from ghostlap.base.files import open_file
from ghostlap.pilots.keras_import.h5_child import MAX_TEXT_BYTES, MAX_WEIGHT_BYTES

Array = NDArray[np.float32]

MAX_FILE_BYTES = 4 * 1024**3
READING_S = 60.0

_H5_START = b"\x89HDF\r\n\x1a\n"
_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from ghostlap.pilots.keras_import.h5_child import main; main()"
)
_NO_PLUGINS = {"HDF5_PLUGIN_PRELOAD": "::", "HDF5_USE_FILE_LOCKING": "FALSE"}
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclasses.dataclass(frozen=True)
class H5Content:
    """What an h5 file of Keras holds."""

    model_config: str | None
    """The network's description, if it is a whole model."""
    keras_version: str | None
    backend: str | None
    layers: tuple[tuple[str, tuple[Array, ...]], ...] | None
    """Of Keras 1 and 2: each layer's name and weights, in order."""
    variables: dict[str, Array] | None
    """Of Keras 3: by path below the network's list of layers, such as ``conv2d/vars/0``."""


def read_h5_file(path: Path, where: str) -> H5Content:
    """Read a model or weights.

    Raises:
        LegacyError: it is no such file, is broken, or holds what no model of Keras does.
    """
    _check_start(path, where)
    with tempfile.TemporaryFile() as answer:
        try:
            ended = subprocess.run(
                python("-c", _CHILD, str(path), json.dumps(sys.path)),
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=subprocess.DEVNULL,
                timeout=READING_S,
                env={**os.environ, **_NO_PLUGINS, **_ONE_THREAD},
            )
        except subprocess.TimeoutExpired:
            raise _broken(where, f"reading it took more than {READING_S:g} s") from None
        if ended.returncode:
            raise _broken(where, "HDF5 itself fails on it")
        answer.seek(0)
        return _content(answer, where)


def _check_start(path: Path, where: str) -> None:
    try:
        with open_file(path) as file:
            start = file.read(8)
        size = path.stat().st_size
    except FileNotFoundError:
        raise LegacyError(f"{where}: no such file. Give the model: a .h5 or .keras file.") from None
    except OSError as error:
        raise LegacyError(f"{where}: cannot be read ({error.strerror}).") from error
    if start != _H5_START:
        raise LegacyError(
            f"{where}: is no HDF5 file, which a model.h5 of Keras is. {_what_it_is(start, size)}"
        )
    if size > MAX_FILE_BYTES:
        raise LegacyError(
            f"{where}: may have at most {MAX_FILE_BYTES // 2**30} GiB. Got {size:,} bytes."
        )


def _what_it_is(start: bytes, size: int) -> str:
    if size == 0:
        return "It is empty."
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "It is a pickle, which can run programs when it is loaded; it was not loaded."
    if start.startswith(b"PK"):
        return "It is a zip; name it .keras if it is a model of Keras 3."
    if start.startswith(b"version "):
        return "It is a pointer of Git LFS; fetch the model itself with 'git lfs pull'."
    if start[:1] in b"<{":
        return "It is text; was a web page saved in its place?"
    return f"It begins with {start!r}."


def _broken(where: str, why: str) -> LegacyError:
    return LegacyError(
        f"{where}: cannot be read as a model of Keras: {why}. Is it cut off or damaged? Copy or "
        "download it again, or save it anew where it was made."
    )


def _content(answer: BinaryIO, where: str) -> H5Content:
    line = answer.readline(4 * MAX_TEXT_BYTES)
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:
        raise _broken(where, "its description is too long or unreadable") from None
    if "refused" in found:
        raise _broken(where, found["refused"])
    weights = [_take(answer, tuple(shape), where) for shape in found["shapes"]]
    layers, variables = None, None
    if "layers" in found:
        rest = iter(weights)
        layers = tuple((name, tuple(next(rest) for _ in names)) for name, names in found["layers"])
        named = [f"{name}: {weight}" for name, names in found["layers"] for weight in names]
    else:
        named = found["variables"]
        variables = dict(zip(named, weights, strict=True))
    for name, weight in zip(named, weights, strict=True):
        if not np.isfinite(weight).all():
            raise LegacyError(
                f"{where}: weight {name} holds {int((~np.isfinite(weight)).sum())} values that are "
                "not numbers (NaN or infinite). The network would answer NaN; its training had "
                "failed. Use an earlier checkpoint of it."
            )
    return H5Content(
        found["model_config"], found["keras_version"], found["backend"], layers, variables
    )


def _take(answer: BinaryIO, shape: tuple[int, ...], where: str) -> Array:
    size = 4 * math.prod(shape)
    data = answer.read(size) if size <= MAX_WEIGHT_BYTES else b""
    if len(data) != size:
        raise _broken(where, "its weights end too early")
    return np.frombuffer(data, "<f4").reshape(shape)
