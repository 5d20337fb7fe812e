"""One process a folder; what appears whole; what a kill leaves; links that lead elsewhere."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kills import kills_of
from systems import linux, posix

from ghostlap.base.errors import ExchangeError, FolderError, GhostlapError
from ghostlap.base.files import own_folder, refuse_link, remove, replacing, write_json
from ghostlap.base.folder_lock import (
    LOCK_NAME,
    FolderLock,
    is_free,
    locked_folder,
    replacing_folder,
    replacing_output,
)

kills = linux("the harness of kills looks at /proc")
forks = posix("forks")


def in_child(work: Callable[[], Any]) -> int:
    """Work in a process that ends without cleaning up; its exit status, 0 if all went well."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# The lock


def test_a_second_one_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    with FolderLock(tmp_path / "a" / "b"):
        before = names_in(tmp_path)
        with pytest.raises(ExchangeError, match="b: another process is writing there. Wait"):
            FolderLock(tmp_path / "a" / "b", ExchangeError)
        assert names_in(tmp_path) == before
    assert not names_in(tmp_path)  # nothing came to lie there


def test_what_lies_there_stays_and_the_lock_goes(tmp_path: Path) -> None:
    with FolderLock(tmp_path / "out"):
        (tmp_path / "out" / "mine").touch()
    assert names_in(tmp_path) == ["out", "out/mine"]


def test_a_lock_may_be_released_by_another_thread_and_twice(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    FolderLock(tmp_path).release()
    lock.release()


@forks
def test_the_lock_of_a_killed_process_hinders_nobody(tmp_path: Path) -> None:
    def killed() -> None:
        lock = FolderLock(tmp_path / "out")
        assert lock
        os._exit(0)

    assert in_child(killed) == 0
    assert (tmp_path / "out" / LOCK_NAME).exists()
    assert is_free(tmp_path / "out")
    FolderLock(tmp_path / "out").release()


@forks
def test_never_two_at_once_though_locks_come_and_go(tmp_path: Path) -> None:
    """Four processes take the same lock again and again, and each looks whether it is alone."""

    def takes_turns() -> None:
        taken = 0
        while taken < 15:
            try:
                with FolderLock(tmp_path / "out"):
                    os.mkdir(tmp_path / "alone")  # fails where another one is
                    os.rmdir(tmp_path / "alone")
                    taken += 1
            except FolderError:
                pass

    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            try:
                takes_turns()
                os._exit(0)
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert set(names_in(tmp_path)) <= {"out"}


def test_waiting_takes_over_when_the_other_ends(tmp_path: Path) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with FolderLock(tmp_path):
            held.set()
            done.wait(0.3)
            done.set()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with FolderLock(tmp_path, wait=True):
        assert done.is_set()
    thread.join()


def test_waiting_for_oneself_is_refused(tmp_path: Path) -> None:
    with (
        FolderLock(tmp_path),
        pytest.raises(FolderError, match="this very process is writing there"),
    ):
        FolderLock(tmp_path, wait=True)


def test_where_nobody_can_write_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExchangeError, match="file: cannot be written, because this is a file"):
        FolderLock(tmp_path / "file", ExchangeError)
    with pytest.raises(ExchangeError, match="out: cannot be written .*Choose a folder"):
        FolderLock(tmp_path / "file" / "out", ExchangeError)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with (
        pytest.raises(ExchangeError, match="holds thesis.txt and no demo. Name another --out"),
        locked_folder(tmp_path, "demo.json", "demo", ExchangeError),
    ):
        pass
    (tmp_path / "demo.json").touch()
    with locked_folder(tmp_path, "demo.json", "demo", ExchangeError):
        pass
    assert names_in(tmp_path) == ["demo.json", "thesis.txt"]


