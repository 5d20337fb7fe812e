"""What a node of a cluster does: fetch what a task reads, work on it, send back what it left."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ghostlap.base.engine.tasks import Report
from ghostlap.base.engine.travel import Pieces, brought, leaving, place_of, receive
from ghostlap.base.engine.worker import answer_to, failed
from ghostlap.base.errors import ProcessError


class Work(NamedTuple):
    """A task and what belongs to it."""

    packed: bytes
    """The function and the task."""
    reads: Sequence[tuple[str, str, bool]]
    """Key and path of each file or folder, and whether it is a folder."""
    chunks: Mapping[str, Sequence[Any]]
    """References to the content of those that nodes have asked for."""
    writes: Path | None
    desk: Any
    """The actor that is told of progress."""
    task: tuple[int, int]
    """Its index, and how often it was tried before."""
    every_s: float
    """Time between two reports."""


class Desk:
    """An actor beside the driver, which collects reports until the driver takes them."""

    def __init__(self) -> None:
        self._told: list[tuple[tuple[int, int], list[float]]] = []
        self._where: dict[tuple[int, int], str] = {}

    def begin(self, task: tuple[int, int], node: str) -> None:
        self._where[task] = node

    def where(self) -> dict[tuple[int, int], str]:
        """On which node each task was begun last."""
        return self._where

    def tell(self, task: tuple[int, int], amounts: list[float]) -> None:
        self._told.append((task, amounts))

    def taken(self) -> list[tuple[tuple[int, int], list[float]]]:
        told, self._told = self._told, []
        return told


def work_on(work: Work) -> tuple[str, Any]:
    """Work on a task.

    Returns:
        ``("lacks", keys)`` of what must be sent along first; or ``("answer", (message, folder,
        pieces))``: what :func:`answer_to` says, and what was left.
    """
    import ray

    work.desk.begin.remote(work.task, ray.get_runtime_context().get_node_id())
    places = {}
    for key, path, is_folder in work.reads:
        if place_of(key, path, is_folder) is None and key in work.chunks:
            receive(key, (ray.get(chunk) for chunk in work.chunks[key]))
        place = place_of(key, path, is_folder)
        if place is None:
            return "lacks", [one for one, *_ in work.reads if one not in work.chunks]
        places[path] = place
    with brought(places), leaving(work.writes) as what_was_left:
        report, finish = _reporting(work)
        message = answer_to(work.packed, report)
        finish()
        left: tuple[str, Pieces] = what_was_left() if work.writes is not None else ("", [])
    if isinstance(lacking := pickle.loads(message)[1], ModuleNotFoundError):
        message = failed(
            ProcessError(
                f"node {os.uname().nodename}: {lacking}. Install there what is installed here "
                "(docs/cluster.md)."
            )
        )
    return "answer", (message, *left)


def _reporting(work: Work) -> tuple[Report, Any]:
    """A function that collects reports and sends them now and then, and one that sends the rest."""
    amounts: list[float] = []
    sent_s = time.monotonic()

    def send() -> None:
        nonlocal sent_s
        sent_s = time.monotonic()
        if amounts:
            work.desk.tell.remote(work.task, amounts[:])
            amounts.clear()

    def report(amount: float) -> None:
        amounts.append(amount)
        if time.monotonic() - sent_s > work.every_s:
            send()

    return report, send
