"""Plots of a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ghostlap.base.files import replacing


def plot_history(history: Sequence[dict[str, float]], picture: Path) -> None:
    """Training and validation loss over the epochs, with the best epoch marked."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    epochs = [row["epoch"] for row in history]
    losses = [row["val_loss"] for row in history]
    best = losses.index(min(losses))
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(epochs, [row["loss"] for row in history], marker="o", ms=3, label="training")
    axes.plot(epochs, losses, marker="s", ms=3, label="validation")
    axes.plot(epochs[best], losses[best], "*", ms=14, color="C1", label=f"best: {losses[best]:.4f}")
    axes.set(xlabel="epoch", ylabel="loss", title="Loss", ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    with replacing(picture) as temporary:
        figure.savefig(temporary, dpi=110)