def test_what_counts_as_free(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert is_free(out)
    for name in ("IMG", "parts"):
        (out / name).mkdir(parents=True)
    for name in (LOCK_NAME, ".unfinished.recording.json", f"parts/{LOCK_NAME}"):
        (out / name).touch()
    assert is_free(out)
    for name in ("IMG/center.jpg", "notes", ".hidden"):
        (out / name).touch()
        assert not is_free(out)
        (out / name).unlink()
    (tmp_path / "file").touch()
    assert not is_free(tmp_path / "file")
    (out / "IMG" / "link").symlink_to(tmp_path)
    assert not is_free(out)


# What appears whole


def write_folder(out: Path) -> None:
    with replacing_folder(out, ExchangeError) as unfinished:
        (unfinished / "IMG").mkdir()
        for number in range(3):
            (unfinished / "IMG" / f"{number}.jpg").write_bytes(b"picture")
        (unfinished / "driving_log.csv").write_text("row")


def write_output(out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing_output(out, ExchangeError) as unfinished:
        unfinished.write_text("film")


WHOLE = ["IMG", "IMG/0.jpg", "IMG/1.jpg", "IMG/2.jpg", "driving_log.csv"]


@kills
@pytest.mark.parametrize("same", [True, False])
def test_a_killed_copy_is_tidied_by_the_next_one_there(same: bool, tmp_path: Path) -> None:
    home = tmp_path / "home"
    kills = 0
    for _ in kills_of(lambda: write_folder(home / "copy"), home):
        kills += 1
        finished = (home / "copy").exists()
        if finished:  # without a lock, too
            assert names_in(home / "copy") == WHOLE
        if same and not finished:
            write_folder(home / "copy")
            assert names_in(home / "copy") == WHOLE
        else:
            write_folder(home / "other")
        assert not [path for path in home.iterdir() if path.name.startswith(".")]
    assert kills >= 10


@kills
def test_a_killed_film_leaves_what_was_there_and_is_tidied(tmp_path: Path) -> None:
    film = tmp_path / "home" / "film.mp4"

    def earlier() -> None:
        film.parent.mkdir()
        film.write_text("earlier")

    for _ in kills_of(lambda: write_output(film), film.parent, before=earlier):
        assert film.read_text() in ("earlier", "film")
        write_output(film)
        assert names_in(film.parent) == ["film.mp4"]
        assert film.read_text() == "film"


@pytest.mark.parametrize("write", [write_folder, write_output])
def test_two_at_once_the_second_is_refused_before_it_began(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    out = tmp_path / "x"
    replaced = replacing_folder if write is write_folder else replacing_output
    with replaced(out) as unfinished:
        before = names_in(tmp_path)
        with pytest.raises(ExchangeError, match="x: another process is writing there"):
            write(out)
        write_folder(tmp_path / "y")  # which does not tidy what is being written
        assert set(before) <= set(names_in(tmp_path))
        if replaced is replacing_output:
            unfinished.write_text("film")
    assert {path.name for path in tmp_path.iterdir()} == {"x", "y"}


def test_a_failed_copy_leaves_nothing(tmp_path: Path) -> None:
    def write_half() -> None:
        with replacing_folder(tmp_path / "x") as unfinished:
            (unfinished / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert not names_in(tmp_path)


def test_leftovers_in_its_place_do_not_hinder_and_content_does(tmp_path: Path) -> None:
    out = tmp_path / "x"
    (out / "IMG").mkdir(parents=True)
    (out / LOCK_NAME).touch()
    write_folder(out)
    assert names_in(out) == WHOLE
    with pytest.raises(ExchangeError, match="x: already in use"):
        write_folder(out)
    assert names_in(out) == WHOLE


@pytest.mark.parametrize("name", ["a.part", ".a", "a b", "ü[x]", "x" * 200])
def test_any_name_will_do(name: str, tmp_path: Path) -> None:
    write_folder(tmp_path / name)
    write_output(tmp_path / f"{name}.mp4")
    assert {path.name for path in tmp_path.iterdir()} == {name, f"{name}.mp4"}


def test_hidden_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".theirs.part").mkdir()
    (tmp_path / ".theirs.part" / "letter").touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / LOCK_NAME).touch()
    (elsewhere / "letter").touch()
    (tmp_path / ".link.part").symlink_to(elsewhere)
    write_folder(tmp_path / "x")
    assert (tmp_path / ".theirs.part" / "letter").exists()
    assert (elsewhere / "letter").exists()


# Links


def test_what_a_link_leads_to_is_never_removed(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    (theirs / "letter").touch()
    (ours / "link").symlink_to(theirs)
    (ours / "dangling").symlink_to(tmp_path / "nowhere")
    (ours / "tree").mkdir()
    (ours / "tree" / "link").symlink_to(theirs)
    with pytest.raises(FolderError, match="a link leads from .*ours to elsewhere.*theirs"):
        remove(ours / "link" / "letter", ours)
    for name in ("tree", "link", "dangling", "none"):
        remove(ours / name, ours)
    assert not names_in(ours)
    assert (theirs / "letter").exists()
    with pytest.raises(ValueError, match="is not in the subpath"):
        remove(theirs / "letter", ours)
    with pytest.raises(FolderError, match="a link leads"):
        remove(ours / ".." / "theirs" / "letter", ours)
    assert (theirs / "letter").exists()


def test_a_folder_that_is_a_link_itself_is_a_persons_choice(tmp_path: Path) -> None:
    (tmp_path / "disk" / "tree").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    remove(tmp_path / "out" / "tree", tmp_path / "out")
    assert not names_in(tmp_path / "disk")


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    for name in ("a.json", ".unfinished.a.json"):
        (tmp_path / name).symlink_to(theirs)
    write_json(tmp_path / "a.json", 1)
    assert theirs.read_text() == "theirs"
    assert (tmp_path / "a.json").read_text() == "1\n"
    (tmp_path / "folder").symlink_to(tmp_path)
    with pytest.raises(GhostlapError, match="folder: this is a link to elsewhere"):
        own_folder(tmp_path / "folder")
    with pytest.raises(FolderError, match="link to elsewhere"):
        refuse_link(tmp_path / "folder")
    with pytest.raises(FolderError, match="folder: this is a link"):
        write_folder(tmp_path / "folder")


def test_an_error_names_the_file_where_the_system_does_not(tmp_path: Path) -> None:
    for replaced in (replacing, replacing_output):
        with pytest.raises(OSError, match="full") as caught, replaced(tmp_path / "a.json"):
            raise OSError(errno.ENOSPC, "full")
        assert caught.value.filename == str(tmp_path / "a.json")
    assert not names_in(tmp_path)


def test_a_workshop_that_another_has_left_meanwhile_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at once: when the second began, the hidden folder was the first one's."""
    monkeypatch.setattr("ghostlap.base.folder_lock.tidy", lambda folder: None)
    out = tmp_path / "out"
    out.mkdir()
    (out / "whole").touch()
    (tmp_path / ".out.part").mkdir()
    with pytest.raises(FolderError, match="already in use"), replacing_folder(out):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
