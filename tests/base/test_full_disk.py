"""A disk that is full, or files that a system refuses: one error that says where, nothing lost."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from places import TESTS
from recordings import make_recording
from systems import posix
from trainings import short_training

from ghostlap.base.errors import CacheError, DaggerError, TrainingError
from ghostlap.base.files import UNFINISHED, explained, replacing
from ghostlap.commands.train import train
from ghostlap.data.frame_cache import FrameCache
from ghostlap.pilots.backend import keras
from ghostlap.pilots.keras_files import check_weights, write_keras
from ghostlap.training.config import TrainConfig
from ghostlap.training.fit import TrainResult

FULL = os.strerror(errno.EFBIG)
limits = posix("limits of a file's size")

CHILD = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))
sys.path.insert(0, {tests!r})
{work}
"""
"""What is larger than so many bytes cannot be written: to a program the same as a full disk."""


def in_child(work: str, most: int) -> subprocess.CompletedProcess[str]:
    code = CHILD.format(tests=str(TESTS), work=work, most=most)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@limits
def test_a_training_on_a_full_disk_ends_with_one_error_and_is_resumed_to_the_same(
    trained: TrainResult, small_recording: Path, cache_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    work = f"""
from pathlib import Path
from ghostlap.commands import cli
cli.main(["train", {str(small_recording)!r}, "--out", {str(out)!r}, "--cache",
    {str(cache_folder)!r}, "--epochs", "3", "--steps-per-epoch", "4", "--batch-size", "16",
    "--warmup-steps", "2"])
"""
    ended = in_child(work, 2_000_000)
    assert ended.returncode == 2, ended.stderr  # and no signal while Python exits
    assert "Traceback" not in ended.stderr
    (error,) = [line for line in ended.stderr.splitlines() if line.startswith("error:")]
    assert f"{out / 'checkpoint' / 'best.weights.h5'}: {FULL}" in error
    assert f"'ghostlap train --resume --out {out}' goes on from here" in error
    assert not [path for path in out.rglob("*") if path.name.startswith(UNFINISHED)]
    resumed = train(TrainConfig(out=out, cache=cache_folder, resume=True))
    assert resumed.val_loss == trained.val_loss
    assert (out / "history.csv").read_text() == (trained.out / "history.csv").read_text()


@limits
@pytest.mark.parametrize("name", ["n.h5", "n.weights.h5", "n.keras"])
def test_a_network_that_does_not_fit_leaves_what_was_there(name: str, tmp_path: Path) -> None:
    """HDF5 itself would end the process as it exits."""
    path = tmp_path / name
    path.write_text("before")
    work = f"""
from pathlib import Path
from ghostlap.pilots.backend import keras
from ghostlap.base.files import replacing
from ghostlap.pilots.keras_files import write_keras
network = keras.Sequential([keras.Input((1000,)), keras.layers.Dense(100)])
try:
    with replacing(Path({str(path)!r})) as temporary:
        write_keras(network.save_weights if "weights" in {name!r} else network.save, temporary)
except OSError as error:
    print(error.errno, error.filename)
"""
    ended = in_child(work, 100_000)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == [str(errno.EFBIG), str(path)]
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_written_through_memory_is_what_keras_reads(tmp_path: Path) -> None:
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="a")])
    for name in ("n.keras", "n.h5"):
        write_keras(network.save, tmp_path / name)
        again = keras.saving.load_model(tmp_path / name, compile=False)
        np.testing.assert_array_equal(again.get_weights()[0], network.get_weights()[0])
    write_keras(network.save_weights, tmp_path / "n.weights.h5")
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="a")])
    check_weights(other, tmp_path / "n.weights.h5")
    other.load_weights(tmp_path / "n.weights.h5")
    np.testing.assert_array_equal(other.get_weights()[0], network.get_weights()[0])


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as caught, replacing(tmp_path / "a.txt"):
        full()
    assert caught.value.filename == str(tmp_path / "a.txt")
    with (
        pytest.raises(DaggerError, match=r"a\.txt: No space left.*kept\. Make room there\. So\."),
        explained(DaggerError, "So."),
        replacing(tmp_path / "a.txt"),
    ):
        full()
    with pytest.raises(DaggerError, match="Permission denied"), explained(DaggerError, "So."):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_tensorflows_own_error_of_a_full_disk_is_one_of_the_system(
    small_recording: Path, cache_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object, **__: object) -> None:
        raise RuntimeError("{{function_node}} /x/events.v2; No space left on device [Op:Flush]")

    monkeypatch.setattr(keras.Model, "fit", cannot)
    config = short_training(small_recording, tmp_path / "r", cache_folder)
    with pytest.raises(TrainingError, match=r"r: No space left on device.*--resume --out"):
        train(config)


def test_a_cache_that_the_system_refuses_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = make_recording(tmp_path / "rec", rows=2)
    cache = FrameCache(tmp_path / "cache", (160, 320, 3))
    monkeypatch.setattr("shutil.disk_usage", full)
    pictures = [str(path) for path in (recording / "IMG").iterdir()]
    with pytest.raises(CacheError, match="No space left.*--cache DIR"):
        cache.locate(pictures)
