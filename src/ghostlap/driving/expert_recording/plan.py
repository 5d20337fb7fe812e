"""What is to be driven: all stretches of a recording, known before the first is driven.

A stretch is driven in one go, under one light. Laps are cut into stretches whose conditions differ,
so that every part of a road is seen under several; a recovery is a short stretch that begins
beside the line. Each has its own slot of time, and so its own image names, whoever drives it when.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ghostlap.data.labels import MPS_A_MPH
from ghostlap.data.recordings.image_names import ms_of
from ghostlap.driving.expert_recording.config import NOT_WHAT_IS_RECORDED, RecordConfig
from ghostlap.sim.track.track import Track
from ghostlap.sim.track.tracks import track_files

STRETCH_M = 300.0
"""About the length of a lap's stretches."""

RECOVERY_S = 2.2
"""Length of a recovery, in seconds at the speed limit."""

RECOVERY_MARGIN_M = 0.8
"""A recovery begins, and should stay, so far within the edges of the road."""

_MOST_TURNED_RAD = math.radians(15.0)
_REACTION_S = 0.5
_SLOWEST_SHARE = 0.2
"""A car slower than this share of the speed limit, on the whole of a stretch, has got stuck."""

_TOP_SPEED_MPH = 30.0
_PAUSE_MS = 12_000
_FIRST_DAY = datetime.datetime(2010, 1, 1)
_DAYS = 3650
"""A recording is dated within so many days from the first, all of them in the past."""


@dataclasses.dataclass(frozen=True)
class Stretch:
    """A stretch of road to drive and to record, as plain data."""

    number: int
    """Place in the order of the recording, from 0."""
    track: str
    direction: int
    """1 is the track's own way round, -1 the other."""
    s_m: float
    """Where the first frame is taken, along the centre line."""
    length_m: float
    conditions_seed: int | None
    """None for the theme's own conditions."""
    hand_seed: int
    """Draws the unsteady hand."""
    start_ms: int
    """Time that names the first frame."""
    limit_s: float
    """Driving it takes less."""
    cte_m: float = 0.0
    """Where a recovery begins, to the left of the centre line in the driving direction."""
    heading_error_rad: float = 0.0
    """How a recovery begins, to the left of the driving direction."""
    recovery: bool = False

    def __str__(self) -> str:
        kind = "recovery" if self.recovery else "stretch"
        return f"{kind} {self.number} of {self.track} at {self.s_m:.0f} m"


@dataclasses.dataclass(frozen=True)
class Job:
    """Stretches under the same conditions, which one process drives one after the other."""

    config: RecordConfig
    stretches: tuple[Stretch, ...]

    entries: ClassVar = "*/*"
    """What comes back from a node: pictures and parts, beside those that are there."""

    @property
    def reads(self) -> tuple[Path, ...]:
        """Files that recording it opens."""
        return track_files(dict.fromkeys(stretch.track for stretch in self.stretches))

    @property
    def writes(self) -> Path:
        """Where it leaves pictures and parts."""
        return self.config.out

    def __str__(self) -> str:
        first, last = self.stretches[0], self.stretches[-1]
        return f"{first.track}, stretches {first.number} to {last.number}"


def plan(config: RecordConfig, tracks: Sequence[Track]) -> list[Stretch]:
    """All stretches in order: for each track the laps one way, then the other, the recoveries."""
    found: list[Stretch] = []
    next_ms = _first_ms(config)
    for name, track in zip(track_names(config), tracks, strict=True):
        draw = np.random.default_rng([config.seed, _number_of(name), 11])
        seeds = [int(seed) for seed in draw.integers(2**31, size=config.variants)]
        variants: list[int | None] = [None] if config.conditions == "fixed" else [*seeds]
        for values in [
            *_laps(config, track, variants),
            *_recoveries(config, track, variants, draw),
        ]:
            limit_s = _limit_s(config, values["length_m"])
            found.append(
                Stretch(
                    number=len(found),
                    track=name,
                    hand_seed=int(draw.integers(2**31)),
                    start_ms=next_ms,
                    limit_s=limit_s,
                    **values,
                )
            )
            next_ms += math.ceil(limit_s * 1000) + _PAUSE_MS
    return found


