"""One page about one run: what it says, what it says is missing, and how it looks in a browser."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tyro
from browser import open_browser
from drives import make_drive, save_drive
from hypothesis import given
from hypothesis import strategies as st
from places import ROOT
from recordings import draw_frame, make_recording
from rich.console import Console
from rings import ring_file
from small_pilot import make_pilot
from systems import posix
from trainings import add_to_description

import ghostlap.commands.evaluate as command
from ghostlap.base.errors import GhostlapError, PilotError
from ghostlap.base.files import write_json
from ghostlap.base.platform import quoted
from ghostlap.commands.evaluate import evaluate
from ghostlap.commands.report import report
from ghostlap.data.formats.readers import read_recording
from ghostlap.data.labels import steering_error
from ghostlap.data.provenance import fingerprint, versions
from ghostlap.driving.evaluation import episode_files
from ghostlap.driving.evaluation.results import read_drive
from ghostlap.driving.metrics import Drive
from ghostlap.driving.rollout.config import EvaluateConfig
from ghostlap.driving.rollout.episode import EpisodesResult
from ghostlap.driving.rollout.incidents import Incident, rows_around
from ghostlap.driving.rollout.plan import EpisodesTask
from ghostlap.pilots.pilot import Pilot
from ghostlap.reports.page import limits, number
from ghostlap.reports.report.charts import Chart, ticks
from ghostlap.reports.report.config import ReportConfig
from ghostlap.reports.report.curves import read_history
from ghostlap.reports.report.evaluations import read_evaluations
from ghostlap.reports.report.foresight import in_words
from ghostlap.reports.report.worst_moments import WorstMoment
from ghostlap.training.config import TrainConfig

if TYPE_CHECKING:
    from playwright.sync_api import Page as BrowserPage

SECTIONS = [
    "drives", "map", "moments", "figures", "stress", "recorded", "training", "offline",
    "saliency", "latency", "origin",
]  # fmt: skip
HOSTILE = "<script>alert('x')</script>"
TURNED = "a\N{RIGHT-TO-LEFT OVERRIDE}b"


def evaluate_by_hand(run: Path, track: str, fails: bool = True, **options: Any) -> None:
    """An evaluation of two seeds each way round, without a simulator: its drives are made up."""

    def driven(function: Any, tasks: list[EpisodesTask], **_: Any) -> Iterator[Any]:
        for index, task in enumerate(tasks):
            drives = tuple(
                make_drive(
                    12.0,
                    1 if fails and not task.by_expert and episode.seed == 1 else 0,
                    s_m=np.linspace(0, 120, 241) % task.length_m,
                    cte_m=(0.1 if task.by_expert else 0.6 + episode.seed)
                    * np.sin(np.arange(241) / 30),
                    margin_m=2.0,
                    steering=0.1 * np.sin(np.arange(241) / 9),
                )
                for episode in task.episodes
            )
            fell = [(at, int(row)) for at, one in enumerate(drives)
                    for row in np.flatnonzero(one.intervention)]  # fmt: skip
            worst = int(np.abs(drives[0].cte_m).argmax())
            nothing = (0,) * len(drives)
            result = EpisodesResult(
                drives, tuple(seen(drives, *one) for one in fell), nothing, nothing, 1.0,
                None if task.by_expert else seen(drives, 0, worst),
            )  # fmt: skip
            yield index, episode_files.as_files(task, result)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "run_tasks", driven)
        patch.setattr(command, "save_map", lambda *_: None)
        patch.setattr(episode_files, "strip_png", lambda *_: b"")
        config = EvaluateConfig(
            run, track=(track,), seeds=2, conditions="fixed", speed_limit=25.0, **options
        )
        evaluate(config, Console(file=io.StringIO()))


def seen(drives: tuple[Drive, ...], episode: int, row: int) -> Incident:
    rows = rows_around(drives[episode], row)
    frames = [draw_frame(float(drives[episode].steering[at]), distance_m=at) for at in rows]
    return Incident(episode, row, rows, np.stack(frames))


class Page(HTMLParser):
    """The tags and the text of a page, and the text of each section."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.sections: dict[str, str] = {}
        self.images: list[str] = []
        self.html = path.read_text(encoding="utf-8")
        self._section = ""
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = dict(attrs)
        if tag == "section":
            self._section = values["id"] or ""
            self.sections[self._section] = ""
        if tag == "img":
            assert values["alt"]
            self.images.append(values["src"] or "")

    def handle_data(self, data: str) -> None:
        if self._section:
            self.sections[self._section] += f"{data} "

    def says(self, section: str) -> str:
        return " ".join(self.sections[section].split())


