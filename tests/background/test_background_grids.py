"""Fields on maps, about rotated poles and on other grids of rows and columns; and their levels."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pyproj import CRS, Transformer

from stilt.background import BackgroundField
from stilt.background.average import points_of
from stilt.background.field import Points
from stilt.background.layouts import layout_of
from stilt.background.mole_fractions import unit_factor
from stilt.background.sources import FieldSource
from stilt.errors import UsageError
from stilt.meteorology.rotated_grid import about_other_pole

TIMES = pd.date_range("2023-07-14", periods=3, freq="6h").as_unit("ns")
LEVELS_HPA = np.array([1000.0, 850.0, 500.0])
LAMBERT = {
    "grid_mapping_name": "lambert_conformal_conic", "standard_parallel": 38.5,
    "longitude_of_central_meridian": -97.5, "latitude_of_projection_origin": 38.5,
    "earth_radius": 6371229.0,
}  # fmt: skip
ROTATED = {
    "grid_mapping_name": "rotated_latitude_longitude", "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": -162.0, "north_pole_grid_longitude": 0.0,
}  # fmt: skip


def linear(lon, lat, pressure_hpa, hours):
    return 400.0 + 0.02 * lon - 0.1 * lat + 0.01 * pressure_hpa + 0.3 * hours


def field(lon, lat, dims, **more):
    """Make a field linear in longitude, latitude, pressure and time at given nodes."""
    hours = np.arange(3.0)[:, None, None, None] * 6
    values = linear(lon, lat, LEVELS_HPA[:, None, None], hours)
    return xr.Dataset(
        {"co2": (("time", "plev", *dims), values, {"units": "ppm"}), **more},
        coords={"time": TIMES, "plev": ("plev", LEVELS_HPA, {"units": "hPa"})},
    )


def lambert():
    """A map of 30 km squares in the middle of North America, with a grid mapping alone."""
    x, y = np.arange(-1500.0, 1501, 30), np.arange(1200.0, -1201, -30)
    to_degrees = Transformer.from_crs(CRS.from_cf(LAMBERT), CRS.from_cf(LAMBERT).geodetic_crs,
                                      always_xy=True)  # fmt: skip
    lon, lat = to_degrees.transform(*np.meshgrid(x * 1000, y * 1000))
    found = field(lon, lat, ("y", "x"), crs=((), 0, LAMBERT))
    found["co2"].attrs["grid_mapping"] = "crs"
    standard = "projection_{}_coordinate"
    return found.assign_coords(
        x=("x", x, {"units": "km", "standard_name": standard.format("x")}),
        y=("y", y, {"units": "km", "standard_name": standard.format("y")}),
    )


def rotated():
    """EURO-CORDEX's pole; the places of nodes are computed by another formula than PROJ's."""
    rlon, rlat = np.linspace(-12.0, 12.0, 51), np.linspace(-10.0, 10.0, 43)
    east, north = np.meshgrid(rlon, rlat)
    lon, lat = about_other_pole(east, north, 39.25, 0.0, -162.0)
    lon = (lon + 180) % 360 - 180
    found = field(lon, lat, ("rlat", "rlon"), rotated_pole=((), 0, ROTATED))
    return found.assign_coords(
        rlon=("rlon", rlon, {"units": "degrees", "standard_name": "grid_longitude"}),
        rlat=("rlat", rlat, {"units": "degrees", "standard_name": "grid_latitude"}),
    )


def of_nodes(*, by_time=False):
    """A sheared, stretched grid with a longitude and a latitude for each node."""
    j, i = np.meshgrid(np.arange(50.0), np.arange(40.0))
    lon, lat = -120 + 0.4 * j + 0.15 * i + 0.002 * j * j, 30 + 0.3 * i - 0.05 * j + 0.001 * i * j
    found = field(lon, lat, ("south_north", "west_east"))
    shape = ("time", "south_north", "west_east") if by_time else ("south_north", "west_east")
    wide = {name: np.stack([each] * 3) if by_time else each
            for name, each in (("XLONG", lon), ("XLAT", lat))}  # fmt: skip
    return found.assign_coords({name: (shape, each) for name, each in wide.items()})


def of_triangles():
    """A thousand nodes in no order, as ICON's cells, with their places in radians."""
    rng = np.random.default_rng(4)
    lon, lat = rng.uniform(-122, -95, 1500), rng.uniform(28, 46, 1500)
    hours = np.arange(3.0)[:, None, None] * 6
    values = linear(lon, lat, LEVELS_HPA[:, None], hours)
    return xr.Dataset(
        {"co2": (("time", "plev", "cell"), values, {"units": "ppm"})},
        coords={
            "time": TIMES, "plev": ("plev", LEVELS_HPA, {"units": "hPa"}),
            "clon": ("cell", np.radians(lon), {"units": "radian", "standard_name": "longitude"}),
            "clat": ("cell", np.radians(lat), {"units": "radian", "standard_name": "latitude"}),
        },
    )  # fmt: skip


