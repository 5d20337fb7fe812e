"""``ghostlap critic``: a pilot that is there learns to know seconds ahead when it will fail.

ghostlap critic runs/a
ghostlap critic runs/a --drives runs/a/failures more-failures
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console

from ghostlap.base.errors import EvaluationError, PilotError, TrainingError
from ghostlap.base.folder_lock import FolderLock
from ghostlap.base.options import Cluster, Count, Options
from ghostlap.base.platform import quoted
from ghostlap.base.terminal import say
from ghostlap.commands.failures import failures
from ghostlap.driving.failures import figures
from ghostlap.driving.failures.config import FailuresConfig
from ghostlap.driving.failures.corpus import FailureDrive, read_corpus
from ghostlap.driving.measured import EVALUATION_FILE
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.run_folder import BUILT_IN, run_file

console = Console(stderr=True, soft_wrap=True)


@dataclasses.dataclass(frozen=True)
class CriticConfig(Options, error=TrainingError):
    """Add a critic to a pilot: it says seconds ahead that the pilot will fail, in the same run.

    It learns from drives of 'ghostlap failures', on the tracks that are not held out, and is judged
    on those that are. Without drives the pilot drives first. The steering stays as it is.

    Example: ghostlap critic runs/a
    """

    pilot: tyro.conf.Positional[Path]
    """The pilot's run folder, imported ones too."""
    drives: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """Folders of 'ghostlap failures'; if none is named the run folder's failures/, made if need
    be."""
    out: Path | None = None
    """Copy the pilot there first, and add the critic to the copy. Needed for a pilot that comes
    along."""
    epochs: Count = 8
    """Passes over the drives."""
    seed: int = 0
    """Seed of the critic's initial weights and the order of moments."""
    processes: Count | None = None
    """How many drive at once, if the pilot has to drive first; None is one a core."""
    cluster: Cluster = ""
    """Ray cluster that drives in place of processes here; see docs/cluster.md."""


def critic(config: CriticConfig, console: Console = console) -> dict[str, Any]:
    """Add a critic to a pilot as ``config`` says.

        >>> ghostlap.critic(ghostlap.CriticConfig("runs/a", drives="runs/a/failures"))["failures"]
        312

    Returns:
        What ``pilot.json`` says of how the critic was made and judged: ``drives``, ``failures``,
        ``judged`` (``auroc`` at 3 s and more, on held-out tracks; None without failures there).

    Raises:
        PilotError: the run folder holds no usable pilot, or its network cannot be followed.
        EvaluationError: there are no drives in a folder.
        TrainingError: nothing failed in them.
    """
    from ghostlap.training.critic import CriticTraining, fit_critic
    from ghostlap.training.critic_saving import save_critic

    Pilot.load(config.pilot, features=True)
    folder = config.out or config.pilot
    if config.out is None and run_file(config.pilot, "").parent == BUILT_IN:
        raise PilotError(
            f"{config.pilot}: comes along with Ghostlap and stays as it is. Name a folder for "
            f"a copy that gets the critic: --out runs/{config.pilot.name}."
        )
    drives = read_corpus(config.drives or [_driven(config, console)])
    learning, calibrating, judging = parts_of(drives)
    say(
        console,
        f"{len(drives)} drives, {sum(map(_failures, drives))} failures in them: {len(learning)} to "
        f"learn from, {len(calibrating)} nominal ones for thresholds, {len(judging)} to judge by",
    )
    training = CriticTraining(epochs=config.epochs, seed=config.seed)
    fitted = fit_critic(learning, training)
    scored = [(drive, fitted.log_odds(drive)) for drive in calibrating]
    thresholds = {
        f"{rate:g}": [
            figures.threshold([(drive, score[:, i]) for drive, score in scored], rate)
            for i in range(len(figures.HORIZONS_S))
        ]
        for rate in figures.FALSE_RATES
    }
    at = figures.HORIZONS_S.index(figures.AHEAD_S)
    judged = _judged(
        [(one, fitted.log_odds(one)[:, at]) for one in judging], thresholds["0.01"][at]
    )
    about = {
        "training": dataclasses.asdict(training),
        "drives": len(drives),
        "failures": sum(map(_failures, drives)),
        "judged": judged,
    }
    if config.out is not None:
        _copy(config.pilot, config.out)
    with FolderLock(folder, TrainingError):
        save_critic(folder, fitted, thresholds, about)
    say(console, f"{folder} has a critic. {_in_words(judged)}", bold=folder)
    return about


def parts_of(
    drives: Sequence[FailureDrive],
) -> tuple[list[FailureDrive], list[FailureDrive], list[FailureDrive]]:
    """Drives to learn from, nominal ones for thresholds, and held-out ones to judge by.

    Thresholds come from every other nominal drive on held-out tracks, as the roads to come are new
    to the critic, too; where nothing was held out, of those it would have learned from.
    """
    here, judging = ([d for d in drives if d.held_out == held_out] for held_out in (False, True))
    source = judging if any(one.group.kind == "nominal" for one in judging) else here
    calibrating = [one for one in source if one.group.kind == "nominal"][1::2]
    if not calibrating:
        raise TrainingError(
            "These drives hold no two nominal ones, which thresholds come from. Let 'ghostlap "
            "failures --resume' finish them."
        )
    learning, judging = ([d for d in of if d not in calibrating] for of in (here, judging))
    return learning, calibrating, judging


def _driven(config: CriticConfig, console: Console) -> Path:
    """The run folder's own failures, driven first if need be."""
    own = FailuresConfig(
        config.pilot,
        out=(config.out or config.pilot) / "failures",
        processes=config.processes,
        cluster=config.cluster,
    )
    begun = (own.folder / EVALUATION_FILE).exists()
    try:
        failures(dataclasses.replace(own, resume=begun), console)
    except EvaluationError as error:
        if not begun:
            raise
        there = quoted(config.pilot, "--drives", own.folder)
        raise EvaluationError(
            f"{error} To learn from the drives that are there: ghostlap critic {there}"
        ) from error
    return own.folder


def _copy(pilot: Path, out: Path) -> None:
    source = run_file(pilot, "")
    for path in source.iterdir():
        if path.is_file() and not (out / path.name).exists():
            out.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, out / path.name)


def _failures(drive: FailureDrive) -> int:
    return int((drive.drive.intervention > 0).sum())


def _judged(scored: figures.Scored, above: float) -> dict[str, Any] | None:
    """How the critic does on tracks that it has not seen."""
    score, trouble = figures.joined(figures.moments_of(scored, figures.AHEAD_S))
    if not trouble.any() or trouble.all():
        return None
    firsts = figures.first_failures(scored, above)
    nominal = [pair for pair in scored if pair[0].group.kind == "nominal"]
    return {
        "auroc": figures.auroc(score, trouble),
        "first_failures": len(firsts),
        "foreseen": sum(one.lead_s == one.lead_s for one in firsts),
        "false_alarms_a_km": figures.false_alarms_a_km(nominal, above) if nominal else None,
    }


def _in_words(judged: dict[str, Any] | None) -> str:
    if judged is None:
        return "Nothing failed on tracks that it has not seen, so how good it is, is not known."
    return (
        f"On tracks that it has not seen: AUROC {judged['auroc']:.2f} at {figures.AHEAD_S:g} s, "
        f"{judged['foreseen']} of {judged['first_failures']} first failures foreseen"
    )
