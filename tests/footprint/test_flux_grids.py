"""Fluxes on the grids that people have: longitudes of every kind, gaps, maps, curved grids."""

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stilt import Footprint, FootprintConfig, PointReceptor
from stilt.errors import FootprintError, UsageError
from stilt.footprint.intervals import Intervals
from stilt.footprint.jacobian import jacobian
from stilt.footprint.particle_flux import FluxAlongPaths
from stilt.footprint.regions import Regions
from tests.support.small_footprints import GRID, flux_of, made, random_walk

LAT = np.arange(-89.5, 90.0)
RECEPTOR = PointReceptor("2023-07-15 18:00:00", 0.0, 40.6, 5.0)


def footprint_around(longitude: float) -> Footprint:
    particles = random_walk(0, 150, 12, longitude)
    particles["long"] = (particles["long"] + 180.0) % 360.0 - 180.0
    grid = {**GRID, "xmin": longitude - 1.5, "xmax": longitude + 1.5}
    grid["xmax"] -= 360.0 * (grid["xmax"] > 180.0)
    receptor = PointReceptor("2023-07-15 18:00:00", longitude, 40.6, 5.0)
    return Footprint.calculate(particles, receptor, FootprintConfig(**grid))


def by_longitude(lon: np.ndarray) -> xr.DataArray:
    """Return a flux that is 3 east of each of Greenwich and the dateline, else 1."""
    values = 1.0 + 2.0 * (np.mod(lon, 180.0) < 90.0)
    return flux_of(np.broadcast_to(values, (LAT.size, lon.size)), lon, LAT)


def expected(footprint: Footprint) -> float:
    field = footprint.data.sum("time")
    east = np.mod(field["lon"], 180.0) < 90.0
    return float((field * (1.0 + 2.0 * east)).sum())


ROUND_0 = np.arange(0.5, 360.0)
LONGITUDES = {
    "0 to 360": ROUND_0,
    "-180 to 180": np.arange(-179.5, 180.0),
    "falling": np.arange(179.5, -180.0, -1.0),
    "wrapped, not sorted": (ROUND_0 + 180.0) % 360.0 - 180.0,
    "begins anywhere": np.roll(ROUND_0, 77),
    "shuffled": np.random.default_rng(0).permutation(ROUND_0),
    "cyclic": np.append(ROUND_0, 360.5),
    "cyclic, falling": np.append(ROUND_0, 360.5)[::-1],
    "cyclic -180": np.append(-180.5, np.arange(-179.5, 180.0)),
    "goes round more than once": np.arange(-200.5, 300.0),
}


@pytest.mark.parametrize("place", [0.0, 180.0])
@pytest.mark.parametrize("kind", LONGITUDES)
def test_longitudes_of_every_kind_give_one_enhancement(kind: str, place: float) -> None:
    footprint = footprint_around(place)
    flux = by_longitude(LONGITUDES[kind])
    found = footprint.enhancement(flux)
    assert found == pytest.approx(expected(footprint), rel=1e-9)
    assert found.outside_share == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("kind", LONGITUDES)
def test_particles_find_the_same_cells(kind: str) -> None:
    particles = random_walk(0, 150, 12, 0.0)
    along = FluxAlongPaths.of(by_longitude(LONGITUDES[kind]))
    east = np.mod(particles["long"], 180.0) < 90.0
    wanted = (particles["foot"] * (1.0 + 2.0 * east)).groupby(particles["indx"]).sum()
    found = along.per_particle(particles, RECEPTOR)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.parametrize("lon", [np.arange(170.5, 190.0), None, "sorted"])
def test_a_region_across_the_dateline_counts_there_and_nowhere_else(lon) -> None:
    wrapped = (np.arange(170.5, 190.0) + 180.0) % 360.0 - 180.0
    lon = wrapped if lon is None else np.sort(wrapped) if isinstance(lon, str) else lon
    there, elsewhere = footprint_around(180.0), footprint_around(0.0)
    flux = by_longitude(lon)
    assert there.enhancement(flux) == pytest.approx(expected(there), rel=1e-9)
    with pytest.warns(UserWarning, match="covers only 0%"):
        assert elsewhere.enhancement(flux) == 0.0


@pytest.mark.parametrize(
    ("lon", "lat"),
    [
        (np.r_[np.arange(-130.5, -120.0), np.arange(-100.5, -90.0)], LAT),
        (np.arange(-179.5, 180.0), np.r_[np.arange(20.5, 35.0), np.arange(50.5, 60.0)]),
    ],
)
def test_cells_do_not_reach_into_a_gap(lon: np.ndarray, lat: np.ndarray) -> None:
    flux = flux_of(np.ones((lat.size, lon.size)), lon, lat)
    with pytest.warns(UserWarning, match="covers only 0%"):
        assert made(0).enhancement(flux) == 0.0