def inside(lon, lat):
    return Points(
        np.array(["2023-07-14 03:00", "2023-07-14 07:30", "2023-07-14 12:00"], "datetime64[ns]"),
        np.asarray(lon, float), np.asarray(lat, float), np.array([950.0, 700.0, 1000.0]),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("dataset", "points"),
    [
        (lambert(), inside([-97.5, -110.3, -85.2], [38.5, 42.7, 31.3])),
        (rotated(), inside([18.0, 5.3, 349.7 + 15], [50.75, 43.3, 55.1])),
        (of_nodes(), inside([-108.2, 249.1, -100.0], [34.2, 36.1, 39.9])),
        (of_nodes(by_time=True), inside([-108.2, 249.1, -100.0], [34.2, 36.1, 39.9])),
        (
            of_nodes().transpose("west_east", "plev", "time", "south_north"),
            inside([-108.2, 249.1, -100.0], [34.2, 36.1, 39.9]),
        ),
        (of_triangles(), inside([-108.2, 249.1, -100.0], [34.2, 36.1, 39.9])),
    ],
    ids=["lambert", "rotated", "nodes", "nodes at each time", "axes in another order", "triangles"],
)
def test_a_linear_field_is_exact_on_any_grid(dataset, points):
    found = BackgroundField(FieldSource.open(dataset)).at(points)
    hours = (points.time - np.datetime64("2023-07-14")) / np.timedelta64(1, "h")
    lon = (points.longitude + 180) % 360 - 180
    expected = linear(lon, points.latitude, points.vertical, hours)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6)


def test_many_points_of_a_grid_are_all_found():
    dataset = rotated()
    rng = np.random.default_rng(1)
    east, north = rng.uniform(-12.2, 12.2, 20_000), rng.uniform(-10.2, 10.2, 20_000)
    lon, lat = about_other_pole(east, north, 39.25, 0.0, -162.0)
    lon = (lon + 180) % 360 - 180
    held = (np.abs(east) < 11.9) & (np.abs(north) < 9.9)
    points = Points(np.full(lon.size, TIMES[0].to_datetime64()), lon, lat,
                    np.full(lon.size, 900.0))  # fmt: skip
    found = BackgroundField(FieldSource.open(dataset)).at(points)
    np.testing.assert_allclose(found[held], linear(lon, lat, 900.0, 0.0)[held], rtol=1e-9)
    # Within half a cell beyond the edge the values there count.
    assert np.abs(found - linear(lon, lat, 900.0, 0.0)).max() < 0.1


