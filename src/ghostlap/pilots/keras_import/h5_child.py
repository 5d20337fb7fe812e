"""Reading an HDF5 file of unknown origin, in a process of its own that may do little and may die.

Only what Keras writes is followed: hard links, attributes of text, and plain arrays of numbers that
lie in the file itself. External and soft links, virtual datasets, external storage, references and
filters other than Keras could have used are refused before anything is read through them. Every
size is checked before memory is asked for it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ghostlap.base.platform import limit_process, memory_limited

if TYPE_CHECKING:
    import h5py  # type: ignore[import-untyped]

MAX_WEIGHT_BYTES = 1024**3
MAX_TEXT_BYTES = 16 * 1024 * 1024
MAX_MEMORY_BYTES = 4 * 1024**3
MAX_PROCESSOR_S = 10
"""And as much again for each GiB of the file."""
MAX_ATTRIBUTE_MEMORY_BYTES = 256 * 1024**2
"""For reading one attribute: how long a text of variable length is, HDF5 says only afterwards."""
_MOST_LAYERS = 5000
_MOST_NESTED = 16
_MOST_INFLATED = 100
_MOST_DIMENSIONS = 8
_FILTERS = {1, 2, 3}  # deflate, shuffle, Fletcher's checksum: part of HDF5, no plugins
_KERAS_3_GROUPS = ("layers", "_layer_checkpoint_dependencies")


class Refused(Exception):
    """Something in the file is not as Keras writes it; the text says what."""


def read_h5(path: str) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Description and weights of a model, or weights alone.

    Returns:
        ``model_config``, ``keras_version`` and ``backend`` (texts or None), ``layers`` (pairs of a
        layer's name and its weights' names, in order; Keras 1 and 2) or ``variables`` (paths below
        the network's list of layers; Keras 3); and the weights in that order, ``float32``.

    Raises:
        Refused: the file is no such file, or is not to be trusted.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return _Reader(file, os.path.getsize(path)).read()
    except Refused:
        raise
    except RecursionError:
        raise Refused("its groups are nested too deeply") from None
    except MemoryError:
        raise Refused("it asks for more memory than a model could need") from None
    except Exception as error:  # h5py passes on HDF5's errors as many classes
        raise Refused(f"HDF5 says: {' '.join(str(error).split())[:300]}") from None


class _Reader:
    def __init__(self, file: h5py.File, file_bytes: int) -> None:
        self.file = file
        self.file_bytes = file_bytes
        self.weights: list[np.ndarray] = []
        self.total_bytes = 0

    def read(self) -> tuple[dict[str, Any], list[np.ndarray]]:
        found: dict[str, Any] = {
            name: self.text(self.file, name)
            for name in ("model_config", "keras_version", "backend")
        }
        group = self.file
        if "layer_names" not in group.attrs and self.has(group, "model_weights"):
            group = self.child(group, "model_weights")
            for name in ("keras_version", "backend"):
                found[name] = found[name] or self.text(group, name)
        if "layer_names" in group.attrs or "layer_names0" in group.attrs:
            found["layers"] = [self.layer(group, name) for name in self.names(group, "layer_names")]
        else:
            found["variables"] = list(self.variables())
        return found, self.weights

    def layer(self, group: h5py.Group, name: str) -> tuple[str, list[str]]:
        layer = self.child(group, name)
        names = self.names(layer, "weight_names")
        for weight in names:
            self.array(self.child(layer, weight), f"{name}: {weight}")
        return name, names

    def variables(self) -> Iterator[str]:
        for name in _KERAS_3_GROUPS:
            if self.has(self.file, name):
                yield from self.below(self.child(self.file, name), "", set())
                return
        raise Refused("it holds no weights as Keras writes them")

    def below(self, group: h5py.Group, path: str, above: set[Any]) -> Iterator[str]:
        """Variables of a group and of those within it, none of which may contain itself."""
        import h5py

        place = h5py.h5o.get_info(group.id).addr
        if place in above or len(above) > _MOST_NESTED:
            raise Refused(f"group {path[:100] or '/'} contains itself, or is nested too deeply")
        for count, name in enumerate(group):
            if count > _MOST_LAYERS or len(self.weights) > _MOST_LAYERS:
                raise Refused("it holds more than a model could")
            part = self.child(group, name)
            inner = f"{path}/{name}" if path else name
            if isinstance(part, h5py.Group):
                yield from self.below(part, inner, above | {place})
            elif isinstance(part, h5py.Dataset) and part.dtype.kind in "fiu":
                self.array(part, inner)
                yield inner

    def has(self, group: h5py.Group, name: str) -> bool:
        return group.get(name, getlink=True) is not None

    def child(self, group: h5py.Group, path: str) -> Any:
        """What lies there, by hard links only: others could lead into other files."""
        import h5py

        parts = [part for part in path.split("/") if part]
        if not parts or len(parts) > _MOST_NESTED or any(set(part) == {"."} for part in parts):
            raise Refused(f"{path[:100]!r} is no name of a weight")
        for part in parts:
            link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
            if link is None:
                raise Refused(f"{path[:100]!r} is named, but not there")
            if type(link) is not h5py.HardLink:
                raise Refused(f"{path[:100]!r} is a link to elsewhere, which is not followed")
            group = group[part]
        return group

    def text(self, group: h5py.Group, name: str) -> str | None:
        if name not in group.attrs:
            return None
        value = self.attribute(group, name)
        if isinstance(value, np.ndarray):
            value = value.ravel()[0] if value.size == 1 else None
        found = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        if not isinstance(found, str):
            raise Refused(f"its attribute {name} is no text")
        return found

    def names(self, group: h5py.Group, attribute: str) -> list[str]:
        """A list of names; a long one is cut into several attributes by Keras."""
        pieces = [attribute] if attribute in group.attrs else []
        while not (pieces and pieces[0] == attribute) and len(pieces) < _MOST_LAYERS:
            if f"{attribute}{len(pieces)}" not in group.attrs:
                break
            pieces.append(f"{attribute}{len(pieces)}")
        found: list[str] = []
        for piece in pieces:
            for value in np.ravel(self.attribute(group, piece)):
                name = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
                if not isinstance(name, str) or len(found) >= _MOST_LAYERS:
                    raise Refused(f"its attribute {attribute} is no list of names")
                found.append(name)
        return found

    def attribute(self, group: h5py.Group, name: str) -> Any:
        with memory_limited(MAX_ATTRIBUTE_MEMORY_BYTES):
            return self._attribute(group, name)

    def _attribute(self, group: h5py.Group, name: str) -> Any:
        import h5py

        place = group.attrs.get_id(name)
        dtype, shape = place.dtype, place.shape or ()
        if dtype.kind not in "SfO" or (
            dtype.kind == "O" and h5py.check_string_dtype(dtype) is None
        ):
            raise Refused(f"its attribute {name[:100]} is no text")
        if int(np.prod(shape, dtype=object)) * dtype.itemsize > MAX_TEXT_BYTES:
            raise Refused(f"its attribute {name[:100]} is larger than {MAX_TEXT_BYTES} bytes")
        return group.attrs[name]

    def array(self, dataset: Any, name: str) -> None:
        import h5py

        name = name[:150]
        if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu":
            raise Refused(f"weight {name} is no array of numbers")
        if len(dataset.shape or ()) > _MOST_DIMENSIONS or dataset.shape is None:
            raise Refused(f"weight {name} has the shape {dataset.shape}")
        plan = dataset.id.get_create_plist()
        if dataset.is_virtual or plan.get_external_count():
            raise Refused(f"weight {name} lies in another file, which is not opened")
        filters = {plan.get_filter(i)[0] for i in range(plan.get_nfilters())}
        if not filters <= _FILTERS:
            raise Refused(f"weight {name} is packed by a filter that Keras never uses")
        values = int(np.prod(dataset.shape, dtype=object))
        size = values * dataset.dtype.itemsize
        stored = dataset.id.get_storage_size()
        if stored > self.file_bytes or size > stored * (_MOST_INFLATED if filters else 1):
            raise Refused(
                f"weight {name} claims the shape {dataset.shape}, {size:,} bytes, but the file "
                f"holds {min(stored, self.file_bytes):,} bytes of it"
            )
        self.total_bytes += max(size, 4 * values)
        if self.total_bytes > MAX_WEIGHT_BYTES:
            raise Refused(f"its weights are larger than {MAX_WEIGHT_BYTES // 2**20} MiB")
        with np.errstate(all="ignore"):
            self.weights.append(np.asarray(dataset[()]).astype(np.float32))


def limit_reading(file_bytes: int = 0) -> None:
    """Let this process have no more memory and time than reading a model could take."""
    limit_process(
        memory_bytes=MAX_MEMORY_BYTES,
        processor_s=MAX_PROCESSOR_S * (1 + file_bytes // 2**30),
        file_bytes=MAX_WEIGHT_BYTES + MAX_TEXT_BYTES * 4,
    )


def main() -> None:
    """Read the file named as argument; write a line of JSON and the weights to standard output."""
    limit_reading(os.path.getsize(sys.argv[1]))
    out = sys.stdout.buffer
    try:
        found, weights = read_h5(sys.argv[1])
    except Refused as error:
        out.write(json.dumps({"refused": str(error)}).encode() + b"\n")
        return
    found["shapes"] = [weight.shape for weight in weights]
    out.write(json.dumps(found).encode() + b"\n")
    for weight in weights:
        out.write(np.ascontiguousarray(weight).astype("<f4", copy=False).tobytes())
