"""Provenance of a result: versions of software and machine, and hashes of recordings."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from ghostlap.base.addresses import address_of, is_address
from ghostlap.base.files import content_hash
from ghostlap.base.platform import cores, processor_name
from ghostlap.data.recordings import CAMERAS, COLUMNS, Recording

_PACKAGES = (
    "ghostlap", "keras", "tensorflow-cpu", "tensorflow", "jax", "torch", "numpy", "pandas",
    "opencv-python-headless", "onnx", "onnxruntime", "warp-lang", "scipy", "gymnasium",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of Python, the machine, and each package installed."""
    found = {"python": platform.python_version(), "machine": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    if "KERAS_BACKEND" in os.environ:
        found["keras_backend"] = os.environ["KERAS_BACKEND"]
    return found


def machine() -> dict[str, Any]:
    """The machine's processor, cores and memory."""
    import psutil

    return {
        "processor": processor_name(),
        "cores": cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
    }


def fingerprint(recordings: Sequence[Recording]) -> list[dict[str, Any]]:
    """Folder and rows of each recording, and a hash of its driving."""
    return [
        {
            "folder": address_of(recording.folder)
            if is_address(recording.folder)
            else str(recording.folder.resolve()),
            "rows": len(recording.frames),
            "blake2b": _hash_of_drive(recording),
        }
        for recording in recordings
    ]


def _hash_of_drive(recording: Recording) -> str:
    columns = COLUMNS[len(CAMERAS) :]  # not the images' paths, which differ between machines
    return content_hash(*(recording.frames[column].to_numpy().tobytes() for column in columns))
