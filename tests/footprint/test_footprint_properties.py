"""What must hold of any footprint."""

import numpy as np
import pandas as pd
import pytest

from stilt import Footprint, FootprintConfig, PointReceptor
from stilt.errors import ConfigValidationError, FootprintError, UsageError
from stilt.footprint.jacobian import jacobian
from stilt.footprint.netcdf import read_layers

RECEPTOR = PointReceptor("2023-07-15 18:00:00", -112.0, 40.6, 5.0)
GRID = {"xmin": -114.0, "xmax": -110.0, "ymin": 39.0, "ymax": 42.0, "xres": 0.05, "yres": 0.05}


def walk(particles: int = 30, minutes: int = 200, *, sign: int = -1, lon: float = -112.0,
         seed: int = 0, step: float = 0.004) -> pd.DataFrame:  # fmt: skip
    """Random walk, rows by |time| and then by particle."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, step, (2, minutes, particles)).cumsum(axis=1)
    n = particles * minutes
    return pd.DataFrame(
        {
            "time": sign * np.repeat(np.arange(1.0, minutes + 1), particles),
            "indx": np.tile(np.arange(1, particles + 1), minutes),
            "long": lon + moves[0].ravel(),
            "lati": 40.6 + moves[1].ravel(),
            "foot": np.where(rng.random(n) < 0.6, rng.gamma(2.0, 1e-3, n), 0.0),
        }
    )


def footprint(particles: pd.DataFrame, **changes) -> Footprint:
    return Footprint.calculate(particles, RECEPTOR, FootprintConfig(**{**GRID, **changes}), "test")


def rows(*given: tuple[float, int, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(given, columns=["time", "indx", "long", "lati", "foot"])


def test_influence_is_linear_in_foot() -> None:
    table = walk()
    scaled = table.assign(foot=table["foot"] * 7.0)
    np.testing.assert_allclose(footprint(scaled).data, 7.0 * footprint(table).data, rtol=1e-12)


@pytest.mark.parametrize("smooth_factor", [0.0, 0.3, 1.0])
def test_total_is_kept_when_all_kernels_lie_inside(smooth_factor: float) -> None:
    table = walk()
    expected = table["foot"].sum() / table["indx"].nunique()
    assert footprint(table, smooth_factor=smooth_factor).total == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("smooth_factor", [0.0, 1.0, 6.0])
def test_time_integrated_is_the_sum_of_hours(smooth_factor: float) -> None:
    table = walk()
    hourly = footprint(table, smooth_factor=smooth_factor)
    whole = footprint(table, smooth_factor=smooth_factor, time_integrate=True)
    np.testing.assert_allclose(whole.data[0], hourly.data.sum("time"), rtol=1e-7, atol=1e-18)
    assert list(pd.DatetimeIndex(whole.data["time"].values)) == [RECEPTOR.time]


def test_row_order_does_not_matter() -> None:
    table = walk()
    shuffled = table.sample(frac=1.0, random_state=1)
    np.testing.assert_allclose(footprint(shuffled).data, footprint(table).data, rtol=1e-9)


def test_particle_numbers_are_only_names() -> None:
    table = walk()
    renamed = table.assign(indx=table["indx"] * 1_000_000_007 - 5_000_000_000)
    np.testing.assert_array_equal(footprint(renamed).data, footprint(table).data)


def test_late_starters_have_their_own_age() -> None:
    table = walk()
    late = table[(table["indx"] > 5) | (table["time"] < -30)]
    one = footprint(late)
    other = footprint(late.sample(frac=1.0, random_state=2))
    np.testing.assert_allclose(one.data, other.data, rtol=1e-9)
    early = late.assign(time=np.where(late["indx"] <= 5, late["time"] + 30, late["time"]))
    np.testing.assert_allclose(
        one.data.sum("time"), footprint(early).data.sum("time"), rtol=1e-9, atol=1e-18
    )


def test_other_columns_change_nothing_even_when_densified() -> None:
    table = walk(step=0.03)
    wide = table.assign(zagl=np.nan, mlht=np.nan, note="x")
    sizes = {"xres": 0.01, "yres": 0.01}
    np.testing.assert_array_equal(footprint(wide, **sizes).data, footprint(table, **sizes).data)


def test_fast_particles_leave_no_gaps_near_the_release() -> None:
    minutes = np.arange(1.0, 41)
    table = pd.concat(
        [
            rows(*((-t, n, -112.0 + 0.04 * t, 40.6 + 1e-4 * n, 1e-3) for t in minutes))
            for n in (1, 2)
        ]
    )
    foot = footprint(table, xres=0.01, yres=0.01, smooth_factor=0.0)
    touched = (foot.data.sum("time").max("lat") > 0).values
    first, last = np.flatnonzero(touched)[[0, -1]]
    assert touched[first : last + 1].mean() > 0.7
    assert foot.total == pytest.approx(table["foot"].sum() / 2, rel=1e-9)


def test_a_particle_on_an_edge_belongs_to_the_cell_above() -> None:
    edge = rows((-1.0, 1, -113.0, 40.0, 1.0), (-1.0, 2, -110.0, 40.0, 1.0))
    foot = footprint(edge, xres=0.5, yres=0.5, smooth_factor=0.0)
    assert float(foot.data.sel(lon=-112.75, lat=40.25).sum()) == 0.5
    assert foot.total == 0.5  # the second lies on the upper edge of the grid: outside


@pytest.mark.parametrize(
    ("time", "layer"), [(-0.1, -1), (-60, -1), (-60.1, -2), (0.5, 0), (59.9, 0), (60, 1)]
)
def test_hours_are_stamped_with_their_start(time: float, layer: int) -> None:
    foot = footprint(rows((time, 1, -112.0, 40.6, 1.0), (time, 2, -112.0, 40.7, 1.0)))
    stamps = pd.DatetimeIndex(foot.data["time"].values)
    assert list(stamps) == [RECEPTOR.time + pd.Timedelta(hours=layer)]
    assert foot.time_range[0] == foot.time_range[1] == stamps[0]


def test_missing_hours_are_not_inserted() -> None:
    table = walk()
    table.loc[(table["time"] < -60) & (table["time"] >= -120), "foot"] = 0.0
    stamps = pd.DatetimeIndex(footprint(table).data["time"].values)
    assert [int((s - RECEPTOR.time).total_seconds()) // 3600 for s in stamps] == [-4, -3, -1]


def test_across_the_dateline_as_anywhere_else() -> None:
    here = footprint(walk(lon=0.0), xmin=-2.0, xmax=2.0)
    table = walk(lon=0.0)
    table["long"] = (table["long"] + 180.0 + 180.0) % 360.0 - 180.0
    for bounds in ({"xmin": 178.0, "xmax": -178.0}, {"xmin": 178.0, "xmax": 182.0}):
        there = footprint(table, **bounds)
        lon = there.data["lon"].values
        assert np.all(np.diff(lon) > 0)
        assert lon.min() >= -180
        assert lon.max() < 180
        order = np.argsort((lon - 178.0) % 360.0)
        np.testing.assert_allclose(there.data.values[:, :, order], here.data, rtol=1e-8, atol=1e-18)


def test_a_grid_across_both_dateline_and_greenwich() -> None:
    table = walk(lon=5.0)
    foot = footprint(table, xmin=-20.0, xmax=200.0, xres=1.0, yres=1.0)
    plain = footprint(table, xmin=-20.0, xmax=170.0, xres=1.0, yres=1.0)
    assert foot.data.sizes["lon"] == 220
    assert foot.total == pytest.approx(plain.total)
    both = foot.data.sel(lon=plain.data["lon"])
    np.testing.assert_allclose(both, plain.data, rtol=1e-9, atol=1e-18)


def test_the_whole_globe_counts_every_particle() -> None:
    table = walk(lon=179.9, step=0.05)
    table["long"] = (table["long"] + 180.0) % 360.0 - 180.0
    world = {"xmin": -180.0, "xmax": 180.0, "ymin": -90, "ymax": 90, "xres": 5.0, "yres": 5.0}
    foot = footprint(table, smooth_factor=0.0, **world)
    assert foot.total == pytest.approx(table["foot"].sum() / 30)
    assert (foot.data.sum(["time", "lat"]).values > 0)[[0, -1]].all()


def test_particles_outside_count_in_mean_and_bandwidth() -> None:
    table = walk()
    away = walk(seed=1).assign(long=lambda t: t["long"] + 60.0, indx=lambda t: t["indx"] + 30)
    alone = footprint(table, smooth_factor=0.0)
    joined = footprint(pd.concat([table, away]), smooth_factor=0.0)
    np.testing.assert_allclose(joined.data, alone.data / 2, rtol=1e-12)
    wide = footprint(pd.concat([table, away]))
    assert (wide.data > 0).sum() > 3 * (footprint(table).data > 0).sum()


def test_projected_grid_has_metres_and_keeps_the_total() -> None:
    table = walk()
    foot = footprint(table, xres=5000, yres=5000, projection="+proj=utm +zone=12 +datum=WGS84")
    assert foot.data.dims == ("time", "y", "x")
    assert foot.data["x"].attrs["units"] == "m"
    assert foot.total == pytest.approx(table["foot"].sum() / 30, rel=1e-9)


@pytest.mark.parametrize("name", ["+proj=latlong", "+proj=longlat +datum=WGS84", "EPSG:4326"])
def test_every_name_of_degrees_means_degrees(name: str) -> None:
    foot = footprint(walk(), projection=name)
    assert foot.data.dims == ("time", "lat", "lon")
    np.testing.assert_array_equal(foot.data, footprint(walk()).data)


def test_empty_results_are_zeros_with_a_reason() -> None:
    nothing = footprint(walk().iloc[:0])
    assert (nothing.is_empty, nothing.empty_reason) == (True, "no_particles")
    outside = footprint(walk(lon=10.0))
    assert (outside.is_empty, outside.empty_reason) == (True, "outside_domain")
    assert outside.data.sizes["time"] == 4
    assert nothing.total == outside.total == 0.0
    assert not footprint(walk()).is_empty


def test_one_particle_is_not_smoothed() -> None:
    table = walk(particles=1)
    assert footprint(table).data.equals(footprint(table, smooth_factor=0.0).data)


def test_incomplete_cells_are_left_out() -> None:
    with pytest.warns(UserWarning, match="not a whole number of cells"):
        foot = footprint(walk(), xres=0.3, yres=0.7)
    np.testing.assert_allclose(foot.data["lon"][[0, -1]], [-113.85, -110.25])
    np.testing.assert_allclose(foot.data["lat"][[0, -1]], [39.35, 41.45])


def test_faults_say_what_to_do() -> None:
    with pytest.raises(FootprintError, match=r"lacks the column.*foot"):
        footprint(walk().drop(columns="foot"))
    with pytest.raises(ConfigValidationError, match="no cell along x"):
        footprint(walk(), xres=1e9, yres=1000, projection="+proj=utm +zone=12 +datum=WGS84")


def test_time_range_and_integration() -> None:
    foot = footprint(walk())
    start, stop = foot.time_range
    assert (str(start), str(stop)) == ("2023-07-15 14:00:00", "2023-07-15 18:00:00")
    np.testing.assert_array_equal(foot.data.sel(time=slice(start, stop)), foot.data)
    whole = foot.integrate_over_time()
    assert float(whole.sum()) == pytest.approx(foot.total)
    two = foot.integrate_over_time("2023-07-15 15:00", pd.Timestamp("2023-07-15T10:00-06:00"))
    np.testing.assert_allclose(two, foot.data[1:3].sum("time"))
    with pytest.raises(UsageError, match=r"15/07/2023.*write it as YYYY-MM-DD"):
        foot.integrate_over_time("15/07/2023 15:00")
    whole = footprint(walk(), time_integrate=True)
    assert float(whole.integrate_over_time(*whole.time_range).sum()) == pytest.approx(whole.total)
    with pytest.raises(UsageError, match="of which no part can be taken: leave start and end out"):
        whole.integrate_over_time("2023-07-15 15:00", "2023-07-15 18:00")


@pytest.mark.parametrize("smooth_factor", [0.0, 1.0])
def test_single_precision_counts_with_its_own_values(smooth_factor: float) -> None:
    single = walk().astype({"long": np.float32, "lati": np.float32, "foot": np.float32})
    double = single.astype({"long": np.float64, "lati": np.float64, "foot": np.float64})
    one, other = (footprint(table, smooth_factor=smooth_factor) for table in (single, double))
    np.testing.assert_array_equal(one.data, other.data)


@pytest.mark.parametrize("sign", [-1, 1])
def test_particles_that_come_late_or_leave_early_count_as_any(sign: int) -> None:
    table = walk(sign=sign)
    age = table["time"].abs()
    gone = (table["indx"] % 3 == 0) & (age > 70) | (table["indx"] == 5) & (age < 40)
    gone |= (table["indx"] == 8) & age.between(90, 130)
    table = table[~gone]
    expected = table["foot"].sum() / table["indx"].nunique()
    made = footprint(table)
    assert made.total == pytest.approx(expected, rel=1e-9)
    by_particle = footprint(table.sort_values(["indx", "time"]))
    np.testing.assert_allclose(by_particle.data, made.data, rtol=1e-9)


def test_missing_positions_drop_their_rows_and_no_more() -> None:
    table = walk()
    holes = np.arange(len(table)) % 701 == 0
    made = footprint(table.assign(long=table["long"].where(~holes)))
    expected = table["foot"][~holes].sum() / table["indx"].nunique()
    assert made.total == pytest.approx(expected, rel=1e-9)
    nowhere = footprint(table.assign(long=np.nan))
    assert (nowhere.total, nowhere.empty_reason) == (0.0, "outside_domain")


def test_a_pole_is_no_place_for_degrees() -> None:
    table = walk().assign(lati=-90.0)
    grid = {"xmin": -180.0, "xmax": 180.0, "ymin": -90.0, "ymax": -80.0, "xres": 0.5, "yres": 0.5}
    with pytest.raises(FootprintError, match="polar projection"):
        footprint(table, **grid)
    assert footprint(table, **grid, smooth_factor=0.0).total == pytest.approx(
        table["foot"].sum() / table["indx"].nunique(), rel=1e-9
    )


@pytest.mark.parametrize("cells", [(0.02, 0.1), (0.1, 0.02)])
def test_cells_that_are_not_square_keep_the_total(cells: tuple[float, float]) -> None:
    table = walk()
    made = footprint(table, xres=cells[0], yres=cells[1], smooth_factor=3.0)
    assert made.total == pytest.approx(table["foot"].sum() / table["indx"].nunique(), rel=1e-9)


def test_particles_whose_longitudes_count_from_0_give_the_same_footprint() -> None:
    particles = walk()
    east = particles.assign(long=particles["long"] + 360.0)
    made = [footprint(each) for each in (particles, east)]
    np.testing.assert_allclose(made[1].data, made[0].data, atol=1e-12)
    assert made[0].total > 0.0


@pytest.mark.parametrize("name", ["foot", "long", "lati"])
@pytest.mark.parametrize("value", [np.inf, -9999.0])
def test_particle_tables_with_fill_values_are_refused(name: str, value: float) -> None:
    particles = walk()
    particles.loc[[5, 700], name] = value
    with pytest.raises(FootprintError, match=f"2 of 6,000 rows .* hold no usable {name}, such as"):
        footprint(particles)


def signed(particles: pd.DataFrame, **changes) -> Footprint:
    """Return the footprint of weighted particles; this kernel leaves their weights."""
    ones = {"kind": "vertical_operator", "mode": "uniform"}
    return footprint(particles, transforms=[ones], **changes)


@pytest.mark.parametrize("changes", [{}, {"smooth_factor": 0.0}, {"time_integrate": True}])
def test_negative_influence_counts_as_such(changes: dict) -> None:
    """As of particles released where an averaging kernel is below zero."""
    particles = walk()
    upper = particles["indx"] > 20
    weighted = particles.assign(foot=particles["foot"].where(~upper, -0.3 * particles["foot"]))
    parts = [
        footprint(particles.assign(foot=particles["foot"].where(chosen, 0.0)), **changes).data
        for chosen in (~upper, upper)
    ]
    found = signed(weighted, **changes)
    expected = parts[0] - 0.3 * parts[1]
    np.testing.assert_allclose(found.data, expected, atol=1e-12)
    assert (found.data.values < 0.0).any()
    # All of it is near the receptor, and inside the grid.
    assert found.total == pytest.approx(weighted["foot"].sum() / 30, rel=1e-6)


def test_negative_influence_survives_its_file_and_a_jacobian(tmp_path) -> None:
    particles = walk()
    made = signed(particles.assign(foot=-particles["foot"]))
    path = made.to_netcdf(tmp_path / "foot.nc")
    again = Footprint.from_netcdf(path)
    np.testing.assert_array_equal(again.data, made.data)
    assert not again.is_empty
    bins = pd.DatetimeIndex(["2023-07-15", "2023-07-16"])
    for layers in (made, read_layers(path)):
        found = jacobian([layers], made.data.isel(time=0, drop=True), bins)
        assert found.matrix.sum() == pytest.approx(made.total, rel=1e-6)
        assert made.total < 0.0


def test_negative_influence_without_a_kernel_is_left_out_as_in_r_stilt() -> None:
    particles = walk()
    assert footprint(particles.assign(foot=-particles["foot"])).total == 0.0