def written(run: Path, **options: Any) -> tuple[dict[str, Any], Page]:
    result = report(ReportConfig(run, **options), Console(file=io.StringIO()))
    return result, Page(Path(result["page"]))


def tell_of_training(run: Path, recordings: list[Path], **more: Any) -> None:
    """Have ``pilot.json`` say that the pilot was trained on recordings."""
    config = TrainConfig(recordings=tuple(recordings), out=run, cap=20)
    add_to_description(
        run,
        {
            "training": {
                **config.to_json(),
                "recordings_seen": fingerprint([read_recording(path) for path in recordings]),
                "best_epoch": 2,
                **more,
            },
            "versions": versions(),
            "metrics": {
                "validation": dataclasses.asdict(
                    steering_error(np.array([0.1, -0.2]), np.array([0.1, -0.1]))
                )
            },
        },
    )


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("rec") / "weaving", rows=60)


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> str:
    return ring_file(tmp_path_factory.mktemp("tracks"))


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory, recording: Path, ring: str) -> Path:
    """A run folder with everything that a report shows but saliency; not to be changed."""
    run = make_pilot(tmp_path_factory.mktemp("runs") / "a")
    tell_of_training(run, [recording])
    (run / "history.csv").write_text("epoch,loss,val_loss\n1,0.06,0.05\n2,0.03,0.02\n3,0.02,0.03\n")
    evaluate_by_hand(run, ring, against=(recording,))
    drive = run / "drive-1"
    drive.mkdir()
    rows = "".join(f"c{i}.jpg,0.0,{2 + i % 7}.5\n" for i in range(200))
    (drive / "predictions.csv").write_text("center,steering,latency_ms\n" + rows)
    return run


@pytest.fixture(scope="module")
def page(complete: Path) -> Page:
    return written(complete)[1]


@pytest.fixture
def changed(complete: Path, tmp_path: Path) -> Path:
    """A copy of the complete run folder, to be changed."""
    return Path(shutil.copytree(complete, tmp_path / "a"))


# A complete run


def test_every_section_is_there_and_the_page_needs_nothing_else(complete: Path) -> None:
    result, page = written(complete)
    assert result["page"] == str(complete / "report.html")
    assert result["sections"] == list(page.sections) == SECTIONS
    assert result["bytes"] == (complete / "report.html").stat().st_size < 3e6
    assert result["moments"] == len(re.findall('class="moment"', page.html)) > 0
    assert re.findall(r'href="#(\w+)"', page.html) == SECTIONS[1:]
    assert not {"script", "link", "iframe", "object", "form"} & page.tags
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.images)
    assert "default-src 'none'" in page.html
    assert not re.search(r"https?://", page.html)


def test_the_figures_on_top_are_those_of_the_evaluation(complete: Path, page: Page) -> None:
    saved = json.loads((complete / "evaluate" / "ring-25mph" / "evaluation.json").read_text())
    line, expert = (
        next(one for one in saved["lines"] if one["driver"] == who) for who in ("pilot", "expert")
    )
    says = page.says("drives")
    for name, digits in (
        ("autonomy_percent", 1), ("off_road_per_km", 2), ("mean_abs_cte_m", 2),
        ("steering_rate_per_s", 2),
    ):  # fmt: skip
        assert number(line[name], digits) in says
        assert f"expert: {number(expert[name], digits)}" in says
        low, high = line["interval_95"][name]
        assert (f"95 %: {number(low, digits)}" in says) or low == high
    assert line["interventions"] > 0
    assert f"Someone had to take over {line['interventions']:.0f} times" in says
    assert "4 episodes of 2 seeds a track" in says
    assert "speed limit 25 mph" in says


def test_worst_moments_are_shown_as_frames_with_where_and_when(complete: Path, page: Page) -> None:
    says = page.says("moments")
    assert "The car left the road" in says
    assert "0.00 s" in says
    assert "ring, forward, seed" in says
    strips = re.findall(r'<ol class="strip">(.*?)</ol>', page.html, re.S)
    assert all(strip.count("<img") == strip.count("<li") > 1 for strip in strips)
    assert all(strip.count('class="here"') == 1 for strip in strips)
    assert page.html.count('class="badge"') >= len(strips)


