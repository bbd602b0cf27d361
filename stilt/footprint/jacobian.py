"""Many footprints as one sparse matrix: measurements by cells and times."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from stilt.errors import UsageError
from stilt.footprint.aggregate import cells_of
from stilt.footprint.bins import edges, membership, parse_bins
from stilt.footprint.layers import Layers
from stilt.footprint.overlay import Overlay
from stilt.footprint.steps import Floats, Ints

if TYPE_CHECKING:
    from stilt.footprint.footprint import Footprint


@dataclass(frozen=True)
class Jacobian:
    """Sensitivity of measurements to fluxes.

    Attributes:
        matrix: ppm per (umol m-2 s-1), sparse, shape (receptors, bins * cells).
        receptors: index = receptor id or label, column ``time`` (naive UTC), in the order given.
        columns: (time, lon, lat) or (time, x, y): left edge of the bin, outermost, and the cell.
        outside_cells: influence within the bins but outside the cells, shape (receptors,).
        outside_times: influence outside the bins, shape (receptors,).
    """

    matrix: sp.csr_array
    receptors: pd.DataFrame
    columns: pd.MultiIndex
    outside_cells: Floats
    outside_times: Floats

    @property
    def total(self) -> Floats:
        """Influence of each receptor that is in the matrix, shape (receptors,)."""
        return np.asarray(self.matrix.sum(axis=1)).reshape(-1)

    def enhancement(self, flux: Any) -> pd.Series:
        """Multiply with a flux for every column.

        Args:
            flux: umol m-2 s-1, shape (columns,), or a Series indexed like ``columns``.

        Returns:
            Enhancement in ppm, index = receptor id.

        Raises:
            UsageError: the flux does not fit the columns.
        """
        if isinstance(flux, pd.Series):
            flux = flux.reindex(self.columns)
        values = np.asarray(flux, np.float64).reshape(-1)
        if values.size != len(self.columns) or np.isnan(values).any():
            raise UsageError(
                f"The flux must have one value for each of the {len(self.columns)} columns "
                f"(got {values.size}, of them {int(np.isnan(values).sum())} missing)."
            )
        return pd.Series(self.matrix @ values, index=self.receptors.index, name="enhancement_ppm")

    def to_frame(self) -> pd.DataFrame:
        """Return the matrix as a pandas frame of sparse columns, labelled on both sides."""
        frame = pd.DataFrame.sparse.from_spmatrix(  # type: ignore[attr-defined]
            sp.csr_matrix(self.matrix)
        )
        return frame.set_axis(self.receptors.index, axis=0).set_axis(self.columns, axis=1)


def jacobian(
    footprints: Iterable[Footprint | Layers],
    target: Any,
    time_bins: Any,
    *,
    resolution: float | tuple[float, float] | None = None,
    projection: str | None = None,
    labels: Iterable[str] | None = None,
) -> Jacobian:
    """Stack footprints, moved to target cells and time bins as by ``aggregate``.

    Footprints are taken one at a time, so an iterable that loads them as it goes needs no more
    memory than the result and one footprint. They may lie on different grids.

    Args:
        footprints: one row each.
        target, time_bins, resolution, projection: as for ``aggregate``.
        labels: names of the rows in the order of the footprints; else the receptors' ids.

    Raises:
        UsageError: there are no footprints, or the target or the bins cannot be used.
    """
    bins = parse_bins(time_bins)
    sides = edges(bins)
    overlays: dict[tuple[object, ...], Overlay] = {}
    filled: deque[tuple[Ints, Floats]] = deque()
    ids: list[str] = []
    times: list[pd.Timestamp] = []
    outside: list[tuple[float, float]] = []
    overlay = None
    for footprint in footprints:
        layers = footprint if isinstance(footprint, Layers) else Layers.of(footprint)
        source = layers.source()
        overlay = overlays.get(source.key())
        if overlay is None:
            cells = cells_of(layers.grid, target, resolution=resolution, projection=projection)
            overlay = overlays[source.key()] = Overlay(source, cells)
        row = _row(layers, overlay, sides)
        filled.append((row.columns, row.values))
        outside.append((row.outside_cells, row.outside_times))
        ids.append(str(layers.receptor.id))
        times.append(layers.receptor.time)
    if overlay is None:
        raise UsageError("A Jacobian needs at least one footprint; the selection is empty.")
    columns = _columns(overlay, bins)
    matrix = _stacked(filled, len(columns))
    index = pd.Index(ids if labels is None else list(labels), name="receptor")
    receptors = pd.DataFrame({"time": times}, index=index)
    cells_missed, times_missed = np.array(outside).T
    return Jacobian(matrix, receptors, columns, cells_missed, times_missed)


def _stacked(rows: deque[tuple[Ints, Floats]], columns: int) -> sp.csr_array:
    """Sparse matrix of rows given as (columns used, values), which are freed as they are copied."""
    ends = np.cumsum([0, *(used.size for used, _ in rows)])
    index_type = np.int32 if ends[-1] < np.iinfo(np.int32).max else np.int64
    indices, data = np.empty(ends[-1], index_type), np.empty(ends[-1])
    shape = (len(rows), columns)
    for begin, end in pairwise(ends):
        indices[begin:end], data[begin:end] = rows.popleft()
    return sp.csr_array((data, indices, ends.astype(index_type)), shape=shape)


@dataclass(frozen=True)
class _Row:
    columns: Ints
    values: Floats
    outside_cells: float
    outside_times: float


def _row(layers: Layers, overlay: Overlay, bins: tuple[np.ndarray, np.ndarray]) -> _Row:
    """One footprint on all bins and cells, bins outermost, and what is left out."""
    inside = membership(layers.stamps, bins)
    cells = overlay.target.cell.size
    columns, values = [np.zeros(0, np.int64)], [np.zeros(0)]
    binned = 0.0
    for number in np.flatnonzero(inside.any(axis=1)):
        part, window = layers.summed(np.flatnonzero(inside[number]))
        binned += float(part.sum())
        used, moved = overlay.push_part(part, window)
        columns.append(used + number * cells)
        values.append(moved)
    missed = sum(float(layers.values[at].sum()) for at in np.flatnonzero(~inside.any(axis=0)))
    row = np.concatenate(values)
    return _Row(np.concatenate(columns), row, binned - float(row.sum()), missed)


def _columns(overlay: Overlay, bins: pd.IntervalIndex) -> pd.MultiIndex:
    """Labels of the matrix columns."""
    cells = overlay.target.index()
    lefts = bins.left.repeat(len(cells))
    levels = [np.tile(cells.get_level_values(level), len(bins)) for level in (0, 1)]
    return pd.MultiIndex.from_arrays([lefts, *levels], names=["time", *cells.names])
