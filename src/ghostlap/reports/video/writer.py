"""An MP4 file, picture by picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from ghostlap.data.vision.pictures import Rgb

TICKS_PER_S = 90_000
"""Ticks a second of the video's clock: 24, 30, 48 and 60 pictures a second are whole in it."""

KEY_FRAME_EVERY = 60
"""Pictures; a player can jump to each of these at once."""

_BT709 = 1
_LIMITED_RANGE = 1


class VideoWriter:
    """Encodes pictures as H.264 (yuv420p), each shown until the next one begins.

    Nothing but the encoder's look-ahead is kept in memory, whatever the length. All pictures
    have one size, of an even height and width.

    Raises:
        OSError: the file cannot be written; so do the methods.
    """

    def __init__(self, path: Path, height_px: int, width_px: int) -> None:
        # With its index in front, a video begins to play before it is downloaded.
        # From the root on, since FFmpeg takes a name like a:b for an address.
        self._file = av.open(
            str(path.absolute()), "w", format="mp4", options={"movflags": "+faststart"}
        )
        # Without B-frames pictures are stored in the order they are shown in, so that a varying
        # frame rate gives the file the exact length.
        self._stream: Any = self._file.add_stream(
            "libx264", rate=30, options={"preset": "veryfast", "crf": "23", "bf": "0"}
        )
        self._stream.height, self._stream.width = height_px, width_px
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = Fraction(1, TICKS_PER_S)
        context = self._stream.codec_context
        context.time_base = Fraction(1, TICKS_PER_S)
        context.gop_size = KEY_FRAME_EVERY
        # Said outright, since players guess the colours of small videos differently.
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        self._to_yuv = VideoReformatter()
        self._last: tuple[Rgb, int] | None = None
        self._ticks_shown: dict[int, int] = {}
        """Of pictures within the encoder, by when they begin: it forgets how long they stay."""

    def add(self, rgb: Rgb, start_s: float) -> None:
        """Add a picture.

        Args:
            rgb: ``uint8``, shape ``(height_px, width_px, 3)``; not to be changed afterwards.
            start_s: when it is first shown, after the one before.
        """
        self._encode_last(end_s=start_s)
        self._last = rgb, round(start_s * TICKS_PER_S)

    def close(self, end_s: float) -> None:
        """Write what is left, and the index without which nothing can be played.

        The last picture is shown until ``end_s``.
        """
        self._encode_last(end_s)
        self._write(self._stream.encode(None))
        self._file.close()

    def abandon(self) -> None:
        """Close the file as it is."""
        self._file.close()

    def _encode_last(self, end_s: float) -> None:
        if self._last is None:
            return
        rgb, start = self._last
        self._last = None
        frame = self._to_yuv.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        frame.pts = start
        frame.time_base = self._stream.time_base
        self._ticks_shown[start] = max(round(end_s * TICKS_PER_S) - start, 1)
        self._write(self._stream.encode(frame))

    def _write(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.duration = self._ticks_shown.pop(packet.pts)
            self._file.mux(packet)
