"""The attacks themselves: each kind for a moment, and that each can find what it looks for."""

from __future__ import annotations

import contextlib
import json
import mmap
import random
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from systems import linux
from websockets.sync.server import serve

from benchmarks.attack import (
    clients,
    disks,
    environments,
    files,
    fuzz,
    kills,
    pages,
    servers,
    twice,
)
from benchmarks.attack.campaign import Campaign
from benchmarks.attack.forks import Forks, Kill
from benchmarks.attack.fuzz_targets import Target, quick_targets
from benchmarks.attack.jobs import Job
from benchmarks.attack.material import Material, make_material
from benchmarks.attack.mutate import Mutator
from benchmarks.attack.running import Ended, judge
from benchmarks.attack.same import content, differences
from benchmarks.attack.table import BEGIN, END, as_json, as_markdown, held, write_between_marks

pytestmark = linux("forks, kills and /proc")


def campaign_in(folder: Path, **options: object) -> Campaign:
    (folder / "files").mkdir()
    return Campaign(
        7,
        folder / "files",
        folder / "findings",
        workers=1,
        say=lambda text: None,
        **options,  # type: ignore[arg-type]
    )


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return campaign_in(tmp_path)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("attack") / "material")


@pytest.fixture(scope="module")
def forks(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    forks = Forks("bare", material.cache, tmp_path_factory.mktemp("forks") / "log")
    yield forks
    forks.close()


# The table


def test_a_finding_is_counted_kept_and_told_how_to_repeat(
    campaign: Campaign, tmp_path: Path
) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"bad")
    campaign.tried("kills/x", count=3, peak_mb=120.0, seconds=2.0)
    assert held(campaign)
    for attempt in range(9):
        campaign.found("kills/x", "lost", "a row is gone", attempt, [file])
    assert not held(campaign)
    assert campaign.rows["kills/x"].faults["lost"] == 9
    assert len(campaign.findings) == 3
    finding = campaign.findings[0]
    assert finding.repeat.endswith("--only kills/x --seed 7 --attempt 0")
    assert (Path(finding.kept) / "input").read_bytes() == b"bad"
    assert "| kills | 3 | 9 | 0 | 0 | 0 | 0 | 120 | 300 | 2 |" in as_markdown(campaign).replace(
        "*", ""
    )
    values = json.loads(json.dumps(as_json(campaign, 1.0)))
    assert values["held"] is False
    assert values["rows"][0]["faults"]["lost"] == 9


def test_a_process_that_grew_too_large_is_a_fault(campaign: Campaign) -> None:
    campaign.row("kills/train", allowed_mb=1500.0)
    campaign.tried("kills/train", peak_mb=1400.0)
    campaign.check_memory()
    assert held(campaign)
    campaign.tried("kills/record", peak_mb=301.0)
    campaign.check_memory()
    assert campaign.rows["kills/record"].faults["memory"] == 1


