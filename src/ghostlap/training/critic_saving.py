"""A critic written into the run folder of a pilot, which drives as before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ghostlap.base.errors import PilotError
from ghostlap.base.files import content_hash, replacing, write_json
from ghostlap.driving.failures.figures import HORIZONS_S
from ghostlap.pilots.features import PREFIX, with_part
from ghostlap.pilots.onnx_check import check_network, read_network
from ghostlap.pilots.onnx_runner import Runner
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.run_folder import ONNX_FILE, PILOT_FILE, read_description
from ghostlap.training.critic import LAGS_S, FittedCritic

_PICTURES = 16
_TOLERANCE = 1e-5
"""Largest difference of the steering with and without the critic beside it."""


def save_critic(
    folder: Path,
    fitted: FittedCritic,
    thresholds: dict[str, list[float]],
    about: dict[str, Any],
) -> Pilot:
    """Write a critic into a run folder, in place of an earlier one.

    Thresholds are by the rate of false alarms, one for each horizon. A kill on the way leaves a
    pilot without a critic, and otherwise as it was.

    Raises:
        PilotError: the network would answer otherwise than before; nothing is written then.
    """
    before = read_network(folder / ONNX_FILE)
    lags, features, hidden = fitted.weights.shape
    weights = fitted.weights.transpose(1, 0, 2).reshape(features, lags * hidden)
    bias = np.zeros(lags * hidden)
    bias[:hidden] = fitted.bias  # once: the parts of all moments are added up
    digest = content_hash(
        weights.tobytes(), bias.tobytes(), *(one.tobytes() for one in fitted.limits)
    )[:8]
    output = f"{PREFIX}{digest}"
    data = with_part(before.data, output, (weights, bias), fitted.limits)
    after = check_network(data, str(folder / ONNX_FILE))
    pictures = np.random.default_rng(0).random((_PICTURES, *before.input_shape), np.float32)
    same, now = (Runner(network, 1).run(pictures)[0] for network in (before, after))
    if not np.allclose(same, now, rtol=0, atol=_TOLERANCE, equal_nan=True):
        raise PilotError(
            f"{folder}: with a critic beside it the network would answer otherwise, by "
            f"{np.abs(same - now).max():.1e}. Nothing was written. Does it draw random numbers?"
        )
    description = read_description(folder)
    if description.pop("critic", None) is not None:
        write_json(folder / PILOT_FILE, description)
    with replacing(folder / ONNX_FILE) as temporary:
        temporary.write_bytes(data)
    critic = {
        "output": output,
        "lags_s": list(LAGS_S),
        "horizons_s": list(HORIZONS_S),
        "layers": [
            {"weights": one.round(6).tolist(), "bias": other.round(6).tolist()}
            for one, other in fitted.layers
        ],
        "thresholds": thresholds,
        **about,
    }
    write_json(folder / PILOT_FILE, {**description, "critic": critic})
    return Pilot.load(folder)
