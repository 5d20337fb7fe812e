"""Videos, decoded again: what is in them, how long, and what becomes of bad pictures."""

from __future__ import annotations

import math
import shutil
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from drives import make_pilot
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from recordings import draw_frame, image_names, make_recording
from systems import posix

import ghostlap.commands.video as command
from ghostlap.base.errors import PilotError, RecordingError, VideoError
from ghostlap.commands.video import video
from ghostlap.data.recordings.tables_beside import PREDICTIONS
from ghostlap.data.vision.camera import FULL_LOCK_RAD, WHEELBASE_M, Camera
from ghostlap.data.vision.pictures import Rgb, encode_jpeg, read_rgb
from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.reports.video.config import VideoConfig
from ghostlap.reports.video.dashboard import LOG_COLOUR, PILOT_COLOUR, draw_dashboard
from ghostlap.reports.video.path import draw_band, path_px
from ghostlap.reports.video.shots import pace, shots_of
from ghostlap.training.fit import TrainResult

STRIP_TOP = 270
"""Of 320 rows; below are wheel and figures."""


def decoded(path: Path) -> tuple[list[Rgb], list[float], float]:
    """The pictures of a video, when each is first shown, and how long it plays."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        frames = list(file.decode(stream))
        assert file.duration is not None
        return (
            [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in frames],
            [float(frame.time or 0) for frame in frames],
            file.duration / 1e6,
        )


def like(rgb: Rgb, colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Where a picture is nearly of a colour."""
    difference: NDArray[np.int64] = rgb.astype(int) - np.array(colour)
    return np.abs(difference).max(axis=-1) < 70