def test_the_table_stands_between_its_marks(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_between_marks(document, "| new |\n")
    assert document.read_text() == f"before\n{BEGIN}\n| new |\n{END}\nafter\n"
    document.write_text("no marks")
    with pytest.raises(ValueError, match="must hold the lines"):
        write_between_marks(document, "")


@pytest.mark.parametrize(
    ("status", "err", "fault"),
    [
        (0, "", None), (2, "error: no such folder", None), (None, "", "hung"), (-11, "", "crashed"),
        (2, "Traceback (most recent call last):\n", "crashed"), (134, "", "crashed"),
        (130, "stopped", None), (0, "Exception ignored in: <x>", "crashed"),
    ],
)  # fmt: skip
def test_what_may_not_happen_to_a_command(
    campaign: Campaign, status: int | None, err: str, fault: str | None
) -> None:
    ended = Ended(status, "", err, 1.0)
    assert judge(campaign, "files/x", 0, ended, "a file") == (fault is None)
    assert ended.fault == fault
    assert held(campaign) == (fault is None)


# Kills


def test_what_differs_is_seen(tmp_path: Path) -> None:
    for name, value in (("a", "1"), ("b", "2")):
        folder = tmp_path / name / "out"
        folder.mkdir(parents=True)
        (folder / "same").write_text(str(folder.parent))
        (folder / "other").write_text(value)
        (folder / "about.json").write_text(json.dumps({"seconds": value, "rows": 3}))
    (tmp_path / "a" / "gone").touch()
    (tmp_path / "b" / ".half.part").mkdir()
    found = [content(tmp_path / name, tmp_path / name) for name in "ab"]
    assert differences(*found) == [
        "left over: .half.part",
        "missing: gone",
        "other bytes: out/other",
    ]


def test_a_killed_command_is_gone_on_with(
    campaign: Campaign, material: Material, forks: Forks, tmp_path: Path
) -> None:
    """Killed before each of some operations; and a job that cannot come to the same is found."""
    work = tmp_path / "work"
    work.mkdir()
    ended = forks.run(["convert", str(material.recording), "--out", "out"], work)
    assert (ended.status, ended.err.count("Traceback")) == (0, 0)
    assert ended.operations > 10
    other = tmp_path / "other"
    other.mkdir()
    killed = forks.run(
        ["convert", str(material.recording), "--out", "out"], other, kill=Kill(at_operation=5)
    )
    assert killed.status == -9
    assert not (other / "out").exists()


def test_kills_are_counted_and_a_result_that_differs_is_found(
    campaign: Campaign, material: Material, forks: Forks
) -> None:
    attacker = kills.Attacker(campaign, material)
    attacker._forks[("bare", 0)] = forks
    job = Job("doctor --fix", ("doctor", str(material.recording), "--fix", "out"), weight="bare")
    unbroken = attacker.unbroken(job, 0)
    assert unbroken is not None
    wrong = kills.Unbroken({**unbroken.content, "never": "there"}, 0.3, unbroken.operations)
    kills.make_attempt(attacker, job, wrong, 0, 0)
    assert campaign.rows["kills/doctor --fix"].faults["lost"] == 1
    assert "missing: never" in campaign.findings[0].what


# Fuzzing


def test_damage_is_drawn_alike_from_the_same_seed() -> None:
    mutator = Mutator([b'{"a": 12.5, "b": [1, 2]}', b"x" * 40])
    draws = [[mutator.draw(random.Random(seed)) for seed in range(300)] for _ in range(2)]
    assert draws[0] == draws[1]
    assert len(set(draws[0])) > 250


@pytest.mark.parametrize("name", quick_targets())
def test_each_reader_is_fuzzed(name: str, tmp_path: Path) -> None:
    target = quick_targets()[name]()
    for seed in target.seeds:
        with contextlib.suppress(*target.expected):
            target.read(seed)
    assert _failures(target, tmp_path) == []


def test_a_reader_that_falls_is_found(tmp_path: Path) -> None:
    def read(data: bytes) -> None:
        if b"\0" in data:
            raise ValueError("fell")

    [failure] = _failures(Target(read, [b"abc"]), tmp_path)
    assert failure["what"].startswith("ValueError at test_attack.py")
    assert bytes.fromhex(failure["input"]).count(b"\0")


def _failures(target: Target, folder: Path) -> list[dict[str, Any]]:
    progress, told = folder / "progress", folder / "told"
    progress.write_bytes(struct.pack("<QQ", 0, 0))
    with progress.open("r+b") as file, mmap.mmap(file.fileno(), 0) as shared:
        fuzz.fuzz_target(target, "x", 7, 0, time.monotonic(), 1, shared, told)
        assert struct.unpack("<QQ", shared[:16]) == (target.batch, 1)
    return [json.loads(line) for line in told.read_text().splitlines()]


def test_a_reader_that_hangs_is_found(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Played by a process that says nothing new."""
    monkeypatch.setattr(fuzz, "_START_S", 0.2)
    monkeypatch.setattr(sys, "executable", str(_script(tmp_path / "hang", "#!/bin/sh\nsleep 60\n")))
    (tmp_path / "progress").write_bytes(struct.pack("<QQ", 0, 0))
    assert fuzz._one_process(campaign, "fuzz/wire", tmp_path, {}) == 0
    assert campaign.rows["fuzz/wire"].faults["hung"] == 1


def _script(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


# The other kinds, for a moment each


def small_campaign(folder: Path, only: str, material: Material, forks: Forks) -> Campaign:
    """One attempt at one row, on the material and the forks that are there."""
    campaign = campaign_in(folder, only=only, attempt=0)
    (campaign.folder / "material").symlink_to(material.folder)
    attacker = kills.Attacker(campaign, material)
    attacker._forks[("light", 0)] = forks
    campaign.shared["attacker"] = attacker
    return campaign


@pytest.mark.parametrize("only", ["disks/doctor --fix", "kills/doctor --fix"])
def test_one_attempt_of_a_command(
    only: str, tmp_path: Path, material: Material, forks: Forks
) -> None:
    campaign = small_campaign(tmp_path, only, material, forks)
    (disks if only.startswith("disks") else kills).attack(campaign, 1.0)
    assert campaign.findings == []
    assert campaign.rows[only].seconds > 0  # a kill may come too late to count


def test_two_at_once(tmp_path: Path, material: Material, forks: Forks) -> None:
    campaign = small_campaign(tmp_path, "twice/doctor --fix", material, forks)
    other = Forks("bare", material.cache, tmp_path / "log")
    campaign.shared["attacker"]._forks[("light", 100)] = other
    twice.attack(campaign, 1.0)
    other.close()
    assert campaign.rows["twice/doctor --fix"].count == 1


@pytest.mark.parametrize("surroundings", ["no HOME", "Ctrl-C"])
def test_odd_surroundings(
    surroundings: str,
    tmp_path: Path,
    material: Material,
    forks: Forks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = Job("doctor --fix", ("doctor", str(material.recording), "--fix", "out"))
    monkeypatch.setattr(environments, "all_jobs", lambda material: [job])
    campaign = small_campaign(tmp_path, f"environments/{surroundings}", material, forks)
    environments.attack(campaign, 1.0)
    assert campaign.findings == []
    assert campaign.rows[f"environments/{surroundings}"].count == 1


def test_a_hostile_file(tmp_path: Path, material: Material, forks: Forks) -> None:
    campaign = small_campaign(tmp_path, "files/logs", material, forks)
    kind = files.all_kinds(material)["logs"]
    place = tmp_path / "place"
    place.mkdir()
    files.try_file(campaign, material, kind, place, "files/logs", 0)
    assert campaign.findings == []


def test_a_drive_is_killed_while_it_records(
    tmp_path: Path, material: Material, forks: Forks
) -> None:
    campaign = small_campaign(tmp_path, "servers/drive --record", material, forks)
    servers.attack(campaign, 1.0)
    assert [one for one in campaign.findings if one.fault != "lost"] == []
    assert campaign.rows["servers/drive --record"].count == 1


def test_hostile_clients_beside_a_good_one(
    tmp_path: Path, material: Material, forks: Forks
) -> None:
    campaign = small_campaign(tmp_path, "clients/messages", material, forks)
    clients.attack(campaign, 1.0)
    assert campaign.findings == []
    [remark] = campaign.rows["clients/messages"].remarks
    assert remark.startswith("the good client: p50 ")


def test_a_server_that_lets_every_page_in_is_found(campaign: Campaign, tmp_path: Path) -> None:
    with serve(lambda socket: None, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        class Open:
            port = server.socket.getsockname()[1]
            err = tmp_path / "err"

        clients.try_origins(campaign, Open())  # type: ignore[arg-type]
        server.shutdown()
        thread.join()
    assert campaign.rows["clients/origins"].faults["let in"] > 3


def test_hostile_pages(tmp_path: Path, material: Material, forks: Forks) -> None:
    campaign = small_campaign(tmp_path, "pages", material, forks)
    pages.attack(campaign, 0.0)
    assert {one.fault for one in campaign.findings} <= {"memory"}
    assert campaign.rows["pages/requests"].count == 20
