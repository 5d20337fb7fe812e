"""Gymnasium's CarRacing as a simulator for `ghostlap drive`: all of the wire of port 4567.

    ghostlap drive generalist
    python examples/carracing.py 60      # seconds, in another window

It needs gymnasium[box2d], websockets and opencv-python-headless, and nothing of Ghostlap.
CarRacing shows its car from above; here its road is drawn as a camera on the car sees it.
"""

import base64
import json
import sys

import cv2
import gymnasium
import numpy as np
from websockets.sync.client import connect

HEIGHT, WIDTH, FOCAL_PX, HORIZON, CAMERA_M = 160, 320, 140.0, 62, 2.2
HALF_ROAD_M, MPH, SECONDS = 40 / 6, 2.237, float(sys.argv[1]) if sys.argv[1:] else 60.0
GRASS, ROAD, LINE, SKY = (96, 140, 70), (110, 110, 112), (225, 190, 60), (150, 190, 225)


def frame(env):
    """RGB, uint8 (160, 320, 3): quadrangles of road, from far to near."""
    car, track = env.car.hull, np.array(env.track)[:, 1:]
    sin, cos = np.sin(car.angle), np.cos(car.angle)
    picture = np.full((HEIGHT, WIDTH, 3), GRASS, np.uint8)
    picture[:HORIZON] = SKY
    across = np.stack([np.cos(track[:, 0]), np.sin(track[:, 0])], 1)

    def shown(side_m):
        there = track[:, 1:] + across * side_m - np.array(car.position)
        right, ahead = there @ (cos, sin), there @ (-sin, cos)
        ahead_m = np.maximum(ahead, 1.0)
        return np.stack(
            [WIDTH / 2 + FOCAL_PX * right / ahead_m, HORIZON + FOCAL_PX * CAMERA_M / ahead_m], 1
        ), ahead

    edges = {
        m: shown(m) for m in (-HALF_ROAD_M, -HALF_ROAD_M + 0.6, HALF_ROAD_M - 0.6, HALF_ROAD_M)
    }
    near = np.argmin(np.hypot(*(track[:, 1:] - np.array(car.position)).T))
    for step in range(60, -6, -1):
        a, b = (near + step) % len(track), (near + step + 1) % len(track)
        for low, high, colour in ((0, 3, ROAD), (0, 1, LINE), (2, 3, LINE)):
            (left, ahead), (right, _) = (list(edges.values())[i] for i in (low, high))
            if max(ahead[a], ahead[b]) > 1.0:
                corners = np.array([left[a], left[b], right[b], right[a]])
                cv2.fillConvexPoly(picture, np.clip(corners, -3000, 3000).astype(np.int32), colour)
    return picture


def main():
    env = gymnasium.make("CarRacing-v3", render_mode="rgb_array", max_episode_steps=10**6).unwrapped
    env.reset(seed=7)
    off, steering, throttle = 0, 0.0, 0.0
    with connect("ws://127.0.0.1:4567/socket.io/?EIO=4&transport=websocket") as server:
        for tick in range(round(SECONDS * 50)):
            env.step(np.array([steering, max(throttle, 0) * 0.4, max(-throttle, 0) * 0.4]))
            away_m = np.hypot(
                *(np.array(env.track)[:, 2:] - np.array(env.car.hull.position)).T
            ).min()
            off += away_m > HALF_ROAD_M
            if tick % 3:
                continue
            speed_mph = np.hypot(*env.car.hull.linearVelocity) * MPH * 0.5  # a road twice as wide
            image = cv2.imencode(".jpg", cv2.cvtColor(frame(env), cv2.COLOR_RGB2BGR))[1]
            told = {
                "steering_angle": str(steering * 25),
                "throttle": str(throttle),
                "speed": str(speed_mph),
                "image": base64.b64encode(image).decode(),
            }
            server.send("42" + json.dumps(["telemetry", told]))
            while not (message := server.recv()).startswith('42["steer"'):
                if message.startswith("2"):  # a ping
                    server.send("3")
            answer = json.loads(message[2:])[1]
            steering, throttle = float(answer["steering_angle"]), float(answer["throttle"])
    print(f"{SECONDS:.0f} s driven, {off / 50:.1f} s of it off the road")


main()
