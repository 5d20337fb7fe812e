"""The loop: drive, aggregate, train, measure. What is finished is never done again.

Every step leaves something that says it is done: a recording with its final name, ``pilot.json`` of
a run folder, a row of ``dagger.json``. The same call after Ctrl-C or a kill goes on from there;
a training from its last epoch, an evaluation from its last episodes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ghostlap.base.engine import run_tasks
from ghostlap.base.errors import EvaluationError
from ghostlap.base.files import named_in_errors, own_folder, refuse_link
from ghostlap.base.terminal import plain, say
from ghostlap.driving.measured import EVALUATION_FILE
from ghostlap.driving.rollout.config import EvaluateConfig
from ghostlap.pilots.run_folder import PILOT_FILE, read_description
from ghostlap.sim.track.track import Track
from ghostlap.training.config import TrainConfig
from ghostlap.training.dagger.config import DaggerConfig
from ghostlap.training.dagger.corrections import Corrected, learned_folders, write_learned
from ghostlap.training.dagger.drive import drive_and_label
from ghostlap.training.dagger.folder import Kept, save
from ghostlap.training.dagger.plan import evaluation_of, label_tasks, training_of
from ghostlap.training.dagger.results import Arm, NewFrames, Row, measured_of, new_frames
from ghostlap.training.fit import TrainResult
from ghostlap.training.run_folder import CONFIG_FILE

Train = Callable[[TrainConfig, Console], TrainResult]
Evaluate = Callable[[EvaluateConfig, Console], dict[str, Any]]

LOG_FILE = "log.txt"


@dataclasses.dataclass
class Loop:
    """All that the iterations have in common.

    Attributes:
        config: of the improvement.
        training: the one that the pilot came from.
        tracks: those that ``config.track`` names, in that order.
        corrected: recordings of a person's corrections, in place of driving.
        kept: what is finished; rows are added.
        console: where a person sees how it goes; details go to a log in each iteration's folder.
        train, evaluate: how it is done.
    """

    config: DaggerConfig
    training: TrainConfig
    tracks: Sequence[Track]
    corrected: Sequence[Corrected]
    kept: Kept
    console: Console
    train: Train
    evaluate: Evaluate

    def run(self) -> None:
        """All iterations that are not finished."""
        pilot = control = self.config.pilot
        new: list[Path] = []
        self._begin()
        for iteration in range(1, self.config.rounds + 1):
            folder = self.config.folder / f"iteration-{iteration:02d}"
            own_folder(folder)
            new += self._new_recordings(iteration, pilot, folder)
            plain, improved = folder / "control", folder / "pilot"
            self._improve(iteration, pilot, improved, new)
            if self.config.has_control:
                self._go_on_without(iteration, control, plain, improved)
            pilot, control = improved, plain

    def _begin(self) -> None:
        """Measure the pilot to begin with, and the expert."""
        if self.kept.rows:
            return
        save(self.config, self.kept)  # marks the folder from the start
        evaluation = evaluation_of(self.config, self.config.pilot)
        with self._at_work("the pilot to begin with drives", self.config.folder) as log:
            result = self._evaluated(evaluation, log)
        self.kept.expert = measured_of(evaluation.folder, result, "expert")
        description = read_description(self.config.pilot)
        self._add(
            Row(
                iteration=0,
                arm="start",
                pilot=str(self.config.pilot),
                measured=measured_of(evaluation.folder, result, "pilot"),
                training_frames=description["training"].get("training_samples"),
            )
        )

    def _new_recordings(self, iteration: int, pilot: Path, folder: Path) -> list[Path]:
        """What is learned from in this iteration that was not before; made if it is not there."""
        into = folder / "recordings"
        own_folder(into)
        if self.corrected:
            folders = learned_folders(self.config.corrections, into)
            for corrected, learned in zip(self.corrected, folders, strict=True):
                if not learned.is_dir():
                    with self.console.status(
                        plain(f"what a person drove in {corrected[0].folder} …")
                    ):
                        write_learned(corrected, learned)
            return folders
        tasks = label_tasks(self.config, self.training, iteration, pilot, self.tracks, into)
        missing = [task for task in tasks if not task.is_done]
        if missing:
            whole_m = sum(task.episodes.whole_m for task in missing)
            driven_m = 0.0
            with self.console.status("") as status:

                def show(_: int, metres: float) -> None:
                    nonlocal driven_m
                    driven_m += metres
                    status.update(
                        f"iteration {iteration}: driving for new frames, {driven_m / whole_m:.0%}"
                    )

                show(0, 0.0)
                done = run_tasks(
                    drive_and_label,
                    missing,
                    processes=self.config.processes,
                    cluster=self.config.cluster,
                    on_report=show,
                )
                with contextlib.closing(done):  # type: ignore[type-var]
                    for _ in done:
                        pass
        return [recording for task in tasks for recording in task.recordings]

    def _improve(self, iteration: int, init: Path, out: Path, new: Sequence[Path]) -> None:
        """Train with all new frames so far, and measure."""
        if self._row(iteration, "dagger"):
            return
        config = training_of(
            self.training, self.config, iteration,
            init=init, out=out, new=new, steps_per_epoch=None,
        )  # fmt: skip
        self._trained(config, f"iteration {iteration}: training with the new frames")
        newest = [path for path in new if path.is_relative_to(out.parent)]
        self._measure(iteration, "dagger", out, new_frames(newest))

    def _go_on_without(self, iteration: int, init: Path, out: Path, improved: Path) -> None:
        """Train the control for as many steps as its counterpart was, and measure."""
        if self._row(iteration, "control"):
            return
        config = training_of(
            self.training, self.config, iteration,
            init=init, out=out, new=(), steps_per_epoch=_steps_per_epoch(improved),
        )  # fmt: skip
        self._trained(config, f"iteration {iteration}: training the control")
        self._measure(iteration, "control", out, None)

    def _trained(self, config: TrainConfig, what: str) -> None:
        """Train, from the last whole epoch if it was begun before, unless it is finished."""
        if (config.out / PILOT_FILE).exists():
            return
        resume = (config.out / CONFIG_FILE).exists()
        with self._at_work(what, config.out.parent) as log:
            self.train(dataclasses.replace(config, resume=resume), log)

    def _measure(self, iteration: int, arm: Arm, pilot: Path, new: NewFrames | None) -> None:
        evaluation = evaluation_of(self.config, pilot)
        who = "the control" if arm == "control" else "the pilot"
        with self._at_work(f"iteration {iteration}: {who} drives", pilot.parent) as log:
            result = self._evaluated(evaluation, log)
        training = read_description(pilot)["training"]
        self._add(
            Row(
                iteration=iteration,
                arm=arm,
                pilot=str(pilot),
                measured=measured_of(evaluation.folder, result, "pilot"),
                training_frames=training["training_samples"],
                steps=_steps_per_epoch(pilot) * training["epochs"],
                new=new,
            )
        )

    def _evaluated(self, evaluation: EvaluateConfig, log: Console) -> dict[str, Any]:
        """An evaluation, gone on with if it was begun before."""
        if (evaluation.folder / EVALUATION_FILE).exists():
            with contextlib.suppress(EvaluationError):  # an earlier one, of other options
                return self.evaluate(dataclasses.replace(evaluation, resume=True), log)
        return self.evaluate(evaluation, log)

    def _row(self, iteration: int, arm: Arm) -> Row | None:
        known = (row for row in self.kept.rows if (row.iteration, row.arm) == (iteration, arm))
        return next(known, None)

    def _add(self, row: Row) -> None:
        self.kept.rows.append(row)
        save(self.config, self.kept)
        say(self.console, _line(row))

    @contextlib.contextmanager
    def _at_work(self, what: str, folder: Path) -> Iterator[Console]:
        """Say what goes on, and give a console for the details, which are kept in a file."""
        refuse_link(folder / LOG_FILE)
        with (
            self.console.status(plain(f"{what} …")),
            named_in_errors(folder / LOG_FILE),
            (folder / LOG_FILE).open("a", encoding="utf-8", newline="") as file,
        ):
            yield Console(file=file, width=120)


def _steps_per_epoch(pilot: Path) -> int:
    """How many batches an epoch of a pilot's training had."""
    training = read_description(pilot)["training"]
    steps = training["steps_per_epoch"] or math.ceil(
        training["training_samples"] / training["batch_size"]
    )
    return int(steps)


def _line(row: Row) -> str:
    """What a person is told as soon as it is known."""
    who = {"start": "the pilot to begin with", "dagger": "pilot", "control": "control"}[row.arm]
    parts = [f"iteration {row.iteration}, {who}:" if row.iteration else f"{who}:"]
    if row.new is not None:
        parts.append(f"{row.new.frames} new frames,")
        if row.new.disagreement is not None:
            parts.append(f"{row.new.disagreement:.0%} of them disagreed on,")
    parts.append(
        f"autonomy {row.measured.autonomy_percent:.1f} %, "
        f"mean |cte| {row.measured.mean_abs_cte_m:.2f} m"
    )
    return " ".join(parts)
