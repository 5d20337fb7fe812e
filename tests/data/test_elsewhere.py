"""Recordings whose pictures are packed, or lie at an address: the same to every command."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs
from recordings import make_recording

from ghostlap.base import remote
from ghostlap.base.addresses import address_of, here_of, is_address
from ghostlap.base.errors import ExchangeError, ImageError, RecordingError
from ghostlap.commands.convert import convert
from ghostlap.commands.doctor import DoctorConfig, doctor
from ghostlap.commands.edit import EditConfig, edit
from ghostlap.commands.explore import explore
from ghostlap.commands.train import train
from ghostlap.data.formats.config import ConvertConfig
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings import CAMERAS
from ghostlap.data.vision.pictures import read_picture
from ghostlap.data.vision.shards import INDEX, is_picture
from ghostlap.pilots.backend import keras
from ghostlap.reports.explore.config import ExploreConfig
from ghostlap.training.config import TrainConfig

ROWS = 24


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("here") / "rec", rows=ROWS)


@pytest.fixture(scope="module")
def packed(recording: Path) -> Path:
    """In shards of some ten pictures each."""
    out = recording.parent / "packed"
    convert(ConvertConfig(recording, out=out, shards="60kB"))
    return out


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def cache(own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache, beside a store that holds what this disk holds."""

    def opened(address: str) -> tuple[fs.FileSystem, str]:
        root = Path(tmp_path.anchor).as_posix()
        return fs.LocalFileSystem(), root + address.removeprefix("s3://")

    monkeypatch.setattr(remote, "_opened", opened)
    return own_cache


def pictures_of(path: Path | str) -> list[bytes]:
    frames = read_recording(path).frames
    return [read_picture(name) for camera in CAMERAS for name in frames[camera]]


def at(folder: Path) -> Path:
    """The address of a folder in the store, as the command line makes a path of it."""
    return Path(f"s3://{folder.relative_to(folder.anchor).as_posix()}")


def test_packed_pictures_are_the_same_bytes(recording: Path, packed: Path) -> None:
    assert pictures_of(packed) == pictures_of(recording)
    shards = sorted(path.name for path in (packed / "IMG").iterdir() if path.suffix == ".tar")
    assert len(shards) > 3
    assert sorted(path.name for path in (packed / "IMG").iterdir()) == [*shards, INDEX]
    with tarfile.open(packed / "IMG" / shards[0]) as tar:  # as anything that reads tar files does
        first = tar.getmembers()[0]
        assert tar.extractfile(first).read() == read_picture(packed / "IMG" / first.name)  # type: ignore[union-attr]


def test_packing_again_gives_the_same_bytes(recording: Path, packed: Path, tmp_path: Path) -> None:
    convert(ConvertConfig(recording, out=tmp_path / "again", shards="60kB"))
    for path in (packed / "IMG").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / "IMG" / path.name).read_bytes()


def test_packed_pictures_are_unpacked_checked_and_edited(
    recording: Path, packed: Path, tmp_path: Path
) -> None:
    convert(ConvertConfig(packed, out=tmp_path / "back"))
    assert pictures_of(tmp_path / "back") == pictures_of(recording)
    assert doctor(DoctorConfig((packed,)))["errors"] == 0
    edit(EditConfig(packed, out=tmp_path / "cut", drop=("0:4",)))
    assert len(pictures_of(tmp_path / "cut")) == len(CAMERAS) * (ROWS - 4)


@pytest.mark.parametrize("kind", ["recording", "packed"])
def test_a_recording_at_an_address_is_the_same(
    kind: str, request: pytest.FixtureRequest, cache: Path
) -> None:
    folder: Path = request.getfixturevalue(kind)
    there, here = read_recording(at(folder)), read_recording(folder)
    numbers = here.frames.columns[3:]
    assert there.frames[numbers].equals(here.frames[numbers])
    assert pictures_of(at(folder)) == pictures_of(folder)
    assert there.folder == at(folder)
    copied = [path for path in (cache / "remote").rglob("*") if path.is_file()]
    assert not [path for path in copied if path.suffix in (".jpg", ".tar")]  # these stay there
    assert pictures_of(at(folder / "driving_log.csv")) == pictures_of(folder)