def test_cells_beside_a_gap_are_as_wide_as_the_others() -> None:
    cells = Intervals.between_midpoints(np.array([0.0, 1.0, 2.0, 7.0, 8.0]), 1.0)
    np.testing.assert_allclose(cells.low, [-0.5, 0.5, 1.5, 6.5, 7.5])
    np.testing.assert_allclose(cells.high, [0.5, 1.5, 2.5, 7.5, 8.5])
    alone = Intervals.between_midpoints(np.array([0.0, 1.0, 2.0, 9.0]), 1.0)
    np.testing.assert_allclose([alone.low[3], alone.high[3]], [8.5, 9.5])
    nested = Intervals.between_midpoints(np.array([0.0, 4.0, 6.5, 7.5, 8.5]), 1.0)
    np.testing.assert_allclose(nested.high[:-1], nested.low[1:])


def test_a_longitude_twice_in_a_list_of_cells_takes_its_influence_once() -> None:
    footprint = footprint_around(180.0)
    bins = pd.DatetimeIndex(["2023-07-15", "2023-07-16"])
    cells = [(x, 40.5) for x in (-180.0, -179.0, 179.0, 180.0)]
    found = footprint.aggregate(cells, bins, resolution=(1.0, 2.0))
    assert float(found.to_numpy().sum()) == pytest.approx(float(footprint.data.sum()), rel=1e-9)


CURVED = xr.DataArray(
    np.ones((10, 11)),
    dims=("south_north", "west_east"),
    coords={
        name: (("south_north", "west_east"), values)
        for name, values in zip(
            ("XLONG", "XLAT"), np.meshgrid(np.arange(11.0), np.arange(35.0, 45.0)), strict=True
        )
    },
    attrs={"units": "umol m-2 s-1"},
)
METRES = xr.DataArray(
    np.ones((10, 10)),
    dims=("y", "x"),
    coords={"y": np.arange(10) * 3e3, "x": np.arange(10) * 3e3},
    attrs={"units": "umol m-2 s-1"},
)
TWICE = flux_of(np.ones((180, 3)), np.array([0.0, 1.0, 1.0]), LAT)


@pytest.mark.parametrize(
    ("flux", "sentence"),
    [
        (CURVED, r"its XLAT goes along 'south_north' and 'west_east'\. Regrid it"),
        (METRES, r"does not say of which projection.*y reaches 27000.*projection="),
        (METRES.drop_vars("y"), r"dimension 'y' has no values: give the centres"),
        (TWICE, r"The flux's lon has a value twice"),
    ],
)
def test_other_grids_are_refused_in_a_sentence(flux: xr.DataArray, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        made(0).enhancement(flux)


def test_a_map_with_longitudes_of_two_dimensions_is_read_by_its_own_axes() -> None:
    footprint = made(0)
    x, y = np.arange(-115.0, -109.0), np.arange(38.5, 43.0)
    lon, lat = np.meshgrid(x, y)
    flux = xr.DataArray(
        np.ones((y.size, x.size)), dims=("y", "x"), attrs={"units": "umol m-2 s-1"},
        coords={"y": y, "x": x, "lon": (("y", "x"), lon), "lat": (("y", "x"), lat)},
    )  # fmt: skip
    found = footprint.enhancement(flux, projection="+proj=longlat")
    assert found == pytest.approx(float(footprint.data.sum()), rel=1e-9)


def test_times_with_a_zone_are_refused_and_other_spellings_read() -> None:
    lon = np.arange(-179.5, 180.0)
    times = pd.date_range("2023-07-14", periods=4, freq="D")
    values = np.ones((4, LAT.size, lon.size))
    zoned = flux_of(values, lon, LAT, times.tz_localize("America/Denver"))
    with pytest.raises(UsageError, match="have the time zone America/Denver: give them in UTC"):
        made(0).enhancement(zoned)
    spelt = flux_of(values, lon, LAT, times).rename(time="Time", lat="LAT", lon="LON")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert made(0).enhancement(spelt) == pytest.approx(float(made(0).data.sum()), rel=1e-9)


def test_what_is_no_target_is_answered_in_a_sentence() -> None:
    """A whole footprint (its times would be regions), a table, nothing."""
    footprint, bins = made(0), pd.date_range("2023-07-15 12:00", "2023-07-15 18:00", freq="2h")
    collection = [footprint]
    with pytest.raises(UsageError, match=r"has the dimension time, .*isel\(time=0, drop=True\)"):
        Regions.of(footprint.data)
    field = footprint.data.isel(time=0, drop=True)
    assert jacobian(collection, field, bins).matrix.sum() == pytest.approx(footprint.total)
    table = pd.DataFrame({"lon": [-112.0], "lat": [40.6]})
    for target in (table, None, 5):
        with pytest.raises(UsageError, match=r"list of \(x, y\) centres, such as .*, not a"):
            jacobian(collection, target, bins)
    with pytest.raises(UsageError, match="Time bins are given by their edges, not by 'None'"):
        jacobian(collection, field, None)


def test_footprint_files_of_others_are_not_to_be_deleted(tmp_path) -> None:
    made(0).data.drop_vars("crs", errors="ignore").to_dataset(name="foot").to_netcdf(
        tmp_path / "other.nc"
    )
    with pytest.raises(
        FootprintError, match="is not a footprint file of a simulation of stilt"
    ) as e:
        Footprint.from_netcdf(tmp_path / "other.nc")
    assert "delete" not in str(e.value)
