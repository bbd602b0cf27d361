"""Spread of a cloud in homogeneous turbulence against Taylor (1921).

One deep layer far from ground and top: KZMIX 1 gives one standard deviation to the whole mixed
layer, and a fixed VSCALE one time scale.
"""

import numpy as np
import pandas as pd
import pytest
from synthetic_weather import CELL_M, SPACING_DEG, Laboratory, by_minute, inversion, release

PARTICLES = 6_000
SAMPLING = np.sqrt(2.0 / PARTICLES)
"""Standard error of a variance, relative."""

SECONDS = 60.0 * np.arange(1, 61)
AIR = {"USTR": 0.4, "SHTF": -10.0}
DEEP = {"kmixd": 9000, "kzmix": 1, "numpar": PARTICLES, "n_hours": -1}


def taylor_variance(sigma: float, scale_s: float, time_s: np.ndarray) -> np.ndarray:
    t = time_s / scale_s
    return 2.0 * sigma**2 * scale_s**2 * (t - 1.0 + np.exp(-t))


@pytest.fixture(scope="module", params=[False, True], ids=["default", "hysplit_layer_update"])
def hour(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """One hour with a time scale of 200 s, in layers that are deep beside a sub-step."""
    lab = Laboratory(tmp_path_factory.mktemp("lab")).weather(({}, AIR))
    chosen = {"hysplit_layer_update": request.param}
    return lab.run(release(4400.0), vscales=200.0, vscaleu=200.0, **DEEP, **chosen)[0]


def test_vertical_spread_follows_taylor_from_start_to_long_times(hour: pd.DataFrame) -> None:
    assert hour["tlgr"].unique() == pytest.approx(200.0)
    sigma = float(hour["sigw"].iloc[0])
    spread = by_minute(hour, "zagl").var(axis=1)
    error = spread / taylor_variance(sigma, 200.0, SECONDS) - 1.0
    print(f"Taylor: {error[0]:+.3f} at 1 min, {error[9]:+.3f} at 10 min, {error[-1]:+.3f} at 1 h")
    assert np.abs(error).max() < 3.5 * SAMPLING
    long_limit = 2.0 * sigma**2 * 200.0 * (SECONDS[-1] - 200.0)
    assert spread[-1] == pytest.approx(long_limit, rel=3.5 * SAMPLING)


def test_horizontal_spread_has_half_the_vertical_variance_and_three_hours_memory(
    lab: Laboratory,
) -> None:
    """Particles that stay at their height, where sigma_w is 1.3 u* (1 - z / zi), Hanna (1982)."""
    lab.weather(({}, AIR))
    table = lab.run(release(4400.0), vscales=10.0, vscaleu=10.0, **{**DEEP, "kzmix": 0})[0]
    sigma = 1.3 * AIR["USTR"] * (1.0 - 4400.0 / DEEP["kmixd"]) * np.sqrt(0.5)
    for name in ("long", "lati"):
        spread = by_minute(table, name).var(axis=1) * (CELL_M / SPACING_DEG) ** 2
        error = spread / taylor_variance(sigma, 10_800.0, SECONDS) - 1.0
        print(f"{name}: {error[0]:+.3f} at 1 min, {error[-1]:+.3f} at 1 h")
        assert np.abs(error).max() < 3.5 * SAMPLING


def test_cloud_grows_linearly_while_it_remembers_its_velocity(lab: Laboratory) -> None:
    lab.weather(({}, AIR))
    table = lab.run(release(4400.0), vscales=20_000.0, vscaleu=20_000.0, **DEEP)[0]
    sigma = float(table["sigw"].iloc[0])
    spread = by_minute(table, "zagl").std(axis=1)[:5]
    np.testing.assert_allclose(spread, sigma * SECONDS[:5], rtol=2.0 * SAMPLING)


def test_heights_near_the_ground_follow_the_table_measured_from_hysplit(lab: Laboratory) -> None:
    """HYSPLIT v5.1, 1,500 particles from 5 m, H 200 W m-2, u* 0.4 m/s: mean and spread of z."""
    lab.weather(({"PRES": 992.0, "TEMP": inversion(1000.0)}, {"PRSS": 992.0, "RGHS": 0.75}))
    count = 30_000
    table = lab.run(release(5.0), numpar=count, n_hours=-1)[0]
    heights = by_minute(table, "zagl")
    minutes = np.array([1, 2, 5, 10, 20, 30, 60])
    mean = np.array([11.1, 15.3, 24.1, 44.5, 111.0, 199.0, 426.0])
    spread = np.array([8.5, 11.5, 20.9, 59.0, 160.0, 249.0, 371.0])
    found = heights[minutes - 1]
    error = np.abs(found.mean(axis=1) - mean)
    allowed = 3.0 * spread * np.sqrt(1 / 1500 + 1 / count)
    print("mean height:", found.mean(axis=1).round(1), "spread:", found.std(axis=1).round(1))
    assert (error < allowed + 0.05).all()
    np.testing.assert_allclose(found.std(axis=1), spread, rtol=0.1)
