"""A disk that fills up under every command that writes; then there is room, and it goes on.

With the rights for it, the disk is a small tmpfs in a mount namespace of its own. Otherwise no file
may grow beyond a size, which fails likewise in the middle of a write.
"""

from __future__ import annotations

import mmap
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.attack.campaign import Campaign
from benchmarks.attack.jobs import Job, all_jobs
from benchmarks.attack.kills import Attacker, Unbroken, attacker_of, fresh, unlike
from benchmarks.attack.running import Ended, command, environment, judge, run
from benchmarks.attack.same import content

KIND = "disks"
_SCRIPT = """
mount -t tmpfs -o size=$1,mode=755 none "$2" && cp -r "$3/." "$2/" || exit 99
cd "$2" && shift 3 && "$@"
status=$?
cd / && cp -a "$OLDPWD/." "$KEEP/"
exit $status
"""
"""In a namespace of its own: fill a small disk, then copy away what is on it."""


def attack(campaign: Campaign, seconds: float) -> None:
    """Fill the disk at many sizes."""
    attacker = attacker_of(campaign)
    jobs = [job for job in all_jobs(attacker.material) if campaign.wants(f"{KIND}/{job.name}")]
    until = time.monotonic() + seconds
    mounts = can_mount(campaign.folder)
    if not mounts:
        campaign.say("disks: no right to mount a small disk; files are limited instead")
    tasks = [(job, number) for number in campaign.attempts(until, 40) for job in jobs]

    def work(task: tuple[Job, int], worker: int) -> None:
        job, attempt = task
        if campaign.attempt is None and time.monotonic() > until:
            return
        began_s = time.monotonic()
        campaign.row(f"{KIND}/{job.name}", job.allowed_mb)
        unbroken = attacker.unbroken(job, worker)
        if unbroken is not None:
            _fill(attacker, job, unbroken, attempt, worker, mounts)
        campaign.tried(f"{KIND}/{job.name}", count=0, seconds=time.monotonic() - began_s)

    campaign.together(work, tasks)


def can_mount(folder: Path) -> bool:
    """Whether this process may have a mount namespace of its own."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    place = folder / "mount"
    place.mkdir(exist_ok=True)
    tried = subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)],
        capture_output=True, check=False,
    )  # fmt: skip
    return tried.returncode == 0


def _fill(
    attacker: Attacker, job: Job, unbroken: Unbroken, attempt: int, worker: int, mounts: bool
) -> None:
    campaign, name = attacker.campaign, f"{KIND}/{job.name}"
    chance = campaign.chance(name, attempt)
    forks = attacker.forks(job.weight, worker)
    with campaign.place(f"disks-{worker}") as place:
        work = fresh(place, job)
        before = sum(_on_disk(path) for path in work.rglob("*"))
        written = max(unbroken.bytes - before, 4096)
        if mounts:
            size_kb = (before + int(written * chance.uniform(0.0, 1.1))) // 1024 + 4
            what = f"a disk of {size_kb} kB"
            ended = _on_a_small_disk(attacker, job, work, place / "disk", size_kb)
        else:
            limit = int(unbroken.largest_bytes * chance.uniform(0.0, 1.0))
            what = f"files of {limit} bytes at most"
            ended = forks.run(job.arguments, work, limit_bytes=limit)
        campaign.tried(name, peak_mb=ended.peak_mb)
        files = [work, work.with_name("work.err")]
        if not judge(campaign, name, attempt, ended, what, files):
            return
        last = forks.run(job.going_on, work)
        if last.status == 2 and job.resumes:
            last = forks.run(job.arguments, work)
        if not judge(campaign, name, attempt, last, f"{what}; then with room", files):
            return
        differing = unlike(job, unbroken.content, content(work, work))
        if differing:
            said = f" ({last.last_words})" if last.status else ""
            words = f"{what}; then with room {'; '.join(differing[:4])}{said}"
            campaign.found(name, "lost", words, attempt, files)


def _on_disk(path: Path) -> int:
    """What a file or folder takes of a tmpfs, in bytes: whole pages."""
    return -(-path.stat().st_size // mmap.PAGESIZE) * mmap.PAGESIZE if path.is_file() else 4096


def _on_a_small_disk(attacker: Attacker, job: Job, work: Path, disk: Path, size_kb: int) -> Ended:
    """Run a command on a disk of its own that is mounted over its folder, and keep what it wrote.

    What it brought lies on the disk, too; its folder has the same path as everywhere.
    """
    disk.mkdir()
    env = environment(attacker.material.cache, KEEP=str(disk))
    brought = work.with_name("brought")
    shutil.copytree(work, brought)
    script = ["sh", "-c", _SCRIPT, "disk", f"{size_kb}k", str(work), str(brought)]
    ended = run(["unshare", "-m", *script, *command(*job.arguments)], disk, env)
    if ended.status == 99:
        raise RuntimeError(f"no disk of {size_kb} kB: {ended.last_words}")
    shutil.rmtree(work)
    shutil.move(disk, work)
    return ended
