"""Many footprints at once: the matrix, what fluxes add, sums and means."""

import pickle
import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stilt import Footprint, FootprintConfig, PointReceptor
from stilt.errors import UsageError
from stilt.footprint.enhancement import Enhancement, enhancement, flux_factor
from stilt.footprint.files import FootprintFiles
from stilt.footprint.jacobian import jacobian
from stilt.footprint.layers import CellBlock, LayerCells, Layers
from stilt.footprint.reduce import mean_footprint, sum_footprints

BINS = pd.date_range("2023-07-15 12:00", "2023-07-15 18:00", freq="2h")
GRID = {"xmin": -113.0, "xmax": -111.0, "ymin": 39.8, "ymax": 41.4, "xres": 0.05, "yres": 0.05}
UTM = {**GRID, "xres": 4000, "yres": 4000, "projection": "+proj=utm +zone=12 +datum=WGS84"}


def made(seed: int, hour: int = 18, grid: dict | None = None, lon: float = -112.0) -> Footprint:
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, 0.01, (2, 150, 12)).cumsum(axis=1)
    particles = pd.DataFrame(
        {
            "time": -np.repeat(np.arange(1.0, 151), 12),
            "indx": np.tile(np.arange(1, 13), 150),
            "long": lon + moves[0].ravel(),
            "lati": 40.6 + moves[1].ravel(),
            "foot": rng.gamma(2.0, 1e-3, 1800),
        }
    )
    receptor = PointReceptor(f"2023-07-15 {hour:02d}:00:00", -112.0, 40.6, 5.0)
    return Footprint.calculate(particles, receptor, FootprintConfig(**(grid or GRID)))


FOOTPRINTS = [made(0, 18), made(1, 17), made(2, 16), made(3, 20), made(4, 18, lon=20.0)]


def target(size: float = 0.2, low: float = -113.0, high: float = -111.0) -> xr.Dataset:
    return xr.Dataset(
        coords={
            "lon": np.arange(low + size / 2, high, size),
            "lat": np.arange(39.8 + size / 2, 41.4, size),
        }
    )


@pytest.mark.parametrize("size", [0.2, 0.13, 0.05, 0.021])
def test_rows_are_aggregated_footprints(size: float) -> None:
    matrix = jacobian(FOOTPRINTS, target(size), BINS)
    for number, foot in enumerate(FOOTPRINTS):
        frame = foot.aggregate(target(size), BINS)
        row = matrix.matrix[[number]].toarray().reshape(3, -1)
        np.testing.assert_allclose(row, frame.T, rtol=1e-12, atol=1e-18)
        assert matrix.outside_cells[number] == pytest.approx(frame.attrs["outside_cells"], abs=1e-9)
        assert matrix.outside_times[number] == pytest.approx(frame.attrs["outside_times"], abs=1e-9)


def test_totals_and_what_is_left_out() -> None:
    matrix = jacobian(FOOTPRINTS, target(0.1, -112.4, -111.9), BINS)
    totals = [foot.total for foot in FOOTPRINTS]
    np.testing.assert_allclose(
        matrix.total + matrix.outside_cells + matrix.outside_times, totals, rtol=1e-9, atol=1e-12
    )
    assert (matrix.outside_cells[:4] > 0).all()
    assert matrix.outside_times[3] > 0  # its hours come after the bins


def test_labels() -> None:
    matrix = jacobian(iter(FOOTPRINTS), target(), BINS)
    assert matrix.matrix.shape == (5, 3 * 10 * 8)
    assert list(matrix.receptors.index) == [str(f.receptor.id) for f in FOOTPRINTS]
    assert list(matrix.receptors["time"]) == [f.receptor.time for f in FOOTPRINTS]
    assert matrix.columns.names == ["time", "lon", "lat"]
    frame = matrix.to_frame()
    first = frame.iloc[0].sparse.to_dense() if hasattr(frame.iloc[0], "sparse") else frame.iloc[0]
    assert first.groupby("time").sum().sum() == pytest.approx(FOOTPRINTS[0].total)


def test_rows_may_be_named_by_the_caller() -> None:
    names = [f"sim{n}" for n in range(5)]
    assert list(jacobian(FOOTPRINTS, target(), BINS, labels=names).receptors.index) == names
    flux = flux_of(np.ones((2, 2)), [-113.0, -111.0], [39.0, 41.0])
    found = enhancement(FOOTPRINTS, flux, labels=names)
    assert list(found.index) == names
    assert found.loc["sim1", "enhancement_ppm"] == FOOTPRINTS[1].enhancement(flux)


