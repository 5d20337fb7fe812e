"""Model files from anywhere: whatever is in them, they are read, or refused by a clear word."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import pytest
from legacy_models import draw, layer, small_model, small_weights, write_model, write_weights
from systems import linux

from ghostlap.base.errors import LegacyError
from ghostlap.pilots.keras_import.h5_child import Refused, read_h5
from ghostlap.pilots.keras_import.h5_file import read_h5_file
from ghostlap.pilots.keras_import.json_text import MAX_BYTES, parse_json
from ghostlap.pilots.keras_import.model_file import read_model_file

FUZZED = 300


def test_a_whole_model_is_read(tmp_path: Path) -> None:
    found = read_model_file(small_model(tmp_path / "model.h5"))
    assert (found.major, found.keras_version, found.backend) == (2, "2.2.4", "tensorflow")
    assert found.description["class_name"] == "Sequential"
    layers = dict(found.content.layers or ())
    for name, weights in small_weights().items():
        for one, other in zip(layers[name], weights, strict=True):
            np.testing.assert_array_equal(one, other)


def test_weights_find_the_description_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "old.h5"
    with h5py.File(path, "w") as file:
        write_weights(file, small_weights(), "1.2.2", None)
    with pytest.raises(LegacyError, match=r"weights only.*Name its model.json"):
        read_model_file(path)
    text = json.dumps({"class_name": "Sequential", "config": [], "keras_version": "1.2.2"})
    (tmp_path / "old.json").write_text(json.dumps(text))  # JSON in JSON
    found = read_model_file(path)
    assert (found.major, found.description["config"]) == (1, [])
    other = tmp_path / "x.json"
    other.write_text("[1]")
    with pytest.raises(LegacyError, match="must hold a JSON object.*Got list"):
        read_model_file(path, other)


def test_names_cut_into_several_attributes_are_joined(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        write_weights(file, small_weights(), "2.2.4", None)
        del file.attrs["layer_names"]
        file.attrs["layer_names0"] = [b"conv"]
        file.attrs["layer_names1"] = [b"flat", b"out"]
    found, weights = read_h5(str(path))
    assert [name for name, _ in found["layers"]] == ["conv", "flat", "out"]
    assert len(weights) == 4


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_renamed_is_not_loaded(tmp_path: Path, protocol: int) -> None:
    planted = tmp_path / "was-here"
    data = pickle.dumps(Payload(planted), protocol)
    for name in ("model.h5", "model.keras"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(LegacyError, match="is no HDF5 file") as refused:
            read_model_file(tmp_path / name)
        assert ("It is a pickle" in str(refused.value)) == (protocol >= 2)
    assert not planted.exists()
    pickle.loads(data).close()
    assert planted.exists()  # it would have


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "It is empty"),
        (b"<!DOCTYPE html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"PKzip", "It is a zip"),
        (b"garbage!", "It begins with b'garbage!'"),
    ],
)
def test_other_files_are_called_what_they_are(tmp_path: Path, content: bytes, word: str) -> None:
    (tmp_path / "model.h5").write_bytes(content)
    with pytest.raises(LegacyError, match=word):
        read_model_file(tmp_path / "model.h5")
    with pytest.raises(LegacyError, match="no such file"):
        read_model_file(tmp_path / "other.h5")
    with pytest.raises(LegacyError, match="Got a folder"):
        read_model_file(tmp_path)


def _external_link(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        write_weights(other, {"conv": small_weights()["conv"]}, "2", None)
    del file["model_weights/conv"]
    file["model_weights/conv"] = h5py.ExternalLink(str(folder / "other.h5"), "/conv")


def _soft_link(file: h5py.File, _: Path) -> None:
    del file["model_weights/conv/conv"]
    file["model_weights/conv/conv"] = h5py.SoftLink("/model_weights/conv")


def _virtual(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["data"] = draw(1, 3, 3, 3, 4)
    layout = h5py.VirtualLayout((3, 3, 3, 4), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "data", (3, 3, 3, 4))
    del file["model_weights/conv/conv/weight_0:0"]
    file.create_virtual_dataset("model_weights/conv/conv/weight_0:0", layout)


def _external_storage(file: h5py.File, folder: Path) -> None:
    (folder / "raw").write_bytes(draw(1, 3, 3, 3, 4).tobytes())
    del file["model_weights/conv/conv/weight_0:0"]
    file.create_dataset(
        "model_weights/conv/conv/weight_0:0",
        (3, 3, 3, 4),
        "f4",
        external=[(str(folder / "raw"), 0, h5py.h5f.UNLIMITED)],
    )


def _huge_shape(file: h5py.File, _: Path) -> None:
    del file["model_weights/out/out/weight_0:0"]
    file.create_dataset("model_weights/out/out/weight_0:0", (1 << 40, 1 << 20), "f4", chunks=True)


def _inflating(file: h5py.File, _: Path) -> None:
    del file["model_weights/out/out/weight_0:0"]
    file.create_dataset(
        "model_weights/out/out/weight_0:0", data=np.zeros((4096, 2048), "f4"), compression="gzip"
    )


def _strange_filter(file: h5py.File, _: Path) -> None:
    del file["model_weights/out/out/weight_0:0"]
    file.create_dataset("model_weights/out/out/weight_0:0", data=draw(1, 99, 9), compression="lzf")


def _reference(file: h5py.File, _: Path) -> None:
    del file["model_weights/out/out/weight_0:0"]
    file.create_dataset("model_weights/out/out/weight_0:0", (3,), h5py.ref_dtype)


def _a_group(file: h5py.File, _: Path) -> None:
    del file["model_weights/out/out/weight_0:0"]
    file.create_group("model_weights/out/out/weight_0:0")


def _missing(file: h5py.File, _: Path) -> None:
    del file["model_weights/out/out"]


def _no_text(file: h5py.File, _: Path) -> None:
    del file.attrs["model_config"]
    file.attrs["model_config"] = np.arange(4)


def _walks_up(file: h5py.File, _: Path) -> None:
    file["model_weights/out"].attrs["weight_names"] = [b"../conv/conv/weight_0:0"]


def _nan(file: h5py.File, _: Path) -> None:
    file["model_weights/conv/conv/weight_1:0"][2] = np.nan


def _wide_numbers(file: h5py.File, _: Path) -> None:
    del file["model_weights/conv/conv/weight_1:0"]
    file["model_weights/conv/conv/weight_1:0"] = np.full(4, 1e300)


@pytest.mark.parametrize(
    ("harm", "word"),
    [
        (_external_link, "'conv' is a link to elsewhere, which is not followed"),
        (_soft_link, "is a link to elsewhere"),
        (_virtual, "lies in another file, which is not opened"),
        (_external_storage, "lies in another file"),
        (_huge_shape, r"claims the shape \(1099511627776, 1048576\).*but the file holds 0 bytes"),
        (_inflating, r"claims the shape \(4096, 2048\), 33,554,432 bytes"),
        (_strange_filter, "packed by a filter that Keras never uses"),
        (_reference, "is no array of numbers"),
        (_a_group, "is no array of numbers"),
        (_missing, "'out/weight_0:0' is named, but not there"),
        (_no_text, "attribute model_config is no text"),
        (_walks_up, "is no name of a weight|named, but not there"),
        (_nan, "conv: conv/weight_1:0 holds 1 values that are not numbers"),
        (_wide_numbers, "holds 4 values that are not numbers"),
    ],
)
def test_what_keras_never_writes_is_refused(
    tmp_path: Path, harm: Callable[[h5py.File, Path], None], word: str
) -> None:
    path = small_model(tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        harm(file, tmp_path)
    with pytest.raises(LegacyError, match=word) as refused:
        read_model_file(path)
    assert str(path) in str(refused.value)


def test_a_group_that_contains_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/conv2d/vars/0"] = draw(1, 3, 3, 3, 4)
        file["layers/conv2d/again"] = file["layers"]
    with pytest.raises(LegacyError, match="contains itself"):
        read_h5_file(path, str(path))


def test_a_file_cut_off_is_refused(tmp_path: Path) -> None:
    data = small_model(tmp_path / "model.h5").read_bytes()
    for share in (0.1, 0.5, 0.95):
        (tmp_path / "half.h5").write_bytes(data[: int(len(data) * share)])
        with pytest.raises(LegacyError, match=r"half.h5: cannot be read.*Is it cut off"):
            read_model_file(tmp_path / "half.h5")


def test_a_library_that_crashes_takes_nobody_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small_model(tmp_path / "model.h5")
    monkeypatch.setattr("ghostlap.pilots.keras_import.h5_file._CHILD", "import os; os.abort()")
    with pytest.raises(LegacyError, match="HDF5 itself fails on it"):
        read_model_file(path)


def test_json_is_bounded_in_size_and_depth(tmp_path: Path) -> None:
    with pytest.raises(LegacyError, match="nested too deeply"):
        parse_json("[" * 200_000, "x")
    with pytest.raises(LegacyError, match="at most 16 MiB"):
        parse_json(" " * (MAX_BYTES + 1), "x")
    for text in ("", "{", "[]", '"a"', "\x00", "1" * 5000, "NaN"):
        with pytest.raises(LegacyError, match="x: must"):
            parse_json(text, "x")
    path = tmp_path / "model.json"
    with path.open("wb") as file:
        file.truncate(200 * 2**20)
    model = tmp_path / "model.h5"
    with h5py.File(model, "w") as file:
        write_weights(file, small_weights(), "1.2.2", None)
    with pytest.raises(LegacyError, match="at most 16 MiB. Got more"):
        read_model_file(model)


def keras_zip(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def keras_3_weights() -> bytes:
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        file["layers/conv2d/vars/0"] = draw(1, 3, 3, 3, 4)
        file["layers/dropout/seed_generator/vars/0"] = np.arange(2, dtype="u4")
    return held.getvalue()


def test_keras_files_are_read_and_their_bombs_are_not_unpacked(tmp_path: Path) -> None:
    config = json.dumps({"class_name": "Sequential", "config": {}}).encode()
    metadata = b'{"keras_version": "3.4.1"}'
    good = {
        "config.json": config,
        "metadata.json": metadata,
        "model.weights.h5": keras_3_weights(),
    }
    found = read_model_file(keras_zip(tmp_path / "a.keras", good))
    assert (found.major, found.keras_version) == (3, "3.4.1")
    assert set(found.content.variables or ()) == {
        "conv2d/vars/0",
        "dropout/seed_generator/vars/0",
    }
    bomb = {**good, "model.weights.h5": bytes(20_000_000)}
    with pytest.raises(LegacyError, match="weights.h5 unpacks to more than"):
        read_model_file(keras_zip(tmp_path / "b.keras", bomb, zipfile.ZIP_DEFLATED))
    bomb = {**good, "config.json": b"[" * 20_000_000}
    with pytest.raises(LegacyError, match="config.json unpacks to more than"):
        read_model_file(keras_zip(tmp_path / "c.keras", bomb, zipfile.ZIP_DEFLATED))
    with pytest.raises(LegacyError, match="Missing: model.weights.h5"):
        read_model_file(keras_zip(tmp_path / "d.keras", {"config.json": config}))
    with pytest.raises(LegacyError, match="compressed in a way that Keras never uses"):
        read_model_file(keras_zip(tmp_path / "e.keras", good, zipfile.ZIP_BZIP2))
    cut = (tmp_path / "a.keras").read_bytes()[:-40]
    (tmp_path / "f.keras").write_bytes(cut)
    with pytest.raises(LegacyError, match="cannot be unpacked"):
        read_model_file(tmp_path / "f.keras")


# Reads damaged copies of a file, one line each; run again after a crash from where it was.
_FUZZ = """
import sys
import numpy as np
from ghostlap.pilots.keras_import.h5_child import Refused, limit_reading, read_h5
source, copy, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
data = np.frombuffer(open(source, "rb").read(), np.uint8)
limit_reading(10 * 2**30)
for number in range(first, last):
    rng = np.random.default_rng(number)
    damaged = data.copy()
    if number % 5 == 0:
        damaged = damaged[: rng.integers(1, len(damaged))]
    # Most of a file is weights; what describes it lies in front.
    most = len(damaged) if number % 2 else min(len(damaged), 6000)
    for _ in range(rng.integers(1, 9)):
        damaged[rng.integers(0, most)] = rng.choice([0, 1, 2, 127, 255, rng.integers(0, 256)])
    damaged.tofile(copy)
    print(number, end=" ", flush=True)
    try:
        weights = read_h5(copy)[1]
        print("read", sum(w.nbytes for w in weights), flush=True)
    except Refused:
        print("refused 0", flush=True)
