"""Options of a training as text: what a search may vary, and the command that trains with it.

An **option** is a field of :class:`TrainConfig`, or of its preprocessing with a dot between, as on
the command line: ``learning_rate``, ``preprocessing.colour``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import io
import math
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import tyro

from ghostlap.base.earlier_names import EARLIER_NAMES
from ghostlap.base.errors import TrainingError
from ghostlap.base.options import in_words, kinds_of
from ghostlap.base.platform import quoted
from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.training.config import TrainConfig, recipe_named

_NOT_OPTIONS = frozenset(
    {
        "recordings",
        "columns",
        "out",
        "recipe",
        "init",
        "preprocessing",
        "resume",
        "cache",
        "seeds",
        "cluster",
        "task_cores",
        "task_gpus",
    }
)
"""Fields that say where things lie, not how to train."""

_DIGITS = 4
"""Drawn numbers are rounded to so many significant digits, for commands that people can read."""


@dataclasses.dataclass(frozen=True)
class Range:
    """An option that is a number between two others, both included."""

    name: str
    low: float
    high: float
    log: bool
    """Draw the logarithm evenly, not the number."""
    whole: bool
    """Whole numbers only."""

    def distribution(self) -> Any:
        """Optuna's distribution of it."""
        import optuna

        if self.whole:
            return optuna.distributions.IntDistribution(int(self.low), int(self.high), self.log)
        return optuna.distributions.FloatDistribution(self.low, self.high, self.log)

    def value(self, drawn: float) -> float:
        """What Optuna drew, as the option's value."""
        if self.whole:
            return int(drawn)
        return min(max(float(f"{drawn:.{_DIGITS}g}"), self.low), self.high)

    def drawn(self, value: float) -> float:
        """What Optuna draws for a value."""
        return value

    def examples(self) -> tuple[float, ...]:
        """Values between which all others lie."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)


@dataclasses.dataclass(frozen=True)
class Choices:
    """An option that is one of some values."""

    name: str
    values: tuple[Any, ...]

    def distribution(self) -> Any:
        """Optuna's distribution of it: of positions in ``values``."""
        import optuna

        return optuna.distributions.CategoricalDistribution(range(len(self.values)))

    def value(self, drawn: int) -> Any:
        return self.values[drawn]

    def drawn(self, value: Any) -> int:
        return self.values.index(value)

    def examples(self) -> tuple[Any, ...]:
        return self.values


Dimension = Range | Choices


def parse_space(texts: Iterable[str]) -> tuple[Dimension, ...]:
    """Read what to search over.

    Args:
        texts: ``option=low..high`` for a number, with ``:log`` after it to draw its logarithm
            evenly, or ``option=one|other`` for choices.

    Raises:
        TrainingError: an option is unknown, named twice, or its values are not of its type.
    """
    dimensions = tuple(_dimension(text) for text in texts)
    names = [dimension.name for dimension in dimensions]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TrainingError(f"--space: an option may be named once. Got {twice[0]} twice.")
    if not dimensions:
        raise TrainingError(
            "--space: name at least one option to search. Example: learning_rate=1e-4..1e-2:log"
        )
    return dimensions


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """Read options that stay fixed, ``option=value``.

    Raises:
        TrainingError: an option is unknown, or its value is not of its type.
    """
    settings = {}
    for text in texts:
        name, value = _name_and_rest(text, "--set", "augment=none")
        settings[name] = _value(name, value, "--set")
    return settings


def options_of(config: TrainConfig) -> dict[str, Any]:
    """All options with their values, in the order of the fields."""
    options = {}
    for name in _hints():
        head, _, tail = name.partition(".")
        options[name] = getattr(getattr(config, head), tail) if tail else getattr(config, head)
    return options


def with_options(config: TrainConfig, options: Mapping[str, Any]) -> TrainConfig:
    """The config with some options changed.

    Raises:
        GhostlapError: a value is out of the range that the config allows.
    """
    nested = {name.partition(".")[2]: value for name, value in options.items() if name.count(".")}
    fields = {name: value for name, value in options.items() if not name.count(".")}
    preprocessing = dataclasses.replace(config.preprocessing, **nested)
    return dataclasses.replace(config, preprocessing=preprocessing, **fields)


