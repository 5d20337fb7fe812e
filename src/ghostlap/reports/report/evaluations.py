"""What stands below a run folder's ``evaluate/``, read with care: it may be half written."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ghostlap.base.files import content_hash, read_json
from ghostlap.driving.measured import EVALUATION_FILE
from ghostlap.driving.metrics import FIGURES, is_number
from ghostlap.pilots.onnx_check import read_network
from ghostlap.pilots.run_folder import ONNX_FILE, run_file

_ALWAYS = ("autonomy_percent", "interventions", "distance_km", "max_abs_cte_m")
_MOST_FOLDERS = 40
_MOST_BYTES = 32_000_000


@dataclasses.dataclass(frozen=True)
class TableLine:
    """One line of an evaluation's table."""

    track: str
    driver: str
    stress: str
    episodes: int
    seeds: int
    figures: dict[str, float]
    """:data:`ghostlap.driving.metrics.FIGURES`; NaN where one is infinite, or where the version
    that evaluated did not know it."""
    interval: dict[str, tuple[float, float]]
    """95 % intervals of some of them; empty with one seed."""


@dataclasses.dataclass(frozen=True)
class EvaluatedEpisode:
    """One drive of an evaluation."""

    file: Path
    track: str
    driver: str
    stress: str
    seed: int
    direction: int


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """One evaluation, as its folder tells it."""

    folder: Path
    complete: bool
    lines: tuple[TableLine, ...]
    episodes: tuple[EvaluatedEpisode, ...]
    speed_limit_mph: float
    conditions: str
    pushes: bool
    against: tuple[dict[str, Any], ...]
    """What ``--against`` measured, each with ``recording``, ``moments`` and ``error``."""
    machine: str
    of_this_network: bool
    """Whether the network that was evaluated is the one in the run folder now."""

    @property
    def plain(self) -> list[TableLine]:
        """The pilot's lines without stress."""
        return [line for line in self.lines if line.driver == "pilot" and line.stress == "none"]

    @property
    def stressed(self) -> list[TableLine]:
        """The pilot's lines under stress."""
        return [line for line in self.lines if line.driver == "pilot" and line.stress != "none"]

    @property
    def distance_km(self) -> float:
        """Distance that the pilot drove without stress."""
        return sum(line.figures["distance_km"] for line in self.plain)

    def expert_beside(self, line: TableLine) -> TableLine | None:
        """What the expert did there, under the same stress where that means anything to it."""
        for stress in (line.stress, "none"):
            for one in self.lines:
                if (one.track, one.driver, one.stress) == (line.track, "expert", stress):
                    return one
        return None


def read_evaluations(run: Path) -> tuple[list[Evaluation], list[str]]:
    """All evaluations of a run folder, the one to believe first, and what cannot be read.

    First come those of the network that is there now, complete ones, and then the longest driven.
    """
    found, problems = [], []
    folders = sorted(path.parent for path in (run / "evaluate").glob(f"*/{EVALUATION_FILE}"))
    if len(folders) > _MOST_FOLDERS:
        problems.append(f"Only the first {_MOST_FOLDERS} of {len(folders)} evaluations are shown.")
    network = content_hash(read_network(run_file(run, ONNX_FILE)).data)
    for folder in folders[:_MOST_FOLDERS]:
        try:
            found.append(_read(folder, network))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            problems.append(
                f"evaluate/{folder.name}/{EVALUATION_FILE} cannot be read "
                f"({type(error).__name__}: {str(error)[:120]}). It may be cut off; evaluate again."
            )
    found.sort(
        key=lambda one: (
            not one.of_this_network, not one.plain, not one.complete, -one.distance_km,
            one.folder.name,
        )
    )  # fmt: skip
    return found, problems


def _read(folder: Path, network: str) -> Evaluation:
    path = folder / EVALUATION_FILE
    values = read_json(path, _MOST_BYTES)
    config = values["config"]
    return Evaluation(
        folder=folder,
        complete=values["complete"] is True,
        lines=tuple(_line(one) for one in values.get("lines", ())),
        episodes=tuple(_episode(folder, one) for one in values.get("episodes", ())),
        speed_limit_mph=_finite(config["speed_limit"]),
        conditions=str(config["conditions"]),
        pushes=bool(config["pushes"]),
        against=tuple(_compared(one) for one in values.get("against", ())),
        machine=str(values.get("machine", {}).get("processor", "")),
        of_this_network=values["network_blake2b"] == network,
    )


def _line(values: dict[str, Any]) -> TableLine:
    intervals = {
        str(name): (_finite(low), _finite(high))
        for name, (low, high) in values["interval_95"].items()
    }
    return TableLine(
        track=str(values["track"]),
        driver=str(values["driver"]),
        stress=str(values["stress"]),
        episodes=int(values["episodes"]),
        seeds=int(values["seeds"]),
        figures={
            name: _finite(values[name])
            if name in _ALWAYS or values.get(name) is not None
            else math.nan
            for name in FIGURES
        },
        interval=intervals,
    )


def _episode(folder: Path, values: dict[str, Any]) -> EvaluatedEpisode:
    return EvaluatedEpisode(
        # Only its name: no path out of the folder.
        file=folder / "drives" / Path(str(values["drive"])).name,
        track=str(values["track"]),
        driver=str(values["driver"]),
        stress=str(values["stress"]),
        seed=int(values["seed"]),
        direction=1 if values["start"]["direction"] > 0 else -1,
    )


def _compared(values: dict[str, Any]) -> dict[str, Any]:
    error = {name: _finite(value) for name, value in values["error"].items()}
    for name in ("mae", "mse", "pearson_r", "zero_mae", "zero_mse"):
        error[name]
    return {
        "recording": str(values["recording"]),
        "moments": int(values["moments"]),
        "error": error,
    }


def _finite(value: Any) -> float:
    if not is_number(value):
        raise ValueError(f"{str(value)[:40]!r} is not a finite number")
    return float(value)


def short(track: str) -> str:
    """A file's name without its folder."""
    return Path(track).stem if track.endswith(".csv") else track


def way(direction: int) -> str:
    return "forward" if direction > 0 else "backward"


def tracks_in_words(lines: Sequence[TableLine]) -> str:
    names = list(dict.fromkeys(short(line.track) for line in lines))
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def hardness(line: TableLine) -> tuple[float, float]:
    """Sorts the hardest lines first."""
    return line.figures["autonomy_percent"], -line.figures["max_abs_cte_m"]
