"""Keras's files: writing that survives a full disk, and reading of untrusted ones.

HDF5 crashes the exiting process after a file that it could not write to its end. So HDF5 files are
made in memory and then written like any other.

A file may be a stranger's. Keras imports nothing that it names and runs no function in it; networks
and weights larger than any pilot's are refused here.
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
"""Largest file, largest unpacked content, and largest weights of a network."""

_CONFIG, _METADATA = "config.json", "metadata.json"
_WEIGHT_BYTES = 4
_STATES = 4
"""Values in a checkpoint for each weight, the optimizer's included."""
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
    """Let a network's ``save`` write to ``path``, in the Keras format of its ending.

    Raises:
        OSError: the file cannot be written.
    """
    if path.suffix != ".h5":
        save(path)
        path.write_bytes(_undated(path))
        return
    made = _InMemory(path.name)
    save(made)
    path.write_bytes(made.getbuffer())


def _undated(path: Path) -> bytes:
    """The content of a ``.keras`` file without dates: equal networks give equal bytes."""
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

    Raises:
        PilotError: the file is missing, broken, larger than any pilot, or would run code.
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
    """Check that a ``.weights.h5`` file holds no more than the network's weights.

    Raises:
        OSError, ValueError: it holds more, or cannot be read.
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
