"""Donkeycar tubs read as recordings: deleted, corrupt and missing records, bad input."""

from __future__ import annotations

import io
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import draw_frame

from ghostlap.base.errors import DatasetError, GhostlapError, RecordingError
from ghostlap.commands.doctor import diagnose
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings import require_images
from ghostlap.data.recordings.tub import MAX_RECORD_BYTES
from ghostlap.data.vision.pictures import encode_jpeg
from ghostlap.training.config import TrainConfig
from ghostlap.training.data import prepare_data

START_MS = 1_614_115_101_134


def record(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "_index": number,
        "_session_id": "21-02-23_0",
        "_timestamp_ms": START_MS + 62 * number,
        "cam/image_array": f"{number}_cam_image_array_.jpg",
        "user/angle": round(math.sin(number / 5), 3),
        "user/mode": "user",
        "user/throttle": 0.5,
        **changes,
    }


def make_tub(
    folder: Path,
    lines: list[Any] | None = None,
    *,
    deleted: tuple[int, ...] = (),
    size_px: tuple[int, int] = (120, 160),
) -> Path:
    """Write a tub of format 2 with catalogs of ten lines; what is a dict becomes JSON."""
    lines = [record(number) for number in range(25)] if lines is None else lines
    (folder / "images").mkdir(parents=True)
    names = []
    for start in range(0, len(lines), 10):
        names.append(f"catalog_{start // 10}.catalog")
        texts = [
            json.dumps(line).encode() if isinstance(line, dict) else line
            for line in lines[start : start + 10]
        ]
        (folder / names[-1]).write_bytes(b"".join(text + b"\n" for text in texts))
    about = {"paths": names, "current_index": len(lines), "max_len": 10}
    manifest: list[Any] = [["cam/image_array"], ["image_array"], {}, {"created_at": 1.0}]
    manifest.append({**about, "deleted_indexes": list(deleted)})
    (folder / "manifest.json").write_text("".join(json.dumps(one) + "\n" for one in manifest))
    for line in lines:
        if isinstance(line, dict) and isinstance(line.get("cam/image_array"), str):
            frame = draw_frame(line["user/angle"])[: size_px[0], : size_px[1]]
            frame = np.pad(
                frame, [(0, n - m) for n, m in zip((*size_px, 3), frame.shape, strict=True)]
            )
            path = folder / "images" / Path(line["cam/image_array"]).name
            path.write_bytes(encode_jpeg(frame))
    return folder


def test_a_tub_is_a_recording_of_one_camera(tmp_path: Path) -> None:
    lines = [record(0, **{"user/throttle": -0.25}), record(1, **{"enc/speed": 2.0}), record(2)]
    recording = read_recording(make_tub(tmp_path / "tub", lines))
    frames = recording.frames
    assert list(frames["steering"]) == [line["user/angle"] for line in lines]
    assert list(frames["throttle"]) == [0.0, 0.5, 0.5]
    assert list(frames["brake"]) == [0.25, 0.0, 0.0]
    assert frames["speed_mph"].iloc[1] == pytest.approx(4.474, abs=1e-3)
    assert frames["speed_mph"].isna().tolist() == [True, False, True]
    assert (frames["left"] == "").all()
    assert Path(frames["center"].iloc[0]).name == "0_cam_image_array_.jpg"
    assert frames["time"].to_numpy().astype("datetime64[ms]").astype(int)[2] == START_MS + 124
    assert recording.counts == "record"
    require_images(recording)


def test_deleted_corrupt_and_pilot_records_are_left_out_and_noted(tmp_path: Path) -> None:
    lines: list[Any] = [record(number) for number in range(25)]
    lines[3] = b'{"_index": 3, "cam/image_ar'
    lines[12] = record(12, **{"user/mode": "local"})
    recording = read_recording(make_tub(tmp_path / "tub", lines, deleted=(5, 20)))
    assert len(recording.frames) == 21
    assert not {3, 5, 12, 20} & set(recording.lines.tolist())
    assert {(note.line, note.kind) for note in recording.notes} == {
        (3, "unreadable"), (5, "deleted"), (12, "pilot"), (20, "deleted"),
    }  # fmt: skip


def test_doctor_knows_tubs(tmp_path: Path) -> None:
    folder = make_tub(tmp_path / "tub", deleted=(1,))
    (folder / "images" / "7_cam_image_array_.jpg").unlink()
    diagnosis = diagnose(read_recording(folder))
    found = {finding.kind: finding for finding in diagnosis.findings}
    assert found["missing-images"].count == 1
    assert found["missing-images"].example.startswith("record 7")
    assert found["no-speed"].severity == "note"
    assert found["deleted"].count == 1
    assert diagnosis.good_rows.sum() == 23


