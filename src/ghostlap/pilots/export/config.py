"""All options of ``ghostlap export``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ghostlap.base.errors import ExchangeError
from ghostlap.base.options import Options, Range
from ghostlap.data.formats.config import Columns

ENDINGS = {
    "onnx": (".onnx",),
    "tflite": (".tflite",),
    "keras": (".keras", ".h5"),
    "donkeycar": (".tflite",),
}

Format = Literal["onnx", "tflite", "keras", "donkeycar"]


@dataclasses.dataclass(frozen=True)
class ExportConfig(Options, error=ExchangeError):
    """Write a pilot's network for other programs, with the preprocessing that it needs.

    Example: ghostlap export runs/a --as tflite --number int8 --recording my-drive --out a.tflite
    """

    run: tyro.conf.Positional[Path]
    """Run folder of the pilot."""
    to: Annotated[Literal["onnx", "tflite", "keras", "donkeycar"], tyro.conf.arg(name="as")] = (
        "onnx"
    )
    """onnx: raw frames in (uint8), steering out, preprocessing within. tflite and keras: the
    network alone, which sees preprocessed pictures; the JSON file beside it says which. donkeycar:
    TensorFlow Lite from its pictures of 160x120, preprocessing within, to angle and throttle."""
    out: Path = Path("pilot")
    """File to write: .onnx, .tflite, .keras or .h5; without an ending it gets the one of --as."""
    number: Literal["float32", "float16", "int8"] = "float32"
    """Type of the weights, for tflite; int8 computes in integers, too."""
    recording: Path | None = None
    """Recording to measure the exported network's loss on, and to calibrate int8 on."""
    frames: Annotated[int, Range(10)] = 400
    """Frames of the recording used at most, evenly over it: half to calibrate, half to measure."""
    columns: Columns = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.out.suffix:
            object.__setattr__(self, "out", self.out.with_suffix(ENDINGS[self.to][0]))
        if self.number == "int8" and self.to == "tflite" and self.recording is None:
            raise ExchangeError(
                "--number int8 needs --recording REC: the range of each layer is measured on it."
            )
