"""Fixtures that several tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

_SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real recordings, ``shared/data`` beside the repository."""
    if not (_SHARED_DATA / "udacity-track1" / "driving_log.csv").is_file():
        pytest.skip(f"no real recordings in {_SHARED_DATA}: put udacity-track1 there to test on it")
    return _SHARED_DATA
