"""``ghostlap search``: good options for a training, found on a subset of the recordings.

ghostlap search rec/lake --out runs/s
ghostlap search rec/lake --out runs/s --space learning_rate=1e-4..1e-2:log "model=pilotnet|pilotnet_bn"

Each trial trains with options that Optuna's tree-structured Parzen estimator (Bergstra et al.,
NeurIPS 2011) draws from the space, and is judged by its lowest validation loss. What trial ``n``
draws depends on the seed, ``n`` and the results before it, and on nothing else. So a search that
was stopped and called again comes to what it would have come to undisturbed.

Trials are not pruned: the learning rate falls along a cosine over a trial's own length, and half
way through a long trial its loss says little beside that of a short one.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from ghostlap.errors import CacheError, GhostlapError, RecordingError, TrainingError
from ghostlap.files import write_json, write_text
from ghostlap.run_folder import CONFIG_FILE
from ghostlap.search_space import (
    Dimension,
    parse_settings,
    parse_space,
    train_command,
    with_options,
)
from ghostlap.search_trial import Trial, TrialRunner, draw_options, run_trial
from ghostlap.train_config import TrainConfig, config_to_json, recipe_named
