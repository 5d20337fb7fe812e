"""Every command that writes a folder or a file: a second one there is refused before it began."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recordings import make_recording
from rich.console import Console
from small_pilot import make_pilot

from ghostlap.base.errors import GhostlapError
from ghostlap.base.folder_lock import FolderLock
from ghostlap.cockpit.cutting import cut
from ghostlap.cockpit.library import Library
from ghostlap.commands.convert import convert
from ghostlap.commands.demo.command import demo
from ghostlap.commands.demo.config import DemoConfig
from ghostlap.commands.doctor import DoctorConfig, doctor
from ghostlap.commands.evaluate import evaluate
from ghostlap.commands.explain import explain
from ghostlap.commands.explore import explore
from ghostlap.commands.export import export
from ghostlap.commands.record import record
from ghostlap.commands.report import report
from ghostlap.commands.search import search
from ghostlap.commands.train import train
from ghostlap.commands.video import video
from ghostlap.data.formats.config import ConvertConfig
from ghostlap.data.recordings.recorder import Recorder
from ghostlap.driving.expert_recording.config import RecordConfig
from ghostlap.driving.rollout.config import EvaluateConfig
from ghostlap.driving.server.drive_recorder import Recordings
from ghostlap.pilots.export.config import ExportConfig
from ghostlap.reports.explain.config import ExplainConfig
from ghostlap.reports.explore.config import ExploreConfig
from ghostlap.reports.report.config import ReportConfig
from ghostlap.reports.video.config import VideoConfig
from ghostlap.training.config import TrainConfig
from ghostlap.training.search.config import SearchConfig

QUIET = Console(file=io.StringIO())


def import_a_model(home: Path) -> Any:
    from ghostlap.commands.import_model import import_model
    from ghostlap.pilots.keras_import.config import ImportConfig

    return import_model(ImportConfig(home / "model.h5", out=home / "out"), QUIET)


COMMANDS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "train": ("out", lambda home: train(TrainConfig((home / "rec",), home / "out"), QUIET)),
    "train --resume": ("out", lambda home: train(TrainConfig(out=home / "out", resume=True))),
    "record": ("out", lambda home: record(RecordConfig(out=home / "out"), QUIET)),
    "record --resume": ("out", lambda home: record(RecordConfig(out=home / "out", resume=True))),
    "demo": ("out", lambda home: demo(DemoConfig(out=home / "out"), QUIET)),
    "search": ("out", lambda home: search(SearchConfig((home / "rec",), out=home / "out"), QUIET)),
    "evaluate": (
        "run/evaluate/a",
        lambda home: evaluate(EvaluateConfig(home / "run", name="a"), QUIET),
    ),
    "import": ("out", import_a_model),
    "explore": ("out", lambda home: explore(ExploreConfig((home / "rec",), out=home / "out"))),
    "explain": ("run/explain", lambda home: explain(ExplainConfig(home / "run", (home / "rec",)))),
    "convert": (
        ".out.part",
        lambda home: convert(ConvertConfig(home / "rec", "tub", home / "out"), QUIET),
    ),
    "doctor --fix": (
        ".out.part",
        lambda home: doctor(DoctorConfig((home / "rec",), fix=home / "out")),
    ),
    "video": (
        ".out.mp4.part",
        lambda home: video(VideoConfig(home / "rec", out=home / "out.mp4"), QUIET),
    ),
    "export": (
        ".out.onnx.part",
        lambda home: export(ExportConfig(home / "run", "onnx", home / "out.onnx"), QUIET),
    ),
    "report": (
        "run/.report.html.part",
        lambda home: report(ReportConfig(home / "run"), QUIET),
    ),
    "Recorder": ("rec", lambda home: Recorder(home / "rec")),
    "drive --record": ("rec", lambda home: Recordings(home / "rec", print, lambda: None)),
    "cut": ("rec", lambda home: cut(Library(home, home / "runs"), "rec", 2, 3)),
    "throw away": ("rec", lambda home: Library(home, home / "runs").throw_away("rec")),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_second_one_is_refused_before_it_has_changed_a_byte(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GHOSTLAP_CACHE", str(tmp_path / "cache"))
    home = tmp_path / "home"
    make_recording(home / "rec", rows=12)
    make_pilot(home / "run")
    folder, work = COMMANDS[command]
    with FolderLock(home / folder):
        before = content_of(home)
        with pytest.raises(GhostlapError, match="another process is writing there. Wait until"):
            work(home)
        assert content_of(home) == before


def content_of(home: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(home)): p.read_bytes() if p.is_file() else b"" for p in home.rglob("*")
    }


@pytest.mark.parametrize("name", ["IMG", "driving_log.csv", "who_drove.csv", "predictions.csv"])
def test_a_drive_is_not_recorded_through_a_link(name: str, tmp_path: Path) -> None:
    from ghostlap.data.recordings.tables_beside import WHO_DROVE

    home, theirs = make_recording(tmp_path / "rec", rows=3), tmp_path / "theirs"
    if name == "IMG":
        (home / name).rename(theirs)
    else:
        theirs.write_bytes((home / "driving_log.csv").read_bytes())
        (home / name).unlink(missing_ok=True)
    (home / name).symlink_to(theirs)
    before = content_of(tmp_path)

    def write() -> None:
        Recordings(home, print, lambda: None).close()
        WHO_DROVE.open(home).close()

    with pytest.raises(GhostlapError, match=f"{name}: this is a link to elsewhere"):
        write()
    after = content_of(tmp_path)
    assert {path: after[path] for path in before} == before
    FolderLock(home).release()


def test_emptying_the_trash_never_follows_a_link(tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    (documents / "thesis").mkdir(parents=True)
    (documents / "thesis" / "chapter.txt").touch()
    library = Library(tmp_path / "recordings", tmp_path / "runs")
    for parent in (library.recordings, library.runs / "a"):
        make_recording(parent / "one", rows=3)
        (parent / ".trash").symlink_to(documents)
    assert library.trash_names() == {}
    assert library.empty_trash() == 0
    for name in ("one", "a:one"):
        with pytest.raises(GhostlapError, match=".trash: this is a link to elsewhere"):
            library.throw_away(name)
        with pytest.raises(GhostlapError, match="There is no recording in the trash"):
            library.restore("thesis")
    for parent in (library.recordings, library.runs / "a"):
        (parent / ".trash").unlink()
    library.throw_away("one")
    (library.recordings / ".trash" / "one" / "IMG" / "theirs").symlink_to(documents)
    assert library.empty_trash() == 1
    assert (documents / "thesis" / "chapter.txt").exists()
    assert sorted(path.name for path in documents.iterdir()) == ["thesis"]
