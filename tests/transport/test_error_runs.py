"""Error runs: what they change, what they leave alone, and that they can be repeated."""

import numpy as np
import pandas as pd
import pytest
from synthetic_weather import START, Laboratory, by_minute, model_config, release

from stilt.errors import ConfigValidationError
from stilt.transport import run_transport

SETTINGS = {"n_hours": -1, "numpar": 90}
WIND = {"siguverr": 2.0, "tluverr": 60.0, "zcoruverr": 500.0, "horcoruverr": 20.0}
MIXED_LAYER = {"sigzierr": 30.0, "tlzierr": 60.0, "horcorzierr": 20.0}
PATH = ["time", "indx", "long", "lati", "zagl", "samt", "mlht", "dens", "sigw", "tlgr"]


@pytest.fixture
def lab(lab: Laboratory) -> Laboratory:
    wind = {"UWND": 2.0, "VWND": -1.0}
    return lab.weather((wind, {"U10M": 1.0, "V10M": -0.5}))


def test_error_parameters_leave_the_main_run_alone(lab: Laboratory) -> None:
    plain = lab.run(release(5.0), **SETTINGS)[0]
    main = lab.run(release(5.0), **SETTINGS, **WIND, **MIXED_LAYER)[0]
    pd.testing.assert_frame_equal(main, plain, check_exact=True)


def test_mixed_layer_errors_scale_foot_and_leave_the_path_alone(lab: Laboratory) -> None:
    settings = {"n_hours": -1, "numpar": 1000, **MIXED_LAYER}
    main = lab.run(release(5.0), **settings)[0]
    table = lab.run(release(5.0), error_run=True, **settings)[0]
    pd.testing.assert_frame_equal(table[PATH], main[PATH], check_exact=True)
    before, after = (by_minute(frame, "foot") for frame in (main, table))
    low = before > 0.0
    assert (after[before == 0.0] == 0.0).all()
    assert (after[low] >= 0.0).all()
    error = np.where(low, after / np.where(low, before, 1.0) - 1.0, np.nan)
    assert np.nanmean(error[:5]) == pytest.approx(0.0, abs=4.0 * 0.3 / np.sqrt(1000))
    assert np.nanstd(error[:5]) == pytest.approx(0.3, rel=0.1)
    # 2.2 m/s or less carry a particle 0.13 km a minute: distance forgets 3 % in five minutes.
    for lag in (5, 20):
        both = low[0] & low[lag]
        found = np.corrcoef(error[0, both], error[lag, both])[0, 1]
        assert np.exp(-lag / 60.0 - lag * 0.14 / 20.0) - 0.12 < found < np.exp(-lag / 60.0) + 0.1


def test_wind_errors_spread_particles_and_leave_the_release_alone(lab: Laboratory) -> None:
    settings = {**SETTINGS, **WIND, **MIXED_LAYER}
    main = lab.run(release(500.0), **settings)[0]
    table = lab.run(release(500.0), error_run=True, **settings)[0]
    assert not np.array_equal(table["long"], main["long"])
    apart = table.merge(main, on=["time", "indx"], suffixes=("", "_main"))
    apart = apart.assign(km=np.hypot(apart.long - apart.long_main, apart.lati - apart.lati_main))
    grows = apart.groupby("time")["km"].mean().sort_index(ascending=False) * 111.2
    # A mean way of about 1.2 x 2 m/s, less what interpolation between levels takes away.
    assert 0.06 < grows.iloc[0] < 0.2
    assert 20.0 * grows.iloc[0] < grows.iloc[-1] < 60.0 * grows.iloc[0]


def test_error_runs_are_the_same_bytes_beside_any_neighbours(lab: Laboratory) -> None:
    settings = {**SETTINGS, **WIND, **MIXED_LAYER, "error_run": True}
    alone = lab.run(release(5.0, key=11), **settings)[0]
    near = release(5.0, key=12)
    high = release(900.0, key=13, time=START - np.timedelta64(7, "m"))
    late = release(300.0, key=14, lon=0.02, time=START + np.timedelta64(20, "m"))
    for others in ([near], [high, late], [late, near, high]):
        tables = lab.run([*others, release(5.0, key=11)], **settings)
        pd.testing.assert_frame_equal(tables[-1], alone, check_exact=True)
    other = lab.run(near, **settings)[0]
    assert not np.array_equal(other["foot"], alone["foot"])
    few = lab.run(release(5.0, key=11), **{**settings, "numpar": 30})[0]
    first = alone[alone["indx"] <= 30].reset_index(drop=True)
    pd.testing.assert_frame_equal(few, first, check_exact=True)


def test_an_error_run_without_parameters_says_which(lab: Laboratory, tmp_path) -> None:
    with pytest.raises(ConfigValidationError, match=r"siguverr, tluverr.*, or sigzierr"):
        run_transport([release(5.0)], lab.refs, model_config(), cache_dir=tmp_path, error_run=True)
