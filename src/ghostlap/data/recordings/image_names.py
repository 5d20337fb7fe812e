"""How the simulator names its images: by their time, ``center_2018_07_16_17_11_43_382.jpg``."""

from __future__ import annotations

import datetime
import re

NO_TIME = -(2**63)
"""For a name that holds no time; numpy's not-a-time."""

_TIME = re.compile(r"(\d{4}_\d\d_\d\d_\d\d_\d\d)_(\d\d)_(\d{3})(?!\d)")
_EPOCH = datetime.datetime(1970, 1, 1)
_ONE_MS = datetime.timedelta(milliseconds=1)


def image_name_of(cell: str) -> str:
    """The file name in an image cell of a log, whatever machine wrote its path."""
    cell = cell.replace("\\", "/")
    return cell[cell.rfind("/") + 1 :].strip()


def ms_of(moment: datetime.datetime) -> int:
    """A moment's wall-clock time in ms since 1970, as names carry it."""
    return (moment.replace(tzinfo=None) - _EPOCH) // _ONE_MS


def stamp_of(time_ms: int) -> str:
    """The time as it stands in a name; the inverse of :func:`time_ms_of`."""
    moment = _EPOCH + time_ms * _ONE_MS
    return f"{moment:%Y_%m_%d_%H_%M_%S}_{moment.microsecond // 1000:03d}"


def time_ms_of(image_name: str) -> int:
    """The time that an image's name carries, in ms since 1970, or :data:`NO_TIME`."""
    return Clock().time_ms(image_name)


class Clock:
    """Times out of names; remembers the last minute, since a million rows share few of them."""

    def __init__(self) -> None:
        self._minute = ""
        self._minute_ms = NO_TIME

    def time_ms(self, name: str) -> int:
        found = _TIME.search(name)
        if found is None:
            return NO_TIME
        minute, seconds, ms = found.groups()
        if minute != self._minute:
            self._minute = minute
            try:
                moment = datetime.datetime(*map(int, minute.split("_")))  # type: ignore[arg-type]
                self._minute_ms = ms_of(moment)
            except ValueError:
                self._minute_ms = NO_TIME
        if self._minute_ms == NO_TIME or int(seconds) > 60:
            return NO_TIME
        return self._minute_ms + int(seconds) * 1000 + int(ms)