"""


def fuzz(source: Path, copy: Path, first: int, last: int) -> dict[str, int]:
    """How many damaged copies were read, refused, and broke the HDF5 library."""
    found = {"read": 0, "refused": 0, "crashed": 0}
    while first < last:
        ended = subprocess.run(
            [sys.executable, "-c", _FUZZ, str(source), str(copy), str(first), str(last)],
            capture_output=True,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            timeout=300,
        )
        lines = ended.stdout.split("\n")
        for line in lines[:-1]:
            _, what, size = line.split()
            found[what] += 1
            assert int(size) < 1_000_000
        if ended.returncode == 0:
            break
        # Only the library may fail, by a signal; an exception would be a defect of the reader.
        assert ended.returncode < 0, ended.stderr
        found["crashed"] += 1
        first = int(lines[-1].split()[0]) + 1
    return found


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    found = fuzz(small_model(tmp_path / "a.h5"), tmp_path / "b.h5", 0, FUZZED)
    assert sum(found.values()) == FUZZED
    assert min(found["read"], found["refused"]) > FUZZED // 20, found
    (tmp_path / "3.h5").write_bytes(keras_3_weights())
    assert sum(fuzz(tmp_path / "3.h5", tmp_path / "b.h5", 0, 100).values()) == 100


def test_the_reader_in_this_process_refuses_what_is_no_model(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(Refused, match="holds no weights as Keras writes them"):
        read_h5(str(tmp_path / "a.h5"))


def test_long_descriptions_are_refused(tmp_path: Path) -> None:
    layers = [layer("Flatten", "f" * 1000) for _ in range(30)]
    path = write_model(tmp_path / "a.h5", {"class_name": "Sequential", "config": layers}, {})
    assert len(read_model_file(path).description["config"]) == 30
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = "x" * (17 * 2**20)
    with pytest.raises(LegacyError, match="at most 16 MiB"):
        read_model_file(path)


# A text of variable length, whose size HDF5 tells only once it has read it.
_LONG_TEXT = """
import sys
from ghostlap.pilots.keras_import import h5_child
h5_child.MAX_ATTRIBUTE_MEMORY_BYTES = 32 * 2**20
h5_child.limit_reading()
try:
    print("read", len(h5_child.read_h5(sys.argv[1])[1]))
except h5_child.Refused as error:
    print("refused", error)
"""


@linux("memory is limited there")
@pytest.mark.parametrize(
    ("size", "said"), [(100 * 2**20, "refused HDF5 says"), (100, "refused it")]
)
def test_a_long_text_in_an_h5_file_is_not_read_into_memory(
    size: int, said: str, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["model_config"] = "x" * size
    ended = subprocess.run(
        [sys.executable, "-c", _LONG_TEXT, str(tmp_path / "a.h5")], capture_output=True, text=True
    )
    assert ended.stdout.startswith(said), ended.stderr
