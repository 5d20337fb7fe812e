"""Whole commands on hosts that share neither network, /tmp nor /dev/shm with the driver."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from clusters import content_of
from drives import TINY, make_pilot, write_track
from hosts import hosts_of, need_hosts

from ghostlap.base.engine.processes import python
from ghostlap.training.fit import TrainResult

pytestmark = pytest.mark.slow

TRACKS = 20


@dataclasses.dataclass(frozen=True)
class Work:
    """A command that repeats work."""

    options: list[str]
    folder: str
    """What it leaves, relative to where it is called."""
    finished: str
    """Pattern of a file that each finished task leaves there."""


def make_inputs(folder: Path, recording: Path, trained: Path) -> None:
    """A place to call commands in: the same names everywhere, for the same bytes."""
    folder.mkdir()
    make_pilot(folder / "run", steering=0.1)
    shutil.copytree(trained, folder / "trained")
    shutil.copytree(recording, folder / "rec")
    for number in range(TRACKS):
        write_track(folder / f"oval-{number}.csv", half_length_m=40.0 + number / 2)


SIZE = ["--size", str(TINY.frame_width_px), str(TINY.frame_height_px)]
WORKS = {
    "evaluate": Work(
        ["evaluate", "run", "--track", "oval-0.csv", "--seeds", "50", "--seconds", "4", *SIZE,
         "--speed-limit", "25", "--conditions", "fixed", "--name", "there"],
        "run/evaluate/there", "drives/*.csv",
    ),
    "record": Work(
        ["record", *(word for n in range(TRACKS) for word in ("--track", f"oval-{n}.csv")),
         "--laps", "1", "--size", "64", "32", "--rate-hz", "2", "--out", "recorded"],
        "recorded", "parts/*[0-9].log.csv",
    ),
    "search": Work(
        ["search", "rec", "--trials", "12", "--at-once", "3", "--set", "epochs=1",
         "--space", "learning_rate=1e-4..1e-2:log", "--space", "steps_per_epoch=2..3",
         "--out", "found"],
        "found", "trial-*/pilot.json",
    ),
    "dagger": Work(
        ["dagger", "trained", "--track", "oval-0.csv", "--iterations", "1", "--laps", "10",
         "--metres", "30", "--seeds", "2", "--epochs", "1", "--speed-limit", "25", "--no-control"],
        "trained/dagger", "iteration-01/recordings/*/driving_log.csv",
    ),
}  # fmt: skip


@pytest.fixture
def place(
    small_recording: Path, trained: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Path]:
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path / "cache"))

    def make(name: str) -> Path:
        make_inputs(tmp_path / name, small_recording, trained.out)
        return tmp_path / name

    return make


def command(work: Work, *options: str) -> list[str]:
    """As it is typed, but that a search has no processes of its own to choose."""
    if work.options[0] == "search" and options[0] == "--processes":
        options = options[2:]
    return python("-m", "ghostlap", *work.options, *options)


@pytest.mark.parametrize("name", WORKS)
def test_hosts_come_to_the_same_bytes(
    name: str, place: Callable[[str], Path], tmp_path: Path
) -> None:
    need_hosts()
    work = WORKS[name]
    with hosts_of(tmp_path / "hosts", 3) as hosts:
        there = place("there")
        subprocess.run(command(work, "--cluster", hosts.address), cwd=there, check=True)
    here = place("here")
    subprocess.run(command(work, "--processes", "1"), cwd=here, check=True)
    assert_same(here, there)


@pytest.mark.parametrize("name", WORKS)
def test_hosts_that_die_and_join_and_a_driver_killed(
    name: str, place: Callable[[str], Path], tmp_path: Path
) -> None:
    """A host killed, another that comes late, then the driver: finished here, to the same bytes."""
    need_hosts()
    work = WORKS[name]
    there, here = place("there"), place("here")
    with hosts_of(tmp_path / "hosts", 2) as hosts:
        driver = subprocess.Popen(command(work, "--cluster", hosts.address), cwd=there)

        def wait_for(count: int) -> list[Path]:
            while len(found := list((there / work.folder).glob(work.finished))) < count:
                assert driver.poll() is None
                time.sleep(0.1)
            return found

        wait_for(1)
        hosts.kill(hosts.hosts[0])
        late = hosts.add()
        already = len(wait_for(1))
        hosts.kill(hosts.hosts[0])  # the late one alone goes on
        assert hosts.hosts == [late]
        wait_for(already + 2)
        driver.kill()
        driver.wait()
    finished = {path: path.stat().st_mtime_ns for path in (there / work.folder).glob(work.finished)}
    subprocess.run(command(work, "--resume", "--processes", "1"), cwd=there, check=True)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    subprocess.run(command(work, "--processes", "1"), cwd=here, check=True)
    assert_same(here, there)


def finished_files(folder: Path, work: Work) -> list[Path]:
    """What nobody may write again: of a recording the pictures that a finished part names."""
    found = list(folder.glob(work.finished))
    if work.options[0] != "record":
        return found
    rows = [row for part in found for row in part.read_text("utf-8").splitlines()]
    return [folder / row.split(",")[0] for row in rows]


def assert_same(here: Path, there: Path) -> None:
    """All files of two folders are the same, times and places aside."""
    ours, theirs = content_of(here), content_of(there)
    assert ours.keys() == theirs.keys()
    assert not [name for name in ours if ours[name] != theirs[name]]
