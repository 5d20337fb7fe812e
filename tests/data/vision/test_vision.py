"""The preprocessing is the seeds', pixel for pixel, and pictures from outside cannot harm."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import zlib
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from places import GOLDEN
from recordings import draw_frame
from systems import posix

from ghostlap.base.errors import GhostlapError, ImageError
from ghostlap.data.vision.pictures import decode_rgb, encode_jpeg, read_rgb
from ghostlap.data.vision.preprocessing import SEED, Colour, Preprocessing, preprocess, scale


def seed_003(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The steps that seed 003's document describes, one OpenCV call each."""
    picture = cv2.cvtColor(rgb[60:135, :, :], cv2.COLOR_RGB2YUV)
    picture = cv2.resize(cv2.GaussianBlur(picture, (3, 3), 0), (200, 66))
    return np.asarray(picture / 255)


def test_preprocess_is_the_seeds_pixel_for_pixel() -> None:
    frame = draw_frame(0.2)
    seen = preprocess(frame)
    assert seen.shape == (66, 200, 3)
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(seen, seed_003(frame).astype(np.float32))


def test_every_level_is_scaled_as_the_seeds_do() -> None:
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(scale(levels), (levels / 255).astype(np.float32))


def test_golden_pixels_of_a_real_frame(shared_data: Path) -> None:
    frame = read_rgb(shared_data / "udacity-track1/IMG/center_2018_07_16_17_11_43_382.jpg")
    pixels = np.rint(preprocess(frame) * 255).astype(np.uint8)
    golden = GOLDEN / "preprocess_track1_first_frame.txt"
    found = hashlib.blake2b(pixels.tobytes(), digest_size=16).hexdigest()
    assert found == golden.read_text().split()[0]


def test_colours_are_what_their_names_say() -> None:
    frame = np.zeros((160, 320, 3), np.uint8)
    frame[..., 0] = 200  # red
    whole = Preprocessing(blur_px=0, divide_by=1)
    first = {
        colour: preprocess(frame, dataclasses.replace(whole, colour=colour))[0, 0]
        for colour in get_args(Colour)
    }
    assert first["rgb"].tolist() == [200, 0, 0]
    assert first["bgr"].tolist() == [0, 0, 200]
    assert first["yuv"][0] == pytest.approx(0.299 * 200, abs=1)
    assert first["yuv-legacy"][0] == pytest.approx(0.114 * 200, abs=1)
    assert first["hsv"].tolist() == [0, 255, 200]
    assert first["hsv-s"].tolist() == [255]
    assert first["grey"] == pytest.approx([0.299 * 200], abs=1)


def test_one_channel_keeps_its_axis_whether_resized_or_not() -> None:
    frame = draw_frame(0.1)
    for height_px, width_px in ((16, 32), (160, 320)):
        spec = Preprocessing(
            crop_top_px=0, crop_bottom_px=160, colour="hsv-s",
            height_px=height_px, width_px=width_px,
        )  # fmt: skip
        assert preprocess(frame, spec).shape == spec.input_shape == (height_px, width_px, 1)
    with pytest.raises(GhostlapError, match="colour must be one of yuv, .*Got 'lab'"):
        Preprocessing(colour="lab")  # type: ignore[arg-type]


def test_frames_of_another_size_are_refused_and_can_be_asked_for() -> None:
    frame = np.zeros((480, 640, 3), np.uint8)
    with pytest.raises(ImageError, match=r"shape \(160, 320, 3\).*Got uint8 of shape \(480, 640"):
        preprocess(frame)
    larger = SEED.for_frames(480, 640)
    assert (larger.crop_top_px, larger.crop_bottom_px) == (180, 405)
    assert preprocess(frame, larger).shape == (66, 200, 3)
    assert SEED.for_frames(160, 320) is SEED


@pytest.mark.parametrize(
    "settings",
    [{"crop_top_px": 140}, {"crop_bottom_px": 161}, {"blur_px": 4}, {"divide_by": 0.0}],
)
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(GhostlapError, match=r"Preprocessing: .*Got "):
        Preprocessing(**settings)  # type: ignore[arg-type]


def test_settings_survive_json() -> None:
    spec = Preprocessing(colour="bgr", offset=-0.5)
    assert Preprocessing.from_json(dataclasses.asdict(spec)) == spec
    with pytest.raises(GhostlapError, match="must name exactly"):
        Preprocessing.from_json({"crop": 3})


