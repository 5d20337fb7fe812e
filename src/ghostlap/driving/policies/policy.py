"""A policy as it is named on the command line: what it is, and by what it is known again."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import itertools
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from ghostlap.base.engine.processes import python
from ghostlap.base.errors import BenchmarkError
from ghostlap.base.files import content_hash, read_file
from ghostlap.base.named import is_named
from ghostlap.base.platform import words_of
from ghostlap.driving.policies.foreign import Foreign
from ghostlap.pilots.onnx_check import MAX_FILE_BYTES, read_network
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.run_folder import ONNX_FILE, read_description, run_file

Kind = Literal["expert", "run folder", "function", "model file", "process", "port"]

EXPERT = "expert"
MODEL_ENDINGS = (".onnx", ".tflite")
KERAS_ENDINGS = (".keras", ".h5", ".hdf5")
"""Of models that are made run folders first: see :mod:`ghostlap.commands.import_model`."""
_MOST_TEXT = 200
_MOST_FILES = 1000


@dataclasses.dataclass(frozen=True)
class Policy:
    """Who drives."""

    name: str
    """For people; a file's or a folder's own name, without the way there."""
    kind: Kind
    driver: Path | Foreign | None
    """None is the expert."""
    blake2b: str
    """Of what it consists of, as far as that can be read; "" where it cannot."""
    about: dict[str, Any] = dataclasses.field(default_factory=dict)
    """How it was made, as its run folder tells: flat, by dotted names."""

    @property
    def file_name(self) -> str:
        """A name for its folder."""
        stem = "".join(c if c.isalnum() or c in "-_." else "-" for c in self.name)
        return stem.strip("-.")[:80] or "policy"

    @property
    def can_drive_abreast(self) -> bool:
        """Whether each of several cars side by side is driven as if alone, to the last bit.

        A critic and a memory reckon for all cars at once; a process has one car to look after.
        """
        if isinstance(self.driver, Path):
            return not {"critic", "memory"} & set(read_description(self.driver))
        return self.driver is None


def policy_of(text: str, name: str = "", **limits: Any) -> Policy:
    """The policy that a text names.

    Args:
        text: ``expert``; a run folder or a pilot that comes along; an ``.onnx`` or ``.tflite``
            file; ``package.module:function``; ``exec:COMMAND``; ``tcp:PORT``.
        limits: fields of :class:`Foreign`, for all that drives in a process of its own.

    Raises:
        BenchmarkError: it is none of these, or there is no such file or program.
        PilotError: a run folder holds no usable pilot.
    """
    path = Path(text)
    if text.startswith("exec:"):
        return _process(text.removeprefix("exec:"), name, limits)
    if text.startswith("tcp:"):
        return _port(text.removeprefix("tcp:"), name, limits)
    if text == EXPERT and not path.exists():
        return Policy(name or EXPERT, "expert", None, "")
    if path.suffix.lower() in MODEL_ENDINGS and path.is_file():
        data = _bytes_of(path)
        served = Foreign(name or path.name, _served(str(path.absolute())), **limits)
        return Policy(served.name, "model file", served, content_hash(data))
    if is_named(text) and not path.exists():
        served = Foreign(name or text, _served(text), **limits)
        return Policy(served.name, "function", served, content_hash(_source_of(text)))
    Pilot.load(path)
    network = read_network(run_file(path, ONNX_FILE)).data
    about = dict(_flat(_told(read_description(path))))
    called = name or path.resolve().name
    return Policy(called, "run folder", path, content_hash(network), about)


def _process(command: str, name: str, limits: dict[str, Any]) -> Policy:
    try:
        words = words_of(command)
    except ValueError as error:
        raise BenchmarkError(f"exec:{command}: is no command line ({error}).") from None
    if not words or shutil.which(words[0]) is None:
        raise BenchmarkError(
            f"exec:{command}: there is no such program. Name it with its path, as in "
            "'exec:other-venv/bin/python my_policy.py'."
        )
    paths = [Path(word) for word in words[1:]]
    files = [path for path in paths if path.is_file()]
    called = name or (files[0].name if files else Path(words[0]).name)
    blake2b = _hash_of(paths)
    return Policy(called, "process", Foreign(called, tuple(words), **limits), blake2b)


def _hash_of(paths: Sequence[Path]) -> str:
    """Of files of any size, and of what lies in folders: weights, as a rule."""
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        found = (
            sorted(itertools.islice(path.rglob("*"), _MOST_FILES + 1)) if path.is_dir() else [path]
        )
        if len(found) > _MOST_FILES:
            continue  # an environment or a data set
        for file in filter(Path.is_file, found):
            try:
                with file.open("rb") as opened:
                    hashlib.file_digest(opened, lambda: digest)
            except OSError as error:
                raise BenchmarkError(f"{file}: cannot be read ({error.strerror}).") from error
    return digest.hexdigest()


def _port(port: str, name: str, limits: dict[str, Any]) -> Policy:
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise BenchmarkError(
            f"tcp:{port}: must be a port of this machine, 1 to 65535, as in tcp:5005. Policies on "
            "other machines are not asked."
        )
    called = name or f"tcp-{port}"
    return Policy(called, "port", Foreign(called, port=int(port), **limits), "")


def _served(what: str) -> tuple[str, ...]:
    return tuple(python("-m", "ghostlap.driving.policies.serve", what))


def _source_of(text: str) -> bytes:
    """The file of a function's module, found without running it."""
    module = text.partition(":")[0]
    here = Path(os.getcwd(), *module.split("."))
    for path in (here.with_suffix(".py"), here / "__init__.py"):
        if path.is_file():
            return _bytes_of(path)
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise BenchmarkError(
            f"{text}: there is no module {module} in {os.getcwd()} or among Python's packages, and "
            "no run folder of that name."
        )
    return _bytes_of(Path(found.origin)) if found.has_location and found.origin else text.encode()


def _bytes_of(path: Path) -> bytes:
    try:
        return read_file(path, MAX_FILE_BYTES)
    except OSError as error:
        raise BenchmarkError(f"{path}: cannot be read ({error.strerror}).") from error


def _told(description: dict[str, Any]) -> dict[str, Any]:
    parts = ("outputs", "preprocessing", "training", "imported", "versions")
    return {part: description[part] for part in parts if part in description}


def _flat(value: Any, name: str = "") -> Sequence[tuple[str, Any]]:
    """Values of nested JSON by dotted names; of a path only its last part, which tells enough."""
    if isinstance(value, dict):
        pairs = [(f"{name}.{key}".strip("."), inner) for key, inner in value.items()]
        return [flat for key, inner in pairs for flat in _flat(inner, key)]
    if isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        return _flat({str(i): one for i, one in enumerate(value)}, name)
    if isinstance(value, list):
        return [(name, ", ".join(str(_bare(one)) for one in value)[:_MOST_TEXT])]
    return [(name, _bare(value))]


def _bare(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    is_path = value.startswith(("/", "~")) or value[1:3] in (":\\", ":/")
    return (value.replace("\\", "/").rstrip("/").rpartition("/")[2] if is_path else value)[
        :_MOST_TEXT
    ]
