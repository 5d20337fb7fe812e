"""A model as people keep it: one file or two, of any Keras, as a description and its weights."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ghostlap.base.errors import LegacyError
from ghostlap.base.files import open_file
from ghostlap.base.platform import quoted
from ghostlap.pilots.keras_import import keras_zip
from ghostlap.pilots.keras_import.h5_file import H5Content, read_h5_file
from ghostlap.pilots.keras_import.json_text import parse_json, read_json_file

DESCRIPTION_FILE = "model.json"
"""Looked for beside an h5 file that holds weights only."""


@dataclasses.dataclass(frozen=True)
class ModelFile:
    """What the files of one model say."""

    where: str
    description: Mapping[str, Any]
    """Class and configuration of the network."""
    keras_version: str
    """Empty if no file says."""
    backend: str
    """Of Keras then: tensorflow, theano, …; empty if no file says."""
    content: H5Content

    @property
    def major(self) -> int:
        """Keras 1, 2 or 3."""
        digits = re.match(r"\s*([123])(?:\.|$)", self.keras_version)
        if digits:
            return int(digits[1])
        return 3 if self.content.variables is not None else 1


def read_model_file(model: Path, description: Path | None = None) -> ModelFile:
    """Read a model.

    Args:
        model: an h5 file (whole model or weights) or a ``.keras`` file.
        description: the ``model.json`` of weights; without, the one beside them.

    Raises:
        LegacyError: a file is missing or broken, or holds what no model of Keras does.
    """
    if model.is_dir():
        raise LegacyError(f"{model}: must be a file, model.h5 or model.keras. Got a folder.")
    if _is_zip(model):
        with keras_zip.opened(model) as (config, metadata, weights):
            content = read_h5_file(weights, f"{model}: {keras_zip.WEIGHTS}")
        return ModelFile(str(model), config, _text(metadata, "keras_version"), "", content)
    content = read_h5_file(model, str(model))
    if content.model_config is not None and description is None:
        found, where = parse_json(content.model_config, f"{model}: model_config"), str(model)
    else:
        path = description or _beside(model)
        found, where = read_json_file(path), str(path)
    return ModelFile(
        where=where,
        description=found,
        keras_version=content.keras_version or _text(found, "keras_version"),
        backend=content.backend or _text(found, "backend"),
        content=content,
    )


def _is_zip(model: Path) -> bool:
    try:
        with open_file(model) as file:
            return file.read(4) == b"PK\x03\x04"
    except OSError:
        return False  # said by who reads it


def _beside(model: Path) -> Path:
    own, usual = model.with_suffix(".json"), model.with_name(DESCRIPTION_FILE)
    for path in (own, usual):
        if path.is_file():
            return path
    raise LegacyError(
        f"{model}: holds weights only, not the network they belong to. Name its model.json, too: "
        f"ghostlap import {quoted(model)} model.json --out RUN"
    )


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return value[:60] if isinstance(value, str) else ""
