"""The commands, nothing else.

Each command is a function of one config; its flags are that config's fields. Only the module of
the command asked for is imported, so that ``ghostlap --help`` answers at once.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from ghostlap import __version__
from ghostlap.base.errors import GhostlapError
from ghostlap.base.files import json_text
from ghostlap.base.signals import Asked, exit_status, listening, stop_with_input
from ghostlap.base.surroundings import made_fit
from ghostlap.base.terminal import escaped, open_streams, output_failure


class Command(NamedTuple):
    """Where a command lives: its function and its config, by name, and one line about it."""

    module: str
    function: str
    config_module: str
    config: str
    summary: str
    extra: str = "train"
    """What to install Ghostlap with for it: a name of ``project.optional-dependencies``."""


COMMANDS = {
    "demo": Command(
        "commands.demo.command", "demo", "commands.demo.config", "DemoConfig",
        "from nothing to a pilot that drives, with proof: every stage below, and a report", "all",
    ),
    "doctor": Command(
        "commands.doctor", "doctor", "commands.doctor", "DoctorConfig",
        "what is wrong with a recording; --fix OUT writes a clean copy",
    ),
    "explore": Command(
        "commands.explore", "explore", "reports.explore.config", "ExploreConfig",
        "pictures of a recording to look at before training",
    ),
    "record": Command(
        "commands.record", "record", "driving.expert_recording.config", "RecordConfig",
        "record the built-in expert in the embedded simulator", "sim",
    ),
    "train": Command(
        "training.fit", "train", "training.config", "TrainConfig",
        "train a pilot on recordings",
    ),
    "search": Command(
        "commands.search", "search", "commands.search", "SearchConfig",
        "search learning rate, steps, epochs or any other option on a subset",
    ),
    "evaluate": Command(
        "commands.evaluate", "evaluate", "driving.rollout.config", "EvaluateConfig",
        "drive a pilot in the embedded simulator and measure how well it drives", "sim",
    ),
    "report": Command(
        "commands.report", "report", "reports.report.config", "ReportConfig",
        "one page about a run: does it drive, where, worst moments, data, training", "all",
    ),
    "explain": Command(
        "commands.explain", "explain", "reports.explain.config", "ExplainConfig",
        "where a pilot looks, and whether it would steer back",
    ),
    "dagger": Command(
        "commands.dagger", "dagger", "training.dagger.config", "DaggerConfig",
        "let a pilot drive, correct it, and train it further on that", "train,sim",
    ),
    "drive": Command(
        "commands.drive", "drive", "driving.server.config", "DriveConfig",
        "drive Udacity's simulator with a pilot, on port 4567", "core",
    ),
    "sim": Command(
        "commands.sim", "simulate", "commands.sim_config", "SimulateConfig",
        "drive the embedded simulator in the browser; --autonomous: in place of Udacity's", "sim",
    ),
    "video": Command(
        "commands.video", "video", "reports.video.config", "VideoConfig",
        "make a video of a drive, with steering, speed and path drawn in", "video",
    ),
    "import": Command(
        "commands.import_model", "import_model", "pilots.keras_import.config", "ImportConfig",
        "a model of Keras 1, 2 or 3 becomes a pilot; nothing inside it is run",
    ),
    "convert": Command(
        "commands.convert", "convert", "data.formats.config", "ConvertConfig",
        "write a recording, tub, LeRobot dataset or table in another format", "convert",
    ),
    "export": Command(
        "commands.export", "export", "pilots.export.config", "ExportConfig",
        "a pilot's network for other programs: ONNX from raw frames, TFLite, Keras",
    ),
}  # fmt: skip

_OF_A_PILOT = ("evaluate", "report", "explain", "drive", "dagger")
"""Commands whose first argument is a pilot."""

_BROKEN_PIPE = 141
"""As shells tell it of a program that SIGPIPE ended."""

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
one line of JSON at the end of standard output.
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
    """Run a command, tell a person what went wrong, and give the exit status."""
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
        message = _explained(error, arguments[0])
        if message is not None:
            _tell(f"error: {message}")
            return exit_status(asked.number) if asked else 2
        if asked:  # a library has made something else of it
            _tell(f"stopped ({type(error).__name__}: {error})")
            return exit_status(asked.number)
        raise


def _do(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_USAGE.format(commands=_command_list()), end="")
        return 0
    if arguments[0] == "--version":
        print(f"ghostlap {__version__}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        raise GhostlapError(f"no such command: {name!r}. Commands: {', '.join(COMMANDS)}.")
    result = _run(name, [argument for argument in rest if argument != "--json"])
    if "--json" in rest:
        print(json_text(result, default=_as_json))
    return int(name == "doctor" and result["errors"] > 0)


def _explained(error: BaseException, command: str) -> str | None:
    """What a person can do about an error; None for a defect of ours."""
    if isinstance(error, GhostlapError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        if (error.name or "ghostlap").startswith("ghostlap"):
            return None
        return (
            f"This command needs the package {error.name}, which is not installed. "
            f"Install Ghostlap with it: pip install 'ghostlap[{COMMANDS[command].extra}]'"
        )
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        hint = _LIMITS if error.errno in (errno.EAGAIN, errno.EMFILE) else _KEPT
        return f"{where}{error.strerror or error}. {hint}"
    if isinstance(error, MemoryError) or "can't start new thread" in str(error):
        return f"{str(error) or 'There is not enough memory'}. {_LIMITS}"
    return None


def _run(name: str, arguments: list[str]) -> Any:
    import tyro

    made_fit(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    command = COMMANDS[name]
    function: Callable[[Any], Any] = _load(command.module, command.function)
    config_class = _load(command.config_module, command.config)
    if name in _OF_A_PILOT:
        arguments = _pilot_by_place(arguments)
    config = tyro.cli(
        config_class,
        prog=f"ghostlap {name}",
        args=arguments,
        **({"default": _recipe(arguments)} if name == "train" else {}),
    )
    return function(config)


def _pilot_by_place(arguments: list[str]) -> list[str]:
    """``--pilot RUN`` is what a command's first argument is, too: ``drive --pilot generalist``."""
    for i, argument in enumerate(arguments):
        if argument == "--pilot" and i + 1 < len(arguments):
            return [arguments[i + 1], *arguments[:i], *arguments[i + 2 :]]
        if argument.startswith("--pilot="):
            return [argument.partition("=")[2], *arguments[:i], *arguments[i + 1 :]]
    return arguments


def _recipe(arguments: list[str]) -> Any:
    """The recipe named on the command line, whose values all other options start from."""
    from ghostlap.training.config import recipe_named

    for i, argument in enumerate(arguments):
        if argument == "--recipe" and i + 1 < len(arguments):
            return recipe_named(arguments[i + 1])
        if argument.startswith("--recipe="):
            return recipe_named(argument.partition("=")[2])
    return recipe_named("default")


def _load(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"ghostlap.{module}"), name)


def _command_list() -> str:
    width = max(map(len, COMMANDS))
    return "\n".join(f"  {name:<{width}}  {c.summary}" for name, c in COMMANDS.items())


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
