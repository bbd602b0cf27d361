"""Cells and runs of the same fields give a target the same."""

import numpy as np
import pytest

from stilt import Grid
from stilt.footprint.aggregate import cells_of
from stilt.footprint.intervals import Intervals
from stilt.footprint.overlay import Overlay
from stilt.footprint.target import Source

X = -112.0 + 0.01 * np.arange(60) + 0.005
Y = 40.0 + 0.01 * np.arange(40) + 0.005
GRID = Grid(xmin=-112, xmax=-111.4, ymin=40, ymax=40.4, xres=0.01, yres=0.01)
FIELDS = 5
LAYERS = np.array([0, 1, 1, 3, 4, 4, 4])
"""Field of each layer; field 2 has none."""


@pytest.mark.parametrize("share", [0.0, 0.002, 0.2])
@pytest.mark.parametrize("west", [-112.0, -111.77, -113.0, -110.0])
@pytest.mark.parametrize("size", [0.05, 0.013])
def test_cells_and_runs_of_the_same_fields_give_the_same(
    size: float, west: float, share: float
) -> None:
    target = Grid(
        xmin=west, xmax=west + 10 * size, ymin=40.1, ymax=40.1 + 8 * size, xres=size, yres=size
    )
    source = Source(Intervals.of_size(X, 0.01), Intervals.of_size(Y, 0.01), GRID.projection)
    overlay = Overlay(source, cells_of(GRID, target))
    rng = np.random.default_rng(3)
    there = rng.random((LAYERS.size, Y.size * X.size)) < share
    there[3] = False  # a layer without influence
    values = np.where(there, rng.exponential(size=there.shape), 0.0)
    field, counts = LAYERS, there.sum(axis=1)
    cell = np.nonzero(there)[1].astype(np.int32)
    for _ in range(2):  # memory is used again
        position, found = overlay.push_cells(field, counts, FIELDS, cell, values[there])
        moved = np.zeros(FIELDS * 80)
        moved[position] = found
        assert (np.diff(position) > 0).all()
        assert (found != 0).all()
        dense = np.zeros((FIELDS, Y.size, X.size))
        np.add.at(dense, field, values.reshape(-1, Y.size, X.size))
        expected = np.concatenate([overlay.push(each) for each in dense])
        np.testing.assert_allclose(moved, expected, rtol=1e-8, atol=1e-8)
