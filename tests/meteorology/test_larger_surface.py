"""Surface fields of a larger area than the levels are cut to the nodes of the levels."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.weather_files.era5_files import level_dataset, surface_dataset
from benchmarks.weather_files.grib_files import era5_levels, era5_surface
from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from stilt.config import MetConfig
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.formats import read_analysis
from stilt.meteorology.formats.node_offsets import offset_within
from stilt.meteorology.grids import conformal_grid, latlon_grid
from stilt.meteorology.subgrid import cropped_grid

HOURS = np.arange(
    np.datetime64("2023-07-15T15:00"), np.datetime64("2023-07-15T18:00"), np.timedelta64(1, "h")
)
PART = {"latitude": slice(5, -7), "longitude": slice(4, -3)}


@pytest.fixture(scope="module")
def analyses():
    made = []
    for time in HOURS:
        raw = on_pressures(on_grid(truth(time), LATLON), np.array(PRESSURES_HPA, float))
        raw.upper.pop("PRES")
        made.append(raw)
    return made


def select(folder, form="era5", **options):
    config = MetConfig(directory=folder, format=form, **options)
    return MetCatalogue(config).select(HOURS[0], HOURS[-1])


def write(folder, levels, surface):
    folder.mkdir()
    levels.to_netcdf(folder / "pressure-levels.nc")
    surface.to_netcdf(folder / "single-levels.nc")
    return folder


def assert_same(refs, others):
    assert len(refs) == len(others) == len(HOURS)
    for ref, other in zip(refs, others, strict=True):
        assert ref.grid == other.grid
        read, wanted = read_analysis(ref), read_analysis(other)
        for place in ("surface", "upper"):
            fields, expected = getattr(read, place), getattr(wanted, place)
            assert set(fields) == set(expected)
            for name, field in fields.items():
                np.testing.assert_array_equal(field, expected[name], err_msg=name)


@pytest.fixture
def same(tmp_path, analyses):
    levels, surface = level_dataset(analyses), surface_dataset(analyses)
    return write(tmp_path / "same", levels.isel(PART), surface.isel(PART))


@pytest.fixture
def larger(tmp_path, analyses):
    levels, surface = level_dataset(analyses), surface_dataset(analyses)
    return write(tmp_path / "larger", levels.isel(PART), surface)


def test_the_levels_nodes_are_taken_and_cut_further_as_others_are(same, larger):
    assert_same(select(larger), select(same))
    bounds = {"xmin": -112.4, "xmax": -111.2, "ymin": 40.3, "ymax": 41.0}
    crop = {"subgrid_enable": True, "subgrid_bounds": bounds, "subgrid_buffer": 0.1}
    cut = select(larger, **crop)
    assert cut[0].grid.nx < select(larger)[0].grid.nx
    assert_same(cut, select(same, **crop))


def test_rounded_coordinates_are_the_same_nodes(tmp_path, analyses, same):
    single = surface_dataset(analyses)
    places = {name: single[name].astype(np.float32) + 1e-5 for name in ("latitude", "longitude")}
    levels = level_dataset(analyses).isel(PART)
    rounded = write(tmp_path / "rounded", levels, single.assign_coords(places))
    assert_same(select(rounded), select(same))


def test_of_surface_fields_at_the_same_nodes_and_of_a_larger_area_the_former_are_taken(
    same, analyses
):
    wanted = select(same)
    surface = surface_dataset(analyses)
    surface["sp"] = surface["sp"] + 500.0
    surface.to_netcdf(same / "z-larger.nc")
    refs = select(same)
    assert_same(refs, wanted)
    assert [ref.content for ref in refs] == [ref.content for ref in wanted]


def test_surface_fields_in_grib_are_cut_too(tmp_path, analyses):
    half = [on_grid(raw, latlon_grid(*_corner(), levels=(), vertical_flag=0)) for raw in analyses]
    for name, surface in (("same", half), ("larger", analyses)):
        (tmp_path / name).mkdir()
        era5_levels(tmp_path / name / "levels.grib", half)
        era5_surface(tmp_path / name / "surface.grib", surface)
    for one, other in zip(select(tmp_path / "larger"), select(tmp_path / "same"), strict=True):
        assert one.grid == other.grid
        read, wanted = read_analysis(one), read_analysis(other)
        for field, values in wanted.surface.items():
            # What is packed with another smallest and largest value has other steps.
            apart = np.ptp(values) * 1e-3 + 1e-6
            np.testing.assert_allclose(read.surface[field], values, atol=apart, err_msg=field)


def _corner():
    lon, lat = LATLON.to_lonlat(4, 7)
    return float(lon), float(lat), LATLON.ref_lon, LATLON.ref_lat, 30, 18


@pytest.mark.parametrize("kind", ["smaller", "coarser", "elsewhere", "shifted"])
def test_other_nodes_are_refused_in_a_sentence(tmp_path, analyses, kind):
    levels, surface = level_dataset(analyses), surface_dataset(analyses)
    step = LATLON.ref_lon
    if kind == "smaller":
        surface = surface.isel(PART)
    elif kind == "coarser":
        levels = levels.isel(PART)
        surface = surface.isel(latitude=slice(None, None, 2), longitude=slice(None, None, 2))
    else:
        moved = 20 * step if kind == "elsewhere" else 0.3 * step
        levels = levels.isel(PART)
        surface = surface.assign_coords(longitude=surface["longitude"] + moved)
    write(tmp_path / kind, levels, surface)
    said = (
        r"surface fields in single-levels\.nc do not have all the nodes of the levels in "
        r"pressure-levels\.nc .*fetch both with the same spacing"
    )
    with pytest.raises(MeteorologyError, match=said) as told:
        select(tmp_path / kind)
    assert told.value.reason == Reason.MET_COVERAGE


def test_an_area_over_the_seam_of_a_global_grid():
    globe = latlon_grid(0.0, -90.0, 2.0, 2.0, 180, 91, levels=(), vertical_flag=0)
    area = latlon_grid(-10.0, 30.0, 2.0, 2.0, 11, 6, levels=(), vertical_flag=0)
    assert offset_within(area, globe) == (175, 60)
    assert offset_within(globe, area) is None
    assert offset_within(globe, globe) == (0, 0)


def test_a_part_of_a_map():
    map_ = {"cone_lat": 38.5, "levels": (), "vertical_flag": 0}
    whole = conformal_grid(-112.0, 40.7, 12.0, 41, 33, ref_lon=-97.5, **map_)
    part = cropped_grid(whole, np.arange(3, 23), np.arange(5, 15), None)
    assert offset_within(part, whole) == (3, 5)
    lon, lat = map(float, whole.to_lonlat(3.0, 5.0))
    turned = conformal_grid(lon, lat, 12.0, 20, 10, ref_lon=-90.0, **map_)
    assert offset_within(turned, whole) is None
