"""SIGKILL at any moment of every command that writes; afterwards it goes on to the same bytes.

Half of the kills fall at a moment drawn from the unbroken run's duration, half just before one of
its file operations. Some runs are killed several times before they may end. Where a command cannot
go on, it begins anew; where it says that it was finished already, everything must be there.
"""

from __future__ import annotations

import dataclasses
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.attack.campaign import Campaign
from benchmarks.attack.forks import Forked, Forks, Kill, Weight
from benchmarks.attack.jobs import Job, all_jobs, demo_job
from benchmarks.attack.material import Material, make_exchanged, make_material, make_trained
from benchmarks.attack.running import judge
from benchmarks.attack.same import content, differences

KIND = "kills"


@dataclasses.dataclass(frozen=True)
class Unbroken:
    """A run that nobody disturbed."""

    content: dict[str, str]
    seconds: float
    operations: int
    bytes: int = 0
    """Of all files."""
    largest_bytes: int = 0
    """Of the largest file."""


class Attacker:
    """Forks for each worker, and the unbroken runs."""

    def __init__(self, campaign: Campaign, material: Material) -> None:
        self.campaign, self.material = campaign, material
        self._forks: dict[tuple[Weight, int], Forks] = {}
        self._unbroken: dict[str, Unbroken | None] = {}
        self._lock, self._making = threading.Lock(), threading.Lock()

    def forks(self, weight: Weight, worker: int) -> Forks:
        with self._lock:
            key = (weight, worker)
            if key not in self._forks:
                log = self.campaign.folder / f"forks-{weight}-{worker}.log"
                self._forks[key] = Forks(weight, self.material.cache, log)
            return self._forks[key]

    def unbroken(self, job: Job, worker: int) -> Unbroken | None:
        """What the command comes to undisturbed; None where that fails, or two differ."""
        with self._lock:
            known = job.name in self._unbroken
        if not known:
            with self._making:
                self._make_for(job)
            found = self._run_twice(job, worker)
            with self._lock:
                self._unbroken[job.name] = found
        return self._unbroken[job.name]

    def close(self) -> None:
        for forks in self._forks.values():
            forks.close()

    def _make_for(self, job: Job) -> None:
        """What only some of the commands need."""
        if self.material.trained in job.brought:
            make_trained(self.material)
        if str(self.material.tub) in job.arguments:
            make_exchanged(self.material)

    def _run_twice(self, job: Job, worker: int) -> Unbroken | None:
        runs = []
        for number in range(1 + job.compared):  # the first one may have filled a cache
            with self.campaign.place(f"unbroken-{worker}-{number}") as place:
                work = fresh(place, job)
                ended = self.forks(job.weight, worker).run(
                    job.arguments, work, timeout_s=job.ends_within_s
                )
                if ended.status != 0:
                    what = f"undisturbed: status {ended.status}: {ended.last_words}"
                    self.campaign.found(f"{KIND}/{job.name}", "crashed", what, 0)
                    return None
                sizes = [path.stat().st_size for path in work.rglob("*") if path.is_file()]
                runs.append(
                    Unbroken(
                        content(work, work), ended.seconds, ended.operations, sum(sizes), max(sizes)
                    )
                )
        differing = unlike(job, runs[0].content, runs[-1].content)
        if differing:
            what = f"two undisturbed runs differ: {'; '.join(differing[:5])}"
            self.campaign.found(f"{KIND}/{job.name}", "lost", what, 0)
            return None
        return runs[-1]


def attacker_of(campaign: Campaign) -> Attacker:
    """The one of a campaign."""
    if "attacker" not in campaign.shared:
        material = make_material(campaign.folder / "material")
        campaign.shared["attacker"] = Attacker(campaign, material)
        campaign.at_the_end.callback(campaign.shared["attacker"].close)
    found: Attacker = campaign.shared["attacker"]
    return found


def fresh(place: Path, job: Job) -> Path:
    """The empty folder in which a command runs."""
    work = place / "work"
    work.mkdir()
    job.prepare(work)
    return work


