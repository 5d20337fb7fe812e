"""What each ingredient of a pilot brings, alone: ``python -m benchmarks ablation --out DIR``.

    python -m benchmarks ablation --out ablation --processes 16 --trainings-at-once 8 --limit-s 500
    python -m benchmarks ablation --out ablation --stage drive --only plain,markings

Each arm is the plain recipe with one thing changed. All arms learn from as many moments, in as many
steps. Pilots drive roads whose markings no arm saw (solid middle lines, and anything blue, are kept
out of every recording), hairpins of other seeds, another simulation, and a road of the usual kind.
What is finished is kept: the same command goes on, after ``--limit-s`` or a kill, too.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console

from benchmarks.ablation_tables import show
from ghostlap.base.engine import run_tasks
from ghostlap.base.errors import GhostlapError, SimulatorError
from ghostlap.base.files import read_json, write_json, write_text
from ghostlap.base.options import Count, Options, Positive, differing
from ghostlap.commands.record import record
from ghostlap.data.auxiliary import AUXILIARIES
from ghostlap.driving.expert_recording.config import RecordConfig
from ghostlap.driving.rollout.config import EvaluateConfig
from ghostlap.driving.rollout.episode import run_episodes
from ghostlap.driving.rollout.plan import EpisodesTask, plan_pilot
from ghostlap.driving.summary import sums_of
from ghostlap.sim.scene.conditions import Conditions, ConditionsKind
from ghostlap.sim.scene.strokes import Stroke
from ghostlap.sim.track.track import Theme
from ghostlap.sim.track.tracks import track_named
from ghostlap.training.run_folder import CONFIG_FILE, is_finished

ROOT = Path(__file__).parents[1]

RATE_HZ, RECOVERY = 5.0, 0.25
_METRES_A_MOMENT = 2.68
"""At 30 mph, so fewer moments come of it than of slower bends."""

SPEED_AHEAD = ("--speed-lead-s", "1.2", "--speed-weight", "1")


@dataclasses.dataclass(frozen=True)
class Arm:
    """What a pilot learns from, and how."""

    conditions: ConditionsKind = "wide"
    hairpins: bool = False
    options: tuple[str, ...] = ()

    @property
    def recording(self) -> str:
        return self.conditions + ("-hairpins" if self.hairpins else "")


ARMS = {
    "plain": Arm(),
    "markings": Arm("markings"),
    "camera": Arm("camera"),
    "any": Arm("any"),
    "hairpins": Arm(hairpins=True),
    "speed-ahead": Arm(options=SPEED_AHEAD),
    **{f"aux-{name}": Arm(options=("--auxiliary", name)) for name in (*AUXILIARIES, "all")},
    "together": Arm("any", hairpins=True, options=(*SPEED_AHEAD, "--auxiliary", "all")),
}

HELD_OUT = (
    "yellow middle line", "double yellow middle, white edges", "red edges, blue middle",
)  # fmt: skip
"""Lines of the stress suite."""

SETS = ("held-out markings", "hairpins", "second simulation", "usual")


@dataclasses.dataclass(frozen=True)
class AblationConfig(Options):
    """Train each ingredient alone, and let the pilots drive what they have not seen.

    Example: python -m benchmarks ablation --out ablation --processes 2
    """

    out: Path
    """Folder of everything; what is finished there is kept."""
    only: str = ""
    """Arms, with commas between: plain,markings,aux-mask. Without, all."""
    stage: Literal["all", "record", "train", "drive", "table"] = "all"
    """Do only this; the table is of what has been driven."""
    processes: Count = 2
    """How many record or drive at once."""
    trainings_at_once: Count = 1
    """How many train at once."""
    limit_s: Positive = 1e9
    """Stop after so many seconds; the same command goes on."""
    moments: Count = 6000
    """Moments of each recording."""
    seeds: Count = 2
    """Trainings of each arm."""
    epochs: Count = 6
    """Of each training."""
    steps_per_epoch: Count = 400
    """Of 100 samples each."""
    train_options: str = ""
    """Further options of each training: "--precision bfloat16"."""
    roads: tuple[str, ...] = ("lake", "jungle")
    """Recorded before random ones."""
    tracks: Count = 2
    """To drive in each held-out set."""
    episodes: Count = 1
    """Seeds on each track, each one episode both ways."""
    length_m: Count = 700
    """Length of each track to drive."""
    seconds: Positive | None = None
    """A drive ends then at the latest; without, after one lap."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.arms  # noqa: B018

    @property
    def arms(self) -> tuple[str, ...]:
        named = tuple(filter(None, self.only.split(","))) or tuple(ARMS)
        if unknown := [name for name in named if name not in ARMS]:
            raise GhostlapError(f"--only must be some of {','.join(ARMS)}. Got {unknown[0]!r}.")
        return named


