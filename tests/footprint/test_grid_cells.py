"""Grids have every cell that their bounds hold, and each position lies in the cell R puts it in."""

import logging
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import stilt
from stilt import Footprint, FootprintConfig, Grid, PointReceptor
from stilt.footprint.cell_grid import Axis, CellGrid

RECEPTOR = PointReceptor("2023-07-15 18:00:00", -112.0, 40.6, 5.0)
PARTICLES = pd.DataFrame(
    {
        "time": [-1.0, -2.0, -1.0, -2.0],
        "indx": [1, 1, 2, 2],
        "long": [-112.001, -112.002, -112.001, -112.003],
        "lati": [40.701, 40.702, 40.703, 40.704],
        "foot": 1.0,
    }
)
CUT = {"xmin": -112.2, "xmax": -111.6, "ymin": 40.6, "ymax": 41.03, "xres": 0.02, "yres": 0.025}
SENTENCE = (
    "y from 40.6 to 41.03 (degrees) is not a whole number of cells of yres 0.025: the grid has 17 "
    "and ends at y 41.025."
)


@pytest.mark.parametrize("size", ["0.01", "0.02", "0.025", "0.05", "0.1", "0.125", "0.25", "0.3"])
def test_no_grid_of_round_numbers_loses_a_cell(size: str) -> None:
    lows = [Decimal(step) / 10 for step in range(-1800, 1800, 7)]
    for count in (1, 2, 16, 19, 20, 40, 99, 150):
        for low in lows:
            high = low + count * Decimal(size)
            axis = Axis.of(float(low), float(high), float(size), "x")
            assert (axis.count, axis.is_cut) == (count, False), (low, high)


@pytest.mark.parametrize(
    ("bounds", "shape"),
    [
        ({"ymin": 40.6, "ymax": 41.0, "yres": 0.025}, (16, 30)),
        ({"xmin": -180.0, "xmax": -179.8, "xres": 0.01}, (20, 20)),
        ({"xmin": 179.9, "xmax": -179.9, "xres": 0.01}, (20, 20)),
        ({"xmin": -180.0, "xmax": -179.9, "xres": 0.1}, (20, 1)),
    ],
)
def test_footprints_have_every_row_and_column(bounds: dict, shape: tuple) -> None:
    grid = {**CUT, "ymax": 41.0, "yres": 0.02, **bounds}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        foot = Footprint.calculate(PARTICLES, RECEPTOR, FootprintConfig(**grid))
    assert foot.data.shape[1:] == shape
    assert foot.data["lat"].values[-1] == pytest.approx(grid["ymax"] - grid["yres"] / 2)


def test_a_grid_of_one_cell_is_a_grid() -> None:
    one = Grid(xmin=-180, xmax=-179.9, ymin=40.6, ymax=40.7, xres=0.1, yres=0.1)
    cell_grid = CellGrid.of(one)
    assert (cell_grid.x.count, cell_grid.y.count) == (1, 1)


def test_a_range_of_no_whole_number_of_cells_is_told_of() -> None:
    with pytest.warns(UserWarning, match="whole number of cells") as told:
        foot = Footprint.calculate(PARTICLES, RECEPTOR, FootprintConfig(**CUT))
    assert [str(each.message) for each in told] == [SENTENCE]
    assert foot.data["lat"].values[-1] == pytest.approx(41.025 - 0.0125)


def test_a_run_tells_once_which_grids_are_cut(tmp_path, caplog) -> None:
    config = stilt.ModelConfig(
        mets={"met": {"directory": "met", "file_format": "%Y%m%d", "file_tres": "24h"}},
        footprints={
            "cut": CUT,
            "same": CUT,
            "whole": {**CUT, "ymax": 41.0},
            "metres": {**CUT, "xres": 4e3, "yres": 4e3, "projection": "+proj=utm +zone=12"},
        },
    )
    model = stilt.Model(tmp_path / "case", receptors=RECEPTOR, config=config)
    with caplog.at_level(logging.WARNING, logger="stilt"):
        model.register_pending()
        model.register_pending()
    assert [record.message for record in caplog.records] == [f"Footprint 'cut': {SENTENCE}"]


@pytest.mark.parametrize("buffer", [1, 3, 7, 41])
@pytest.mark.parametrize(("low", "size"), [(-112.2, 0.02), (40.6, 0.025), (-114.5, 0.01)])
def test_positions_on_edges_belong_where_the_grown_grid_puts_them(low, size, buffer) -> None:
    axis = Axis.of(low, low + 400 * size, size, "x")
    positions = np.round(low + np.arange(401) * size, 4)
    edges = (low - buffer * size) + np.arange(400 + 2 * buffer + 1) * size
    expected = np.searchsorted(edges, positions, side="right") - 1 - buffer
    np.testing.assert_array_equal(axis.cell(positions, buffer), expected)
