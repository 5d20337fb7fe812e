"""Export of a pilot's network, and measurement of what it loses on the way."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from ghostlap.base.engine.processes import python
from ghostlap.base.errors import ExchangeError, ImageError
from ghostlap.base.files import write_json
from ghostlap.base.folder_lock import replacing_output
from ghostlap.base.terminal import plain, say
from ghostlap.data.labels import SPEED_UNIT_MPH, steering_error
from ghostlap.data.vision.pictures import Rgb, read_rgb
from ghostlap.data.vision.preprocessing import preprocess
from ghostlap.pilots.export.config import ENDINGS, ExportConfig
from ghostlap.pilots.export.donkeycar_graph import HEIGHT_PX, WIDTH_PX, require_known
from ghostlap.pilots.keras_files import load_network, write_keras
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.run_folder import KERAS_FILE, ONNX_FILE, run_file

STEERING_TOLERANCE = 1e-3
"""Largest difference of ONNX and Keras files from the pilot on any frame; TensorFlow Lite's loss
is only measured."""

DONKEYCAR_TOLERANCE = 0.05
"""That of donkeycar's file: its preprocessing may round to the next grey level."""

_DRAWN_FRAMES = 8
_MOST_WORDS = 400


@dataclasses.dataclass(frozen=True)
class Measured:
    """Steering of the exported network compared with the pilot's and the person's."""

    frames: int
    mae_to_pilot: float
    """Mean absolute difference from the pilot."""
    most_to_pilot: float
    pearson_r_to_pilot: float
    mae_to_person: float
    """Mean absolute difference from the person who drove."""
    pilot_mae_to_person: float


@dataclasses.dataclass(frozen=True)
class About:
    """The JSON file beside an exported network."""

    file: str
    bytes: int
    number: str
    input: str
    outputs: tuple[str, ...]
    preprocessing: dict[str, Any]
    measured: Measured | None


_Frames = tuple[NDArray[np.uint8], NDArray[np.float64]]
"""Frames of a recording ``(n, height, width, 3)`` and the person's steering ``(n,)``."""


def export_pilot(config: ExportConfig, console: Console) -> About:
    """Write a pilot's network, measure it, and describe it in a JSON file beside it.

    Raises:
        GhostlapError: there is no pilot, the file's ending does not fit, the recording cannot be
            used, or the written network does not answer as the pilot does.
    """
    if config.out.suffix not in ENDINGS[config.to]:
        raise ExchangeError(
            f"--out: a file for --as {config.to} must end with {' or '.join(ENDINGS[config.to])}. "
            f"Got {config.out}."
        )
    if not config.out.absolute().parent.is_dir():
        raise ExchangeError(f"--out: there is no folder {config.out.absolute().parent}.")
    pilot = Pilot.load(config.run)
    if config.to == "donkeycar":
        pilot.preprocessing = pilot.preprocessing.for_frames(HEIGHT_PX, WIDTH_PX)
        require_known(pilot.preprocessing)
    calibration, frames = _frames(pilot, config)
    shown = _drawn(pilot) if frames is None else frames[0]
    with (
        console.status(plain(f"writing {config.out} …")),
        replacing_output(config.out, ExchangeError) as temporary,
    ):
        answers = _WRITERS[config.to](config, pilot, temporary, calibration, shown)
        wanted = pilot.steer(shown)
        if config.to == "donkeycar":
            wanted = np.clip(wanted, -1, 1)
        most = float(np.abs(answers - wanted).max())
        if config.to in ("onnx", "keras") and not most <= STEERING_TOLERANCE * max(
            1, np.abs(wanted).max()
        ):
            raise ExchangeError(
                f"{config.out}: would steer up to {most:.1e} off the pilot, so it is not written."
            )
    about = About(
        file=config.out.name,
        bytes=config.out.stat().st_size,
        number=config.number if config.to == "tflite" else "float32",
        input=_input(config, pilot),
        outputs=_outputs(config, pilot),
        preprocessing=dataclasses.asdict(pilot.preprocessing),
        measured=None if frames is None else _measured(answers, wanted, frames[1]),
    )
    write_json(config.out.with_name(config.out.name + ".json"), dataclasses.asdict(about))
    _show(about, config, console)
    if pilot.memory is not None:
        say(
            console,
            "the file has no memory: it answers each picture as for a car that has just begun; "
            f"{config.run} drives with its memory",
        )
    return about


def _input(config: ExportConfig, pilot: Pilot) -> str:
    if config.to == "onnx":
        return f"frames: uint8 (n, {', '.join(map(str, pilot.preprocessing.frame_shape))}), RGB"
    if config.to == "donkeycar":
        return f"img_in: float32 (1, {HEIGHT_PX}, {WIDTH_PX}, 3), RGB from 0 to 1"
    shape = ", ".join(map(str, pilot.preprocessing.input_shape))
    return f"float32 (n, {shape}), preprocessed: crop, colour, blur, size, / divide_by + offset"


def _outputs(config: ExportConfig, pilot: Pilot) -> tuple[str, ...]:
    if config.to == "donkeycar":
        return ("angle", "throttle")
    unit = "speed_mph" if config.to == "onnx" else f"speed in {SPEED_UNIT_MPH:g} mph"
    return tuple(unit if name == "speed" else name for name in pilot.outputs)