def test_a_grid_over_the_pole_and_one_across_the_date_line():
    """A field of the place in space, x + 2 y + 3 z on the unit sphere, has no seam anywhere."""

    def of_space(lon, lat):
        lon, lat = np.radians(lon), np.radians(lat)
        return np.cos(lat) * np.cos(lon) + 2 * np.cos(lat) * np.sin(lon) + 3 * np.sin(lat)

    x, y = np.meshgrid(np.arange(-30.0, 30.1, 1.0), np.arange(-30.0, 30.1, 1.0))
    polar = np.degrees(np.arctan2(x, -y)), 90.0 - np.hypot(x, y)
    crossing = (170 + 0.3 * (x + 30) + 180) % 360 - 180, 50 + 0.3 * y + 0.05 * x
    for (lon, lat), points in (
        (polar, ([0.0, 123.0, -75.3, 40.0], [90.0, 89.7, 84.9, 70.1])),
        (crossing, ([179.99, -179.99, 180.0, 175.0], [50.0, 50.0, 51.3, 47.7])),
    ):
        dataset = xr.Dataset(
            {"co2": (("y", "x"), of_space(lon, lat), {"units": "ppm"})},
            coords={"lon": (("y", "x"), lon), "lat": (("y", "x"), lat)},
        )
        at = Points(
            np.full(4, TIMES[0].to_datetime64()), *map(np.array, points), np.full(4, np.nan)
        )
        found = BackgroundField(FieldSource.open(dataset)).at(at)
        np.testing.assert_allclose(found, of_space(*map(np.array, points)), atol=3e-4)


def test_triangles_across_the_date_line_and_ends_beyond_them():
    """Just outside the nearest node counts; farther away the end is refused."""
    lon, lat = (each.ravel() for each in np.meshgrid(np.arange(170.0, 191), np.arange(-10.0, 11)))
    dataset = xr.Dataset(
        {"co2": ("cell", 400 + 0.5 * lon, {"units": "ppm"})},
        coords={"lon": ("cell", (lon + 180) % 360 - 180), "lat": ("cell", lat)},
    )
    field = BackgroundField(FieldSource.open(dataset))

    def at(lon, lat):
        when = np.full(len(lon), TIMES[0].to_datetime64())
        return field.at(Points(when, np.array(lon), np.array(lat), np.full(len(lon), np.nan)))

    np.testing.assert_allclose(at([179.75, -179.75, 180.0], [0.3, 0.4, -9.9]),
                               [489.875, 490.125, 490.0])  # fmt: skip
    np.testing.assert_allclose(at([169.6], [0.0]), [485.0])
    with pytest.raises(UsageError, match=r"1 of 2 particles end outside the field.s grid"):
        at([179.0, 165.0], [0.0, 0.0])
    field = BackgroundField(FieldSource.open(dataset.isel(cell=slice(0, 20))))
    with pytest.raises(UsageError, match="20 nodes of the field lie on one line"):
        at([179.0], [-10.0])


def test_ends_outside_a_grid_and_grids_that_are_none_are_one_sentence():
    with pytest.raises(UsageError, match=r"1 of 3 particles end outside the field's grid"):
        BackgroundField(FieldSource.open(lambert())).at(
            inside([-97.5, -110.3, -70.0], [38.5, 42.7, 31.3])
        )
    moving = of_nodes(by_time=True)
    moving["XLAT"] = moving["XLAT"] + xr.DataArray([0.0, 1.0, 2.0], dims="time")
    with pytest.raises(UsageError, match="a grid that moves is not read"):
        FieldSource.open(moving)
    gaps = of_nodes()
    gaps["XLAT"] = gaps["XLAT"].where(gaps["XLAT"] < 35)
    with pytest.raises(UsageError, match="nodes of the field co2 have no longitude or latitude"):
        FieldSource.open(gaps)
    with pytest.raises(UsageError, match="40 rows and 1 columns: a field on a map"):
        FieldSource.open(of_nodes().isel(west_east=[3]))
    unknown = lambert()
    unknown["crs"].attrs["grid_mapping_name"] = "mine"
    with pytest.raises(UsageError, match=r"grid mapping of the field co2 \(mine\) is not underst"):
        FieldSource.open(unknown)
    stations = of_triangles().assign_attrs(featureType="timeSeries")
    with pytest.raises(UsageError, match="dimensions plev, cell besides time and place"):
        FieldSource.open(stations)
    with pytest.raises(UsageError, match="its grid_mapping crs describes, which is not there"):
        FieldSource.open(lambert()["co2"])
    bare = xr.Dataset({"co2": (("lat", "lon"), np.full((4, 5), 400.0), {"units": "ppm"})})
    with pytest.raises(UsageError, match="dimension lat of the field co2 has no coordinates"):
        FieldSource.open(bare)


