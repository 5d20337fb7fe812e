"""``ghostlap demo``: record, look, train, drive, prove, show, in one command.

ghostlap demo --track lake
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.rule import Rule

from ghostlap.base.errors import DemoError
from ghostlap.base.files import read_json, refuse_link, remove, write_json
from ghostlap.base.folder_lock import locked_folder
from ghostlap.base.platform import quoted
from ghostlap.base.terminal import say
from ghostlap.commands.demo.config import DemoConfig
from ghostlap.commands.demo.stages import STAGES, Demo
from ghostlap.data.provenance import machine, versions
from ghostlap.sim.track.tracks import track_named

DEMO_FILE = "demo.json"

_MADE = ("recording", "explore", "run")
_CLEARING = "clearing"
"""Stands in ``demo.json`` while what an earlier demo made is being removed."""

console = Console(stderr=True, soft_wrap=True)


def demo(config: DemoConfig, console: Console = console) -> dict[str, Any]:
    """Run the stages of a demo that are not finished yet.

        >>> proof = ghostlap.demo(ghostlap.DemoConfig(quick=True))  # a minute and a half

    Returns:
        What ``demo.json`` in ``config.out`` holds, as JSON values: ``config``, ``stages`` (for each
        finished one ``seconds`` and ``result``), ``seconds`` of all, ``versions``, ``machine``.

    Raises:
        DemoError: ``config.out`` holds something else, a demo with other options, or one at work.
        TrackError: there is no such track.
        GhostlapError: a stage's own.
    """
    for package in ("keras", "av"):  # said before anything is made
        if importlib.util.find_spec(package) is None:
            raise DemoError(
                f"The demo needs the package {package}, which is not installed. Install Ghostlap "
                "with everything: pip install 'ghostlap[all]'"
            )
    track_named(config.track)
    with locked_folder(config.out, DEMO_FILE, "demo", DemoError):
        about = _begun(config)
        _go_on(Demo(config, console, about["stages"]), about)
    _tell_the_end(config, about, console)
    return about


def _begun(config: DemoConfig) -> dict[str, Any]:
    """The content of ``demo.json`` of an earlier call with these options, or of a new one."""
    path = config.out / DEMO_FILE
    for name in _MADE:
        refuse_link(config.out / name)
    if path.exists():
        about = _read(path)
        if config.fresh or about.get(_CLEARING):
            # A kill on the way leaves a demo that has done nothing.
            write_json(path, {"config": config.what_is_made(), "stages": {}, _CLEARING: True})
            for name in _MADE:  # and nothing that somebody else put there
                remove(config.out / name, config.out)
        elif about["config"] == config.what_is_made():
            return about
        else:
            raise DemoError(
                f"{config.out}: holds a demo with other options, {about['config']}. Add --fresh to "
                "remove it and begin anew, or name another --out."
            )
    about = {
        "config": config.what_is_made(),
        "stages": {},
        "seconds": 0.0,
        "versions": versions(),
        "machine": machine(),
    }
    write_json(path, about)
    return about


def _read(path: Path) -> dict[str, Any]:
    try:
        about = read_json(path)
        if isinstance(about["config"], dict) and isinstance(about["stages"], dict):
            return dict(about)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise DemoError(f"{path}: is not what a demo writes. Remove the folder, or name another --out.")


def _go_on(demo: Demo, about: dict[str, Any]) -> None:
    finished = demo.finished
    for number, stage in enumerate(STAGES, 1):
        title = f"{number}/{len(STAGES)} {stage.name}: {stage.what}"
        if stage.name in finished:
            demo.console.print(Rule(f"{title} (done before)", align="left", style="dim"))
            continue
        left = _left(demo.config, finished)
        demo.console.print(Rule(f"{title} ({left})", align="left"))
        began_s = time.perf_counter()
        result = stage.work(demo)
        seconds = time.perf_counter() - began_s
        finished[stage.name] = {"seconds": round(seconds, 2), "result": result}
        about["seconds"] = round(sum(done["seconds"] for done in finished.values()), 2)
        write_json(demo.config.out / DEMO_FILE, about)


def _left(config: DemoConfig, finished: dict[str, Any]) -> str:
    """The time left for all stages, estimated by the pace of the finished ones."""
    expected = {one.name: one.quick_s if config.quick else one.full_s for one in STAGES}
    took_s = sum(finished[name]["seconds"] for name in expected if name in finished)
    should_s = sum(seconds for name, seconds in expected.items() if name in finished)
    pace = took_s / should_s if should_s else 1.0
    left_s = pace * sum(seconds for name, seconds in expected.items() if name not in finished)
    minutes, seconds = divmod(5 * max(1, round(left_s / 5)), 60)
    return f"about {minutes}:{seconds:02d} min left for all"


def _tell_the_end(config: DemoConfig, about: dict[str, Any], console: Console) -> None:
    stages, run = about["stages"], config.out / "run"
    line = stages["evaluate"]["result"]["line"]
    console.print(Rule(style="dim"))
    named = quoted(run)
    say(
        console,
        f"{config.track}: autonomy {line['autonomy_percent']:.1f} % over "
        f"{line['episodes']} episodes and {line['distance_km']:.1f} km, each with its own start, "
        f"light and pushes; mean distance from the middle {line['mean_abs_cte_m']:.2f} m. "
        f"All of it took {about['seconds']:.0f} s.",
        "",
        f"The report: {stages['report']['result']['page']}",
        f"The video:  {stages['video']['result']['video']}",
        "",
        "Try next:",
        f"  ghostlap evaluate {named} --track random:1000 --track jungle --speed-limit 25",
        f"  ghostlap drive {named} --speed-limit 20     (drives Udacity's simulator)",
        "  ghostlap train YOUR_RECORDING --out runs/a",
    )