def _frames(pilot: Pilot, config: ExportConfig) -> tuple[NDArray[np.float32], _Frames | None]:
    """Preprocessed pictures to calibrate on, and other frames with steering to measure on."""
    nothing = np.empty((0, *pilot.preprocessing.input_shape), np.float32)
    if config.recording is None:
        return nothing, None
    from ghostlap.data.dataset import usable_rows
    from ghostlap.data.formats.readers import read_recording
    from ghostlap.data.recordings import require_images

    recording = read_recording(config.recording, config.columns)
    require_images(recording)
    rows = recording.frames[usable_rows(recording.frames)]
    # Evenly among those whose picture is there: a tub may lack whole sessions.
    rows = rows[[os.path.exists(path) for path in rows["center"]]]
    if len(rows) > config.frames:
        rows = rows.iloc[np.linspace(0, len(rows) - 1, config.frames).astype(int)]
    pictures: list[Rgb] = []
    steering = []
    for path, steered in zip(rows["center"], rows["steering"], strict=True):
        try:
            rgb = read_rgb(path)
        except ImageError:
            continue
        if rgb.shape == pilot.preprocessing.frame_shape:
            pictures.append(rgb)
            steering.append(steered)
    if len(pictures) < 10:
        height, width, _ = pilot.preprocessing.frame_shape
        raise ExchangeError(
            f"{config.recording}: at least 10 readable frames of {width}x{height} pixels, as the "
            f"pilot sees, are needed to measure on. Got {len(pictures)}."
        )
    calibration = np.stack([preprocess(rgb, pilot.preprocessing) for rgb in pictures[::2]])
    return calibration, (np.stack(pictures[1::2]), np.array(steering[1::2], np.float64))


def _drawn(pilot: Pilot) -> NDArray[np.uint8]:
    shape = (_DRAWN_FRAMES, *pilot.preprocessing.frame_shape)
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def _seen(pilot: Pilot, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.stack([preprocess(rgb, pilot.preprocessing) for rgb in frames])


def _onnx(
    config: ExportConfig, pilot: Pilot, out: Path, _: NDArray[np.float32], frames: NDArray[np.uint8]
) -> NDArray[np.float64]:
    import onnxruntime

    from ghostlap.pilots.export.onnx_raw import INPUT, with_preprocessing

    whole = with_preprocessing(run_file(config.run, ONNX_FILE), pilot.preprocessing, pilot.outputs)
    out.write_bytes(whole.SerializeToString())
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    # One after another, as a car asks: the graph's intermediate pictures are large.
    answers = [session.run(["steering"], {INPUT: frame[None]})[0][0, 0] for frame in frames]
    return np.array(answers, np.float64)


def _keras(
    config: ExportConfig, pilot: Pilot, out: Path, _: NDArray[np.float32], frames: NDArray[np.uint8]
) -> NDArray[np.float64]:
    from ghostlap.pilots.backend import keras

    network = load_network(_keras_file(config.run), str(config.run))
    kinds = {type(layer) for layer in network.layers}
    foreign = sorted(kind.__name__ for kind in kinds if not kind.__module__.startswith("keras."))
    if foreign:
        raise ExchangeError(
            f"{config.run}: plain Keras cannot open a network with {', '.join(foreign)}."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_keras(network.save, out)
        again = keras.saving.load_model(out, compile=False)
    return np.asarray(again(_seen(pilot, frames), training=False), np.float64)[:, 0]


def _tflite(
    config: ExportConfig,
    pilot: Pilot,
    out: Path,
    calibration: NDArray[np.float32],
    frames: NDArray[np.uint8],
) -> NDArray[np.float64]:
    with tempfile.TemporaryDirectory() as folder:
        pictures, answers = Path(folder) / "pictures.npz", Path(folder) / "answers.npy"
        number: str = config.number
        seen: NDArray[Any] = frames
        if config.to == "donkeycar":
            number = "donkeycar"
            spec = dataclasses.asdict(pilot.preprocessing)
            write_json(pictures.with_suffix(".json"), spec)
        else:
            seen = _seen(pilot, frames)
        np.savez(pictures, calibration=calibration, seen=seen)
        module = "ghostlap.pilots.export.tflite_worker"
        files = [_keras_file(config.run), out, number, pictures, answers]
        ended = subprocess.run(
            python("-m", module, *map(str, files)),
            env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
        if ended.returncode:
            raise ExchangeError(
                f"{config.out}: TensorFlow cannot write the network ({number}). "
                f"It says: {ended.stderr.strip()[-_MOST_WORDS:]}"
            )
        found: NDArray[np.float64] = np.load(answers).astype(np.float64)[:, 0]
    return found


_WRITERS = {"onnx": _onnx, "tflite": _tflite, "keras": _keras, "donkeycar": _tflite}


def _keras_file(run: Path) -> Path:
    path = run_file(run, KERAS_FILE)
    if not path.is_file():
        raise ExchangeError(f"{run}: holds no {KERAS_FILE}, which this format is made from.")
    return path


def _measured(
    answers: NDArray[np.float64], pilot: NDArray[np.float32], person: NDArray[np.float64]
) -> Measured:
    to_pilot = steering_error(answers, pilot)
    return Measured(
        frames=len(answers),
        mae_to_pilot=to_pilot.mae,
        most_to_pilot=float(np.abs(answers - pilot).max()),
        pearson_r_to_pilot=to_pilot.pearson_r,
        mae_to_person=steering_error(answers, person).mae,
        pilot_mae_to_person=steering_error(pilot, person).mae,
    )


def _show(about: About, config: ExportConfig, console: Console) -> None:
    lines = [f"{config.out}: {about.bytes / 1e6:.2f} MB, {about.number}; takes {about.input}"]
    if about.measured:
        m = about.measured
        lines.append(
            f"on {m.frames} frames of {config.recording}: {m.mae_to_pilot:.2g} off the pilot's "
            f"steering on average, {m.most_to_pilot:.2g} at most, Pearson r "
            f"{m.pearson_r_to_pilot:.5f}; off the person's {m.mae_to_person:.4f}, "
            f"the pilot {m.pilot_mae_to_person:.4f}"
        )
    for line in lines:
        say(console, line)