def test_a_log_that_changes_is_copied_anew(recording: Path, tmp_path: Path, cache: Path) -> None:
    changing = shutil.copytree(recording, tmp_path / "rec")
    assert len(read_recording(at(changing)).frames) == ROWS
    log = changing / "driving_log.csv"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-4]))
    assert len(read_recording(at(changing)).frames) == ROWS - 4


def test_training_and_exploring_do_not_care_where_pictures_are(
    recording: Path, packed: Path, tmp_path: Path, cache: Path
) -> None:
    """The same batches, hence the same network, from files and from afar with no cache."""
    weights = []
    for name, folder, limit in (("a", recording, "20GB"), ("b", at(packed), "1MB")):
        run = tmp_path / name
        train(TrainConfig(
            (folder,), out=run, model="pilotnet_small", epochs=1, steps_per_epoch=3, batch_size=8,
            warmup_steps=0, cache=tmp_path / f"cache-{name}", cache_limit=limit,
        ))  # fmt: skip
        weights.append(keras.saving.load_model(run / "model.keras", compile=False).get_weights())
        kept = sum(path.stat().st_size for path in (tmp_path / f"cache-{name}").glob("*.pixels"))
        assert kept <= 1_000_000 or name == "a"
    for one, other in zip(*weights, strict=True):
        assert np.array_equal(one, other)
    facts = explore(ExploreConfig((at(packed),), out=tmp_path / "page"))
    assert facts["recordings"][0]["missing_pictures"] == 0


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://bucket?x=%%%/rec", r"s3://bucket\?x=%%%/rec: cannot be read"),
        ("hdfs://127.0.0.1:1/rec", "hdfs://127.0.0.1:1/rec: cannot be read"),
        ("file:///nowhere/at/all", "nowhere.*: no such folder"),
    ],
)
def test_an_address_without_a_recording(address: str, said: str) -> None:
    with pytest.raises(RecordingError, match=said):
        read_recording(Path(address))


def test_what_is_not_there(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordingError, match=r"no driving_log.csv in it"):
        read_recording(at(tmp_path / "empty"))
    with pytest.raises(RecordingError, match=r"^s3://.*/none: nothing is there"):
        read_recording(at(tmp_path / "none"))


def test_a_table_that_is_taken_away_is_no_longer_here(
    recording: Path, tmp_path: Path, cache: Path
) -> None:
    folder = shutil.copytree(recording, tmp_path / "rec")
    (folder / "who_drove.csv").write_text("center,driver\n")
    read_recording(at(folder))
    copy = next(cache.rglob("who_drove.csv"))
    (folder / "who_drove.csv").unlink()
    assert len(read_recording(at(folder)).frames) == ROWS
    assert not copy.exists()


