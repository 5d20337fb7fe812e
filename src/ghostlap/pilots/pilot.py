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

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.engine.travel import located
from ghostlap.base.errors import PilotError
from ghostlap.base.platform import quoted
from ghostlap.data.labels import AHEAD, AHEAD_S, SPEED_UNIT_MPH
from ghostlap.data.lines import BRANCHES, Command, Line
from ghostlap.data.vision.pictures import Rgb
from ghostlap.data.vision.preprocessing import Preprocessing, crop, finish, scale
from ghostlap.pilots.critic import Critic, Evidence
from ghostlap.pilots.memory import Memory, Recollection
from ghostlap.pilots.onnx_check import Network, read_network
from ghostlap.pilots.onnx_runner import Runner
from ghostlap.pilots.run_folder import ONNX_FILE, PILOT_FILE, read_description, run_file
from ghostlap.pilots.usual_std import UsualStd


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
        memory: Memory | None = None,
    ) -> None:
        self.network = network
        self.critic = critic
        """What knows failures ahead by what the network computed; None for none."""
        self.memory = memory
        """What makes answers of this and earlier pictures; None for a pilot that sees one."""
        self._beside = beside
        self.preprocessing = preprocessing
        self.outputs = outputs
        self.description = description
        """The content of ``pilot.json``."""
        self._usual_std = UsualStd.of(description)

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
        answer, *others = network.outputs
        answers = network.outputs[answer][1]
        if answers != len(outputs):
            raise PilotError(
                f"{folder}: {ONNX_FILE} answers {answers} numbers, {PILOT_FILE} names "
                f"{len(outputs)}: {', '.join(outputs)}. The two files are not of one run."
            )
        wanted, critic, memory = [answer], None, None
        if "memory" in description:
            memory = Memory.from_json(description["memory"], answers, f"{folder / PILOT_FILE}")
            if network.outputs[others[0]][1:] != (memory.width,) if others else True:
                raise PilotError(
                    f"{folder}: {ONNX_FILE} has no part for the memory of {PILOT_FILE}. The two "
                    "files are not of one run."
                )
            wanted.append(others[0])
        if features:
            from ghostlap.pilots.features import FEATURES_OUTPUT, with_features

            network = with_features(network)
            wanted.append(FEATURES_OUTPUT)
        elif "critic" in description:
            critic = _critic_of(description, network, folder)
            wanted.append(critic.output)
        more = [Runner(read_network(located(path)), threads) for path in beside]
        runner = Runner(network, threads, *wanted)
        return cls(runner, preprocessing, outputs, description, more, critic, memory)

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
        """All outputs, ``float32`` ``(n, outputs)``, for frames that are cropped already.

        At least one, RGB ``uint8`` ``(bottom - top, width, 3)``: rows ``crop_top_px`` to
        ``crop_bottom_px`` of a frame.
        """
        seen = np.stack([finish(rows, self.preprocessing) for rows in cropped])
        return self.predict_seen(scale(seen, self.preprocessing))

    def predict_seen(self, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        """All outputs for preprocessed pictures ``(n, height, width, 3)``; NaN if not finite."""
        answers, *more = self.network.run(seen)
        more += [other.run(seen)[0] for other in self._beside]
        answers = self._in_units(answers)
        return np.concatenate([answers, *more], axis=1) if more else answers

    def predict_moments(
        self, seen: NDArray[np.float32], motion: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """All outputs of a pilot with a memory, each for the pictures of all its moments.

        Args:
            seen: preprocessed, the newest first, ``(n, moments, height, width, 3)``.
            motion: see :func:`ghostlap.data.motion.motion_of`, ``(n, numbers)``.
        """
        assert self.memory is not None
        contributed = self.network.run(seen.reshape(-1, *seen.shape[2:]))[1].astype(float)
        of_each = contributed.reshape(*seen.shape[:2], -1)
        return self._in_units(self.memory.answers(of_each, motion.astype(float)))

    def recalled(
        self,
        recollection: Recollection,
        answers: NDArray[np.float32],
        speed_mph: NDArray[np.floating],
        elapsed_s: float,
    ) -> NDArray[np.float32]:
        """Answers of :meth:`predict` that have cars' earlier moments in them, shaped as they are.

        Args:
            recollection: of the cars; it takes in this moment.
            answers: for each car, ``(cars, …)``.
            speed_mph: of each car, NaN if unknown.
        """
        first = len(self.outputs)
        contributed = answers[:, first : first + recollection.memory.width]
        outputs = recollection.recall(contributed, speed_mph / SPEED_UNIT_MPH, elapsed_s)
        return np.concatenate([self._in_units(outputs), answers[:, first:]], axis=1)

    def meant_for(self, answers: NDArray[np.float32], ahead_s: float) -> NDArray[np.float32]:
        """Answers ``(cars, …)`` of which the steering is that meant for so much later.

        It is as it is for a pilot without a horizon; beyond the horizon it stays as at its end.
        """
        later = [one for one in zip(AHEAD, AHEAD_S, strict=True) if one[0] in self.outputs]
        if not later or not ahead_s > 0:
            return answers
        plan = [0, *(self.outputs.index(name) for name, _ in later)]
        at = float(np.interp(ahead_s, [0.0, *(s for _, s in later)], range(len(plan))))
        before = min(int(at), len(plan) - 2)
        share = np.float32(at - before)
        steering = answers[:, plan[before]] * (1 - share) + answers[:, plan[before + 1]] * share
        return np.concatenate([steering[:, None], answers[:, 1:]], axis=1)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of the road that it can be told to keep to; one is none to choose from."""
        return tuple(line for line, name in BRANCHES.items() if name in self.outputs)

    def on_line(self, answers: NDArray[np.float32], line: Line) -> NDArray[np.float32]:
        """Answers ``(cars, …)`` of which the steering is that for a line.

        They are themselves for the centre, and where the pilot does not know the line.
        """
        steering = self.named(answers, BRANCHES[line])
        if line == "centre" or steering is None:
            return answers
        return np.concatenate([steering[:, None], answers[:, 1:]], axis=1)

    def require_line(self, folder: Path, line: Command) -> None:
        """Check that ``--line`` can work; the centre needs nothing.

        Raises:
            PilotError: the pilot cannot be told to keep to such a line.
        """
        if line != "centre" and len(self.lines) == 1:
            raise PilotError(
                f"{folder}: --line {line} needs a pilot that knows several lines; this one drives "
                "as it was taught. 'ghostlap record --line switch' records drives that change "
                "lines, and 'ghostlap train --lines' teaches them; or leave the option out."
            )

    def _in_units(self, answers: NDArray[np.floating]) -> NDArray[np.float32]:
        answers = np.where(np.isfinite(answers), answers, np.nan).astype(np.float32)
        units = [SPEED_UNIT_MPH if name == "speed" else 1.0 for name in self.outputs]
        return answers * np.array(units, np.float32)

    def parts(
        self, answers: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The outputs of answers, and what follows them for a critic, or features."""
        further = len(self.outputs) + (0 if self.memory is None else self.memory.width)
        return answers[..., : len(self.outputs)], answers[..., further:]

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

        A ``share`` of 0 needs nothing.

        Raises:
            PilotError: the pilot can never be unsure.
        """
        if not share or self.can_be_unsure:
            return
        if "steering_std" in self.outputs:
            raise PilotError(
                f"{folder}: --slow-when-unsure {share:g} needs to know how large the steering_std "
                f"usually is, and {PILOT_FILE} there does not say. If its training was cut off at "
                f"the very end, 'ghostlap train --resume --out {quoted(folder)}' "
                "completes it; else train anew with 'ghostlap train --steering-std', or leave the "
                "option out."
            )
        raise PilotError(
            f"{folder}: --slow-when-unsure {share:g} needs a pilot that has a critic or answers a "
            f"steering_std; this one answers {', '.join(self.outputs)}. "
            f"'ghostlap critic {quoted(folder)}' adds a critic; or leave the option out."
        )

    def unsure(self, answers: NDArray[np.float32]) -> NDArray[np.float64]:
        """How unsure :meth:`predict`'s answers are, see :class:`UsualStd`; 0 if it never can be."""
        steering_std = self.named(answers, "steering_std")
        if steering_std is None or self._usual_std is None:
            return np.zeros(answers.shape[:-1])
        return self._usual_std.unsure(steering_std)


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