def test_a_pilot_that_never_fails_has_worst_moments_too(ring: str, tmp_path: Path) -> None:
    run = make_pilot(tmp_path / "a")
    evaluate_by_hand(run, ring, fails=False)
    result, page = written(run)
    assert result["moments"] == 2
    says = page.says("moments")
    assert "Nobody had to take over" in says
    assert "1 1.60 m left of the centre line, 2.00 m from the edge" in says
    assert "2 0.60 m left of the centre line" in says
    assert "without anyone taking over" in page.says("drives")
    assert "with 95 % confidence there is fewer than one in" in page.says("drives")
    assert "same in all 2 seeds" in page.says("drives")


def test_what_a_critic_foresaw_is_said(changed: Path) -> None:
    drives = changed / "evaluate" / "ring-25mph" / "drives"
    for name, before_s in (("ring-1-forward", 2.0), ("ring-1-backward", 8.0)):
        drive = read_drive(drives / f"{name}.csv")
        failed = np.isclose(drive.time_s, 10.0).astype(np.int8)
        doubt = np.where(np.isclose(drive.time_s, 10.0 - before_s), 3.0, -3.0)
        told = dataclasses.replace(drive, intervention=failed, spread=doubt)
        save_drive(told, drives / f"{name}.csv")
    found, _ = read_evaluations(changed)
    assert in_words(found, 1.0) == (
        "The pilot's critic foresaw 1 of 2 interventions within 5 s, 2.0 s ahead at the median. "
        "Not foreseen: 1 on ring. Warnings for nothing: 0 in 0.2 km."
    )
    assert in_words(found, None) == in_words([], 1.0) == ""
    moment = WorstMoment(1, found[0].episodes[0], told, 200, (), 1.0, evaluation=found[0])
    assert moment.headline == "The car left the road, not foreseen"


def test_the_pilot_is_shown_what_it_was_not_trained_on(recording: Path, tmp_path: Path) -> None:
    """Where the split can be drawn again; with other counts it is not the same split."""
    run = make_pilot(tmp_path / "a")
    tell_of_training(run, [recording])
    unsure = written(run)[1].says("offline")
    assert "may have been trained on" in unsure
    counts = samples_of(recording)
    tell_of_training(run, [recording], training_samples=counts[0], validation_samples=counts[1])
    result, page = written(run)
    assert "which the pilot was not trained on" in page.says("offline")
    assert "may have been trained on" not in page.says("offline")
    assert 0 < result["frames"] < 60
    assert "Labels, training against validation" in page.says("recorded")


def samples_of(recording: Path) -> tuple[int, int]:
    from ghostlap.data.dataset import make_samples
    from ghostlap.data.splits import split

    config = TrainConfig(cap=20)
    samples = make_samples(
        [read_recording(recording)], cap=20, min_speed_share=config.min_speed_share
    )
    training, validation = split(samples, "time", config.validation, config.seed)
    return len(training), len(validation)


def test_the_offline_error_is_that_of_the_frames(complete: Path, recording: Path) -> None:
    from ghostlap.data.vision.pictures import read_rgb

    result, page = written(complete, frames=1000)
    frames = read_recording(recording).frames
    pilot = Pilot.load(complete)
    answers = np.array([pilot.steer(read_rgb(name)) for name in frames["center"]])
    error = steering_error(answers, frames["steering"].to_numpy())
    assert result["frames"] == len(frames)
    says = page.says("offline")
    for value, digits in ((error.pearson_r, 3), (error.mae, 4), (error.zero_mae, 4)):
        assert number(value, digits) in says
    assert "weaving (ring-25mph)" in says  # what --against measured


def test_so_many_frames_and_no_more(complete: Path) -> None:
    assert written(complete, frames=7)[0]["frames"] == 7


def test_other_sections_say_what_the_files_say(page: Page) -> None:
    assert "lowest: epoch 2" in page.says("training")
    assert "this pilot is of epoch 2" in page.says("training")
    assert "drive-1 200 5.5" in page.says("latency")
    assert "removed" in page.says("recorded")
    assert "weaving" in page.says("recorded")
    assert versions()["numpy"] in page.says("origin")
    assert "steering correction 0.3" in page.says("origin")
    assert "forward, 2 drives" in page.says("map")