@pytest.mark.parametrize("name", ["../../evil.csv", "..", "meta/../../../evil.csv"])
def test_names_in_a_store_lead_nowhere_else(
    name: str, recording: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store's names may hold anything; a disk's may not."""
    written: list[Path] = []
    monkeypatch.setattr(remote, "_copy", lambda _, __, target: written.append(target))
    monkeypatch.setattr(
        remote, "_to_copy", lambda _, there: [SimpleNamespace(path=f"{there}/{name}")]
    )
    with pytest.raises(RecordingError, match=r"cannot be read \(a file there is called"):
        read_recording(at(recording))
    assert not written


def test_what_is_here_is_read_here(recording: Path, tmp_path: Path) -> None:
    """With file:// before it, or without."""
    address = f"file:///{recording.as_posix().lstrip('/')}"
    assert here_of(address) == here_of(Path(address)) == here_of(recording) == recording
    assert read_recording(Path(address)).folder == recording
    config = TrainConfig(address, out=tmp_path)  # type: ignore[arg-type]
    assert config.recordings == (recording,)
    assert config.to_json()["recordings"] == [str(recording)]
    assert TrainConfig(("s3://laps/a",)).to_json()["recordings"] == ["s3://laps/a"]  # type: ignore[arg-type]


@pytest.mark.parametrize("index", [
    "", "name\nx", "name,shard,offset,bytes\na,0,0", "name,shard,offset,bytes\na.jpg,x,0,1",
    "name,shard,offset,bytes\na.jpg,0,-5,9", "name,shard,offset,bytes\na.jpg,0,512,999999999999",
    "name,shard,offset,bytes\na.jpg,7,512,10", "name,shard,offset,bytes\na.jpg,0,99999999,10",
    "name,shard,offset,bytes\na.jpg,0,99999999999999999999999,10",
])  # fmt: skip
def test_a_spoilt_index_is_said(index: str, tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text(index)
    with tarfile.open(tmp_path / "shard-00000.tar", "w"):
        pass
    with pytest.raises(ImageError, match=r"a\.jpg: (the picture cannot be read|no such picture)"):
        read_picture(tmp_path / "a.jpg")


@pytest.mark.parametrize("size", ["", "256", "0MB", "x", "-1GB", "1.5.5MB"])
def test_a_size_that_is_none(size: str, tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match="must be a size such as 256MB"):
        ConvertConfig(tmp_path, shards=size)


def test_shards_are_of_recordings_alone(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match="--shards is for --as udacity. Got --as tub"):
        ConvertConfig(tmp_path, to="tub", shards="1MB")


@given(st.sampled_from(["s3", "gs", "gcs", "abfs", "abfss", "hdfs"]),
       st.lists(st.text("abcXYZ019.-_ é", min_size=1).filter(lambda part: part.strip("."))
                , min_size=1, max_size=4))  # fmt: skip
def test_an_address_survives_being_a_path(kind: str, parts: list[str]) -> None:
    address = f"{kind}://{'/'.join(parts)}"
    assert is_address(Path(address))
    assert address_of(Path(address)) == address


def test_what_is_no_address() -> None:
    for name in (
        "rec",
        "/rec",
        "C:\\rec",
        "C:/rec",
        "s3",
        "s3:rec",
        "http://host/rec",
        "x:y/z",
        "file:///rec",
    ):
        assert not is_address(name)


def test_a_picture_is_looked_for_below_its_folder_alone(
    recording: Path, tmp_path: Path, cache: Path
) -> None:
    """A mirror's paths lead to what is below its address, and nowhere else."""
    folder = shutil.copytree(recording, tmp_path / "there" / "rec")
    (tmp_path / "there" / "secret.jpg").write_bytes(b"secret")
    center = read_recording(at(folder)).frames["center"][0]
    mirror = Path(center).parents[1]
    assert is_picture(center)
    assert not is_picture(mirror / ".." / "secret.jpg")
    with pytest.raises(ImageError, match="no such picture"):
        read_picture(mirror / "IMG" / ".." / ".." / "secret.jpg")


def test_frames_far_away_are_those_here(recording: Path, cache: Path) -> None:
    here, there = read_recording(recording).frames, read_recording(at(recording)).frames
    for one, other in zip(here["center"], there["center"], strict=True):
        assert Path(one).name == Path(other).name
        assert not Path(other).exists()
    assert np.array_equal(here["steering"], there["steering"])


@pytest.mark.slow
def test_a_recording_in_an_object_store(
    recording: Path, packed: Path, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moto's server speaks S3; it has an environment of its own."""
    with object_store(tmp_path / "venv", monkeypatch) as store:
        for folder in (recording, packed):
            fs.copy_files(str(folder), f"laps/{folder.name}", destination_filesystem=store)
            assert pictures_of(Path(f"s3://laps/{folder.name}")) == pictures_of(folder)
        for name in ("s3://laps/none", "s3://none/rec"):
            with pytest.raises(RecordingError, match=f"{name}: nothing is there"):
                read_recording(Path(name))
    remote._opened.cache_clear()
    with pytest.raises(RecordingError, match="cannot be read .* Credentials are those"):
        read_recording(Path("s3://laps/rec"))  # nobody listens any more


@contextlib.contextmanager
def object_store(venv: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[fs.FileSystem]:
    """A store with a bucket "laps", as every process finds it by its environment."""
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    python = venv / ("Scripts" if os.name == "nt" else "bin") / "python"
    needed = ["moto[s3]>=5", "flask", "flask-cors"]
    if subprocess.run([python, "-m", "pip", "install", "-q", *needed], check=False).returncode:
        pytest.skip("moto cannot be installed here")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    for name, value in (
        ("AWS_ENDPOINT_URL", address), ("AWS_ACCESS_KEY_ID", "me"),
        ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_DEFAULT_REGION", "us-east-1"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    server = subprocess.Popen(
        [python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        store = fs.S3FileSystem(endpoint_override=address, allow_bucket_creation=True)
        store.create_dir("laps")
        yield store
    finally:
        server.kill()
        server.wait()
