"""Pilots: trained networks with their own preprocessing.

A pilot is a run folder:

- ``pilot.json``: preprocessing, outputs, training data, versions, metrics;
- ``model.onnx``: what drives, in ONNX Runtime, without any training framework;
- ``model.keras``, ``model.h5``, ``model.json`` + ``model.weights.h5``: the same network for Keras.

    >>> pilot = Pilot.load("runs/a")
    >>> pilot.steer(frame)          # one RGB frame, uint8 (160, 320, 3)
    -0.034
"""

from __future__ import annotations

import difflib
import math
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.engine.travel import located
from ghostlap.base.errors import GhostlapError, PilotError
from ghostlap.base.files import read_json
from ghostlap.base.options import todays_names
from ghostlap.data.labels import SPEED_UNIT_MPH
from ghostlap.data.vision.preprocessing import Preprocessing, Rgb, crop, finish, scale
from ghostlap.pilots.critic import Critic, Evidence
from ghostlap.pilots.onnx_check import Network, read_network
from ghostlap.pilots.onnx_runner import Runner

PILOT_FILE = "pilot.json"
ONNX_FILE = "model.onnx"
KERAS_FILE = "model.keras"
FORMAT = 1

BUILT_IN = Path(__file__).parent / "builtin"
"""Run folders of the pilots that come along; their names stand for them."""

OUTPUTS = ("steering", "speed", "steering_std")
"""Outputs that a network may have, in this order: steering, the speed to drive, and the standard
deviation that the pilot expects of its steering's error."""


