"""Many footprints at once: the matrix, what fluxes add, sums and means."""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from small_footprints import BINS, FOOTPRINTS, GRID, UTM, flux_of, made, target

from stilt import Footprint, PointReceptor
from stilt.errors import UsageError
from stilt.footprint.enhancement import enhancement
from stilt.footprint.jacobian import jacobian
from stilt.footprint.layers import CellBlock, LayerCells, Layers
from stilt.footprint.reduce import mean_footprint, sum_footprints
from stilt.footprint.regions import Regions, regional_jacobian
from stilt.project.footprint_set import FootprintSet
from stilt.project.reading import Located


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
    assert repr(matrix).startswith("<Jacobian: 5 receptors x 3 times x 80 cells, ")
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


def test_faults_are_named() -> None:
    with pytest.raises(UsageError, match="at least one footprint"):
        jacobian([], target(), BINS)
    matrix = jacobian(FOOTPRINTS, target(), BINS)
    with pytest.raises(UsageError, match="one value for each of the 240 columns"):
        matrix.enhancement(np.ones(3))


def test_fill_values_of_a_flux_are_refused() -> None:
    matrix = jacobian(FOOTPRINTS, target(), BINS)
    flux = np.ones(240)
    for fill in (-9999.0, 1e20):
        flux[3] = fill
        with pytest.raises(UsageError, match="seems to stand for missing values"):
            matrix.enhancement(flux)


def test_files_give_what_their_footprints_give(tmp_path) -> None:
    paths = [f.to_netcdf(tmp_path / f"{n}.nc") for n, f in enumerate(FOOTPRINTS)]
    names = [f"met{n}_{foot.receptor.id}" for n, foot in enumerate(FOOTPRINTS)]
    files = FootprintSet([Located(*each) for each in zip(names, paths, strict=True)])
    assert len(files) == 5
    one, other = files.jacobian(target(), BINS), jacobian(FOOTPRINTS, target(), BINS)
    np.testing.assert_array_equal(one.matrix.toarray(), other.matrix.toarray())
    assert list(one.receptors.index) == names
    flux = flux_of(np.ones((2, 2)), [-113.0, -111.0], [39.0, 41.0])
    found = files.enhancement(flux)
    pd.testing.assert_frame_equal(found, enhancement(FOOTPRINTS, flux, labels=names))
    xr.testing.assert_allclose(files.mean() * 5, files.sum())


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


@pytest.mark.filterwarnings("ignore:.*rows of the Jacobian are zeros")
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


SUMMED = [made(seed, grid={**GRID, "time_integrate": True}) for seed in range(2)]


def days(*texts: str) -> pd.IntervalIndex:
    return pd.IntervalIndex.from_breaks(pd.to_datetime(list(texts)), closed="left")


def test_a_sum_of_hours_is_in_the_bin_that_holds_them_all() -> None:
    """Released at 18:00, followed for three hours back."""
    two = days("2023-07-15 09:00", "2023-07-15 12:00", "2023-07-15 18:00")
    totals = [foot.total for foot in SUMMED]
    whole = block_of(SUMMED)
    for footprints in (SUMMED, map(Layers.of, SUMMED), [whole]):
        found = jacobian(footprints, target(), two, n_hours=-3)
        by_bin = found.matrix.toarray().reshape(2, 2, -1).sum(axis=2)
        np.testing.assert_allclose(by_bin, [[0.0, total] for total in totals], rtol=1e-9)
    one = days("2023-07-15 12:00", "2023-07-15 18:00")
    np.testing.assert_allclose(jacobian(SUMMED, target(), one).total, totals, rtol=1e-9)
    assert SUMMED[0].aggregate(target(), one).to_numpy().sum() == pytest.approx(totals[0])
    everything = Regions.of({"all": shapely.box(-113.0, 39.8, -111.0, 41.4)})
    by_region = regional_jacobian(map(Layers.of, SUMMED), everything, two, n_hours=-3)
    np.testing.assert_allclose(by_region.matrix.toarray(), [[0.0, total] for total in totals])
    later = days("2023-07-16", "2023-07-17")
    with pytest.warns(UserWarning, match="2 of 2 rows of the Jacobian are zeros"):
        assert jacobian(SUMMED, target(), later, n_hours=-3).matrix.nnz == 0


def test_a_sum_of_hours_is_not_put_into_one_of_several_bins() -> None:
    with pytest.raises(UsageError, match="cannot be shared out among time bins: give one bin"):
        jacobian(SUMMED, target(), BINS)
    with pytest.raises(UsageError, match="cannot be shared out among time bins: give one bin"):
        SUMMED[0].aggregate(target(), BINS)
    sentence = r"15:00 to 2023-07-15 18:00 UTC, and a time bin ends among them"
    for bins in (BINS, days("2023-07-15 16:00", "2023-07-15 20:00")):
        with pytest.raises(UsageError, match=sentence):
            jacobian(SUMMED, target(), bins, n_hours=-3)
        with pytest.raises(UsageError, match=sentence):
            regional_jacobian(
                map(Layers.of, SUMMED), Regions.of({"a": shapely.box(-113, 40, -112, 41)}), bins,
                n_hours=-3,
            )  # fmt: skip
