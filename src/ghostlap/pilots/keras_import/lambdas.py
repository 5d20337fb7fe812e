"""Lambda layers: what one does, read out of its bytes, or what its user says that it does."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ghostlap.base.errors import LegacyError
from ghostlap.pilots.keras_import.bytecode import Affine, Cut, Step, steps_of
from ghostlap.pilots.keras_import.formula import SIDES, parse_formula
from ghostlap.pilots.keras_import.inbound import Layer
from ghostlap.pilots.keras_import.marshalled import MAX_BYTES, NotUnderstood


def given_lambdas(options: Sequence[str]) -> dict[str, Step]:
    """``LAYER=scale,offset`` or ``LAYER=60:135`` for each ``--lambda``, by the layer's name.

    Raises:
        LegacyError: one is not of that form.
    """
    found: dict[str, Step] = {}
    for option in options:
        layer, equals, formula = option.partition("=")
        if not (layer and equals):
            raise LegacyError(
                "--lambda: must be LAYER=SCALE,OFFSET or LAYER=FORMULA, such as "
                "lambda_1=x/127.5-1, or LAYER=ROWS or LAYER=ROWS,COLUMNS that it keeps, such as "
                f"lambda_1=60:135,20:300. Got {option!r}."
            )
        if sides := SIDES.fullmatch(formula.replace(" ", "")):
            numbers = [int(n) if n else None for n in sides.groups()]
            whole, rows, columns = (None,) * 3, (*numbers[:2], None), (*numbers[2:], None)
            found[layer] = Cut((whole, rows, columns, whole))
            continue
        found[layer] = Affine(*parse_formula(formula, f"--lambda {layer}"))
    return found


def lambda_steps(layers: Sequence[Layer], given: Mapping[str, Step]) -> dict[str, tuple[Step, ...]]:
    """What each Lambda layer does, by its name: as its user says, or as its bytes do.

    Raises:
        LegacyError: a layer is not understood, or there is none that the user speaks of.
    """
    found: dict[str, tuple[Step, ...]] = {}
    refused = []
    for layer in layers:
        if layer.name in given:
            found[layer.name] = (given[layer.name],)
            continue
        try:
            found[layer.name] = steps_of_lambda(layer.settings.values)
        except NotUnderstood as error:
            refused.append((layer.name, str(error)))
    if refused:
        raise LegacyError(
            "Lambda layers hold Python code, which is never run. Their bytes were looked at, but "
            + "; ".join(f"of {name}, {why}" for name, why in refused)
            + ". If you know what they do to the picture's values, say it: "
            + " ".join(f"--lambda {name}=SCALE,OFFSET" for name, _ in refused)
            + " (or a formula, such as x/127.5-1, or rows and columns that it keeps, "
            "60:135,20:300)."
        )
    for name in given:
        if name not in found:
            raise LegacyError(f"--lambda {name}: the network has no Lambda layer of that name.")
    return found


def steps_of_lambda(settings: Mapping[str, Any]) -> tuple[Step, ...]:
    """What a Lambda layer's configuration says that it does.

    Raises:
        NotUnderstood: it is no lambda whose bytes are known.
    """
    if settings.get("arguments"):
        raise NotUnderstood("it is called with further arguments")
    if settings.get("mask") is not None:
        raise NotUnderstood("it makes a mask")
    code, defaults, closure = _parts(settings.get("function"))
    if defaults or closure:
        raise NotUnderstood("it needs values from where it was written")
    return steps_of(_bytes_of(code))


def _parts(function: Any) -> tuple[str, Any, Any]:
    if isinstance(function, Mapping) and isinstance(function.get("config"), Mapping):  # Keras 3
        inner = function["config"]
        function = [inner.get("code"), inner.get("defaults"), inner.get("closure")]
    if isinstance(function, list) and len(function) == 3 and isinstance(function[0], str):
        return function[0], function[1], function[2]
    if isinstance(function, str):
        raise NotUnderstood(f"the file has only the name of its function, {function[:60]!r}")
    raise NotUnderstood("its function is not in the file")


def _bytes_of(code: str) -> bytes:
    """Keras 2 and 3 write code as base64, Keras 1 as text with escapes."""
    if len(code) > 2 * MAX_BYTES:
        raise NotUnderstood(f"it has {len(code)} characters")
    plain = re.sub(r"\s", "", code)
    try:
        data = base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if data[:1] in (b"c", b"\xe3"):
        return data
    return code.encode("raw_unicode_escape", "replace")
