"""CF datasets on maps: where their nodes are, and along which axes their winds."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS, Transformer

from benchmarks.weather_files.cf_datasets import cf_on_map, mapping_of
from stilt.config import MetConfig
from stilt.errors import MeteorologyError
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.formats import AUTO, format_of, read_analysis
from stilt.meteorology.formats.axes import AxisError
from stilt.meteorology.formats.map_fit import conformal_map
from stilt.meteorology.grids import conformal_grid
from stilt.meteorology.records import RawAnalysis
from stilt.meteorology.subgrid import cropped_to

HOURS = np.array(["2023-07-15T15:00", "2023-07-15T16:00"], "datetime64[m]")
LEVELS = (1000.0, 850.0, 500.0)
GRIDS = {
    "lambert": conformal_grid(
        -112.0, 40.7, 7.5, 15, 12, cone_lat=38.5, ref_lon=-97.5, levels=LEVELS, vertical_flag=2
    ),
    "southern lambert": conformal_grid(
        150.0, -34.0, 20.0, 15, 12, cone_lat=-30.0, ref_lon=135.0, levels=LEVELS, vertical_flag=2
    ),
    "polar": conformal_grid(
        80.0, 83.0, 90.0, 15, 12, cone_lat=90.0, ref_lat=60.0, ref_lon=-45.0, levels=LEVELS,
        vertical_flag=2,
    ),
    "south polar": conformal_grid(
        20.0, -75.0, 50.0, 15, 12, cone_lat=-90.0, ref_lat=-71.0, ref_lon=0.0, levels=LEVELS,
        vertical_flag=2,
    ),
    "mercator": conformal_grid(
        179.0, 10.0, 25.0, 15, 12, cone_lat=0.0, ref_lat=20.0, levels=LEVELS, vertical_flag=2
    ),
}  # fmt: skip


def analyses_on(grid):
    rng = np.random.default_rng(5)
    flat, deep = (grid.ny, grid.nx), (len(LEVELS), grid.ny, grid.nx)

    def field(shape, mean, swing):
        return (mean + swing * rng.standard_normal(shape)).astype(np.float32)

    return [
        RawAnalysis(
            time, grid, 0,
            {"PRSS": field(flat, 900, 5), "SHGT": field(flat, 500, 50),
             "U10M": field(flat, 2, 1), "V10M": field(flat, -1, 1), "T02M": field(flat, 290, 1)},
            {"UWND": field(deep, 8, 3), "VWND": field(deep, -3, 3), "TEMP": field(deep, 270, 3),
             "HGTS": np.stack([field(flat, height, 5) for height in (100, 1500, 5500)])},
        )
        for time in HOURS
    ]  # fmt: skip


def refs_of(folder, data, form="cf"):
    folder.mkdir(exist_ok=True)
    data.to_netcdf(folder / "weather.nc")
    return MetCatalogue(MetConfig(directory=folder, format=form)).select(HOURS[0], HOURS[-1])


def assert_same_nodes(grid, other, within_cells=1e-4):
    lon, lat = other.to_lonlat(*np.meshgrid(np.arange(other.nx), np.arange(other.ny)))
    x, y = grid.to_xy(lon, lat)
    assert (grid.nx, grid.ny) == (other.nx, other.ny)
    np.testing.assert_allclose(x, np.broadcast_to(np.arange(other.nx), x.shape), atol=within_cells)
    np.testing.assert_allclose(
        y, np.broadcast_to(np.arange(other.ny)[:, None], y.shape), atol=within_cells
    )


@pytest.mark.parametrize("name", list(GRIDS))
@pytest.mark.parametrize(
    "form",
    [
        {},
        {"unit": "km", "nodes": True},
        {"earthward": True},
        {"earthward": True, "mapping": False, "nodes": True},
        {"mapping": False, "nodes": True},
    ],
)
def test_nodes_and_winds_are_those_of_the_map(tmp_path, name, form):
    analyses = analyses_on(GRIDS[name])
    refs = refs_of(tmp_path / "met", cf_on_map(analyses, **form))
    assert [ref.time for ref in refs] == list(HOURS)
    for ref, wanted in zip(refs, analyses, strict=True):
        # Positions in single precision are up to a metre off.
        assert_same_nodes(ref.grid, GRIDS[name], 3e-4)
        assert ref.grid.cone_lat == pytest.approx(GRIDS[name].cone_lat, abs=0.05)
        read = read_analysis(ref)
        for field in ("UWND", "VWND", "TEMP"):
            np.testing.assert_allclose(read.upper[field], wanted.upper[field], atol=2e-4)
        for field in ("U10M", "V10M", "PRSS"):
            np.testing.assert_allclose(read.surface[field], wanted.surface[field], atol=2e-4)


def test_a_wind_towards_the_east_is_rotated_by_the_angle_between_the_meridian_and_the_rows():
    """Read from pyproj: a step to the east, seen on the map."""
    grid = GRIDS["lambert"]
    crs = CRS.from_cf(mapping_of(grid))
    to_map = Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)
    lon, lat = grid.to_lonlat(3.0, 4.0)
    here, there = (np.array(to_map.transform(lon + step, lat)) for step in (0.0, 1e-5))
    along = (there - here) / np.hypot(*(there - here))
    angle = float(grid.wind_rotation_rad(lon, lat))
    assert np.cos(angle) == pytest.approx(along[0], abs=1e-6)
    assert np.sin(angle) == pytest.approx(along[1], abs=1e-6)


def test_a_node_at_the_pole_takes_its_wind_from_its_neighbours(tmp_path):
    """East of the pole is what the longitude in the file says, which rounding decides."""
    grid = conformal_grid(
        0.0, 90.0, 60.0, 15, 13, cone_lat=90.0, ref_lat=60.0, ref_lon=-45.0, levels=LEVELS,
        vertical_flag=2,
    )  # fmt: skip
    analyses = analyses_on(grid)
    read = read_analysis(refs_of(tmp_path / "met", cf_on_map(analyses, earthward=True))[0])
    for name in ("UWND", "VWND"):
        wanted = analyses[0].upper[name].copy()
        around = wanted[:, [5, 7, 6, 6], [7, 7, 6, 8]].mean(axis=-1)
        np.testing.assert_allclose(read.upper[name][:, 6, 7], around, atol=1e-4)
        wanted[:, 6, 7] = read.upper[name][:, 6, 7]
        np.testing.assert_allclose(read.upper[name], wanted, atol=2e-4)


def test_one_wind_of_a_pair_can_be_read_alone(tmp_path):
    analyses = analyses_on(GRIDS["lambert"])
    ref = refs_of(tmp_path / "met", cf_on_map(analyses, earthward=True))[0]
    read = read_analysis(ref, {"VWND"})
    np.testing.assert_allclose(read.upper["VWND"], analyses[0].upper["VWND"], atol=2e-4)


@pytest.mark.parametrize("form", [{}, {"nodes": True}, {"nodes": True, "earthward": True}])
def test_columns_from_the_east_to_the_west_are_turned(tmp_path, form):
    analyses = analyses_on(GRIDS["lambert"])
    data = cf_on_map(analyses, **form).isel(x=slice(None, None, -1))
    if form:
        # The map is then found from the nodes.
        data["crs"].attrs.pop("earth_radius")
    ref = refs_of(tmp_path / "met", data)[0]
    assert_same_nodes(ref.grid, GRIDS["lambert"], 3e-4)
    assert ref.grid.orientation_deg == 0.0
    read = read_analysis(ref)
    for field in ("UWND", "VWND", "TEMP"):
        np.testing.assert_allclose(read.upper[field], analyses[0].upper[field], atol=2e-4)


def test_winds_along_the_grid_are_preferred_to_those_that_need_rotation(tmp_path):
    analyses = analyses_on(GRIDS["lambert"])
    data = cf_on_map(analyses)
    turned = cf_on_map(analyses, earthward=True)
    for name in turned:
        if turned[name].attrs.get("standard_name", "").endswith("ward_wind"):
            data[f"{name}_too"] = turned[name]
    read = read_analysis(refs_of(tmp_path / "met", data)[0])
    np.testing.assert_allclose(read.upper["UWND"], analyses[0].upper["UWND"], atol=2e-4)


@pytest.mark.parametrize(
    ("beginning", "attributes"), [("", {"GRIB_uvRelativeToGrid": 1}), ("grid_", {})]
)
def test_winds_along_the_grid_that_are_called_eastward(tmp_path, beginning, attributes):
    """By cfgrib, which calls all so, and by the former standard name of x_wind."""
    analyses = analyses_on(GRIDS["lambert"])
    data = cf_on_map(analyses)
    for name in data:
        own = data[name].attrs.get("standard_name", "")
        if own in ("x_wind", "y_wind"):
            called = {"x": "eastward", "y": "northward"}[own[0]]
            data[name].attrs.update(standard_name=f"{beginning}{called}_wind", **attributes)
    read = read_analysis(refs_of(tmp_path / "met", data)[0])
    np.testing.assert_allclose(read.upper["UWND"], analyses[0].upper["UWND"], atol=2e-4)
    np.testing.assert_allclose(read.surface["V10M"], analyses[0].surface["V10M"], atol=2e-4)


@pytest.mark.parametrize("along", ["time", "step"])
def test_files_that_cfgrib_made_are_read_at_their_valid_times(tmp_path, along):
    analyses = analyses_on(GRIDS["lambert"])
    data = cf_on_map(analyses, mapping=False, nodes=True)
    data = data.drop_vars("when").rename(t=along, nav_lat="latitude", nav_lon="longitude")
    time = {"standard_name": "time", "long_name": "initial time of forecast"}
    hours = HOURS.astype("datetime64[ns]")
    began = hours - np.timedelta64(6, "h")
    data["valid_time"] = (along, hours, {"standard_name": "time", "long_name": "time"})
    if along == "time":
        data["time"] = ("time", began, time)
        data["step"] = ((), np.timedelta64(6, "h").astype("timedelta64[ns]"))
    else:
        data["time"] = ((), began[0], time)
        data["step"] = ("step", hours - began[0])
    for name in data:
        own = data[name].attrs.get("standard_name", "")
        if own in ("x_wind", "y_wind"):
            data[name].attrs["standard_name"] = {"x": "eastward", "y": "northward"}[
                own[0]
            ] + "_wind"
            data[name].attrs["GRIB_uvRelativeToGrid"] = 1
    refs = refs_of(tmp_path / "met", data.set_coords(["valid_time", "step"]))
    assert [ref.time for ref in refs] == list(HOURS)
    assert [ref.forecast_hour for ref in refs] == ([6, 7] if along == "step" else [0, 0])
    np.testing.assert_allclose(
        read_analysis(refs[1]).upper["UWND"], analyses[1].upper["UWND"], atol=2e-4
    )


def test_a_component_without_its_partner_is_one_sentence(tmp_path):
    data = cf_on_map(analyses_on(GRIDS["lambert"]), earthward=True)
    one = next(
        name for name in data
        if data[name].attrs["standard_name"] == "northward_wind" and "z" in data[name].dims
    )  # fmt: skip
    with pytest.raises(MeteorologyError, match=r"one component of a wind .UWND. without the other"):
        refs_of(tmp_path / "met", data.drop_vars(one))


def test_auto_knows_a_dataset_on_a_map(tmp_path):
    data = cf_on_map(analyses_on(GRIDS["polar"]), nodes=True)
    assert len(refs_of(tmp_path / "met", data, AUTO)) == 2
    assert format_of(str(tmp_path / "met" / "weather.nc")) == "cf"


def without_mapping(data):
    return data.drop_vars("crs")


def with_attributes(**attributes):
    def change(data):
        kept = {k: v for k, v in data["crs"].attrs.items() if k not in attributes}
        data["crs"].attrs = {**kept, **{k: v for k, v in attributes.items() if v is not None}}
        return data

    return change


def with_wide_cells(data):
    return data.assign_coords(x=("x", 2.0 * data["x"].values, data["x"].attrs))


def with_other_latitudes(data):
    places = {"nav_lat": "latitude", "nav_lon": "longitude"}
    nodes = cf_on_map(analyses_on(GRIDS["lambert"]), nodes=True)
    for name, own in places.items():
        data[name] = (nodes[name].dims, nodes[name].values + 0.1, {"standard_name": own})
    return data


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_mapping, "on a map of which it says nothing; add a grid_mapping"),
        (with_wide_cells, "its cells are 15000.1 m by 7500.03 m, and transport needs squares"),
        (
            with_attributes(
                earth_radius=None, semi_major_axis=6378137.0, inverse_flattening=298.257
            ),
            "is of an ellipsoid .* needs one of a sphere",
        ),
        (
            with_attributes(
                grid_mapping_name="transverse_mercator", scale_factor_at_central_meridian=1.0
            ),
            "no Lambert, polar stereographic or Mercator map of a sphere",
        ),
        (with_attributes(grid_mapping_name="unheard_of"), "grid_mapping .unheard_of. is not und"),
        (with_other_latitudes, "its grid_mapping and its longitudes and latitudes differ by 1"),
    ],
)
def test_what_transport_cannot_use_is_one_sentence(tmp_path, change, said):
    data = change(cf_on_map(analyses_on(GRIDS["lambert"])))
    with pytest.raises(MeteorologyError, match=said):
        refs_of(tmp_path / "met", data)


def test_longitudes_and_latitudes_that_are_missing_contradict_no_mapping(tmp_path):
    data = cf_on_map(analyses_on(GRIDS["lambert"]), nodes=True)
    data["nav_lat"][:] = np.float32(9.969e36)
    ref = refs_of(tmp_path / "met", data)[0]
    assert_same_nodes(ref.grid, GRIDS["lambert"])


@pytest.mark.parametrize("kept", ["axis", "name"])
def test_coordinates_in_metres_need_no_standard_name(tmp_path, kept):
    data = cf_on_map(analyses_on(GRIDS["polar"]))
    for axis in "xy":
        del data[axis].attrs["standard_name"]
        if kept == "name":
            del data[axis].attrs["axis"]
    if kept == "axis":
        data = data.rename(x="east", y="north")
    ref = refs_of(tmp_path / "met", data)[0]
    assert_same_nodes(ref.grid, GRIDS["polar"])


def test_a_map_that_does_not_state_its_sphere_is_of_that_of_its_latitudes(tmp_path):
    """Without earth_radius pyproj would take WGS 84."""
    change = with_attributes(earth_radius=None)
    grid = GRIDS["polar"]
    of_nodes = refs_of(tmp_path / "one", change(cf_on_map(analyses_on(grid), nodes=True)))
    assert_same_nodes(of_nodes[0].grid, grid, 3e-4)
    alone = refs_of(tmp_path / "other", change(cf_on_map(analyses_on(grid))))
    # 29 m in 6,371 km.
    assert_same_nodes(alone[0].grid, grid, 1e-3)


@pytest.mark.parametrize("orientation", [0.0, 17.0, -120.0])
@pytest.mark.parametrize("cone", [90.0, 51.3, 2.0, 0.0, -40.0, -90.0])
def test_a_grid_is_found_from_its_nodes_alone(cone, orientation):
    middle = cone * 0.9 if cone else 5.0
    grid = conformal_grid(
        -170.0, middle, 12.0, 31, 22, cone_lat=cone, ref_lon=175.0, levels=(), vertical_flag=0
    )
    grid = replace(grid, orientation_deg=orientation)
    lon, lat = grid.to_lonlat(*np.meshgrid(np.arange(31), np.arange(22)))
    found = conformal_map(lon, lat, "TEST")
    assert_same_nodes(found, grid, 1e-5)
    angle = found.wind_rotation_rad(lon, lat) - grid.wind_rotation_rad(lon, lat)
    np.testing.assert_allclose(np.cos(angle), 1.0, atol=1e-9)
    x, y = found.spacing_m()[0], grid.spacing_m()[0]
    np.testing.assert_allclose(x, y, rtol=1e-6)


def test_positions_that_no_map_has_are_refused():
    lon, lat = np.meshgrid(np.linspace(0, 40, 30), np.linspace(30, 60, 30))
    with pytest.raises(AxisError, match="no Lambert, polar stereographic or Mercator map"):
        conformal_map(lon, lat, "TEST")
    for unknown in (np.nan, 9.969e36):
        lon[3, 3] = unknown
        with pytest.raises(AxisError, match="missing values"):
            conformal_map(lon, lat, "TEST")
    lon, lat = np.meshgrid(np.linspace(0, 40, 30), np.linspace(30, 60, 30))
    lon[:, 20:], lat[:, 20:] = lon[:, 20:21], lat[:, 20:21]
    with pytest.raises(AxisError, match="several of its nodes are at one place"):
        conformal_map(lon, lat, "TEST")


def test_a_dataset_in_memory_keeps_its_map(tmp_path):
    import stilt

    analyses = analyses_on(GRIDS["lambert"])
    data = cf_on_map(analyses)
    data.to_netcdf(tmp_path / "weather.nc")
    with xr.open_dataset(tmp_path / "weather.nc", decode_coords="all") as opened:
        met = MetConfig(dataset=opened.load())
    lon, lat = GRIDS["lambert"].to_lonlat(7.0, 6.0)
    point = {"time": str(HOURS[0]), "longitude": float(lon), "latitude": float(lat)}
    found = stilt.sample_meteorology(met, point)
    assert np.isfinite(found["eastward_wind"]).all()


def test_a_zarr_store_on_a_map_is_read_like_a_file(tmp_path):
    pytest.importorskip("zarr")
    analyses = analyses_on(GRIDS["lambert"])
    data = cf_on_map(analyses, earthward=True, nodes=True)
    data.to_zarr(tmp_path / "met" / "weather.zarr", zarr_format=3, consolidated=False)
    met = MetConfig(directory=tmp_path / "met", format=AUTO)
    refs = MetCatalogue(met).select(HOURS[0], HOURS[-1])
    assert_same_nodes(refs[1].grid, GRIDS["lambert"])
    read = read_analysis(refs[1])
    np.testing.assert_allclose(read.upper["UWND"], analyses[1].upper["UWND"], atol=2e-4)


@pytest.mark.parametrize("name", ["lambert", "polar"])
def test_a_part_of_a_grid_has_the_winds_of_the_whole(tmp_path, name):
    analyses = analyses_on(GRIDS[name])
    ref = refs_of(tmp_path / "met", cf_on_map(analyses, earthward=True))[0]
    lon, lat = GRIDS[name].to_lonlat(*np.meshgrid([4.0, 9.0], [3.0, 8.0]))
    cropped = cropped_to(ref, (lon.min(), lat.min(), lon.max(), lat.max()))
    assert cropped.crop.rows < ref.grid.ny
    part, whole = read_analysis(cropped), read_analysis(ref)
    rows, columns = (
        slice(first, first + count)
        for first, count in (
            (cropped.crop.row, cropped.crop.rows), (cropped.crop.column, cropped.crop.columns),
        )
    )  # fmt: skip
    for field in ("UWND", "VWND"):
        np.testing.assert_allclose(
            part.upper[field], whole.upper[field][:, rows, columns], atol=1e-6
        )
    np.testing.assert_allclose(
        part.surface["U10M"], whole.surface["U10M"][rows, columns], atol=1e-6
    )