class Pilot:
    """A network with its preprocessing, ready to drive. Make one with :meth:`load`."""

    def __init__(
        self,
        network: Runner,
        preprocessing: Preprocessing,
        outputs: tuple[str, ...],
        description: dict[str, Any],
        beside: Sequence[Runner] = (),
        critic: Critic | None = None,
    ) -> None:
        self.network = network
        self.critic = critic
        """What knows failures ahead by what the network computed; None for none."""
        self._beside = beside
        self.preprocessing = preprocessing
        self.outputs = outputs
        self.description = description
        """The content of ``pilot.json``."""
        self._usual_std = _usual_std(description)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        threads: int = 1,
        description: dict[str, Any] | None = None,
        *,
        features: bool = False,
        beside: Sequence[Path] = (),
    ) -> Pilot:
        """Read a run folder.

        Args:
            folder: run folder with ``pilot.json`` and ``model.onnx``.
            threads: threads of one inference; one is fastest for single frames.
            description: content of ``pilot.json`` if it is not written yet.
            features: answer what its network has computed, too, after its outputs.
            beside: ONNX files that see what the pilot sees, and answer after that.

        Raises:
            PilotError: there is no pilot, it is broken, or its network is not bounded.
        """
        folder = Path(folder)
        if description is None:
            description = read_description(folder)
        preprocessing = Preprocessing.from_json(description["preprocessing"])
        outputs = tuple(description["outputs"])
        network = read_network(run_file(folder, ONNX_FILE))
        if network.input_shape != preprocessing.input_shape:
            raise PilotError(
                f"{folder}: {ONNX_FILE} wants pictures of {network.input_shape}, {PILOT_FILE} says "
                f"{preprocessing.input_shape}. The two files are not of one run."
            )
        answers = next(iter(network.outputs.values()))[1]
        if answers != len(outputs):
            raise PilotError(
                f"{folder}: {ONNX_FILE} answers {answers} numbers, {PILOT_FILE} names "
                f"{len(outputs)}: {', '.join(outputs)}. The two files are not of one run."
            )
        wanted, critic = [next(iter(network.outputs))], None
        if features:
            from ghostlap.pilots.features import FEATURES_OUTPUT, with_features

            network = with_features(network)
            wanted.append(FEATURES_OUTPUT)
        elif "critic" in description:
            critic = _critic_of(description, network, folder)
            wanted.append(critic.output)
        others = [Runner(read_network(located(path)), threads) for path in beside]
        runner = Runner(network, threads, *wanted)
        return cls(runner, preprocessing, outputs, description, others, critic)

    def steer(self, frames: Rgb | NDArray[np.uint8]) -> Any:
        """Steering for camera frames.

        Args:
            frames: one RGB frame, ``uint8`` ``(height, width, 3)``, or several ``(n, …)``.

        Returns:
            A float for one frame, else ``float32`` of shape ``(n,)``; not clipped to [-1, 1].

        Raises:
            ImageError: frames of another size than the pilot was trained for.
        """
        answers = self.predict(frames)[..., 0]
        return float(answers) if answers.ndim == 0 else answers

    def predict(self, frames: Rgb | NDArray[np.uint8]) -> NDArray[np.float32]:
        """All outputs for camera frames, in the order of ``outputs``; speed in mph.

        Args:
            frames: one RGB frame, ``uint8`` ``(height, width, 3)``, or several ``(n, …)``.

        Returns:
            ``float32``, shape ``(outputs,)`` for one frame, else ``(n, outputs)``. What a critic
            wants follows the outputs, see :meth:`parts`.
        """
        single = frames.ndim == 3
        batch = frames[None] if single else frames
        if len(batch) == 0:
            return np.empty((0, len(self.outputs)), np.float32)
        answers = self.predict_cropped([crop(frame, self.preprocessing) for frame in batch])
        return answers[0] if single else answers

    def predict_cropped(self, cropped: Iterable[Rgb]) -> NDArray[np.float32]:
        """All outputs for frames that are cropped already.

        Args:
            cropped: at least one, RGB ``uint8`` ``(bottom - top, width, 3)``: rows
                ``crop_top_px`` to ``crop_bottom_px`` of a frame.

        Returns:
            ``float32``, shape ``(n, outputs)``.
        """
        seen = np.stack([finish(rows, self.preprocessing) for rows in cropped])
        return self.predict_seen(scale(seen, self.preprocessing))

    def predict_seen(self, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        """All outputs for preprocessed pictures ``(n, height, width, 3)``; NaN if not finite."""
        answers, *more = self.network.run(seen)
        more += [other.run(seen)[0] for other in self._beside]
        answers = np.where(np.isfinite(answers), answers, np.float32(np.nan))
        units = [SPEED_UNIT_MPH if name == "speed" else 1.0 for name in self.outputs]
        answers = answers * np.array(units, np.float32)
        return np.concatenate([answers, *more], axis=1) if more else answers

    def parts(
        self, answers: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The outputs of answers, and what follows them: for the critic, or features."""
        return answers[..., : len(self.outputs)], answers[..., len(self.outputs) :]

    def evidence(self, answers: NDArray[np.float32]) -> Evidence | None:
        """What :meth:`predict` answered for the critic, ``(n, …)``; None without a critic."""
        return None if self.critic is None else Evidence(self.critic, self.parts(answers)[1])

    def named(self, answers: NDArray[np.float32], name: str) -> NDArray[np.float32] | None:
        """One output by name, out of :meth:`predict`'s answers; None if the pilot lacks it."""
        return answers[..., self.outputs.index(name)] if name in self.outputs else None

    @property
    def can_be_unsure(self) -> bool:
        """Whether there is a critic; or a steering_std, and the folder says its usual size."""
        if self.critic is not None:
            return True
        return "steering_std" in self.outputs and self._usual_std is not None

    def require_unsure(self, folder: Path, share: float) -> None:
        """Check that ``--slow-when-unsure`` can work.

        Args:
            folder: this pilot's, for messages.
            share: the option's value; 0 needs nothing.

        Raises:
            PilotError: the pilot can never be unsure.
        """
        if not share or self.can_be_unsure:
            return
        if "steering_std" in self.outputs:
            raise PilotError(
                f"{folder}: --slow-when-unsure {share:g} needs to know how large the steering_std "
                f"usually is, and {PILOT_FILE} there does not say. If its training was cut off at "
                f"the very end, 'ghostlap train --resume --out {folder}' completes it; else train "
                "anew with 'ghostlap train --steering-std', or leave the option out."
            )
        raise PilotError(
            f"{folder}: --slow-when-unsure {share:g} needs a pilot that has a critic or answers a "
            f"steering_std; this one answers {', '.join(self.outputs)}. 'ghostlap critic {folder}' "
            "adds a critic; or leave the option out."
        )

    def unsure(self, answers: NDArray[np.float32]) -> NDArray[np.float64]:
        """How unsure the pilot is: 0 for a usual steering_std, 1 for an extraordinary one.

        Args:
            answers: :meth:`predict`'s answers.

        Returns:
            Values in [0, 1], shaped as the answers without their last axis: 0 up to the median
            steering_std of validation samples, 1 from their 99th percentile on, linear between;
            NaN where the steering_std is. 0 throughout if the pilot cannot be unsure.
        """
        steering_std = self.named(answers, "steering_std")
        if steering_std is None or self._usual_std is None:
            return np.zeros(answers.shape[:-1])
        usual, rare = self._usual_std
        return np.clip((steering_std.astype(float) - usual) / max(rare - usual, 1e-6), 0.0, 1.0)


def _critic_of(description: dict[str, Any], network: Network, folder: Path) -> Critic:
    """The critic that a description tells of, whose part the network has.

    Raises:
        PilotError: it is none, or not of this network.
    """
    critic = Critic.from_json(description["critic"], f"{folder / PILOT_FILE}")
    if network.outputs.get(critic.output, ())[1:] != (critic.width,):
        raise PilotError(
            f"{folder}: {ONNX_FILE} has no part for the critic of {PILOT_FILE}. The two files are "
            "not of one run. 'ghostlap critic' makes the critic anew, or remove \"critic\" from "
            f"{PILOT_FILE}."
        )
    return critic


def usual_steering_std(steering_std: NDArray[np.floating]) -> dict[str, float]:
    """Percentiles of validation samples' steering_std ``(n,)``, for ``pilot.json``'s metrics."""
    return {
        f"steering_std_p{percent}": float(np.percentile(steering_std, percent))
        for percent in (50, 95, 99)
    }


def _usual_std(description: dict[str, Any]) -> tuple[float, float] | None:
    try:
        validation = description["metrics"]["validation"]
        usual = float(validation["steering_std_p50"]), float(validation["steering_std_p99"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return usual if all(map(math.isfinite, usual)) else None


_OBJECTS = ("critic", "preprocessing", "training", "metrics", "versions", "imported")
"""Parts of a description that must be JSON objects."""


def _problem(description: Any) -> str:
    """The first problem of a description, types above all; "" if there is none."""
    if not isinstance(description, dict):
        return f"must be an object. Got {type(description).__name__}"
    found = description.get("format")
    if type(found) is not int or found != FORMAT:
        return f"must be a pilot description of format {FORMAT}. Got {str(found)[:40]}"
    if missing := [name for name in ("outputs", "preprocessing") if name not in description]:
        return f"does not say its {' and '.join(missing)}"
    for name in _OBJECTS:
        if not isinstance(description.get(name, {}), dict):
            return f"{name} must be an object. Got {str(description[name])[:40]!r}"
    outputs = description["outputs"]
    if (
        not isinstance(outputs, list)
        or outputs != [name for name in OUTPUTS if name in outputs]
        or "steering" not in outputs
    ):
        return (
            f"outputs must be some of {', '.join(OUTPUTS)}, in this order and with the steering. "
            f"Got {', '.join(map(str, outputs if isinstance(outputs, list) else [outputs]))[:80]}"
        )
    return ""


def run_file(folder: Path, name: str) -> Path:
    """Path of a file of a run folder, be it the user's or that of a pilot that comes along.

    Args:
        folder: a run folder, or the name of one in ``BUILT_IN`` if no such folder holds a pilot.
        name: name of the file, which need not exist.
    """
    along = BUILT_IN / folder.name
    there = located(folder / PILOT_FILE).exists()
    if str(folder) != folder.name or there or not along.is_dir():
        return located(folder / name)
    return along / name


def pilot_files(folder: Path) -> tuple[Path, ...]:
    """The files of a run folder that driving needs, for nodes of a cluster."""
    return tuple(path for name in (PILOT_FILE, ONNX_FILE) if (path := folder / name).exists())


def read_description(folder: Path) -> dict[str, Any]:
    """Read ``pilot.json`` of a run folder, with today's names.

    Raises:
        PilotError: the file is missing, broken, of a newer Ghostlap, or describes no pilot.
    """
    path = run_file(folder, PILOT_FILE)
    try:
        description: dict[str, Any] = todays_names(read_json(path))
    except (FileNotFoundError, NotADirectoryError):
        raise PilotError(_no_pilot_message(folder)) from None
    except (OSError, ValueError) as error:
        raise PilotError(f"{path}: cannot be read ({error}). Is it a copy cut off?") from error
    if problem := _problem(description):
        raise PilotError(f"{path}: {problem}. A newer Ghostlap may have written it.")
    try:
        Preprocessing.from_json(description["preprocessing"])
    except GhostlapError as error:
        raise PilotError(f"{path}: {error}") from None
    return description


def _import_first(model: Path) -> str:
    script = model.with_name("drive.py")
    how = f"--script {shlex.quote(str(script))}" if script.is_file() else "--like RECORDING"
    out = Path("runs", f"{model.resolve().parent.name}-{model.stem}")
    return (
        f"{model}: is no run folder of a pilot, but a model. Import it first: 'ghostlap import "
        f"{shlex.quote(str(model))} {how} --out {shlex.quote(str(out))}', then name {out}."
    )


def _no_pilot_message(folder: Path) -> str:
    inside = [folder / name for name in ("model.h5", KERAS_FILE) if (folder / name).is_file()]
    for model in inside if not (folder / "config.json").exists() else []:
        return _import_first(model)
    if folder.is_file():
        if folder.suffix in (".h5", ".hdf5", ".keras"):
            return _import_first(folder)
        if (folder.parent / PILOT_FILE).is_file():
            return f"{folder}: a file of a run folder. Name the folder: {_evaluate(folder.parent)}"
        if folder.suffix in (".onnx", ".tflite"):
            return (
                f"{folder}: is no run folder of a pilot, but a model. 'ghostlap benchmark "
                f"{shlex.quote(str(folder))} --quick' lets it drive."
            )
        return (
            f"{folder}: must be the run folder of a pilot. Got a file. 'ghostlap runs' lists those "
            "that are below here."
        )
    if not folder.exists():
        known = [path.parent for path in folder.parent.glob(f"*/{PILOT_FILE}")]
        close = difflib.get_close_matches(folder.name, [path.name for path in known], 1)
        meant = f"Did you mean {folder.with_name(close[0])}? " if close else ""
        along = ", ".join(sorted(path.parent.name for path in BUILT_IN.glob(f"*/{PILOT_FILE}")))
        return (
            f"{folder}: no such run folder. {meant}'ghostlap train REC --out {folder}' makes one. "
            f"Pilots that come along: {along or 'none'}."
        )
    if (folder / "config.json").exists():
        return (
            f"{folder}: the training there is not finished, so there is no {PILOT_FILE} yet. "
            f"'ghostlap train --resume --out {folder}' continues it."
        )
    if (folder / "driving_log.csv").is_file():
        train = f"ghostlap train {shlex.quote(str(folder))} --out runs/{folder.resolve().name}"
        return (
            f"{folder}: a recording, and not the run folder of a pilot. Make a pilot of it: {train}"
            " (or name one that comes along: generalist)."
        )
    if below := sorted(path.parent for path in folder.glob(f"*/{PILOT_FILE}")):
        return (
            f"{folder}: no run folder itself, but {len(below)} below it. Name one: "
            f"{_evaluate(below[0])}"
        )
    return (
        f"{folder}: holds no {PILOT_FILE}, so it is not the run folder of a pilot. 'ghostlap runs' "
        "lists those that are below here."
    )


def _evaluate(run: Path) -> str:
    return f"ghostlap evaluate {shlex.quote(str(run))}"
