"""Which preprocessing a model was trained with: the one with which it steers as the person did.

Known recipes are tried on labelled frames across the range of steering. A guess is refused where
none makes the model agree with the person, and where two that make it steer differently agree
with the person equally well.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import LegacyError
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.frame_sampling import SampledFrames, sample_frames
from ghostlap.data.labels import pearson_r
from ghostlap.data.vision.pictures import read_rgb
from ghostlap.data.vision.preprocessing import Preprocessing, finish, scale
from ghostlap.pilots.keras_import.recipes import (
    CROPS,
    FRAME_HEIGHT_PX,
    FRAME_WIDTH_PX,
    crop_sides,
    recipe_text,
)

CONVINCING = 0.3
"""Correlation with the person from which on a recipe may be the right one."""

SAME_STEERING = 0.75
"""Two recipes are as good as one if the answers to them correlate so."""

LARGEST = 2.0
"""Answers that spread more than this times the person's steering are none. Pictures not scaled at
all often make answers ten times as large that correlate as well."""

SAME_ANSWERS = 0.95
_AS_GOOD = 0.02
"""Recipes whose answers correlate so, and whose correlations with the person differ by no more,
are told apart by their error: they differ in how large the answers are."""
_CLEARLY_LESS = 0.9

_FIRST_FRAMES = 40
_FRAMES = 192
_SHORTLIST = 16
_RESAMPLES = 1000
_CONFIDENCE = 95.0


@dataclasses.dataclass(frozen=True)
class Tried:
    """How a model steers with a recipe."""

    recipe: Preprocessing
    answers: NDArray[np.float64]
    """Shape ``(n,)``, for each frame."""
    correlation: float
    """With the person's steering; 0 for answers that are all alike."""
    size: float
    """How far the answers spread, in parts of how far the person's steering does."""
    mean_error: float
    """Mean absolute difference to the person's steering."""


def frame_size(recording: Path, columns: Sequence[str] = ()) -> tuple[int, int]:
    """Height and width of a recording's frames.

    Raises:
        RecordingError: there is no such recording.
        LegacyError: none of its first pictures can be read.
    """
    for name in read_recording(recording, columns).frames["center"][:50]:
        try:
            height_px, width_px, _ = read_rgb(name).shape
        except Exception:  # the next may be whole
            continue
        return height_px, width_px
    raise LegacyError(f"--like {recording}: none of its first 50 pictures can be read.")


def draw_frames(
    recording: Path, frame: tuple[int, int], seed: int, columns: Sequence[str] = ()
) -> SampledFrames:
    """Labelled frames across the range of steering.

    Raises:
        RecordingError: it cannot be read.
        LegacyError: the person steers too little in it.
    """
    spec = Preprocessing(
        frame_height_px=frame[0],
        frame_width_px=frame[1],
        crop_top_px=0,
        crop_bottom_px=frame[0],
        height_px=frame[0],
        width_px=frame[1],
    )
    moments = sample_frames([recording], _FRAMES, seed, spec, columns)
    if len(moments.frames) < 30 or moments.steering.std() < 0.02:
        raise LegacyError(
            f"--like {recording}: {len(moments.frames)} usable frames whose steering varies by "
            f"{moments.steering.std():.3f} say too little. Use one with bends, of at least 30 "
            "frames at which the car drives."
        )
    return moments


def try_recipes(
    network: Any, recipes: Sequence[Preprocessing], moments: SampledFrames
) -> list[Tried]:
    """The recipes with which the model agrees best with the person, best first.

    All are tried on some frames, the best of them on all.
    """
    few = np.linspace(0, len(moments.frames) - 1, min(_FIRST_FRAMES, len(moments.frames)))
    rough = _try(network, recipes, moments, few.astype(int))
    shortlist = [one.recipe for one in rough[:_SHORTLIST]]
    return _try(network, shortlist, moments, np.arange(len(moments.frames)))


def _try(
    network: Any,
    recipes: Sequence[Preprocessing],
    moments: SampledFrames,
    chosen: NDArray[np.intp],
) -> list[Tried]:
    found = []
    person = moments.steering[chosen]
    pixels: dict[Preprocessing, NDArray[np.uint8]] = {}
    for recipe in recipes:
        unscaled = dataclasses.replace(recipe, divide_by=1.0, offset=0.0)
        if unscaled not in pixels:
            rows = slice(recipe.crop_top_px, recipe.crop_bottom_px)
            pixels = {unscaled: np.stack([finish(moments.frames[i][rows], recipe) for i in chosen])}
        seen = scale(pixels[unscaled], recipe)
        answers = np.asarray(network.predict_on_batch(seen), np.float64)[:, 0]
        found.append(_compared(recipe, answers, person))
    return sorted(found, key=lambda one: (one.size > LARGEST, -one.correlation))


def _compared(
    recipe: Preprocessing, answers: NDArray[np.float64], person: NDArray[np.float64]
) -> Tried:
    if not np.isfinite(answers).all():
        return Tried(recipe, np.zeros_like(person), 0.0, float("inf"), float("inf"))
    error = float(np.abs(answers - person).mean())
    size = float(answers.std() / max(person.std(), 1e-9))
    return Tried(recipe, answers, pearson_r(answers, person), size, error)


