"""What a training can be told: one frozen dataclass is API, command line and saved config."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from ghostlap.base.errors import TrainingError
from ghostlap.base.options import Cluster, Count, Options, Range, Seed, bytes_of
from ghostlap.base.platform import quoted
from ghostlap.data.auxiliary import AUXILIARIES
from ghostlap.data.dataset import MIN_SPEED_SHARE
from ghostlap.data.formats.config import Columns
from ghostlap.data.labels import AHEAD, AHEAD_S
from ghostlap.data.lines import BRANCHES
from ghostlap.data.loader import Order
from ghostlap.data.splits import SplitBy
from ghostlap.data.vision.preprocessing import SEED, Preprocessing
from ghostlap.pilots.run_folder import PILOT_FILE, run_file

SteeringCorrection = Annotated[float, Range(1e-6, 10), tyro.conf.arg(aliases=("--side-offset",))]
SpeedShare = Annotated[float, Range(0)]
Bins = Annotated[int, Range(1, 100_000)]
ValidationShare = Annotated[float, Range(0, 1, excluding=(0, 1))]


@dataclasses.dataclass(frozen=True)
class TrainConfig(Options, error=TrainingError):
    """Train a pilot on recordings.

    Example: ghostlap train rec/lake --out runs/lake
    """

    recordings: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Recordings of any format: driving_log.csv and IMG/, donkeycar tubs, LeRobot datasets, tables
    with pictures. Several are learned from together."""
    out: Path = Path("runs/pilot")
    """The run folder, made new; must not hold a run yet."""
    recipe: Literal["default", "seed003"] = "default"
    """Where the defaults of all other options come from."""
    columns: Columns = ()

    model: str = "pilotnet"
    """pilotnet, pilotnet_bn, pilotnet_small, pilotnet_residual, or package.module:function."""
    init: Path | None = None
    """Start from this earlier pilot (a run folder): its network, weights and preprocessing."""
    speed: bool = False
    """Learn the speed as a second output."""
    steering_std: Annotated[bool, tyro.conf.arg(aliases=("--spread",))] = False
    """Learn, as one more output, how far off the steering tends to be for what is seen: its
    standard deviation. A driver can slow down where it is large."""
    preprocessing: Preprocessing = SEED
    """What the network sees of a frame; adapts itself to the frames' size."""

    cameras: tuple[Literal["center", "left", "right"], ...] = ("center", "left", "right")
    """Views to learn from."""
    steering_correction: SteeringCorrection = 0.30
    """Steering added for the left camera and taken off for the right one: the feedback gain."""
    lead_s: Annotated[float, Range(0, 60)] = 0.0
    """Learn what the driver did so many seconds later, which makes up for delays in bends."""
    speed_weight: Annotated[float, Range(0, 100)] = 0.1
    """With --speed: how much its error, in 30 mph, counts in the loss; the steering's counts 1."""
    speed_lead_s: Annotated[float, Range(0, 60)] = 0.0
    """With --speed: learn a lower speed that the driver had so many seconds later, which makes the
    pilot brake before a bend. 0 is --lead-s."""
    steering_average_s: Annotated[float, Range(0, 60)] = 0.0
    """Learn the steering averaged over so many seconds around each moment: evens out taps of keys,
    say with 1."""
    auxiliary: str = ""
    """Learn beside the steering what only a simulator tells, and forget how to say it once trained:
    some of cte,heading,curvature,width,mask, or all. Recordings that do not say it count, too."""
    auxiliary_weight: Annotated[float, Range(0, 100)] = 0.3
    """With --auxiliary: how much each one's error counts in the loss; the steering's counts 1."""
    history: Annotated[int, Range(0, 16)] = 0
    """Remember so many earlier moments: what was seen then, the steering, and the car's speed.
    While driving each picture still costs no more than before."""
    history_step_s: Annotated[float, Range(0.05, 5)] = 0.2
    """With --history: time from each of them to the next."""
    history_hidden: Annotated[float, Range(0, 1, excluding=(1,))] = 0.5
    """With --history: share of samples that are not told the car's steering, of those without its
    speed and of those without earlier pictures. At 0 a pilot learns to steer as before, whatever
    it sees."""
    horizon: Annotated[float, Range(0, 1, unit="s")] = 0.0
    """Answer the steering of each tenth of a second up to so much later, too, say 0.5: an answer
    that takes effect late is then the one meant for that moment."""
    lines: bool = False
    """Learn to keep to the centre, the left lane or the right one, as told while driving. The
    recordings must say what was commanded, as those of 'ghostlap record --line switch' do."""
    min_speed_share: SpeedShare = MIN_SPEED_SHARE
    """Rows slower than this share of their recording's median speed are left out: standing,
    reversing and turning round are not driving. 0 keeps all."""
    bins: Bins = 25
    """Histogram bins over the steering, for balancing."""
    cap: Count | None = 400
    """At most so many rows a bin are kept; None keeps all."""
    split: SplitBy = "time"
    """How validation samples are chosen: blocks of time, whole recordings, or single images."""
    validation: ValidationShare = 0.2
    """Share of the samples for validation."""
    augment: str = "default"
    """none, default, seed003 or a .json file; then changes such as default,shear.p=0.2"""
    order: Order = "shuffled"
    """shuffled: every sample once before any comes again. drawn: each at random."""

    loss: Literal["mse", "huber"] = "mse"
    """Mean squared error, or Huber's, which counts large errors less."""
    optimizer: Literal["adam", "adamw"] = "adam"
    """adamw is Adam with weight decay."""
    weight_decay: Annotated[float, Range(0)] = 1e-4
    """Weight decay of adamw."""
    learning_rate: Annotated[float, Range(1e-12)] = 1e-3
    """The highest one of the schedule."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """How the learning rate goes after the warm-up: down to 0 along a cosine, or not at all."""
    warmup_steps: Annotated[int, Range(0)] = 100
    """Steps in which the learning rate rises from 0."""
    batch_size: Count = 50
    """Samples a step."""
    steps_per_epoch: Count | None = None
    """Batches an epoch; None is one pass over the training samples."""
    epochs: Count = 30
    """How long to train. A recording of ten thousand samples and more needs fewer, say 12."""
    patience: Count | None = None
    """Stop after so many epochs without a lower validation loss; None never stops early."""
    select_by: Literal["loss", "driving"] = "loss"
    """Which epoch's weights become the pilot: those of the lowest validation loss, or those that
    drive the embedded simulator best (autonomy, then cross-track error)."""
    select_every: Count = 3
    """For driving: every so many epochs, counted from the last, one is a candidate."""
    select_track: str = "lake"
    """For driving: the track that candidates drive."""
    select_speed: Annotated[float, Range(1)] = 30.0
    """For driving: the speed limit in mph."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16 computes layers in 16 bits and keeps weights in 32: faster where the machine can."""
    seed: Seed = 0
    """Seed of balance, split, initial weights, dropout, order and augmentation."""

    resume: bool = False
    """Continue the killed training in --out from its last whole epoch."""
    cache: Path | None = None
    """Folder for decoded frames; None is the user's cache folder (or $GHOSTLAP_CACHE)."""
    cache_limit: str = "20GB"
    """Decoded frames may take so much of the disk; what does not fit is read each time, which lets
    recordings be larger than the disk, at an address say, s3://bucket/lap."""
    workers: Count | None = None
    """Threads that make batches; None: one where a processor trains, up to four for a GPU."""
    seeds: Count = 1
    """Train so many pilots, of this seed and the next ones; say how far they differ, and keep the
    one that drives the embedded simulator best. Each has a run folder in --out."""
    critic: bool = False
    """Then let the pilot drive until it fails, and add a critic that knows failures seconds ahead,
    as 'ghostlap critic' does: hours of driving. It needs the simulator."""
    cluster: Cluster = ""
    """Ray cluster that works in place of this machine where something repeats, with --seeds or
    --select-by driving: auto, or host:port of its head. See docs/cluster.md."""
    task_cores: Count = 1
    """On a cluster: cores of a node for each of several trainings."""
    task_gpus: Annotated[float, Range(0)] = 0.0
    """On a cluster: GPUs of a node for each of several trainings; with 0.5 two share one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cache_limit_bytes, self.auxiliaries  # noqa: B018
        unsure = " How unsure it is, 'ghostlap critic' can tell of any pilot."
        clash = {"--steering-std": (self.steering_std, unsure), "--auxiliary": (self.auxiliary, "")}
        for option, (given, instead) in clash.items():
            if given and self.history:
                raise TrainingError(
                    f"--history: a pilot that remembers cannot learn {option} yet. Leave one of "
                    f"the two out.{instead}"
                )
        if self.lines and self.horizon:
            raise TrainingError(
                "--lines: a pilot that is told its line cannot learn --horizon yet. Leave one of "
                "the two out."
            )
        if 0 < self.horizon < AHEAD_S[0]:
            raise TrainingError(
                f"--horizon must be 0 or at least {AHEAD_S[0]:g} s: the steering is answered for "
                f"each tenth of a second up to it. Got {self.horizon:g}."
            )

    def to_json(self) -> dict[str, Any]:
        values = super().to_json()
        for where in ("critic", "cluster", "task_cores", "task_gpus"):
            del values[where]
        if self.init is not None:  # which may be the name of a pilot that comes along
            values["init"] = str(run_file(self.init, PILOT_FILE).parent.resolve())
        return values

    @property
    def cache_limit_bytes(self) -> int:
        """What ``cache_limit`` says."""
        return bytes_of("--cache-limit", self.cache_limit, TrainingError)

    @property
    def auxiliaries(self) -> tuple[str, ...]:
        """What ``auxiliary`` names, in the order of :data:`AUXILIARIES`."""
        named = self.auxiliary.replace(",", " ").split()
        if unknown := [name for name in named if name not in (*AUXILIARIES, "all")]:
            raise TrainingError(
                f"--auxiliary must be some of {','.join(AUXILIARIES)}, or all. Got {unknown[0]!r}."
            )
        return tuple(name for name in AUXILIARIES if {name, "all"} & set(named))

    @property
    def imports_code(self) -> bool:
        """Whether ``model`` names code that is imported, in place of a network of ours."""
        return ":" in self.model

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the network answers, in the order of :data:`ghostlap.pilots.run_folder.OUTPUTS`."""
        later = [name for name, s in zip(AHEAD, AHEAD_S, strict=True) if s <= self.horizon + 1e-6]
        asked = {"steering": True, "speed": self.speed, **dict.fromkeys(later, True)}
        asked |= {name: asked.get(name, self.lines) for name in BRANCHES.values()}
        asked["steering_std"] = self.steering_std
        return tuple(name for name, wanted in asked.items() if wanted)

    @property
    def lags_s(self) -> tuple[float, ...]:
        """How long ago the moments are that the network sees, this one first."""
        return tuple(round(i * self.history_step_s, 6) for i in range(self.history + 1))


def resume_command(config: TrainConfig) -> str:
    """The command that goes on with a training, to be pasted into a shell."""
    words = ["ghostlap", "train", "--resume", "--out", str(config.out)]
    return quoted(*words + (["--model", config.model] if config.imports_code else []))


RECIPES: dict[str, TrainConfig] = {
    "default": TrainConfig(),
    "seed003": TrainConfig(
        recipe="seed003",
        model="pilotnet",
        steering_correction=0.15,
        min_speed_share=0.0,
        split="image",
        augment="seed003",
        order="drawn",
        schedule="constant",
        warmup_steps=0,
        batch_size=100,
        steps_per_epoch=300,
        epochs=10,
    ),
}
"""Defaults to start from: Ghostlap's own, and seed 003's to the letter."""


def recipe_named(name: str) -> TrainConfig:
    """One of :data:`RECIPES`.

    Raises:
        TrainingError: there is none of that name.
    """
    if name not in RECIPES:
        raise TrainingError(f"--recipe must be one of {', '.join(RECIPES)}. Got {name!r}.")
    return RECIPES[name]
