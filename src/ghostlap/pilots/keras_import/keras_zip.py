"""``.keras`` files: a zip of ``config.json``, ``metadata.json`` and ``model.weights.h5``."""

from __future__ import annotations

import contextlib
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ghostlap.base.errors import LegacyError
from ghostlap.base.files import open_file
from ghostlap.pilots.keras_import.json_text import MAX_BYTES, parse_json

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"

MAX_WEIGHT_BYTES = 1024**3
MOST_INFLATED = 50
"""How many times as large as the file what it unpacks to may be; weights hardly shrink."""

_MOST_ENTRIES = 1000
_CHUNK_BYTES = 1 << 20


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any], Path]]:
    """The description, the metadata, and the weights unpacked into a temporary file.

    Raises:
        LegacyError: no such zip, parts missing, or it unpacks to more than a model could.
    """
    try:
        with (
            open_file(path) as file,
            zipfile.ZipFile(file) as archive,
            tempfile.TemporaryDirectory() as folder,
        ):
            if len(archive.infolist()) > _MOST_ENTRIES:
                raise LegacyError(f"{path}: holds more than {_MOST_ENTRIES} files. No model does.")
            names = set(archive.namelist())
            missing = [name for name in (CONFIG, WEIGHTS) if name not in names]
            if missing:
                raise LegacyError(
                    f"{path}: must hold {CONFIG} and {WEIGHTS}, as Keras 3 wrote them. "
                    f"Missing: {', '.join(missing)}."
                )
            config = parse_json(_read(archive, CONFIG, MAX_BYTES, path), f"{path}: {CONFIG}")
            metadata = {}
            if METADATA in names:
                data = _read(archive, METADATA, MAX_BYTES, path)
                metadata = parse_json(data, f"{path}: {METADATA}")
            weights = Path(folder) / WEIGHTS
            most = min(MAX_WEIGHT_BYTES, MOST_INFLATED * path.stat().st_size)
            with weights.open("wb") as unpacked:
                for chunk in _chunks(archive, WEIGHTS, most, path):
                    unpacked.write(chunk)
            yield config, metadata, weights
    except FileNotFoundError:
        raise LegacyError(f"{path}: no such file. Give the model: a .h5 or .keras file.") from None
    # NotImplementedError: an unknown compression. RuntimeError: a password.
    except (
        zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError,
        ValueError, OverflowError,
    ) as error:  # fmt: skip
        raise LegacyError(
            f"{path}: the .keras file cannot be unpacked ({str(error)[:200]}). Is it cut off?"
        ) from error


def _read(archive: zipfile.ZipFile, name: str, most: int, path: Path) -> bytes:
    return b"".join(_chunks(archive, name, min(most, MOST_INFLATED * path.stat().st_size), path))


def _chunks(archive: zipfile.ZipFile, name: str, most: int, path: Path) -> Iterator[bytes]:
    """An entry's content, counted as it is unpacked: what a zip says of sizes may be wrong."""
    read = 0
    if archive.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise LegacyError(f"{path}: {name} is compressed in a way that Keras never uses.")
    with archive.open(name) as entry:
        while chunk := entry.read(_CHUNK_BYTES):
            read += len(chunk)
            if read > most:
                raise LegacyError(
                    f"{path}: {name} unpacks to more than {most:,} bytes, which no model of "
                    f"{path.stat().st_size:,} bytes would. It is not unpacked further."
                )
            yield chunk
