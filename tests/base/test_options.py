"""What people write for options becomes what their types say."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import ghostlap
from ghostlap.base.options import settle


@dataclasses.dataclass(frozen=True)
class Options:
    one: Path = Path("a")
    maybe: Path | None = None
    several: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()
    size: tuple[int, int] = (1, 2)
    text: str = ""

    def __post_init__(self) -> None:
        settle(self)


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
    assert Options(**given) == Options(**meant)
    for name, value in meant.items():
        assert type(getattr(Options(**given), name)) is type(value)


def test_every_config_takes_texts_for_paths() -> None:
    api: Any = ghostlap
    assert api.TrainConfig("my-drive").recordings == (Path("my-drive"),)
    assert api.EvaluateConfig("runs/a", against="rec").against == (Path("rec"),)
    assert api.VideoConfig("rec", out="a.mp4").out == Path("a.mp4")
    assert api.SearchConfig("rec", out="s").out == Path("s")
