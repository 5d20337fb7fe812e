"""The command line.

Each command is a function of one config, whose fields are its options. Only the module of the
command asked for is imported, so that ``ghostlap --help`` answers at once.
"""

from __future__ import annotations

import errno
import importlib
import os
import re
import sys
import typing
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from ghostlap import __version__
from ghostlap.base.errors import GhostlapError
from ghostlap.base.files import json_text
from ghostlap.base.platform import quoted
from ghostlap.base.signals import Asked, exit_status, listening, stop_with_input
from ghostlap.base.surroundings import made_fit
from ghostlap.base.terminal import escaped, open_streams, output_failure


class Command(NamedTuple):
    """One line about a command, the extras that it needs, and its function."""

    summary: str
    extra: str = "train"
    """Names in ``project.optional-dependencies`` to install Ghostlap with."""
    function: str = ""
    """Module and function in ``commands``, unless both are called as the command is."""


COMMANDS = {
    "demo": Command(
        "from nothing to a pilot that drives, with proof: every stage below, and a report", "all",
        "demo.command:demo",
    ),
    "doctor": Command("what is wrong with a recording; --fix OUT writes a clean copy"),
    "edit": Command("drop or keep rows of a recording, split, join or mirror it, as a new one"),
    "explore": Command("pictures of a recording to look at before training"),
    "record": Command("record the built-in expert in the embedded simulator", "sim"),
    "train": Command("train a pilot on recordings"),
    "search": Command("search learning rate, steps, epochs or any other option on a subset"),
    "evaluate": Command(
        "drive a pilot in the embedded simulator and measure how well it drives", "sim",
    ),
    "failures": Command(
        "let a pilot fail, and keep what its network computed before that", "train,sim",
    ),
    "critic": Command("a pilot learns to know seconds ahead when it will fail", "train,sim"),
    "benchmark": Command(
        "any policy measured by a frozen suite: one page, one JSON, the same for everybody", "sim",
    ),
    "compare": Command(
        "results of benchmark side by side: who drives better, by how much, and where", "sim,video",
    ),
    "runs": Command("runs below here: how each drives, and what it was trained on", "core"),
    "report": Command(
        "one page about a run: does it drive, where, worst moments, data, training", "all",
    ),
    "explain": Command("where a pilot looks, and whether it would steer back"),
    "dagger": Command("let a pilot drive, correct it, and train it further on that", "train,sim"),
    "drive": Command("drive Udacity's simulator with a pilot, on port 4567", "core"),
    "sim": Command(
        "drive the embedded simulator in the browser; --autonomous: in place of Udacity's", "sim",
        "sim:simulate",
    ),
    "video": Command("make a video of a drive, with steering, speed and path drawn in", "video"),
    "import": Command(
        "a model of Keras 1, 2 or 3 becomes a pilot; nothing inside it is run",
        function="import_model:import_model",
    ),
    "convert": Command(
        "write a recording, tub, LeRobot dataset or table in another format", "convert",
    ),
    "export": Command("a pilot's network for other programs: ONNX from raw frames, TFLite, Keras"),
}  # fmt: skip

_OF_A_PILOT = ("evaluate", "report", "explain", "drive", "dagger")
"""Commands whose first argument is a pilot."""

_BROKEN_PIPE = 141
"""Exit status that shells show for a program ended by SIGPIPE."""

_KEPT = "What was finished before is kept."
_LIMITS = (
    "This process may not use more of the machine: close other programs, or raise its limits "
    f"('ulimit -a' shows them). {_KEPT}"
)

