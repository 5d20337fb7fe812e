"""Keras's files: written so that a full disk is an error and no more, read with care.

HDF5 keeps a file open that it could not write to its end, and takes the process down with it when
that exits. So what is HDF5 is made in memory, and goes to disk as any other file does.

What is read may be a stranger's. Keras imports nothing that a file names, and runs no function in
it; here it is told neither to make a network nor to read weights that no pilot could have.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ghostlap.base.errors import PilotError

MAX_BYTES = 1 << 30
"""Of a file, of what it unpacks to, and of the weights of a network."""

_CONFIG, _METADATA = "config.json", "metadata.json"
_WEIGHT_BYTES = 4
_STATES = 4
"""A checkpoint holds for each weight what the optimizer keeps of it, too."""
_BESIDES_BYTES = 1 << 20


class _InMemory(io.BytesIO):
    """A file in memory with a name, by whose ending Keras chooses the format."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def __fspath__(self) -> str:
        return self._name

    __str__ = __fspath__


def write_keras(save: Callable[[Any], None], path: Path) -> None:
    """Let ``save`` of a network write to ``path``, by its ending in one of Keras's formats.

    Raises:
        OSError: it cannot be written.
    """
    if path.suffix != ".h5":
        save(path)
        path.write_bytes(_undated(path))
        return
    made = _InMemory(path.name)
    save(made)
    path.write_bytes(made.getbuffer())


def _undated(path: Path) -> bytes:
    """A ``.keras`` file without the time, so that the same network is the same bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(path) as dated, zipfile.ZipFile(made, "w") as undated:
        for entry in dated.infolist():
            content = dated.read(entry)
            if entry.filename == _METADATA:
                about = json.loads(content)
                about.pop("date_saved", None)
                content = json.dumps(about).encode()
            undated.writestr(zipfile.ZipInfo(entry.filename), content)
    return made.getvalue()


def load_network(path: Path, sign: str) -> Any:
    """The network in a ``.keras`` file, not compiled.

    Args:
        path: the file.
        sign: where it was named, for messages.

    Raises:
        PilotError: there is none, it is broken, larger than any pilot, or would run code.
    """
    from ghostlap.pilots.backend import keras

    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            if max(unpacked, path.stat().st_size) > MAX_BYTES:
                raise ValueError(f"it holds more than {MAX_BYTES:,} bytes, which no pilot does")
            described = archive.read(_CONFIG).decode("utf-8")
        with keras.StatelessScope(initialize_variables=False):  # no memory for weights yet
            parameters = keras.models.model_from_json(described).count_params()
        if parameters * _WEIGHT_BYTES > MAX_BYTES:
            raise ValueError(f"it has {parameters:,} parameters, more than any pilot")
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (
        OSError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError,
        NotImplementedError, RuntimeError, EOFError, ArithmeticError, zipfile.BadZipFile,
        zlib.error,
    ) as error:  # fmt: skip
        raise PilotError(
            f"{sign}: {path.name} cannot be read "
            f"({type(error).__name__}: {' '.join(str(error).split())[:300]})."
        ) from error


def check_weights(network: Any, path: Path) -> None:
    """Make sure that a ``.weights.h5`` file holds no more than the network's weights.

    Raises:
        OSError, ValueError: it does, or cannot be read.
    """
    import h5py  # type: ignore[import-untyped]

    parameters = sum(math.prod(variable.shape) for variable in network.variables)
    most = _WEIGHT_BYTES * _STATES * parameters + _BESIDES_BYTES

    def check(name: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset) and entry.nbytes > most:
            raise ValueError(f"{name} holds {entry.nbytes:,} bytes, more than the whole network")

    if path.stat().st_size > most:
        raise ValueError(f"{path.name} is larger than the network's weights can be")
    with h5py.File(path, "r") as file:
        file.visititems(check)
