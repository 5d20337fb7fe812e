"""Two of the same command into one place, at nearly the same time.

One of them does its work, as if it were alone; the other is refused, or begins only when the first
is over. They may not both write.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from benchmarks.attack.campaign import Campaign
from benchmarks.attack.forks import Forked
from benchmarks.attack.jobs import Job, all_jobs
from benchmarks.attack.kills import Attacker, Unbroken, attacker_of, fresh, unlike
from benchmarks.attack.running import judge
from benchmarks.attack.same import content

KIND = "twice"
_SECOND = 100
"""Added to a worker's number for the forks of the second command."""


def attack(campaign: Campaign, seconds: float) -> None:
    """Start every command twice."""
    attacker = attacker_of(campaign)
    jobs = [job for job in all_jobs(attacker.material) if campaign.wants(f"{KIND}/{job.name}")]
    until = time.monotonic() + seconds
    tasks = [(job, attempt) for attempt in campaign.attempts(until, 30) for job in jobs]

    def work(task: tuple[Job, int], worker: int) -> None:
        job, attempt = task
        if campaign.attempt is None and time.monotonic() > until:
            return
        began_s = time.monotonic()
        unbroken = attacker.unbroken(job, worker)
        if unbroken is not None:
            _start_twice(attacker, job, unbroken, attempt, worker)
        campaign.tried(f"{KIND}/{job.name}", count=0, seconds=time.monotonic() - began_s)

    campaign.together(work, tasks)


def _start_twice(
    attacker: Attacker, job: Job, unbroken: Unbroken, attempt: int, worker: int
) -> None:
    campaign, name = attacker.campaign, f"{KIND}/{job.name}"
    chance = campaign.chance(name, attempt)
    later_s = 0.7 * chance.random() ** 4 * unbroken.seconds  # mostly at nearly the same time
    with campaign.place(f"twice-{worker}") as place:
        work = fresh(place, job)
        found: dict[int, tuple[Forked, float, float]] = {}

        def run(number: int, wait_s: float) -> None:
            time.sleep(wait_s)
            forks = attacker.forks(job.weight, worker + number * _SECOND)
            began_s = time.monotonic()
            said = place / f"said-{number}"
            ended = forks.run(job.arguments, work, said=said)
            found[number] = ended, began_s, time.monotonic()

        threads = [
            threading.Thread(target=run, args=(number, wait_s))
            for number, wait_s in enumerate((0.0, later_s))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (first, _, first_s), (second, second_began_s, _) = found[0], found[1]
        campaign.tried(name)
        files: list[Path] = [work, *place.glob("said-*")]
        how = f"a second one {later_s:.2f} s later"
        held = [judge(campaign, name, attempt, one, how, files) for one in (first, second)]
        if not all(held):
            return
        statuses = (first.status, second.status)
        overlapped = second_began_s < first_s
        if 0 not in statuses:
            what = f"{how}: both failed: {first.last_words}; {second.last_words}"
            campaign.found(name, "lost", what, attempt, files)
        elif statuses == (0, 0) and overlapped and not job.replaces:
            campaign.found(name, "let in", f"{how}: both wrote", attempt, files)
        differing = unlike(job, unbroken.content, content(work, work))
        if differing:
            what = f"{how}: {'; '.join(differing[:4])} {statuses}"
            campaign.found(name, "lost", what, attempt, files)