def write_pictures(folder: Path, count: int, height: int = 32, width: int = 64) -> Path:
    """A folder of pictures, each brighter than the one before."""
    folder.mkdir(parents=True)
    for i in range(count):
        shade = np.full((height, width, 3), 20 + 200 * i // max(count - 1, 1), np.uint8)
        (folder / image_names(i)[0].removeprefix("center_")).write_bytes(encode_jpeg(shade))
    return folder


def write_steerings(folder: Path, rows: list[tuple[str, str]]) -> Path:
    """A recording in which each row has the same picture; its steering and speed as given."""
    (folder / "IMG").mkdir(parents=True)
    lines = []
    for row, (steering, speed_mph) in enumerate(rows):
        name = image_names(row)[0]
        (folder / "IMG" / name).write_bytes(encode_jpeg(draw_frame(0.0)))
        lines.append(f"IMG/{name},,,{steering},0,0,{speed_mph}\n")
    (folder / "driving_log.csv").write_text("".join(lines))
    return folder


def test_a_recording_plays_at_the_pace_it_was_driven(small_recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "made" / "drive.mp4"
    result = video(VideoConfig(small_recording, out=out))
    pictures, times_s, seconds = decoded(out)
    assert len(pictures) == 120
    assert pictures[0].shape == (320, 640, 3)
    assert times_s == pytest.approx(np.arange(120) * 0.07, abs=1e-4)
    assert seconds == pytest.approx(120 * 0.07, abs=1e-3)
    assert result == {
        "video": str(out), "pictures": 120, "seconds": pytest.approx(8.4), "width_px": 640,
        "height_px": 320, "missing": 0, "broken": 0, "other_size": 0, "notes": [],
    }  # fmt: skip
    assert [path.name for path in out.parent.iterdir()] == ["drive.mp4"]


def test_a_frame_rate_can_be_asked_for(small_recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "drive.mp4"
    video(VideoConfig(small_recording, out=out, fps=30))
    _, times_s, seconds = decoded(out)
    assert times_s == pytest.approx(np.arange(120) / 30, abs=1e-4)
    assert seconds == pytest.approx(4.0, abs=1e-3)


def test_any_folder_of_pictures_plays_at_sixty_a_second(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "run1", 12)
    result = video(VideoConfig(folder))
    assert result["video"] == str(tmp_path / "run1.mp4")
    pictures, _, seconds = decoded(tmp_path / "run1.mp4")
    assert seconds == pytest.approx(12 / 60, abs=1e-3)
    shades = [float(picture.mean()) for picture in pictures]
    assert shades == sorted(shades)
    assert shades[0] == pytest.approx(20, abs=3)
    assert shades[-1] == pytest.approx(220, abs=3)
    assert np.ptp(pictures[5]) < 6, "nothing is drawn in where nothing is known"


def test_numbers_in_names_count_by_their_value(tmp_path: Path) -> None:
    for name in ("10_cam.jpg", "9_cam.jpg", "100_cam.JPG", ".9_cam.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(encode_jpeg(draw_frame(0)))
    names = [Path(path).name for path in shots_of(tmp_path, None).paths]
    assert names == ["9_cam.jpg", "10_cam.jpg", "100_cam.JPG"]


def test_of_an_img_folder_the_center_camera_is_shown(small_recording: Path) -> None:
    shots = shots_of(small_recording / "IMG", None)
    assert len(shots.paths) == 120
    assert shots.notes == (
        "240 pictures that are not of the center camera were left out.",
        f"{small_recording} is the recording of these pictures: 'ghostlap video {small_recording}' "
        "draws steering and speed in.",
    )


def test_pauses_and_times_that_make_no_sense_take_a_usual_step() -> None:
    at = np.datetime64("2024-05-06T07:08:09.000", "ms")
    ms = np.timedelta64(1, "ms")
    times = at + np.array([0, 80, 160, 3600_000, 3600_080, 50, 50, 130]) * ms
    steps_s, pauses = pace(times)
    assert steps_s == pytest.approx([0.08] * 8)
    assert pauses == 1
    times[1] = np.datetime64("NaT")
    steps_s, pauses = pace(times)
    assert steps_s == pytest.approx([0.08] * 8)
    steps_s, pauses = pace(np.full(3, np.datetime64("NaT", "ms")))
    assert steps_s == pytest.approx([1 / 15] * 3)
    assert pauses == 0


def test_notes_tell_of_pauses_missing_times_and_a_mended_log(tmp_path: Path) -> None:
    folder = make_recording(tmp_path / "rec", rows=4)
    log = folder / "driving_log.csv"
    later = image_names(4000)[0]
    shutil.copy(folder / "IMG" / image_names(0)[0], folder / "IMG" / later)
    log.write_text(log.read_text() + f"IMG/{later},,,0,0,0,1\nIMG/{later},,\n")
    notes = shots_of(folder, None).notes
    assert notes == (
        f"1 rows of the log were mended or left out; 'ghostlap doctor {folder}' says which.",
        "1 pauses of more than 1 s were cut.",
    )
    assert len(shots_of(folder, 10.0).notes) == 1
    (folder / "IMG" / "x.jpg").write_bytes(encode_jpeg(draw_frame(0)))
    log.write_text("x.jpg,,,0,0,0,1\n")
    assert (
        "names hold no times, so each is shown for 1/15 s; --fps" in shots_of(folder, None).notes[0]
    )


def test_what_is_drawn_in_follows_the_steering(tmp_path: Path) -> None:
    rows = [("-0.6", "12.5"), ("0", "12.5"), ("0.6", "12.5"), ("nan", "nan")]
    folder = write_steerings(tmp_path / "rec", rows)
    video(VideoConfig(folder))
    pictures, _, _ = decoded(tmp_path / "rec.mp4")
    left, straight, right, unknown = (like(picture, LOG_COLOUR) for picture in pictures)

    far = np.s_[130:STRIP_TOP]
    columns = [np.nonzero(path[far])[1].mean() for path in (left, straight, right)]
    assert columns[0] < 310
    assert columns[1] == pytest.approx(319.5, abs=4)
    assert columns[2] > 330
    assert not unknown[far].any()

    wheel = np.s_[STRIP_TOP:, 4:53]  # its middle is in column 28, on the left
    marks = [np.nonzero(path[wheel])[1].mean() + 4 for path in (left, straight, right)]
    assert marks[0] < 22
    assert marks[1] == pytest.approx(28, abs=2)
    assert marks[2] > 34
    assert not unknown[wheel].any()

    speed = np.s_[STRIP_TOP:, 480:]
    assert np.abs(pictures[0][speed].astype(int) - pictures[2][speed]).max() < 60
    assert (pictures[0][speed] > 200).sum() > (pictures[3][speed] > 200).sum() > 0


def test_plain_draws_nothing(tmp_path: Path) -> None:
    folder = write_steerings(tmp_path / "rec", [("-0.6", "12.5"), ("0.6", "12.5")])
    video(VideoConfig(folder, plain=True, scale=1))
    pictures, _, _ = decoded(tmp_path / "rec.mp4")
    assert pictures[0].shape == (160, 320, 3)
    for picture in pictures:
        assert np.abs(picture.astype(int) - draw_frame(0.0)).mean() < 6, "right colours, too"


def test_a_pilot_shows_what_it_would_do(tmp_path: Path) -> None:
    folder = write_steerings(tmp_path / "rec", [("-0.6", "12.5")])
    pilot = make_pilot(tmp_path / "run", 0.6, Preprocessing())
    video(VideoConfig(folder, pilot=pilot))
    video(VideoConfig(folder / "IMG", pilot=pilot))
    of_both, of_pilot = (
        decoded(path)[0][0] for path in (tmp_path / "rec.mp4", tmp_path / "rec" / "IMG.mp4")
    )
    for picture in (of_both, of_pilot):
        assert np.nonzero(like(picture[:STRIP_TOP], PILOT_COLOUR))[1].mean() > 340
    assert like(of_both, LOG_COLOUR).any()
    assert not like(of_pilot, LOG_COLOUR).any()
    with pytest.raises(PilotError, match="no such run folder"):
        video(VideoConfig(folder, pilot=tmp_path / "nowhere", force=True))


def test_a_pilot_is_for_pictures_of_one_size(tmp_path: Path) -> None:
    pilot = make_pilot(tmp_path / "run", 0.6)
    folder = write_pictures(tmp_path / "pictures", 1)
    with pytest.raises(VideoError, match=r"trained on pictures of 48x24 pixels. Got 64x32: .*jpg"):
        video(VideoConfig(folder, pilot=pilot))
    spec = Preprocessing(
        frame_height_px=32, frame_width_px=64, crop_top_px=9, crop_bottom_px=20, height_px=8,
        width_px=16,
    )  # fmt: skip
    (folder / "other.jpg").write_bytes(encode_jpeg(draw_frame(0)))
    result = video(VideoConfig(folder, pilot=make_pilot(tmp_path / "run", 0.6, spec)))
    assert result["other_size"] == 1
    pictures, _, _ = decoded(tmp_path / "pictures.mp4")
    shown = [bool(like(picture[:STRIP_TOP], PILOT_COLOUR).any()) for picture in pictures]
    assert shown == [True, False]


def test_what_a_pilot_said_while_driving_is_shown(tmp_path: Path) -> None:
    folder = write_steerings(tmp_path / "rec", [("0", "1"), ("0", "1"), ("0", "1")])
    names = [image_names(row)[0] for row in range(3)]
    said = folder / PREDICTIONS.name
    said.write_text(f"center,pilot_steering\n{names[2]},0.25\n{names[1]},\n{names[0]},-0.5\n")
    shots = shots_of(folder, None)
    assert shots.pilot_steering is not None
    assert shots.pilot_steering == pytest.approx([-0.5, math.nan, 0.25], nan_ok=True)
    video(VideoConfig(folder))
    shown = [like(p[:STRIP_TOP], PILOT_COLOUR).any() for p in decoded(tmp_path / "rec.mp4")[0]]
    assert shown == [True, False, True]
    said.write_text(f"center,pilot_steering\n{names[0]},0.25\n{names[1]},what\n{names[2]}")
    shots = shots_of(folder, None)
    assert shots.pilot_steering == pytest.approx([0.25, math.nan, math.nan], nan_ok=True)
    assert shots.notes[0].endswith(
        "line 3: pilot_steering must be a finite number or empty. Got 'what'. It is not read on, "
        "so later pictures show no pilot."
    )


@given(st.floats(-1, 1), st.floats(-0.83, 0.83))
def test_the_path_is_the_arc_that_a_bicycle_drives(steering: float, aside_m: float) -> None:
    camera = Camera()
    columns, rows = path_px(steering, camera, aside_m).T
    ahead_m = camera.focal_px * camera.height_m / (rows - camera.horizon_px)
    right_m = (columns - camera.centre_px[0]) * ahead_m / camera.focal_px
    curvature_per_m = math.tan(FULL_LOCK_RAD * steering) / WHEELBASE_M
    # On a circle about the bend's centre, which lies beside the car: in a form without radius.
    off_m2 = (right_m**2 + ahead_m**2) * curvature_per_m - 2 * right_m
    expected_m2 = aside_m**2 * curvature_per_m - 2 * aside_m
    assert off_m2 == pytest.approx(np.full(len(off_m2), expected_m2), abs=1e-6)
    assert (np.diff(rows) < 0).all(), "from near to far"


def test_a_path_to_the_right_is_that_to_the_left_in_a_mirror() -> None:
    camera = Camera()
    left, right = path_px(-0.4, camera), path_px(0.4, camera)
    assert left[:, 0] + right[:, 0] == pytest.approx(2 * camera.centre_px[0])
    assert left[:, 1] == pytest.approx(right[:, 1])
    assert (np.diff(right[:, 0]) > 0).all()
    assert path_px(3.0, camera) == pytest.approx(path_px(1.0, camera))


@pytest.mark.parametrize("size", [(16, 16), (17, 400), (400, 17), (161, 321), (480, 640)])
def test_pictures_of_any_size_can_be_drawn_on(size: tuple[int, int]) -> None:
    rgb = np.zeros((*size, 3), np.uint8)
    for steering in (-1.0, 0.0, 0.3, 1.0):
        draw_band(rgb, steering, LOG_COLOUR)
        draw_dashboard(rgb, steering, 12.0, math.nan)
    assert rgb.any()


@pytest.mark.parametrize(
    ("size", "scale", "made"),
    [((161, 321), 1, (160, 320)), ((161, 321), None, (322, 642)), ((161, 321), 0.5, (80, 160))],
)
def test_odd_sizes_become_even(
    size: tuple[int, int], scale: float | None, made: tuple[int, int], tmp_path: Path
) -> None:
    folder = write_pictures(tmp_path / "odd", 2, *size)
    video(VideoConfig(folder, scale=scale))
    pictures, _, _ = decoded(tmp_path / "odd.mp4")
    assert [picture.shape[:2] for picture in pictures] == [made, made]


def test_pictures_of_another_size_are_fitted_in(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "mixed", 2, 64, 128)
    (folder / "square.jpg").write_bytes(encode_jpeg(np.full((200, 200, 3), 200, np.uint8)))
    result = video(VideoConfig(folder, scale=1))
    assert result["other_size"] == 1
    assert result["notes"] == [
        "1 of 3 pictures have another size and were fitted in. The first: "
        f"{folder / 'square.jpg'}: 200x200 pixels"
    ]
    fitted = decoded(tmp_path / "mixed.mp4")[0][2]
    assert fitted.shape == (64, 128, 3)
    assert (fitted[:, :30] < 20).all()
    assert (fitted[:, 34:94] > 180).all()


def test_missing_and_broken_pictures_are_left_out_and_counted(tmp_path: Path) -> None:
    folder = make_recording(tmp_path / "rec", rows=10, side_cameras=False)
    names = [folder / "IMG" / image_names(row)[0] for row in range(10)]
    names[0].unlink()
    names[4].write_bytes(names[4].read_bytes()[:900])
    names[5].write_bytes(b"")
    result = video(VideoConfig(folder))
    assert (result["pictures"], result["missing"], result["broken"]) == (7, 1, 2)
    assert result["notes"] == [
        f"1 of 10 pictures are missing and were left out. The first: {names[0]}: no such picture.",
        f"2 of 10 pictures are broken and were left out. The first: {names[4]}: the JPEG is cut "
        "off after 900 bytes (its end marker is missing).",
    ]
    _, times_s, seconds = decoded(tmp_path / "rec.mp4")
    # The picture before the broken ones stays until the next whole one.
    assert times_s == pytest.approx(np.array([1, 2, 3, 6, 7, 8, 9]) * 0.07 - 0.07, abs=1e-4)
    assert seconds == pytest.approx(9 * 0.07, abs=1e-3)


def test_without_pictures_there_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(
        VideoError, match=r"nowhere: no such folder. Give a recording \(driving_log"
    ):
        video(VideoConfig(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        VideoError, match=r"empty: no driving_log.csv and no pictures \(.jpg, .jpeg"
    ):
        video(VideoConfig(tmp_path / "empty"))
    write_pictures(tmp_path / "outer" / "IMG", 1)
    with pytest.raises(VideoError, match=r"in it. Did you mean .*outer.IMG\?"):
        video(VideoConfig(tmp_path / "outer"))
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(
        VideoError, match=r"must be a folder of pictures.* Got a file. Did you mean"
    ):
        video(VideoConfig(tmp_path / "a.jpg"))
    with pytest.raises(VideoError, match=r"none of its 1 pictures .* first: .*file is empty \(0 b"):
        video(VideoConfig(tmp_path, out=tmp_path / "a.mp4"))
    folder = make_recording(tmp_path / "rec", rows=2)
    shutil.rmtree(folder / "IMG")
    with pytest.raises(RecordingError, match="all 6 images that the log names are missing"):
        video(VideoConfig(folder))
    assert not list(tmp_path.glob("*.mp4"))


def test_the_log_itself_stands_for_its_recording(tmp_path: Path) -> None:
    folder = write_steerings(tmp_path / "rec", [("0", "1")])
    result = video(VideoConfig(folder / "driving_log.csv"))
    assert result["video"] == str(tmp_path / "rec.mp4")


@posix("colons in names")
def test_a_video_is_named_after_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_pictures(tmp_path / "a:b%d", 1))
    assert video(VideoConfig(Path()))["video"] == str(tmp_path / "a:b%d.mp4")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VideoError, match=r"a:b%d.mp4: exists already"):
        video(VideoConfig(Path("a:b%d")))
    assert video(VideoConfig(Path("a:b%d/"), out=Path("a:c.mp4")))["video"] == "a:c.mp4"


def test_a_video_is_replaced_only_by_force(tmp_path: Path) -> None:
    folder, out = write_pictures(tmp_path / "run1", 2), tmp_path / "run1.mp4"
    out.write_bytes(b"precious")
    (tmp_path / ".run1.mp4.part").mkdir()
    (tmp_path / ".run1.mp4.part" / ".lock").touch()  # killed just after the video was finished
    with pytest.raises(VideoError, match=r"run1.mp4: exists already. --force replaces it, --out"):
        video(VideoConfig(folder))
    assert not (tmp_path / ".run1.mp4.part").exists()
    assert out.read_bytes() == b"precious"
    video(VideoConfig(folder, force=True))
    assert len(decoded(out)[0]) == 2
    (tmp_path / "dir.mp4").mkdir()
    with pytest.raises(VideoError, match="must be a file. There is a folder of that name"):
        video(VideoConfig(folder, out=tmp_path / "dir.mp4", force=True))
    with pytest.raises(VideoError, match="x.mp4: the video cannot be written .*name a file with"):
        video(VideoConfig(folder, out=out / "x.mp4"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fps": 0}, "--fps must be from 0.1 to 1000. Got 0."),
        ({"fps": math.nan}, "--fps must be from 0.1 to 1000. Got nan."),
        ({"scale": 17}, "--scale must be from 0.1 to 16. Got 17."),
        ({"out": Path("a.avi")}, "--out must be a file ending in .mp4. Got a.avi."),
        ({"plain": True, "pilot": Path("run")}, "--plain draws nothing, so --pilot run would be"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(VideoError, match=message):
        VideoConfig(Path("x"), **options)


def test_a_video_has_limits(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "run1", 1, 300, 600)
    with pytest.raises(
        VideoError, match=r"sides must be 16 to 4096 pixels. 600x300 pixels at .*8 "
    ):
        video(VideoConfig(folder, scale=8))


def test_after_ctrl_c_the_video_holds_what_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_pictures(tmp_path / "run1", 50)
    read: list[str] = []

    def interrupted_at_the_seventh(path: str) -> bytes:
        read.append(path)
        if len(read) == 7:
            signal.raise_signal(signal.SIGINT)
        return Path(path).read_bytes()

    monkeypatch.setattr(command, "read_picture", interrupted_at_the_seventh)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        video(VideoConfig(folder))
    assert signal.getsignal(signal.SIGINT) is before
    assert len(decoded(tmp_path / "run1.mp4")[0]) == 7
    assert "stopped after 7 of 50 pictures" in capsys.readouterr().err


def test_after_a_second_ctrl_c_an_earlier_video_is_still_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = write_pictures(tmp_path / "run1", 5), tmp_path / "run1.mp4"
    out.write_bytes(b"precious")

    def impatient(path: str) -> bytes:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError

    monkeypatch.setattr(command, "read_picture", impatient)
    with pytest.raises(KeyboardInterrupt):
        video(VideoConfig(folder, force=True))
    assert out.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run1", "run1.mp4"]


@posix("limits of a file's size")
def test_a_full_disk_leaves_no_half_a_video(tmp_path: Path) -> None:
    folder = tmp_path / "noise"
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(40):
        noise = random.integers(0, 256, (160, 320, 3), dtype=np.uint8)
        (folder / f"{i}.jpg").write_bytes(encode_jpeg(noise))
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from ghostlap.base.errors import VideoError\n"
        "from ghostlap.commands.video import video\n"
        "from ghostlap.reports.video.config import VideoConfig\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: video(VideoConfig(Path(sys.argv[1])))\n"
        "except VideoError as error: sys.exit(str(error))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True)
    assert ended.returncode == 1
    told = " ".join(ended.stderr.split())
    assert "noise.mp4: the video cannot be written (File too large). Make room, or" in told
    assert [path.name for path in tmp_path.iterdir()] == ["noise"]


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    folder = make_recording(tmp_path / "rec", rows=1, side_cameras=False)
    line = (folder / "driving_log.csv").read_text()

    def peak(rows: int) -> int:
        (folder / "driving_log.csv").write_text(line * rows)
        tracemalloc.start()
        video(VideoConfig(folder, scale=1, plain=True, force=True))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(2)  # whatever is imported or kept for later
    few, many = peak(10), peak(150)
    assert many < few + 2_000_000, "150 pictures would be 23 MB"


def test_the_path_lies_on_real_roads(shared_data: Path) -> None:
    """Where a driver steers steadily, the ground coloured is road, not verge."""
    for name, row in (("udacity-track1", 646), ("udacity-jungle", 297)):
        shots = shots_of(shared_data / name, None)
        assert shots.steering is not None
        rgb = read_rgb(shots.paths[row])
        columns, rows = path_px(float(shots.steering[row]), Camera()).round().astype(int).T
        seen = rgb[rows[rows < 135], columns[rows < 135]].astype(int)
        greyness = seen.max(axis=1) - seen.min(axis=1)
        assert np.median(greyness) < 40, "asphalt is grey"


def test_where_a_pilot_looks_is_drawn_in(
    trained: TrainResult, small_recording: Path, tmp_path: Path
) -> None:
    shown = []
    for name, saliency in (("with", True), ("without", False)):
        out = tmp_path / f"{name}.mp4"
        result = video(
            VideoConfig(small_recording, out=out, pilot=trained.out, saliency=saliency, seconds=0.3)
        )
        assert result["pictures"] == 5
        assert result["seconds"] == pytest.approx(0.35)
        shown.append(decoded(out)[0][2].astype(int))
    difference = np.abs(shown[0] - shown[1]).max(axis=-1)
    assert np.median(difference[125:STRIP_TOP]) > 10, "the rows that the pilot sees, 60 to 135"
    assert np.median(difference[:115]) < 5


def test_more_seconds_than_there_are_give_all(small_recording: Path) -> None:
    shots = shots_of(small_recording, 8.0)
    assert shots.first(99) is shots
    assert shots.steering is not None
    first = shots.first(1.0)
    assert (len(first.paths), first.end_s) == (8, 1.0)
    np.testing.assert_array_equal(first.steering, shots.steering[:8])
    assert first.pilot_steering is None


def test_saliency_needs_a_pilot_that_has_it(small_recording: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="--saliency shows where a pilot looks. Name it with"):
        VideoConfig(small_recording, saliency=True)
    pilot = make_pilot(tmp_path / "tiny", 0.1)
    with pytest.raises(PilotError, match=r"holds no saliency.onnx"):
        video(VideoConfig(small_recording, out=tmp_path / "a.mp4", pilot=pilot, saliency=True))