def test_footprints_of_different_grids_share_a_matrix() -> None:
    mixed = [made(0), made(0, grid=UTM)]
    matrix = jacobian(mixed, target(0.4, -113.4, -110.6), BINS)
    assert matrix.total[0] == pytest.approx(mixed[0].total, rel=1e-9)
    assert matrix.total[1] == pytest.approx(mixed[1].total, rel=1e-9)


def test_only_one_footprint_is_held_at_a_time() -> None:
    import weakref

    alive: list[weakref.ref] = []

    def stream():
        for seed in range(6):
            foot = made(seed)
            alive.append(weakref.ref(foot))
            assert sum(ref() is not None for ref in alive) <= 2
            yield foot
            del foot

    assert jacobian(stream(), target(), BINS).matrix.shape[0] == 6


def flux_of(values: np.ndarray, lon, lat, times=None, units="umol m-2 s-1") -> xr.DataArray:
    coords = {"lat": lat, "lon": lon}
    dims = ("lat", "lon")
    if times is not None:
        coords, dims = {"time": times, **coords}, ("time", *dims)
    return xr.DataArray(values, coords=coords, dims=dims, attrs={"units": units})


def test_a_constant_flux_gives_flux_times_total() -> None:
    cover = target(0.4, -113.2, -110.8)
    flux = flux_of(np.full((4, 6), 3.0), cover["lon"].values, cover["lat"].values)
    found = enhancement(FOOTPRINTS, flux)
    expected = [3.0 * foot.total for foot in FOOTPRINTS]
    np.testing.assert_allclose(found["enhancement_ppm"], expected, rtol=1e-9)
    np.testing.assert_allclose(found["outside"], 0.0, atol=1e-12)
    assert list(found["time"]) == [foot.receptor.time for foot in FOOTPRINTS]


@pytest.mark.parametrize("grid", [GRID, UTM], ids=["degrees", "utm"])
def test_enhancement_agrees_with_the_jacobian(grid: dict) -> None:
    footprints = [made(seed, 18, grid) for seed in range(3)]
    rng = np.random.default_rng(9)
    cells = target(0.13)
    times = pd.date_range("2023-07-15 12:00", periods=3, freq="2h")
    shape = (3, cells.sizes["lat"], cells.sizes["lon"])
    flux = flux_of(rng.random(shape), cells["lon"].values, cells["lat"].values, times)
    flux = flux.where(flux["lon"] > -112.8)
    found = enhancement(footprints, flux)
    matrix = jacobian(footprints, flux.isel(time=0, drop=True), BINS)
    series = flux.to_series().dropna().reorder_levels(["time", "lon", "lat"])
    np.testing.assert_allclose(
        found["enhancement_ppm"], matrix.enhancement(series).to_numpy(), rtol=1e-9
    )
    np.testing.assert_allclose(
        found["outside"], matrix.outside_cells + matrix.outside_times, atol=1e-12
    )


def even_flux(foot: Footprint, times, values) -> xr.DataArray:
    """A flux on a footprint's cells, the same everywhere, of some times."""
    lon, lat = foot.data["lon"].values, foot.data["lat"].values
    field = np.ones((len(values), lat.size, lon.size)) * np.asarray(values)[:, None, None]
    return flux_of(field, lon, lat, pd.DatetimeIndex(times))


def hourly(foot: Footprint) -> np.ndarray:
    """Influence of each hour."""
    return foot.data.sum(foot.data.dims[1:]).values


def test_each_flux_step_holds_until_the_next() -> None:
    foot = FOOTPRINTS[0]
    times = ["2023-07-15 17:00", "2023-07-15 15:00", "2023-07-15 16:30", "2023-07-15 18:00"]
    found = enhancement([foot], even_flux(foot, times, [100.0, 1.0, 10.0, 5.0]))
    hours = hourly(foot)  # 15, 16 and 17 h
    assert found["enhancement_ppm"].item() == pytest.approx(hours @ [1.0, 5.5, 100.0])
    with pytest.warns(UserWarning, match="The flux covers only"):
        found = enhancement([foot], even_flux(foot, times[:2], [100.0, 1.0]).assign_coords(
            time=pd.DatetimeIndex(times[:2]) + pd.Timedelta("1h")))  # fmt: skip
    assert found["outside"].item() == pytest.approx(hours[0])
    assert found["outside_share"].item() == pytest.approx(hours[0] / foot.total)