def test_saliency_is_laid_over_recorded_frames(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Looking:
        @classmethod
        def load(cls, folder: Path, threads: int = 1) -> Looking:
            return cls()

        def maps(self, frames: np.ndarray) -> np.ndarray:
            return np.ones((len(frames), 75, 320), np.float32)

    monkeypatch.setattr("ghostlap.pilots.saliency.Saliency", Looking)
    run = make_pilot(tmp_path / "a")
    tell_of_training(run, [recording])
    page = written(run)[1]
    assert 1 < len(page.images) <= 6
    assert re.search(r"pilot \S+, person \S+", page.says("saliency"))


def test_the_same_run_gives_the_same_page(complete: Path, tmp_path: Path) -> None:
    pages = [written(complete, out=tmp_path / name)[1].html for name in ("1.html", "2.html")]
    assert pages[0] == pages[1]


def test_the_package_takes_every_template_along() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["ghostlap"]
    package = ROOT / "src" / "ghostlap"
    packed = {path for pattern in patterns for path in package.glob(pattern)}
    templates = {p for p in (package / "reports" / "pages").rglob("*") if p.is_file()}
    assert len(templates) > len(SECTIONS)
    assert templates <= packed


# What is missing


def test_a_pilot_alone_gets_a_page_that_says_what_to_do(tmp_path: Path) -> None:
    run = make_pilot(tmp_path / "my run")
    result, page = written(run)
    assert result["sections"] == SECTIONS
    assert result["evaluations"] == []
    assert "Not known yet." in page.says("drives")
    evaluate_it = f"ghostlap evaluate {quoted(run)}"
    for section, said in {
        "drives": f"{evaluate_it} --track lake",
        "map": evaluate_it,
        "moments": evaluate_it,
        "figures": evaluate_it,
        "stress": "--stress",
        "recorded": "names no recordings",
        "training": "There is no history.csv",
        "offline": "--against REC",
        "saliency": evaluate_it,
        "latency": f"ghostlap drive {quoted(run)} --record",
        "origin": "does not tell how the pilot was trained",
    }.items():
        assert said in page.says(section), section


def test_recordings_that_are_gone_can_be_named(recording: Path, tmp_path: Path) -> None:
    run = make_pilot(tmp_path / "a")
    gone = Path(shutil.copytree(recording, tmp_path / "gone"))
    tell_of_training(run, [gone])
    shutil.rmtree(gone)
    page = written(run)[1]
    assert f"{gone}: there is no such" in page.says("recorded") or "gone" in page.says("recorded")
    assert "--recordings REC" in page.says("recorded")
    assert "gone 60 rows" in page.says("recorded")
    result, page = written(run, recordings=(recording,))
    assert result["frames"] > 0
    assert "have changed since" not in page.says("recorded")


def test_other_recordings_than_the_training_had_are_said_to_be_others(
    recording: Path, tmp_path: Path
) -> None:
    run = make_pilot(tmp_path / "a")
    tell_of_training(run, [recording])
    other = make_recording(tmp_path / "other", rows=20, step_ms=90)
    assert "have changed since" in written(run, recordings=(other,))[1].says("recorded")


def test_frames_that_were_not_kept_can_be_had(changed: Path) -> None:
    shutil.rmtree(changed / "evaluate" / "ring-25mph" / "moments")
    says = written(changed)[1].says("moments")
    assert "kept no frames" in says
    assert f"ghostlap evaluate {changed} --name ring-25mph" in says


def test_figures_of_an_earlier_network_are_not_taken_for_the_present_ones(changed: Path) -> None:
    path = changed / "evaluate" / "ring-25mph" / "evaluation.json"
    write_json(path, {**json.loads(path.read_text()), "network_blake2b": "0" * 32})
    page = written(changed)[1]
    assert "of an earlier network of this run folder" in page.says("drives")
    assert "earlier network" in page.says("figures")


def test_a_stopped_evaluation_is_said_to_be_one(changed: Path) -> None:
    path = changed / "evaluate" / "ring-25mph" / "evaluation.json"
    write_json(path, {**json.loads(path.read_text()), "complete": False})
    says = written(changed)[1].says("drives")
    assert "stopped before it was complete" in says
    assert "--resume" in says


def test_a_track_that_is_gone_leaves_everything_else(changed: Path, tmp_path: Path) -> None:
    path = changed / "evaluate" / "ring-25mph" / "evaluation.json"
    gone = str(tmp_path / "gone.csv")
    values = json.loads(path.read_text())
    for one in values["lines"] + values["episodes"]:
        one["track"] = gone
    write_json(path, values)
    page = written(changed)[1]
    assert "The track cannot be drawn" in page.says("map")
    assert "Someone had to take over 2 times" in page.says("drives")


# What is broken


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: text.replace('"autonomy_percent"', '"autonomy"'),
        lambda text: re.sub(r'"elapsed_s": [\d.]+', '"elapsed_s": NaN', text),
        lambda text: text.replace('"seeds": 2', '"seeds": []'),
    ],
)
def test_an_evaluation_that_cannot_be_read_is_named(changed: Path, spoil: Any) -> None:
    path = changed / "evaluate" / "ring-25mph" / "evaluation.json"
    path.write_text(spoil(path.read_text()))
    result, page = written(changed)
    assert result["evaluations"] == []
    assert "evaluate/ring-25mph/evaluation.json cannot be read" in page.says("drives")
    assert "Not known yet." in page.says("drives")


