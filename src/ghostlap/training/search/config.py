"""What a search can be told: one frozen dataclass is API, command line and saved config."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ghostlap.base.errors import TrainingError
from ghostlap.base.options import Cluster, Count, Options, Positive, Range, Seed
from ghostlap.data.formats.config import Columns


@dataclasses.dataclass(frozen=True)
class SearchConfig(Options, error=TrainingError):
    """Search learning rate, steps, epochs or any other option of a training, on a subset.

    Trials are compared by validation loss. That says little about driving, and nothing where an
    option changes what the loss measures, as steering_correction does: choose those by driving.

    Call it again with the same --out to continue a stopped search, or with more --trials.

    Example: ghostlap search rec/lake --out runs/s
    """

    recordings: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Recordings of any format."""
    columns: Columns = ()
    out: Path = Path("runs/search")
    """Folder of the search: a table, plots, and a run folder for each trial."""
    trials: Count = 20
    """Trials in all, those of earlier calls included."""
    subset: Annotated[float, Range(0, 1, excluding=(0,))] = 0.3
    """Share of the training samples used, in whole blocks of time; validation uses all of its own.
    It saves time where an epoch is one pass over the samples, so not where steps_per_epoch is set
    or searched; 1 uses all."""
    space: tuple[str, ...] = (
        "learning_rate=1e-4..1e-2:log",
        "steps_per_epoch=50..300",
        "epochs=2..10",
    )
    """Options to search: option=low..high, option=low..high:log, or "option=one|other"."""
    base: Literal["default", "seed003"] = "default"
    """Recipe with the values of all other options."""
    set: tuple[str, ...] = ()
    """Other options that differ from the recipe, such as augment=none model=pilotnet_small."""
    at_once: Count = 1
    """Trials drawn together, without knowing each other's results; a cluster runs them at once."""
    timeout_s: Positive | None = None
    """Begin no trial after so many seconds; the one under way is finished."""
    seed: Seed = 0
    """Seed of the draws and of each training."""
    cache: Path | None = None
    """Folder for decoded frames; None is the user's cache folder (or $GHOSTLAP_CACHE)."""
    cluster: Cluster = ""
    """Ray cluster that trains in place of this machine: auto, or host:port of its head, as 'ray
    start' says it. See docs/cluster.md."""
