"""What ``python -m benchmarks sim`` prints."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from ghostlap.base.terminal import say


def show(figures: dict[str, Any], console: Console) -> None:
    """Print what :func:`benchmarks.sim.measure` found."""
    console.print(_one_core(figures))
    console.print(_batch("Cars at once, one core, a whole picture each", figures["batch"]))
    if "cuda_batch" in figures:
        console.print(_batch("Cars at once, CUDA, pictures stay there", figures["cuda_batch"]))
        off = figures["cuda_difference"]
        say(
            console,
            f"CUDA against CPU: mean difference {off['mean']:.3f} of 255, "
            f"{off['by_more_than_3']:.2%} of the values off by more than 3",
        )
    limit, after = figures["limit"], figures["limit_after"]
    say(
        console,
        "one core's limit, before and after: copying "
        f"{limit['copy_gb_per_s']:.1f} and {after['copy_gb_per_s']:.1f} GB/s, multiplying "
        f"{limit['multiply_gflops']:.1f} and {after['multiply_gflops']:.1f} GFLOP/s",
    )


def _one_core(figures: dict[str, Any]) -> Table:
    pictures, recording = figures["pictures"], figures["recording"]
    multiplications = figures["limit"]["multiply_gflops"] * 1e9 / pictures["pixels_per_s"]
    uncached, cached = figures["start"]["uncached"], figures["start"]["cached"]
    table = Table(title="Simulator, 320x160")
    for column, justify in (("what", "left"), ("figure", "right"), ("unit", "left")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    rows: list[tuple[str, str, str]] = [
        ("pictures, one camera", f"{pictures['frames_per_s']:.0f}", "frames/s"),
        ("cores used by that", f"{pictures['cores_used']:.2f}", ""),
        (
            "the same, had it had the core to itself",
            f"{pictures['frames_per_s'] / pictures['cores_used']:.0f}",
            "frames/s",
        ),
        ("a pilot's rows 60:135 of them", f"{pictures['pilot_rows_per_s']:.0f}", "frames/s"),
        (
            "a world with three cameras and the expert",
            f"{pictures['three_cameras_steps_per_s']:.0f}",
            "steps/s",
        ),
        ("JPEGs of quality 75", f"{pictures['jpegs_per_s']:.0f}", "frames/s"),
        ("time of a pixel", f"{1e9 / pictures['pixels_per_s']:.0f}", "ns"),
        ("multiplications at the limit meanwhile", f"{multiplications:.0f}", ""),
        *(
            (
                f"physics step / expert's control, {row['cars']} cars",
                f"{row['step_us']:.0f} / {row['expert_us']:.0f}",
                "us",
            )
            for row in figures["physics"]
        ),
        ("imports", f"{cached['imports_s']:.2f}", "s"),
        ("scene, made / read", f"{uncached['scene_s']:.2f} / {cached['scene_s']:.2f}", "s"),
        (
            "kernels, compiled / read",
            f"{uncached['kernels_s']:.2f} / {cached['kernels_s']:.2f}",
            "s",
        ),
        (
            f"recording {recording['laps']} laps, three cameras, "
            f"{recording['processes']} processes",
            f"{recording['seconds']:.1f}",
            "s",
        ),
        ("processor time of that", f"{recording['processor_s']:.1f}", "s"),
        ("recording", f"{recording['frames_per_s']:.0f}", "frames/s"),
    ]
    for row in rows:
        table.add_row(*row)
    return table


def _batch(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=title)
    for column in ("cars", "frames/s", "memory MB", "of the GPU MB"):
        table.add_column(column, justify="right")
    for row in rows:
        of_gpu = "" if row["device_mb"] is None else f"{row['device_mb']:.0f}"
        table.add_row(
            str(row["cars"]), f"{row['frames_per_s']:.0f}", f"{row['peak_mb']:.0f}", of_gpu
        )
    return table
