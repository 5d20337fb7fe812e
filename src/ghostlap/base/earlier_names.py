"""What options, outputs and figures were called before, and what they are called now."""

from __future__ import annotations

from typing import Any

EARLIER_NAMES = {
    "side_offset": "steering_correction", "spread": "steering_std",
    **{f"spread_p{percent}": f"steering_std_p{percent}" for percent in (50, 95, 99)},
}  # fmt: skip


def todays_names(values: Any) -> Any:
    """JSON values that an earlier version wrote, with today's names."""
    if isinstance(values, dict):
        return {EARLIER_NAMES.get(name, name): todays_names(one) for name, one in values.items()}
    if isinstance(values, list):
        return [todays_names(one) for one in values]
    return EARLIER_NAMES.get(values, values) if isinstance(values, str) else values
