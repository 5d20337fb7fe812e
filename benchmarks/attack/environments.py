"""Odd surroundings, and several quick Ctrl-C: a command works, or says in words why it cannot."""

from __future__ import annotations

import dataclasses
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.attack.campaign import Campaign
from benchmarks.attack.jobs import Job, all_jobs
from benchmarks.attack.kills import Attacker, Unbroken, attacker_of, fresh, unlike
from benchmarks.attack.running import command, environment, judge, run
from benchmarks.attack.same import content

KIND = "environments"


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What is odd about them."""

    name: str
    env: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    shell: str = ""
    """What a shell does before, or with, the command, which is ``"$@"``."""
    must_work: bool = True
    named: str = ""
    """What the command's output is called; then only its end is looked at."""
    says: bool = True
    """Whether anyone could hear why it does not work."""


_NO_CACHE = {"GHOSTLAP_CACHE": None, "XDG_CACHE_HOME": None}
ALL = (
    Surroundings("no HOME", {"HOME": None}),
    Surroundings("HOME is a file", {"HOME": "/etc/passwd"}, must_work=False),
    Surroundings("no HOME, no cache", {"HOME": "/proc/none", **_NO_CACHE}, must_work=False),
    Surroundings("cache is a file", {"GHOSTLAP_CACHE": "/etc/passwd"}, must_work=False),
    Surroundings("cache in /proc", {"GHOSTLAP_CACHE": "/proc/none/x"}, must_work=False),
    Surroundings("closed input", shell='exec "$@" <&-'),
    Surroundings("closed output", shell='exec "$@" >&-'),
    Surroundings("closed errors", shell='exec "$@" 2>&-', says=False),
    Surroundings("all closed", shell='exec "$@" <&- >&- 2>&-', says=False),
    Surroundings("errors to a full disk", shell='exec "$@" 2>/dev/full', says=False),
    Surroundings("output to a full disk", shell='exec "$@" --json >/dev/full', must_work=False),
    Surroundings("reader gone", shell='"$@" 2>&1 | true', says=False, must_work=False),
    Surroundings("C locale", {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0",
                              "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}),
    Surroundings("C locale, other letters", {"LC_ALL": "C"}, named="wég 漢"),
    Surroundings("ASCII alone, other letters", {"LC_ALL": "C", "PYTHONUTF8": "0",
                 "PYTHONCOERCECLOCALE": "0"}, named="wég 漢", must_work=False),
    Surroundings("a name like markup", named="a[/] [bold]b"),
    Surroundings("a name with a line break", named="a\nb\x1b[2J"),
    Surroundings("no TMPDIR", {"TMPDIR": "/proc/none"}),
    Surroundings("few files", shell='ulimit -n 40; exec "$@"', must_work=False),
    Surroundings("no terminal", {"TERM": None, "COLUMNS": None, "LINES": "0"}),
    Surroundings("narrow", {"COLUMNS": "1"}),
)  # fmt: skip
_CTRL_C = "Ctrl-C"


def attack(campaign: Campaign, seconds: float) -> None:
    """Each of the surroundings with commands in turn, and Ctrl-C in between."""
    attacker = attacker_of(campaign)
    jobs = all_jobs(attacker.material)
    until = time.monotonic() + seconds
    kinds = [_CTRL_C, *(one.name for one in ALL)]
    kinds = [kind for kind in kinds if campaign.wants(f"{KIND}/{kind}")]
    odd = {one.name: one for one in ALL}
    tasks = [(kind, attempt) for attempt in campaign.attempts(until, 400) for kind in kinds]

    def work(task: tuple[str, int], worker: int) -> None:
        kind, attempt = task
        if campaign.attempt is None and time.monotonic() > until:
            return
        began_s = time.monotonic()
        job = campaign.chance(f"{KIND}/{kind}", attempt).choices(jobs, [job.share for job in jobs])[
            0
        ]
        unbroken = attacker.unbroken(job, worker)
        if unbroken is not None:
            if kind == _CTRL_C:
                _interrupt(attacker, job, unbroken, attempt, worker)
            else:
                _surround(attacker, job, unbroken, odd[kind], attempt, worker)
        campaign.tried(f"{KIND}/{kind}", seconds=time.monotonic() - began_s)

    campaign.together(work, tasks)


def _interrupt(attacker: Attacker, job: Job, unbroken: Unbroken, attempt: int, worker: int) -> None:
    campaign, name = attacker.campaign, f"{KIND}/{_CTRL_C}"
    chance = campaign.chance(f"{name}/when", attempt)
    forks = attacker.forks(job.weight, worker)
    with campaign.place(f"environments-{worker}") as place:
        work = fresh(place, job)
        at_s = chance.uniform(0.0, unbroken.seconds)
        moments = sorted(at_s + chance.uniform(0.0, 0.3) for _ in range(chance.randint(1, 6)))
        ended = forks.run(job.arguments, work, signals_s=moments)
        if ended.status == -signal.SIGINT:  # at its very end, when it listens no longer
            ended = dataclasses.replace(ended, status=130)
        how = f"{job.name}: SIGINT after {', '.join(f'{at_s:.2f}' for at_s in moments)} s"
        files = [work, work.with_name("work.err")]
        if not judge(campaign, name, attempt, ended, how, files):
            return
        if ended.status not in (0, 130):
            what = f"{how}: status {ended.status}: {ended.last_words}"
            campaign.found(name, "crashed", what, attempt, files)
        last = forks.run(job.going_on, work)
        if last.status == 2 and job.resumes:
            last = forks.run(job.arguments, work)
        _compare(campaign, name, job, unbroken, work, f"{how}; then", attempt, last.last_words)


def _surround(
    attacker: Attacker,
    job: Job,
    unbroken: Unbroken,
    odd: Surroundings,
    attempt: int,
    worker: int,
) -> None:
    campaign, name = attacker.campaign, f"{KIND}/{odd.name}"
    with campaign.place(f"environments-{worker}") as place:
        work = fresh(place, job)
        whole = command(*(_named(argument, odd.named) for argument in job.arguments))
        if odd.shell:
            whole = ["sh", "-c", odd.shell, "sh", *whole]
        ended = run(whole, work, environment(attacker.material.cache, **odd.env))
        campaign.tried(name, count=0)
        files = [work, work.with_name("work.err")]
        if not judge(campaign, name, attempt, ended, job.name, files):
            return
        if odd.named and odd.must_work and ended.status != 0:
            what = f"{job.name}: status {ended.status}: {ended.last_words}"
            campaign.found(name, "crashed", what, attempt, files)
        elif not odd.named and (ended.status == 0 or odd.must_work):
            said = f"status {ended.status}: {ended.last_words}"
            _compare(campaign, name, job, unbroken, work, job.name, attempt, said)
        elif ended.status != 0 and odd.says and not ended.err.strip():
            what = f"{job.name}: status {ended.status}, and not a word why"
            campaign.found(name, "crashed", what, attempt, files)


def _named(argument: str, name: str) -> str:
    """An argument with the output's usual name replaced, if it is to have another."""
    return argument.replace("out", name, 1) if name and argument.startswith("out") else argument


def _compare(
    campaign: Campaign, name: str, job: Job, unbroken: Unbroken, work: Path, how: str,
    attempt: int, said: str,
) -> None:  # fmt: skip
    differing = unlike(job, unbroken.content, content(work, work))
    if differing and not _only_a_pipe(name):
        what = f"{how} {'; '.join(differing[:4])} ({said})"
        campaign.found(name, "lost", what, attempt, [work, work.with_name("work.err")])


def _only_a_pipe(name: str) -> bool:
    """Where a shell hides the status, nothing says whether it should have worked."""
    return name.endswith("reader gone")
