"""Keras, imported in one place: quietly in a command, with a clear error if it is not installed.

Native messages are held back, because TensorFlow reports its processor features before any of its
log levels take effect. ``KERAS_BACKEND`` (tensorflow, jax, torch) is Keras's own and is respected.
"""

from __future__ import annotations

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

__all__ = ["keras"]