_USAGE = """usage: ghostlap COMMAND [options]

Ghostlap clones how a person drives: record, look, train, drive, prove.

commands:
{commands}

'ghostlap COMMAND --help' explains a command. Every command takes --json, to print its result as
one line of JSON at the end of standard output. train, search, dagger and evaluate take --tracker
mlflow, to note what comes of them in MLflow.
"""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit.

    The exit status is 0; 2 for a mistake in what was asked; 130 after Ctrl-C, 143 after SIGTERM; 1
    where doctor finds errors, or the result could not be written to standard output.
    """
    open_streams()
    with listening(for_good=arguments is None) as asked:
        stop_with_input()
        status = _status_of(list(sys.argv[1:] if arguments is None else arguments), asked)
        failure = output_failure()
        if failure is not None and not status:
            status = _status_of_output(failure)
    sys.exit(status)


def _status_of(arguments: list[str], asked: Asked) -> int:
    """Run a command, tell a person about failures, and return the exit status."""
    try:
        try:
            return _do(arguments)
        finally:
            asked.hold()  # what follows is too short to be broken off
    except SystemExit as ended:  # tyro has explained the command, or the mistake
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return exit_status(asked.number)
    except BaseException as error:
        message = _explained(error, arguments)
        if message is not None:
            _tell(f"error: {message}")
            return exit_status(asked.number) if asked else 2
        if asked:  # a library has made something else of it
            _tell(f"stopped ({type(error).__name__}: {error})")
            return exit_status(asked.number)
        raise


def _do(arguments: list[str]) -> int:
    if not arguments:
        print(importlib.import_module("ghostlap.commands.here").where_you_stand(), end="")
        return 0
    if arguments[0] in ("-h", "--help", "help"):
        width = max(map(len, COMMANDS))
        lines = (f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items())
        print(_USAGE.format(commands="\n".join(lines)), end="")
        return 0
    if arguments[0] == "--version":
        print(f"ghostlap {__version__}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        raise GhostlapError(f"no such command: {name!r}. {_meant(name, rest)}")
    result = _run(name, [argument for argument in rest if argument != "--json"])
    if "--json" in rest:
        print(json_text(result, default=_as_json))
    return int(name == "doctor" and result["errors"] > 0)


def _meant(name: str, rest: list[str]) -> str:
    """What may have been meant by something that is no command."""
    import difflib

    if os.path.exists(name):
        is_run, is_model = os.path.exists(os.path.join(name, "pilot.json")), os.path.isfile(name)
        verb = "evaluate" if is_run else "import" if is_model and "log" not in name else "doctor"
        return f"A command comes first: {quoted('ghostlap', verb, name, *rest)}"
    if close := difflib.get_close_matches(name, COMMANDS, 1):
        return f"Did you mean: {quoted('ghostlap', close[0], *rest)}"
    return f"Commands: {', '.join(COMMANDS)}."


def _explained(error: BaseException, arguments: list[str]) -> str | None:
    """The explanation of an error for a person; None for a defect of ours."""
    if isinstance(error, GhostlapError):
        return f"{error}{_to_type(error, arguments)}"
    if isinstance(error, ModuleNotFoundError):
        if (error.name or "ghostlap").startswith("ghostlap"):
            return None
        return (
            f"This command needs the package {error.name}, which is not installed. "
            f"Install Ghostlap with it: pip install 'ghostlap[{COMMANDS[arguments[0]].extra}]'"
        )
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        hint = _LIMITS if error.errno in (errno.EAGAIN, errno.EMFILE) else _KEPT
        return f"{where}{error.strerror or error}. {hint}"
    if isinstance(error, MemoryError) or "can't start new thread" in str(error):
        return f"{str(error) or 'There is not enough memory'}. {_LIMITS}"
    return None


def _to_type(error: GhostlapError, arguments: list[str]) -> str:
    """The same command with what seems to be meant in place of what was named."""
    from pathlib import Path

    if error.instead is None:
        return ""
    named, meant = error.instead
    better = [str(meant) if Path(one) == named else one for one in arguments]
    return f" Type: {quoted('ghostlap', *better)}" if better != arguments else ""


def _run(name: str, arguments: list[str]) -> Any:
    made_fit(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    tracker, arguments = _taken_out(arguments, "--tracker")
    if tracker is not None:
        tracking = importlib.import_module("ghostlap.commands.tracking")
        tracking.check_tracker(tracker, name)
    config = config_from(name, arguments)
    if tracker is not None:
        return tracking.tracked(name, config, function_of(name))
    return function_of(name)(config)


def config_from(name: str, arguments: list[str]) -> Any:
    """The config of a command that its arguments ask for; nothing is run.

    Raises:
        SystemExit: they are not understood, or ask for help; it has been printed.
    """
    import tyro

    if name in _OF_A_PILOT:  # --pilot RUN is its first argument, as in drive generalist
        pilot, arguments = _taken_out(arguments, "--pilot")
        arguments = [*filter(None, [pilot]), *arguments]
    config = config_of(function_of(name))
    more: dict[str, Any] = {}
    if name == "train":  # whose other options start from the values of a recipe
        from ghostlap.training.config import recipe_named

        more = {"default": recipe_named(_taken_out(arguments, "--recipe")[0] or "default")}
    try:
        return tyro.cli(config, prog=f"ghostlap {name}", args=arguments, **more)
    except SystemExit as ended:
        if ended.code and (example := re.search(r"Example: (.+)", config.__doc__ or "")):
            here = importlib.import_module("ghostlap.commands.here")
            for line in (f"Example: {example[1]}", *here.what_is_here()):
                _tell(line)
        raise


def _taken_out(arguments: list[str], flag: str) -> tuple[str | None, list[str]]:
    """The value of a flag, None where it is not there, and the arguments without both."""
    for i, argument in enumerate(arguments):
        if argument == flag and i + 1 < len(arguments):
            return arguments[i + 1], [*arguments[:i], *arguments[i + 2 :]]
        if argument.startswith(f"{flag}="):
            return argument.partition("=")[2], [*arguments[:i], *arguments[i + 1 :]]
    return None, arguments


def function_of(command: str) -> Callable[[Any], Any]:
    """The function of a command; its module is imported."""
    module, _, name = (COMMANDS[command].function or f"{command}:{command}").partition(":")
    function: Callable[[Any], Any] = getattr(
        importlib.import_module(f"ghostlap.commands.{module}"), name
    )
    return function


def config_of(function: Callable[[Any], Any]) -> type:
    """The class of a command's config, as its function declares it."""
    config: type = typing.get_type_hints(function)["config"]
    return config


def _as_json(value: Any) -> Any:
    import dataclasses

    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)  # a path


def _status_of_output(failure: OSError) -> int:
    if isinstance(failure, BrokenPipeError):  # who read it wants no more of it
        return _BROKEN_PIPE
    _tell(
        f"error: standard output cannot be written ({failure.strerror or failure}), so the result "
        "is not there. All else is done."
    )
    return 1


def _tell(message: str) -> None:
    print(escaped(message), file=sys.stderr)
