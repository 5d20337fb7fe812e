"""``ghostlap import``: a model that people already have becomes a pilot.

>>> import_model(ImportConfig("model.h5", out="runs/old", like="my-drive"))["recipe"]
'--crop 60:135 --colour yuv --blur 3 --scale x/255'
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ghostlap.base.errors import LegacyError, ModelError
from ghostlap.base.files import open_file, read_json, write_json
from ghostlap.base.folder_lock import FolderLock
from ghostlap.base.platform import quoted
from ghostlap.base.terminal import plain, say
from ghostlap.data.provenance import versions
from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.pilots.keras_import import finder
from ghostlap.pilots.keras_import.architecture import read_architecture
from ghostlap.pilots.keras_import.config import ImportConfig
from ghostlap.pilots.keras_import.lambdas import given_lambdas
from ghostlap.pilots.keras_import.model_file import ModelFile, read_model_file
from ghostlap.pilots.keras_import.network import Rebuilt, rebuild
from ghostlap.pilots.keras_import.recipes import candidates, complete, recipe_text
from ghostlap.pilots.keras_import.script.reading import ScriptReading, read_script
from ghostlap.pilots.keras_import.steering_alone import steering_only
from ghostlap.pilots.pilot_saving import save_pilot
from ghostlap.pilots.run_folder import PILOT_FILE

_CONFIG_FILE = "config.json"
_MADE = (
    _CONFIG_FILE, "model.keras", "model.h5", "model.json", "model.weights.h5", "model.onnx",
)  # fmt: skip
_SHOWN = 12

console = Console(stderr=True)


def import_model(config: ImportConfig, console: Console = console) -> dict[str, Any]:
    """Read a model of any Keras, rebuild it, find out its preprocessing, save it as a pilot.

        >>> told = {"crop": "60:135", "colour": "yuv", "blur": 3, "scale": "x/255"}
        >>> config = ghostlap.ImportConfig("runs/a/model.h5", out="runs/imported", **told)
        >>> pilot = ghostlap.Pilot.load(ghostlap.import_model(config)["out"])

    Returns:
        ``out``, ``keras_version``, ``recipe`` (as options), ``tried`` (each recipe's correlation
        with the person, size and error, best first) and ``notes``.

    Raises:
        LegacyError: the files cannot be read or understood, or the preprocessing is not known.
        RecordingError: the recording cannot be read.
    """
    with FolderLock(config.out, LegacyError):
        return _import_model(config, console)


def _import_model(config: ImportConfig, console: Console) -> dict[str, Any]:
    _check_out(config.out)
    with console.status("reading the model …") as status:
        file = read_model_file(config.model, config.description)
        flipped = None if config.backend is None else config.backend == "theano"
        readings = _readings(config, file)
        channel_scale = readings[0].channel_scale if readings else ()
        with _advising(config.model):
            rebuilt = rebuild(file, given_lambdas(config.lambdas), flipped, channel_scale)
        if readings:
            _show_script(readings[0], console)
            config = _with_answer(config, readings[0], rebuilt.network.output_shape[-1], console)
        network = steering_only(rebuilt.network, config)
        status.update("finding out its preprocessing …")
        recipe, tried, frames = _recipe(config, network, rebuilt, readings)
    if tried:
        _show(tried, console)
        recipe = _chosen(config, readings, tried, frames, console)
    recipe_words = recipe_text(recipe)
    say(console, f"preprocessing: {recipe_words}")
    for note in rebuilt.notes:
        say(console, f"note: {note}")
    figures = next((_figures(one) for one in tried if one.recipe == recipe), {})
    write_json(config.out / _CONFIG_FILE, _config_json(config))
    try:
        save_pilot(network, config.out, recipe, ("steering",), _description(config, file, figures))
    except (ValueError, TypeError, NotImplementedError) as error:  # of Keras' exporters
        raise ModelError(
            f"{config.model}: was understood, but cannot be written as ONNX "
            f"({' '.join(str(error).split())[:300]})."
        ) from error
    say(console, f"pilot: {config.out}; 'ghostlap drive {quoted(config.out)}' drives it")
    return {
        "out": str(config.out),
        "keras_version": file.keras_version,
        "recipe": recipe_words,
        "tried": [{"recipe": recipe_text(one.recipe), **_figures(one)} for one in tried],
        "notes": list(rebuilt.notes),
    }


@contextlib.contextmanager
def _advising(model: Path) -> Iterator[None]:
    """Name what can be driven already, where a run folder's own model cannot be rebuilt."""
    try:
        yield
    except LegacyError as error:
        if not (model.parent / PILOT_FILE).exists():
            raise
        raise LegacyError(
            f"{error} The run folder {model.parent}, whose network it is, is a pilot without an "
            f"import: ghostlap drive {quoted(model.parent)}"
        ) from error


def _readings(config: ImportConfig, file: ModelFile) -> list[ScriptReading]:
    if config.script is None:
        return []
    frame = config.frame_height_px, config.frame_width_px
    if config.like is not None:
        frame = finder.frame_size(config.like, config.columns)
    version = file.keras_version
    oldest = file.major == 1 or version.startswith("2.0.")
    old = oldest or re.match(r"2\.[1-3](\.|$|-)", version) is not None
    shape = read_architecture(file.description, file.where).input_shape
    return read_script(config.script, frame, shape, old=old, oldest=oldest)


def _show_script(reading: ScriptReading, console: Console) -> None:
    table = Table("script", "what is done to the picture")
    for line in reading.lines:
        table.add_row(plain(line.where), plain(line.what))
    console.print(table)
    if reading.assumed:
        say(console, f"note: assumed, as the script does not say it: {reading.assumed}")
    if reading.steers_otherwise:
        say(
            console,
            "note: the script does more to the model's answer than was understood, such as "
            "smoothing; the pilot steers by the answer itself (--steering-scale multiplies it)",
        )