def ablation(config: AblationConfig, console: Console | None = None) -> dict[str, Any]:
    """Do what is missing, print the table, write ``ablation.json``; returns its figures."""
    console = console or Console(width=120)
    _check_sizes(config)
    end_s = time.monotonic() + config.limit_s
    for stage, work in (("record", _record), ("train", _train), ("drive", _drive)):
        if config.stage in (stage, "all"):
            began_s = time.monotonic()
            left = work(config, end_s, console)
            console.print(f"{stage}: {time.monotonic() - began_s:.0f} s, {left} left", style="dim")
            if left:
                console.print("Not everything is done. The same command goes on.")
                break
    return show(_driven(config), SETS, tuple(ARMS), config, console)


def _check_sizes(config: AblationConfig) -> None:
    """Refuse to go on with other sizes: what differs between arms would not be the arms alone."""
    names = ("moments", "epochs", "steps_per_epoch", "train_options", "roads")
    sizes = {name: value for name, value in config.to_json().items() if name in names}
    path = config.out / "sizes.json"
    if path.exists() and (changed := differing(read_json(path), sizes)):
        raise GhostlapError(
            f"{config.out}: its arms were begun with other sizes: {changed}. Say the same, or name "
            "another --out."
        )
    config.out.mkdir(parents=True, exist_ok=True)
    write_json(path, sizes)


def is_held_out(stroke: Stroke) -> bool:
    """Whether a stroke is a solid line in the middle, or blue."""
    in_the_middle = stroke.place == 0 and stroke.one_side and stroke.to_m - stroke.from_m < 0.4
    return (in_the_middle and stroke.period_m == 0) or _is_blue(stroke)


def _is_blue(stroke: Stroke) -> bool:
    return stroke.paint[2] > 1.5 * stroke.paint[0]


def _not_blue(stroke: Stroke) -> Stroke:
    blue, green, red = stroke.paint
    return stroke._replace(paint=(red, green, blue)) if _is_blue(stroke) else stroke


@dataclasses.dataclass(frozen=True)
class AblationRecording(RecordConfig, error=SimulatorError):
    """A recording without the markings that are left out of training.

    Blue ones are painted red: an edge that alone tells road from verge has to stay.
    """

    def conditions_for(self, theme: Theme, seed: int | None) -> Conditions:
        conditions = super().conditions_for(theme, seed)
        if conditions.strokes is None:
            return conditions
        red = (_not_blue(stroke) for stroke in conditions.strokes)
        kept = tuple(stroke for stroke in red if not is_held_out(stroke))
        return dataclasses.replace(conditions, strokes=kept)


def _record(config: AblationConfig, end_s: float, console: Console) -> int:
    """Make each recording that an arm needs; returns how many are left."""
    arms = {ARMS[name].recording: ARMS[name] for name in config.arms}
    for done, (name, arm) in enumerate(arms.items()):
        folder = config.out / "recordings" / name
        if (folder / "thinned.json").exists():
            continue
        if time.monotonic() > end_s:
            return len(arms) - done
        shutil.rmtree(folder, ignore_errors=True)
        record(AblationRecording(
            track=_roads(config, arm.hairpins), laps=1, variants=4, recovery=RECOVERY,
            rate_hz=RATE_HZ, conditions=arm.conditions, out=folder, processes=config.processes,
        ))  # fmt: skip
        _thin(folder, config.moments)
    return 0


def _roads(config: AblationConfig, hairpins: bool) -> tuple[str, ...]:
    """Roads of which enough moments come; with hairpins, half are roads of these."""
    found, length_m, seed = [], 0.0, 0
    usual = list(config.roads)
    while length_m < 1.1 * config.moments * (1 - RECOVERY) * _METRES_A_MOMENT:
        if hairpins and seed % 2:
            name = f"random:{80 + seed // 2},radius={7 + seed // 2 % 3}"
        else:
            name = usual.pop(0) if usual else f"random:{seed}" + (",twist=0.9" * (seed % 2))
        found.append(name)
        length_m += track_named(name).length_m
        seed += 1
    return tuple(found)


def _thin(folder: Path, moments: int) -> None:
    """Keep so many rows of a log, evenly spread."""
    log = folder / "driving_log.csv"
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    if len(lines) < moments:
        raise GhostlapError(f"{folder}: {len(lines)} moments are fewer than {moments} asked for.")
    kept = np.linspace(0, len(lines) - 1, moments).round().astype(int)
    write_text(log, "".join(lines[i] for i in kept))
    write_json(folder / "thinned.json", {"recorded": len(lines), "moments": moments})


def _run(config: AblationConfig, arm: str, seed: int) -> Path:
    return config.out / "runs" / f"{arm}-{seed}"


def _runs(config: AblationConfig) -> list[tuple[str, int, Path]]:
    """Every training: first seed of all arms, then the second."""
    seeds = range(config.seeds)
    return [(arm, seed, _run(config, arm, seed)) for seed in seeds for arm in config.arms]


