"""Readers of files and folders, as functions of bytes: each round rewrites one file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.attack.fuzz_targets import Read, Target
from benchmarks.attack.material import make_exchanged, make_material


def _rewriting(path: Path, read: Callable[[], object]) -> Read:
    def written(data: bytes) -> object:
        path.write_bytes(data)
        return read()

    return written


def _of_a_file(read: Read, seeds: list[bytes], words: tuple[bytes, ...] = ()) -> Target:
    return Target(read, seeds, words, batch=100)


def _who_drove(folder: Path) -> Target:
    from ghostlap.data.recordings.tables_beside import WHO_DROVE, read_who_drove

    row = "center_2024_05_06_07_08_09_1{}.jpg,{},{}"
    seed = "\n".join(["center,driver,pilot_steering", row.format(0, "human", ""),
                      row.format(1, "pilot", "0.25"), row.format(2, "expert", "-1")])  # fmt: skip
    read = _rewriting(folder / WHO_DROVE.name, lambda: read_who_drove(folder))
    return _of_a_file(read, [seed.encode() + b"\n"])


def _tracks(folder: Path) -> Target:
    from ghostlap.sim.track.track_file import track_from_csv

    path, track = folder / "track.csv", make_material(folder / "m").track
    lines = track.read_bytes().splitlines(keepends=True)
    seeds = [track.read_bytes(), b"".join([lines[0], *lines[1::4]])]
    return _of_a_file(_rewriting(path, lambda: track_from_csv(path)), seeds)


def _pilots(folder: Path) -> Target:
    from ghostlap.pilots.pilot import Pilot
    from ghostlap.pilots.run_folder import PILOT_FILE

    run = folder / "run"
    shutil.copytree(make_material(folder / "m").tiny_pilot, run)
    seed = (run / PILOT_FILE).read_bytes()
    values = json.loads(seed)
    values["metrics"] = {
        "validation": {"mse": 0.1, "steering_std_p50": 0.1, "steering_std_p99": 0.3}
    }
    read = _rewriting(run / PILOT_FILE, lambda: Pilot.load(run).can_be_unsure)
    return _of_a_file(read, [seed, json.dumps(values).encode()])


def _graphs(folder: Path) -> Target:
    from ghostlap.pilots.pilot import Pilot
    from ghostlap.pilots.run_folder import ONNX_FILE

    run = folder / "run"
    shutil.copytree(make_material(folder / "m").tiny_pilot, run)
    read = _rewriting(run / ONNX_FILE, lambda: Pilot.load(run).can_be_unsure)
    words = (b"Loop", b"Expand", b"ConstantOfShape")
    return _of_a_file(read, [(run / ONNX_FILE).read_bytes()], words)


def _tubs(folder: Path) -> Target:
    from ghostlap.data.formats.readers import read_recording

    material = make_material(folder / "m")
    make_exchanged(material)
    catalog = next(material.tub.glob("*.catalog"))
    content = b"".join(catalog.read_bytes().splitlines(keepends=True)[:6])
    path = material.tub / catalog.name
    return _of_a_file(_rewriting(path, lambda: read_recording(material.tub)), [content])


def _manifests(folder: Path) -> Target:
    from ghostlap.data.formats.readers import read_recording

    material = make_material(folder / "m")
    make_exchanged(material)
    path = material.tub / "manifest.json"
    return _of_a_file(_rewriting(path, lambda: read_recording(material.tub)), [path.read_bytes()])


def _lerobot(folder: Path) -> Target:
    from ghostlap.data.formats.lerobot_reading import read_lerobot

    material = make_material(folder / "m")
    make_exchanged(material)
    path = material.lerobot / "meta" / "info.json"
    read = _rewriting(path, lambda: read_lerobot(material.lerobot))
    return _of_a_file(read, [path.read_bytes()])


def file_targets(folder: Path) -> dict[str, Callable[[], Target]]:
    """Those that rewrite a file, by name."""
    targets = {
        "who drove": _who_drove, "tracks": _tracks, "pilot.json": _pilots, "model.onnx": _graphs,
        "tubs": _tubs, "tub manifests": _manifests, "lerobot": _lerobot,
    }  # fmt: skip
    return {
        name: (lambda make=make, name=name: make(_made(folder / name)))  # type: ignore[misc]
        for name, make in targets.items()
    }


def _made(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
