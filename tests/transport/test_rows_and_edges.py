"""The particle table: which rows exist, thinning, the edge of the weather, numbers everywhere."""

import numpy as np
import pytest
from synthetic_weather import (
    GRID,
    SPACING_DEG,
    START,
    Laboratory,
    model_config,
    per_level,
    release,
)

from stilt.config.run import PARTICLE_CODES
from stilt.errors import MeteorologyError, Reason
from stilt.transport import run_transport


@pytest.fixture
def windy(lab: Laboratory) -> Laboratory:
    """A westerly of 4 m/s: 0.2 cells a minute."""
    return lab.weather(({"UWND": 4.0}, {"U10M": 4.0}))


def test_rows_go_by_age_then_particle_without_one_at_the_release(lab: Laboratory) -> None:
    table = lab.weather(({}, {})).run(release(5.0), n_hours=-1, numpar=7)[0]
    ages = np.repeat(-np.arange(1.0, 61.0), 7)
    np.testing.assert_array_equal(table["time"], ages)
    np.testing.assert_array_equal(table["indx"], np.tile(np.arange(1, 8), 60))
    assert table["time"].dtype == np.float64
    assert table["indx"].dtype == np.int32


def test_columns_are_the_ones_asked_for_in_their_order(lab: Laboratory) -> None:
    wanted = ("indx", "zagl", "time")
    table = lab.weather(({}, {})).run(release(5.0), nturb=1, numpar=1, varsiwant=wanted)[0]
    assert tuple(table.columns) == wanted


@pytest.mark.parametrize("every", [7, 20])
def test_thinned_rows_keep_the_sums(windy: Laboratory, every: int) -> None:
    full = windy.run(release(5.0), n_hours=-1, numpar=100)[0]
    thin = windy.run(release(5.0), n_hours=-1, numpar=100, outdt=every)[0]
    for name in ("foot", "samt"):
        sums = [table.groupby("indx")[name].sum() for table in (full, thin)]
        np.testing.assert_allclose(sums[1], sums[0], rtol=1e-5, atol=1e-9)
    last = full.groupby("indx")["time"].min()
    np.testing.assert_array_equal(thin.groupby("indx")["time"].min(), last)
    assert set(thin["time"]) - set(last) <= {-float(m) for m in range(every, 61, every)}
    joined = thin.merge(full, on=["time", "indx"], suffixes=("", "_full"))
    assert len(joined) == len(thin)
    np.testing.assert_array_equal(joined["zagl"], joined["zagl_full"])


def test_particles_that_leave_the_domain_end_their_rows(windy: Laboratory) -> None:
    table = windy.run(release(500.0, lon=0.05), n_hours=3, numpar=1, nturb=1)[0]
    x = 10.0 + table["long"] / SPACING_DEG
    # A step may start while the column lies below nx - 3; the next position is still written.
    assert (x.iloc[:-1] < GRID.nx - 3).all()
    assert GRID.nx - 3 <= x.iloc[-1] < GRID.nx - 2
    assert len(table) < 180


def test_others_go_on_when_some_have_left(windy: Laboratory) -> None:
    away = windy.run(release([500.0, 500.0], lon=[0.05, -0.08]), n_hours=1, numpar=2, nturb=1)[0]
    rows = away.groupby("indx").size()
    assert rows[1] < 60
    assert rows[2] == 60


def test_particles_may_all_leave_at_different_times(windy: Laboratory) -> None:
    table = windy.run(release(5.0, lon=-0.05), n_hours=-2, numpar=100)[0]
    lengths = table.groupby("indx").size()
    assert lengths.nunique() > 3
    for _, rows in table.groupby("indx"):
        np.testing.assert_array_equal(rows["time"], -np.arange(1.0, len(rows) + 1))


def test_receptor_in_the_outermost_cells_is_named(lab: Laboratory) -> None:
    lab.weather(({}, {}))
    results = run_transport(
        [release(5.0, lon=0.099), release(5.0)], lab.refs, model_config(nturb=1),
        cache_dir=lab.folder / "prepared",
    )  # fmt: skip
    assert isinstance(results[0], MeteorologyError)
    assert results[0].reason == Reason.RECEPTOR_OUTSIDE_GRID
    assert len(results[1]) > 0


def test_hours_without_weather_are_an_error_of_that_release_only(lab: Laboratory) -> None:
    lab.weather(({}, {}))
    late = release(5.0, time=START + np.timedelta64(600, "m"))
    results = run_transport(
        [late, release(5.0)], lab.refs, model_config(nturb=1), cache_dir=lab.folder / "prepared"
    )
    assert isinstance(results[0], MeteorologyError)
    assert results[0].reason == Reason.MET_COVERAGE
    assert len(results[1]) > 0


def rough_weather(hour: float) -> tuple[dict, dict]:
    """Shear, gusts, cold ground, strong heating, hills and vertical motion side by side."""
    rng = np.random.default_rng(int(hour) + 5)
    shape = (GRID.ny, GRID.nx)
    heights = np.array(GRID.levels)

    def patches(low: float, high: float) -> np.ndarray:
        return rng.choice([low, 0.5 * (low + high), high], shape)

    upper = {
        "UWND": per_level(8.0 * np.cos(heights / 700.0)) + rng.normal(0.0, 1.0, shape),
        "VWND": per_level(-5.0 * np.sin(heights / 400.0)) + rng.normal(0.0, 1.0, shape),
        "TEMP": per_level(300.0 - 0.0065 * np.minimum(heights, 11_000.0)) + patches(-6.0, 6.0),
        "PRES": per_level(950.0 * np.exp(-heights / 8000.0)),
        "RELH": per_level(np.linspace(100.0, 0.0, len(heights))),
        "WWND": per_level(np.where(heights < 8000.0, 1.0, 0.0)) * rng.normal(0.0, 0.02, shape),
    }
    surface = {
        "PRSS": 955.0, "SHGT": patches(0.0, 1500.0), "T02M": patches(270.0, 320.0),
        "U10M": rng.normal(0.0, 2.0, shape), "V10M": 0.0, "USTR": patches(0.0, 1.2),
        "SHTF": patches(-80.0, 600.0), "RGHS": patches(0.0001, 3.0),
    }  # fmt: skip
    return upper, surface


@pytest.mark.parametrize("height", [0.0, 5.0, 2000.0, 30_000.0])
def test_every_number_is_a_number_in_rough_weather(lab: Laboratory, height: float) -> None:
    lab.weather(*(rough_weather(hour) for hour in range(3)), step_h=1.0)
    start = START + np.timedelta64(2, "h")
    table = lab.run(release(height, time=start), n_hours=-2, numpar=100, kmixd=3)[0]
    assert np.isfinite(table.to_numpy(np.float64)).all()
    assert (table["zagl"] >= 0.0).all()
    assert (table["foot"] >= 0.0).all()
    assert (table["sigw"] > 0.0).all()
    assert (table["mlht"] >= 150.0 - 0.01).all()


def test_every_column_of_a_mean_run_is_a_number(lab: Laboratory) -> None:
    lab.weather(*(rough_weather(hour) for hour in range(3)), step_h=1.0)
    codes = tuple(code for code in PARTICLE_CODES if code != "dmas")
    table = lab.run(release(100.0), numpar=3, nturb=1, kmixd=3, varsiwant=codes)[0]
    assert tuple(table.columns) == codes
    assert np.isfinite(table.to_numpy(np.float64)).all()
