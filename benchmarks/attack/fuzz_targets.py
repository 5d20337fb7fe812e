"""What reads text and bytes from elsewhere, each as one function of bytes.

A target may return, or raise a :class:`GhostlapError`; anything else is a defect.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ghostlap.base.errors import GhostlapError

Read = Callable[[bytes], object]


@dataclasses.dataclass(frozen=True)
class Target:
    """A reader, and what it is to read well."""

    read: Read
    seeds: Sequence[bytes]
    words: Sequence[bytes] = ()
    expected: tuple[type[BaseException], ...] = (GhostlapError,)
    most_bytes: int = 200_000
    batch: int = 1000
    """Rounds that share one source of randomness; an ``--attempt`` is one batch."""


def _wire() -> Target:
    from ghostlap.driving.unity.wire import TelemetryEvent, Wire, image_bytes

    jpeg = base64.b64encode(b"\xff\xd8\xff\xd9").decode()
    telemetry = (
        '42["telemetry",{"steering_angle":"-3,1416","throttle":"0.2500","speed":"12/3456",'
        f'"image":"{jpeg}","cte":0.5}}]'
    )

    def read(data: bytes) -> object:
        wire = Wire("a1")
        event = wire.receive(data.decode("utf-8", "replace"))
        if isinstance(event, TelemetryEvent):
            wire.steer(0.1, 0.2)
            return image_bytes(event) if not event.problem else None
        return event

    seeds = [telemetry, '42["telemetry",{}]', '42["telemetry",null]', "2probe", "3", "1", "40",
             '42/x,12["telemetry",{"speed":1}]', '42["manual",{}]']  # fmt: skip
    return Target(read, [seed.encode() for seed in seeds], [b"42", b'["telemetry"', b"e+99"])


def _numbers() -> Target:
    from ghostlap.driving.unity.unity_numbers import NUMBER_FORMATS, read_number

    formats = list(NUMBER_FORMATS.values())

    def read(data: bytes) -> object:
        text = data.decode("utf-8", "replace")
        return read_number(text), formats[len(data) % len(formats)].parse(text)

    return Target(read, [b"-3,1416", b"1.234,5678", b"3/1416-", b"(3.1416)", b"1234E-4", b"1e5"])


def _log_rows() -> Target:
    from ghostlap.data.recordings.layout import is_header
    from ghostlap.data.recordings.log_row import cells_of, rows_of

    def read(data: bytes) -> object:
        text = data.decode("utf-8", "replace")
        return is_header(cells_of(text)), list(rows_of(cells_of(text), bool(len(data) & 1)))

    return Target(read, _rows(), [b"IMG/", b".jpg,", b'"C:\\a, b\\'])


def _rows() -> list[bytes]:
    names = [f"{camera}_2024_05_06_07_08_09_123.jpg" for camera in ("center", "left", "right")]
    return [
        f"{begin}{f',{begin}'.join(names)},{numbers}".encode()
        for begin in ("", "IMG/", "C:\\Users\\Ann, Lee\\IMG\\", " /home/a b/IMG/")
        for numbers in ("-0.05,1,0,28.1", "-0,05,0,3,0,28,13", "0.1;1;0;3", "0,1,0,1E-05")
    ] + [b"center,left,right,steering,throttle,brake,speed", b'"a.jpg","b.jpg","c.jpg",0,1,0,2']


def _logs() -> Target:
    from ghostlap.data.recordings.driving_log import parse_log

    whole = b"\n".join(
        f"IMG/center_2024_05_06_07_08_{i:02d}_123.jpg,,,0.{i},1,0,{i}.5".encode() for i in range(6)
    )
    seeds = [whole + b"\n", _rows()[-2] + b"\n" + whole, whole.replace(b"\n", b"\r\n"),
             whole.replace(b".", b","), b"\xef\xbb\xbf" + whole]  # fmt: skip
    return Target(lambda data: parse_log(data.splitlines(keepends=True)), seeds)


def _protocol() -> Target:
    from ghostlap.cockpit.protocol import parse, text_of

    seeds = [
        {"type": "input", "n": 1, "keys": ["left"]}, {"type": "seen", "frame": 3},
        {"type": "input", "n": 2, "steering": 0.5, "throttle": -1}, {"type": "ping", "t": 1.5},
        {"type": "track", "track": "lake", "seed": 1, "conditions": "wide", "direction": -1},
        {"type": "pilot", "run": "a"}, {"type": "record", "on": True}, {"type": "mode",
        "mode": "manual"}, {"type": "speed_limit", "mph": 20}, {"type": "take"},
    ]  # fmt: skip

    def read(data: bytes) -> object:
        message = parse(data.decode("utf-8", "replace"))
        return text_of(message)

    return Target(read, [json.dumps(seed).encode() for seed in seeds])


def _preprocessing() -> Target:
    import numpy as np

    from ghostlap.data.vision.preprocessing import SEED, Preprocessing, preprocess

    specs = [SEED, Preprocessing(24, 48, 9, 20, "rgb", 0, 8, 16), Preprocessing(colour="hsv-s")]
    frames = np.zeros((24, 48, 3), np.uint8)

    def read(data: bytes) -> object:
        try:
            values = json.loads(data)
        except (ValueError, RecursionError):
            return None
        if not isinstance(values, dict):
            return None
        return preprocess(frames, Preprocessing.from_json(values).for_frames(24, 48))

    return Target(read, [json.dumps(dataclasses.asdict(spec)).encode() for spec in specs])


def _pictures() -> Target:
    import cv2
    import numpy as np

    from ghostlap.data.vision.pictures import decode_rgb

    rgb = (np.arange(16 * 24 * 3) % 251).astype(np.uint8).reshape(16, 24, 3)
    endings = (".jpg", ".png", ".bmp", ".tiff", ".webp", ".ppm", ".gif")
    seeds = [b"GIF89a\x10\x00\x10\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x10\x00"]
    for ending in endings:
        if cv2.haveImageWriter(f"a{ending}"):
            seeds.append(cv2.imencode(ending, rgb)[1].tobytes())
    return Target(decode_rgb, seeds * 1 + seeds[1:3] * 4, [b"\xff\xd8", b"\xff\xc0", b"IHDR"])


def _image_names() -> Target:
    from ghostlap.data.recordings.image_names import Clock, image_name_of, time_ms_of

    clock = Clock()

    def read(data: bytes) -> object:
        name = image_name_of(data.decode("utf-8", "replace"))
        return time_ms_of(name), clock.time_ms(name)

    return Target(read, [row.split(b",")[0] for row in _rows()])


def _lambdas() -> Target:
    from ghostlap.pilots.keras_import.bytecode import steps_of
    from ghostlap.pilots.keras_import.marshalled import NotUnderstood

    golden = Path(__file__).resolve().parents[2] / "tests" / "golden" / "marshalled_lambdas.json"
    texts: dict[str, dict[str, str]] = json.loads(golden.read_text(encoding="utf-8"))
    seeds = [base64.b64decode(code) for codes in texts.values() for code in codes.values()]
    return Target(steps_of, seeds, expected=(GhostlapError, NotUnderstood))


def _formulas() -> Target:
    from ghostlap.data.recordings.columns import parse_columns, parse_where
    from ghostlap.data.vision.augmentation import parse_augmentation
    from ghostlap.pilots.keras_import.formula import parse_formula
    from ghostlap.pilots.keras_import.lambdas import given_lambdas
    from ghostlap.pilots.keras_import.recipes import crop_sides
    from ghostlap.training.search.space import parse_settings, parse_space

    readers: tuple[Callable[[str], Any], ...] = (
        lambda text: parse_space([text]), lambda text: parse_settings([text]),
        lambda text: parse_columns([text]), lambda text: parse_where([text]),
        lambda text: given_lambdas([text]), lambda text: parse_formula(text, "--scale"),
        lambda text: crop_sides(text, 160, 320), parse_augmentation,
    )  # fmt: skip

    def read(data: bytes) -> object:
        text = data.decode("utf-8", "replace").replace("\0", "")
        return readers[sum(data[:4]) % len(readers)](text)

    seeds = ["learning_rate=1e-4..1e-2:log", "steps-per-epoch=50..300", "model=pilotnet,vgg",
             "epochs=3", "steering=angle:deg", "x/127.5-1", "60:-25", "lambda_1=2,-0.5",
             "shift=0.5,flip", "default", "flip=0.5,brightness=0.3:0.1..0.9"]  # fmt: skip
    return Target(read, [seed.encode() for seed in seeds], [b"..", b"=", b":log"], most_bytes=4096)


def _architectures() -> Target:
    from legacy_models import functional, layer, node

    import benchmarks.attack.material  # noqa: F401 - puts the tests' folder on the path
    from ghostlap.pilots.keras_import.architecture import read_architecture
    from ghostlap.pilots.keras_import.json_text import parse_json

    shape = {"batch_input_shape": [None, 16, 32, 3]}
    chain = [
        layer("Conv2D", "c", filters=4, kernel_size=[3, 3], **shape),
        layer("Flatten", "f"),
        layer("Dense", "d", units=1),
    ]
    nodes = [
        node("InputLayer", "i", **shape),
        node("Flatten", "f", "i"),
        node("Dense", "d", "f", units=1),
    ]
    graph = functional(nodes, "d")
    seeds = [{"class_name": "Sequential", "config": {"name": "s", "layers": chain}}, graph,
             {"class_name": "Sequential", "config": chain}]  # fmt: skip
    return Target(
        lambda data: read_architecture(parse_json(data, "model.json"), "model.json"),
        [json.dumps(seed).encode() for seed in seeds],
    )


def quick_targets() -> dict[str, Callable[[], Target]]:
    """Those that need no file, by name."""
    return {
        "wire": _wire, "numbers": _numbers, "log rows": _log_rows, "logs": _logs,
        "page messages": _protocol, "preprocessing": _preprocessing, "pictures": _pictures,
        "image names": _image_names, "lambdas": _lambdas, "options": _formulas,
        "architectures": _architectures,
    }  # fmt: skip
