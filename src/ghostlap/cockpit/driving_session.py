"""The drive itself: who holds the wheel, what the car does, what is counted and written down.

Without a clock or any I/O of its own: :meth:`DrivingSession.tick` is told how much time has passed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from ghostlap.base.errors import CockpitError, GhostlapError
from ghostlap.cockpit.manual_input import ManualInput, is_neutral
from ghostlap.cockpit.pilot_runner import PilotRunner
from ghostlap.cockpit.protocol import Input, Level, Mode, Recording, State
from ghostlap.cockpit.recorder import MOMENTS_PER_S, SessionRecorder
from ghostlap.cockpit.scene import DrivingScene
from ghostlap.cockpit.score import AutonomyCount, Laps
from ghostlap.cockpit.trouble import knows_no_lines
from ghostlap.data.lines import SIDES, Line
from ghostlap.driving.metrics import Intervention
from ghostlap.driving.rollout.driver import Driver, Floats
from ghostlap.driving.rollout.rollout import ClosedLoop, Observer, Tick
from ghostlap.driving.rollout.stress import TICK_S
from ghostlap.sim.simulation import Simulation

Say = Callable[[Level, str], None]
"""Tells the pages something: ``info``, ``warning`` or ``error``, and a text."""

_WHY = {
    Intervention.OFF_ROAD: "it left the road",
    Intervention.STANDING: "it stood for 3 s",
    Intervention.TURNED: "it turned round",
}
_STANDS_MPH = 0.5
_SILENT_S = 1.0
"""A pilot that answers no number for so long drives no longer."""
_LOST_M = 40.0
"""Distance from the road at which a car is put back, whoever drives."""


class DrivingSession(Driver, Observer):
    """One car on a scene, and whoever drives it.

    Args:
        scene: where.
        say: tells the pages something.
        speed_limit_mph: the speed that a pilot holds.
    """

    def __init__(self, scene: DrivingScene, say: Say, speed_limit_mph: float = 20.0) -> None:
        super().__init__(1)
        self.mode: Mode = "manual"
        self.driving: Literal["person", "pilot"] = "person"
        self.speed_limit_mph = speed_limit_mph
        self.line: Line = "centre"
        """Of the road, that whoever drives is told to keep to."""
        self.paused = False
        self.manual_input = ManualInput()
        self.pilot: PilotRunner | None = None
        self.recorder: SessionRecorder | None = None
        self._say = say
        self._seat_taken = False
        self._held_at_handing_back = Input(0)
        self._command = 0.0, 0.0
        self._next_moment_s = 0.0
        self._rolls_back = False
        self._silent_s = 0.0
        self._score = AutonomyCount()
        self.enter(scene)

    def enter(self, scene: DrivingScene) -> None:
        """Go to another scene; what was recorded ends, and counting begins anew."""
        self.stop_recording()
        self.scene = scene
        self._loop = ClosedLoop(scene.simulation, self, (self,))
        self._laps, self._score = Laps(), AutonomyCount()
        self._command = 0.0, 0.0
        self.manual_input.let_go()
        self.manual_input.start_from(0.0)
        if self.pilot is not None:
            self.pilot.forget()

    def sit(self, taken: bool) -> None:
        """Somebody sits in the driver's seat from now on, or nobody: then the car brakes."""
        self._seat_taken = taken
        self.manual_input.let_go()

    def hold(self, held: Input) -> None:
        """The person holds the controls so. Touching them while the pilot drives takes over."""
        self.manual_input.hold(held)
        if is_neutral(held):
            self._held_at_handing_back = Input(0)
            return
        before = self._held_at_handing_back
        is_new = (held.keys, held.steering) != (before.keys, before.steering)
        if self.driving == "pilot" and is_new:
            self.driving = "person"
            self.manual_input.start_from(self._command[0])
            self._score.interventions += 1
            self._say("info", "you drive; hand back when it is right")

    def set_mode(self, mode: Mode) -> None:
        """Change the mode, or hand back to the pilot.

        Raises:
            CockpitError: there is no pilot to drive.
        """
        if mode == "autonomous":
            if self.pilot is None:
                raise CockpitError("Autonomous mode needs a pilot. Choose one first.")
            if self.mode == "manual":
                self._score = AutonomyCount()
            self._held_at_handing_back = self.manual_input.held
            if not self.pilot.knows_lines:
                self.line = "centre"
            self.pilot.forget()
            self._loop = ClosedLoop(self.scene.simulation, self, (self,))
            self._command = self.pilot.look(self.scene)
            self.driving = "pilot"
        else:
            if self.driving == "pilot":
                self.manual_input.start_from(self._command[0])
            self.driving = "person"
        self.mode = mode

    def choose(self, pilot: PilotRunner | None) -> None:
        """Another pilot, which drives at once where one drove before; or none."""
        if pilot is None:
            self.set_mode("manual")
        else:
            if self.driving == "pilot" and not pilot.knows_lines:
                self.line = "centre"
            pilot.hold_speed(self.speed_limit_mph)
            pilot.keep_to(self.line)
            self._command = pilot.look(self.scene)
        self.pilot, self._score = pilot, AutonomyCount()

    def dismiss(self, why: str) -> None:
        """The pilot cannot go on; the person drives, and may choose another one."""
        self.pilot, self._silent_s = None, 0.0
        self.set_mode("manual")
        self._say("error", f"{why} You drive now.")

    def set_speed_limit(self, mph: float) -> None:
        self.speed_limit_mph = mph
        if self.pilot is not None:
            self.pilot.hold_speed(mph)

    def set_line(self, line: Line) -> None:
        """Tell whoever drives to keep to a line of the road, which is written down.

        Raises:
            CockpitError: a pilot drives that knows no lines.
        """
        if self.pilot is not None:
            if self.driving == "pilot" and not self.pilot.knows_lines:
                raise CockpitError(knows_no_lines(self.pilot.name))
            self.pilot.keep_to(line)
        self.line = line

    def put_back(self) -> None:
        """Put the car back on the middle of the road; from a pilot's hands it is taken over."""
        if self.driving == "pilot":
            self._score.interventions += 1
        self._put_back()

    def record(self, recorder: SessionRecorder) -> None:
        """Write down what is driven from now on."""
        self.stop_recording()
        self.recorder, self._next_moment_s = recorder, self.scene.simulation.time_s

    def stop_recording(self) -> None:
        """End the recording, if there is one."""
        if self.recorder is not None:
            self.recorder.close()
            self.recorder = None

    @property
    def is_parked(self) -> bool:
        """Whether nobody is there and the car stands: time stands still for it."""
        return not self._seat_taken and self._speed_mph < _STANDS_MPH

    def tick(self, elapsed_s: float) -> None:
        """Let time pass: move the hands, then the car, then have the pilot look.

        It looks 20 times a second at least, however rarely this is called.
        """
        if elapsed_s > 0:
            parts = max(1, math.ceil(elapsed_s / TICK_S - 1e-6))
            for _ in range(parts):
                self._tick(elapsed_s / parts)

    def _tick(self, elapsed_s: float) -> None:
        self.manual_input.move(elapsed_s)
        if self.paused or self.is_parked:
            return
        by_pilot = self._seat_taken and self.driving == "pilot"
        simulation = self.scene.simulation
        before_m = simulation.truth().distance_m[0]
        self._loop.step(elapsed_s)
        truth = simulation.truth()
        along = math.cos(truth.heading_error_rad[0])
        self._rolls_back = bool((truth.distance_m[0] - before_m) * along < 0)
        self._laps.passed(int(truth.lap[0]), simulation.time_s)
        if by_pilot:
            self._score.pilot_s += elapsed_s
            self._score.pilot_m += float(truth.distance_m[0] - before_m)
            if self._loop.is_due:
                self._loop.judge()
        elif abs(float(truth.cte_m[0])) > _LOST_M:
            self._say("warning", "the car was lost, and is back on the road")
            self._put_back()
        self._look()
        self._wait_for_answers(elapsed_s if by_pilot else 0.0)
        self._write_down(by_pilot)

    def state(self) -> State:
        """What the pages are told of the drive."""
        simulation, recorder, pilot = self.scene.simulation, self.recorder, self.pilot
        truth, told = simulation.truth(), simulation.telemetry()
        x_m, y_m, heading_rad = self.scene.pose(truth)
        state = State(
            mode=self.mode, driving=self.driving, paused=self.paused, t=simulation.time_s,
            speed_mph=float(told.speed_mph[0]), speed_limit_mph=self.speed_limit_mph,
            line=self.line, steering=float(told.steering[0]), throttle=float(told.throttle[0]),
            cte_m=float(truth.cte_m[0]), margin_m=float(truth.margin_m[0]),
            off_road=bool(truth.off_road[0]), lap=int(truth.lap[0]),
            lap_s=self._laps.lap_s(simulation.time_s), best_lap_s=self._laps.best_s,
            distance_m=float(truth.distance_m[0]),
            autonomy_percent=self._score.autonomy_percent,
            interventions=self._score.interventions, pilot_m=self._score.pilot_m,
            x=x_m, y=y_m, heading_rad=heading_rad,
            expert_steering=self.scene.expert_steering(truth, told),
            track=self.scene.track_name, direction=self.scene.direction,
            conditions=self.scene.conditions, input_ack=self.manual_input.held.n,
        )  # fmt: skip
        if recorder is not None:
            state.recording = Recording(recorder.name, recorder.rows, recorder.seconds)
        if pilot is not None:
            state.pilot, state.pilot_steering = pilot.name, pilot.steering
            state.spread, state.latency_ms = pilot.spread, pilot.latency_ms
            state.warning_s = pilot.warning_s
        return state

    @property
    def _speed_mph(self) -> float:
        return float(self.scene.simulation.telemetry().speed_mph[0])

    def control(self, simulation: Simulation) -> tuple[Floats, Floats]:
        """Steering and throttle of whoever drives; where nobody is there, the car brakes."""
        if not self._seat_taken:  # forwards and backwards the other pedal does it
            steering, throttle = 0.0, 1.0 if self._rolls_back else -1.0
        elif self.driving == "pilot":
            steering, throttle = self._command
        else:
            steering, throttle = self.manual_input.steering, self.manual_input.throttle
        return np.array([steering]), np.array([throttle])

    def see(self, tick: Tick) -> None:
        """Count an intervention while the pilot drives; the car is put back next."""
        why = Intervention(int(tick.interventions[0]))
        if why is not Intervention.NONE:
            self._score.interventions += 1
            self._say("warning", f"the car was put back: {_WHY[why]}")

    def _put_back(self) -> None:
        self.scene.simulation.put_back(0)
        self.reset(0)

    def reset(self, car: int) -> None:
        """Hands and pilot begin anew: the car was put back."""
        self.manual_input.start_from(0.0)
        if self.pilot is not None:
            self.pilot.forget()
            self._look()

    def _look(self) -> None:
        """Have the pilot look, if there is one."""
        if self.pilot is not None:
            try:
                self._command = self.pilot.look(self.scene)
            except GhostlapError as error:
                self.dismiss(str(error))

    def _wait_for_answers(self, elapsed_s: float) -> None:
        """Hand the car to the person where the pilot that drives has been silent for too long."""
        is_silent = elapsed_s > 0 and self.pilot is not None and self.pilot.steering is None
        self._silent_s = self._silent_s + elapsed_s if is_silent else 0.0
        if self._silent_s > _SILENT_S and self.pilot is not None:
            self.dismiss(f"{self.pilot.name} answers no number.")

    def _write_down(self, by_pilot: bool) -> None:
        simulation, recorder = self.scene.simulation, self.recorder
        if recorder is None or simulation.time_s < self._next_moment_s:
            return
        if recorder.is_broken:
            self.stop_recording()
            return
        period_s = 1 / MOMENTS_PER_S
        self._next_moment_s = max(self._next_moment_s + period_s, simulation.time_s - period_s)
        recorder.add(
            pictures=self.scene.three_pictures(),
            time_s=simulation.time_s,
            steering=float(self._loop.command[0][0]),
            throttle=float(self._loop.command[1][0]),
            speed_mph=self._speed_mph,
            driver="pilot" if by_pilot else "person",
            pilot_steering=None if self.pilot is None else self.pilot.steering,
            line=SIDES[self.line],
        )
