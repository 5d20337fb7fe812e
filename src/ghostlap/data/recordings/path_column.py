"""Paths of pictures as a column of a table, a million of them in little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray, ExtensionDtype, take
from pandas.api.indexers import check_array_indexer
from pandas.core.arraylike import OpsMixin
from pandas.core.strings.object_array import (  # type: ignore[import-not-found]
    ObjectStringArrayMixin,  # gives the column its ``.str``
)

from ghostlap.data.recordings.names import Names


class PathType(ExtensionDtype):
    """The type of the column."""

    name = "path"
    type = str
    na_value = ""

    @classmethod
    def construct_array_type(cls) -> Any:
        return Paths


class Paths(OpsMixin, ObjectStringArrayMixin, ExtensionArray):
    """A folder with some names, or those of ``rows``, made when asked for; "" without one."""

    dtype = PathType()

    def __init__(self, folder: str, names: Names, rows: NDArray[np.int32] | None = None) -> None:
        self._folder, self._names = folder, names
        self._rows = np.arange(len(names), dtype=np.int32) if rows is None else rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return self._paths(self._rows)

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, (int, np.integer)):
            return next(self._paths(self._rows[np.array([item])]))
        return self._of(self._rows[check_array_indexer(self, item)])

    def __setitem__(self, key: Any, value: Any) -> None:
        changed: NDArray[Any] = np.asarray(self)
        changed[check_array_indexer(self, key)] = value
        new = self._from_sequence(changed)
        self._folder, self._names, self._rows = new._folder, new._names, new._rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        found = np.empty(len(self), object)
        order = np.argsort(self._rows, kind="stable")  # names lie packed, many together
        for place, path in zip(order.tolist(), self._paths(self._rows[order]), strict=True):
            found[place] = path
        return found if dtype is None else found.astype(dtype)

    def take(self, indices: Any, *, allow_fill: bool = False, fill_value: Any = None) -> Paths:
        rows = np.asarray(take(self._rows, indices, allow_fill=allow_fill, fill_value=-1))
        if (rows < 0).any():
            paths = iter(self._paths(rows[rows >= 0]))
            return self._from_sequence("" if row < 0 else next(paths) for row in rows)
        return self._of(rows)

    def copy(self) -> Paths:
        return self._of(self._rows.copy())

    def isna(self) -> NDArray[np.bool_]:
        return np.zeros(len(self), bool)

    @property
    def nbytes(self) -> int:
        return self._rows.nbytes

    def _paths(self, rows: NDArray[np.int32]) -> Iterator[str]:
        folder = self._folder
        for name in self._names.at(rows.tolist()):
            yield folder + name if name else ""

    def _of(self, rows: NDArray[np.int32]) -> Paths:
        return Paths(self._folder, self._names, rows)

    @classmethod
    def _from_sequence(cls, scalars: Any, *, dtype: Any = None, copy: bool = False) -> Paths:
        paths = list(scalars)
        if not all(isinstance(path, str) for path in paths):
            raise TypeError("a path is text")  # pandas then makes a column of another type
        return cls("", Names(paths))

    @classmethod
    def _from_factorized(cls, values: Any, original: Paths) -> Paths:
        return cls._from_sequence(values)

    @classmethod
    def _concat_same_type(cls, to_concat: Sequence[Paths]) -> Paths:
        first = to_concat[0]
        if all(one._names is first._names and one._folder == first._folder for one in to_concat):
            return first._of(np.concatenate([one._rows for one in to_concat]))
        return cls._from_sequence(path for one in to_concat for path in one)

    def _cmp_method(self, other: Any, op: Callable[[Any, Any], Any]) -> Any:
        if isinstance(other, str):
            return np.fromiter((op(path, other) for path in self), bool, len(self))
        return op(np.asarray(self), np.asarray(other))

    def _formatter(self, boxed: bool = False) -> Callable[[Any], str]:
        return str
