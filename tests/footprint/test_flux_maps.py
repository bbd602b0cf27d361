"""Fluxes and targets on maps: the projection and the unit that their variables have count."""

import numpy as np
import pandas as pd
import pyproj
import pytest
import xarray as xr

from stilt.errors import UsageError
from stilt.footprint.flux_datasets import fluxes_of
from stilt.footprint.jacobian import jacobian
from stilt.footprint.map_projection import own_projection
from stilt.footprint.particle_flux import FluxAlongPaths
from stilt.footprint.regions import Regions
from tests.support.small_footprints import BINS, made, random_walk

LAMBERT = "+proj=lcc +lat_1=33 +lat_2=45 +lat_0=39 +lon_0=-96 +datum=WGS84"
X, Y = np.arange(-1.6e6, -1.0e6, 1e4), np.arange(0.0, 5e5, 1e4)


def on_map(**how) -> xr.Dataset:
    """Return a data set with a flux that is 1 in the west and 3 in the east of a map."""
    attrs = how.pop("attrs", pyproj.CRS(LAMBERT).to_cf())
    scale = how.pop("scale", 1.0)
    values = np.broadcast_to(np.where(X < -1.335e6, 1.0, 3.0), (Y.size, X.size))
    named = {"units": "umol m-2 s-1", "grid_mapping": "lambert"}
    unit = {"units": how.pop("units", "m")}
    return xr.Dataset(
        {"flux": (("y", "x"), values, named), "lambert": ((), 0, attrs)},
        coords={"y": ("y", Y * scale, unit), "x": ("x", X * scale, unit)},
    )


def carried(data: xr.Dataset) -> xr.DataArray:
    return data.set_coords("lambert")["flux"]


PLAIN = carried(on_map()).drop_vars("lambert").assign_attrs(units="umol m-2 s-1")
PLAIN.attrs.pop("grid_mapping")
EXPECTED = made(0).enhancement(PLAIN, projection=LAMBERT)


def test_the_map_is_that_of_the_variable_named() -> None:
    assert made(0).total < EXPECTED < 3.0 * made(0).total
    flux = carried(on_map())
    assert made(0).enhancement(flux) == pytest.approx(EXPECTED, rel=1e-9)
    other = flux.assign_coords(crs=xr.Variable((), 0, pyproj.CRS("EPSG:32612").to_cf()))
    assert made(0).enhancement(other) == pytest.approx(EXPECTED, rel=1e-9)
    kept_apart = flux.copy()
    kept_apart.encoding["grid_mapping"] = kept_apart.attrs.pop("grid_mapping")
    assert made(0).enhancement(kept_apart) == pytest.approx(EXPECTED, rel=1e-9)
    attributes = {
        name: value for name, value in pyproj.CRS(LAMBERT).to_cf().items() if name != "crs_wkt"
    }
    plain = carried(on_map(attrs=attributes))
    assert made(0).enhancement(plain) == pytest.approx(EXPECTED, rel=1e-6)
    (found,) = fluxes_of(on_map()).values()
    assert made(0).enhancement(found) == pytest.approx(EXPECTED, rel=1e-9)


def test_particles_find_the_cells_of_the_map() -> None:
    particles = random_walk(0, 150, 12, -112.0)
    receptor = made(0).receptor
    found = FluxAlongPaths.of(carried(on_map())).per_particle(particles, receptor)
    x, _ = pyproj.Transformer.from_crs("EPSG:4326", LAMBERT, always_xy=True).transform(
        particles["long"], particles["lati"]
    )
    wanted = (particles["foot"] * np.where(x < -1.335e6, 1.0, 3.0)).groupby(particles["indx"]).sum()
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.parametrize(("units", "scale"), [("km", 1e-3), ("kilometres", 1e-3), ("metre", 1.0)])
def test_lengths_are_in_their_own_unit(units: str, scale: float) -> None:
    flux = carried(on_map(units=units, scale=scale))
    assert made(0).enhancement(flux) == pytest.approx(EXPECTED, rel=1e-9)


def test_a_map_without_a_figure_of_the_earth_has_the_sphere_of_the_weather() -> None:
    attrs = {
        "grid_mapping_name": "lambert_conformal_conic", "standard_parallel": [33.0, 45.0],
        "latitude_of_projection_origin": 39.0, "longitude_of_central_meridian": -96.0,
    }  # fmt: skip
    text = own_projection(carried(on_map(attrs=attrs)), "flux")
    assert text is not None
    assert pyproj.CRS(text).ellipsoid.semi_major_metre == 6_371_200.0


