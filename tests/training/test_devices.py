"""Several devices of one machine share each batch; the pilot is that of one device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from places import ROOT
from recordings import make_recording

TRAINS = """
import json, sys
from pathlib import Path
from rich.console import Console
from ghostlap.base.errors import GhostlapError
from ghostlap.commands.train import train
from ghostlap.pilots.backend import keras
from ghostlap.training.config import TrainConfig

recording, out, cache, batch_size = sys.argv[1:]
config = TrainConfig(
    (Path(recording),), out=Path(out), cache=Path(cache), model="pilotnet_small", epochs=2,
    steps_per_epoch=4, batch_size=int(batch_size), warmup_steps=0,
)
try:
    result = train(config, Console(quiet=True))
except GhostlapError as error:
    sys.exit(str(error))
weights = [float(abs(one).sum()) for one in
           keras.saving.load_model(config.out / "model.keras", compile=False).get_weights()]
devices = keras.distribution.list_devices()
print(json.dumps({"devices": len(devices), "loss": result.val_loss, "weights": weights}))
"""


def python_with_jax(folder: Path) -> Path:
    """This environment, and JAX beside it."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.check_output(asked, text=True).strip())
    (packages / "beside.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    installed = subprocess.run([python, "-m", "pip", "install", "-q", "jax"], check=False)
    if installed.returncode:
        pytest.skip("JAX cannot be installed here")
    return python


@pytest.mark.slow
def test_two_devices_share_each_batch_and_come_to_the_same(tmp_path: Path) -> None:
    python = python_with_jax(tmp_path / "venv")
    recording = make_recording(tmp_path / "rec", rows=43)  # its last batch cannot be halved

    def trained(devices: int, batch_size: int = 16) -> subprocess.CompletedProcess[str]:
        arguments = [recording, tmp_path / f"run-{devices}-{batch_size}", tmp_path / "cache"]
        return subprocess.run(
            [python, "-W", "ignore", "-c", TRAINS, *arguments, str(batch_size)],
            env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT / "src"),
                 "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    found: list[dict[str, Any]] = []
    for devices in (1, 2):
        ended = trained(devices)
        assert ended.returncode == 0, ended.stderr[-2000:]
        found.append(json.loads(ended.stdout.splitlines()[-1]))
    assert [one["devices"] for one in found] == [1, 2]
    assert found[1]["loss"] == pytest.approx(found[0]["loss"], rel=1e-4)
    assert found[1]["weights"] == pytest.approx(found[0]["weights"], rel=1e-4)
    odd = trained(2, 15)  # which one device has to take
    assert odd.returncode == 0, odd.stderr[-2000:]