def test_jpeg_there_and_back_keeps_red_red() -> None:
    frame = np.zeros((16, 16, 3), np.uint8)
    frame[..., 0] = 250
    again = decode_rgb(encode_jpeg(frame, 95))
    assert again.shape == frame.shape
    assert np.abs(again.astype(int) - frame).max() < 12


def test_broken_pictures_are_refused_by_name(tmp_path: Path) -> None:
    whole = encode_jpeg(draw_frame(0.0))
    with pytest.raises(ImageError, match=r"half.jpg: the JPEG is cut off after \d+ bytes"):
        decode_rgb(whole[: len(whole) // 2], "half.jpg")
    with pytest.raises(ImageError, match="empty.jpg: the file is empty"):
        decode_rgb(b"", "empty.jpg")
    with pytest.raises(ImageError, match=r"not a picture.*b'hello wo'"):
        decode_rgb(b"hello world, no picture at all", "x.jpg")
    with pytest.raises(ImageError, match="no such picture"):
        read_rgb(tmp_path / "nowhere.jpg")


def png_header(width: int, height: int) -> bytes:
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR" + size + b"\x08\x02\x00\x00\x00" + bytes(64)


def test_a_picture_that_claims_to_be_huge_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(ImageError, match="at most 4096 pixels. Got 60000x60000"):
        decode_rgb(png_header(60000, 60000), "bomb.png")
    jpeg = bytearray(encode_jpeg(draw_frame(0.0)))
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = (65000).to_bytes(2, "big") * 2
    with pytest.raises(ImageError, match="at most 4096 pixels. Got 65000x65000"):
        decode_rgb(bytes(jpeg), "bomb.jpg")
    with pytest.raises(ImageError, match="frame: a side may have at most 300 pixels. Got 320x160"):
        decode_rgb(encode_jpeg(draw_frame(0.0)), "frame", max_side_px=300)


def jpeg_with(*, before_size: bytes = b"", marker: int = 0xC0) -> bytes:
    """A picture of 320x160 with something put before its size, or another kind of size."""
    jpeg = encode_jpeg(draw_frame(0.0))
    place = jpeg.index(b"\xff\xc0")
    return jpeg[:place] + before_size + bytes((0xFF, marker)) + jpeg[place + 2 :]


def chunk(kind: bytes, content: bytes) -> bytes:
    whole = kind + content
    return len(content).to_bytes(4, "big") + whole + zlib.crc32(whole).to_bytes(4, "big")


def png_with(*chunks: bytes) -> bytes:
    """A small PNG with more chunks after its first."""
    _, png = cv2.imencode(".png", draw_frame(0.1))
    return png.tobytes()[:33] + b"".join(chunks) + png.tobytes()[33:]


def not_decoded(*_: object) -> None:
    raise AssertionError("was passed on to OpenCV")


FORMATS = [".bmp", ".tiff", ".webp", ".gif", ".avif", ".jp2", ".ppm", ".pfm", ".hdr", ".ras"]


@pytest.mark.parametrize("ending", FORMATS)
def test_what_opencv_would_take_besides_png_and_jpeg_is_not_decoded(
    ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = draw_frame(0.0)
    kind = np.float32 if ending in (".pfm", ".hdr") else np.uint8
    try:
        _, data = cv2.imencode(ending, picture.astype(kind))
    except cv2.error:
        pytest.skip(f"OpenCV writes no {ending} here")
    assert cv2.imdecode(data, cv2.IMREAD_COLOR) is not None
    monkeypatch.setattr(cv2, "imdecode", not_decoded)
    with pytest.raises(ImageError, match="x: not a picture that can be decoded"):
        decode_rgb(data.tobytes(), "x")


@pytest.mark.parametrize(
    "data",
    [
        jpeg_with(before_size=b"\x00"),
        jpeg_with(before_size=b"\xff\x01"),
        jpeg_with(before_size=b"\xff\xd9"),
        jpeg_with(before_size=b"\xff\xe0\x00\x01"),
        jpeg_with(marker=0xC9),
        jpeg_with(marker=0xC3),
        b"\xff\xd8\xff\xe0ftypavif" + jpeg_with(),  # OpenCV takes it for an AVIF
        png_with()[:8] + chunk(b"tEXt", b"first") + png_with()[8:],
        png_with()[:-12],
        png_with(*[chunk(b"tEXt", b"")] * 20_001),
    ],
)
def test_nothing_is_decoded_whose_size_is_not_where_it_belongs(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "imdecode", not_decoded)
    with pytest.raises(ImageError, match="x: the (JPEG|PNG)"):
        decode_rgb(data, "x")


def test_what_cameras_write_before_the_size_is_read() -> None:
    plain = decode_rgb(jpeg_with())
    thumbnail = b"\xff\xe1" + (len(jpeg_with()) + 2).to_bytes(2, "big") + jpeg_with()
    for before in (b"\xff\xff\xff", thumbnail, b"\xff\xfe\x00\x07hello"):
        np.testing.assert_array_equal(decode_rgb(jpeg_with(before_size=before)), plain)
    _, progressive = cv2.imencode(".jpg", draw_frame(0.0), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert decode_rgb(progressive.tobytes()).shape == (160, 320, 3)


def test_a_jpeg_that_goes_over_its_picture_thousands_of_times_is_not_decoded() -> None:
    _, progressive = cv2.imencode(".jpg", draw_frame(0.0), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    data = progressive.tobytes()
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(ImageError, match="more than 100 scans"):
        decode_rgb(data[:-2] + last_scan * 1000 + data[-2:])


def test_a_png_is_decoded_without_what_else_is_packed_into_it() -> None:
    plain = decode_rgb(png_with())
    np.testing.assert_array_equal(plain, draw_frame(0.1)[..., ::-1])
    packed = zlib.compress(bytes(4_000_000), 9)
    bombs = [chunk(b"zTXt", b"text\0\0" + packed)] * 900 + [chunk(b"iCCP", b"icc\0\0" + packed)]
    animation = [chunk(b"acTL", (100_000).to_bytes(4, "big") + bytes(4))]
    gamma = [chunk(b"gAMA", (100_000).to_bytes(4, "big"))]
    for more in (bombs, animation, gamma):
        np.testing.assert_array_equal(decode_rgb(png_with(*more)), plain)
    for depth in (cv2.IMREAD_GRAYSCALE, cv2.IMREAD_UNCHANGED):
        deep = np.uint16(257) * np.asarray(cv2.imdecode(np.frombuffer(png_with(), np.uint8), depth))
        assert decode_rgb(cv2.imencode(".png", deep)[1].tobytes()).shape == plain.shape


def test_the_area_of_a_picture_is_bounded_too() -> None:
    with pytest.raises(ImageError, match="at most 12,582,912 pixels. Got 4096x4096"):
        decode_rgb(png_header(4096, 4096))


def test_a_picture_that_is_to_be_turned_does_not_change_its_shape_silently() -> None:
    def turned(orientation: int) -> bytes:
        entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + orientation.to_bytes(2, "big") + bytes(2)
        exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01" + entry + bytes(4)
        return jpeg_with(before_size=b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif)

    upside_down = decode_rgb(turned(3))
    np.testing.assert_array_equal(upside_down, decode_rgb(turned(1))[::-1, ::-1])
    with pytest.raises(ImageError, match=r"turned \(EXIF\): 320x160 as it is stored, 160x320 as"):
        decode_rgb(turned(6))


@given(st.data())
def test_a_damaged_picture_is_refused_or_has_the_size_that_it_says(data: st.DataObject) -> None:
    original = data.draw(st.sampled_from([jpeg_with(), png_with()]))
    damaged = bytearray(original)
    for place in data.draw(st.lists(st.integers(0, 700), max_size=6)):
        damaged[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImageError):
        assert decode_rgb(bytes(damaged), max_side_px=1000).size <= 3_000_000


@posix("FIFOs")
def test_what_is_no_file_is_not_opened_as_a_picture(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "endless.jpg").symlink_to("/dev/zero")
    (tmp_path / "folder.jpg").mkdir()
    for name, kind in (("fifo", "a FIFO"), ("endless", "a device"), ("folder", "a folder")):
        with pytest.raises(ImageError, match=f"{name}.jpg: .*must be a file, and is {kind}"):
            read_rgb(tmp_path / f"{name}.jpg")
    with pytest.raises(ImageError, match="there can be no file of this name"):
        read_rgb("a\0b.jpg")


def test_a_picture_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.jpg").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(ImageError, match="at most 33,554,432 bytes, and has 1,000,000,000,000"):
        read_rgb(tmp_path / "large.jpg")
