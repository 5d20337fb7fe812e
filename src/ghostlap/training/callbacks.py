"""What happens during ``fit``: checkpoints, early stopping, and what a person sees."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from ghostlap.base.errors import TrainingError
from ghostlap.base.files import own_folder, read_json, remove, replacing, write_json, write_text
from ghostlap.base.so_far import tell
from ghostlap.base.terminal import say
from ghostlap.pilots.backend import keras

STATE_FILE = "state.json"
BEST_FILE = "best.weights.h5"


def went_well(logs: dict[str, float] | None) -> bool:
    """Whether an epoch's losses are numbers: a training that runs off never comes back."""
    return all(map(math.isfinite, (logs or {}).values()))


class Checkpoints(keras.callbacks.Callback):
    """A full checkpoint each epoch, the best weights so far, and early stopping.

    The checkpoint holds weights, optimizer, dropout's random state and the history, so that a
    training killed at any moment goes on from its last whole epoch as if nothing had happened.

    Args:
        history_csv: the history is written there too, a row an epoch.
        patience: stop after so many epochs without a lower validation loss; None never stops.
    """

    def __init__(self, folder: Path, history_csv: Path, patience: int | None) -> None:
        super().__init__()
        self.folder = folder
        self.history_csv = history_csv
        self.patience = patience
        self.history: list[dict[str, float]] = []
        self.ran_off_in: int | None = None
        """The epoch, from 1, after which the loss was no number: the training ended before it."""

    @property
    def epochs_done(self) -> int:
        return len(self.history)

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, with the lowest validation loss; 0 before the first."""
        losses = [row["val_loss"] for row in self.history]
        return losses.index(min(losses)) + 1 if losses else 0

    @property
    def should_stop(self) -> bool:
        waited = self.epochs_done - self.best_epoch
        return self.patience is not None and waited >= self.patience

    def restore(self, model: Any) -> None:
        """Bring a compiled and built model to where the checkpoint was, if there is one.

        Raises:
            TrainingError: the checkpoint cannot be read.
        """
        state_path = self.folder / STATE_FILE
        if not state_path.exists():
            return
        try:
            state = read_json(state_path)
            history = [
                {name: float(value) for name, value in row.items()} for row in state["history"]
            ]
            if not all(went_well(row) and {"loss", "val_loss"} <= set(row) for row in history):
                raise ValueError("its history has no losses")
            model.load_weights(self.folder / Path(state["weights"]).name)
            for variable, value in zip(_random_states(model), state["random"], strict=True):
                variable.assign(value)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise TrainingError(
                f"{self.folder}: the checkpoint cannot be read ({error}). "
                "Train anew with another --out; the recordings are untouched."
            ) from error
        self.history = [{**row, "epoch": place} for place, row in enumerate(history, 1)]
        self._remove_others(Path(state["weights"]).name)  # a kill may have left an older one's

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        tell(self.folder.parent, lambda: {"history": self.history})

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if not went_well(logs):
            self._end_before(epoch + 1)
            return
        own_folder(self.folder)
        row = {"epoch": epoch + 1, **{k: float(v) for k, v in (logs or {}).items()}}
        self.history.append(row)
        if self.best_epoch == self.epochs_done:
            self._save(BEST_FILE)
        weights = f"epoch-{epoch + 1:04d}.weights.h5"
        self._save(weights)
        random = [variable.numpy().tolist() for variable in _random_states(self.model)]
        lines = [",".join(row), *(",".join(f"{v:.8g}" for v in r.values()) for r in self.history)]
        write_text(self.history_csv, "\n".join(lines) + "\n")
        # The state last: an epoch that it names is never trained again, so all else is there.
        write_json(
            self.folder / STATE_FILE,
            {"weights": weights, "random": random, "history": self.history},
        )
        tell(self.folder.parent, lambda: {"history": self.history})
        self._remove_others(weights)  # only now does nothing point to the older one
        if self.should_stop:
            self.model.stop_training = True

    def _end_before(self, epoch: int) -> None:
        """Leave everything as it was before an epoch, and end the training."""
        if not self.history:
            raise TrainingError(
                f"{self.folder.parent}: the loss is not finite after epoch {epoch}, the first, so "
                "there is no pilot. Lower --learning-rate, and train anew with another --out. The "
                "recordings are untouched."
            )
        self.ran_off_in = epoch
        self.model.stop_training = True

    def _remove_others(self, weights: str) -> None:
        """Remove the weights of all epochs but one."""
        for other in self.folder.glob("epoch-*.weights.h5"):
            if other.name != weights:
                remove(other, self.folder)

    def _save(self, name: str) -> None:
        with replacing(self.folder / name) as temporary:
            self.model.save_weights(temporary)


def _random_states(model: Any) -> list[Any]:
    """Where dropout stands in its random numbers; Keras does not save that with the weights."""
    return [v for v in model.non_trainable_variables if v.name == "seed_generator_state"]


class Progress(keras.callbacks.Callback):
    """One line an epoch, and between them a live line with the time left, on a terminal."""

    def __init__(
        self, console: Console, epochs: int, steps_per_epoch: int, checkpoints: Checkpoints
    ) -> None:
        super().__init__()
        self.console = console
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.checkpoints = checkpoints
        self.live = console.status("starting …")
        self.steps_timed = 0
        self.began_s = 0.0
        self.shown_s = 0.0

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show the live line while in this context, however it is left."""
        with self.live:
            yield

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.epoch = epoch
        self.epoch_began_s = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        now_s = time.perf_counter()
        if self.steps_timed == 0:
            self.began_s = now_s  # the first step includes building the graph
        self.steps_timed += 1
        if now_s - self.shown_s > 0.25 and self.steps_timed > 1:
            self.shown_s = now_s
            step_s = (now_s - self.began_s) / (self.steps_timed - 1)
            left = self.epochs * self.steps_per_epoch - (
                self.epoch * self.steps_per_epoch + batch + 1
            )
            self.live.update(
                f"epoch {self.epoch + 1}/{self.epochs}  step {batch + 1}/{self.steps_per_epoch}  "
                f"loss {(logs or {}).get('loss', float('nan')):.4f}  {1 / step_s:.1f} steps/s  "
                f"{left * step_s:.0f} s left at most"
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        numbers = logs or {}
        took_s = time.perf_counter() - self.epoch_began_s
        say(
            self.console,
            f"epoch {epoch + 1:>3}/{self.epochs}  loss {numbers.get('loss', float('nan')):.4f}  "
            f"val_loss {numbers.get('val_loss', float('nan')):.4f}  {took_s:.1f} s"
            + ("  best so far" if self.checkpoints.best_epoch == epoch + 1 else ""),
        )
