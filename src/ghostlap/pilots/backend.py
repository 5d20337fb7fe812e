"""Keras, imported in one place: quietly in a command, with a clear error if it is not installed.

Native messages are held back, because TensorFlow reports its processor features before any of its
log levels take effect. ``KERAS_BACKEND`` (tensorflow, jax, torch) is Keras's own and is respected.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator

from ghostlap.base.errors import ModelError
from ghostlap.base.terminal import native_words_held_back

try:
    with native_words_held_back():
        import keras
except ModuleNotFoundError as error:
    raise ModelError(
        f"Keras networks need the package {error.name}, which is not installed. "
        "Install Ghostlap with it: pip install 'ghostlap[train]'"
    ) from error

__all__ = ["full_precision", "keras"]


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Multiply in all 24 bits of float32 meanwhile, where a GPU may else do with 11 (TF32).

    With those, answers are off by some 1e-3, which is nothing in training.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        with importlib.import_module("jax").default_matmul_precision("float32"):
            yield
        return
    if backend == "torch":
        flags = importlib.import_module("torch.backends.cudnn").flags
        with flags(enabled=True, allow_tf32=False):
            yield
        return
    config = importlib.import_module("tensorflow").config.experimental
    allowed = config.tensor_float_32_execution_enabled()
    config.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        config.enable_tensor_float_32_execution(allowed)
