"""Addresses of folders that are elsewhere, ``s3://bucket/lap``, where a path is expected."""

from __future__ import annotations

import os
import re
from pathlib import Path

_ADDRESS = re.compile(r"(s3|gs|gcs|abfss?|hdfs):/+(?=[^/])")
_HERE = re.compile(r"file:/+(?=[^/])")


def is_address(path: str | os.PathLike[str]) -> bool:
    """Whether a path is an address of a store: s3, gs, abfs or hdfs."""
    return _ADDRESS.match(_slashed(path)) is not None


def address_of(path: str | os.PathLike[str]) -> str:
    """An address as it is written; a path has lost the second slash."""
    text = _slashed(path)
    begins = _ADDRESS.match(text)
    assert begins is not None
    return f"{begins[1]}://{text[begins.end() :].rstrip('/')}"


def here_of(path: str | os.PathLike[str]) -> Path:
    """A path without the ``file://`` that may be before it: what is here is no store."""
    text = _slashed(path)
    begins = _HERE.match(text)
    if begins is None:
        return Path(path)
    rest = text[begins.end() :]
    return Path(rest if rest[1:2] == ":" else f"/{rest}")  # C:/lap


def _slashed(path: str | os.PathLike[str]) -> str:
    return os.fspath(path).replace(os.sep, "/")
