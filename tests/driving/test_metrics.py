"""Stats of a drive: the autonomy formula, means over time, intervals that count seeds."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from drives import make_drive
from hypothesis import given, settings
from hypothesis import strategies as st

from ghostlap.base.errors import EvaluationError
from ghostlap.driving.metrics import FIGURES, Drive, Intervention, autonomy_percent, in_words
from ghostlap.driving.summary import rarest_km, summarise


def score_of(drive: Drive) -> dict[str, float]:
    return summarise([drive], [0]).figures


def test_autonomy_is_the_papers_example() -> None:
    """arXiv 1604.07316, section 7.1: 10 interventions in 600 s are 90 %."""
    assert autonomy_percent(10, 600) == pytest.approx(90)
    assert autonomy_percent(0, 12.5) == 100
    assert autonomy_percent(50, 60) == 0


@given(st.integers(0, 400), st.floats(1, 1e5))
def test_autonomy_falls_by_six_seconds_for_each_intervention(count: int, elapsed_s: float) -> None:
    autonomy = autonomy_percent(count, elapsed_s)
    assert autonomy == pytest.approx(max(0.0, 1 - count * 6 / elapsed_s) * 100)
    assert 0 <= autonomy_percent(count + 1, elapsed_s) <= autonomy <= 100


def test_figures_of_a_drive_known_by_hand() -> None:
    """Ten seconds at 10 m/s, half a metre to the right, one excursion."""
    drive = make_drive(10.0, cte_m=-0.5)
    drive.intervention[100] = Intervention.OFF_ROAD
    assert score_of(drive) == pytest.approx(
        {
            "autonomy_percent": 40.0,
            "max_abs_cte_m": 0.5,
            "min_margin_m": 4.0,
            "interventions": 1,
            "off_road_per_km": 10.0,
            "laps": 0,
            "distance_km": 0.1,
            "elapsed_s": 10.0,
            "mean_abs_cte_m": 0.5,
            "mean_speed_mph": 22.37,
            "steering_rate_per_s": 0.0,
            "s_between_interventions": 10.0,
            "km_between_interventions": 0.1,
        }
    )


def test_standing_counts_as_an_intervention_but_not_as_leaving_the_road() -> None:
    drive = make_drive(60.0)
    drive.intervention[[300, 600]] = Intervention.STANDING, Intervention.TURNED
    figures = score_of(drive)
    assert figures["interventions"] == 2
    assert figures["off_road_per_km"] == 0
    assert figures["autonomy_percent"] == pytest.approx(80.0)


def test_without_interventions_the_time_between_them_is_infinite() -> None:
    figures = score_of(make_drive(interventions=0))
    assert figures["s_between_interventions"] == math.inf
    assert figures["km_between_interventions"] == math.inf


def test_a_car_that_gets_nowhere_has_figures_too() -> None:
    drive = make_drive(9.0, speed_mph=0.0, distance_m=0.0)
    drive.intervention[60] = Intervention.STANDING
    figures = score_of(drive)
    assert figures["autonomy_percent"] == pytest.approx(100 / 3)
    assert figures["mean_speed_mph"] == 0
    assert figures["km_between_interventions"] == 0
    assert all(math.isfinite(value) for value in figures.values())


def test_means_are_over_time_not_over_moments() -> None:
    """One second at 2 m in a single step, then one at 0 m in many."""
    time_s = np.concatenate([[0.0, 1.0], 1.0 + np.arange(1, 101) / 100])
    cte_m = np.where(time_s <= 1.0, 2.0, 0.0)
    figures = score_of(make_drive(time_s=time_s, cte_m=cte_m))
    assert figures["mean_abs_cte_m"] == pytest.approx(1.0, abs=0.01)


@given(st.floats(0.1, 3.0), st.integers(2, 20))
def test_the_steering_rate_of_a_zigzag_is_its_slope(rate_per_s: float, ticks: int) -> None:
    row = np.arange(201)
    zigzag = rate_per_s * np.abs((row + ticks) % (2 * ticks) - ticks) / 20
    figures = score_of(make_drive(10.0, steering=zigzag))
    assert figures["steering_rate_per_s"] == pytest.approx(rate_per_s)


def test_the_jump_of_being_put_back_is_not_steering() -> None:
    steering = np.where(np.arange(201) <= 100, 1.0, 0.0)
    drive = make_drive(10.0, steering=steering)
    assert score_of(drive)["steering_rate_per_s"] > 1
    drive.intervention[100] = Intervention.OFF_ROAD
    assert score_of(drive)["steering_rate_per_s"] == 0


@given(
    st.lists(
        st.tuples(st.floats(5, 100), st.integers(0, 3), st.floats(-2, 2)), min_size=1, max_size=4
    )
)
@settings(max_examples=30, deadline=None)
def test_the_figure_of_several_drives_is_that_of_their_sums(
    made: list[tuple[float, int, float]],
) -> None:
    drives = [make_drive(seconds, count, cte_m=cte_m) for seconds, count, cte_m in made]
    summary = summarise(drives, list(range(len(drives))))
    elapsed_s = sum(drive.time_s[-1] for drive in drives)
    whole = summary.figures
    assert whole["elapsed_s"] == pytest.approx(elapsed_s)
    assert whole["interventions"] == sum(count for _, count, _ in made)
    assert whole["autonomy_percent"] == pytest.approx(
        autonomy_percent(sum(count for _, count, _ in made), elapsed_s)
    )
    assert whole["mean_abs_cte_m"] == pytest.approx(
        sum(abs(d.cte_m[0]) * d.time_s[-1] for d in drives) / elapsed_s
    )
    assert whole["max_abs_cte_m"] == max(abs(cte_m) for _, _, cte_m in made)


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 2)), min_size=2, max_size=6))
@settings(max_examples=25, deadline=None)
def test_intervals_lie_within_what_single_seeds_reached(made: list[tuple[int, float]]) -> None:
    drives = [make_drive(60.0, count, cte_m=cte_m) for count, cte_m in made]
    summary = summarise(drives, list(range(len(drives))))
    assert set(summary.interval) == {one.name for one in FIGURES.values() if one.has_interval}
    for name, (low, high) in summary.interval.items():
        alone = [score_of(drive)[name] for drive in drives]
        assert min(alone) - 1e-9 <= low <= high <= max(alone) + 1e-9
        assert low - 1e-9 <= summary.figures[name] <= high + 1e-9 or len(drives) < 4


def test_a_lap_driven_again_is_no_further_sample() -> None:
    """Five times as many drives of the same seeds do not narrow an interval."""
    drives = [make_drive(60.0, count) for count in (0, 1, 4)]
    once = summarise(drives, [0, 1, 2])
    again = summarise(drives * 5, [0, 1, 2] * 5)
    assert again.episodes == 15
    assert again.seeds == 3
    for name in once.interval:
        assert again.interval[name] == pytest.approx(once.interval[name])
    low, high = summarise(drives * 5, list(range(15))).interval["autonomy_percent"]
    wide_low, wide_high = once.interval["autonomy_percent"]
    assert high - low < 0.7 * (wide_high - wide_low)


def test_one_seed_gives_no_interval() -> None:
    assert summarise([make_drive(), make_drive()], [7, 7]).interval == {}


def test_intervals_are_the_same_each_time() -> None:
    drives = [make_drive(60.0, count) for count in (0, 2, 3)]
    assert summarise(drives, [0, 1, 2]).interval == summarise(drives, [0, 1, 2]).interval
    assert (
        summarise(drives, [0, 1, 2], draw_seed=1).interval
        == summarise(drives, [4, 5, 6], draw_seed=1).interval
    )


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Interventions by chance, 2 in 60 s: autonomy is truly 80 %. 20 seeds an evaluation."""
    draw = np.random.default_rng(0)
    by_count = {count: make_drive(60.0, count) for count in range(15)}
    held = 0
    for _ in range(120):
        drives = [by_count[int(count)] for count in draw.poisson(2.0, 20)]
        low, high = summarise(drives, list(range(20))).interval["autonomy_percent"]
        held += low <= 80.0 <= high
    assert 0.85 <= held / 120 <= 0.99