def test_a_receptor_between_hours_takes_its_share_of_each_hour_of_flux() -> None:
    base = FOOTPRINTS[0]
    receptor = PointReceptor("2023-07-15 14:37:00", -112.0, 40.6, 5.0)
    data = base.data.assign_coords(time=base.data["time"] - np.timedelta64(203, "m"))
    foot = Footprint(receptor, base.config, data)
    times = pd.date_range("2023-07-15 11:00", periods=4, freq="h")
    hours = hourly(foot)  # from 11:37, 12:37 and 13:37
    expected = hours @ (
        np.array([1.0, 10.0, 100.0]) * 23 / 60 + np.array([10.0, 100.0, 1000.0]) * 37 / 60
    )
    found = foot.enhancement(even_flux(foot, times, [1.0, 10.0, 100.0, 1000.0]))
    assert found == pytest.approx(expected)
    assert found.outside == pytest.approx(0.0, abs=1e-12)
    with pytest.warns(UserWarning, match="The flux covers only"):
        found = foot.enhancement(even_flux(foot, times[:3], [1.0, 10.0, 100.0]))
    assert found.outside == pytest.approx(hours[2] * 37 / 60)


@pytest.mark.parametrize("years", [-1, 1])
def test_a_flux_of_another_year_is_told_of(years: int) -> None:
    foot = FOOTPRINTS[0]
    times = pd.date_range("2023-07-15", periods=24, freq="h") + pd.DateOffset(years=years)
    with pytest.warns(UserWarning) as told:  # noqa: PT030
        found = foot.enhancement(even_flux(foot, times, np.ones(24)))
    assert len(told) == 1
    assert str(told[0].message) == (
        "The flux covers only 0% of the influence of 202307151800_-112_40.6_5 (its hours are "
        f"2023-07-15 15:00 to 2023-07-15 18:00, the flux's {2023 + years}-07-15 00:00 to "
        f"{2023 + years}-07-16 00:00); what it leaves out is not in the enhancement."
    )
    assert (found, found.outside_share) == (0.0, 1.0)
    assert found.outside == pytest.approx(foot.total)


def test_many_footprints_are_told_of_once() -> None:
    flux = flux_of(np.ones((2, 2)), [-112.0, -111.8], [40.5, 40.7])
    with pytest.warns(UserWarning) as told:  # noqa: PT030
        found = enhancement(FOOTPRINTS, flux)
    assert len(told) == 1
    assert "where the flux has no value" in str(told[0].message)
    assert str(told[0].message).endswith("For 3 of 5 footprints it leaves out more than a tenth.")
    assert (found["outside_share"] > 0.1).sum() == 3
    assert found["outside_share"].iloc[4] == 0.0  # an empty footprint lacks nothing


