"""Conditions: drawn from a seed, within limits, and refused outside of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostlap.errors import SimulatorError
from ghostlap.sim.conditions import FIXED, ROADS, VERGES, Conditions, drawn_conditions


@given(seed=st.integers(0, 10_000), theme=st.sampled_from(["lake", "jungle", "circuit"]))
def test_a_seed_always_draws_the_same_valid_conditions(seed: int, theme: Any) -> None:
    assert drawn_conditions(theme, seed) == drawn_conditions(theme, seed)


def test_seeds_differ_in_every_respect() -> None:
    drawn = [drawn_conditions("lake", seed) for seed in range(60)]
    assert {conditions.road for conditions in drawn} == set(ROADS)
    assert {conditions.verge for conditions in drawn} == set(VERGES)
    for name in ("sun_azimuth_deg", "brightness", "tint", "tree_density", "texture_seed"):
        assert len({getattr(conditions, name) for conditions in drawn}) == 60
    own = [c for c in drawn if (c.road, c.verge) == (FIXED["lake"].road, FIXED["lake"].verge)]
    assert 20 <= len(own) <= 42


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("road", "lava", "road must be one of asphalt_old, .* Got 'lava'"),
        ("sun_elevation_deg", 0, "sun_elevation_deg must be from 3 to 90. Got 0."),
        ("brightness", float("nan"), "brightness must be from 0.05 to 4. Got nan."),
    ],
)
def test_impossible_conditions_are_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(SimulatorError, match=message):
        dataclasses.replace(Conditions(), **{field: value})
