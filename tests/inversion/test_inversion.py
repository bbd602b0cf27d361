"""Prior covariances, estimates, regions, and Jacobians in files."""

import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import shapely
import xarray as xr

import stilt
from stilt.errors import UsageError
from stilt.footprint.jacobian import Jacobian, jacobian
from stilt.footprint.layers import Layers
from stilt.inversion import PriorCovariance, Regions, estimate_fluxes, regional_jacobian
from stilt.inversion.layouts import (
    read_npz,
    to_fips,
    to_table,
    to_xarray,
    write_ct_lagrange,
    write_npz,
    write_parquet,
)
from stilt.project.footprint_set import FootprintSet
from stilt.project.reading import Located

GRID = stilt.Grid(xmin=-113, xmax=-111, ymin=40, ymax=42, xres=0.1, yres=0.1)
CONFIG = stilt.FootprintConfig(grid=GRID)
X, Y = -113 + 0.1 * (np.arange(20) + 0.5), 40 + 0.1 * (np.arange(20) + 0.5)
BINS = pd.date_range("2023-07-15", periods=4, freq="6h")


def footprint(time: str, seed: int) -> stilt.Footprint:
    rng = np.random.default_rng(seed)
    receptor = stilt.PointReceptor(time, -111.85, 40.77, 5.0)
    stamps = receptor.time.to_datetime64() + np.arange(-12, 0).astype("timedelta64[h]")
    values = rng.gamma(0.5, 0.01, (12, 20, 20)) * (rng.random((12, 20, 20)) < 0.3)
    data = xr.DataArray(
        values, dims=("time", "lat", "lon"),
        coords={"time": stamps.astype("datetime64[ns]"), "lat": Y, "lon": X}, name="foot",
    )  # fmt: skip
    return stilt.Footprint(receptor, CONFIG, data)


FOOTPRINTS = [footprint(f"2023-07-15 {hour}:00", hour) for hour in range(13, 19)]


def coarse() -> Jacobian:
    target = xr.DataArray(
        np.zeros((4, 4)), dims=("lat", "lon"),
        coords={"lat": 40.25 + 0.5 * np.arange(4), "lon": -112.75 + 0.5 * np.arange(4)},
    )  # fmt: skip
    return jacobian(FOOTPRINTS, target, BINS)