ROTATED = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25, "grid_north_pole_longitude": -162.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("flux", "sentence"),
    [
        (on_map()["flux"], "projection that 'lambert' describes.*decode_coords='all'"),
        (carried(on_map(attrs=ROTATED)), r"about a rotated pole \('lambert'\): regrid it"),
        (carried(on_map(attrs={"grid_mapping_name": "flat"})), r"'lambert' \(flat\) is not und"),
        (carried(on_map(units="degrees")), "x is in 'degrees', which is no unit of length"),
    ],
)
def test_maps_that_are_not_known_are_refused_in_a_sentence(flux, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        made(0).enhancement(flux)


def test_what_does_not_come_with_a_flux_can_be_given() -> None:
    found = made(0).enhancement(on_map()["flux"], projection=LAMBERT)
    assert found == pytest.approx(EXPECTED, rel=1e-9)


def test_targets_and_labels_have_the_map_of_the_variable_named() -> None:
    data = on_map()
    moved = jacobian([made(0)], data, BINS)
    assert moved.enhancement(data["flux"].T.values.reshape(-1)).item() == pytest.approx(EXPECTED)
    labels = carried(data).astype(int)
    regions = Regions.of(labels)
    assert regions.patterns is not None
    assert own_projection(regions.patterns, "x") == own_projection(labels, "x")


TIMES = pd.date_range("2023-07-15 13:00", periods=6, freq="h")


def dated(ends: bool, extra: dict | None = None) -> xr.Dataset:
    """Return a flux of whole hours, stamped at their ends or starts, with bounds."""
    foot = made(0).data
    field = np.ones((6, foot.lat.size, foot.lon.size)) * 10.0 ** np.arange(6)[:, None, None]
    bounds = np.stack([TIMES, TIMES + pd.Timedelta("1h")], axis=1)
    return xr.Dataset(
        {
            "flux": (("time", "lat", "lon"), field, {"units": "umol m-2 s-1"}),
            "time_bounds": (("time", "nv"), bounds),
        },
        coords={
            "time": ("time", bounds[:, int(ends)], {"bounds": "time_bounds"}),
            "lat": foot.lat.values, "lon": foot.lon.values,
        },
    )  # fmt: skip


def test_time_bounds_tell_when_fields_hold() -> None:
    starts = dated(ends=False)["flux"].assign_coords(time=TIMES)
    expected = made(0).enhancement(starts)
    for ends in (True, False):
        fluxes = fluxes_of(dated(ends))
        assert list(fluxes) == ["flux"]
        assert made(0).enhancement(fluxes["flux"]) == pytest.approx(expected, rel=1e-12)
    alone = dated(ends=True)["flux"]
    with pytest.raises(UsageError, match=r"time bounds \(time_bounds\).*assign_coords\(time=data"):
        made(0).enhancement(alone)
    data = dated(ends=True)
    told = alone.assign_coords(time=data["time_bounds"][:, 0].values)
    assert made(0).enhancement(told) == pytest.approx(expected, rel=1e-12)
    data["time_bounds"][:, 1] = data["time_bounds"][:, 0]
    with pytest.raises(UsageError, match="have no length or overlap"):
        made(0).enhancement(fluxes_of(data)["flux"])


def test_hours_that_are_missing_hold_nothing() -> None:
    foot = made(0)
    hours = foot.data.sum(foot.data.dims[1:]).values  # 15, 16 and 17 h
    starts = dated(ends=False)["flux"].assign_coords(time=TIMES)
    with pytest.warns(UserWarning, match="13:00 to 2023-07-15 19:00 with gaps"):
        found = foot.enhancement(starts.isel(time=[0, 1, 2, 4, 5]))
    assert found == pytest.approx(hours @ [1e2, 0.0, 1e4])
    assert found.outside == pytest.approx(hours[1])


@pytest.mark.parametrize("fill", [-9999.9, np.float32(-999.9), 1e15, -2147483647.0])
def test_numbers_that_stand_for_missing_values_are_refused(fill: float) -> None:
    flux = carried(on_map())
    with pytest.raises(UsageError, match="which seems to stand for missing values"):
        made(0).enhancement(flux.where(flux.x < -1.4e6, fill))
    with pytest.raises(UsageError, match="holds the value 3, which seems"):
        made(0).enhancement(flux.assign_attrs(missing_value=3.0))
    with pytest.raises(UsageError, match=r"packed \(scale_factor\)"):
        made(0).enhancement(flux.assign_attrs(scale_factor=0.1))


def test_a_molar_mass_is_that_of_what_the_flux_is_a_mass_of() -> None:
    name = "surface_upward_mass_flux_of_carbon_dioxide"
    gas = carried(on_map()).assign_attrs(units="kg m-2 s-1", standard_name=name)
    carbon = gas.assign_attrs(standard_name=f"{name}_expressed_as_carbon_due_to_emission")
    found = made(0).enhancement(gas, molar_mass_g=44.0095)
    assert found == pytest.approx(EXPECTED * 1e9 / 44.0095, rel=1e-9)
    expected = EXPECTED * 1e9 / 12.011
    assert made(0).enhancement(carbon, molar_mass_g=12.011) == pytest.approx(expected, rel=1e-9)
    with pytest.raises(UsageError, match=r"is a mass of carbon \(12.011\), as its standard_name"):
        made(0).enhancement(carbon, molar_mass_g=44.0095)
    with pytest.raises(UsageError, match="is a mass of carbon dioxide, not of carbon, as its"):
        made(0).enhancement(gas, molar_mass_g=12.011)
    for wrong in (0.044, -44.0, np.nan):
        with pytest.raises(UsageError, match="is the grams per mole of the gas, such as"):
            made(0).enhancement(gas, molar_mass_g=wrong)