def _with_answer(
    config: ImportConfig, reading: ScriptReading, answers: int, console: Console
) -> ImportConfig:
    """Which of the model's answers is the steering, and the factor between, as the script says."""
    if config.output is None and reading.output is not None and answers > 1:
        say(console, f"the script steers by one of {answers} answers: --output {reading.output}")
        config = dataclasses.replace(config, output=reading.output)
    factor = reading.steering_scale
    if config.steering_scale != 1 or factor is None or abs(factor - 1) < 1e-6:
        return config
    say(console, f"the script multiplies the model's answer: --steering-scale {factor:.6g}")
    return dataclasses.replace(config, steering_scale=factor)


def _chosen(
    config: ImportConfig,
    readings: Sequence[ScriptReading],
    tried: Sequence[finder.Tried],
    person: Any,
    console: Console,
) -> Preprocessing:
    """The recipe of what was tried on a recording, and how sure that is."""
    if not readings:
        best = finder.choose(tried, person, config.seed)
        others = finder.neighbours(best, tried, person, config.seed)
        if others:
            say(
                console,
                f"note: on {len(person)} frames it cannot be told apart from "
                f"{'; '.join(recipe_text(one.recipe) for one in others[:_SHOWN])}. If you have the "
                "model's own drive.py, --script says which it is.",
            )
        return best.recipe
    expected = next(one for one in tried if one.recipe == readings[0].recipe)
    if finder.is_clearly_better(tried[0], expected, person, config.seed):
        assumed = next(one.assumed for one in readings if one.recipe == tried[0].recipe)
        say(console, f"note: by the recording, {assumed}")
        expected = tried[0]
    convincing = expected.correlation >= finder.CONVINCING
    say(
        console,
        f"on {len(person)} frames of the recording: correlation with the person's steering "
        f"{expected.correlation:.2f}, mean error {expected.mean_error:.3f}. "
        + (
            "That fits; it does not tell a crop from its neighbours."
            if convincing
            else "The recording does not confirm it: is the script the model's own, is the "
            "recording of the road that it knows, does it answer degrees (--steering-scale 0.04)?"
        ),
    )
    return expected.recipe


def _recipe(
    config: ImportConfig, network: Any, rebuilt: Rebuilt, readings: Sequence[ScriptReading]
) -> tuple[Preprocessing, list[finder.Tried], Any]:
    """The recipe given in full; or the recipes tried, best first, and the person's steering."""
    shape = network.input_shape[1:]
    for reading in readings[:1]:
        if reading.recipe.input_shape != shape:
            made, wanted = (
                f"{width}x{height} of {channels} channel{'s' * (channels > 1)}"
                for height, width, channels in (reading.recipe.input_shape, shape)
            )
            raise LegacyError(
                f"--script {config.script}: it makes pictures of {made}, the network sees {wanted}."
                " Is it the script of another model?"
            )
    if readings and config.like is None:
        return readings[0].recipe, [], None
    if config.like is None:
        frame = config.frame_height_px, config.frame_width_px
        return complete(config.given, shape, frame, rebuilt.scales_itself), [], None
    frame = finder.frame_size(config.like, config.columns)
    recipes = list(candidates(config.given, shape, frame, rebuilt.scales_itself))
    if not recipes and not readings:
        raise LegacyError(
            f"--colour {config.colour}: the network sees pictures of {shape[2]} channels, which "
            "this colour has not. Choose another one, or leave it to be found out."
        )
    if readings:
        recipes = [one.recipe for one in readings if one.channel_scale == readings[0].channel_scale]
    moments = finder.draw_frames(config.like, frame, config.seed, config.columns)
    tried = finder.try_recipes(network, recipes, moments)
    return tried[0].recipe, tried, moments.steering


def _show(tried: Sequence[finder.Tried], console: Console) -> None:
    table = Table("preprocessing", "correlation", "size", "mean error")
    for one in tried[:_SHOWN]:
        figures = (f"{n:.2f}" for n in (one.correlation, one.size, one.mean_error))
        table.add_row(plain(recipe_text(one.recipe)), *figures)
    console.print(table)


def _figures(tried: finder.Tried) -> dict[str, float]:
    return {"correlation": tried.correlation, "size": tried.size}


def _description(
    config: ImportConfig, file: ModelFile, figures: dict[str, float]
) -> dict[str, Any]:
    return {
        "imported": {
            "file": str(config.model),
            "blake2b": _hash(config.model),
            "keras_version": file.keras_version,
            "like": None if config.like is None else str(config.like),
            **figures,
        },
        "versions": versions(),
    }


def _hash(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _check_out(out: Path) -> None:
    """Check that no file of a person's would be replaced, such as the model to import.

    Raises:
        LegacyError: there is a pilot, or a file that a pilot would replace, and that no import left
            that was killed.
    """
    if (out / PILOT_FILE).exists():
        raise LegacyError(f"--out {out}: holds a pilot already. Choose another folder.")
    try:
        begun = read_json(out / _CONFIG_FILE)["command"] == "import"
    except (OSError, ValueError, KeyError, TypeError):
        begun = False
    taken = [name for name in _MADE if (out / name).exists()]
    if taken and not begun:
        raise LegacyError(
            f"--out {out}: holds {taken[0]} already, which would be replaced. Choose another "
            "folder."
        )


def _config_json(config: ImportConfig) -> dict[str, Any]:
    return {
        "command": "import",
        **{
            name: str(value) if isinstance(value, Path) else value
            for name, value in dataclasses.asdict(config).items()
        },
    }
