"""Functions and classes of a user's own, by name: ``package.module:function``."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable
from typing import Any

from ghostlap.base.errors import GhostlapError

_NAMED = re.compile(r"[A-Za-z_][\w.]+:[A-Za-z_]\w*")
"""Two characters at least before the colon: ``C:drive`` is a path on Windows."""


def is_named(text: str) -> bool:
    """Whether a text names a function: ``package.module:function``."""
    return _NAMED.fullmatch(text) is not None


def named_function(text: str, option: str, error: type[GhostlapError]) -> Callable[..., Any]:
    """Import what a text on the command line names: ``package.module:function``.

    It is looked for on the Python path and in the current folder. Only ever for what a person
    typed: a text read from a file is never imported.

    Raises:
        GhostlapError: of the kind asked for: there is nothing of that name, or it cannot be called.
    """
    module_name, _, name = text.partition(":")
    here = os.getcwd()
    if here not in sys.path:  # a user's module mostly lies where they stand
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as failed:
        raise error(f"{option} {text}: cannot be imported from {here} ({failed}).") from failed
    if not callable(found):
        raise error(f"{option} {text}: must be a function or a class. Got {type(found).__name__}.")
    function: Callable[..., Any] = found
    return function
