"""Whether two runs of a command came to the same: every file, to the byte, hidden ones too.

What a run may say of its own time and machine is declared here, and nothing else.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

OF_A_RUN = frozenset(
    {
        "seconds", "created", "created_at", "duration_s", "driven_s", "real_time_factor",
        "real_time_factor_a_process", "p50_ms", "p99_ms", "latency_ms", "cost_ms", "versions",
        "machine", "resume", "seconds_per_epoch", "peak_memory_mb",
    }
)  # fmt: skip
"""Names in JSON whose values are of a clock, of the machine, or say that a run was gone on with."""
_CLOCK = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?([.]\d+)?(\+\d\d:\d\d|Z)?")
_SECONDS = re.compile(rb"\d+([.]\d+)? ?(s|ms|min|h)\b")
_OF_A_PAGE = (".html", ".md", ".txt")
_SAID = (".log", "log.txt")
"""What trainings of a search or a DAgger said, with how long it took: only that it is there."""
_OF_JSON = (".json", ".jsonl", ".ipynb", "_manifest")
_BY_THE_CLOCK = "tensorboard"
"""A folder whose files are named by the moment at which they were begun: not compared."""
LOCKS = frozenset({".lock"})
"""Stay, empty, where a folder was claimed; whether one does is no part of a result."""


def content(folder: Path, place: Path) -> dict[str, str]:
    """A fingerprint of every file below a folder, by its path; of folders, "folder".

    Args:
        folder: looked through, hidden files included.
        place: the folder whose own path is no part of any content.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.name in LOCKS or _BY_THE_CLOCK in path.relative_to(folder).parts:
            continue
        if path.is_symlink():
            found[name] = f"link to {path.readlink()}"
        elif path.is_dir():
            found[name] = "folder"
        else:
            found[name] = _fingerprint(path.name, path.read_bytes(), str(place).encode())
    return found


def differences(wanted: dict[str, str], got: dict[str, str]) -> list[str]:
    """In words, the hidden leftovers first."""
    more = [f"left over: {name}" for name in got if name not in wanted]
    less = [f"missing: {name}" for name in wanted if name not in got]
    other = [f"other bytes: {name}" for name in wanted if name in got and wanted[name] != got[name]]
    return sorted(more, key=lambda text: "/." not in text and ": ." not in text) + less + other


def _fingerprint(name: str, data: bytes, place: bytes) -> str:
    if name.endswith(_SAID):
        return "said"
    data = data.replace(place, b"@")
    if name.endswith(_OF_JSON):
        data = _without_times(data)
    elif name.endswith(".csv"):
        data = _without_seconds(data)
    elif name.endswith(".onnx"):
        data = _network(data)
    elif name.endswith(_OF_A_PAGE):
        data = _SECONDS.sub(b"", _CLOCK.sub(b"", data))
    elif name.endswith(".keras"):
        data = _members(data)
    return hashlib.sha256(data).hexdigest()[:16]


def _without_times(data: bytes) -> bytes:
    lines = []
    try:
        values = [json.loads(data)]
    except ValueError:
        try:
            values = [json.loads(line) for line in data.splitlines() if line.strip()]
        except ValueError:
            return data
    for value in values:
        lines.append(json.dumps(_stripped(value), sort_keys=False))
    return "\n".join(lines).encode()


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _stripped(one) for name, one in value.items() if name not in OF_A_RUN}
    if isinstance(value, list):
        return [_stripped(one) for one in value]
    return value


def _without_seconds(data: bytes) -> bytes:
    """A table without the columns that say how long something took."""
    lines = data.split(b"\n")
    header = lines[0].split(b",")
    timed = {at for at, name in enumerate(header) if name.strip().decode("latin-1") in OF_A_RUN}
    if not timed:
        return data
    rows = ([cell for at, cell in enumerate(line.split(b",")) if at not in timed] for line in lines)
    return b"\n".join(b",".join(row) for row in rows)


def _network(data: bytes) -> bytes:
    """A graph without the names of its parts, which TensorFlow numbers as it likes."""
    import onnx

    try:
        graph = onnx.load_from_string(data).graph
    except Exception:  # protobuf has no common base class for its errors
        return data
    weights = sorted(
        one.raw_data or onnx.numpy_helper.to_array(one).tobytes() for one in graph.initializer
    )
    kinds = [f"{node.op_type} {len(node.input)}".encode() for node in graph.node]
    return b"|".join([*kinds, *weights])


def _members(data: bytes) -> bytes:
    """A Keras file's members, without the archive's own dates, and without its date inside."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return b"".join(
                name.encode() + archive.read(name)
                for name in sorted(archive.namelist())
                if name != "metadata.json"
            )
    except zipfile.BadZipFile:
        return data