def train_command(config: TrainConfig) -> str:
    """The ``ghostlap train`` command for this config, to be pasted into a shell.

    It names only what differs from the recipe's defaults; ``init`` and ``resume`` are left out.
    """
    words = ["ghostlap", "train", *map(str, config.recordings), "--out", str(config.out)]
    if config.recipe != "default":
        words += ["--recipe", config.recipe]
    usual = options_of(recipe_named(config.recipe))
    for name, value in options_of(config).items():
        if value == usual[name]:
            continue
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, tuple):
            words += [f"--{flag}", *map(str, value)]
        else:
            words += [f"--{flag}", str(value)]
    if config.columns:
        words += ["--columns", *config.columns]
    if config.cache is not None:
        words += ["--cache", str(config.cache)]
    return quoted(*words)


def _hints() -> dict[str, Any]:
    """Types of all options."""
    plain, nested = typing.get_type_hints(TrainConfig), typing.get_type_hints(Preprocessing)
    names = [field.name for field in dataclasses.fields(TrainConfig)]
    options = {name: plain[name] for name in names if name not in _NOT_OPTIONS}
    return options | {f"preprocessing.{name}": hint for name, hint in nested.items()}


def _name_and_rest(text: str, flag: str, example: str) -> tuple[str, str]:
    name, equals, rest = text.partition("=")
    name = name.strip().replace("-", "_")
    name = EARLIER_NAMES.get(name, name)
    if not equals or not rest.strip():
        raise TrainingError(f"{flag}: must be written like {example}. Got {text!r}.")
    if name not in _hints():
        near = difflib.get_close_matches(name, _hints(), n=1)
        plain = ", ".join(option for option in _hints() if "." not in option)
        raise TrainingError(
            f"{flag}: {name!r} is no option of a training that can be varied."
            + (f" Did you mean {near[0]}?" if near else f" Options: {plain}, preprocessing.*.")
        )
    return name, rest.strip()


def _dimension(text: str) -> Dimension:
    name, rest = _name_and_rest(text, "--space", "learning_rate=1e-4..1e-2:log")
    kinds = kinds_of(_hints()[name])
    is_number = bool({int, float} & set(kinds))
    if is_number and ".." in rest:
        return _range(name, rest, whole=int in kinds)
    values = tuple(_value(name, choice.strip(), "--space") for choice in rest.split("|"))
    if len(values) < 2:
        number = f" or a range such as {name}=1..9" if is_number else ""
        raise TrainingError(
            f"--space {name}: must be at least two choices, one|other{number}. Got {rest!r}. "
            f"To fix an option: --set {name}={rest}"
        )
    if len(set(values)) < len(values):
        raise TrainingError(f"--space {name}: every choice may be named once. Got {rest!r}.")
    return Choices(name, values)


def _range(name: str, text: str, whole: bool) -> Range:
    bounds, _, scale = text.partition(":")
    low_text, _, high_text = bounds.partition("..")
    if scale not in ("", "log"):
        raise TrainingError(
            f"--space {name}: only ':log' may follow a range. Got {':' + scale!r} in {text!r}."
        )
    low, high = (_value(name, bound.strip(), "--space") for bound in (low_text, high_text))
    if low is None or high is None:
        raise TrainingError(f"--space {name}: the bounds must be numbers. Got {text!r}.")
    if not low < high:
        raise TrainingError(
            f"--space {name}: the lower bound comes first and must be below the upper one. "
            f"Got {text!r}."
        )
    if scale and low <= 0:
        raise TrainingError(
            f"--space {name}: a ':log' range must be above 0. Got {text!r}. "
            "Raise the lower bound, or leave ':log' out."
        )
    return Range(name, low, high, log=bool(scale), whole=whole)


def _value(name: str, text: str, flag: str) -> Any:
    """The value that a text stands for, as tyro reads it for ``ghostlap train``."""
    hint = _hints()[name]
    if hint is str:
        return text
    written = {"true": "True", "false": "False", "none": "None"}.get(text.lower(), text)
    words = in_words(hint)
    if typing.get_origin(hint) is tuple:
        choices = typing.get_args(typing.get_args(hint)[0])
        words = f"{'+'.join(choices)} or some of these"
    value = math.nan
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        value = tyro.cli(hint, args=written.split("+"), console_outputs=False)
    if isinstance(value, float) and not math.isfinite(value):
        raise TrainingError(f"{flag} {name}: must be {words}. Got {text!r}.")
    return value
