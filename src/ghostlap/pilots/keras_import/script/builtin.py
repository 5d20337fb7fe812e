"""Python's own lists, dictionaries, texts and command lines, as a script uses them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ghostlap.pilots.keras_import.script.operators import MOST_ITEMS, bounded
from ghostlap.pilots.keras_import.script.picture import Picture
from ghostlap.pilots.keras_import.script.values import (
    UNKNOWN,
    Arguments,
    Class,
    External,
    Instance,
)

_READ = {"get", "keys", "values", "items", "copy", "index", "count"}
_CHANGED = {"append", "extend", "insert", "remove", "reverse", "clear", "update", "setdefault",
            "pop", "popitem", "sort"}  # fmt: skip
_OF_TEXT = {"lower", "upper", "strip", "split", "startswith", "endswith", "capitalize"}
_PLAIN: dict[str, type] = {"str": str, "bytes": bytes, "int": int, "float": float, "list": list,
                           "tuple": tuple, "dict": dict, "bool": bool}  # fmt: skip
NAMESPACES = ("types.SimpleNamespace", "argparse.Namespace")
PARSER = "ArgumentParser"
OPTIONS = "its options"


def _forget(owner: dict[Any, Any] | list[Any]) -> None:
    for key in owner if isinstance(owner, dict) else range(len(owner)):
        owner[key] = UNKNOWN


def put(owner: Any, key: Any, value: Any, *, sure: bool) -> None:
    """``owner[key] = value``; not known any more where it is not sure that this is done."""
    within = isinstance(owner, dict) or key in range(len(owner))
    if within and isinstance(key, str | int | float):
        owner[key] = value if sure else UNKNOWN
    else:
        _forget(owner)
    if bounded(owner) is UNKNOWN:
        _forget(owner)


def delete(owner: Any, key: Any, *, sure: bool) -> None:
    """``del owner[key]``."""
    try:
        if sure and isinstance(key, str | int | float | slice):
            del owner[key]
            return
    except (KeyError, IndexError, TypeError):
        pass
    _forget(owner)


def method(owner: Any, name: str, given: Arguments, *, sure: bool) -> Any:
    """A method of a list, a dictionary, a tuple or a text; None is an answer, too."""
    changes = name in _CHANGED
    if changes and not sure and isinstance(owner, list | dict):
        _forget(owner)
        if isinstance(owner, list) and name == "append":
            owner.append(UNKNOWN)
        return UNKNOWN
    known = name in _OF_TEXT if isinstance(owner, str) else changes or name in _READ
    try:
        if not known or len(owner) >= MOST_ITEMS:
            raise TypeError
        found = getattr(owner, name)(*given.given, **given.named)
        if changes and bounded(owner) is UNKNOWN:
            raise ValueError
    except (TypeError, ValueError, KeyError, IndexError, AttributeError):
        if isinstance(owner, list | dict) and changes:
            _forget(owner)
        return UNKNOWN
    return list(found) if name in ("keys", "values", "items") else found


def is_a(value: Any, kind: Any) -> bool | None:
    """``isinstance``; None where that is not known."""
    if isinstance(kind, tuple):
        found = [is_a(value, one) for one in kind]
        return True if True in found else None if None in found else False
    path = kind.path if isinstance(kind, External) else ""
    plain = _PLAIN.get(path.removeprefix("builtins."))
    if isinstance(value, Picture):
        if plain is not None:
            return False
        if path in ("numpy.ndarray", "PIL.Image.Image"):
            return value.pillow == (path == "PIL.Image.Image")
    known = value is None or isinstance(value, str | int | float | list | tuple | dict)
    return isinstance(value, plain) if known and plain else None


def made(path: str, given: Arguments) -> Any:
    """A new object of the standard library's; None for others."""
    if path in NAMESPACES:
        return Instance(Class("Namespace", {}, ()), dict(given.named))
    if path == f"argparse.{PARSER}":
        return Instance(Class(PARSER, {}, ()), {})
    if path == "collections.namedtuple" and len(given.given) == 2 and not given.named:
        name, names = given.given
        if isinstance(names, str):
            names = names.replace(",", " ").split()
        if isinstance(names, list | tuple) and all(isinstance(one, str) for one in names):
            return Class(str(name), {}, (), tuple(names))
    if path in ("copy.copy", "copy.deepcopy") and isinstance(given.get(0), dict | list):
        return _copied(given.get(0), deep=path.endswith("deepcopy"))
    if path == "builtins.dict":
        first = given.get(0, default={})
        if isinstance(first, dict):
            return {**first, **given.named}
    return None


def _copied(value: Any, *, deep: bool) -> Any:
    if isinstance(value, dict):
        return {k: _copied(v, deep=True) if deep else v for k, v in value.items()}
    if isinstance(value, list):
        return [_copied(one, deep=True) if deep else one for one in value]
    return value


def parser_method(parser: Instance, name: str, given: Arguments) -> Any:
    """A command line's options are what they are if nothing is typed."""
    if name == "add_argument":
        flags = [one for one in given.given if isinstance(one, str)]
        long = [one for one in flags if one.startswith("--")] or flags
        target = given.named.get("dest", long[0].lstrip("-").replace("-", "_") if long else "")
        switch = {"store_true": False, "store_false": True}
        usual = switch.get(given.named.get("action", ""))
        value = given.named.get("default", usual)
        typed = not long or (long[0][:1] != "-" and "default" not in given.named)
        if typed or given.named.get("required"):
            value = UNKNOWN
        parser.names[str(target)] = _as(given.named.get("type"), value)
    elif name == "set_defaults":
        parser.names.update(given.named)
    elif name in ("parse_args", "parse_known_args"):
        found = Instance(Class(OPTIONS, {}, ()), dict(parser.names))
        return found if name == "parse_args" else (found, [])
    elif name in ("add_argument_group", "add_mutually_exclusive_group"):
        return parser
    return UNKNOWN


def _as(kind: Any, value: Any) -> Any:
    """A default is given to its type if it is text."""
    plain = _PLAIN.get(kind.path.removeprefix("builtins.")) if isinstance(kind, External) else None
    if not isinstance(value, str) or kind is None or plain is str:
        return value
    try:
        return plain(value) if plain in (int, float) else UNKNOWN
    except ValueError:
        return UNKNOWN


def fields_of(kind: Class, given: Sequence[Any], named: dict[str, Any]) -> dict[str, Any]:
    """What a dataclass or a named tuple is made with."""
    names = [*(name for base in kind.bases if isinstance(base, Class) for name in base.fields),
             *kind.fields]  # fmt: skip
    return {**dict(zip(dict.fromkeys(names), given, strict=False)), **named}
