"""``ghostlap benchmark``: any policy measured by a frozen suite, the same for everybody.

ghostlap benchmark runs/a expert --quick
ghostlap benchmark --check benchmark/v1-quick/a/result.json runs/a
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ghostlap.base.engine import connected, run_tasks
from ghostlap.base.errors import BenchmarkError, GhostlapError
from ghostlap.base.files import read_json, refuse_link, write_json
from ghostlap.base.folder_lock import FolderLock, replacing_output
from ghostlap.base.platform import quoted, words_of
from ghostlap.base.terminal import progress_bar, say, warn
from ghostlap.commands.evaluate import drive_the_rest
from ghostlap.data.vision.preprocessing import Preprocessing
from ghostlap.driving.benchmark.check import drive_again
from ghostlap.driving.benchmark.config import BenchmarkConfig
from ghostlap.driving.benchmark.result import RESULT_FILE, read_result, result_of
from ghostlap.driving.benchmark.suite import Suite, suite_named
from ghostlap.driving.evaluation.episode_files import Driven, drive_episodes
from ghostlap.driving.evaluation.folder import begin_folder
from ghostlap.driving.evaluation.results import Finished
from ghostlap.driving.measured import EVALUATION_FILE
from ghostlap.driving.policies.foreign import Foreign, Talk
from ghostlap.driving.policies.policy import KERAS_ENDINGS, Policy, policy_of
from ghostlap.driving.rollout.plan import EpisodesTask
from ghostlap.reports.benchmark.page import benchmark_page
from ghostlap.reports.page import require_own_page

PAGE_FILE = "benchmark.html"
_SHAPE = (160, 320, 3)

console = Console(stderr=True, soft_wrap=True)


def benchmark(config: BenchmarkConfig, console: Console = console) -> dict[str, Any]:
    """Measure policies by a suite, or check a result.

        >>> config = ghostlap.BenchmarkConfig("generalist", quick=True)
        >>> ghostlap.benchmark(config)["results"][0]["score"]["autonomy_percent"]
        96.00340136054422

    Returns:
        JSON values: ``results``, what each ``result.json`` holds, with its ``file`` and ``page``;
        or of a check ``problems`` (none), ``driven`` and ``same_bytes``.

    Raises:
        BenchmarkError: there is no such suite or policy, a policy cannot be started, or a checked
            result is not what it says. Other policies are measured first.
        PilotError: a run folder holds no usable pilot.
    """
    if config.check is not None:
        return _check(config, config.check, console)
    suite = suite_named(config.suite, config.quick)
    policies = [_policy(text, config) for text in config.policies]
    folders = [config.out / suite.name / policy.file_name for policy in policies]
    for folder in folders:
        if folders.count(folder) > 1:
            raise BenchmarkError(
                f"Two policies would both be kept in {folder}. Measure them one after another, "
                "each with a --name of its own."
            )
    results, failed = [], []
    for policy, folder in zip(policies, folders, strict=True):
        try:
            results.append(_measure(suite, policy, folder, config, console))
        except GhostlapError as error:  # the others are measured all the same
            failed.append(str(error))
            if policy is not policies[-1]:
                warn(console, str(error))
    if failed:
        raise BenchmarkError(" ".join(failed))
    return {"results": results}


def _policy(text: str, config: BenchmarkConfig) -> Policy:
    path = Path(text)
    if path.suffix.lower() in KERAS_ENDINGS and path.is_file():
        text = str(_imported(path, config.out / "imported"))
    policy = policy_of(
        text,
        config.name or "",
        frames=config.frames,
        answer_s=config.answer_s,
        start_s=config.start_s,
        memory_gib=config.memory_gib,
    )
    if config.cluster and isinstance(policy.driver, Foreign):
        raise BenchmarkError(
            f"{policy.name}: drives in a process here, which a cluster's nodes have not. "
            "Leave out --cluster."
        )
    return policy


def _imported(model: Path, out: Path) -> Path:
    """A run folder made of a Keras model, once; nothing inside the model is run."""
    import tyro

    from ghostlap.commands.import_model import import_model
    from ghostlap.pilots.keras_import.config import ImportConfig
    from ghostlap.pilots.keras_import.recipes import recipe_text
    from ghostlap.pilots.run_folder import PILOT_FILE

    run = out / f"{model.resolve().parent.name}-{model.stem}"
    about, script = model.with_name(f"{model.name}.json"), model.with_name("drive.py")
    if (run / PILOT_FILE).exists() and (run / PILOT_FILE).stat().st_mtime > model.stat().st_mtime:
        return run
    if about.is_file():
        try:
            told = read_json(about)
            recipe = recipe_text(Preprocessing.from_json(told["preprocessing"]))
            recipe += f" --output {told['outputs'].index('steering')}" * (len(told["outputs"]) > 1)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BenchmarkError(
                f"{about}: does not tell the preprocessing of {model.name} ({error}). 'ghostlap "
                "export' writes such a file; or import the model by hand."
            ) from error
        how = words_of(recipe)
    elif script.is_file():
        how = ["--script", str(script)]
    else:
        raise BenchmarkError(
            f"{model}: a model does not say what its pictures are made like, and neither "
            f"{about.name} nor drive.py lies beside it. 'ghostlap import {quoted(model)} "
            f"--like RECORDING --out {quoted(run)}' finds it out; then name {run}."
        )
    import_model(tyro.cli(ImportConfig, args=[str(model), "--out", str(run), *how]))
    return run


def _measure(
    suite: Suite, policy: Policy, folder: Path, config: BenchmarkConfig, console: Console
) -> dict[str, Any]:
    began_s = time.perf_counter()
    tasks = suite.tasks(policy)
    for path in (config.out, folder.parent, folder):
        refuse_link(path)
    page = folder / PAGE_FILE
    require_own_page(page, "benchmark")
    _require_start(policy)
    # What a begun benchmark must agree with; the machine may be another one.
    rests_on = {"suite": suite.name, "suite_blake2b": suite.blake2b, "frames": config.frames}
    heading = {"config": rests_on, "network_blake2b": policy.blake2b}
    finished: Finished = []
    with connected(config.cluster), FolderLock(folder, BenchmarkError):
        finished = begin_folder(folder, heading, tasks, config.resume)
        try:
            drive_the_rest(
                folder,
                config.processes,
                config.cluster,
                tasks,
                finished,
                console,
                abreast=policy.can_drive_abreast,
            )
        finally:
            if len(finished) < len(tasks):
                say(
                    console,
                    f"{policy.name}: {len(finished)} of {len(tasks)} drives are finished and kept; "
                    "the same command with --resume goes on from here",
                )
        finished.sort(key=lambda pair: tasks.index(pair[0]))
        result = result_of(suite, policy, finished, folder)
        html = benchmark_page(result, suite, finished)
        write_json(folder / EVALUATION_FILE, {"complete": True, **heading})
        write_json(folder / RESULT_FILE, result)
        with replacing_output(page, GhostlapError) as unfinished:
            unfinished.write_bytes(html.encode())
    _show(result, finished, folder, time.perf_counter() - began_s, console)
    return {**result, "file": str(folder / RESULT_FILE), "page": str(page)}


def _require_start(policy: Policy) -> None:
    """Let a policy in a process of its own start once, before a suite depends on it."""
    if isinstance(policy.driver, Foreign):
        talk = Talk(policy.driver)
        talk.begin(_SHAPE)
        problem = talk.problem
        talk.close()
        if problem:
            raise BenchmarkError(
                f"{policy.name}: cannot be started: it {problem}. docs/policies.md says what a "
                "policy must do."
            )


def _show(
    result: dict[str, Any], finished: Finished, folder: Path, seconds: float, console: Console
) -> None:
    name, score = result["policy"]["name"], result["score"]
    low, high = score["interval_95"]
    say(
        console,
        f"{name}: score {score['autonomy_percent']:.1f} ({low:.1f} to {high:.1f}), suite "
        f"{result['suite']['name']}, fingerprint {result['fingerprint']}",
        bold=f"score {score['autonomy_percent']:.1f}",
    )
    groups = [f"{one['group']} {one['autonomy_percent']:.1f} %" for one in result["groups"]]
    say(console, f"{', '.join(groups)}; {seconds / 60:.1f} min")
    problems = [one.problem for _, one in finished if one.problem]
    for problem in dict.fromkeys(problems):
        warn(
            console,
            f"{name} {problem}: ended in {problems.count(problem)} of {len(finished)} drives, in "
            "which the car stood from then on and someone had to take over",
        )
    faults = _faults(result)
    if faults:
        warn(console, f"{name}, faults in all drives together: {faults}")
    say(console, f"{RESULT_FILE}, {PAGE_FILE} and drives: {folder}", bold=folder)


def _faults(result: dict[str, Any]) -> str:
    counts: dict[str, int] = {}
    for one in result["episodes"]:
        for fault, count in one["faults"].items():
            counts[fault] = counts.get(fault, 0) + count
    return ", ".join(f"{fault} {count} times" for fault, count in sorted(counts.items()))


def _check(config: BenchmarkConfig, path: Path, console: Console) -> dict[str, Any]:
    result = read_result(path)
    if not config.policies:
        raise BenchmarkError(
            f"{path}: is of {result['policy']['name']!r:.80} ({result['policy']['kind']:.40}). "
            "Name that policy behind it to have it driven again: a result alone never says what "
            "is to be run here."
        )
    policy = _policy(config.policies[0], config)

    def drive(tasks: Sequence[EpisodesTask]) -> list[Driven]:
        with progress_bar(console, "{task.percentage:.0f} %") as progress:
            bar = progress.add_task("driving again", total=len(tasks))
            results = {}
            for place, driven in run_tasks(
                drive_episodes, tasks, processes=config.processes, cluster=config.cluster
            ):
                results[place] = driven
                progress.advance(bar)
        return [results[place] for place in range(len(tasks))]

    folder = path if path.is_dir() else path.parent
    checked = drive_again(result, folder, policy, config.drives, drive)
    if checked.problems:
        more = len(checked.problems) - 3
        raise BenchmarkError(
            f"{path}: is not what {policy.name} drives: {'; '.join(checked.problems[:3])}"
            + (f"; and {more} more." if more > 0 else ".")
            + " Measure the policy again, or do not believe the result."
        )
    off = checked.driven - checked.same_bytes
    say(
        console,
        f"{path}: score, table and fingerprint follow from its drives; {checked.driven} of them "
        f"driven again, {checked.same_bytes} the same to the byte"
        + (f", {off} within the tolerance of another machine" if off else ""),
    )
    return dataclasses.asdict(checked)
