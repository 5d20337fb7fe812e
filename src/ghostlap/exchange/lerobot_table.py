"""Tables of a LeRobot dataset, read with care: their size is known before they are unpacked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ghostlap.errors import ExchangeError
from ghostlap.exchange.lerobot_format import MAX_FRAMES

MAX_TABLE_BYTES = 2 * 1024**3
"""Of one parquet file, unpacked, by what it says of itself."""


def read_columns(file: Path, columns: list[str]) -> Any:
    """Some columns of a parquet file, as a pyarrow table.

    Raises:
        ExchangeError: it is missing, broken, too large, or lacks one of them.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        about = pq.read_metadata(file)
        size = sum(about.row_group(k).total_byte_size for k in range(about.num_row_groups))
        if size > MAX_TABLE_BYTES or about.num_rows > MAX_FRAMES:
            raise ExchangeError(
                f"{file}: may have at most {MAX_TABLE_BYTES} bytes and {MAX_FRAMES} rows. "
                f"Got {size} and {about.num_rows}."
            )
        there = pq.read_schema(file).names
        absent = [name for name in columns if name not in there]
        if absent:
            raise ExchangeError(f"{file}: lacks the column {absent[0]!r}.")
        return pq.read_table(file, columns=columns, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise ExchangeError(
            f"{file}: cannot be read ({str(error)[:200]}). Copy the whole dataset again."
        ) from error
