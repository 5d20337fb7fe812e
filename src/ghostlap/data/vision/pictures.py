"""Picture files and frames: JPEG and PNG, read and written.

A frame is an RGB picture, ``uint8`` of shape ``(height, width, 3)``, everywhere in Ghostlap. Format
and size are read first, and nothing else is handed to the decoder.
"""

from __future__ import annotations

import os
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import ImageError
from ghostlap.base.files import GIT_LFS_ADVICE, GIT_LFS_START, read_file
from ghostlap.data.vision.picture_header import (
    JPEG_START,
    PNG_START,
    BadPicture,
    jpeg_size,
    plain_png,
    png_size,
)
from ghostlap.data.vision.shards import read_elsewhere

Rgb = NDArray[np.uint8]
"""A picture, shape ``(height, width, 3)``, red first."""

MAX_IMAGE_BYTES = 32 * 1024 * 1024
MAX_IMAGE_SIDE_PX = 4096
MAX_IMAGE_PIXELS = 4096 * 3072
"""Twelve megapixels, as phones and action cameras have."""


def decode_rgb(data: bytes, name: str = "picture", max_side_px: int = MAX_IMAGE_SIDE_PX) -> Rgb:
    """Decode a JPEG or PNG file's bytes into a frame.

    Raises:
        ImageError: the file is empty, cut off, too large, neither PNG nor JPEG, or of a kind that
            no camera writes; it is not decoded then.
    """
    if len(data) == 0:
        raise ImageError(f"{name}: the file is empty (0 bytes).")
    if len(data) > MAX_IMAGE_BYTES:
        raise ImageError(
            f"{name}: a picture may have at most {MAX_IMAGE_BYTES} bytes. Got {len(data)}."
        )
    try:
        if data.startswith(JPEG_START):
            width, height = jpeg_size(data)
        elif data.startswith(PNG_START):
            width, height = png_size(data)
        else:
            if data.startswith(GIT_LFS_START):
                raise BadPicture(GIT_LFS_ADVICE)
            raise BadPicture(
                f"not a picture that can be decoded; it begins with {data[:8]!r}, "
                "JPEG and PNG are read. Convert it to one, under the same name but for its ending"
            )
        if max(width, height) > max_side_px:
            raise BadPicture(f"a side may have at most {max_side_px} pixels. Got {width}x{height}")
        if width * height > MAX_IMAGE_PIXELS:
            raise BadPicture(
                f"a picture may have at most {MAX_IMAGE_PIXELS:,} pixels. Got {width}x{height}"
            )
        if data.startswith(PNG_START):
            data = plain_png(data)
    except BadPicture as error:
        raise ImageError(f"{name}: {error}.") from None
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise ImageError(f"{name}: the picture cannot be decoded ({error.err}).") from error
    if picture is None:
        raise ImageError(f"{name}: the picture cannot be decoded. Is it damaged?")
    if picture.shape[:2] != (height, width):
        raise ImageError(
            f"{name}: says that it is to be turned (EXIF): {width}x{height} as it is stored, "
            f"{picture.shape[1]}x{picture.shape[0]} as it is to be seen. Save it turned."
        )
    return cast(Rgb, picture)


def read_picture(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a picture file.

    Raises:
        ImageError: the file is missing, no regular file, too large, or cannot be read.
    """
    try:
        return read_file(path, MAX_IMAGE_BYTES)
    except FileNotFoundError:
        return _read_elsewhere(path)
    except OSError as error:
        raise ImageError(f"{path}: the picture cannot be read ({error.strerror}).") from error


def _read_elsewhere(path: str | os.PathLike[str]) -> bytes:
    try:
        data = read_elsewhere(path, MAX_IMAGE_BYTES)
    except FileNotFoundError:
        data = None
    except OSError as error:
        raise ImageError(f"{path}: the picture cannot be read ({error}).") from error
    if data is None:
        raise ImageError(f"{path}: no such picture.")
    return data


def read_rgb(path: str | os.PathLike[str]) -> Rgb:
    """Read a picture file as a frame, ``uint8`` of shape ``(height, width, 3)``, red first.

    Raises:
        ImageError: no such file, or :func:`decode_rgb` refuses its content.
    """
    return decode_rgb(read_picture(path), str(path))


def encode_jpeg(rgb: Rgb, quality: int = 75) -> bytes:
    """A frame as a JPEG file's bytes; 75 is the simulator's own quality."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ImageError(f"A frame of shape {rgb.shape} cannot be encoded as JPEG.")
    return data.tobytes()