def test_format_1(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text(json.dumps({"start": START_MS / 1000}))
    for number in (10, 9, 2):
        values = {
            "cam/image_array": f"{number}_cam-image_array_.jpg",
            "user/angle": number / 10,
            "user/throttle": 1,
            "milliseconds": number * 50,
        }
        (tmp_path / f"record_{number}.json").write_text(json.dumps(values))
        (tmp_path / f"{number}_cam-image_array_.jpg").write_bytes(encode_jpeg(draw_frame(0.0)))
    (tmp_path / "record_11.json").write_text("{")
    recording = read_recording(tmp_path)
    assert recording.lines.tolist() == [2, 9, 10]
    assert recording.frames["steering"].tolist() == [0.2, 0.9, 1.0]
    times_ms = recording.frames["time"].to_numpy().astype("datetime64[ms]").astype(int)
    assert times_ms.tolist() == [START_MS + 100, START_MS + 450, START_MS + 500]
    assert [note.line for note in recording.notes] == [11]
    require_images(recording)


@pytest.mark.parametrize("size_px", [(120, 160), (224, 224)])
def test_training_takes_the_same_share_of_rows(tmp_path: Path, size_px: tuple[int, int]) -> None:
    from rich.console import Console

    folder = make_tub(tmp_path / "tub", [record(n) for n in range(60)], size_px=size_px)
    config = TrainConfig(recordings=(folder,), out=tmp_path / "run", cache=tmp_path / "cache")
    told = io.StringIO()
    data = prepare_data(config, Console(file=told, width=500))
    assert "the same share as 60:135 of 160" in told.getvalue()
    assert data.preprocessing.frame_shape == (*size_px, 3)
    assert data.preprocessing.crop_top_px == size_px[0] * 60 // 160
    assert len(data.training) > 40
    assert len(data.validation) > 4


def test_speed_cannot_be_learned_where_there_is_none(tmp_path: Path) -> None:
    from rich.console import Console

    config = TrainConfig(
        recordings=(make_tub(tmp_path / "tub"),), out=tmp_path / "run", speed=True,
        cache=tmp_path / "cache",
    )  # fmt: skip
    with pytest.raises(DatasetError, match="has a speed to learn"):
        prepare_data(config, Console(quiet=True))


@pytest.mark.parametrize("name", ["../../secret.jpg", "/etc/secret.jpg", "C:\\x\\secret.jpg"])
def test_images_outside_are_never_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.jpg").write_bytes(encode_jpeg(draw_frame(0.0)))
    folder = make_tub(tmp_path / "a" / "tub", [record(0)])
    lines = [record(0), record(1, **{"cam/image_array": name})]
    (folder / "catalog_0.catalog").write_text("".join(json.dumps(x) + "\n" for x in lines))
    paths = read_recording(folder).frames["center"]
    assert paths.iloc[1] == str(folder / "images" / "secret.jpg")


@pytest.mark.parametrize("name", ["..", "", "a\0b.jpg", "\ud800.jpg", "x" * 300, 7, None, ["a"]])
def test_names_that_are_no_file_are_left_out(tmp_path: Path, name: Any) -> None:
    folder = make_tub(tmp_path / "tub", [record(0)])
    lines = [record(0), record(1, **{"cam/image_array": name})]
    (folder / "catalog_0.catalog").write_text("".join(json.dumps(x) + "\n" for x in lines))
    recording = read_recording(folder)
    assert len(recording.frames) == 1
    assert recording.notes[0].kind == "unreadable"


def test_a_catalog_outside_is_not_read(tmp_path: Path) -> None:
    folder = make_tub(tmp_path / "a" / "tub", [record(0)])
    (tmp_path / "catalog_7.catalog").write_text(json.dumps(record(1)) + "\n")
    manifest = (folder / "manifest.json").read_text()
    changed = manifest.replace(
        '"catalog_0.catalog"', '"catalog_0.catalog", "../../catalog_7.catalog"'
    )
    assert changed != manifest
    (folder / "manifest.json").write_text(changed)
    recording = read_recording(folder)
    assert len(recording.frames) == 1
    assert "missing" in recording.notes[0].message


def test_a_broken_manifest_brings_deleted_records_back_and_says_so(tmp_path: Path) -> None:
    folder = make_tub(tmp_path / "tub", deleted=(1, 2))
    (folder / "manifest.json").write_bytes(b"\0\0\0")
    recording = read_recording(folder)
    assert len(recording.frames) == 25
    assert "deleted records come back" in recording.notes[0].message


def test_clear_errors(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "manifest.json").write_text('{"manifest_version": 3}')
    with pytest.raises(RecordingError, match="no donkeycar tub"):
        read_recording(other)
    folder = make_tub(tmp_path / "tub", [b"x" * (MAX_RECORD_BYTES + 1)])
    with pytest.raises(RecordingError, match=r"line 1: a record may have at most \d+ bytes"):
        read_recording(folder)
    with pytest.raises(RecordingError, match="no record of this tub can be used"):
        read_recording(make_tub(tmp_path / "empty", [b"[" * 100_000]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=4,
)
KEYS = ["cam/image_array", "user/angle", "user/throttle", "user/mode", "_timestamp_ms", "enc/speed"]


@given(
    lines=st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.dictionaries(st.sampled_from(KEYS), JSON).map(lambda one: json.dumps(one).encode()),
            st.integers(0, 9).map(lambda number: json.dumps(record(number)).encode()),
            st.tuples(st.integers(0, 9), st.integers(0, 200)).map(
                lambda cut: json.dumps(record(cut[0])).encode()[: cut[1]]
            ),
        ),
        max_size=6,
    ),
    manifest=st.one_of(
        st.none(), st.binary(max_size=80), JSON.map(lambda x: json.dumps(x).encode())
    ),
)
def test_any_catalog_is_read_or_refused_clearly(lines: list[bytes], manifest: bytes | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "images").mkdir()
        (folder / "catalog_0.catalog").write_bytes(b"\n".join(lines))
        if manifest is not None:
            (folder / "manifest.json").write_bytes(manifest)
        try:
            recording = read_recording(folder)
        except GhostlapError:
            return
        frames = recording.frames
        assert 0 < len(frames) == len(recording.lines)
        assert {str(Path(path).parent) for path in frames["center"]} == {str(folder / "images")}
        assert not (frames[["throttle", "brake"]] < 0).to_numpy().any()


def test_the_real_tub(shared_data: Path) -> None:
    folder = shared_data / "donkey-tub-v2"
    if not folder.is_dir():
        pytest.skip(f"no donkeycar tub in {folder}")
    recording = read_recording(folder)
    assert len(recording.frames) == 2020
    assert recording.notes == ()
    there = [Path(path).is_file() for path in recording.frames["center"]]
    assert sum(there) == 815
