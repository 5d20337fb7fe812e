"""Python code in models is recognised from its bytes, or refused; it never runs."""

from __future__ import annotations

import base64
import json
import marshal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import GOLDEN

from ghostlap.base.errors import LegacyError
from ghostlap.pilots.keras_import.bytecode import Affine, Cut, Grey, Resize, Step, steps_of
from ghostlap.pilots.keras_import.formula import formula_text, parse_formula
from ghostlap.pilots.keras_import.lambdas import given_lambdas, steps_of_lambda
from ghostlap.pilots.keras_import.marshalled import NotUnderstood

# marshal.dumps of lambda x: SOURCE under each version of CPython, by that version itself.
MARSHALLED: dict[str, dict[str, str]] = json.loads((GOLDEN / "marshalled_lambdas.json").read_text())

WHOLE = (None, None, None)
KNOWN: dict[str, tuple[Step, ...]] = {
    "x / 127.5 - 1.": (Affine(1 / 127.5, -1.0),),
    "x / 255": (Affine(1 / 255, 0.0),),
    "(x - 128.) / 128": (Affine(1 / 128, -1.0),),
    "x * 2 / 255 - 1": (Affine(2 / 255, -1.0),),
    "x / 255.0 - 0.5": (Affine(1 / 255, -0.5),),
    "-x * 0.5": (Affine(-0.5, 0.0),),
    "1 - x / 255.": (Affine(-1 / 255, 1.0),),
    "tf.image.resize_images(x, (66, 200))": (Resize(66, 200, "resize_images"),),
    "K.tf.image.resize(x, [66, 200])": (Resize(66, 200, "resize"),),
    "tf.image.rgb_to_grayscale(x)": (Grey(),),
    "x[:, 60:-25, :, :]": (Cut((WHOLE, (60, -25, None), WHOLE, WHOLE)),),
    "x[:, 60:]": (Cut((WHOLE, (60, None, None))),),
    "x[:, 60:135] / 255": (Cut((WHOLE, (60, 135, None))), Affine(1 / 255, 0.0)),
    "x[..., ::-1]": (Cut((..., (None, None, -1))),),
    "tf.image.resize_images(x / 255.0 - 0.5, (80, 160))": (
        Affine(1 / 255, -0.5),
        Resize(80, 160, "resize_images"),
    ),
}


@pytest.mark.parametrize("version", MARSHALLED)
def test_what_every_python_wrote_is_read_as_constants(version: str) -> None:
    for source, expected in KNOWN.items():
        found = steps_of(base64.b64decode(MARSHALLED[version][source]))
        assert len(found) == len(expected), source
        for one, other in zip(found, expected, strict=True):
            if isinstance(one, Affine) and isinstance(other, Affine):
                assert (one.scale, one.offset) == pytest.approx((other.scale, other.offset))
            else:
                assert one == other


@pytest.mark.parametrize("version", MARSHALLED)
def test_what_is_not_wholly_understood_is_refused(version: str) -> None:
    others = set(MARSHALLED[version]) - set(KNOWN)
    assert len(others) == 8
    for source in others:
        with pytest.raises(NotUnderstood):
            steps_of(base64.b64decode(MARSHALLED[version][source]))


