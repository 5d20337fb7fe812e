"""Decoded frames: each content once, never half a frame, and a full disk loses nothing."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from recordings import draw_frame, make_recording
from systems import posix

from ghostlap.base.errors import CacheError, ImageError
from ghostlap.data import frame_cache
from ghostlap.data.frame_cache import FrameCache
from ghostlap.data.vision.pictures import encode_jpeg, read_rgb

SHAPE = (160, 320, 3)
FRAME_BYTES = 160 * 320 * 3


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = make_recording(tmp_path_factory.mktemp("rec") / "a", rows=12)
    return sorted(str(path) for path in (folder / "IMG").iterdir())


def test_frames_are_the_pictures(tmp_path: Path, pictures: list[str]) -> None:
    cache = FrameCache(tmp_path, SHAPE)
    located = cache.locate(pictures)
    assert located.problems == ()
    for path, slot in zip(pictures, located.slots, strict=True):
        np.testing.assert_array_equal(cache.store.frames[slot], read_rgb(path))
    cache.store.release()
    np.testing.assert_array_equal(cache.store.frames[located.slots[0]], read_rgb(pictures[0]))


def test_a_content_is_decoded_once_whatever_its_name(
    tmp_path: Path, pictures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = FrameCache(tmp_path / "cache", SHAPE).locate(pictures)
    moved = tmp_path / "moved"
    moved.mkdir()
    copies = [shutil.copy(path, moved / f"{i}.jpg") for i, path in enumerate(pictures)]
    monkeypatch.setattr(frame_cache, "decode_rgb", None)  # calling it would fail
    again = FrameCache(tmp_path / "cache", SHAPE).locate([str(path) for path in copies])
    np.testing.assert_array_equal(again.slots, first.slots)
    twice = FrameCache(tmp_path / "cache", SHAPE).locate([pictures[0], pictures[0]])
    assert twice.slots[0] == twice.slots[1]


def test_a_changed_picture_is_decoded_anew(tmp_path: Path) -> None:
    picture = tmp_path / "x.jpg"
    picture.write_bytes(encode_jpeg(draw_frame(0.0)))
    cache = FrameCache(tmp_path / "cache", SHAPE)
    before = cache.locate([str(picture)]).slots[0]
    picture.write_bytes(encode_jpeg(draw_frame(0.5)))
    after = cache.locate([str(picture)]).slots[0]
    assert before != after
    np.testing.assert_array_equal(cache.store.frames[after], read_rgb(picture))


def test_what_cannot_be_used_is_told_and_the_rest_is_there(
    tmp_path: Path, pictures: list[str]
) -> None:
    data = Path(pictures[0]).read_bytes()
    (tmp_path / "half.jpg").write_bytes(data[:3000])
    (tmp_path / "large.jpg").write_bytes(encode_jpeg(np.zeros((480, 640, 3), np.uint8)))
    bad = [str(tmp_path / name) for name in ("half.jpg", "large.jpg", "missing.jpg")]
    cache = FrameCache(tmp_path / "cache", SHAPE)
    located = cache.locate([*bad, *pictures])
    assert (located.slots < 0).tolist() == [True] * 3 + [False] * len(pictures)
    told = "\n".join(located.problems)
    assert "half.jpg: the JPEG is cut off after 3000 bytes" in told
    assert "large.jpg: the picture is 640x480, the others are 320x160" in told
    assert "missing.jpg: no such picture" in told


@pytest.mark.usefixtures("open_files_stay")
@pytest.mark.parametrize("lost_bytes", [1, 15, 16, 17])
def test_a_process_killed_while_writing_leaves_a_good_store(
    tmp_path: Path, pictures: list[str], lost_bytes: int
) -> None:
    cache = FrameCache(tmp_path, SHAPE)
    cache.locate(pictures[:20])
    paths = cache.store.digests_path, cache.store.pixels_path
    del cache  # Windows cuts off nothing that is in use
    for path, lost in zip(paths, (lost_bytes, 100), strict=True):
        with open(path, "r+b") as file:
            file.truncate(path.stat().st_size - lost)
    reopened = FrameCache(tmp_path, SHAPE)
    located = reopened.locate(pictures)
    for picture, slot in zip(pictures, located.slots, strict=True):
        np.testing.assert_array_equal(reopened.store.frames[slot], read_rgb(picture))


@pytest.fixture
def files_of_at_most_a_megabyte() -> Iterator[None]:
    """A write past 1 MB fails as on a full disk, by the operating system's own hand."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, old_handler)