def column(name="lev", attrs=None, **more):
    return xr.Dataset(
        {
            "co2": (("lev", "lat", "lon"), [[[400.0]], [[410.0]]], {"units": "ppm"}),
            "a": ("lev", [100.0, 1000.0], {"units": "m"}),
            "b": ("lev", [0.9, 0.5]),
            "c": ("lev", [0.1, 0.0]),
            "terrain": (("lat", "lon"), [[1500.0]], {"units": "m"}),
            "smooth": (("lat", "lon"), [[1.2]], {"units": "km"}),
            "top": ((), 20.0, {"units": "km"}),
            "one": ((), 1000.0, {"units": "hPa"}),
            "z": (("lev", "lat", "lon"), [[[980.665]], [[9806.65]]], {"units": "m2 s-2"}),
            **more,
        },
        coords={"lev": ("lev", [0.01, 0.5], attrs or {}), "lat": [40.0], "lon": [-111.0]},
    )


@pytest.mark.parametrize(
    ("dataset", "kind", "expected"),
    [
        # a + b orog: 100 + 0.9 1500; 1000 + 0.5 1500.
        (column(attrs={"formula_terms": "a: a b: b orog: terrain"}), "altitude", [1450, 1750]),
        # a ztop + b1 zsurf1 + b2 zsurf2: 0.1 20000 + 0.9 1200 + 0.1 300; 0 + 0.5 1200 + 0.
        (
            column(
                attrs={
                    "formula_terms": "a: c b1: b b2: c ztop: top zsurf1: smooth zsurf2: small",
                    "standard_name": "atmosphere_sleve_coordinate",
                },
                small=(("lat", "lon"), [[300.0]], {"units": "m"}),
            ),
            "altitude",
            [3110, 600],
        ),
        # p0 exp(-lev): 1000 exp(-0.01), 1000 exp(-0.5).
        (column(attrs={"formula_terms": "p0: one lev: lev"}), "pressure", [990.0498, 606.5307]),
        (column(attrs={"standard_name": "height", "units": "km"}), "height", [10, 500]),
        (column(attrs={"standard_name": "altitude", "units": "km"}), "altitude", [10, 500]),
    ],
    ids=["hybrid height", "sleve", "logarithm of pressure", "height", "altitude"],
)
def test_levels_by_hand(dataset, kind, expected):
    levels = layout_of(dataset).levels
    assert levels.kind == kind
    found = levels.values(dataset).transpose(..., "lev").values.ravel()
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_heights_that_depend_on_the_place_are_read_by_their_standard_name():
    """A geopotential divided by 9.80665 m s-2: 100 m and 1000 m."""
    for standard, kind in (("geopotential", "altitude"), ("height", "height")):
        dataset = column()
        dataset["z"].attrs["standard_name"] = standard
        levels = layout_of(dataset).levels
        assert levels.kind == kind
        np.testing.assert_allclose(levels.values(dataset).values.ravel(), [100.0, 1000.0])


