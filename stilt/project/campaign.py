"""A campaign as one lazy xarray object: footprints, or particles, of many receptors."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
import pandas as pd
import xarray as xr
from xarray.backends.common import BackendArray
from xarray.core import indexing

# Of a chunk as dask loads it.
CHUNK_BYTES = 64_000_000

Axis = np.ndarray


@dataclass(frozen=True)
class Cells:
    """What one receptor has in an array, zeros or gaps left out.

    Attributes:
        places: number along each axis but the receptors', shape (cells,) each.
        values: shape (cells,).
    """

    places: Sequence[np.ndarray]
    values: np.ndarray


class ReceptorValues(Protocol):
    """Where the values of receptors come from."""

    def __len__(self) -> int:
        """Return the number of receptors."""

    def cells(self, number: int) -> Cells:
        """Read what a receptor has."""


class SparseRows(BackendArray):
    """An array with receptors along its first dimension, each read when it is asked for.

    Args:
        source: reads receptors.
        sizes: of the other dimensions.
        dtype: of the values.
        fill: value of what a receptor does not have.
    """

    def __init__(
        self, source: ReceptorValues, sizes: Sequence[int], dtype: Any, fill: float
    ) -> None:
        self.source = source
        self.shape = (len(source), *sizes)
        self.dtype = np.dtype(dtype)
        self.fill = fill

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        chosen = [_numbers(part, size) for part, size in zip(key, self.shape, strict=True)]
        receptors, *others = chosen
        distinct = [np.unique(part, return_inverse=True) for part in others]
        # Where each place along an axis goes in the answer; -1: it is not asked for.
        goes = []
        for (asked, _), size in zip(distinct, self.shape[1:], strict=True):
            place = np.full(size, -1, np.int64)
            place[asked] = np.arange(asked.size)
            goes.append(place)
        sizes = [asked.size for asked, _ in distinct]
        answer = np.full((receptors.size, *sizes), self.fill, self.dtype)
        for row, number in enumerate(receptors.tolist()):
            found = self.source.cells(number)
            to = [place[at] for place, at in zip(goes, found.places, strict=True)]
            kept = np.logical_and.reduce([at >= 0 for at in to]) if to else np.array([])
            if kept.all():
                answer[(row, *to)] = found.values
            else:
                answer[(row, *(at[kept] for at in to))] = found.values[kept]
        for axis, (asked, inverse) in enumerate(distinct, start=1):
            if inverse.size != asked.size or (np.diff(inverse) < 0).any():
                answer = answer.take(inverse, axis=axis)
        squeezed = tuple(0 if isinstance(part, int | np.integer) else slice(None) for part in key)
        return answer[squeezed]


def _numbers(key: Any, size: int) -> np.ndarray:
    if isinstance(key, slice):
        return np.arange(size)[key]
    return np.atleast_1d(np.asarray(key, np.int64)) % max(size, 1)


def lazy(
    source: ReceptorValues,
    axes: Mapping[str, tuple[Axis, Mapping[str, Any]]],
    receptors: Mapping[str, Any],
    *,
    dtype: Any,
    fill: float,
) -> xr.DataArray:
    """Return an array of receptors by axes, none of which is read.

    Chunks of dask stand behind it where dask is installed.

    Args:
        source: reads receptors.
        axes: coordinate and attributes of each other dimension, by name.
        receptors: coordinates along ``receptor``, by name; ``receptor`` is among them.
        dtype, fill: see :class:`SparseRows`.
    """
    sizes = [values.size for values, _ in axes.values()]
    backend = SparseRows(source, sizes, dtype, fill)
    data = indexing.LazilyIndexedArray(backend)
    coordinates: dict[str, Any] = {
        name: (name, values, dict(attributes)) for name, (values, attributes) in axes.items()
    }
    coordinates |= {name: ("receptor", values) for name, values in receptors.items()}
    variable = xr.Variable(("receptor", *axes), data, fastpath=True)
    if find_spec("dask") is not None and len(source):
        each = max(1, int(np.prod(sizes)) * backend.dtype.itemsize)
        chunks = {"receptor": max(1, CHUNK_BYTES // each), **dict.fromkeys(axes, -1)}
        # A name of its own: dask would make one from all ids and places, which takes seconds.
        variable = variable.chunk(chunks, name=f"receptors-{uuid.uuid4().hex}")
    return xr.DataArray(variable, coords=coordinates)


def receptor_coordinates(table: pd.DataFrame, taken: Sequence[str]) -> dict[str, Any]:
    """Return coordinates along ``receptor``: ids of simulations, times, places and labels.

    Args:
        table: rows of the view ``receptors``, in order.
        taken: names of dimensions, which labels must not have.
    """
    found: dict[str, Any] = {
        "receptor": np.array(table["sim_id"].tolist(), dtype=str),
        "receptor_time": table["time"].to_numpy("datetime64[ns]"),
        "receptor_longitude": table["longitude"].to_numpy(np.float64),
        "receptor_latitude": table["latitude"].to_numpy(np.float64),
        "receptor_altitude": table["altitude"].to_numpy(np.float64),
    }
    known = ("sim_id", "time", "longitude", "latitude", "altitude")
    for name in table:
        if name not in known:
            values = table[name]
            is_number = getattr(values.dtype, "kind", "O") in "iufb"
            plain = values.to_numpy() if is_number else _texts(values)
            found[f"label_{name}" if name in found or name in taken else str(name)] = plain
    return found


def _texts(values: pd.Series) -> np.ndarray:
    """Return texts as an array of one width, which xarray does not look through; "" for none."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        width = np.array([*map(str, values.cat.categories), ""])
        return width[values.cat.codes.to_numpy()]
    return np.array(["" if pd.isna(value) else str(value) for value in values])
