"""Tables of a LeRobot dataset, read with care: their size is known before they are unpacked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ghostlap.base.errors import ExchangeError, GhostlapError
from ghostlap.base.files import open_file
from ghostlap.data.formats.lerobot_format import MAX_FRAMES

MAX_TABLE_BYTES = 2 * 1024**3
"""Of one parquet file, unpacked, by what it says of itself."""


@contextlib.contextmanager
def understood(where: Path) -> Iterator[None]:
    """Say so where data are of other types, or less whole, than a dataset's can be.

    Raises:
        ExchangeError: whatever reading them raised.
    """
    try:
        yield
    except GhostlapError:
        raise
    except (OSError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ExchangeError(
            f"{where}: cannot be read ({type(error).__name__}: {' '.join(str(error).split())[:200]}"
            "). Copy the whole dataset again."
        ) from error


def read_columns(file: Path, columns: list[str]) -> Any:
    """Some columns of a parquet file, as a pyarrow table.

    Raises:
        ExchangeError: it is missing, broken, too large, or lacks one of them.
    """
    import pyarrow.parquet as pq

    with understood(file), open_file(file) as source:
        about = pq.read_metadata(source)
        size = sum(about.row_group(k).total_byte_size for k in range(about.num_row_groups))
        if size > MAX_TABLE_BYTES or about.num_rows > MAX_FRAMES:
            raise ExchangeError(
                f"{file}: may have at most {MAX_TABLE_BYTES} bytes and {MAX_FRAMES} rows. "
                f"Got {size} and {about.num_rows}."
            )
        there = pq.read_schema(source).names
        absent = [name for name in columns if name not in there]
        if absent:
            raise ExchangeError(f"{file}: lacks the column {absent[0]!r}.")
        return pq.read_table(source, columns=columns, partitioning=None)
