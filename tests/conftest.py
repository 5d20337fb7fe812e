"""Fixtures that several tests share."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import psutil
import pytest
from places import SHARED
from recordings import make_recording
from systems import link_or_skip
from trainings import short_training

from ghostlap.commands.train import train
from ghostlap.training.fit import TrainResult

# A shell that runs tests in the background lets them, and all that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):  # and nohup, to ignore this one
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# No test watches the clock: on a loaded machine any example may take long.
hypothesis.settings.register_profile("unhurried", deadline=None)
# What `make test` says of a change must not depend on luck; `make test-all` tries new examples.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("unhurried")

if os.name == "nt":
    Path.symlink_to = link_or_skip  # type: ignore[method-assign, assignment]

_SHARED_DATA = SHARED / "data"


_SLOW_TEST_S = 1800


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A slow test may take longer than the others before it counts as waiting for ever."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(_SLOW_TEST_S))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real recordings, ``shared/data`` beside the repository."""
    if not (_SHARED_DATA / "udacity-track1" / "driving_log.csv").is_file():
        pytest.skip(f"no real recordings in {_SHARED_DATA}: put udacity-track1 there to test on it")
    return _SHARED_DATA


@pytest.fixture(scope="session")
def small_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a recording of 120 moments; not to be changed."""
    return make_recording(tmp_path_factory.mktemp("small") / "rec", rows=120)


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all tests that train keep decoded frames."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def trained(
    small_recording: Path, cache_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> TrainResult:
    """A training of three short epochs, unbroken; its run folder is not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "a"
    return train(short_training(small_recording, out, cache_folder))


@pytest.fixture
def open_files_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, what this process has open or mapped is neither replaced, renamed nor removed,
    and what it has mapped not cut off.

    Elsewhere than on Linux it changes nothing.
    """
    if sys.platform != "linux":
        return
    this = psutil.Process()

    def refusing(function: Callable[..., None]) -> Callable[..., None]:
        def call(*paths: Any, **options: Any) -> None:
            held = {one.path for one in [*this.open_files(), *this.memory_maps()]}
            for path in paths:
                if os.path.realpath(path) in held:
                    raise PermissionError(errno.EACCES, "Sharing violation", str(path))
            function(*paths, **options)

        return call

    def cut(file: int, size: int) -> None:
        if os.readlink(f"/proc/self/fd/{file}") in {held.path for held in this.memory_maps()}:
            raise OSError(errno.EINVAL, "Invalid argument")
        ftruncate(file, size)

    ftruncate = os.ftruncate
    monkeypatch.setattr(os, "ftruncate", cut)
    for name in ("replace", "rename", "unlink", "remove"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
