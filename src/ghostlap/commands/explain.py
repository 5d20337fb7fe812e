"""``ghostlap explain``: where a pilot looks, and whether it would steer back.

>>> explain(ExplainConfig("runs/a", ("my-drive",)))["counterfactual"]["sideways_m"]["verdict"]
'steers back when too far to the side: yes, gain 0.27 per 0.83 m; label 0.30; …'
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console

from ghostlap.base.errors import ModelError, PilotError
from ghostlap.base.files import refuse_link, write_json
from ghostlap.base.folder_lock import FolderLock
from ghostlap.base.terminal import say
from ghostlap.data.frame_sampling import SampledFrames, sample_frames
from ghostlap.data.provenance import versions
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.run_folder import ONNX_FILE, read_description, run_file
from ghostlap.pilots.saliency import SALIENCY_FILE, Saliency
from ghostlap.pilots.saliency_graph import write_saliency_graph
from ghostlap.reports.explain.checks import faithfulness, sanity, shuffled_network
from ghostlap.reports.explain.config import ExplainConfig
from ghostlap.reports.explain.counterfactual import responses, side_gains, summary, write_table
from ghostlap.reports.explain.pictures import draw_counterfactual, draw_sheet

USUAL_STEERING_CORRECTION = 0.30
"""Steering correction of pilots whose run folder does not tell theirs."""

LIMITS = (
    "A map shows which parts of the picture the convolutions respond to, not whether that made the "
    "pilot steer left or right. Dense layers take no part in it. It reaches from 0 to 1 in every "
    "frame, so it cannot be compared between frames. Random convolutions have maps, too: see "
    "'sanity' for how far this pilot's differ from those, and 'faithfulness' for whether hiding "
    "what is salient changes the steering."
)

RANDOM_FROM = 0.9
"""Rank correlation with a shuffled network's maps from which maps tell next to nothing."""

_TIMED = 200

console = Console(stderr=True)


def explain(config: ExplainConfig, console: Console = console) -> dict[str, Any]:
    """Draw where a pilot looks, measure its answers to a moved camera, and check the maps.

        >>> config = ghostlap.ExplainConfig("runs/a", ("my-drive",), frames=8, video=False)
        >>> pictures = ghostlap.explain(config)["files"]

    Returns:
        What ``explain.json`` holds: ``counterfactual`` (a verdict in words and gains for each kind
        of move, and for the real side cameras), ``sanity``, ``faithfulness``, ``cost_ms``,
        ``limits`` (what a map cannot show), ``files`` and ``notes``.

    Raises:
        PilotError: no pilot there, or one without convolutions.
        RecordingError: a recording cannot be read, or has no frames of the pilot's size.
    """
    read_description(config.pilot)  # said before there is a folder
    if config.out is None:
        refuse_link(config.folder)
    with FolderLock(config.folder, PilotError):
        return _explain(config, console)


def _explain(config: ExplainConfig, console: Console) -> dict[str, Any]:
    out = config.folder
    notes: list[str] = []
    pilot = Pilot.load(config.pilot)
    saliency = load_saliency(config.pilot)
    with console.status("reading frames …") as status:
        sampled = sample_frames(
            config.recordings, config.frames, config.seed, pilot.preprocessing, config.columns
        )
        if sampled.unfit:
            notes.append(
                f"{sampled.unfit} pictures that were drawn are missing, broken or of another size "
                "than the pilot's, and were left out."
            )
        if not np.isfinite(pilot.predict(sampled.frames)).all():
            raise PilotError(
                f"{config.pilot}: the pilot's answers to recorded frames are not all numbers (NaN "
                "or infinite), so there is nothing to explain. Its training had failed; train anew "
                "with a lower --learning-rate."
            )
        status.update("drawing maps …")
        draw_sheet(out / "saliency.png", saliency, sampled, config.shown)
        status.update("moving the car …")
        found = responses(pilot, sampled, _steering_correction(pilot))
        real = side_gains(pilot, sampled)
        draw_counterfactual(out / "counterfactual.png", found, real)
        write_table(out / "counterfactual.csv", found)
        status.update("checking the maps …")
        checked = sanity(config.pilot, saliency, sampled, config.seed)
        faithful = faithfulness(
            pilot,
            saliency.maps(sampled.frames),
            shuffled_network(config.pilot, saliency, config.seed).maps(sampled.frames),
            sampled,
            config.seed,
        )
        cost_ms = _cost_ms(pilot, saliency, sampled)
    if checked["all"]["rank_correlation"] > RANDOM_FROM:
        notes.append(
            "The maps are nearly those of the same network with shuffled convolutions: they show "
            "what is in the picture, not what the pilot has learned."
        )
    files = ["saliency.png", "counterfactual.png", "counterfactual.csv"]
    files += _video(config, out, notes, console)
    result: dict[str, Any] = {
        "pilot": str(config.pilot),
        "recordings": [str(path) for path in config.recordings],
        "frames": len(sampled.frames),
        "counterfactual": {
            **{str(response.kind): summary(response) for response in found},
            "side_cameras": _side_cameras(real),
        },
        "sanity": checked,
        "faithfulness": faithful,
        "cost_ms": cost_ms,
        "limits": LIMITS,
        "files": [str(out / name) for name in files],
        "notes": notes,
    }
    write_json(
        out / "explain.json",
        {**result, "config": _config_json(config), "versions": versions()},
    )
    _tell(result, console)
    return result


