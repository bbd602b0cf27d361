"""A footprint without the zeros around its layers: what moving many of them needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stilt.footprint.overlay import Source
from stilt.footprint.steps import Floats
from stilt.footprint.target import Intervals

if TYPE_CHECKING:
    from stilt.config import Grid
    from stilt.footprint.footprint import Footprint
    from stilt.receptors import Receptor

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Layers:
    """Layers of one footprint, each cut to the rows and columns that hold all of it.

    Attributes:
        receptor: the footprint's receptor.
        grid: its grid.
        x, y: cell centres in grid units, shapes (columns,) and (rows,).
        stamps: start of each layer, datetime64, shape (layers,).
        windows: rows and columns of each layer outside of which it is zero.
        values: ppm per (umol m-2 s-1) inside the window of each layer.
    """

    receptor: Receptor
    grid: Grid
    x: Floats
    y: Floats
    stamps: np.ndarray
    windows: tuple[Window, ...]
    values: tuple[Floats, ...]

    @classmethod
    def of(cls, footprint: Footprint) -> Layers:
        """Cut the layers of a footprint in memory; values are shared with it."""
        data = footprint.data.values
        # Variables straight away: a DataArray of each coordinate takes longer than the rest.
        coordinates = footprint.data.coords.variables
        stamps, y, x = (coordinates[dim].values for dim in footprint.data.dims)
        windows = tuple(occupied(data))
        values = tuple(layer[window] for layer, window in zip(data, windows, strict=True))
        return cls(footprint.receptor, footprint.grid, x, y, stamps, windows, values)

    def source(self) -> Source:
        """Cells of the footprint."""
        return Source(
            Intervals.of_size(self.x, self.grid.xres),
            Intervals.of_size(self.y, self.grid.yres),
            self.grid.projection,
        )

    def summed(self, layers: np.ndarray) -> tuple[Floats, Window]:
        """Sum of some layers, and the rows and columns it covers.

        Args:
            layers: which, at least one.
        """
        if len(layers) == 1:
            return self.values[layers[0]], self.windows[layers[0]]
        chosen = [self.windows[layer] for layer in layers if self.values[layer].size]
        if not chosen:
            return np.zeros((0, 0)), (slice(0, 0), slice(0, 0))
        rows, columns = (
            slice(
                min(window[i].start for window in chosen), max(window[i].stop for window in chosen)
            )
            for i in (0, 1)
        )
        total = np.zeros((rows.stop - rows.start, columns.stop - columns.start))
        for layer in layers:
            row, column = self.windows[layer]
            if self.values[layer].size:
                total[
                    row.start - rows.start : row.stop - rows.start,
                    column.start - columns.start : column.stop - columns.start,
                ] += self.values[layer]
        return total, (rows, columns)


def occupied(values: np.ndarray) -> Iterator[Window]:
    """Rows and columns around all that is not zero, for each layer; empty where all is.

    Args:
        values: shape (layers, rows, columns).
    """
    rows = (values != 0).any(axis=2)
    for layer, used in zip(values, rows, strict=True):
        row = _around(used)
        yield row, _around((layer[row] != 0).any(axis=0))


def _around(used: np.ndarray) -> slice:
    at = np.flatnonzero(used)
    return slice(int(at[0]), int(at[-1]) + 1) if at.size else slice(0, 0)
