"""Who drives a simulation: the expert, or a pilot through the controller that drives Unity too."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.driving.control import ControlConfig, Controller
from ghostlap.pilots.pilot import Pilot
from ghostlap.sim.expert import Expert, ExpertDriver
from ghostlap.sim.simulation import Simulation
from ghostlap.sim.track.track import Track

Floats = NDArray[np.float64]


class Driver:
    """Whoever tells all cars of a simulation what to do; one of these says how."""

    def __init__(self, cars: int) -> None:
        self.not_a_number: NDArray[np.bool_] = np.zeros(cars, bool)
        """Whether the last answer for a car was no number, shape ``(cars,)``."""
        self.out_of_range: NDArray[np.bool_] = np.zeros(cars, bool)
        """Whether the last answer for a car was beyond full lock, shape ``(cars,)``."""
        self.doubt: Floats = np.full(cars, np.nan)
        """How much the driver last doubted each car's way, shape ``(cars,)``: its critic's log-odds
        of a failure, or the standard deviation that it predicts for its steering; NaN for none."""
        self.computed: NDArray[np.float32] = np.zeros((cars, 0), np.float32)
        """What a network computed beside its last answers, shape ``(cars, numbers)``."""

    def control(self, simulation: Simulation) -> tuple[Floats, Floats]:
        """Steering and throttle, each of shape ``(cars,)``."""
        raise NotImplementedError

    def unseen(
        self, simulation: Simulation, command: tuple[Floats, Floats]
    ) -> tuple[Floats, Floats]:
        """Steering and throttle where no frame has come: those told before."""
        return command

    def reset(self, car: int) -> None:
        """Forget how a car was driven: it was put somewhere else."""


class ReferenceDriver(ExpertDriver, Driver):
    """The expert, whose figures are what can be reached."""

    def __init__(self, track: Track, config: Expert, cars: int) -> None:
        ExpertDriver.__init__(self, track, config, cars)
        Driver.__init__(self, cars)


class PilotDriver(Driver):
    """A pilot that looks through the center camera, which takes the rows that the pilot keeps.

    Args:
        each_alone: see :class:`ghostlap.driving.rollout.plan.EpisodesTask`.
    """

    def __init__(
        self, pilot: Pilot, control: ControlConfig, cars: int, *, each_alone: bool = False
    ) -> None:
        super().__init__(cars)
        self.pilot, self._at_a_time = pilot, 1 if each_alone else cars
        self.controller = Controller(control, cars)
        self._asked_s = 0.0
        self.steering = np.zeros(cars, np.float32)
        """What the pilot last answered, shape ``(cars,)``."""

    def control(self, simulation: Simulation) -> tuple[Floats, Floats]:
        """What the pilot answers to what it sees now, carried out by the controller."""
        frames, step = simulation.frames()[:, 0], self._at_a_time
        answers = [
            self.pilot.predict_cropped(frames[car : car + step])
            for car in range(0, len(frames), step)
        ]
        return self.carry_out(np.concatenate(answers), simulation)

    def carry_out(
        self, answers: NDArray[np.float32], simulation: Simulation
    ) -> tuple[Floats, Floats]:
        """Steering and throttle for answers to what the cars see now, ``(cars, numbers)``."""
        elapsed_s = max(0.0, simulation.time_s - self._asked_s)  # another simulation begins at 0
        self._asked_s = simulation.time_s
        speed_mph = simulation.telemetry().speed_mph
        answers = self.controller.answers(self.pilot, answers, speed_mph, elapsed_s)
        evidence = self.pilot.evidence(answers)
        answers, self.computed = self.pilot.parts(answers)
        self.steering = answers[:, 0]
        self.not_a_number = np.asarray(~np.isfinite(answers).all(axis=1), bool)
        self.out_of_range = np.asarray(np.abs(answers[:, 0]) > 1, bool) & ~self.not_a_number
        control = self.controller.control(
            answers[:, 0],
            speed_mph,
            elapsed_s,
            pilot_speed_mph=self.pilot.named(answers, "speed"),
            unsure=self.pilot.unsure(answers),
            evidence=evidence,
        )
        steering_std = self.pilot.named(answers, "steering_std")
        if self.controller.foresight is not None:
            self.doubt = self.controller.foresight.judged.copy()
        elif steering_std is not None:
            self.doubt = steering_std.astype(np.float64)
        return control

    def unseen(
        self, simulation: Simulation, command: tuple[Floats, Floats]
    ) -> tuple[Floats, Floats]:
        """As told before, with the steering that the last answers meant for now."""
        planned = self.controller.planned(self.pilot, simulation.time_s - self._asked_s)
        return (command[0] if planned is None else planned), command[1]

    def reset(self, car: int) -> None:
        self.controller.reset(car)
        self.doubt[car] = np.nan


def view_of(pilot: Pilot) -> dict[str, Any]:
    """What a :class:`World` is told so that it takes what a pilot reads of a frame, and no more.

    Rows that the crop throws away are never rendered. Without those below, the renderer begins
    elsewhere: some 4 in 100,000 numbers of a picture differ from those of a whole one.
    """
    spec = pilot.preprocessing
    return {
        "cameras": ("center",),
        "height_px": spec.frame_height_px,
        "width_px": spec.frame_width_px,
        "rows": (spec.crop_top_px, spec.crop_bottom_px),
    }
