"""Giving back memory that only the start of a library needed."""

from __future__ import annotations

import contextlib
import ctypes
import sys

_DONTNEED = 4  # of <sys/mman.h> on Linux


def give_back_code(library: str) -> None:
    """Give back the pages of a loaded library's machine code; what is used is read anew.

    The start of Warp touches 73 MB of code for graphics cards that most machines do not have. Pages
    of code are never written to, so nothing is lost; elsewhere than on Linux nothing is done.

    Args:
        library: the name of its file.
    """
    if sys.platform != "linux":
        return
    with (
        contextlib.suppress(OSError, ValueError),
        open("/proc/self/maps", encoding="utf-8") as maps,
    ):
        system = ctypes.CDLL(None)
        for line in maps:
            where, rights, *_ = line.split(maxsplit=2)
            if rights == "r-xp" and line.rstrip("\n").endswith(f"/{library}"):
                first, end = (int(address, 16) for address in where.split("-"))
                system.madvise(ctypes.c_void_p(first), ctypes.c_size_t(end - first), _DONTNEED)
