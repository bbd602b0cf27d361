"""Motion with the mean wind alone: exact solutions, order of the scheme, and the way back."""

import numpy as np
import pytest
from synthetic_weather import (
    CELL_M,
    GRID,
    SPACING_DEG,
    START,
    Laboratory,
    by_minute,
    nodes,
    per_level,
    release,
)

CALM_RUN = {"nturb": 1, "numpar": 1}


def turning(speed_per_cell: float) -> tuple[dict, dict]:
    """Solid-body rotation around the middle node; a power of two m/s per cell packs exactly."""
    x, y = nodes()
    u, v = -speed_per_cell * y, speed_per_cell * x
    return {"UWND": u, "VWND": v}, {"U10M": u, "V10M": v}


def test_rotation_has_the_errors_of_a_second_order_scheme(lab: Laboratory) -> None:
    """Radius and phase per step: 1 + theta^4 / 8 and theta + theta^3 / 6 (plus higher orders)."""
    radius_errors, phase_errors = [], []
    for speed in (1.0, 2.0, 4.0):
        lab.weather(turning(speed))
        theta = speed * 60.0 / CELL_M
        steps = int(40 / speed)
        table = lab.run(release(500.0, lon=4 * SPACING_DEG), **CALM_RUN)[0].iloc[steps - 1]
        position = complex(table["long"], table["lati"]) / (4 * SPACING_DEG)
        growth = abs(1 + 1j * theta - theta**2 / 2) ** steps
        phase = np.angle(1 + 1j * theta - theta**2 / 2) * steps
        assert abs(position) == pytest.approx(growth, abs=1e-5)
        assert np.angle(position * np.exp(-1j * phase)) == pytest.approx(0.0, abs=1e-5)
        radius_errors.append(abs(position) - 1.0)
        phase_errors.append(np.angle(position * np.exp(-1j * theta * steps)))
    radius_errors, phase_errors = np.array(radius_errors), np.array(phase_errors)
    print("radius errors:", radius_errors, "phase errors:", phase_errors)
    # Halving the angle of a step over the same way: phase is second order, radius third.
    np.testing.assert_allclose(np.log2(phase_errors[1:] / phase_errors[:-1]), 2.0, atol=0.15)
    assert np.log2(radius_errors[2] / radius_errors[1]) == pytest.approx(3.0, abs=0.25)


@pytest.mark.parametrize("height", [2.0, 30.0, 400.0])
def test_steady_uniform_wind_is_reversible(lab: Laboratory, height: float) -> None:
    wind = per_level(1.0 + 0.5 * np.arange(GRID.n_levels))
    lab.weather(({"UWND": 0.2 * wind, "VWND": -0.1 * wind}, {"U10M": 0.1, "V10M": 0.05}))
    out = lab.run(release(height), n_hours=3, **CALM_RUN)[0].iloc[-1]
    assert np.hypot(out["long"], out["lati"]) > 0.001
    back = lab.run(
        release(float(out["zagl"]), lon=out["long"], lat=out["lati"],
                time=START + np.timedelta64(3, "h")),
        n_hours=-3, **CALM_RUN,
    )[0].iloc[-1]  # fmt: skip
    assert back["long"] == pytest.approx(0.0, abs=1e-5)
    assert back["lati"] == pytest.approx(0.0, abs=1e-5)
    assert back["zagl"] == pytest.approx(height, abs=0.01)


def test_curved_wind_is_reversible_to_the_order_of_the_scheme(lab: Laboratory) -> None:
    lab.weather(turning(0.5))
    theta = 0.5 * 60.0 / CELL_M
    out = lab.run(release(500.0, lon=4 * SPACING_DEG), **CALM_RUN)[0].iloc[-1]
    back = lab.run(
        release(500.0, lon=out["long"], lat=out["lati"], time=START + np.timedelta64(1, "h")),
        n_hours=-1, **CALM_RUN,
    )[0].iloc[-1]  # fmt: skip
    distance = np.hypot(back["long"] - 4 * SPACING_DEG, back["lati"]) / (4 * SPACING_DEG)
    # The phase errors of both ways cancel, the radius grows by theta^4 / 8 in every step.
    assert distance == pytest.approx(120 * theta**4 / 8, abs=1e-5)


def test_wind_is_linear_between_analyses(lab: Laboratory) -> None:
    """A ramp from 0 to 1 m/s in an hour: the way is half of speed times time, squared."""
    calm = ({}, {})
    windy = ({"UWND": 1.0}, {"U10M": 1.0})
    lab.weather(calm, windy, calm, step_h=1.0)
    way = lab.run(release(500.0), n_hours=2, **CALM_RUN)[0]["long"] * CELL_M / SPACING_DEG
    minutes = np.arange(1, 61)
    np.testing.assert_allclose(way[:60], 0.5 * (60.0 * minutes) ** 2 / 3600.0, rtol=1e-4, atol=0.05)
    assert way.iloc[119] == pytest.approx(3600.0, rel=1e-4)


def test_vertical_motion_moves_particles_and_ends_at_the_ground(lab: Laboratory) -> None:
    """Ten centimetres a second downward from 300 m."""
    lab.weather(({"DZDT": -0.125}, {}))
    heights = lab.run(release(300.0), **CALM_RUN)[0]["zagl"].to_numpy()
    assert heights[:10] == pytest.approx(300.0 - 7.5 * np.arange(1, 11), rel=2e-3)
    assert (np.diff(heights) < 0.0).all()
    assert (heights > 0.0).all()


@pytest.mark.parametrize(("height", "speed"), [(2.0, 0.46), (5.0, 1.15), (40.0, 3.419)])
def test_wind_between_levels_is_linear_in_level_number(
    lab: Laboratory, height: float, speed: float
) -> None:
    """Measured from HYSPLIT (NTURB 1) in u = 2 + 0.03 z; zero at the ground below 10 m."""
    levels = np.array(GRID.levels)
    wind = per_level(np.where(levels <= 500.0, 2.0 + 0.03 * levels, 17.0))
    lab.weather(({"UWND": wind}, {"U10M": 2.0}))
    found = lab.run(release(height), **CALM_RUN)[0]["long"].iloc[9] * CELL_M / SPACING_DEG / 600.0
    assert found == pytest.approx(speed, rel=0.002)


def test_all_particles_of_a_mean_run_are_the_same_whatever_the_seed(lab: Laboratory) -> None:
    lab.weather(turning(1.0))
    tables = [lab.run(release(100.0, lon=0.03, key=key), nturb=1, numpar=3)[0] for key in (1, 99)]
    for name in ("long", "lati", "zagl"):
        rows = by_minute(tables[0], name)
        assert (rows == rows[:, :1]).all()
        np.testing.assert_array_equal(rows, by_minute(tables[1], name))
    assert (tables[0]["foot"] == 0.0).all()
