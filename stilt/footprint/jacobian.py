"""Many footprints as one sparse matrix: measurements by cells and times."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from stilt.errors import UsageError
from stilt.footprint.aggregate import cells_of
from stilt.footprint.bins import (
    TOLERATED_SHARE,
    crossing,
    edges,
    memberships,
    parse_bins,
    warn_of_crossing,
)
from stilt.footprint.layers import LayerCells, Layers, key_of, source_of
from stilt.footprint.overlay import Overlay, Runs
from stilt.footprint.steps import Floats, Ints

if TYPE_CHECKING:
    from stilt.footprint.footprint import Footprint


@dataclass(frozen=True)
class Jacobian:
    """Sensitivity of measurements to fluxes.

    Attributes:
        matrix: ppm per (umol m-2 s-1), sparse, shape (receptors, bins * cells).
        receptors: index = receptor id or label, column ``time`` (naive UTC), in the order given.
        bins: left edges of the time bins.
        cells: (lon, lat) or (x, y) of the target's cells.
        outside_cells: influence within the bins but outside the cells, shape (receptors,).
        outside_times: influence outside the bins, shape (receptors,).
    """

    matrix: sp.csr_array
    receptors: pd.DataFrame
    bins: pd.DatetimeIndex
    cells: pd.MultiIndex
    outside_cells: Floats
    outside_times: Floats

    @cached_property
    def columns(self) -> pd.MultiIndex:
        """Labels of the columns, (time, lon, lat) or (time, x, y): bins outermost, then cells.

        Made when asked for: a year of hourly bins has millions.
        """
        times, unique = pd.factorize(self.bins)
        levels: Any = [unique, *self.cells.levels]
        codes: Any = [np.repeat(times, len(self.cells))]
        codes += [np.tile(code, len(self.bins)) for code in self.cells.codes]
        return pd.MultiIndex(
            levels,
            codes,
            names=["time", *self.cells.names],
            verify_integrity=False,
        )

    @property
    def total(self) -> Floats:
        """Influence of each receptor that is in the matrix, shape (receptors,)."""
        return np.asarray(self.matrix.sum(axis=1)).reshape(-1)

    @property
    def outside_share(self) -> Floats:
        """Share of each receptor's influence that is not in the matrix, 0 to 1, (receptors,)."""
        outside = self.outside_cells + self.outside_times
        total = self.total + outside
        return np.divide(outside, total, out=np.zeros_like(total), where=total > 0).clip(0.0)

    def enhancement(self, flux: Any) -> pd.Series:
        """Multiply with a flux for every column.

        Warns when more than a tenth of a receptor's influence is not in the matrix, and so not in
        its enhancement (:attr:`outside_share`).

        Args:
            flux: umol m-2 s-1, shape (columns,), or a Series indexed like ``columns``.

        Returns:
            Enhancement in ppm, index = receptor id.

        Raises:
            UsageError: the flux does not fit the columns, or has two values for one of them.
        """
        if isinstance(flux, pd.Series):
            double = flux.index.duplicated()
            if double.any():
                raise UsageError(
                    f"The flux has more than one value for {flux.index[double][0]}: keep one of "
                    "them, or add them up."
                )
            flux = flux.reindex(self.columns)
        values = np.asarray(flux, np.float64).reshape(-1)
        if values.size != self.matrix.shape[1] or np.isnan(values).any():
            raise UsageError(
                f"The flux must have one value for each of the {self.matrix.shape[1]} columns "
                f"(got {values.size}, of them {int(np.isnan(values).sum())} missing)."
            )
        share = self.outside_share
        many = int((share > TOLERATED_SHARE).sum())
        if many:
            worst = int(share.argmax())
            warnings.warn(
                f"The matrix holds only {1 - share[worst]:.0%} of the influence of "
                f"{self.receptors.index[worst]}; the rest lies outside its cells and times and is "
                f"not in the enhancement. More than a tenth is left out for {many} of "
                f"{share.size} receptors.",
                stacklevel=2,
            )
        return pd.Series(self.matrix @ values, index=self.receptors.index, name="enhancement_ppm")

    def to_frame(self) -> pd.DataFrame:
        """Return the matrix as a pandas frame of sparse columns, labelled on both sides."""
        frame = pd.DataFrame.sparse.from_spmatrix(  # type: ignore[attr-defined]
            sp.csr_matrix(self.matrix)
        )
        return frame.set_axis(self.receptors.index, axis=0).set_axis(self.columns, axis=1)


