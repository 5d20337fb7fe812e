"""What people write for options becomes what their types say."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

import ghostlap
from ghostlap.base.errors import GhostlapError, TrainingError
from ghostlap.base.options import Above0, Options, Range, Share


@dataclasses.dataclass(frozen=True)
class Written(Options):
    one: Path = Path("a")
    maybe: Path | None = None
    several: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()
    size: tuple[int, int] = (1, 2)
    text: str = ""


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"one": "b"}, {"one": Path("b")}),
        ({"maybe": "b"}, {"maybe": Path("b")}),
        ({"several": "b"}, {"several": (Path("b"),)}),
        ({"several": Path("b")}, {"several": (Path("b"),)}),
        ({"several": ["b", Path("c")]}, {"several": (Path("b"), Path("c"))}),
        ({"names": "b"}, {"names": ("b",)}),
        ({"size": [3, 4]}, {"size": (3, 4)}),
        ({"text": "b/c"}, {"text": "b/c"}),
    ],
)
def test_texts_and_lists_become_what_the_types_say(given: Any, meant: Any) -> None:
    assert Written(**given) == Written(**meant)
    for name, value in meant.items():
        assert type(getattr(Written(**given), name)) is type(value)


def test_every_config_takes_texts_for_paths() -> None:
    api: Any = ghostlap
    assert api.TrainConfig("my-drive").recordings == (Path("my-drive"),)
    assert api.EvaluateConfig("runs/a", against="rec").against == (Path("rec"),)
    assert api.VideoConfig("rec", out="a.mp4").out == Path("a.mp4")
    assert api.SearchConfig("rec", out="s").out == Path("s")


@dataclasses.dataclass(frozen=True)
class Lens(Options, called="lens.{name}"):
    side_px: Annotated[int, Range(1, 100, unit="pixels")] = 10
    sharpness: Share = 1.0


@dataclasses.dataclass(frozen=True)
class Limited(Options, error=TrainingError):
    at_least: Annotated[int, Range(1)] | None = None
    above: Annotated[float, Above0] = 1.0
    between: Annotated[float, Range(0, 1, excluding=(0, 1))] = 0.5
    below: Annotated[float, Range(0.0, 1.0, excluding=(1,))] = 0.5
    up_to: Annotated[float, Range(0, 30, excluding=(0,), unit="mph")] = 0.5
    seed: Annotated[int, Range(0, 2**63 - 1)] = 0
    way: Literal["up", "down"] | None = None
    ways: tuple[Literal["up", "down"], ...] = ()
    lens: Lens = Lens()
    out: Path = Path("out")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"at_least": 0}, "--at-least must be at least 1. Got 0."),
        ({"at_least": "x"}, "--at-least must be at least 1. Got 'x'."),
        ({"above": 0}, "--above must be above 0. Got 0."),
        ({"above": float("inf")}, "--above must be above 0. Got inf."),
        ({"above": float("nan")}, "--above must be above 0. Got nan."),
        ({"between": 1.0}, "--between must be above 0 and below 1. Got 1.0."),
        ({"below": 1.0}, "--below must be from 0 to below 1. Got 1.0."),
        ({"up_to": 31}, "--up-to must be above 0 and at most 30 mph. Got 31."),
        ({"seed": -1}, "--seed must be at least 0. Got -1."),
        ({"seed": 2**63}, f"--seed must be from 0 to {2**63 - 1}. Got {2**63}."),
        ({"seed": 10**400}, f"--seed must be from 0 to {2**63 - 1}. Got {10**400}."),
        ({"way": "left"}, "--way must be one of up, down. Got 'left'."),
        ({"ways": ("up", "left")}, "--ways must be a list, of which each is one of up, down."),
    ],
)
def test_a_value_out_of_range_is_refused_in_one_form(wrong: Any, message: str) -> None:
    with pytest.raises(TrainingError, match=f"^{re.escape(message)}"):
        Limited(**wrong)


def test_a_group_has_a_name_of_its_own_in_messages() -> None:
    message = re.escape("lens.side_px must be from 1 to 100 pixels. Got 101.")
    with pytest.raises(GhostlapError, match=message):
        Lens(side_px=101)


def test_options_go_to_json_and_come_back(tmp_path: Path) -> None:
    given = Limited(at_least=2, ways=("up",), lens=Lens(7), out=tmp_path / "a")
    saved = json.loads(json.dumps(given.to_json()))
    assert saved["out"] == str(tmp_path / "a")
    assert Limited.from_json({**saved, "of another version": 1}) == given
    assert Limited.from_json({}) == Limited()
    assert Path(Limited().to_json()["out"]).is_absolute()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"at_least": 1.5}, "at_least must be a whole number or none. Got 1.5"),
        ({"ways": "up"}, "ways must be a list, of which each is one of up, down. Got 'up'"),
        ({"way": ["up"]}, "way must be one of up, down or none."),
        ({"lens": 3}, "lens must be an object. Got 3"),
        ({"lens": {"side_px": "x"}}, "side_px must be a whole number. Got 'x'"),
        ({"out": None}, "out must be a path. Got None"),
    ],
)
def test_json_of_other_types_is_refused(wrong: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Limited.from_json(wrong)
