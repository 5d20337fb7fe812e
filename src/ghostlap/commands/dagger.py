"""``ghostlap dagger``: a pilot drives, is corrected, learns from it, drives better.

ghostlap dagger runs/a --track lake --iterations 3
ghostlap dagger runs/a --corrections my-corrections
"""

from __future__ import annotations

from typing import Any

from rich.console import Console

from ghostlap.base.engine import connected
from ghostlap.base.errors import DaggerError
from ghostlap.base.files import explained
from ghostlap.base.folder_lock import locked_folder
from ghostlap.base.terminal import say
from ghostlap.commands.evaluate import check_size, evaluate, warn_of_speed
from ghostlap.commands.train import train
from ghostlap.pilots.pilot import Pilot
from ghostlap.sim.track.tracks import track_named
from ghostlap.training.config import TrainConfig
from ghostlap.training.dagger.config import DaggerConfig
from ghostlap.training.dagger.corrections import read_corrections
from ghostlap.training.dagger.folder import DAGGER_FILE, Kept, kept_in, resumed_config, save
from ghostlap.training.dagger.loop import Evaluate, Loop, Train
from ghostlap.training.dagger.plan import evaluation_of, original_training
from ghostlap.training.dagger.plots import plot_iterations
from ghostlap.training.dagger.results import Row, best_of, rank, table_of, write_table
from ghostlap.training.fit import TrainResult
from ghostlap.training.task import forget_networks

TABLE_FILE = "iterations.csv"
PICTURE_FILE = "dagger.png"

_WIDTH = 160
"""Width of the table, so that a narrower terminal wraps it and cuts nothing off."""

console = Console(stderr=True, soft_wrap=True)


def train_one_of_many(config: TrainConfig, console: Console) -> TrainResult:
    """Train in a process that has trained before, and will again."""
    forget_networks()
    return train(config, console)


def dagger(
    config: DaggerConfig,
    console: Console = console,
    train: Train = train_one_of_many,
    evaluate: Evaluate = evaluate,
) -> dict[str, Any]:
    """Improve a pilot by corrections, as ``config`` says.

        >>> short = {"iterations": 1, "metres": 50, "seeds": 1, "epochs": 1}
        >>> config = ghostlap.DaggerConfig("runs/a", track="oval.csv", control=False, **short)
        >>> ghostlap.dagger(config)["complete"]
        True

    Returns:
        What ``dagger.json`` holds, as JSON values: ``complete``, ``best`` (``iteration`` and the
        run folder ``pilot``), ``rows`` (the table's: ``iteration``, ``arm``, ``pilot``,
        ``measured``, ``new``, ``training_frames``, ``steps``), ``expert``, ``config``,
        ``network_blake2b``, ``versions``, ``machine``.

    Raises:
        PilotError: there is no pilot, it does not say how it was trained, or it is for frames of
            another size.
        DaggerError: the pilot's recordings are gone, or the folder is taken.
        TrackError: there is no such track.
        RecordingError: corrections cannot be used.
        TrainingError, DatasetError, CacheError: training cannot go on.
    """
    if config.resume:
        config = resumed_config(config)
    pilot = Pilot.load(config.pilot)
    tracks = [track_named(name) for name in config.track]
    check_size(pilot, evaluation_of(config, config.pilot))
    training = original_training(config)
    corrected = read_corrections(config.corrections, pilot)
    warn_of_speed(config.speed_limit, tracks, console)
    with (
        connected(config.cluster),
        explained(DaggerError, "The same command goes on from there."),
        locked_folder(config.folder, DAGGER_FILE, "improvement", DaggerError),
    ):
        kept = kept_in(config)
        loop = Loop(config, training, tracks, corrected, kept, console, train, evaluate)
        try:
            loop.run()
        except KeyboardInterrupt:
            say(console, "stopped; the same command goes on from here")
            raise
        finally:
            if kept.rows:
                _write(config, kept, console)
        return _finish(config, kept, console)


def _write(config: DaggerConfig, kept: Kept, console: Console) -> None:
    """Write table and plot of the iterations so far."""
    write_table(kept.rows, config.folder / TABLE_FILE)
    # By its name: a resumed improvement knows the whole path, and draws the same picture.
    title = f"{config.pilot.name} on {', '.join(config.track)} at {config.speed_limit:g} mph"
    plot_iterations(kept.rows, kept.expert, title, config.folder / PICTURE_FILE)
    wide = Console(
        file=console.file, width=max(_WIDTH, console.width), force_terminal=console.is_terminal
    )
    wide.print(table_of(kept.rows, kept.expert))


def _finish(config: DaggerConfig, kept: Kept, console: Console) -> dict[str, Any]:
    """Tell which pilot is the best, and how sure that is."""
    best = best_of(kept.rows)
    for sentence in _what_it_means(config, kept.rows, best):
        say(console, sentence)
    say(console, f"Table, plot and {DAGGER_FILE}: {config.folder}. The best pilot: {best.pilot}")
    return save(
        config, kept, complete=True, best={"iteration": best.iteration, "pilot": best.pilot}
    )


def _what_it_means(config: DaggerConfig, rows: list[Row], best: Row) -> list[str]:
    episodes = f"{2 * config.seeds * len(config.track)} episodes"
    sentences = [
        f"{episodes} and {rows[0].measured.distance_km:.1f} km a line, the same for all; below a "
        f"figure its 95 % interval over {config.seeds} seeds."
        if config.seeds > 1
        else f"{episodes} a line, all of one seed, so no interval."
    ]
    if config.has_control:
        sentences.append("A control trains for as many steps as the pilot above it.")
    if best.arm == "start":
        sentences.append("No iteration drives better than the pilot that it began with.")
    else:
        tracks = "".join(f" --track {track}" for track in config.track)
        sentences.append(
            f"Iteration {best.iteration} drives best. It was chosen by these very seeds: measure "
            f"it on others, 'ghostlap evaluate {best.pilot}{tracks} --speed-limit "
            f"{config.speed_limit:g} --first-seed {config.first_seed + config.seeds}'."
        )
    controls = [row for row in rows if row.arm == "control" and rank(row) < rank(best)]
    if controls:
        sentences.append(
            f"The control of iteration {min(controls, key=rank).iteration} drives better still: "
            "longer training did it, not the new frames."
        )
    return sentences
