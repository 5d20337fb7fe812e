"""Whether slowing down when unsure helps, at equal mean speed: ``python -m benchmarks.slowing``.

    python -m benchmarks.slowing runs/with-a-critic --track random:51 --out slowing.json

Three arms drive the same episodes under the suite's hardest conditions: at the speed limit; slowing
down by what the pilot's critic fears; and with the limit lowered, for each condition and track,
until they are as slow as in the second arm. The interval is of the difference between the last two,
drawn from whole pairs of drives.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from ghostlap.base.engine import run_tasks
from ghostlap.driving.failures.config import FailuresConfig
from ghostlap.driving.failures.plan import NOMINAL, plan_failures
from ghostlap.driving.metrics import Drive
from ghostlap.driving.rollout.episode import run_episodes
from ghostlap.driving.rollout.plan import EpisodesTask

_DRAWS = 10_000
_ROUNDS = 2


def measure(
    pilot: tyro.conf.Positional[Path],
    track: tuple[str, ...] = ("random:51", "random:52"),
    seconds: float = 60.0,
    share: float = 0.5,
    first_seed: int = 9001,
    out: Path = Path("slowing.json"),
) -> dict[str, Any]:
    """Drive all three arms, and write what came of them."""
    plan = plan_failures(FailuresConfig(
        pilot, track=("none",), held_out=track, grades=(4,), rounds=1, seconds=seconds,
        first_seed=first_seed,
    ))  # fmt: skip
    plan = [dataclasses.replace(task, features=False) for task in plan if task.stress != NOMINAL]
    usual = _driven(plan)
    slowing = _driven([_with(task, slow_when_unsure=share) for task in plan])
    lowered = usual
    for _ in range(_ROUNDS):  # half the limit is not half the speed: a pilot may ask for less
        limits = [
            task.control.speed_limit_mph * _speed(wanted) / _speed(now)
            for task, wanted, now in zip(plan, slowing, lowered, strict=True)
        ]
        plan = [
            _with(task, speed_limit_mph=limit) for task, limit in zip(plan, limits, strict=True)
        ]
        lowered = _driven(plan)
    result = {
        "conditions": len({task.stress.name for task in plan}), "tracks": track, "share": share,
        "first_seed": first_seed, "seconds": seconds,
        **{name: _line(arm) for name, arm in
           (("usual", usual), ("slowing", slowing), ("lowered", lowered))},
        "slowing_less_lowered_a_km": _difference(slowing, lowered),
    }  # fmt: skip
    out.write_text(json.dumps(result, indent=1), encoding="utf-8")
    print(json.dumps(result, indent=1))
    return result


def _with(task: EpisodesTask, **control: Any) -> EpisodesTask:
    return dataclasses.replace(task, control=dataclasses.replace(task.control, **control))


def _driven(tasks: list[EpisodesTask]) -> list[tuple[Drive, ...]]:
    drives: list[tuple[Drive, ...]] = [()] * len(tasks)
    for index, result in run_tasks(run_episodes, tasks):
        drives[index] = result.drives
    return drives


def _speed(drives: tuple[Drive, ...]) -> float:
    return float(np.mean([drive.speed_mph.mean() for drive in drives]))


def _sums(arm: list[tuple[Drive, ...]]) -> np.ndarray:
    """Interventions and kilometres of each task."""
    return np.array([
        (sum((d.intervention > 0).sum() for d in drives),
         sum(d.distance_m[-1] for d in drives) / 1000)
        for drives in arm
    ], float)  # fmt: skip


def _line(arm: list[tuple[Drive, ...]]) -> dict[str, float]:
    interventions, km = _sums(arm).sum(0)
    return {
        "interventions": int(interventions), "km": round(km, 2),
        "a_km": round(interventions / km, 3), "mean_mph": round(np.mean(list(map(_speed, arm))), 2),
    }  # fmt: skip


def _difference(one: list[tuple[Drive, ...]], other: list[tuple[Drive, ...]]) -> list[float]:
    """Interventions a km more, and its 95 % interval."""
    sums = np.stack([_sums(one), _sums(other)])
    drawn = np.random.default_rng(0).integers(0, len(one), (_DRAWS, len(one)))
    totals = np.concatenate([sums.sum(1)[:, None], sums[:, drawn].sum(2)], 1)
    rates = totals[..., 0] / totals[..., 1]
    less = rates[0] - rates[1]
    return [round(float(value), 3) for value in (less[0], *np.percentile(less[1:], [2.5, 97.5]))]


if __name__ == "__main__":
    tyro.cli(measure)
