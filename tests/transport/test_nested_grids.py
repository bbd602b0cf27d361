"""Particles use the first grid that holds their place and time, and go on in the next."""

import numpy as np
import pytest
from synthetic_weather import (
    CELL_M,
    HEIGHTS_M,
    SPACING_DEG,
    START,
    Laboratory,
    by_minute,
    per_level,
    release,
)

from stilt.meteorology.grids import latlon_grid

SETTLED = {"nturb": 1, "numpar": 3}
COARSE = latlon_grid(
    -0.4, -0.4, 4 * SPACING_DEG, 4 * SPACING_DEG, 21, 21, levels=HEIGHTS_M, vertical_flag=3
)
"""Four times the cells of the laboratory's grid, around it."""

M_PER_DEG = CELL_M / SPACING_DEG


def wind(speed_m_s: float) -> tuple[dict, dict]:
    return {"UWND": per_level([speed_m_s] * len(HEIGHTS_M))}, {"U10M": speed_m_s}


@pytest.fixture
def nest(lab, tmp_path):
    """A laboratory whose analyses are those of its own grid, then those of a coarser one."""

    def of(inner, outer, **times) -> Laboratory:
        around = Laboratory(tmp_path / "around", COARSE).weather(outer)
        refs = lab.weather(*inner, **times).refs if inner else []
        lab.refs = [*refs, *around.refs]
        return lab

    return of


def test_a_particle_goes_on_in_the_next_grid_from_where_it_left(nest):
    inner_m_s, outer_m_s = 4.0, 8.0
    lab = nest([wind(inner_m_s)], wind(outer_m_s))
    (table,) = lab.run(release(500.0), n_hours=1, **SETTLED)
    lon = by_minute(table, "long")
    assert lon.shape == (60, 3)
    step = np.diff(lon[:, 0], prepend=0.0) * M_PER_DEG / 60.0
    # The grid's east edge is at 0.1 degree, and its last cells are not used.
    leaves = int(np.argmax(step > 0.5 * (inner_m_s + outer_m_s)))
    np.testing.assert_allclose(step[:leaves], inner_m_s, rtol=2e-3)
    np.testing.assert_allclose(step[leaves:], outer_m_s, rtol=2e-3)
    assert 0.065 < lon[leaves - 1, 0] < 0.085


def test_a_particle_that_comes_back_uses_the_fine_grid_again(nest):
    lab = nest([wind(4.0)], wind(-8.0))
    (table,) = lab.run(release(500.0), n_hours=1, **SETTLED)
    lon = by_minute(table, "long")[:, 0]
    # It is turned back at the edge, and sent out again when the next look finds it inside.
    assert lon[-30:].max() < 0.09
    assert lon[-30:].min() > 0.04
    assert len(lon) == 60


def test_where_both_grids_say_the_same_the_nest_changes_nothing(nest, lab, tmp_path):
    turbulent = {"n_hours": 1, "numpar": 200}
    alone = Laboratory(tmp_path / "alone", COARSE).weather(wind(6.0))
    (wanted,) = alone.run(release(300.0), **turbulent)
    nested = nest([wind(6.0)], wind(6.0))
    (table,) = nested.run(release(300.0), **turbulent)
    assert len(table) == len(wanted)
    # The same random numbers on either side: only rounding and the size of cells differ.
    for name, close in (("long", 2e-4), ("lati", 2e-4), ("zagl", 5.0), ("foot", 1e-4)):
        difference = by_minute(table, name) - by_minute(wanted, name)
        assert np.abs(np.median(difference)) < close


def test_hours_that_the_fine_grid_lacks_are_those_of_the_coarse_one(nest):
    half_hour = np.timedelta64(30, "m")
    lab = nest([wind(1.0), wind(1.0), wind(1.0)], wind(2.0), start=START + half_hour, step_h=0.5)
    (table,) = lab.run(release(500.0), n_hours=1, **SETTLED)
    step = np.diff(by_minute(table, "long")[:, 0], prepend=0.0) * M_PER_DEG / 60.0
    np.testing.assert_allclose(step[:30], 2.0, rtol=5e-3)
    np.testing.assert_allclose(step[30:], 1.0, rtol=5e-3)


def test_a_release_outside_the_fine_grid_starts_in_the_coarse_one(nest):
    lab = nest([wind(1.0)], wind(2.0))
    (table,) = lab.run(release(500.0, lon=0.2), n_hours=1, **SETTLED)
    assert by_minute(table, "long")[-1, 0] == pytest.approx(0.2 + 2.0 * 3600 / M_PER_DEG, rel=1e-3)


def test_backward_particles_go_on_too(nest):
    lab = nest([wind(4.0)], wind(8.0))
    (table,) = lab.run(release(500.0), n_hours=-1, **SETTLED)
    lon = by_minute(table, "long")[:, 0]
    assert len(lon) == 60
    assert lon[-1] < -0.15


def test_receptors_of_several_times_share_a_sweep(nest):
    lab = nest([wind(4.0)], wind(8.0))
    several = [
        release(500.0, key=1),
        release(500.0, key=2, time=START + np.timedelta64(7, "m")),
        release(500.0, key=3, time=START + np.timedelta64(13, "m"), lon=0.2),
    ]
    together = lab.run(several, n_hours=1, numpar=20)
    for one, table in zip(several, together, strict=True):
        (alone,) = lab.run(one, n_hours=1, numpar=20)
        for name in ("long", "lati", "zagl"):
            np.testing.assert_allclose(
                by_minute(table, name), by_minute(alone, name), atol=3e-3 if name != "zagl" else 60
            )


def test_between_two_grids_of_one_stream_the_nearer_analysis_holds(lab, tmp_path):
    """A model upgrade: until noon one grid, an hour later another."""
    hour = np.timedelta64(1, "h")
    slow, fast = wind(1.0), wind(2.0)
    old = Laboratory(tmp_path / "old", COARSE).weather(slow, slow, start=START - hour, step_h=1.0)
    new = lab.weather(fast, fast, start=START + hour, step_h=1.0)
    lab.refs = [*new.refs, *old.refs]
    start = release(500.0, time=START - np.timedelta64(30, "m"), lon=-0.03)
    (table,) = lab.run(start, n_hours=2, **SETTLED)
    step = np.diff(by_minute(table, "long")[:, 0], prepend=-0.03) * M_PER_DEG / 60.0
    assert len(step) == 120
    np.testing.assert_allclose(step[:55], 1.0, rtol=5e-3)
    np.testing.assert_allclose(step[65:], 2.0, rtol=5e-3)