def test_drives_and_frames_that_are_broken_are_left_out(changed: Path) -> None:
    out = changed / "evaluate" / "ring-25mph"
    for path in (out / "drives").glob("*forward.csv"):
        path.write_text("junk")
    for path in (out / "moments").iterdir():
        path.write_bytes(path.read_bytes()[:500])
    (out / "moments" / "strange.jpg").write_bytes(b"")
    result, page = written(changed)
    assert result["moments"] == 0
    assert "cannot be read and are not drawn" in page.says("map")
    assert "backward, 2 drives" in page.says("map")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch,loss,val_loss\n1,0.5,0.4\nx,y,z\n2,nan,0.3\n3,0.1\n4,0.2,0.2\n", "3 rows hold no"),
        ("\x00\xff junk", "it has no column epoch, loss, val_loss"),
        ("", "it has no column"),
        ("epoch,loss,val_loss\n", "holds no epoch"),
    ],
)
def test_junk_in_the_history_is_said(tmp_path: Path, text: str, said: str) -> None:
    run = make_pilot(tmp_path / "a")
    (run / "history.csv").write_text(text, encoding="latin-1")
    assert said in written(run)[1].says("training")


@given(st.text(alphabet="0123456789.,-enaif\n x", max_size=200))
def test_any_history_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("h") / "history.csv"
    path.write_text("epoch,loss,val_loss\n" + text)
    history, junk = read_history(path)
    assert junk >= 0
    assert all(np.isfinite(row).all() for row in history)


def test_a_drive_without_latencies_is_said(changed: Path) -> None:
    (changed / "drive-1" / "predictions.csv").write_text("center,latency_ms\na.jpg,\n")
    assert "it holds no latency_ms" in written(changed)[1].says("latency")
    (changed / "drive-1" / "predictions.csv").write_text("center,latency_ms\na.jpg,x\n")
    assert "latency_ms must be a finite number" in written(changed)[1].says("latency")


def test_what_cannot_be_done(complete: Path, tmp_path: Path) -> None:
    with pytest.raises(PilotError, match="no such run folder"):
        report(ReportConfig(tmp_path / "none"))
    other = tmp_path / "page.html"
    other.write_text("<p>mine")
    with pytest.raises(GhostlapError, match="not made by 'ghostlap report'"):
        report(ReportConfig(complete, out=other))
    assert other.read_text() == "<p>mine"
    with pytest.raises(GhostlapError, match="cannot be written"):
        report(ReportConfig(complete, out=other / "in-a-file.html"))
    with pytest.raises(GhostlapError, match="--out must be a file ending in .html. Got page.pdf"):
        ReportConfig(complete, out=Path("page.pdf"))
    with pytest.raises(GhostlapError, match="--frames must be from 1 to 20000. Got 0"):
        ReportConfig(complete, frames=0)


def test_the_command_line() -> None:
    config = tyro.cli(ReportConfig, args=["runs/a"])
    assert config.page == Path("runs/a/report.html")
    moved = tyro.cli(ReportConfig, args=["runs/a", "--recordings", "x", "y", "--out", "b.html"])
    assert moved.recordings == (Path("x"), Path("y"))
    assert moved.page == Path("b.html")


