"""Millions of damaged inputs for everything that reads; in processes that are watched.

Rounds come in batches, each with randomness of its own, so that a batch can be done again. A
process says which round it is at in a shared file; one that stays at a round is hanging there.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import random
import shutil
import struct
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from benchmarks.attack.campaign import Campaign
from benchmarks.attack.fuzz_files import file_targets
from benchmarks.attack.fuzz_targets import Target, quick_targets
from benchmarks.attack.mutate import Mutator
from benchmarks.attack.running import Watched, environment, read_text

KIND = "fuzz"
_QUICK_SHARE = 2.5
"""Of the time, for each target without a file; one with a file has 1."""
_HANGING_S = 10.0
_MEMORY_BYTES = 3 * 2**30
_PROGRESS = struct.Struct("<QQ")
_MOST_TOLD = 5
_START_S = 90.0


def attack(campaign: Campaign, seconds: float) -> None:
    """Fuzz every reader, side by side."""
    quick, all_names = quick_targets(), [*quick_targets(), *file_targets(campaign.folder)]
    names = [name for name in all_names if campaign.wants(f"{KIND}/{name}")]
    shares = {name: _QUICK_SHARE if name in quick else 1.0 for name in names}
    unit_s = seconds * campaign.workers / max(sum(shares.values()), 1.0)

    def work(name: str, worker: int) -> None:
        _fuzz(campaign, name, unit_s * shares[name])

    campaign.together(work, names)


def _fuzz(campaign: Campaign, name: str, seconds: float) -> None:
    row, began_s = f"{KIND}/{name}", time.monotonic()
    with campaign.place(f"fuzz-{name}") as place:
        work = place / "work"
        work.mkdir()
        progress, told = place / "progress", place / "told.jsonl"
        progress.write_bytes(_PROGRESS.pack(0, 0))
        told.touch()
        first = 0 if campaign.attempt is None else campaign.attempt
        while True:
            left_s = seconds - (time.monotonic() - began_s)
            order = {"name": name, "seed": campaign.seed, "first": first, "seconds": left_s,
                     "batches": None if campaign.attempt is None else 1}  # fmt: skip
            ended_at = _one_process(campaign, row, place, order)
            if ended_at is None or time.monotonic() - began_s > seconds:
                break
            first = ended_at + 1  # go on after the batch at which it hung or fell
            if campaign.attempt is not None:
                break
        done, _ = _read_progress(progress)
        for line in told.read_text(encoding="utf-8").splitlines():
            said = json.loads(line)
            kept = place / "input"
            kept.write_bytes(bytes.fromhex(said["input"]))
            campaign.found(row, "crashed", said["what"], said["batch"], [kept], said["times"])
    campaign.tried(row, count=done, seconds=time.monotonic() - began_s)


def _one_process(campaign: Campaign, row: str, place: Path, order: dict[str, Any]) -> int | None:
    """Run a process to its end; gives the batch at which it had to be ended or fell."""
    err = place / "err"
    command = [sys.executable, "-m", "benchmarks.attack.fuzz", str(place), json.dumps(order)]
    progress = place / "progress"
    with err.open("wb") as said:
        watched = Watched(command, place, environment(place / "cache"), stdout=said, stderr=said)
        at, since_s, started = _read_progress(progress), time.monotonic(), False
        while watched.process.poll() is None:
            time.sleep(0.1)
            now = _read_progress(progress)
            if now != at:
                at, since_s, started = now, time.monotonic(), True
            elif time.monotonic() - since_s > (_HANGING_S if started else _START_S):
                watched.kill()
                batch = at[1]
                what = f"a round of batch {batch} takes more than {_HANGING_S:g} s"
                campaign.found(row, "hung", what, batch, [err])
                return batch
        status = watched.wait(_HANGING_S)
    campaign.tried(row, count=0, peak_mb=watched.peak_mb)
    if status == 0:
        return None
    batch = _read_progress(progress)[1]
    words = " / ".join(read_text(err).strip().splitlines()[-3:])
    campaign.found(row, "crashed", f"batch {batch}: status {status}: {words}", batch, [err])
    return batch


def _read_progress(path: Path) -> tuple[int, int]:
    """Rounds done, and the batch that is worked on."""
    with contextlib.suppress(OSError, struct.error):
        done, batch = _PROGRESS.unpack(path.read_bytes()[: _PROGRESS.size])
        return int(done), int(batch)
    return 0, 0


# What follows runs in a process of its own.


def fuzz_target(
    target: Target, name: str, seed: int, first: int, until_s: float, batches: int | None,
    progress: mmap.mmap, told: Path,
) -> None:  # fmt: skip
    """Rounds from batch ``first`` on; what fails is told once a kind, with how often."""
    mutator = Mutator(target.seeds, target.words, target.most_bytes)
    done, batch = _PROGRESS.unpack(progress[: _PROGRESS.size])[0], first
    failures: dict[str, dict[str, Any]] = {}
    read, expected, draw = target.read, target.expected, mutator.draw
    while (time.monotonic() < until_s and batches is None) or batch < first + (batches or 0):
        chance = random.Random(f"{seed}/{name}/{batch}")
        for _ in range(target.batch):
            progress[: _PROGRESS.size] = _PROGRESS.pack(done, batch)
            data = draw(chance)
            try:
                read(data)
            except expected:
                pass
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                key = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
                one = failures.setdefault(
                    key, {"what": f"{key}: {str(error)[:200]}", "batch": batch, "times": 0,
                          "input": data.hex()},
                )  # fmt: skip
                one["times"] += 1
            done += 1
        batch += 1
        progress[: _PROGRESS.size] = _PROGRESS.pack(done, batch)
    with told.open("a", encoding="utf-8") as file:
        for one in list(failures.values())[:_MOST_TOLD]:
            file.write(json.dumps(one) + "\n")


def main(place: Path, order: dict[str, Any]) -> None:
    with contextlib.suppress(ImportError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    targets = {**quick_targets(), **file_targets(place / "files")}
    target = targets[order["name"]]()
    until_s = time.monotonic() + order["seconds"]
    with (place / "progress").open("r+b") as file, mmap.mmap(file.fileno(), 0) as progress:
        fuzz_target(
            target, order["name"], order["seed"], order["first"], until_s, order["batches"],
            progress, place / "told.jsonl",
        )  # fmt: skip
    shutil.rmtree(place / "files", ignore_errors=True)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
