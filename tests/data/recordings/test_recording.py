from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from recordings import WINDOWS, image_names, log_lines, make_recording

from ghostlap.base.errors import RecordingError
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.recordings import COLUMNS, require_images


def test_frames_are_a_plain_table(tmp_path: Path) -> None:
    folder = make_recording(tmp_path / "drive", rows=3)
    recording = read_recording(folder)
    frames = recording.frames
    assert tuple(frames.columns) == COLUMNS
    assert list(frames.index) == [0, 1, 2]
    assert frames["center"][0] == str(folder / "IMG" / image_names(0)[0])
    assert all(os.path.exists(path) for path in frames["right"])
    assert frames["time"].dtype == "datetime64[ms]"
    assert str(frames["time"][1]) == "2024-05-06 07:08:09.070000"
    assert {str(frames[column].dtype) for column in COLUMNS[3:7]} == {"float64"}
    assert recording.lines.dtype == np.int64
    assert recording.origins == (WINDOWS.rstrip("\\"),)


def test_the_log_itself_may_be_given(tmp_path: Path) -> None:
    folder = make_recording(tmp_path / "drive", rows=2)
    recording = read_recording(folder / "driving_log.csv")
    assert recording.folder == folder


def test_only_a_center_camera_and_no_times(tmp_path: Path) -> None:
    (tmp_path / "driving_log.csv").write_text("frame7.jpg,,,0,0,0,1\n")
    frames = read_recording(tmp_path).frames
    assert frames["left"][0] == ""
    assert frames["time"].isna().all()


@pytest.mark.parametrize("place", ["img", "."])
def test_images_may_lie_elsewhere_in_the_folder(tmp_path: Path, place: str) -> None:
    folder = make_recording(tmp_path / "drive", rows=2)
    moved = (folder / "IMG").rename(tmp_path / "moved")  # IMG and img may be one
    shutil.copytree(moved, folder / place, dirs_exist_ok=True)
    recording = read_recording(folder)
    require_images(recording)
    assert recording.image_folder == folder / place


def test_real_recordings(shared_data: Path) -> None:
    track1 = read_recording(shared_data / "udacity-track1")
    assert len(track1.frames) == 4053
    assert (track1.frames["steering"] == 0).sum() == 2927
    assert track1.notes == ()
    assert track1.origins == ("C:\\Users\\Amer\\Desktop\\new_track\\IMG",)
    assert len(read_recording(shared_data / "udacity-jungle").frames) == 1167


def test_missing_images_name_the_machine_that_has_them(tmp_path: Path) -> None:
    (tmp_path / "driving_log.csv").write_text("".join(log_lines(2)))
    recording = read_recording(tmp_path)
    with pytest.raises(RecordingError) as error:
        require_images(recording)
    assert str(error.value) == (
        f"{tmp_path}: all 6 images that the log names are missing. They were looked for in "
        f"{tmp_path / 'IMG'}. The log was recorded elsewhere, in C:\\Users\\Ann Lee\\my drive\\IMG:"
        " copy that IMG folder beside the log."
    )


def test_missing_images_without_a_foreign_path(tmp_path: Path) -> None:
    (tmp_path / "driving_log.csv").write_text("".join(log_lines(1, origin="IMG/")))
    with pytest.raises(RecordingError, match="Put the recording's IMG folder beside the log"):
        require_images(read_recording(tmp_path))


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"nowhere: no such folder. Give the folder that"):
        read_recording(tmp_path / "nowhere")


def test_no_log_in_the_folder(tmp_path: Path) -> None:
    with pytest.raises(
        RecordingError,
        match=r"no driving_log.csv in it, and nothing else.*Give the folder that was",
    ):
        read_recording(tmp_path)


def test_a_log_one_folder_below_is_suggested(tmp_path: Path) -> None:
    make_recording(tmp_path / "lap1", rows=1)
    make_recording(tmp_path / "lap2", rows=1)
    with pytest.raises(RecordingError, match=r"2 below it.*lap1'?, '?\S*lap2") as told:
        read_recording(tmp_path)
    assert told.value.instead == (tmp_path, tmp_path / "lap1")


def test_an_image_given_as_log_is_refused(tmp_path: Path) -> None:
    folder = make_recording(tmp_path / "drive", rows=1)
    with pytest.raises(RecordingError, match="a part of a recording. Name all of it: ") as told:
        read_recording(folder / "IMG" / image_names(0)[0])
    assert told.value.instead is not None
    assert told.value.instead[1] == folder
