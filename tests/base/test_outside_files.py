"""Files from outside: what is none is not opened, what is too large not read, the rest is said."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import make_recording
from rich.console import Console
from small_pilot import make_pilot
from systems import posix

from ghostlap.base.errors import GhostlapError
from ghostlap.base.files import open_file, read_file, read_json
from ghostlap.commands.convert import convert
from ghostlap.data.formats.config import ConvertConfig
from ghostlap.data.formats.lerobot_reading import read_lerobot
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.formats.table import read_table
from ghostlap.data.provenance import fingerprint
from ghostlap.data.recordings.columns import choice_of
from ghostlap.data.recordings.driving_log import read_log
from ghostlap.data.recordings.tables_beside import read_who_drove
from ghostlap.data.vision.augmentation import parse_augmentation
from ghostlap.driving.evaluation.results import read_drive
from ghostlap.pilots.keras_import.model_file import read_model_file
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.saliency import Saliency
from ghostlap.reports.report import curves, recorded
from ghostlap.reports.report.config import ReportConfig
from ghostlap.sim.track.track_file import track_from_csv
from ghostlap.training.config import TrainConfig
from ghostlap.training.run_folder import check_run_folder

QUIET = Console(quiet=True)
special_files = posix("FIFOs, sockets and devices among the files")


@special_files
def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "endless").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(tmp_path)  # the name of a socket may have a hundred characters
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)
        for name, kind in (
            ("fifo", "a FIFO"), ("endless", "a device"), ("folder", "a folder"),
            ("socket", "a socket"),
        ):  # fmt: skip
            with pytest.raises(OSError, match=f"must be a file, and is {kind}"):
                open_file(tmp_path / name)
    (tmp_path / "file").write_bytes(b"there")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "link", 5) == b"there"
    with pytest.raises(OSError, match="may have at most 4 bytes, and has 5"):
        read_file(tmp_path / "link", 4)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[" * 100_000, "nested more than 32 deep"), ("[" * 40 + "]" * 40, "nested more than 32"),
        ('{"a": NaN}', "not JSON compliant"), ("[-Infinity]", "not JSON compliant"),
        ("[1e999]", "not JSON compliant"), ("[1" + "0" * 30 + "]", "whole number of 9e\\+18"),
        ("[" + "9" * 5000 + "]", "integer string conversion"), ('["\\ud800"]', "surrogates"),
        ("", "Expecting value"), ("{", "Expecting property name"), ("\xff", "can't decode"),
    ],
)  # fmt: skip
def test_json_that_ghostlap_never_writes_is_refused(text: str, match: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=match):
        read_json(path)


def test_json_that_ghostlap_writes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    values = {"a": [1, -2.5e-7, True, None, "ä"], "b": {"c": [[[]]]}}
    path.write_text(json.dumps(values))
    assert read_json(path) == values


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "log": ("driving_log.csv", read_log),
    "who drove": ("who_drove.csv", lambda path: read_who_drove(path.parent)),
    "tub": ("manifest.json", lambda path: read_recording(path.parent)),
    "catalog": ("catalog_0.catalog", lambda path: read_recording(path.parent)),
    "record": ("record_0.json", lambda path: read_recording(path.parent)),
    "table": ("a.csv", lambda path: read_table(
        path, choice_of(["center=1", "steering=2"]))),
    "track": ("a.csv", track_from_csv),
    "LeRobot": ("meta/info.json", lambda path: read_lerobot(path.parent.parent)),
    "h5": ("model.h5", read_model_file),
    "keras": ("model.keras", read_model_file),
    "json": ("model.json", lambda path: read_model_file(path, path)),
    "drive": ("drive.csv", read_drive),
    "augmentation": ("a.json", lambda path: parse_augmentation(str(path))),
    "pilot.json": ("pilot.json", lambda path: Pilot.load(path.parent)),
    "model.onnx": ("model.onnx", lambda path: Pilot.load(path.parent)),
    "saliency.onnx": ("saliency.onnx", lambda path: Saliency.load(path.parent)),
}  # fmt: skip


@special_files
@pytest.mark.parametrize("reader", READERS)
def test_no_reader_opens_what_is_no_file(reader: str, tmp_path: Path) -> None:
    """A device that is empty, so that a reader that opens it does not wait here for ever."""
    name, read = READERS[reader]
    if name.startswith(("pilot", "model.onnx", "saliency")):
        make_pilot(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/null")
    with pytest.raises(GhostlapError) as told:
        read(path)
    words = str(told.value)
    assert "must be a file, and is a device" in words or " no " in words


# Datasets of LeRobot, damaged in every way.


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lerobot")
    convert(ConvertConfig(make_recording(folder / "rec", rows=6), "lerobot", folder / "lr"), QUIET)
    return folder / "lr"


def read_whole(folder: Path) -> int:
    """How many moments were read; only errors of ours may come."""
    try:
        return sum(1 for _ in read_lerobot(folder).moments)
    except GhostlapError:
        return 0


ODD: Any = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.just([]), st.just({}), st.just([[1]]), st.just({"names": 3}), st.just("\ud800"),
    st.just(10**400),
)  # fmt: skip


def paths_in(values: Any) -> list[tuple[Any, Any]]:
    """Every place in JSON: its container and its key."""
    items = (
        list(values.items()) if isinstance(values, dict)
        else list(enumerate(values)) if isinstance(values, list) else []
    )  # fmt: skip
    return [place for key, one in items for place in ((values, key), *paths_in(one))]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_odd_values_in_a_dataset_are_said(dataset: Path, data: st.DataObject) -> None:
    path = dataset / "meta/info.json"
    whole = path.read_text()
    try:
        values = json.loads(whole)
        for _ in range(data.draw(st.integers(1, 3))):
            places = paths_in(values)
            container, key = places[data.draw(st.integers(0, len(places) - 1))]
            container[key] = copy.deepcopy(data.draw(ODD))
        path.write_text(json.dumps(values))
        read_whole(dataset)
    finally:
        path.write_text(whole)
    assert read_whole(dataset) == 6


@pytest.mark.parametrize("ending", ["parquet", "mp4", "json"])
def test_damaged_files_of_a_dataset_are_said(ending: str, dataset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "lr"
    rng = random.Random(ending)
    files = [path for path in sorted(dataset.rglob(f"*.{ending}")) if "stats" not in path.name]
    for _ in range(40):
        shutil.copytree(dataset, folder, dirs_exist_ok=True)
        path = folder / rng.choice(files).relative_to(dataset)
        content = bytearray(path.read_bytes())
        for _ in range(rng.randrange(1, 9)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(bytes(content[: rng.choice([len(content), rng.randrange(len(content))])]))
        read_whole(folder)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("episode_index", ["a"]), ("episode_index", [None]), ("episode_index", [2.5]),
        ("data/chunk_index", [True]), ("data/file_index", [10**12]), ("data/chunk_index", [-1]),
        ("videos/observation.images.center/from_timestamp", [None]),
        ("videos/observation.images.center/from_timestamp", [float("nan")]),
        ("videos/observation.images.center/from_timestamp", [1e300]),
        ("videos/observation.images.center/from_timestamp", [[1.0]]),
    ],
)  # fmt: skip
def test_odd_columns_of_a_dataset_are_said(
    name: str, values: list[Any], dataset: Path, tmp_path: Path
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    shutil.copytree(dataset, tmp_path / "lr")
    (path,) = (tmp_path / "lr/meta/episodes").rglob("*.parquet")
    episodes = pq.read_table(path, partitioning=None)
    at = episodes.schema.get_field_index(name)
    pq.write_table(episodes.set_column(at, name, pa.array(values)), path)
    with pytest.raises(GhostlapError, match="lr"):
        list(read_lerobot(tmp_path / "lr").moments)


def test_a_list_of_other_files_is_no_video(dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(dataset, tmp_path / "lr")
    (path,) = (tmp_path / "lr").rglob("observation.images.center/*/*.mp4")
    path.rename(tmp_path / "real.mp4")
    path.write_text(f"ffconcat version 1.0\nfile {tmp_path / 'real.mp4'}\n")
    with pytest.raises(GhostlapError, match="the video cannot be read"):
        list(read_lerobot(tmp_path / "lr").moments)


# Tubs.


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400), st.sampled_from(["manifest", "catalog"]))
def test_a_damaged_tub_is_said(tub: Path, junk: bytes, place: int, which: str) -> None:
    path = tub / {"manifest": "manifest.json", "catalog": "catalog_0.catalog"}[which]
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:place] + junk + whole[place + len(junk) :])
        read_recording(tub)
    except GhostlapError:
        pass
    finally:
        path.write_bytes(whole)


@pytest.fixture(scope="module")
def tub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tubs")
    convert(ConvertConfig(make_recording(folder / "rec", rows=6), "tub", folder / "tub"), QUIET)
    return folder / "tub"


# What pilot.json says of a training.


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_odd_values_of_a_training_are_said(small_recording: Path, data: st.DataObject) -> None:
    """As a report reads them, which draws the split of the training again."""
    seen = fingerprint([read_recording(small_recording)])
    told = {
        **TrainConfig((small_recording,), bins=5).to_json(),
        "recordings_seen": seen, "training_samples": 9, "validation_samples": 3, "epochs": 2,
    }  # fmt: skip
    for _ in range(data.draw(st.integers(1, 3))):
        places = paths_in(told)
        container, key = places[data.draw(st.integers(0, len(places) - 1))]
        container[key] = copy.deepcopy(data.draw(ODD))
    told = json.loads(json.dumps(told))
    pilot = cast(Pilot, SimpleNamespace(description={"training": told}, outputs=("steering",)))
    config = ReportConfig(Path("run"))
    recorded.section(config, recorded.find_recorded(config, pilot))
    curves.section(Path("nowhere"), told)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bins", 2.5), ("bins", 10**9), ("validation", "0.2"), ("cameras", "center"),
        ("cameras", ["top"]), ("seed", 1e300), ("steering_correction", 1e300), ("model", 3),
        ("speed", 1), ("recordings", [3]), ("cap", "many"), ("select_by", "luck"),
        ("preprocessing", [1]), ("out", 7),
    ],
)  # fmt: skip
def test_a_training_with_a_value_of_another_type_is_not_gone_on_with(
    name: str, value: Any, tmp_path: Path
) -> None:
    make_pilot(tmp_path)
    (tmp_path / "pilot.json").unlink()
    saved = {**TrainConfig((tmp_path,), out=tmp_path).to_json(), name: value}
    (tmp_path / "config.json").write_text(json.dumps(saved))
    with pytest.raises(GhostlapError, match=name.replace("_", "[_-]")):
        check_run_folder(TrainConfig(out=tmp_path, resume=True))
