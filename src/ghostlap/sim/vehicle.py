"""The cars' physics: from steering and throttle to motion.

The model is a dynamic bicycle (Rajamani, *Vehicle Dynamics and Control*, 2012, chapter 2) whose
tyres pull in proportion to their slip until friction gives out, and a kinematic bicycle at walking
pace, where slip says nothing. It is fitted to recordings of Udacity's simulator: acceleration,
coasting, and a yaw rate of about ``v * tan(25 deg * steering) / 3.2 m`` at the speeds driven.

Headings are radians counterclockwise, so a turn to the left is positive; **steering is positive to
the right**, as in Udacity's logs. Throttle is positive; negative brakes, and reverses from a stand.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghostlap.base.errors import SimulatorError
from ghostlap.base.options import Options, Positive
from ghostlap.data.vision.camera import FULL_LOCK_RAD

Floats = NDArray[np.float64]

PHYSICS_STEP_S = 1 / 50
"""The longest physics step; Unity's own."""

GRAVITY_MPS2 = 9.81

_KINEMATIC_MPS = 3.0
_DYNAMIC_MPS = 5.0
"""A car is purely kinematic below the first speed, purely dynamic above the second."""

_FULL_THROTTLE_MPS = np.array([0.0, 9.0, 11.0, 13.5, 40.0])
_FULL_THROTTLE_MPS2 = np.array([5.0, 4.1, 3.2, 2.4, 0.8])
"""Acceleration at full throttle: measured up to 12 m/s, which is as fast as Udacity's car gets."""


@dataclasses.dataclass(frozen=True)
class Vehicle(Options, error=SimulatorError, called="{name} of a vehicle"):
    """The parameters of a car. Tyre figures are a whole axle's, divided by the car's mass."""

    top_speed_mps: Positive = 13.5
    """Highest speed, also downhill (30.19 mph)."""
    axle_m: Positive = 1.4
    """Distance from the car's centre of mass to either axle."""
    full_lock_rad: Positive = FULL_LOCK_RAD
    """Angle of the front wheels at steering 1."""
    front_stiffness: Positive = 80.0
    """Sideways pull of the front tyres per slip, in m/s2 per radian."""
    rear_stiffness: Positive = 170.0
    """The same of the rear tyres; the larger of the two, so that the car understeers."""
    front_grip_mps2: Positive = 4.3
    """Largest sideways pull of the front tyres."""
    rear_grip_mps2: Positive = 5.0
    """The same of the rear tyres; the larger, so that the nose slides first and no car spins."""
    brake_mps2: Positive = 8.0
    """Deceleration of full brakes, beyond what coasting gives."""
    reverse_mps2: Positive = 2.5
    """Acceleration of full reverse throttle."""
    reverse_speed_mps: Positive = 4.0
    """Highest speed backwards."""
    rolling_mps2: Positive = 0.2
    """Deceleration of coasting at any speed."""
    drag_per_s: Positive = 0.08
    """Further deceleration of coasting for each m/s; in all 1.25 m/s2 at 13 m/s."""

    @property
    def understeer_s2_per_m(self) -> float:
        """Understeer gradient: growth of the effective wheelbase for each (m/s)2."""
        return 0.5 / self.front_stiffness - 0.5 / self.rear_stiffness

    def effective_wheelbase_m(self, speed_mps: ArrayLike) -> Floats:
        """The wheelbase ``v * tan(wheel angle) / yaw rate`` in a steady bend, tyres not sliding."""
        return 2 * self.axle_m + self.understeer_s2_per_m * np.square(np.asarray(speed_mps, float))

    def drift_per_curvature_m(self, speed_mps: ArrayLike) -> Floats:
        """Side slip angle per curvature in a steady bend, in radians per 1/m; positive to the left.

        The rear axle follows the front one, and slips outwards to find its share of the force.
        """
        speed_mps = np.asarray(speed_mps, float)
        return self.axle_m - 0.5 * np.square(speed_mps) / self.rear_stiffness

    def full_throttle_mps2(self, speed_mps: ArrayLike) -> Floats:
        """Acceleration at full throttle on the level."""
        return np.interp(np.asarray(speed_mps, float), _FULL_THROTTLE_MPS, _FULL_THROTTLE_MPS2)

    def coasting_mps2(self, speed_mps: ArrayLike) -> Floats:
        """Deceleration on the level without throttle."""
        return self.rolling_mps2 + self.drag_per_s * np.abs(np.asarray(speed_mps, float))