def unlike(job: Job, wanted: dict[str, str], got: dict[str, str]) -> list[str]:
    """What differs, but for bytes that no two runs share."""
    return [
        text
        for text in (differences(wanted, got) if job.compared else ())
        if not (text.startswith("other bytes") and text.endswith(job.varies or "\0"))
    ]


def attack(campaign: Campaign, seconds: float) -> None:
    """Kill every command, as often as there is time for."""
    attacker = attacker_of(campaign)
    jobs = [*all_jobs(attacker.material), demo_job(attacker.material)]
    jobs = [job for job in jobs if campaign.wants(f"{KIND}/{job.name}")]
    until = time.monotonic() + seconds

    def work(task: tuple[Job, int], worker: int) -> None:
        job, attempt = task
        began_s = time.monotonic()
        unbroken = attacker.unbroken(job, worker)
        if unbroken is not None:
            make_attempt(attacker, job, unbroken, attempt, worker)
        name = f"{KIND}/{job.name}"
        campaign.tried(name, count=0, seconds=time.monotonic() - began_s)

    campaign.together(work, _tasks(campaign, jobs, until))


def _tasks(campaign: Campaign, jobs: list[Job], until: float) -> Iterator[tuple[Job, int]]:
    """Attempts, each job's in proportion to its share, all jobs from the beginning on."""
    if campaign.attempt is not None:
        yield from ((job, campaign.attempt) for job in jobs)
        return
    made = dict.fromkeys((job.name for job in jobs), 0)
    while jobs and time.monotonic() < until:
        job = min(jobs, key=lambda job: (made[job.name] + 0.5) / job.share)
        yield job, made[job.name]
        made[job.name] += 1


def draw_kill(chance: random.Random, unbroken: Unbroken) -> Kill:
    if unbroken.operations and chance.random() < 0.5:
        return Kill(at_operation=chance.randint(1, unbroken.operations))
    return Kill(at_s=chance.uniform(0.0, unbroken.seconds))


def make_attempt(
    attacker: Attacker, job: Job, unbroken: Unbroken, attempt: int, worker: int
) -> None:
    """Kill a command once or several times, let it go on, and compare."""
    campaign, name = attacker.campaign, f"{KIND}/{job.name}"
    chance = campaign.chance(name, attempt)
    forks = attacker.forks(job.weight, worker)
    with campaign.place(f"kills-{worker}") as place:
        work = fresh(place, job)
        kills: list[Kill] = []
        arguments = job.arguments
        for _ in range(1 if chance.random() < 0.4 else chance.randint(2, job.most_kills)):
            kill = draw_kill(chance, unbroken)
            ended = forks.run(arguments, work, kill=kill, timeout_s=job.ends_within_s)
            if ended.status != -9:  # it was over before
                break
            kills.append(kill)
            campaign.tried(name)
            if ended.left_behind:
                what = f"{kill}: {ended.left_behind} processes of it went on"
                campaign.found(name, "hung", what, attempt)
            if "Traceback" in ended.err or "Fatal" in ended.err:
                campaign.found(name, "crashed", f"{kill}: {ended.last_words}", attempt)
            arguments = job.going_on
        how = ", then ".join(map(str, kills)) or "not killed"
        last = _go_on(forks, job, work)
        files = [work, work.with_name("work.err")]
        if not judge(campaign, name, attempt, last, f"{how}; then", files):
            return
        differing = unlike(job, unbroken.content, content(work, work))
        if last.status and not job.compared:
            differing = [f"status {last.status}"]
        if differing:
            said = f" ({last.last_words})" if last.status else ""
            what = f"{how}; then {'; '.join(differing[:4])}{said}"
            campaign.found(name, "lost", what, attempt, files)


def _go_on(forks: Forks, job: Job, work: Path) -> Forked:
    """Let a command go on after kills, or begin anew where it cannot."""
    ended = forks.run(job.going_on, work, timeout_s=job.ends_within_s)
    if ended.status == 2 and job.resumes:
        ended = forks.run(job.arguments, work, timeout_s=job.ends_within_s)
    return ended