def test_all_ways_in_which_keras_writes_a_lambda() -> None:
    expected = KNOWN["x / 127.5 - 1."]
    code = MARSHALLED["3.6"]["x / 127.5 - 1."]
    lines = "\n".join(code[i : i + 76] for i in range(0, len(code), 76)) + "\n"
    for function in (
        [lines, None, None],  # Keras 2
        {"class_name": "__lambda__", "config": {"code": lines, "defaults": None}},  # Keras 3
        [base64.b64decode(code).decode("raw_unicode_escape"), None, None],  # Keras 1
    ):
        assert steps_of_lambda({"function": function, "arguments": {}}) == pytest.approx(expected)
    old = base64.b64decode(MARSHALLED["2.7"]["x / 127.5 - 1."]).decode("raw_unicode_escape")
    assert steps_of_lambda({"function": [old, None, None]}) == expected


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"function": "preprocess", "function_type": "function"}, "only the name.*'preprocess'"),
        ({"function": [MARSHALLED["3.8"]["x / 255"], [3], None]}, "needs values"),
        ({"function": [MARSHALLED["3.8"]["x / 255"], None, [1]]}, "needs values"),
        (
            {"function": [MARSHALLED["3.8"]["x / 255"], None, None], "arguments": {"a": 1}},
            "arguments",
        ),
        ({"function": ["", None, None]}, "cut off"),
        ({"function": ["A" * 1_000_000, None, None]}, "1000000 characters"),
        ({}, "not in the file"),
    ],
)
def test_lambdas_that_need_more_than_their_bytes_are_refused(
    settings: dict[str, Any], why: str
) -> None:
    with pytest.raises(NotUnderstood, match=why):
        steps_of_lambda(settings)


@given(st.binary(max_size=300))
def test_any_bytes_are_understood_or_refused(data: bytes) -> None:
    with pytest.raises(NotUnderstood):
        steps_of(b"\xe3" + data)


@given(
    st.sampled_from(sorted(MARSHALLED)),
    st.sampled_from(sorted(KNOWN)),
    st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_damaged_code_is_understood_or_refused(
    version: str, source: str, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(base64.b64decode(MARSHALLED[version][source]))
    for place, value in changes:
        data[place % len(data)] = value
    try:
        steps = steps_of(bytes(data))
    except NotUnderstood:
        return
    assert all(isinstance(step, Step) for step in steps)


def test_nested_marshal_data_does_not_exhaust_the_reader() -> None:
    tuples = b")\x01" * 5000 + b"N"
    for head in (b"c" + bytes(16), b"\xe3" + bytes(20), b"\xe3" + bytes(24)):
        with pytest.raises(NotUnderstood):
            steps_of(head + tuples)
    huge = b"\xe3" + bytes(20) + b"(\xff\xff\xff\x7f"
    with pytest.raises(NotUnderstood):
        steps_of(huge)


def test_code_is_neither_loaded_nor_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("marshal.loads was called")

    monkeypatch.setattr(marshal, "loads", never)
    planted = MARSHALLED["3.11"]["open('/tmp/ghostlap-was-here', 'w')"]
    with pytest.raises(NotUnderstood, match="calls something else|more than arithmetic"):
        steps_of(base64.b64decode(planted))
    assert not Path("/tmp/ghostlap-was-here").exists()


def test_what_a_user_says_of_lambdas() -> None:
    found = given_lambdas(["lambda_1=0.5,-1", "b=x/127.5-1"])
    assert found == {"lambda_1": Affine(0.5, -1.0), "b": Affine(1 / 127.5, -1.0)}
    crop = given_lambdas(["c=60:-25,20:"])["c"]
    assert crop == Cut((WHOLE, (60, -25, None), (20, None, None), WHOLE))
    for wrong in ("lambda_1", "=1,2", "a=y/2", "a=x/0", "a=1,2,3", "a=__import__('os')"):
        with pytest.raises(LegacyError, match="--lambda"):
            given_lambdas([wrong])


@pytest.mark.parametrize("text", ["x", "x/255", "x/127.5-1", "x/255-0.5"])
def test_formulas_read_as_they_are_written(text: str) -> None:
    scale, offset = parse_formula(text, "--scale")
    assert formula_text(1 / scale, offset) == text


@pytest.mark.parametrize(("text", "offset"), [("x/2--1", 1.0), ("x/2-+1", -1.0), ("x/2+-1", -1.0)])
def test_a_number_in_a_formula_may_have_a_sign_of_its_own(text: str, offset: float) -> None:
    assert parse_formula(text, "--scale") == (0.5, offset)