# Text of others


@posix("angle brackets in names")
def test_text_of_others_is_only_text(changed: Path) -> None:
    path = changed / "evaluate" / "ring-25mph" / "evaluation.json"
    values = json.loads(path.read_text())
    for one in values["lines"] + values["episodes"]:
        one["track"] = HOSTILE
    values["config"]["conditions"] = HOSTILE
    values["machine"] = {"processor": HOSTILE}
    values["against"][0]["recording"] = HOSTILE
    for one in values["episodes"]:
        one["drive"] = "../../../" + one["drive"]
    write_json(path, values)
    described = json.loads((changed / "pilot.json").read_text())
    described["training"]["recordings_seen"][0]["folder"] = f"/tmp/{HOSTILE}"
    described["training"]["model"] = HOSTILE
    described["versions"] = {HOSTILE: HOSTILE, "python": TURNED}
    write_json(changed / "pilot.json", described)
    (changed / "drive-1").rename(changed / "<script>drive")
    page = written(changed)[1]
    assert "script" not in page.tags
    assert "<script" not in page.html
    assert HOSTILE in page.says("drives")
    assert HOSTILE in page.says("origin")
    assert TURNED not in page.html
    assert r"a\u202eb" in page.says("origin")
    assert "<script>drive" in page.says("latency")


# Pieces


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_few_and_within(low: float, size: float) -> None:
    high = low + size
    if high - low < 1e-9 * max(1.0, abs(low)):
        return
    found = ticks(low, high)
    assert 1 <= len(found) <= 8
    slack = 1e-6 * (high - low) + 1e-9 * abs(low)
    assert all(low - slack <= value <= high + slack for value in found)


def test_numbers_are_written_for_people() -> None:
    assert number(-1234.567, 1) == "\N{MINUS SIGN}1,234.6"
    assert number(-0.0001, 2, sign=True) == "0.00"
    assert number(0.5, 2, sign=True) == "+0.50"
    assert number(None, 2) == number(float("nan"), 2) == "\N{EN DASH}"
    assert limits((0.071, 0.129), 2) == "0.07 to 0.13"
    assert limits((0.071, 0.0712), 2) == limits(None, 2) == ""


def test_lines_break_off_where_nothing_is_known() -> None:
    chart = Chart((0, 3), (0, 1), "x", "y")
    chart.line([0, 1, 2, 3], [0, np.nan, 1, 1], "data")
    assert re.search(r'class="line data" d="M[^ML"]*M[^M"]*L[^M"]*"', chart.svg("a chart"))


def test_a_standing_car_has_a_map(changed: Path) -> None:
    for path in (changed / "evaluate" / "ring-25mph" / "drives").glob("*.csv"):
        save_drive(make_drive(1.0, s_m=3.0, distance_m=0.0), path)
    assert "forward, 2 drives" in written(changed)[1].says("map")


# In a browser


def watched(page: BrowserPage) -> tuple[list[str], list[str]]:
    """What the browser complains of and asks for, from now on."""
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    return complaints, requests


@pytest.mark.parametrize("which", ["complete", "alone"])
def test_it_looks_right_in_a_browser(which: str, complete: Path, tmp_path: Path) -> None:
    run = complete if which == "complete" else make_pilot(tmp_path / ("a-long-name-" * 12))
    path = Path(written(run)[0]["page"])
    with open_browser() as browser:
        for width, height, scheme in ((390, 844, "light"), (1280, 900, "dark")):
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme=scheme,  # type: ignore[arg-type]
            )
            complaints, requests = watched(page)
            page.goto(path.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            widest = page.evaluate(
                "Math.max(...[...document.querySelectorAll('main > section > *')]"
                ".map(one => one.getBoundingClientRect().right))"
            )
            assert widest <= width
            natural = page.evaluate("[...document.images].map(one => one.naturalWidth)")
            assert all(pixels > 0 for pixels in natural)
            assert (len(natural) > 0) == (which == "complete")
            assert page.locator("h1").is_visible()
            assert page.locator("section").count() == len(SECTIONS)
            assert complaints == []
            assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
            if width == 1280:
                pdf = page.pdf(format="A4")
                assert pdf.startswith(b"%PDF")
                assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 2
            page.close()
