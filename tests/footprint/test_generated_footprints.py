"""What must hold of any footprint, over generated particles and grids."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from stilt import Footprint, FootprintConfig, PointReceptor

RECEPTOR = PointReceptor("2023-07-15 18:00:00", -112.0, 40.6, 5.0)
HOURS = pd.date_range("2023-07-15 12:00", "2023-07-15 19:00", freq="1h")

cell_sizes = st.sampled_from([0.05, 0.1, 0.25])
few = settings(max_examples=25)
# Some grids have an incomplete cell at their end.
pytestmark = pytest.mark.filterwarnings("ignore:.*not a whole number of cells:UserWarning")


@st.composite
def particles(draw: st.DrawFn) -> pd.DataFrame:
    """Random walks of a few particles within half a degree, some without influence."""
    n, minutes = draw(st.integers(1, 12)), draw(st.integers(1, 150))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    moves = rng.normal(0, draw(st.floats(0, 0.01)), (2, minutes, n)).cumsum(axis=1).clip(-0.5, 0.5)
    foot = rng.gamma(2.0, 1e-3, n * minutes) * (rng.random(n * minutes) < draw(st.floats(0.1, 1)))
    return pd.DataFrame(
        {
            "time": -np.repeat(np.arange(1.0, minutes + 1), n),
            "indx": np.tile(np.arange(1, n + 1), minutes),
            "long": RECEPTOR.longitude + moves[0].ravel(),
            "lati": RECEPTOR.latitude + moves[1].ravel(),
            "foot": foot,
        }
    )


@st.composite
def configs(draw: st.DrawFn) -> FootprintConfig:
    """Grids that every walk, with its kernels, stays inside."""
    west, south = draw(st.floats(-116, -115)), draw(st.floats(36.5, 37.5))
    return FootprintConfig(
        xmin=west, xmax=west + draw(st.floats(7, 8)),
        ymin=south, ymax=south + draw(st.floats(7, 8)),
        xres=draw(cell_sizes), yres=draw(cell_sizes),
        smooth_factor=draw(st.sampled_from([0.0, 0.5, 1.0])),
        time_integrate=draw(st.booleans()),
    )  # fmt: skip


def mean_foot(table: pd.DataFrame) -> float:
    return float(table["foot"].sum() / table["indx"].nunique())


@few
@given(particles(), configs())
def test_the_total_is_the_mean_influence_of_a_particle(table, config: FootprintConfig) -> None:
    foot = Footprint.calculate(table, RECEPTOR, config, "test")
    assert foot.total == pytest.approx(mean_foot(table), rel=1e-6, abs=1e-12)
    assert float(foot.data.min()) >= 0.0
    assert foot.is_empty == (mean_foot(table) == 0.0)


@few
@given(particles(), configs(), st.floats(1e-3, 1e3))
def test_influence_is_linear(table, config: FootprintConfig, factor: float) -> None:
    foot = Footprint.calculate(table, RECEPTOR, config, "test")
    more = Footprint.calculate(table.assign(foot=table["foot"] * factor), RECEPTOR, config, "test")
    np.testing.assert_allclose(more.data, foot.data * factor, rtol=1e-9, atol=1e-18)


@few
@given(particles(), configs())
def test_a_file_gives_the_footprint_back(table, config: FootprintConfig) -> None:
    foot = Footprint.calculate(table, RECEPTOR, config, "test")
    with TemporaryDirectory() as folder:
        back = Footprint.from_netcdf(foot.to_netcdf(Path(folder) / "a_test_foot.nc"))
        xr.testing.assert_identical(back.data.load(), foot.data)
    assert (back.receptor, back.config, back.name) == (foot.receptor, foot.config, foot.name)
    assert (back.is_empty, back.empty_reason) == (foot.is_empty, foot.empty_reason)


@few
@given(particles(), configs(), st.floats(0.07, 1.3), st.floats(0.07, 1.3), st.floats(0, 1))
def test_aggregation_keeps_the_sum(table, config, dx: float, dy: float, shift: float) -> None:
    foot = Footprint.calculate(table, RECEPTOR, config, "test")
    cells = xr.Dataset(
        coords={
            "lon": np.arange(config.grid.xmin - 2 + shift, config.grid.xmax + 2, dx),
            "lat": np.arange(config.grid.ymin - 2 + shift, config.grid.ymax + 2, dy),
        }
    )
    # The sum of all hours takes one bin.
    frame = foot.aggregate(cells, HOURS[[0, -1]] if config.time_integrate else HOURS)
    assert frame.to_numpy().sum() == pytest.approx(foot.total, rel=1e-9, abs=1e-15)
    assert frame.to_numpy().min() >= 0.0
    assert frame.attrs["total"] == pytest.approx(foot.total)
    assert abs(frame.attrs["outside_cells"]) <= 1e-9 * foot.total
    assert frame.attrs["outside_times"] == 0.0
