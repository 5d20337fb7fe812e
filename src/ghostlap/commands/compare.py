"""``ghostlap compare``: results of ``ghostlap benchmark`` side by side.

ghostlap compare benchmark/v1/a benchmark/v1/b --video parting.mp4
"""

from __future__ import annotations

import dataclasses
from typing import Any

from rich.console import Console

from ghostlap.base.errors import BenchmarkError, GhostlapError
from ghostlap.base.folder_lock import replacing_output
from ghostlap.base.terminal import say
from ghostlap.driving.benchmark.comparison import (
    Difference,
    differences,
    partings,
    read_comparable,
    told_apart,
)
from ghostlap.driving.benchmark.config import CompareConfig
from ghostlap.reports.benchmark.compare import compare_page, write_video
from ghostlap.reports.page import require_own_page

console = Console(stderr=True, soft_wrap=True)


def compare(config: CompareConfig, console: Console = console) -> dict[str, Any]:
    """Compare results, and write a page about them.

        >>> results = "benchmark/v1-quick/generalist", "benchmark/v1-quick/constant-zero"
        >>> ghostlap.compare(ghostlap.CompareConfig(results))["differences"]["constant-zero"][0]
        {'name': 'score', 'value': -96.00340136054422, 'interval': (-98.3..., -93.4...)}

    Returns:
        JSON values: ``page``, ``scores`` (best first), ``differences`` (to the first result: score
        and groups, by name), ``told_apart`` (what is different about them) and ``partings``.

    Raises:
        BenchmarkError: a result cannot be read, or they are of different suites or versions.
    """
    suite, results = read_comparable(config.results)
    require_own_page(config.out, "compare")
    names = _names(results)
    apart = {
        name: differences(suite, results[0], one)
        for name, one in zip(names[1:], results[1:], strict=True)
    }
    folders = [path if path.is_dir() else path.parent for path in config.results[:2]]
    with console.status("looking where they part …"):
        found = partings(suite, results[:2], folders)
        unlike = told_apart(results)
        html = compare_page(suite, results, names, apart, unlike, found)
        with replacing_output(config.out, GhostlapError) as unfinished:
            unfinished.write_bytes(html.encode())
        if config.video is not None:
            if not found:
                raise BenchmarkError(
                    f"--video {config.video}: the first two nowhere differ in interventions, or "
                    "their drives do not lie beside the results. Leave it out."
                )
            with replacing_output(config.video, BenchmarkError) as unfinished:
                write_video(found, names[:2], unfinished)
    of = dict(zip(names, (one["score"]["autonomy_percent"] for one in results), strict=True))
    scores = sorted(of.items(), key=lambda pair: -pair[1])
    for name, score in scores:
        say(console, f"{score:5.1f}  {name}" + _in_words(apart.get(name), names[0]))
    say(console, f"{config.out}: {len(found)} moments where {names[0]} and {names[1]} part")
    return {
        "page": str(config.out),
        "scores": [{"name": name, "autonomy_percent": score} for name, score in scores],
        "differences": {
            name: [dataclasses.asdict(one) for one in some] for name, some in apart.items()
        },
        "told_apart": unlike,
        "partings": [
            {"drive": str(one.task), "time_s": float(one.drives[0].time_s[one.row])}
            for one in found
        ],
    }


def _names(results: list[dict[str, Any]]) -> list[str]:
    """Names of policies, each told from the others."""
    names = [one["policy"]["name"] for one in results]
    return [
        f"{name} ({place})" if names.count(name) > 1 else name
        for place, name in enumerate(names, 1)
    ]


def _in_words(some: list[Difference] | None, first: str) -> str:
    if not some:
        return ""
    score = some[0]
    low, high = score.interval
    clear = "" if score.is_clear else ", no clear difference"
    return f": {score.value:+.1f} to {first} ({low:+.1f} to {high:+.1f}){clear}"