class Cars:
    """The motion of several cars of one kind, as arrays of shape ``(cars,)``.

    A car moves alike, to the last bit, however many others there are.
    """

    def __init__(self, cars: int, vehicle: Vehicle) -> None:
        self.vehicle = vehicle
        self.x_m = np.zeros(cars)
        self.y_m = np.zeros(cars)
        self.heading_rad = np.zeros(cars)
        self.speed_mps = np.zeros(cars)
        """Speed along the car; negative backwards."""
        self.sideways_mps = np.zeros(cars)
        """Speed to the left of the car."""
        self.yaw_rate_rad_s = np.zeros(cars)

    def place(self, car: int, x_m: float, y_m: float, heading_rad: float, speed_mps: float) -> None:
        """Put one car at a place on the map, rolling straight ahead."""
        self.x_m[car], self.y_m[car], self.heading_rad[car] = x_m, y_m, heading_rad
        self.speed_mps[car] = min(
            max(speed_mps, -self.vehicle.reverse_speed_mps), self.vehicle.top_speed_mps
        )
        self.sideways_mps[car] = self.yaw_rate_rad_s[car] = 0.0

    def step(self, steering: Floats, throttle: Floats, grade: Floats, seconds: float) -> None:
        """Advance physics by one step.

        Args:
            steering, throttle: in [-1, 1].
            grade: rise of the ground per metre towards the car's nose.
            seconds: at most :data:`PHYSICS_STEP_S`.
        """
        wheel_rad = -self.vehicle.full_lock_rad * steering
        front_pull_mps2, dynamic = self._turn(np.tan(wheel_rad), seconds)
        along = self.yaw_rate_rad_s * self.sideways_mps - front_pull_mps2 * np.sin(wheel_rad)
        along = along * dynamic - GRAVITY_MPS2 * grade / np.sqrt(1 + grade * grade)
        self._accelerate(throttle, along, seconds)
        middle = self.heading_rad + self.yaw_rate_rad_s * (seconds / 2)
        cos, sin = np.cos(middle), np.sin(middle)
        self.x_m += (self.speed_mps * cos - self.sideways_mps * sin) * seconds
        self.y_m += (self.speed_mps * sin + self.sideways_mps * cos) * seconds
        self.heading_rad += self.yaw_rate_rad_s * seconds

    def _turn(self, slope: Floats, seconds: float) -> tuple[Floats, Floats]:
        """Update sideways speed and yaw rate for front wheels turned by the tangent ``slope``.

        The step is implicit, since stiff tyres at low speed react faster than it. A sliding tyre
        counts as one just soft enough to pull no more than its grip.

        Returns:
            The front tyres' pull to their left, and the dynamic model's share, from 0 to 1.
        """
        vehicle, axle = self.vehicle, self.vehicle.axle_m
        speed = np.maximum(self.speed_mps, _KINEMATIC_MPS)
        front_slip = slope - (self.sideways_mps + axle * self.yaw_rate_rad_s) / speed
        rear_slip = (self.sideways_mps - axle * self.yaw_rate_rad_s) / speed
        front = vehicle.front_grip_mps2 / np.maximum(np.abs(front_slip), 1e-9)
        front = np.minimum(front, vehicle.front_stiffness)
        rear = vehicle.rear_grip_mps2 / np.maximum(np.abs(rear_slip), 1e-9)
        rear = np.minimum(rear, vehicle.rear_stiffness)

        # sideways' = front * (slope - (sideways + axle yaw) / speed)
        #             - rear * (sideways - axle yaw) / speed - speed yaw
        # yaw'      = the same pulls times +-axle, over a squared radius of gyration of axle**2
        both, unlike = (front + rear) / speed * seconds, (front - rear) / speed * seconds
        cross = axle * unlike + speed * seconds
        sideways = self.sideways_mps + front * slope * seconds
        yaw = self.yaw_rate_rad_s + front * slope * (seconds / axle)
        determinant = (1 + both) * (1 + both) - cross * unlike / axle
        dynamic_sideways = ((1 + both) * sideways - cross * yaw) / determinant
        dynamic_yaw = ((1 + both) * yaw - unlike / axle * sideways) / determinant

        share = np.maximum(self.speed_mps - _KINEMATIC_MPS, 0) / (_DYNAMIC_MPS - _KINEMATIC_MPS)
        share = np.minimum(share, 1)
        share = share * share * (3 - 2 * share)
        kinematic_yaw = self.speed_mps * slope / vehicle.effective_wheelbase_m(self.speed_mps)
        self.yaw_rate_rad_s = kinematic_yaw + share * (dynamic_yaw - kinematic_yaw)
        kinematic_sideways = axle * kinematic_yaw
        self.sideways_mps = kinematic_sideways + share * (dynamic_sideways - kinematic_sideways)
        return front * front_slip, share

    def _accelerate(self, throttle: Floats, along_mps2: Floats, seconds: float) -> None:
        """Update the speed by the throttle and the other forces along the car."""
        vehicle, speed = self.vehicle, self.speed_mps
        coasting = vehicle.coasting_mps2(speed)
        forwards = np.maximum(throttle, 0) * (vehicle.full_throttle_mps2(speed) + coasting)
        backwards = np.minimum(throttle, 0)
        rolling = speed > 0
        engine = forwards + np.where(rolling, 0.0, vehicle.reverse_mps2 * backwards)
        speed = speed + (engine + along_mps2) * seconds
        # Friction and brakes bring a car to a stand and not beyond.
        most = (coasting - np.where(rolling, vehicle.brake_mps2 * backwards, 0.0)) * seconds
        speed = speed - np.maximum(np.minimum(speed, most), -most)
        speed = np.minimum(speed, vehicle.top_speed_mps)
        self.speed_mps = np.maximum(speed, -vehicle.reverse_speed_mps)
