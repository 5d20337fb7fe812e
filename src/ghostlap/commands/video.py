"""``ghostlap video``: the frames of a drive as an MP4.

>>> video(VideoConfig(Path("my-drive"), pilot=Path("runs/a")))["video"]
'my-drive.mp4'
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from rich.console import Console

from ghostlap.base.errors import ImageError, VideoError
from ghostlap.base.folder_lock import replacing_output, tidy
from ghostlap.base.signals import Asked, Stopped, noted
from ghostlap.base.terminal import progress_bar, say
from ghostlap.data.recordings.driving_log import LOG_NAME
from ghostlap.data.vision.pictures import Rgb, decode_rgb, read_picture
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.saliency import Saliency
from ghostlap.reports.video.config import ENDING, VideoConfig
from ghostlap.reports.video.painter import Painter, Tally, painter_for
from ghostlap.reports.video.shots import Shots, shots_of
from ghostlap.reports.video.writer import VideoWriter

console = Console(stderr=True)


def video(config: VideoConfig, console: Console = console) -> dict[str, Any]:
    """Make a video.

        >>> ghostlap.video(ghostlap.VideoConfig("my-drive", out="my-drive.mp4"))["pictures"]
        120

    Returns:
        JSON values: ``video`` (path), ``pictures`` in it, ``seconds`` it plays, ``width_px``,
        ``height_px``; of the pictures, how many are ``missing``, ``broken`` (both left out) and
        ``other_size`` (fitted in); ``notes``.

    Raises:
        VideoError: there are no pictures, the video exists or cannot be written, or would be too
            large or small.
        RecordingError: the log cannot be read, or none of its pictures is there.
        PilotError: there is no pilot in the run folder, or it has no saliency to show.
        KeyboardInterrupt: after Ctrl-C, when what was encoded until then is in the file.
    """
    out = _out_of(config)
    shots = shots_of(config.folder, config.fps, config.columns)
    if config.seconds is not None:
        shots = shots.first(config.seconds)
    pilot = _pilot_of(config)
    tally = Tally()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing_output(out, VideoError) as temporary, noted() as asked_to_stop:
            made = _make(config, shots, pilot, temporary, tally, console, asked_to_stop)
    except (OSError, av.FFmpegError) as error:
        raise VideoError(
            f"{out}: the video cannot be written ({error.strerror or error}). Make room, or name "
            "a file with --out in a folder that you may write to."
        ) from error
    notes = [*shots.notes, *tally.notes]
    for note in notes:
        say(console, f"note: {note}")
    say(
        console,
        f"{out}: {tally.shown} pictures, {_minutes(made.seconds)}, "
        f"{made.width_px}x{made.height_px} pixels",
    )
    if asked_to_stop:
        say(console, f"stopped after {tally.tried} of {len(shots.paths)} pictures")
        raise Stopped
    return {
        "video": str(out),
        "pictures": tally.shown,
        **dataclasses.asdict(made),
        "missing": tally.missing,
        "broken": tally.broken,
        "other_size": tally.other_size,
        "notes": notes,
    }


def _pilot_of(config: VideoConfig) -> Pilot | Saliency | None:
    if config.pilot is None:
        return None
    return (Saliency if config.saliency else Pilot).load(config.pilot)


@dataclasses.dataclass(frozen=True)
class _Made:
    seconds: float
    width_px: int
    height_px: int


def _out_of(config: VideoConfig) -> Path:
    """Path of the video, by default beside the folder and called as it is."""
    folder = config.folder
    if folder.name == LOG_NAME:
        folder = folder.parent
    if folder.name in ("", ".."):
        folder = folder.resolve()
    out = Path(config.out or folder.parent / f"{folder.name or 'video'}{ENDING}")
    if out.is_dir():
        raise VideoError(f"{out}: the video must be a file. There is a folder of that name.")
    tidy(out.parent)  # a killed one may have left its folder beside the finished video
    if out.exists() and not config.force:
        raise VideoError(f"{out}: exists already. --force replaces it, --out names another file.")
    return out


def _make(
    config: VideoConfig,
    shots: Shots,
    pilot: Pilot | Saliency | None,
    path: Path,
    tally: Tally,
    console: Console,
    asked_to_stop: Asked,
) -> _Made:
    """Encode the pictures that can be shown into a file."""
    writer: VideoWriter | None = None
    painter: Painter | None = None
    begins_s = 0.0
    try:
        for i, rgb in _pictures(shots, tally, console):
            if painter is None or writer is None:
                painter = painter_for(config, rgb, shots.paths[i], pilot)
                writer = VideoWriter(path, painter.height_px, painter.width_px)
                begins_s = float(shots.starts_s[i])
            writer.add(painter.paint(rgb, shots, i, tally), shots.starts_s[i] - begins_s)
            tally.shown += 1
            if asked_to_stop:
                break
        if writer is None or painter is None:
            raise VideoError(
                f"{config.folder}: none of its {len(shots.paths)} pictures can be shown. "
                f"The first: {tally.first_broken or tally.first_missing}"
            )
        tried_all = tally.tried == len(shots.paths)
        ends_s = shots.end_s if tried_all else float(shots.starts_s[tally.tried])
        writer.close(ends_s - begins_s)
    except BaseException:
        if writer is not None:
            with contextlib.suppress(OSError, av.FFmpegError):
                writer.abandon()
        raise
    return _Made(ends_s - begins_s, painter.width_px, painter.height_px)


def _pictures(shots: Shots, tally: Tally, console: Console) -> Iterator[tuple[int, Rgb]]:
    """Yield the pictures that can be decoded with their numbers, one in memory at a time."""
    with progress_bar(console, "{task.completed}/{task.total} pictures") as progress:
        for i, path in enumerate(progress.track(shots.paths, description="encoding")):
            tally.tried += 1
            try:
                data = read_picture(path)
            except ImageError as error:
                tally.missing += 1
                tally.first_missing = tally.first_missing or str(error)
                continue
            try:
                rgb = decode_rgb(data, path)
            except ImageError as error:
                tally.broken += 1
                tally.first_broken = tally.first_broken or str(error)
                continue
            yield i, rgb


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60)} min {seconds % 60:.1f} s" if seconds >= 60 else f"{seconds:.1f} s"
