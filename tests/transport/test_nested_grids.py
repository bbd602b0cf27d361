"""Particles use the first grid that holds their place and time, and go on in the next."""

import numpy as np
import pandas as pd
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
    """Every minute begins in the finest grid that holds the particle, as with HYSPLIT."""
    inner_m_s, outer_m_s = 4.0, -6.0
    lab = nest([wind(inner_m_s)], wind(outer_m_s))
    (table,) = lab.run(release(500.0), n_hours=1, **SETTLED)
    lon = by_minute(table, "long")[:, 0]
    begin = np.concatenate([[0.0], lon[:-1]])
    step = (lon - begin) * M_PER_DEG / 60.0
    # The fine grid holds what is in its columns up to the last but three.
    inside = np.floor((begin + 0.1) / SPACING_DEG + 1e-4) < 18
    wanted = np.where(inside, inner_m_s, outer_m_s)
    np.testing.assert_allclose(step, wanted, atol=0.02)
    assert np.count_nonzero(np.diff(inside)) > 5


def test_a_particle_comes_into_the_fine_grid_within_a_minute(nest):
    lab = nest([wind(2.0)], wind(5.0))
    (table,) = lab.run(release(500.0, lon=-0.15), n_hours=1, **SETTLED)
    lon = by_minute(table, "long")[:, 0]
    begin = np.concatenate([[-0.15], lon[:-1]])
    step = (lon - begin) * M_PER_DEG / 60.0
    inside = (begin + 0.1) / SPACING_DEG >= 1.0
    np.testing.assert_allclose(step, np.where(inside, 2.0, 5.0), atol=0.02)
    assert 10 < np.count_nonzero(inside) < 50


def test_terrain_following_height_is_kept(nest):
    """HYSPLIT: 500 m above 0 m becomes 489.9995 m above 500 m."""
    upper, surface = wind(8.0)
    lab = nest([(upper, surface)], (upper, {**surface, "SHGT": 500.0}))
    (table,) = lab.run(
        release(500.0), n_hours=1, nturb=1, numpar=1, varsiwant=("time", "indx", "zagl", "zsfc")
    )
    zagl, ground = by_minute(table, "zagl")[:, 0], by_minute(table, "zsfc")[:, 0]
    assert set(np.round(ground)) == {0.0, 500.0}
    np.testing.assert_allclose(zagl, np.where(ground < 1.0, 500.0, 489.9995), rtol=1e-5)


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


@pytest.mark.parametrize("hours", [1, -1])
@pytest.mark.parametrize("error_run", [False, True])
def test_a_receptor_has_the_same_bytes_alone_and_together(nest, hours, error_run):
    """Of other minutes, in and out of the fine grid and along its edge, with turbulence."""
    lab = nest([wind(4.0)] * 4, wind(-3.0), start=START - np.timedelta64(50, "m"), step_h=0.5)
    settings = {
        "n_hours": hours, "numpar": 30, "siguverr": 2.0, "tluverr": 60.0, "zcoruverr": 300.0,
        "horcoruverr": 20.0,
    }  # fmt: skip
    several = [
        release(300.0, key=1, lon=0.06),
        release(300.0, key=2, time=START + np.timedelta64(7, "m"), lon=-0.09),
        release([10.0, 900.0], key=3, time=START - np.timedelta64(13, "m"), lon=0.085,
                kind="column"),
        release(50.0, key=4, time=START + np.timedelta64(4, "m"), lon=0.12),
    ]  # fmt: skip
    together = lab.run(several, error_run=error_run, **settings)
    for one, table in zip(several, together, strict=True):
        (alone,) = lab.run(one, error_run=error_run, **settings)
        pd.testing.assert_frame_equal(alone, table, check_exact=True)


def test_points_on_both_sides_of_an_edge_start_in_their_own_grids(nest):
    upper, surface = wind(1.0)
    lab = nest([(upper, surface)], (upper, {**surface, "SHGT": 500.0}))
    points = release([400.0, 400.0], lon=[0.0, 0.2])
    (table,) = lab.run(points, nturb=1, numpar=5, varsiwant=("time", "indx", "zagl", "zsfc"))
    first = table[table.time.abs() == 1].sort_values("indx")
    np.testing.assert_allclose(first.zsfc, [0.0] * 3 + [500.0] * 2, atol=1.0)
    np.testing.assert_allclose(first.zagl, 400.0, rtol=1e-4)


def test_a_particle_that_leaves_all_grids_ends(nest):
    lab = nest([wind(20.0)], wind(20.0))
    (table,) = lab.run(release(500.0), n_hours=1, **SETTLED)
    last = by_minute(table, "long")[-1, 0]
    # Two cells of the coarse grid are not used, and one that is not entered.
    edge = -0.4 + 18 * 4 * SPACING_DEG
    assert edge <= last < edge + 20.0 * 60.0 / M_PER_DEG
    assert table.time.max() < 60


def test_no_analysis_is_used_beyond_its_hours_while_another_grid_has_them(lab, tmp_path):
    """A fine grid that ends in time, of which a part lies outside the coarse grid."""
    half_hour = np.timedelta64(30, "m")
    across = latlon_grid(
        0.3, -0.1, SPACING_DEG, SPACING_DEG, 21, 21, levels=HEIGHTS_M, vertical_flag=3
    )
    fine = Laboratory(tmp_path / "fine", across)
    fine.weather(wind(1.0), wind(1.0), start=START - half_hour, step_h=1.0)
    coarse = Laboratory(tmp_path / "coarse", COARSE).weather(wind(1.0))
    lab.refs = [*fine.refs, *coarse.refs]
    (table,) = lab.run(release(500.0, lon=0.42), n_hours=1, **SETTLED)
    assert table.time.max() == 30


def test_a_global_grid_around_a_fine_one_at_the_date_line(lab, tmp_path):
    world = latlon_grid(0.0, -90.0, 2.0, 2.0, 180, 91, levels=HEIGHTS_M, vertical_flag=3)
    fine = latlon_grid(178.0, -2.0, 0.2, 0.2, 21, 21, levels=HEIGHTS_M, vertical_flag=3)
    around = Laboratory(tmp_path / "world", world).weather(wind(50.0))
    within = Laboratory(tmp_path / "fine", fine).weather(wind(25.0))
    lab.refs = [*within.refs, *around.refs]
    (table,) = lab.run(release(500.0, lon=179.3), n_hours=5, **SETTLED)
    lon = np.mod(by_minute(table, "long")[:, 0], 360.0)
    assert len(lon) == 300
    begin = np.concatenate([[179.3], lon[:-1]])
    step = (lon - begin) * M_PER_DEG / 60.0
    np.testing.assert_allclose(step, np.where(begin < 181.6, 25.0, 50.0), rtol=5e-3)


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
