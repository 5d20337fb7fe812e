"""Videos of a LeRobot dataset: written one episode after another, read one episode at a time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from ghostlap.base.errors import ExchangeError
from ghostlap.base.files import open_file
from ghostlap.data.vision.pictures import MAX_IMAGE_PIXELS, MAX_IMAGE_SIDE_PX, Rgb

KEY_FRAME_EVERY = 2
"""As LeRobot has it: training asks for single frames in any order."""

QUALITY_CRF = 23


class VideoFile:
    """Encodes frames as H.264 (yuv420p), frame ``k`` being shown at ``k / fps`` exactly.

    Their shape is ``(height, width, 3)``, height and width even.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], fps: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.frames = 0
        self._file = av.open(str(path.absolute()), "w", format="mp4")
        options = {"preset": "veryfast", "crf": str(QUALITY_CRF), "bf": "0"}
        self._stream: Any = self._file.add_stream("libx264", rate=fps, options=options)
        self._stream.height, self._stream.width, _ = shape
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.gop_size = KEY_FRAME_EVERY
        self._stream.codec_context.time_base = Fraction(1, fps)

    def add(self, rgb: Rgb) -> None:
        """Add a frame, ``uint8`` of the shape that was said."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        frame.pts = self.frames
        frame.time_base = self._stream.codec_context.time_base
        self._file.mux(self._stream.encode(frame))
        self.frames += 1

    def close(self) -> None:
        """Write what is left, and the index without which nothing can be read."""
        self._file.mux(self._stream.encode(None))
        self._file.close()


def read_frames(path: Path, from_s: float, count: int, fps: float) -> Iterator[Rgb]:
    """Frames of an episode whose first one is shown at ``from_s``.

    Raises:
        ExchangeError: the file is missing, no video, too large, or too short.
    """
    found = 0
    try:
        # Its format is said, or a list of other files and addresses is taken for a video, too.
        with open_file(path) as source, av.open(source, "r", format="mp4") as file:
            stream = file.streams.video[0]
            size = stream.codec_context.width, stream.codec_context.height
            if max(size) > MAX_IMAGE_SIDE_PX or size[0] * size[1] > MAX_IMAGE_PIXELS:
                raise ExchangeError(
                    f"{path}: a side may have at most {MAX_IMAGE_SIDE_PX} pixels, a picture "
                    f"{MAX_IMAGE_PIXELS:,}. Got {size[0]}x{size[1]}."
                )
            stream.codec_context.options = {"max_pixels": str(MAX_IMAGE_PIXELS)}
            earliest_s = from_s - 0.5 / fps
            file.seek(max(0, int((from_s - 1 / fps) * av.time_base)), backward=True)
            for frame in file.decode(stream):
                if (frame.time or 0.0) < earliest_s:
                    continue
                if (frame.width, frame.height) != size:
                    raise ExchangeError(
                        f"{path}: a picture is not {size[0]}x{size[1]} as the first one is."
                    )
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                found += 1
                if found == count:
                    return
    except (av.error.FFmpegError, OSError, IndexError, ValueError) as error:
        raise ExchangeError(
            f"{path}: the video cannot be read ({error}). Copy the whole dataset again."
        ) from error
    raise ExchangeError(
        f"{path}: ends after {found} of the {count} frames of an episode that begins at "
        f"{from_s:.2f} s. Copy the whole dataset again."
    )