def jacobian(
    footprints: Iterable[Footprint | Layers | LayerCells],
    target: Any,
    time_bins: Any,
    *,
    resolution: float | tuple[float, float] | None = None,
    projection: str | None = None,
    labels: Iterable[str] | None = None,
) -> Jacobian:
    """Stack footprints, moved to target cells and time bins as by ``aggregate``.

    Footprints are taken one at a time, so an iterable that loads them as it goes needs no more
    memory than the result and one footprint. They may lie on different grids. As in ``aggregate``,
    a layer belongs to the time bin that holds its start, and a warning tells of the first footprint
    with more than a tenth of its influence in hours that go on into the next bin.

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
    rows = _Rows()
    ids: list[str] = []
    times: list[pd.Timestamp] = []
    outside: list[tuple[float, float]] = []
    overlay, told = None, False
    for footprint in footprints:
        layers = footprint if isinstance(footprint, Layers | LayerCells) else Layers.of(footprint)
        overlay = overlays.get(key_of(layers))
        if overlay is None:
            cells = cells_of(layers.grid, target, resolution=resolution, projection=projection)
            overlay = overlays[key_of(layers)] = Overlay(source_of(layers), cells)
        if isinstance(layers, LayerCells) and overlay.tables is None:
            layers = layers.runs()
        if isinstance(layers, LayerCells):
            *missed, late = rows.add_cells(layers, overlay, sides)
        else:
            *missed, late = rows.add(layers, overlay, sides)
        outside.append((missed[0], missed[1]))
        if late > TOLERATED_SHARE and not told:
            told = True
            warn_of_crossing(str(layers.receptor.id), late, stacklevel=2)
        times.append(layers.receptor.time)
        if labels is None:
            ids.append(str(layers.receptor.id))
    if overlay is None:
        raise UsageError("A Jacobian needs at least one footprint; the selection is empty.")
    places = overlay.target.index()
    index = pd.Index(ids if labels is None else list(labels), name="receptor")
    receptors = pd.DataFrame({"time": times}, index=index)
    cells_missed, times_missed = np.array(outside).T
    matrix = rows.matrix(len(bins) * len(places))
    return Jacobian(
        matrix, receptors, pd.DatetimeIndex(bins.left), places, cells_missed, times_missed
    )


class _Rows:
    """Rows of a sparse matrix, kept in arrays that grow where they are.

    Joining pieces at the end would need the answer's memory twice.
    """

    def __init__(self) -> None:
        self._columns, self._values = np.empty(0, np.int32), np.empty(0)
        self._ends = [0]

    def add(
        self, layers: Layers, overlay: Overlay, bins: tuple[np.ndarray, np.ndarray]
    ) -> tuple[float, float, float]:
        """Add a footprint, bins outermost.

        Returns:
            Influence within the bins but outside the cells, and outside the bins; and the share of
            influence in hours that go on into the next bin.
        """
        layer, number = memberships(layers.stamps, bins)
        runs = _runs(layers, layer, number, bins[0].size)
        columns, values = overlay.push_runs(runs)
        self._append(columns, values)
        binned = float(runs.values.sum())
        seen = np.unique(layer)
        missed = 0.0
        if seen.size < layers.stamps.size:
            inside = _runs(layers, seen, seen, layers.stamps.size)
            missed = float(layers.values.sum()) - float(inside.values.sum())
        late = 0.0
        if not layers.integrated:
            late = _late(layers, crossing(layers.stamps, layer, number, bins))
        return binned - float(values.sum()), missed, late

    def add_cells(
        self, cells: LayerCells, overlay: Overlay, bins: tuple[np.ndarray, np.ndarray]
    ) -> tuple[float, float, float]:
        """Add a footprint by tables of its cells' targets; see :meth:`add`."""
        tables = overlay.tables
        assert tables is not None
        layer, number = memberships(cells.stamps, bins)
        known, field = np.unique(number, return_inverse=True)
        size = overlay.target.x.centre.size * overlay.target.y.centre.size
        edges_of = np.append(0, np.cumsum(cells.counts))
        cell, values = cells.cell, cells.values
        whole = np.array_equal(layer, np.arange(cells.counts.size))
        if not whole:
            parts = [slice(edges_of[at], edges_of[at + 1]) for at in layer]
            cell = np.concatenate([cell[:0], *(cell[part] for part in parts)])
            values = np.concatenate([values[:0], *(values[part] for part in parts)])
        base = np.repeat(field * (size + 1), cells.counts[layer])
        summed = np.zeros(known.size * (size + 1))
        for table, share in tables:
            given = values if share is None else values * share[cell]
            summed += np.bincount(table[cell] + base, given, summed.size)
        # The last place of each field takes what lies outside the target.
        inside = summed.reshape(known.size, size + 1)[:, :size]
        at, column = np.nonzero(inside)
        found = inside[at, column]
        self._append(known[at] * size + column, found)
        missed = 0.0
        if np.unique(layer).size < cells.counts.size:
            seen = np.zeros(cells.counts.size, bool)
            seen[layer] = True
            missed = float(cells.values[~np.repeat(seen, cells.counts)].sum())
        late = 0.0
        if not cells.integrated:
            over = crossing(cells.stamps, layer, number, bins)
            if over.size:
                parts_sum = sum(
                    float(cells.values[edges_of[n] : edges_of[n + 1]].sum()) for n in over
                )
                late = parts_sum / float(cells.values.sum() or 1.0)
        return float(values.sum()) - float(found.sum()), missed, late

    def _append(self, columns: Ints, values: Floats) -> None:
        begin, end = self._ends[-1], self._ends[-1] + columns.size
        if columns.size and columns[-1] > np.iinfo(np.int32).max:
            self._columns = self._columns.astype(np.int64, copy=False)
        if end > self._values.size:
            room = max(end, self._values.size + self._values.size // 8, 4096)
            self._columns.resize(room, refcheck=False)
            self._values.resize(room, refcheck=False)
        self._columns[begin:end], self._values[begin:end] = columns, values
        self._ends.append(end)

    def matrix(self, columns: int) -> sp.csr_array:
        """The rows as a matrix of some columns; nothing can be added after."""
        size = self._ends[-1]
        self._columns.resize(size, refcheck=False)
        self._values.resize(size, refcheck=False)
        kind = np.int32 if max(columns, size) <= np.iinfo(np.int32).max else np.int64
        indices = self._columns.astype(kind, copy=False)
        shape = (len(self._ends) - 1, columns)
        return sp.csr_array((self._values, indices, np.array(self._ends, kind)), shape=shape)


def _late(layers: Layers, late: Ints) -> float:
    """Share of a footprint's influence that is in some layers."""
    if late.size == 0:
        return 0.0
    edges_of = layers.first_of_layers
    parts = (float(layers.values[edges_of[at] : edges_of[at + 1]].sum()) for at in late)
    return sum(parts) / float(layers.values.sum() or 1.0)


def _runs(layers: Layers, layer: Ints, number: Ints, fields: int) -> Runs:
    """Runs of some layers, each as part of a field: layer and field, ascending in layers."""
    of_layers = np.searchsorted(layers.starts, np.arange(layers.stamps.size + 1) * layers.cells)
    starts, lengths, values = layers.starts, layers.lengths, layers.values
    if not np.array_equal(layer, np.arange(layers.stamps.size)):
        runs = [slice(of_layers[at], of_layers[at + 1]) for at in layer]
        edges_of = layers.first_of_layers
        starts, lengths = (
            np.concatenate([all_runs[:0], *(all_runs[part] for part in runs)])
            for all_runs in (starts, lengths)
        )
        parts = (values[edges_of[at] : edges_of[at + 1]] for at in layer)
        values = np.concatenate([values[:0], *parts])
    row, column = np.divmod(starts % layers.cells, layers.x.size)
    field = np.repeat(number, np.diff(of_layers)[layer])
    return Runs(field, fields, row, column, lengths.astype(np.int64), values)
