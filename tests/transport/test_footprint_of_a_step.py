"""foot and samt: time in the influence layer over the mass of dry air in it."""

import numpy as np
import pytest
from synthetic_weather import (
    GAS_CONSTANT,
    GRID,
    Laboratory,
    analysis,
    by_minute,
    per_level,
    release,
)

from stilt.meteorology.columns import remap
from stilt.meteorology.prepare import levels_for

MOLAR_MASS = 0.02884
DENSITY = 1.0e5 / (GAS_CONSTANT * 300.0)


def test_foot_is_molar_mass_times_time_over_mass(lab: Laboratory) -> None:
    table = lab.weather(({}, {})).run(release(100.0), n_hours=-1, numpar=300)[0]
    mass = DENSITY * 0.5 * 1060.0
    expected = MOLAR_MASS * 60.0 * table["samt"] / mass
    np.testing.assert_allclose(table["foot"], expected, rtol=2e-5, atol=1e-9)
    assert table["samt"].between(0.0, 1.0 + 1e-5).all()
    whole = table[np.isclose(table["samt"], 1.0, atol=1e-5)]
    assert len(whole) > 1000
    np.testing.assert_allclose(whole["foot"], MOLAR_MASS * 60.0 / mass, rtol=2e-5)


def test_influence_ends_where_the_layer_ends(lab: Laboratory) -> None:
    table = lab.weather(({}, {})).run(release(100.0), n_hours=-1, numpar=300)[0]
    height = by_minute(table, "zagl")
    time = by_minute(table, "samt")
    fastest = 60.0 * 5.0
    assert (time[height > 530.0 + fastest] == 0.0).all()
    assert time[height < 530.0 - fastest] == pytest.approx(1.0, abs=1e-4)


def test_mass_is_the_integral_of_dry_density(lab: Laboratory) -> None:
    """In humid air whose density falls with height the layer's dry mass counts."""
    heights = np.array(GRID.levels)
    upper = {
        "PRES": per_level(1000.0 * np.exp(-heights / 8500.0)),
        "TEMP": per_level(300.0 - 0.0065 * np.minimum(heights, 11_000.0)),
        "RELH": 80.0,
    }
    table = lab.weather((upper, {})).run(release(50.0), n_hours=-1, numpar=100)[0]
    columns = remap(analysis(lab.refs[1].time, upper, {}), levels_for(GRID, 25_000.0))
    z, rho = columns.heights_m[:, 10, 10], columns.dry_density[:, 10, 10]
    fine = np.linspace(0.0, 530.0, 5301)
    mass = np.trapezoid(np.interp(fine, z, rho), fine)
    full = table[np.isclose(table["samt"], 1.0, atol=1e-5)]
    np.testing.assert_allclose(full["foot"], MOLAR_MASS * 60.0 / mass, rtol=1e-4)


@pytest.mark.slow
def test_veght_above_one_is_metres(lab: Laboratory) -> None:
    table = lab.weather(({}, {})).run(release(100.0), n_hours=-1, numpar=300, veght=200.0)[0]
    mass = DENSITY * 200.0
    np.testing.assert_allclose(
        table["foot"], MOLAR_MASS * 60.0 * table["samt"] / mass, rtol=2e-5, atol=1e-9
    )
    assert 0.0 < table["samt"].mean() < 1.0