@posix("limits of a file's size")
def test_a_disk_that_fills_up_is_said_and_keeps_what_was_decoded(
    tmp_path: Path,
    pictures: list[str],
    files_of_at_most_a_megabyte: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frame_cache, "_CHUNK", 4)
    cache = FrameCache(tmp_path, SHAPE)
    with pytest.raises(CacheError, match=r"36 pictures need 6 MB .* --cache DIR") as told:
        cache.locate(pictures)
    assert str(tmp_path) in str(told.value)
    kept = FrameCache(tmp_path, SHAPE)
    assert len(kept.store.frames) == 4
    assert all(Path(path).exists() for path in pictures)


def test_too_little_room_is_said_before_anything_is_decoded(
    tmp_path: Path, pictures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = FrameCache(tmp_path, SHAPE)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(CacheError, match="36 pictures need 6 MB when decoded, and 1 MB are free"):
        cache.locate(pictures)
    assert not cache.store.pixels_path.exists()


def test_a_store_past_its_limit_begins_anew(
    tmp_path: Path, pictures: list[str], open_files_stay: None
) -> None:
    cache = FrameCache(tmp_path, SHAPE, limit_bytes=25 * FRAME_BYTES)
    cache.locate(pictures[:15])
    located = cache.locate(pictures[15:])
    assert cache.store.pixels_path.stat().st_size == 21 * cache.store.frame_bytes
    np.testing.assert_array_equal(cache.store.frames[located.slots[0]], read_rgb(pictures[15]))


@posix("the removal of files that somebody reads")
def test_who_has_an_old_store_open_still_reads_it(tmp_path: Path, pictures: list[str]) -> None:
    cache = FrameCache(tmp_path, SHAPE, limit_bytes=25 * FRAME_BYTES)
    held = FrameCache(tmp_path, SHAPE)
    slot = held.locate(pictures[:15]).slots[3]
    cache.locate(pictures[15:])
    np.testing.assert_array_equal(held.store.frames[slot], read_rgb(pictures[3]))


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=r"cannot be made .*Name another one with --cache"):
        FrameCache(tmp_path / "file" / "cache", SHAPE)


def test_what_does_not_fit_is_read_each_time_and_is_the_same(
    tmp_path: Path, pictures: list[str]
) -> None:
    whole = FrameCache(tmp_path / "whole", SHAPE)
    limited = FrameCache(tmp_path / "limited", SHAPE, limit_bytes=10 * FRAME_BYTES)
    everywhere, located = whole.locate(pictures).slots, limited.locate(pictures).slots
    assert limited.store.pixels_path.stat().st_size == 10 * FRAME_BYTES
    assert (located >= 0).sum() == 10
    assert -1 not in located
    for one, other in zip(whole.frames_at(everywhere), limited.frames_at(located), strict=True):
        np.testing.assert_array_equal(one, other)
    again = FrameCache(tmp_path / "limited", SHAPE, limit_bytes=10 * FRAME_BYTES)
    kept = [
        np.flatnonzero(slots >= 0).tolist() for slots in (located, again.locate(pictures).slots)
    ]
    assert kept[0] == kept[1]  # what is there stays, however much more is asked for


def test_a_picture_that_changes_while_it_is_learned_from_is_said(
    tmp_path: Path, pictures: list[str]
) -> None:
    copies = [str(shutil.copy(path, tmp_path / Path(path).name)) for path in pictures[:4]]
    cache = FrameCache(tmp_path / "cache", SHAPE, limit_bytes=FRAME_BYTES)
    located = cache.locate(copies)
    outside = int(np.flatnonzero(located.slots < 0)[0])
    shutil.copy(pictures[8], copies[outside])
    with pytest.raises(ImageError, match="has changed since it was first read"):
        cache.frames_at(located.slots)
    Path(copies[outside]).unlink()
    with pytest.raises(ImageError, match="no such picture"):
        cache.frames_at(located.slots)


def test_broken_pictures_are_known_before_they_are_needed(
    tmp_path: Path, pictures: list[str]
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(Path(pictures[0]).read_bytes()[:400])
    cache = FrameCache(tmp_path / "cache", SHAPE, limit_bytes=FRAME_BYTES)
    located = cache.locate([*pictures[:3], str(broken)])
    assert located.slots[3] == -1
    assert len(located.problems) == 1
