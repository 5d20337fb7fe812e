"""What was recorded: facts and histograms of the recordings that a pilot was trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.errors import GhostlapError
from ghostlap.data.balance import balanced_rows
from ghostlap.data.dataset import Samples, labels_ahead, samples_as, steering_averaged, usable_rows
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.provenance import fingerprint
from ghostlap.data.recordings import CAMERAS, Recording, require_images
from ghostlap.data.splits import split
from ghostlap.data.vision.shards import is_picture
from ghostlap.pilots.pilot import Pilot
from ghostlap.reports.explore.facts import recording_facts
from ghostlap.reports.report.charts import Chart, Figure
from ghostlap.reports.report.config import ReportConfig
from ghostlap.training.config import TrainConfig

_MOST_RECORDINGS = 20
_SHOWN_FACTS = 4
_SPEED_BINS = 30

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Recorded:
    """The recordings of a training, as far as they are still there."""

    training: TrainConfig | None
    """None where ``pilot.json`` does not tell how the pilot was trained."""
    recordings: tuple[Recording, ...]
    problems: tuple[str, ...]
    """Why others cannot be shown."""
    seen: tuple[dict[str, Any], ...]
    """``recordings_seen`` of ``pilot.json``: folder, rows and a hash of each."""
    split: tuple[Samples, Samples] | None
    """Training and validation samples, exactly as they were; None where that is not certain."""

    @property
    def whole(self) -> bool:
        """Whether these are the recordings of the training, all and unchanged."""
        now = [one["blake2b"] for one in fingerprint(self.recordings)]
        return bool(now) and now == [one.get("blake2b") for one in self.seen]

    def held_out(self) -> tuple[list[str], Floats] | None:
        """Centre pictures of the validation part, in time order, and the person's steering."""
        if self.split is None:
            return None
        validation = self.split[1]
        centre = validation.take(validation.camera == CAMERAS.index("center"))
        if len(centre) == 0:
            return None
        order = np.lexsort((centre.time_s, centre.recording))
        pictures = centre.images[centre.image[order]]
        return [str(name) for name in pictures], centre.steering[order].astype(np.float64)

    def all_centre(self) -> tuple[list[str], Floats]:
        """All centre pictures that can be learned from, and the person's steering."""
        pictures: list[str] = []
        steering: list[Floats] = []
        for recording in self.recordings:
            frames = recording.frames[usable_rows(recording.frames)]
            pictures += frames["center"].tolist()
            steering.append(frames["steering"].to_numpy(np.float64))
        return pictures, np.concatenate(steering) if steering else np.empty(0)


def find_recorded(config: ReportConfig, pilot: Pilot) -> Recorded:
    """Read the recordings that ``pilot.json`` names, or those of the config in their place."""
    told = pilot.description.get("training")
    training, problems = None, []
    if isinstance(told, dict):
        try:
            training = TrainConfig.from_json(told)
        except (GhostlapError, KeyError, TypeError, ValueError) as error:
            problems.append(f"`pilot.json` does not tell how it was trained ({error}).")
    listed = told.get("recordings_seen") if isinstance(told, dict) else None
    listed = listed if isinstance(listed, list) else []
    seen = tuple(one for one in listed if isinstance(one, dict))
    folders = list(config.recordings) or [Path(str(one.get("folder", ""))) for one in seen]
    recordings = []
    for folder in folders[:_MOST_RECORDINGS]:
        try:
            recording = read_recording(folder, training.columns if training else ())
            require_images(recording)
        except (GhostlapError, OSError) as error:
            problems.append(f"A recording cannot be shown. {error}")
            continue
        recordings.append(recording)
    found = Recorded(training, tuple(recordings), tuple(problems), seen, None)
    return dataclasses.replace(found, split=_split(found, told))


def _split(found: Recorded, told: Any) -> tuple[Samples, Samples] | None:
    """The split of the training drawn again, if its recordings and counts are the same."""
    if found.training is None or not found.whole:
        return None
    try:
        samples = samples_as(found.training, found.recordings)
        there = np.array([is_picture(name) for name in samples.images], bool)
        training, validation = split(
            samples.take(there[samples.image]),
            found.training.split,
            found.training.validation,
            found.training.seed,
        )
    except GhostlapError:
        return None
    counts = (told.get("training_samples"), told.get("validation_samples"))
    return (training, validation) if counts == (len(training), len(validation)) else None


