"""Hostile files, each through the commands that read its kind, with time and memory watched.

Nothing that such a file says is run: one names a module that would leave a mark.
"""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.attack import hostile_models, hostile_pictures
from benchmarks.attack.campaign import TRAINING_MB, USUAL_MB, Campaign
from benchmarks.attack.material import Material, make_exchanged, make_material, make_trained
from benchmarks.attack.mutate import Mutator
from benchmarks.attack.running import command, environment, judge, run

KIND = "files"
_PATIENCE_S = 60.0
_SIM = ("--size", "48", "24", "--processes", "1", "--conditions", "fixed")

Spoil = Callable[[Path, random.Random], str]


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of file."""

    source: Path
    """Copied to ``it``, and spoilt there."""
    spoil: Spoil
    """Given the copy; says what it did."""
    commands: tuple[tuple[str, ...], ...]
    """That read it; one a time."""
    allowed_mb: float = USUAL_MB


def all_kinds(material: Material) -> dict[str, Kind]:
    """The kinds of the table."""
    rec, oval = str(material.recording), str(material.track)
    reading: tuple[tuple[str, ...], ...] = (
        ("doctor", "it"), ("convert", "it", "--as", "tub", "--out", "o"),
        ("video", "it", "--out", "o.mp4", "--seconds", "1"), ("explore", "it", "--out", "o"),
        ("doctor", "it", "--fix", "o"),
    )  # fmt: skip
    driving: tuple[tuple[str, ...], ...] = (
        ("evaluate", "it", "--track", oval, "--seeds", "1", "--seconds", "1", "--no-pushes", *_SIM),
        ("report", "it", "--out", "o.html"), ("export", "it", "--out", "o.onnx"),
        ("video", rec, "--pilot", "it", "--out", "o.mp4", "--seconds", "1"),
        ("explain", "it", rec, "--frames", "4", "--shown", "1", "--no-video", "--out", "o"),
    )  # fmt: skip
    importing = (("import", "it", "--out", "o", "--crop", "0:16", "--colour", "rgb", "--blur",
                  "0", "--scale", "x/255", "--frame-height-px", "16", "--frame-width-px",
                  "32"),)  # fmt: skip
    return {
        "logs": Kind(material.recording, _log, reading),
        "pictures": Kind(material.recording, _picture, reading),
        "links and pipes": Kind(material.recording, _link, reading),
        "tubs": Kind(material.tub, _any_text, reading[:3]),
        "LeRobot": Kind(material.lerobot, _any_text, (("convert", "it", "--out", "o"),)),
        "tracks": Kind(
            material.track, _damaged, (("record", "--track", "./it", "--laps", "1", "--rate-hz",
                                        "1", *_SIM, "--out", "o"),),
        ),
        "pilot.json": Kind(
            material.tiny_pilot, lambda it, c: hostile_models.spoil_json(it / "pilot.json", c),
            driving,
        ),
        "networks": Kind(
            material.tiny_pilot, lambda it, c: hostile_models.spoil_graph(it / "model.onnx", c),
            driving,
        ),
        "config.json": Kind(
            material.trained, _config, (("train", "--resume", "--out", "it"),), TRAINING_MB
        ),
        "HDF5": Kind(material.model, hostile_models.spoil_h5, importing, TRAINING_MB),
        "Keras 3": Kind(material.model, _zip, (("import", "it.keras", "--out", "o"),), TRAINING_MB),
    }  # fmt: skip


def attack(campaign: Campaign, seconds: float) -> None:
    """Every kind in turn, for as long as there is time."""
    material = make_material(campaign.folder / "material")
    make_exchanged(material)
    make_trained(material)
    kinds = {
        part: kind for part, kind in all_kinds(material).items() if campaign.wants(f"{KIND}/{part}")
    }
    for part, kind in kinds.items():
        campaign.row(f"{KIND}/{part}", kind.allowed_mb)
    until = time.monotonic() + seconds
    tasks = [(part, attempt) for attempt in campaign.attempts(until, 300) for part in kinds]

    def work(task: tuple[str, int], worker: int) -> None:
        part, attempt = task
        if campaign.attempt is None and time.monotonic() > until:
            return
        began_s = time.monotonic()
        with campaign.place(f"files-{worker}") as place:
            try_file(campaign, material, kinds[part], place, f"{KIND}/{part}", attempt)
        campaign.tried(f"{KIND}/{part}", seconds=time.monotonic() - began_s)

    campaign.together(work, tasks)


def try_file(
    campaign: Campaign, material: Material, kind: Kind, place: Path, name: str, attempt: int
) -> None:
    """Spoil one file, and let one command read it."""
    chance = campaign.chance(name, attempt)
    work = place / "work"
    work.mkdir()
    it = work / "it"
    if kind.source.is_dir():
        shutil.copytree(kind.source, it)
    else:
        shutil.copy2(kind.source, it)
    mark = place / "mark"
    did = kind.spoil(it, chance)
    if kind.spoil is _config:
        _put_module(work, mark)
    arguments = kind.commands[attempt % len(kind.commands)]
    ended = run(command(*arguments), work, environment(material.cache), _PATIENCE_S)
    files = [path for path in (work, work.with_name("work.err")) if not did.startswith("fifo")]
    judge(campaign, name, attempt, ended, f"{did}: {arguments[0]}", files)
    campaign.tried(name, count=0, peak_mb=ended.peak_mb)
    if mark.exists():
        campaign.found(name, "let in", f"{did}: its code was run", attempt, files)
    if (place / "climbed.txt").exists() or (campaign.folder / "climbed.txt").exists():
        campaign.found(name, "let in", f"{did}: a file outside was written", attempt, files)


def _log(it: Path, chance: random.Random) -> str:
    log = it / "driving_log.csv"
    if chance.random() < 0.15:
        return f"log is {hostile_pictures.put_link(log, chance)}"
    return _damaged(log, chance)


def _picture(it: Path, chance: random.Random) -> str:
    kind = chance.choice([*hostile_pictures.PICTURES])
    for path in sorted((it / "IMG").iterdir())[:: chance.choice((1, 5))]:
        path.write_bytes(hostile_pictures.PICTURES[kind](chance))
    return kind


def _link(it: Path, chance: random.Random) -> str:
    paths = sorted((it / "IMG").iterdir())
    kinds = {hostile_pictures.put_link(path, chance) for path in chance.sample(paths, 6)}
    return "pictures are " + ", ".join(sorted(kinds))


def _any_text(it: Path, chance: random.Random) -> str:
    texts = [path for path in sorted(it.rglob("*")) if path.is_file()]
    path = chance.choice([path for path in texts if path.suffix not in (".jpg", ".mp4")])
    if path.suffix == ".json" and chance.random() < 0.5 and path.read_bytes().count(b"\n{") == 0:
        return f"{path.name}: {hostile_models.spoil_json(path, chance)}"
    return f"{path.name}: {_damaged(path, chance)}"


def _damaged(path: Path, chance: random.Random) -> str:
    path.write_bytes(Mutator([path.read_bytes()]).draw(chance))
    return "damaged"


def _zip(it: Path, chance: random.Random) -> str:
    return hostile_models.keras_zip(it.with_suffix(".keras"), chance)


def _config(it: Path, chance: random.Random) -> str:
    path = it / "config.json"
    if chance.random() < 0.5:
        return hostile_models.spoil_json(path, chance)
    values = json.loads(path.read_text(encoding="utf-8"))
    values["model"] = chance.choice(("hostile:build", "hostile.build", "./hostile.py:build"))
    (it / "pilot.json").unlink()
    path.write_text(json.dumps(values))
    return "a model to import"


def _put_module(work: Path, mark: Path) -> None:
    """A module in the folder where the command runs, which leaves a mark when it is imported."""
    code = f"from pathlib import Path\nPath({str(mark)!r}).touch()\nbuild = None\n"
    for folder in (work, work / "it"):
        (folder / "hostile.py").write_text(code)
