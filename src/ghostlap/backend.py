"""Keras, imported in one place: quietly, and with a clear word where it is not installed.

``KERAS_BACKEND`` (tensorflow, jax, torch) is Keras's own switch and is respected.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from ghostlap.errors import ModelError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextlib.contextmanager
def _native_stderr_held_back() -> Iterator[None]:
    """Keep back what native code writes to standard error, and show it if there is an exception.

    TensorFlow reports its processor features before any of its own log levels take effect.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


try:
    with _native_stderr_held_back():
        import keras
except ModuleNotFoundError as error:
    raise ModelError(
        f"Training needs the package {error.name}, which is not installed. "
        "Install Ghostlap with it: pip install 'ghostlap[train]'"
    ) from error

__all__ = ["keras"]