def choose(tried: Sequence[Tried], person: NDArray[np.float64], seed: int) -> Tried:
    """The best recipe of some that are sorted, if it is convincing.

    Raises:
        LegacyError: no correlation reaches :data:`CONVINCING`; or a recipe that makes the model
            steer differently is not worse by more than chance, by a paired bootstrap over frames.
    """
    best = tried[0]
    if best.correlation < CONVINCING:
        raise LegacyError(
            f"--like: with no known preprocessing does the model steer as the person does. The "
            f"best correlation is {best.correlation:.2f}, with {recipe_text(best.recipe)}; "
            f"{CONVINCING} would be needed. If its drive.py did something else, say what with "
            "--script drive.py, or with --crop, --colour, --blur and --scale; or is the recording "
            "of another road?"
        )
    if best.size > LARGEST:
        raise LegacyError(
            f"--like: the model's answers are {best.size:.1f} times as large as the person's "
            f"steering (correlation {best.correlation:.2f}, {recipe_text(best.recipe)}). If they "
            "are degrees, say --steering-scale 0.04; another unit has another factor."
        )
    ties = [one for one in tried[1:] if _is_tie(best, one, person, seed)]
    if ties:
        raise LegacyError(
            f"--like: two ways of preprocessing explain {len(person)} frames equally well and make "
            f"the model steer differently: {recipe_text(best.recipe)} (correlation "
            f"{best.correlation:.2f}) and {recipe_text(ties[0].recipe)} "
            f"({ties[0].correlation:.2f}). Give --script drive.py, the options you know, or a "
            "longer recording."
        )
    best = _with_usual_crop(best, tried, person, seed)
    alike = [
        one
        for one in tried
        if one.size <= LARGEST
        and best.correlation - one.correlation <= _AS_GOOD
        and pearson_r(best.answers, one.answers) >= SAME_ANSWERS
    ]
    closest = min(alike, key=lambda one: one.mean_error)
    return closest if closest.mean_error < _CLEARLY_LESS * best.mean_error else best


def neighbours(
    best: Tried, tried: Sequence[Tried], person: NDArray[np.float64], seed: int
) -> list[Tried]:
    """Other recipes with which the model may steer as the person did just as well."""
    return [
        one
        for one in tried
        if one.recipe != best.recipe and _may_be_as_good(best, one, person, seed)
    ]


def is_clearly_better(one: Tried, than: Tried, person: NDArray[np.float64], seed: int) -> bool:
    """Whether a recipe fits by more than chance, where another was to be expected."""
    return one.correlation > than.correlation and not _may_be_as_good(
        one, dataclasses.replace(than, correlation=max(than.correlation, CONVINCING)), person, seed
    )


def _with_usual_crop(
    best: Tried, tried: Sequence[Tried], person: NDArray[np.float64], seed: int
) -> Tried:
    """The same recipe with the crop that is commonest, where the frames do not tell them apart."""
    same = [
        one
        for one in tried
        if _whole(one.recipe) == _whole(best.recipe)
        and (one is best or _may_be_as_good(best, one, person, seed))
    ]
    return min(same, key=lambda one: _rarity(one.recipe))


def _whole(recipe: Preprocessing) -> Preprocessing:
    """The recipe without its crop."""
    return dataclasses.replace(recipe, crop_top_px=0, crop_bottom_px=recipe.frame_height_px)


def _rarity(recipe: Preprocessing) -> int:
    rows = recipe.crop_top_px, recipe.crop_bottom_px
    known = [crop_sides(crop, FRAME_HEIGHT_PX, FRAME_WIDTH_PX)[:2] for crop in CROPS]
    scale_of_frames = recipe.frame_height_px / FRAME_HEIGHT_PX
    scaled = [tuple(round(row * scale_of_frames) for row in crop) for crop in known]
    return scaled.index(rows) if rows in scaled else len(scaled)


def _is_tie(best: Tried, other: Tried, person: NDArray[np.float64], seed: int) -> bool:
    if pearson_r(best.answers, other.answers) >= SAME_STEERING:
        return False
    return _may_be_as_good(best, other, person, seed)


def _may_be_as_good(best: Tried, other: Tried, person: NDArray[np.float64], seed: int) -> bool:
    """Whether the other is not worse by more than chance, by a paired bootstrap over frames."""
    if other.correlation < CONVINCING or other.size > LARGEST:
        return False
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(person), (_RESAMPLES, len(person)))
    behind = _correlations(best.answers[rows], person[rows]) - _correlations(
        other.answers[rows], person[rows]
    )
    return bool(np.percentile(behind, 100 - _CONFIDENCE) <= 0)


def _correlations(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each row with the same row."""
    return np.asarray((_standard(first) * _standard(second)).mean(axis=1))


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = values - values.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(values.std(axis=1, keepdims=True), 1e-9))