def _train(config: AblationConfig, end_s: float, console: Console) -> int:
    """Train what is not trained; returns how many are left."""
    waiting = [one for one in _runs(config) if not is_finished(one[2])]
    at_work: list[tuple[Path, subprocess.Popen[bytes]]] = []
    failed = 0
    try:
        while (waiting or at_work) and time.monotonic() < end_s:
            while waiting and len(at_work) < config.trainings_at_once:
                arm, seed, run = waiting.pop(0)
                at_work.append((run, _training(config, arm, seed, run)))
            time.sleep(0.2)
            for run, process in [one for one in at_work if one[1].poll() is not None]:
                at_work.remove((run, process))
                failed += process.returncode != 0
                state = "trained" if process.returncode == 0 else f"FAILED, see {run}.log"
                console.print(f"{run.name}: {state}; {len(waiting) + len(at_work)} left")
    finally:
        for _, process in at_work:
            process.terminate()
        for _, process in at_work:
            process.wait()
    return len(waiting) + len(at_work) + failed


def _training(config: AblationConfig, arm: str, seed: int, run: Path) -> subprocess.Popen[bytes]:
    """Begin a training, or go on with it."""
    run.parent.mkdir(parents=True, exist_ok=True)
    cache = ["--cache", str(config.out / "cache")]
    command = [sys.executable, "-m", "ghostlap", "train", "--out", str(run), *cache]
    if (run / CONFIG_FILE).exists():
        command.append("--resume")
    else:
        command += [
            str(config.out / "recordings" / ARMS[arm].recording), "--speed", "--cap", "None",
            "--batch-size", "100", "--steps-per-epoch", str(config.steps_per_epoch),
            "--epochs", str(config.epochs), "--seed", str(seed),
            *ARMS[arm].options, *config.train_options.split(),
        ]  # fmt: skip
    environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ}
    with open(f"{run}.log", "ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment)


def _tasks(config: AblationConfig, run: Path) -> list[tuple[str, EpisodesTask]]:
    """What a pilot drives, and in which of :data:`SETS`."""
    shape = f"length={config.length_m}"
    roads = tuple(f"random:{1010 + i},{shape},width=8,twist=0.9" for i in range(config.tracks))
    tight = tuple(f"random:{2000 + i},{shape},radius=7" for i in range(config.tracks))
    common: dict[str, Any] = {"pilot": run, "seeds": config.episodes, "first_seed": 500}
    common["seconds"] = config.seconds

    def planned(track: tuple[str, ...], **options: Any) -> list[EpisodesTask]:
        tracks = [track_named(name) for name in track]
        tasks = plan_pilot(EvaluateConfig(track=track, **common, **options), tracks)
        return [dataclasses.replace(task, moments=False) for task in tasks]

    marked = [task for task in planned(roads, stress=True) if task.stress.name in HELD_OUT]
    other = planned(roads, simulation="flat_road:YellowMiddle")
    each = (marked, planned(tight), other, planned(roads))
    return [(name, task) for name, tasks in zip(SETS, each, strict=True) for task in tasks]


def _drive(config: AblationConfig, end_s: float, console: Console) -> int:
    """Drive what has not been driven; returns how many tasks are left."""
    sys.path.append(str(ROOT / "tests"))  # where the second simulation is
    done = {_key(line) for line in _driven(config)}
    planned: list[tuple[dict[str, Any], EpisodesTask]] = []
    for arm, seed, run in _runs(config):
        if not is_finished(run):
            console.print(f"{run.name}: is not trained, so it does not drive")
            continue
        for where, task in _tasks(config, run):
            about = {"arm": arm, "training_seed": seed, "set": where, "track": task.track}
            about |= {"stress": task.stress.name, "seed": task.episodes[0].seed}
            if _key(about) not in done:
                planned.append((about, task))
    left = len(planned)
    results = run_tasks(run_episodes, [task for _, task in planned], processes=config.processes)
    with open(config.out / "drives.jsonl", "a", encoding="utf-8") as file:
        for index, result in results:
            sums = [list(map(float, sums_of(drive))) for drive in result.drives]
            file.write(json.dumps({**planned[index][0], "sums": sums}) + "\n")
            file.flush()
            left -= 1
            if left % 20 == 0:
                console.print(f"{left} drives left")
            if time.monotonic() > end_s:
                break
    return left


def _key(about: dict[str, Any]) -> tuple[Any, ...]:
    names = ("arm", "training_seed", "set", "track", "stress", "seed")
    return tuple(about[name] for name in names)


def _driven(config: AblationConfig) -> list[dict[str, Any]]:
    """The drives so far; a line that a kill cut off is passed over."""
    path = config.out / "drives.jsonl"
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        write_text(path, "".join(lines[:-1]))
    return [json.loads(line) for line in lines if line.endswith("\n")]