def test_less_than_a_tenth_is_not_told_of() -> None:
    foot = FOOTPRINTS[0]
    hours = hourly(foot)
    times = pd.date_range("2023-07-15 15:00", periods=36, freq="5min")
    most = times[int(12 * 0.15 * foot.total / hours[0]) // 2 :]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = foot.enhancement(even_flux(foot, most, np.ones(most.size)))
    assert 0.0 < found.outside_share < 0.1


def test_an_enhancement_is_a_number_that_can_be_sent_to_another_process() -> None:
    number = pickle.loads(pickle.dumps(Enhancement(1.5, 0.2, 0.1)))
    assert (number, number.outside, number.outside_share) == (1.5, 0.2, 0.1)
    assert number + 1 == 2.5


def test_two_fields_of_one_time_are_an_error() -> None:
    foot = FOOTPRINTS[0]
    times = ["2023-07-15 15:00", "2023-07-15 17:00", "2023-07-15 15:00"]
    with pytest.raises(UsageError, match="more than one field at 2023-07-15T15:00:00"):
        foot.enhancement(even_flux(foot, times, [1.0, 2.0, 3.0]))
    matrix = jacobian([foot], target(), BINS)
    flux = pd.Series(1.0, index=matrix.columns)
    with pytest.raises(UsageError, match="more than one value for"):
        matrix.enhancement(pd.concat([flux, flux[:1]]))


def test_times_and_dimensions_that_cannot_be_used_are_named() -> None:
    foot = FOOTPRINTS[0]
    flux = even_flux(foot, ["2023-07-15 15:00", "2023-07-15 16:00"], [1.0, 2.0])
    with pytest.raises(UsageError, match="must all be dates"):
        foot.enhancement(flux.assign_coords(time=[1, 2]))
    with pytest.raises(UsageError, match="dimension 'sector'"):
        foot.enhancement(flux.expand_dims(sector=["road", "power"]))


def test_a_flux_of_a_single_time_holds_always_and_another_year_is_told_of() -> None:
    foot = FOOTPRINTS[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert foot.enhancement(even_flux(foot, ["2023-01-01"], [2.0])) == pytest.approx(
            2.0 * foot.total
        )
    for when in ("2024-01-01", "2015-01-01"):
        with pytest.warns(UserWarning, match="a single time"):
            found = foot.enhancement(even_flux(foot, [when], [2.0]))
        assert found == pytest.approx(2.0 * foot.total)


def test_a_matrix_that_leaves_out_much_is_told_of() -> None:
    matrix = jacobian(FOOTPRINTS, target(0.1, -112.0, -111.9), BINS)
    with pytest.warns(UserWarning, match="The matrix holds only"):
        matrix.enhancement(np.ones(matrix.matrix.shape[1]))
    lacking = matrix.outside_cells + matrix.outside_times
    np.testing.assert_allclose(
        matrix.outside_share[:4], lacking[:4] / [foot.total for foot in FOOTPRINTS[:4]]
    )
    assert matrix.outside_share[4] == 0.0


def test_hours_that_cross_the_edges_of_time_bins_are_told_of() -> None:
    base = FOOTPRINTS[0]
    receptor = PointReceptor("2023-07-15 17:37:00", -112.0, 40.6, 5.0)
    data = base.data.assign_coords(time=base.data["time"] - np.timedelta64(23, "m"))
    foot = Footprint(receptor, base.config, data)
    hours = pd.date_range("2023-07-15 12:00", "2023-07-15 20:00", freq="h")
    with pytest.warns(UserWarning, match="100% of the influence of 202307151737_-112_40.6_5 is in"):
        jacobian([base, foot], target(), hours)
    with pytest.warns(UserWarning, match="shares hours out"):
        foot.aggregate(target(), hours)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jacobian([base], target(), hours)
        jacobian([foot], target(), hours + pd.Timedelta("37min"))
        foot.aggregate(target(), hours[[0, -1]])


def test_summed_hours_take_no_flux_that_changes() -> None:
    foot = made(0, grid={**GRID, "time_integrate": True})
    lon, lat = foot.data["lon"].values, foot.data["lat"].values
    times = pd.DatetimeIndex(["2023-07-15 15:00", "2023-07-15 16:00"])
    changing = flux_of(np.ones((2, lat.size, lon.size)), lon, lat, times)
    with pytest.raises(UsageError, match=r"sum of its hours \(time_integrate\)"):
        enhancement([foot], changing)
    found = enhancement([foot], changing.isel(time=0, drop=True))
    assert found["enhancement_ppm"].item() == pytest.approx(float(foot.data.sum()))


@pytest.mark.parametrize(
    ("units", "factor"),
    [
        ("umol m-2 s-1", 1.0),
        ("µmol m-2 s-1", 1.0),
        ("umol/m2/s", 1.0),
        ("umol m^-2 s^-1", 1.0),
        ("micromol m**-2 s**-1", 1.0),
        ("mol m-2 s-1", 1e6),
        ("nmol m-2 s-1", 1e-3),
        ("mol km-2 h-1", 1e6 / 1e6 / 3600),
        ("s-1 mol m-2", 1e6),
    ],
)
def test_units_are_converted(units: str, factor: float) -> None:
    assert flux_factor(units) == pytest.approx(factor)


def test_mass_fluxes_need_a_molar_mass() -> None:
    assert flux_factor("kg m-2 s-1", 44.0095) == pytest.approx(1e9 / 44.0095)
    with pytest.raises(UsageError, match="molar_mass_g"):
        flux_factor("kg m-2 s-1")


@pytest.mark.parametrize("units", ["", "1", "ppm", "umol m-2", "umol m-2 s-1 K-1", "umol m2 s-1"])
def test_other_units_are_refused(units: str) -> None:
    with pytest.raises(UsageError, match="unit"):
        enhancement(FOOTPRINTS[:1], flux_of(np.ones((2, 2)), [1.0, 2.0], [1.0, 2.0], units=units))


def test_faults_are_named() -> None:
    with pytest.raises(UsageError, match="at least one footprint"):
        jacobian([], target(), BINS)
    matrix = jacobian(FOOTPRINTS, target(), BINS)
    with pytest.raises(UsageError, match="one value for each of the 240 columns"):
        matrix.enhancement(np.ones(3))
    times = pd.date_range("2023-07-15", periods=2, freq="1h")
    gaps = flux_of(np.ones((2, 2, 2)), [1.0, 2.0], [1.0, 2.0], times)
    gaps[0, 0, 0] = np.nan
    with pytest.raises(UsageError, match="NaN at some times only"):
        enhancement(FOOTPRINTS, gaps)


def test_files_give_what_their_footprints_give(tmp_path) -> None:
    paths = [f.to_netcdf(tmp_path / f"{n}.nc") for n, f in enumerate(FOOTPRINTS)]
    names = [f"sim{n}" for n in range(5)]
    files = FootprintFiles(paths, names)
    assert len(files) == 5
    one, other = files.jacobian(target(), BINS), jacobian(FOOTPRINTS, target(), BINS)
    np.testing.assert_array_equal(one.matrix.toarray(), other.matrix.toarray())
    assert list(one.receptors.index) == names
    flux = flux_of(np.ones((2, 2)), [-113.0, -111.0], [39.0, 41.0])
    found = files.enhancement(flux)
    pd.testing.assert_frame_equal(found, enhancement(FOOTPRINTS, flux, labels=names))
    xr.testing.assert_allclose(files.mean() * 5, files.sum())
    with pytest.raises(UsageError, match="cannot have 2 labels"):
        FootprintFiles(paths, names[:2])


def test_sum_and_mean() -> None:
    total = sum_footprints(iter(FOOTPRINTS))
    np.testing.assert_allclose(sum_footprints(map(Layers.of, FOOTPRINTS)), total, rtol=1e-12)
    blocks = [block_of(FOOTPRINTS[:2]), block_of(FOOTPRINTS[2:4]), FOOTPRINTS[4]]
    np.testing.assert_allclose(sum_footprints(blocks), total, rtol=1e-12)
    np.testing.assert_allclose(mean_footprint(blocks) * 5, total, rtol=1e-12)
    assert float(total.sum()) == pytest.approx(sum(foot.total for foot in FOOTPRINTS))
    mean = mean_footprint(FOOTPRINTS)
    np.testing.assert_allclose(mean * 5, total)
    assert not {"receptor", "receptor_time"} & set(mean.coords)  # no single receptor's
    assert mean.attrs["units"] == FOOTPRINTS[0].data.attrs["units"]
    with pytest.raises(UsageError, match="another grid"):
        sum_footprints([FOOTPRINTS[0], made(0, grid={**GRID, "xres": 0.1})])
    with pytest.raises(UsageError, match="holds no footprint"):
        mean_footprint([])


def block_of(footprints: Sequence[Footprint]) -> CellBlock:
    found = [Layers.of(footprint) for footprint in footprints]
    first = found[0]
    return CellBlock(
        first.grid,
        first.integrated,
        first.x,
        first.y,
        [str(each.receptor.id) for each in found],
        np.array([each.receptor.time.to_datetime64() for each in found], "datetime64[s]"),
        np.array([each.stamps.size for each in found]),
        np.concatenate([each.stamps for each in found]),
        np.concatenate([np.diff(each.first_of_layers) for each in found]),
        np.concatenate([each.places() for each in found]).astype(np.int32),
        np.concatenate([each.values for each in found]),
    )


def runs_again(footprint: Footprint) -> Layers:
    layers = Layers.of(footprint)
    return LayerCells(
        layers.receptor, layers.grid, layers.integrated, layers.x, layers.y, layers.stamps,
        np.diff(layers.first_of_layers), layers.places().astype(np.int32), layers.values,
    ).runs()  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*go on into the next time bin")
@pytest.mark.parametrize("size", [0.05, 0.07, 0.5, 1.0])
@pytest.mark.parametrize("shift", [0.0, 0.013])
@pytest.mark.parametrize("bins", ["hours", "a part", "overlapping"])
def test_cells_give_the_matrix_that_runs_give(size, shift, bins) -> None:
    first = FOOTPRINTS[0]
    low_x, low_y = float(first.data["lon"].min()), float(first.data["lat"].min())
    target = xr.Dataset(
        coords={
            "lon": low_x + shift + size * np.arange(0.5, 1 + 1.5 / size),
            "lat": low_y + shift + size * np.arange(0.5, 1 + 1.5 / size),
        }
    )
    time = first.receptor.time
    edges = {
        "hours": pd.date_range(time - pd.Timedelta(days=2), time + pd.Timedelta(days=1), freq="h"),
        "a part": pd.date_range(time - pd.Timedelta(hours=2), time, freq="h"),
        "overlapping": pd.IntervalIndex.from_tuples(
            [(time - pd.Timedelta(hours=n), time) for n in (1, 2, 30)], closed="left"
        ),
    }[bins]
    some = [footprint for footprint in FOOTPRINTS if footprint.grid == first.grid]
    for footprint in some:
        layers = runs_again(footprint)
        assert np.array_equal(layers.starts, Layers.of(footprint).starts)
        assert np.array_equal(layers.lengths, Layers.of(footprint).lengths)
    expected = jacobian(map(Layers.of, some), target, edges)
    found = jacobian([block_of(some[:1]), block_of(some[1:])], target, edges)
    np.testing.assert_allclose(
        found.matrix.toarray(), expected.matrix.toarray(), rtol=1e-8, atol=1e-12
    )
    np.testing.assert_allclose(found.outside_cells, expected.outside_cells, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found.outside_times, expected.outside_times, rtol=1e-8, atol=1e-12)
    assert found.receptors.equals(expected.receptors)


@pytest.mark.filterwarnings("ignore:.*go on into the next time bin")
def test_where_a_block_ends_changes_no_bit_of_a_matrix() -> None:
    some = FOOTPRINTS[:4]
    bins = pd.date_range("2023-07-15 00:00", "2023-07-15 23:00", freq="1h")
    # Of fine cells most are zero, and places are sorted instead of counted through.
    for size in (0.2, 0.002):
        whole = jacobian([block_of(some)], target(size), bins)
        single = jacobian([block_of([one]) for one in some], target(size), bins)
        assert (whole.matrix != single.matrix).nnz == 0
        assert whole.matrix.nnz > 0
        assert whole.receptors.equals(single.receptors)
        np.testing.assert_array_equal(whole.outside_times, single.outside_times)
        expected = jacobian(some, target(size), bins)
        np.testing.assert_allclose((whole.matrix - expected.matrix).data, 0.0, atol=1e-9)


def test_blocks_on_cells_that_are_not_a_whole_grid_or_in_another_projection() -> None:
    some = FOOTPRINTS[:3]
    part = target().to_dataset() if isinstance(target(), xr.DataArray) else target()
    centres = [(x, y) for x in part["lon"].values[:4] for y in part["lat"].values[1:5] if x != y]
    for where, more in (
        (centres[1:], {"resolution": 0.2}),
        (
            xr.Dataset(coords={"x": 5e3 * np.arange(-20, 20), "y": 5e3 * np.arange(-20, 20)}),
            {"projection": "+proj=lcc +lat_1=40 +lat_2=41 +lat_0=40.6 +lon_0=-112 +ellps=WGS84"},
        ),
    ):
        found = jacobian([block_of(some)], where, BINS, **more)
        expected = jacobian(some, where, BINS, **more)
        assert found.matrix.nnz > 0
        np.testing.assert_allclose(
            found.matrix.toarray(), expected.matrix.toarray(), rtol=1e-9, atol=1e-12
        )


def test_a_flux_elsewhere_adds_nothing_and_says_so() -> None:
    flux = xr.DataArray(
        np.ones((3, 4)),
        coords={"lat": [40.0, 41.0, 42.0], "lon": [10.0, 11.0, 12.0, 13.0]},
        dims=("lat", "lon"),
        attrs={"units": "umol m-2 s-1"},
    )
    foot = made(0)
    with pytest.warns(UserWarning, match="leaves out"):
        found = enhancement([foot], flux)
    assert found["enhancement_ppm"].item() == 0.0
    assert found["outside"].item() == pytest.approx(foot.total)
    assert found["outside_share"].item() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("flux", "said"),
    [
        (xr.Dataset({"co2": ("x", [1.0])}), r"data\[NAME\]\. It has 'co2'"),
        ("flux.nc", "not a str; a file is opened with xarray.open_dataset"),
        (np.ones((2, 2)), "not a ndarray"),
    ],
)
def test_what_is_no_flux_is_one_sentence(flux: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        enhancement([made(0)], flux)