def test_the_figures_that_a_table_shows_can_be_said_in_a_line() -> None:
    said = in_words(score_of(make_drive(60.0, 1, cte_m=0.5)))
    assert said.startswith("autonomy 90.0 %, interv. 1, off road 1.67 1/km, mean |cte| 0.50 m")
    assert "distance" not in said
    assert in_words({"laps": 1, "autonomy_percent": None, "mean_speed_mph": True}) == ""


@given(st.floats(0.1, 1e4))
def test_so_many_km_without_any_would_be_a_chance_of_one_in_twenty(distance_km: float) -> None:
    assert math.exp(-distance_km / rarest_km(distance_km)) == pytest.approx(0.05)


def test_a_drive_needs_columns_of_one_length_and_two_moments() -> None:
    with pytest.raises(EvaluationError, match=r"one row a moment in all its columns.*Got {'time_s"):
        make_drive(time_s=[0.0])
    drive = make_drive()
    with pytest.raises(EvaluationError, match="two moments at least"):
        dataclasses.replace(drive, cte_m=drive.cte_m[:-1])


def test_the_moments_of_a_drive_follow_each_other() -> None:
    with pytest.raises(EvaluationError, match="must follow each other in time"):
        make_drive(time_s=[0.0, 0.05, 0.05])


def test_a_summary_needs_drives_and_their_seeds() -> None:
    with pytest.raises(EvaluationError, match="Got 0 drives and 0 seeds"):
        summarise([], [])
    with pytest.raises(EvaluationError, match="Got 1 drives and 2 seeds"):
        summarise([make_drive()], [0, 1])
