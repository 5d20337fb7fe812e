"""The weights logger: how every layer's weights move through training.

After each epoch one row for each variable: its distribution, and how far it moved since the last
epoch. A layer whose updates are a thousand times smaller than its weights has stopped learning;
one whose norm keeps growing is on its way to trouble.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlap.base.files import open_text, replacing
from ghostlap.pilots.backend import keras
from ghostlap.training.callbacks import went_well

COLUMNS = ("epoch", "layer", "variable", "mean", "std", "min", "max", "norm", "update_norm")


class WeightsLogger(keras.callbacks.Callback):
    """Writes ``weights.csv`` after each epoch; epochs count from 1, epoch 0 is the start.

    Rows of epochs before the training's first one are kept, so that a resumed training goes on with
    the same file.
    """

    def __init__(self, path: Path, network: Any) -> None:
        super().__init__()
        self.path = path
        self.network = network
        self.rows: list[dict[str, Any]] = []
        self.before: dict[str, NDArray[np.float32]] = {}

    def start(self, first_epoch: int) -> None:
        """Read back the rows up to ``first_epoch``, the number of epochs already done."""
        if first_epoch and self.path.exists():
            with open_text(self.path) as file:
                self.rows = [
                    row for row in csv.DictReader(file) if int(row["epoch"]) <= first_epoch
                ]

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        if not self.rows:
            self._add(0)
        self.before = self._weights()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if not went_well(logs):
            return
        self._add(epoch + 1)
        self.before = self._weights()
        with (
            replacing(self.path) as temporary,
            open(temporary, "w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)

    def _weights(self) -> dict[str, NDArray[np.float32]]:
        # By place and kind: Keras's own names depend on what else the process has built.
        return {
            f"{place:02d}-{type(layer).__name__.lower()}/{variable.name}": variable.numpy()
            for place, layer in enumerate(self.network.layers, 1)
            for variable in layer.trainable_variables
        }

    def _add(self, epoch: int) -> None:
        for name, values in self._weights().items():
            layer, _, variable = name.partition("/")
            moved = values - self.before.get(name, values)
            numbers = {
                "mean": values.mean(),
                "std": values.std(),
                "min": values.min(),
                "max": values.max(),
                "norm": np.linalg.norm(values),
                "update_norm": np.linalg.norm(moved),
            }
            row = {key: f"{float(number):.6g}" for key, number in numbers.items()}
            self.rows.append({"epoch": epoch, "layer": layer, "variable": variable, **row})


def plot_weights(csv_path: Path, picture: Path) -> None:
    """Plot norms, and updates relative to them, of every layer's kernel over the epochs."""
    import pandas as pd
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = pd.read_csv(csv_path)
    rows = rows[rows["variable"] == "kernel"]
    figure = Figure(figsize=(13, 4.5), layout="constrained")
    norms, updates = figure.subplots(1, 2)
    for layer, of_layer in rows.groupby("layer", sort=False):
        norms.plot(
            of_layer["epoch"],
            of_layer["norm"],
            marker="o",
            ms=3,
            label=str(layer).replace("$", r"\$"),
        )
        later = of_layer[of_layer["epoch"] > 0]
        updates.plot(later["epoch"], later["update_norm"] / later["norm"], marker="o", ms=3)
    norms.set(title="Norm of each layer's kernel", xlabel="epoch", ylabel="L2 norm")
    updates.set(title="How far it moved in the epoch", xlabel="epoch", ylabel="update / norm")
    for axes in (norms, updates):
        if any((line.get_ydata() > 0).any() for line in axes.lines):  # else there is no logarithm
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8, title="layer")
    with replacing(picture) as temporary:
        figure.savefig(temporary, dpi=110)
