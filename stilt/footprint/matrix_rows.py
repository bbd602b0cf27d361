"""Rows of a sparse matrix, one for each footprint, kept in arrays that grow in place.

Joining pieces at the end would need twice the memory of the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from stilt.footprint.bins import crossing, memberships
from stilt.footprint.layers import CellBlock, Layers
from stilt.footprint.overlay import Overlay, Runs
from stilt.footprint.steps import Floats, Ints

Bins = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class LeftOut:
    """What is not in the rows of some footprints, shape (footprints,) each.

    Attributes:
        outside_cells: influence within the bins but outside the cells.
        outside_times: influence outside the bins.
        late: share of the influence in hours that extend into the next bin.
    """

    outside_cells: Floats
    outside_times: Floats
    late: Floats


class MatrixRows:
    """Rows of a matrix; columns are bins, outermost, and cells."""

    def __init__(self) -> None:
        self._columns, self._values = np.empty(0, np.int32), np.empty(0)
        self._ends = [np.zeros(1, np.int64)]

    def add(self, layers: Layers, overlay: Overlay, bins: Bins) -> LeftOut:
        """Add a footprint."""
        layer, number = memberships(layers.stamps, bins)
        runs = _runs(layers, layer, number, bins[0].size)
        columns, values = overlay.push_runs(runs)
        self._append(columns, values, np.array([columns.size]))
        binned = float(runs.values.sum())
        seen = np.unique(layer)
        missed = 0.0
        if seen.size < layers.stamps.size:
            inside = _runs(layers, seen, seen, layers.stamps.size)
            missed = float(layers.values.sum()) - float(inside.values.sum())
        late = late_share(layers, layer, number, bins)
        outside = binned - float(values.sum())
        return LeftOut(np.array([outside]), np.array([missed]), np.array([late]))

    def add_block(self, block: CellBlock, overlay: Overlay, bins: Bins) -> LeftOut:
        """Add the footprints of a block."""
        cells, footprints = overlay.target.cell.size, block.layers.size
        layer, number = memberships(block.stamps, bins)
        of_layers = block.of_layers
        pairs = of_layers[layer] * bins[0].size + number
        known, field = np.unique(pairs, return_inverse=True)
        position, values = overlay.push_cells(
            field, block.counts[layer], known.size, *block.chosen(layer)
        )
        # Positions within the fields of this block become columns of the rows.
        sizes = np.diff(np.searchsorted(position, np.arange(known.size + 1) * cells))
        footprint, of_bins = np.divmod(known, bins[0].size)
        shift = (of_bins - np.arange(known.size)) * cells
        rows = np.bincount(footprint, sizes, footprints).astype(np.int64)
        self._append(position + np.repeat(shift, sizes), values, rows)

        sums = block.sums()

        def of_footprints(layers: Ints) -> Floats:
            found = np.bincount(of_layers[layers], sums[layers], footprints)
            return found.astype(np.float64)

        moved = np.bincount(np.repeat(np.arange(footprints), rows), values, footprints)
        unseen = np.ones(sums.size, bool)
        unseen[layer] = False
        late = np.zeros(footprints)
        if not block.integrated:
            over = of_footprints(crossing(block.stamps, layer, number, bins))
            total = of_footprints(np.arange(sums.size))
            np.divide(over, total, out=late, where=total > 0)
        return LeftOut(of_footprints(layer) - moved, of_footprints(np.flatnonzero(unseen)), late)

    def _append(self, columns: Ints, values: Floats, sizes: Ints) -> None:
        begin = int(self._ends[-1][-1])
        end = begin + columns.size
        if columns.size and columns.max() > np.iinfo(np.int32).max:
            self._columns = self._columns.astype(np.int64, copy=False)
        if end > self._values.size:
            room = max(end, self._values.size + self._values.size // 8, 4096)
            self._columns.resize(room, refcheck=False)
            self._values.resize(room, refcheck=False)
        self._columns[begin:end], self._values[begin:end] = columns, values
        self._ends.append(begin + np.cumsum(sizes))

    def matrix(self, columns: int) -> sp.csr_array:
        """Return the rows as a matrix with so many columns; add nothing afterwards."""
        ends = np.concatenate(self._ends)
        size = int(ends[-1])
        self._columns.resize(size, refcheck=False)
        self._values.resize(size, refcheck=False)
        kind = np.int32 if max(columns, size) <= np.iinfo(np.int32).max else np.int64
        indices = self._columns.astype(kind, copy=False)
        shape = (ends.size - 1, columns)
        return sp.csr_array((self._values, indices, ends.astype(kind)), shape=shape)


def late_share(layers: Layers, layer: Ints, number: Ints, bins: Bins) -> float:
    """Return the share of a footprint's influence in hours that extend into the next bin.

    Args:
        layers: the footprint; one that holds the sum of its hours has no such share.
        layer, number: memberships, as :func:`stilt.footprint.bins.memberships` gives them.
        bins: left and right edges.
    """
    if layers.integrated:
        return 0.0
    edges_of = layers.first_of_layers
    late = crossing(layers.stamps, layer, number, bins)
    parts = (float(layers.values[edges_of[at] : edges_of[at + 1]].sum()) for at in late)
    return sum(parts) / float(layers.values.sum() or 1.0)


def _runs(layers: Layers, layer: Ints, number: Ints, fields: int) -> Runs:
    """Return the runs of some layers (ascending), each as part of the field with its number."""
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
