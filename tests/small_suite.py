"""A suite of four drives, in no time."""

from __future__ import annotations

import pytest

from ghostlap.driving.benchmark import suite
from ghostlap.driving.rollout.plan import SMALL_PUSHES
from ghostlap.driving.rollout.stress import Stress


def _scenario(name: str, group: str, stress: Stress) -> suite.Scenario:
    return suite.Scenario(
        name=name, group=group, tracks=("random:9004",), speed_mph=20.0, seeds=1, seconds=4.0,
        stress=stress, pushes=SMALL_PUSHES,
    )  # fmt: skip


SMALL = suite.Suite(
    name="v1",
    blake2b="0" * 32,
    groups={"plain": "As it is.", "wet": "In rain."},
    scenarios=(
        _scenario("road", "plain", Stress("road")),
        _scenario("rain", "wet", Stress("rain", {"brightness": 0.7}, {"rain": 100})),
    ),
)


def use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every suite be this one."""
    monkeypatch.setattr(suite, "_read_suite", lambda name, quick: SMALL)
