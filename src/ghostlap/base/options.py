"""Options as people write them: one place that makes of a config's values what its types say."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Union

EARLIER_NAMES = {
    "side_offset": "steering_correction", "spread": "steering_std",
    **{f"spread_p{percent}": f"steering_std_p{percent}" for percent in (50, 95, 99)},
}  # fmt: skip
"""What options, outputs and figures were called before, and what they are called now."""


def todays_names(values: Any) -> Any:
    """JSON values that an earlier version wrote, with today's names."""
    if isinstance(values, dict):
        return {EARLIER_NAMES.get(name, name): todays_names(one) for name, one in values.items()}
    if isinstance(values, list):
        return [todays_names(one) for one in values]
    return EARLIER_NAMES.get(values, values) if isinstance(values, str) else values


def settle(config: Any) -> None:
    """Turn texts into paths and one value into a tuple of it, where a config's types ask for it.

    For the ``__post_init__`` of a frozen dataclass, so that a notebook may write
    ``TrainConfig("my-drive", out="runs/a")`` and saved JSON may be read back.

    Args:
        config: a dataclass; its values are replaced.
    """
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        settled = _settled(hints[field.name], value)
        if settled is not value:
            object.__setattr__(config, field.name, settled)


def _settled(hint: Any, value: Any) -> Any:
    is_union = typing.get_origin(hint) in (Union, types.UnionType)
    for kind in typing.get_args(hint) if is_union else (hint,):
        if kind is Path and isinstance(value, str):
            return Path(value)
        if typing.get_origin(kind) is tuple and isinstance(value, (Sequence, Path)):
            several = (value,) if isinstance(value, (str, Path)) else tuple(value)
            return tuple(_settled(typing.get_args(kind)[0], one) for one in several)
    return value