def jobs_of(config: RecordConfig, stretches: Sequence[Stretch], processes: int) -> list[Job]:
    """The stretches in groups of one track and one set of conditions, a few for each process."""
    groups: dict[tuple[str, int | None], list[Stretch]] = {}
    for stretch in stretches:
        groups.setdefault((stretch.track, stretch.conditions_seed), []).append(stretch)
    pieces = max(1, math.ceil(2 * processes / max(len(groups), 1)))
    jobs = []
    for group in groups.values():
        size = math.ceil(len(group) / pieces)
        jobs += [
            Job(config, tuple(group[first : first + size])) for first in range(0, len(group), size)
        ]
    return jobs


def track_names(config: RecordConfig) -> tuple[str, ...]:
    """The tracks to drive, each once."""
    return tuple(dict.fromkeys(config.track)) or ("lake",)


def _laps(
    config: RecordConfig, track: Track, variants: Sequence[int | None]
) -> list[dict[str, Any]]:
    pieces = max(1, round(track.length_m / STRETCH_M))
    length_m = track.length_m / pieces
    directions = [1] * config.laps + [-1] * (config.laps if config.both_ways else 0)
    return [
        {
            "direction": direction,
            "s_m": (track.start_s_m + direction * piece * length_m) % track.length_m,
            "length_m": length_m,
            "conditions_seed": variants[(lap + piece) % len(variants)],
        }
        for lap, direction in enumerate(directions)
        for piece in range(pieces)
    ]


def _recoveries(
    config: RecordConfig,
    track: Track,
    variants: Sequence[int | None],
    draw: np.random.Generator,
) -> list[dict[str, Any]]:
    """Evenly spread over the track, each a little off its even place."""
    limit_mps = min(config.speed_limit, _TOP_SPEED_MPH) * MPS_A_MPH
    length_m = min(limit_mps * RECOVERY_S, track.length_m / 2)
    driven_m = config.laps * (2 if config.both_ways else 1) * track.length_m
    count = round(config.recovery / (1 - config.recovery) * driven_m / length_m)
    if config.recovery > 0:
        count = max(count, 1)
    found = []
    for k in range(count):
        direction = -1 if config.both_ways and k % 2 else 1
        s_m = float((k + draw.random()) / count * track.length_m)
        cte_m, heading_error_rad = _astray(track, s_m, direction, limit_mps, draw)
        variant = variants[(k // 2 if config.both_ways else k) % len(variants)]
        found.append(
            {
                "direction": direction,
                "s_m": s_m,
                "length_m": length_m,
                "conditions_seed": variant,
                "cte_m": cte_m,
                "heading_error_rad": heading_error_rad,
                "recovery": True,
            }
        )
    return found


def _astray(
    track: Track, s_m: float, direction: int, speed_mps: float, draw: np.random.Generator
) -> tuple[float, float]:
    """A place and a heading from which the expert comes back without leaving the road."""
    left_m, right_m = (float(width) for width in track.half_widths(s_m)[::direction])
    low_m = min(0.0, RECOVERY_MARGIN_M - right_m)
    high_m = max(0.0, left_m - RECOVERY_MARGIN_M)
    cte_m = float(draw.uniform(low_m, high_m))
    reach_m = speed_mps * _REACTION_S
    most_right = max(-_MOST_TURNED_RAD, (low_m - cte_m) / reach_m)
    most_left = min(_MOST_TURNED_RAD, (high_m - cte_m) / reach_m)
    return cte_m, float(draw.uniform(most_right, most_left))


def _limit_s(config: RecordConfig, length_m: float) -> float:
    limit_mps = min(config.speed_limit, _TOP_SPEED_MPH) * MPS_A_MPH
    return length_m / (_SLOWEST_SHARE * limit_mps) + 10.0


def _first_ms(config: RecordConfig) -> int:
    """Another day for other options, or recordings could not be put together in one folder."""
    values = {
        name: value
        for name, value in config.to_json().items()
        if name not in NOT_WHAT_IS_RECORDED and (name, value) != ("style", "steady")
    }  # a steady hand was the only one once, and keeps its days
    day = _number_of(json.dumps(values, sort_keys=True)) % _DAYS
    return ms_of(_FIRST_DAY + datetime.timedelta(days=day))


def _number_of(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")
