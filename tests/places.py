"""Where things lie that tests need."""

from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
GOLDEN = TESTS / "golden"
SHARED = ROOT.parent / "shared"
"""Real recordings, circuits and models beside the repository, where there are any."""