def section(config: ReportConfig, found: Recorded) -> dict[str, Any]:
    """Facts of each recording, and histograms of steering and speed."""
    return {
        "found": found,
        "were_named": bool(config.recordings),
        "trained_on": {
            Path(str(one.get("folder", ""))).name or "a recording": f"{one.get('rows', '?')} rows"
            for one in found.seen
        },
        "facts": [recording_facts(recording) for recording in found.recordings[:_SHOWN_FACTS]],
        "charts": _histograms(found) if found.recordings else [],
        "more": len(found.recordings) - _SHOWN_FACTS,
    }


def _histograms(found: Recorded) -> list[Figure]:
    charts = []
    training = found.training or TrainConfig()
    steering = np.concatenate([_labels(one, training) for one in found.recordings])
    if len(steering):
        charts.append(_balance(steering, training))
    if found.split is not None:
        charts.append(_split_chart(*found.split, bins=training.bins))
    speeds = np.concatenate([r.frames["speed_mph"].to_numpy(float) for r in found.recordings])
    speeds = speeds[np.isfinite(speeds)]
    if len(speeds):
        charts.append(_speed(speeds))
    return charts


def _labels(recording: Recording, training: TrainConfig) -> Floats:
    table = steering_averaged(recording.frames, training.steering_average_s)
    table = labels_ahead(table, training.lead_s)
    usable = usable_rows(table, training.min_speed_share)
    return table["steering"].to_numpy(np.float64)[usable]


def _balance(steering: Floats, training: TrainConfig) -> Figure:
    kept = balanced_rows(steering, training.bins, training.cap, training.seed)
    edges = np.histogram_bin_edges(steering, training.bins)
    before = np.histogram(steering, edges)[0].astype(float)
    after = np.histogram(steering[kept], edges)[0].astype(float)
    top = float(before.max()) * 1.05
    chart = Chart((edges[0], edges[-1]), (0, top), "steering, left is negative", "rows")
    chart.bars(edges, after, "fill-data")
    chart.bars(edges, before - after, "fill-gone", base=after)
    if training.cap is not None and training.cap < top:
        chart.level(training.cap, "limit", f"cap {training.cap:,}")
    words = [("fill-data", f"kept {int(kept.sum()):,}")]
    if not kept.all():
        words.append(("fill-gone", f"removed {int((~kept).sum()):,}"))
    alt = f"Histogram of steering: {len(steering)} rows, {int(kept.sum())} kept by balancing."
    return Figure(chart.svg(alt), "Steering, before and after balancing", key=words)


def _split_chart(training: Samples, validation: Samples, bins: int) -> Figure:
    edges = np.histogram_bin_edges(np.concatenate([training.steering, validation.steering]), bins)

    def share(samples: Samples) -> Floats:
        return 100 * np.histogram(samples.steering, edges)[0] / len(samples)

    ours, theirs = share(training), share(validation)
    top = float(max(ours.max(), theirs.max())) * 1.05
    chart = Chart(
        (float(edges[0]), float(edges[-1])), (0, top), "steering label, side cameras included",
        "share, %",
    )  # fmt: skip
    chart.bars(edges, ours, "fill-soft")
    chart.stairs(edges, theirs, "other")
    words = [
        ("fill-soft", f"training {len(training):,}"),
        ("stroke-other", f"validation {len(validation):,}"),
    ]
    alt = f"Labels of {len(training)} training and {len(validation)} validation samples."
    return Figure(chart.svg(alt), "Labels, training against validation", key=words)


def _speed(speeds_mph: Sequence[float] | Floats) -> Figure:
    edges = np.histogram_bin_edges(speeds_mph, _SPEED_BINS)
    counts = np.histogram(speeds_mph, edges)[0].astype(float)
    chart = Chart(
        (float(edges[0]), float(edges[-1])), (0, counts.max() * 1.05), "speed, mph", "rows"
    )
    chart.bars(edges, counts, "fill-data")
    alt = f"Histogram of speed: {len(speeds_mph)} rows, median {np.median(speeds_mph):.1f} mph."
    return Figure(chart.svg(alt), "Speed")