def test_a_field_by_height_above_ground_is_met_at_the_particles_heights():
    """Without terrain: 400 ppm at 10 m and 410 ppm at 500 m above ground; at 255 m the middle."""
    source = FieldSource.open(column(attrs={"standard_name": "height", "units": "km"}))
    ends = pd.DataFrame(
        {"datetime": TIMES[:1], "long": [-111.0], "lati": [40.0], "zagl": [255.0],
         "zsfc": [1300.0]}
    )  # fmt: skip
    points = points_of(ends, BackgroundField(source))
    np.testing.assert_allclose(points.vertical, [255.0])
    np.testing.assert_allclose(BackgroundField(source).at(points), [405.0])
    with pytest.raises(UsageError, match="particle column"):
        points_of(ends.drop(columns="zagl"), BackgroundField(source))


def test_ends_beyond_the_levels_are_told_of_and_far_from_them_refused():
    """Levels at 10, 500 m: half a level more is carried on, then the value of the last counts."""
    field = BackgroundField(
        FieldSource.open(column(attrs={"standard_name": "height", "units": "km"}))
    )

    def at(*heights_m):
        count = len(heights_m)
        return field.at(
            Points(np.full(count, TIMES[0].to_datetime64()), np.full(count, -111.0),
                   np.full(count, 40.0), np.array(heights_m, float))
        )  # fmt: skip

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(at(10.0, 745.0), [400.0, 415.0])
    with pytest.warns(UserWarning, match=r"1 of 2 particles end below .* such as one at 900 m"):
        np.testing.assert_allclose(at(255.0, 900.0), [405.0, 415.0])
    with pytest.raises(UsageError, match=r"one at 2000 m, farther than the levels reach .* units"):
        at(255.0, 2000.0)


def test_formula_terms_that_are_not_known_are_named():
    with pytest.raises(UsageError, match="'s: a C: b' of ocean_s_coordinate of the field are not"):
        layout_of(
            column(attrs={"formula_terms": "s: a C: b", "standard_name": "ocean_s_coordinate"})
        )


@pytest.mark.parametrize(
    ("variable", "attrs", "expected"),
    [
        # 0.0006 kg kg-1 x 28.9644 / 44.0095 = 394.8836 ppm.
        ("co2", {"units": "kg kg**-1"}, 394.8836),
        ("q1", {"units": "1", "standard_name": "mass_fraction_of_carbon_dioxide_in_air"}, 394.8836),
        # 0.0006 g kg-1 of methane: 6e-7 x 28.9644 / 16.0425 = 1.083287 ppm.
        ("CH4", {"units": "g/kg"}, 1.083287),
    ],
)
def test_a_known_gas_per_mass_is_made_a_mole_fraction_and_that_is_said(variable, attrs, expected):
    dataset = column(attrs={"standard_name": "height", "units": "km"}).drop_vars("co2")
    dataset[variable] = (("lev", "lat", "lon"), np.full((2, 1, 1), 6e-4), attrs)
    with pytest.warns(UserWarning, match=f"{variable} is a ratio of masses: it is taken per mass"):
        source = FieldSource.open(dataset, variable)
    assert source.units == "mol mol-1"
    at = Points(TIMES[:1].values, np.array([-111.0]), np.array([40.0]), np.array([50.0]))
    found = BackgroundField(source).at(at) * unit_factor(source.units, "ppm")
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("units", ["kg kg-1", "kg kg**-1", "g/kg"])
def test_ratios_of_masses_of_other_gases_are_no_mole_fractions(units):
    with pytest.raises(UsageError, match="ratio of masses"):
        unit_factor(units, "ppm")
    dataset = column(attrs={"standard_name": "height", "units": "km"}).rename(co2="radon")
    dataset["radon"].attrs["units"] = units
    with pytest.raises(UsageError, match=f"'{re.escape(units)}' is a ratio of masses"):
        FieldSource.open(dataset, "radon")


def test_a_users_own_unit_counts_before_a_standard_name():
    dataset = column(attrs={"standard_name": "height", "units": "km"})
    dataset["co2"].attrs = {"standard_name": "mass_fraction_of_carbon_dioxide_in_air"}
    assert FieldSource.open(dataset, units="ppm").scale == 1.0
