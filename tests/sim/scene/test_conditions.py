"""Conditions: drawn from a seed, within limits, and refused outside of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostlap.base.errors import SimulatorError
from ghostlap.sim.scene.conditions import (
    FIXED,
    MATERIALS,
    ROADS,
    VERGES,
    Conditions,
    conditions_of,
)


@given(seed=st.integers(0, 10_000), theme=st.sampled_from(["lake", "jungle", "circuit"]))
def test_a_seed_always_draws_the_same_valid_conditions(seed: int, theme: Any) -> None:
    assert conditions_of("seed", theme, seed) == conditions_of("seed", theme, seed)


def test_seeds_differ_in_every_respect() -> None:
    drawn = [conditions_of("seed", "lake", seed) for seed in range(60)]
    assert {conditions.road for conditions in drawn} == set(ROADS)
    assert {conditions.verge for conditions in drawn} == set(VERGES)
    for name in ("sun_azimuth_deg", "brightness", "tint", "tree_density", "texture_seed"):
        assert len({getattr(conditions, name) for conditions in drawn}) == 60
    own = [c for c in drawn if (c.road, c.verge) == (FIXED["lake"].road, FIXED["lake"].verge)]
    assert 20 <= len(own) <= 42


@given(seed=st.integers(0, 10_000), theme=st.sampled_from(["lake", "jungle", "circuit"]))
def test_wide_conditions_are_valid_and_never_hide_the_road(seed: int, theme: Any) -> None:
    wide = conditions_of("wide", theme, seed)
    assert wide.lines or wide.road != wide.verge


def test_wide_conditions_reach_what_drawn_ones_never_show() -> None:
    wide = [conditions_of("wide", "lake", seed) for seed in range(400)]
    assert {conditions.road for conditions in wide} == set(MATERIALS)
    assert any(not conditions.lines for conditions in wide)
    assert min(conditions.sun_elevation_deg for conditions in wide) < 8
    assert min(conditions.brightness for conditions in wide) < 0.4
    assert max(conditions.haze for conditions in wide) == 8


@given(seed=st.integers(0, 10_000), theme=st.sampled_from(["lake", "jungle", "circuit"]))
def test_markings_and_camera_can_vary_alone(seed: int, theme: Any) -> None:
    wide, markings, camera, both = (
        conditions_of(kind, theme, seed) for kind in ("wide", "markings", "camera", "any")
    )
    for field in dataclasses.fields(Conditions):
        of_camera = field.name.startswith("camera_")
        kept, varied = (markings, camera) if of_camera else (camera, markings)
        assert getattr(kept, field.name) == getattr(wide, field.name)
        assert getattr(varied, field.name) == getattr(both, field.name)


def test_fixed_conditions_need_no_seed() -> None:
    assert conditions_of("fixed", "jungle", 5) == conditions_of("seed", "jungle", None)


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