def load_saliency(folder: Path) -> Saliency:
    """The saliency of a run folder; made first where an earlier Ghostlap left none.

    Raises:
        PilotError: there is no pilot, or its network has no convolution.
    """
    if not run_file(folder, SALIENCY_FILE).is_file():
        try:
            write_saliency_graph(folder / ONNX_FILE, folder / SALIENCY_FILE)
        except ModelError as error:
            raise PilotError(f"{folder}: there is nothing to show. {error}") from error
    return Saliency.load(folder)


def _steering_correction(pilot: Pilot) -> float:
    """The steering correction in the pilot's training: the gain of the label rule."""
    training = pilot.description.get("training")
    offset = training.get("steering_correction") if isinstance(training, dict) else None
    if isinstance(offset, (int, float)) and 0 < offset <= 10:
        return float(offset)
    return USUAL_STEERING_CORRECTION


def _side_cameras(gains: np.ndarray) -> dict[str, Any] | None:
    """Gains at the recording's own side cameras; None if there are none."""
    if len(gains) == 0:
        return None
    low, middle, high = (float(value) for value in np.percentile(gains, (10, 50, 90)))
    return {
        "gain": middle,
        "gain_p10": low,
        "gain_p90": high,
        "right_way_share": float((gains > 0).mean()),
        "frames": len(gains),
    }


def _cost_ms(pilot: Pilot, saliency: Saliency, sampled: SampledFrames) -> dict[str, float]:
    """Median milliseconds from a frame to its answer, preprocessing included, on one thread."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return {
            "pilot_p50": _median_ms(pilot.steer, sampled),
            "pilot_with_saliency_p50": _median_ms(saliency.look, sampled),
        }
    finally:
        cv2.setNumThreads(threads)


def _median_ms(ask: Callable[[Any], Any], sampled: SampledFrames) -> float:
    times_s = []
    for frame in itertools.islice(itertools.cycle(sampled.frames), _TIMED):
        began_s = time.perf_counter()
        ask(frame)
        times_s.append(time.perf_counter() - began_s)
    return 1e3 * float(np.median(times_s))


def _video(config: ExplainConfig, out: Path, notes: list[str], console: Console) -> list[str]:
    """Make the video, or add a note if the package for it is not installed."""
    if not config.video:
        return []
    try:
        from ghostlap.commands.video import video
        from ghostlap.reports.video.config import VideoConfig
    except ModuleNotFoundError as error:
        if error.name != "av":
            raise
        notes.append("No video: it needs the package av. pip install 'ghostlap[video]'")
        return []
    made = video(
        VideoConfig(
            config.recordings[0],
            columns=config.columns,
            out=out / "saliency.mp4",
            pilot=config.pilot,
            saliency=True,
            seconds=config.video_s,
            force=True,
        ),
        console,
    )
    return [Path(made["video"]).name]


def _config_json(config: ExplainConfig) -> dict[str, Any]:
    values = dataclasses.asdict(config)
    values["recordings"] = [str(path) for path in config.recordings]
    values["pilot"], values["out"] = str(config.pilot), str(config.folder)
    return values


def _tell(result: dict[str, Any], console: Console) -> None:
    moved, checked = result["counterfactual"], result["sanity"]
    hidden = result["faithfulness"]["change"]
    lines = [moved[kind]["verdict"] for kind in ("sideways_m", "heading_deg")]
    if real := moved["side_cameras"]:
        lines.append(
            f"at the real side cameras: gain {real['gain']:.2f} per 0.83 m, right way in "
            f"{100 * real['right_way_share']:.0f} % of {real['frames']} frames"
        )
    lines.append(
        f"hiding the most salient tenth changes steering by {hidden['most_salient']:.3f}, as much "
        f"elsewhere by {hidden['elsewhere']:.3f}, the strongest edges by {hidden['edges']:.3f}, "
        f"what a shuffled network finds salient by {hidden['shuffled_network']:.3f} (medians)"
    )
    lines.append(
        "rank correlation with maps of the same network with shuffled convolutions: "
        f"{checked['all']['rank_correlation']:.2f}"
    )
    lines += [f"note: {note}" for note in result["notes"]]
    lines.append(f"written: {', '.join(result['files'])}")
    for line in lines:
        say(console, line)
