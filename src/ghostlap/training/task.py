"""A training as a task, which any engine can work on."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

from ghostlap.base.addresses import is_address
from ghostlap.base.engine.travel import located
from ghostlap.pilots.run_folder import KERAS_FILE, PILOT_FILE, run_file
from ghostlap.training.config import TrainConfig


def forget_networks() -> None:
    """Forget the networks of trainings before, in a process that trains again and again."""
    from ghostlap.pilots.backend import keras

    # TensorFlow would warn of this, and from the sixth network on that they are built again.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    keras.utils.clear_session()


@dataclasses.dataclass(frozen=True)
class TrainingTask:
    """A training, and the files that it opens and leaves."""

    config: TrainConfig

    @property
    def reads(self) -> tuple[Path, ...]:
        """Recordings, and the pilot to begin with."""
        folders = [
            path.parent if path.is_file() else path
            for path in self.config.recordings
            if not is_address(path)  # a node reads it from there
        ]
        init = self.config.init
        earlier = () if init is None else (run_file(init, PILOT_FILE), run_file(init, KERAS_FILE))
        if self.config.select_by == "loss":
            return *folders, *earlier
        from ghostlap.sim.track.tracks import track_files  # one can train without the simulator

        return *folders, *earlier, *track_files([self.config.select_track])

    @property
    def writes(self) -> Path:
        """The folder of the run folder."""
        return self.config.out.parent

    @property
    def config_here(self) -> TrainConfig:
        """The training as this machine, be it a node, has to do it."""
        return dataclasses.replace(self.config, out=located(self.config.out))