@pytest.mark.parametrize(("length", "hours", "cut_off"), [(80, 9, 0), (0, 0, 0), (80, 9, 1e-9)])
def test_a_separable_covariance_is_the_dense_one_in_every_product(length, hours, cut_off):
    found = coarse()
    sigma = np.random.default_rng(0).gamma(2.0, 1.0, found.matrix.shape[1])
    prior = PriorCovariance.exponential(
        found, sigma, length_km=length, hours=hours, cut_off=cut_off
    )
    space = prior.space.toarray() if sp.issparse(prior.space) else prior.space
    dense = np.outer(sigma, sigma) * np.kron(prior.time, space)
    h = found.matrix.toarray()
    np.testing.assert_allclose(prior.hq(found.matrix), h @ dense, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(prior.hqht(found.matrix), h @ dense @ h.T, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(prior.times(np.ones(len(sigma))), dense @ np.ones(len(sigma)))


def test_a_jacobian_for_its_matrix_and_a_matrix_for_a_covariance_are_refused():
    found = coarse()
    prior = PriorCovariance.exponential(found, 2.0, length_km=80.0, hours=12.0)
    with pytest.raises(UsageError, match=r"\(jacobian\.matrix\), not a Jacobian\."):
        estimate_fluxes(found, np.ones(6), np.ones(6), prior)
    with pytest.raises(UsageError, match=r"must be a PriorCovariance, .* not a ndarray"):
        estimate_fluxes(found.matrix, np.ones(6), np.ones(6), np.eye(found.matrix.shape[1]))


def test_correlations_are_those_by_hand():
    found = coarse()
    prior = PriorCovariance.exponential(found, 2.0, length_km=50.0, hours=12.0)
    assert prior.time[0, 2] == pytest.approx(np.exp(-1))
    # Half a degree of latitude between two rows of one column.
    first, second = 0, 1
    assert found.cells[first][0] == found.cells[second][0]
    assert prior.space[first, second] == pytest.approx(np.exp(-0.5 * np.pi / 180 * 6371 / 50))
    near = PriorCovariance.exponential(found, 2.0, length_km=50.0, hours=12.0, cut_off=0.2)
    assert near.space.nnz < 16 * 16
    kept = near.space.toarray()
    np.testing.assert_allclose(kept[kept > 0], prior.space[kept > 0])
    assert (prior.space[kept == 0] < 0.2 + 1e-9).all()


def test_the_estimate_is_bayes_rule():
    found = coarse()
    rng = np.random.default_rng(1)
    prior = PriorCovariance.exponential(found, 1.5, length_km=80.0, hours=12.0)
    z, r, before = rng.normal(1, 1, 6), rng.gamma(2, 0.1, 6), rng.normal(0, 1, 48)
    told = estimate_fluxes(found.matrix, z, r, prior, before)
    q = 1.5**2 * np.kron(prior.time, prior.space)
    h, noise = found.matrix.toarray(), np.diag(r**2)
    # The other form of the same estimate: x = (H' R^-1 H + Q^-1)^-1 (H' R^-1 z + Q^-1 x_a).
    after = np.linalg.inv(h.T @ np.linalg.inv(noise) @ h + np.linalg.inv(q))
    x = after @ (h.T @ np.linalg.inv(noise) @ z + np.linalg.inv(q) @ before)
    np.testing.assert_allclose(told.posterior, x, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(told.fitted, h @ x, rtol=1e-6)
    weights = rng.random((2, 48))
    low, high, q_low, q_high = told.totals(weights)
    np.testing.assert_allclose(low, weights @ before)
    np.testing.assert_allclose(high, weights @ x, rtol=1e-6)
    np.testing.assert_allclose(q_low, weights @ q @ weights.T, rtol=1e-9)
    np.testing.assert_allclose(q_high, weights @ after @ weights.T, rtol=1e-6)
    whole = estimate_fluxes(found.matrix, z, noise, prior, before)
    np.testing.assert_allclose(whole.posterior, told.posterior)


def test_what_does_not_fit_is_named():
    found = coarse()
    prior = PriorCovariance.exponential(found, 1.0, length_km=80.0, hours=12.0)
    with pytest.raises(UsageError, match="one measurement for each of the 6 rows"):
        estimate_fluxes(found.matrix, [1.0], [1.0], prior)
    with pytest.raises(UsageError, match="1 missing"):
        estimate_fluxes(found.matrix, [np.nan] + [1.0] * 5, np.ones(6), prior)
    with pytest.raises(UsageError, match="6 measurements, got 6, of them 1 missing or not above 0"):
        estimate_fluxes(found.matrix, np.ones(6), [np.nan] + [1.0] * 5, prior)
    with pytest.raises(UsageError, match="6 measurements, got 6, of them 6 missing or not above 0"):
        estimate_fluxes(found.matrix, np.ones(6), np.zeros(6), prior)
    with pytest.raises(UsageError, match="6 measurements, got 5"):
        estimate_fluxes(found.matrix, np.ones(6), np.ones(5), prior)
    with pytest.raises(UsageError, match="6 measurements, got 6, of them 6 missing or not above 0"):
        estimate_fluxes(found.matrix, np.ones(6), np.zeros((6, 6)), prior)
    with pytest.raises(UsageError, match="3 time bins"):
        PriorCovariance(np.ones(5), np.eye(3), np.eye(2))
    columns = found.matrix.shape[1]
    for given in (np.ones(3), np.full(columns, np.nan)):
        with pytest.raises(UsageError, match=rf"prior (must be .* {columns} columns|has .* miss)"):
            estimate_fluxes(found.matrix, np.ones(6), np.ones(6), prior, given)
        with pytest.raises(UsageError, match=rf"sigma (must be .* {columns} columns|has .* miss)"):
            PriorCovariance.exponential(found, given, length_km=80.0, hours=12.0)
    with pytest.raises(UsageError, match=r"Lengths of correlation must be .* length_km=nan"):
        PriorCovariance.exponential(found, 1.0, length_km=np.nan, hours=12.0)
    with pytest.raises(UsageError, match=r"one for each of the 6 measurements, .* \(6, 5\)"):
        estimate_fluxes(found.matrix, np.ones(6), np.ones((6, 5)), prior)


def correlated(share: float) -> np.ndarray:
    return np.full((6, 6), share) + (1.0 - share) * np.eye(6)


@pytest.mark.parametrize(
    ("errors", "sentence"),
    [
        (np.triu(correlated(0.5)), "is not symmetric"),
        (correlated(1.2), "is not positive definite"),
        (np.where(np.eye(6) > 0, 1.0, np.nan), "has 30 missing value"),
        (np.full(6, np.inf), "6 missing or not above 0"),
        (np.ones((6, 1)), r"not the shape \(6, 1\)"),
        (np.ones((1, 6, 6)), r"not the shape \(1, 6, 6\)"),
        (np.eye(5), "6 measurements, got 5"),
    ],
)
def test_errors_that_are_no_covariance_are_refused(errors, sentence):
    found = coarse()
    prior = PriorCovariance.exponential(found, 1.0, length_km=80.0, hours=12.0)
    with pytest.raises(UsageError, match=sentence):
        estimate_fluxes(found.matrix, np.ones(6), errors, prior)


def test_what_else_an_estimate_cannot_use_is_named():
    found = coarse()
    prior = PriorCovariance.exponential(found, 1.0, length_km=80.0, hours=12.0)
    sparse = estimate_fluxes(found.matrix, np.ones(6), sp.csr_array(correlated(0.5)), prior)
    dense = estimate_fluxes(found.matrix, np.ones(6), correlated(0.5), prior)
    np.testing.assert_array_equal(sparse.posterior, dense.posterior)
    for weights in (np.ones(3), np.full(48, np.nan)):
        with pytest.raises(UsageError, match="one weight for each of the 48 columns"):
            dense.totals(weights)
    broken = found.matrix.copy()
    broken.data[0] = np.nan
    with pytest.raises(UsageError, match="matrix of the Jacobian has missing values"):
        estimate_fluxes(broken, np.ones(6), np.ones(6), prior)
    for time in (np.array([[1.0, 0.5], [0.2, 1.0]]), np.full((2, 2), np.nan)):
        with pytest.raises(UsageError, match="correlations in time of the prior have missing"):
            PriorCovariance(np.ones(4), time, np.eye(2))
    with pytest.raises(UsageError, match=r"0 or above, got length_km=-1"):
        PriorCovariance.exponential(found, 1.0, length_km=-1, hours=12.0)


def test_estimates_and_covariances_fit_on_a_line():
    found = coarse()
    prior = PriorCovariance.exponential(found, 1.0, length_km=80.0, hours=12.0)
    assert repr(prior) == ("<PriorCovariance: 3 time bins x 16 cells, sigma 1 to 1 umol m-2 s-1>")
    told = repr(estimate_fluxes(found.matrix, found.total, 0.1, prior, 1.0))
    assert told.startswith(
        "<Estimate: 48 fluxes of mean 1 umol m-2 s-1 (before 1) by 6 measurements, chi_square "
    )


def test_a_number_stands_for_all():
    """An error, a prior and a sigma for all, as a number or as an array of bins by cells."""
    found = coarse()
    bins, columns = len(found.bins), found.matrix.shape[1]
    one = PriorCovariance.exponential(found, 2.0, length_km=80.0, hours=12.0)
    sigma = np.full((bins, columns // bins), 2.0)
    each = PriorCovariance.exponential(found, sigma, length_km=80.0, hours=12.0)
    np.testing.assert_array_equal(one.sigma, each.sigma)
    expected = estimate_fluxes(found.matrix, np.ones(6), np.full(6, 0.1), one, np.ones(columns))
    told = estimate_fluxes(found.matrix, np.ones(6), 0.1, one, 1.0)
    np.testing.assert_array_equal(told.posterior, expected.posterior)


POLYGONS = {
    "west": shapely.box(-113, 40, -112.03, 42),
    "east": shapely.Polygon([(-112.03, 40), (-111, 40), (-111, 42), (-112.03, 42)]),
    "elsewhere": shapely.box(10, 10, 11, 11),
}


def test_polygons_share_cells_by_area_and_sum_to_the_whole():
    found = regional_jacobian(map(Layers.of, FOOTPRINTS), Regions.of(POLYGONS), BINS)
    assert found.matrix.shape == (6, 9)
    assert found.columns[1] == (BINS[0], "east")
    whole = coarse()
    np.testing.assert_allclose(found.total, whole.total, rtol=1e-9)
    np.testing.assert_allclose(found.outside_cells, 0, atol=1e-9)
    np.testing.assert_allclose(found.outside_times, whole.outside_times, atol=1e-12)
    # The cell from -112.1 to -112.0 lies seven tenths in the west.
    inside = FOOTPRINTS[0].data.sel(time=slice(BINS[0], BINS[-1] - pd.Timedelta("1s")))
    west = inside.isel(lon=slice(0, 9)).sum() + 0.7 * inside.isel(lon=9).sum()
    assert found.matrix[[0]][:, [0, 3, 6]].sum() == pytest.approx(float(west))
    assert found.matrix[:, [2, 5, 8]].sum() == 0


def test_hours_that_cross_bins_are_told_of_for_regions_as_for_cells():
    # Two layers of one cell each: 18:37 to 19:37 within a bin, 23:37 to 00:37 across two.
    receptor = stilt.PointReceptor("2023-07-16 00:37", -111.85, 40.77, 5.0)
    stamps = np.array(["2023-07-15T18:37", "2023-07-15T23:37"], "datetime64[ns]")
    values = np.zeros((2, 20, 20))
    values[0, 3, 4], values[1, 3, 4] = 0.75, 0.25
    data = xr.DataArray(
        values, dims=("time", "lat", "lon"), coords={"time": stamps, "lat": Y, "lon": X},
        name="foot",
    )  # fmt: skip
    late = stilt.Footprint(receptor, CONFIG, data)
    bins = pd.date_range("2023-07-15 18:00", periods=3, freq="6h")
    regions = Regions.of({"whole": shapely.box(-113, 40, -111, 42)})
    with pytest.warns(UserWarning, match="25% of the influence of 202307160037_-111.85_40.77_5 is"):
        found = regional_jacobian([Layers.of(late)], regions, bins)
    # Whole hours count where they start, as the sentence says; shared out it would be 0.84, 0.15.
    np.testing.assert_allclose(found.matrix.toarray(), [[1.0, 0.0]])
    grid = xr.DataArray(np.zeros((20, 20)), dims=("lat", "lon"), coords={"lat": Y, "lon": X})
    with pytest.warns(UserWarning, match="25% of the influence"):
        cells = jacobian([late], grid, bins)
    np.testing.assert_allclose(cells.matrix.toarray().reshape(2, -1).sum(axis=1), [1.0, 0.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regional_jacobian([Layers.of(late)], regions, bins + pd.Timedelta("37min"))
        summed = stilt.Footprint(
            receptor, CONFIG.model_copy(update={"time_integrate": True}), data[:1]
        )
        regional_jacobian([Layers.of(summed)], regions, bins[:1].append(bins[:1] + bins.freq))


def test_longitudes_of_polygons_may_be_whole_turns_away():
    plain = regional_jacobian(map(Layers.of, FOOTPRINTS), Regions.of(POLYGONS), BINS)
    for turn in (360.0, -360.0):
        turned = {
            name: shapely.transform(shape, lambda points, turn=turn: np.add(points, [turn, 0.0]))
            for name, shape in POLYGONS.items()
        }
        found = regional_jacobian(map(Layers.of, FOOTPRINTS), Regions.of(turned), BINS)
        np.testing.assert_allclose(found.matrix.toarray(), plain.matrix.toarray(), atol=1e-12)
    # What covers a cell twice counts once.
    around = Regions.of({"all": shapely.box(-180, -90, 360, 90)})
    found = regional_jacobian(map(Layers.of, FOOTPRINTS), around, BINS)
    np.testing.assert_allclose(found.total, plain.total, rtol=1e-9)


def test_regions_without_any_cell_are_told_of():
    exchanged = Regions.of({"a": shapely.box(40, -80, 42, -79), "b": shapely.box(0, 0, 1, 1)})
    with pytest.warns(UserWarning, match="None of the 2 regions has a cell"):
        found = regional_jacobian(map(Layers.of, FOOTPRINTS), exchanged, BINS)
    assert found.matrix.nnz == 0


def test_no_regions_at_all_are_refused():
    empty = xr.DataArray(
        np.full((2, 2), np.nan), dims=("lat", "lon"), coords={"lat": Y[:2], "lon": X[:2]}
    )
    for given in ({}, empty, empty.expand_dims(region=0)):
        with pytest.raises(UsageError, match="at least one region"):
            Regions.of(given)


def test_polygons_and_basis_functions_are_targets_of_a_jacobian(tmp_path):
    paths = [foot.to_netcdf(tmp_path / f"{n}.nc") for n, foot in enumerate(FOOTPRINTS)]
    names = [f"met_{foot.receptor.id}" for foot in FOOTPRINTS]
    footprints = FootprintSet([Located(*each) for each in zip(names, paths, strict=True)])
    plain = regional_jacobian(map(Layers.of, FOOTPRINTS), Regions.of(POLYGONS), BINS)
    for target, names in ((POLYGONS, None), (Regions.of(POLYGONS), None), (_GeoFrame(), "name")):
        found = footprints.jacobian(target, BINS, names=names)
        assert found.columns.equals(plain.columns)
        np.testing.assert_array_equal(found.matrix.toarray(), plain.matrix.toarray())
    halves = xr.DataArray(
        np.stack([X < -112, X >= -112])[:, None] * np.ones((1, 20, 1)),
        dims=("half", "lat", "lon"), coords={"half": ["west", "east"], "lat": Y, "lon": X},
    )  # fmt: skip
    basis = footprints.jacobian(halves, BINS)
    assert basis.cells.get_level_values("region").tolist() == ["west", "east"]
    np.testing.assert_allclose(basis.total, coarse().total)
    # A plain grid stays one: its values say which cells count, no more.
    grid = halves.isel(half=0)
    assert footprints.jacobian(grid, BINS).matrix.shape == (6, 3 * 400)


def test_labels_and_basis_functions_on_a_grid():
    labels = xr.DataArray(
        np.where(X < -112, 1.0, 2.0) + np.zeros((20, 1)), dims=("lat", "lon"),
        coords={"lat": Y, "lon": X},
    ).where(lambda a: a["lat"] > 40.5)  # fmt: skip
    by_label = regional_jacobian(map(Layers.of, FOOTPRINTS), Regions.of(labels), BINS)
    assert by_label.cells.get_level_values("region").tolist() == [1.0, 2.0]
    patterns = xr.concat([(labels == 1) * 1.0, (labels == 2) * 0.5], "region")
    patterns = patterns.assign_coords(region=["a", "b"])
    basis = regional_jacobian(map(Layers.of, FOOTPRINTS), Regions.of(patterns), BINS)
    np.testing.assert_allclose(
        basis.matrix.toarray()[:, ::2], by_label.matrix.toarray()[:, ::2], rtol=1e-9
    )
    np.testing.assert_allclose(
        basis.matrix.toarray()[:, 1::2], 0.5 * by_label.matrix.toarray()[:, 1::2], rtol=1e-9
    )
    with pytest.raises(UsageError, match="Regions are"):
        Regions.of([1, 2])


BOW_TIE = shapely.Polygon([(-113, 40), (-111, 42), (-111, 40), (-113, 42)])


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        (BOW_TIE, r"region 'a' is not valid \(Self-intersection.*shapely.make_valid"),
        (shapely.box(40, -113, 42, -112), "are longitude and latitude exchanged"),
        (shapely.Polygon(), "region 'a' is a Polygon without an area"),
        (None, "region 'a' is a NoneType without an area"),
        (shapely.Point(-112, 41), "region 'a' is a Point without an area"),
        (
            shapely.box(4e5, 4.4e6, 5e5, 4.5e6),
            r"from 4.4e\+06 to 4.5e\+06 in latitude, beyond 90",
        ),
    ],
)
def test_polygons_that_cannot_be_used_are_named(shape, sentence):
    with pytest.raises(UsageError, match=sentence):
        Regions.of({"b": POLYGONS["west"], "a": shape})


def test_names_and_weights_of_regions_that_cannot_be_used_are_named():
    frame = _GeoFrame()
    with pytest.raises(UsageError, match="2 names for 3 regions"):
        Regions.of(frame, names=["a", "b"])
    frame.columns = ["name", "geometry"]
    with pytest.raises(UsageError, match="no column 'nane': did you mean 'name'"):
        Regions.of(frame, names="nane")
    weights = xr.DataArray(
        np.ones((2, 20, 20)), dims=("region", "lat", "lon"), coords={"lat": Y, "lon": X}
    )
    for fill in (-9999.0, 9.96921e36, np.inf):
        with pytest.raises(UsageError, match="weights of the regions hold the value"):
            Regions.of(weights.where(weights.lon < -112, fill))


def test_labels_as_long_as_ids_stay_apart():
    first = 10**18
    labels = xr.DataArray(
        np.where(X < -112, first, first + 1) + np.zeros((20, 1), np.int64), dims=("lat", "lon"),
        coords={"lat": Y, "lon": X},
    )  # fmt: skip
    assert Regions.of(labels).names == (first, first + 1)
    large = labels.astype(np.uint64) + np.uint64(2**63 - first)
    assert Regions.of(large).names == (2**63, 2**63 + 1)
    mixed = Regions.of(labels.astype(object).where(labels > first, 5))
    assert mixed.names == (5, first + 1)
    with pytest.raises(UsageError, match=r"reach 1000000000000000000 and are float64.*as text"):
        Regions.of(labels.astype(float))


def test_a_target_elsewhere_is_told_of():
    exchanged = xr.Dataset(coords={"lat": X + 110.0, "lon": Y})
    with pytest.warns(UserWarning, match=r"6 footprint\(s\) lies in the target's cells"):
        assert jacobian(FOOTPRINTS, exchanged, BINS).matrix.nnz == 0
    with pytest.warns(UserWarning, match=r"_-111.85_40.77_5 lies in the target's cells"):
        FOOTPRINTS[0].aggregate(exchanged, BINS)


def test_geodataframes_where_geopandas_is_there():
    geopandas = pytest.importorskip("geopandas")
    frame = geopandas.GeoDataFrame(
        {"name": list(POLYGONS)}, geometry=list(POLYGONS.values()), crs="EPSG:4326"
    )
    found = Regions.of(frame.to_crs("EPSG:3857"), names="name")
    assert found.names == tuple(POLYGONS)
    told = regional_jacobian(map(Layers.of, FOOTPRINTS), found, BINS)
    plain = regional_jacobian(map(Layers.of, FOOTPRINTS), Regions.of(POLYGONS), BINS)
    np.testing.assert_allclose(told.matrix.toarray(), plain.matrix.toarray(), rtol=1e-6, atol=1e-9)


class _GeoFrame:
    """What is used of a GeoDataFrame: geometry with a projection, columns and an index."""

    def __init__(self) -> None:
        self.geometry = _GeoSeries(POLYGONS.values())
        self.index = pd.RangeIndex(3)

    def __getitem__(self, name):
        return {"name": list(POLYGONS)}[name]


class _GeoSeries(list):
    crs = None


def test_frames_like_those_of_geopandas():
    assert Regions.of(_GeoFrame(), names="name").names == ("west", "east", "elsewhere")
    assert Regions.of(_GeoFrame()).names == (0, 1, 2)


def regional() -> Jacobian:
    return regional_jacobian(map(Layers.of, FOOTPRINTS), Regions.of(POLYGONS), BINS)


@pytest.mark.parametrize("make", [coarse, regional])
def test_jacobians_in_files(make, tmp_path):
    found = make()
    again = read_npz(write_npz(found, tmp_path / "h.npz"))
    assert (again.matrix != found.matrix).nnz == 0
    assert again.columns.equals(found.columns)
    assert again.receptors.index.tolist() == found.receptors.index.tolist()
    array = to_xarray(found)
    assert array.sizes["cell"] == len(found.cells)
    np.testing.assert_allclose(array.sum(), found.matrix.sum())
    table = pd.read_parquet(write_parquet(found, tmp_path / "h.parquet"))
    assert len(table) == to_table(found).shape[0] == sp.coo_array(found.matrix).nnz
    per_receptor = table.groupby("receptor", observed=True)["sensitivity"].sum()
    np.testing.assert_allclose(per_receptor[found.receptors.index], found.total)
    files = write_ct_lagrange(found, tmp_path / "ctl")
    assert [path.name for path in files] == ["H0001.npz", "H0002.npz", "H0003.npz"]
    joined = sp.hstack([sp.load_npz(path) for path in files])
    np.testing.assert_array_equal(joined.toarray(), found.matrix.toarray())
    whole = (tmp_path / "h.npz").read_bytes()
    garbled = bytearray(whole)
    garbled[60:90] = bytes(30)
    np.save(tmp_path / "array.npy", np.ones(3))
    for content in (
        b"no", b"", whole[: len(whole) // 2], whole[:-30], bytes(garbled), bytes(len(whole)),
        (tmp_path / "array.npy").read_bytes(), b"PK\x03\x04",
    ):  # fmt: skip
        (tmp_path / "h.npz").write_bytes(content)
        with pytest.raises(UsageError, match="not a Jacobian"):
            read_npz(tmp_path / "h.npz")


def test_fips_blocks_are_labelled():
    pytest.importorskip("fips")
    block = to_fips(coarse())
    assert (block.row_block, block.col_block) == ("concentration", "flux")


def test_without_fips_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "fips", None)
    with pytest.raises(UsageError, match="not installed; get it with: pip install fips"):
        to_fips(coarse())


def test_a_package_that_fips_lacks_is_named(monkeypatch, tmp_path):
    (tmp_path / "fips.py").write_text("import a_package_that_nobody_has\n")
    monkeypatch.delitem(sys.modules, "fips", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match=r"cannot be imported .*'a_package_that_nobody_has'"):
        to_fips(coarse())
