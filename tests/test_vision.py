"""The preprocessing is the seeds', pixel for pixel, and pictures from outside cannot harm."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from recordings import draw_frame

from ghostlap.errors import GhostlapError, ImageError
from ghostlap.vision import (
    SEED,
    Colour,
    Preprocessing,
    decode_rgb,
    encode_jpeg,
    preprocess,
    read_rgb,
    scale,
)


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
    golden = Path(__file__).parent / "golden" / "preprocess_track1_first_frame.txt"
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
