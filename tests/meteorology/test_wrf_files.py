from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import stilt
from benchmarks.weather_files.truth import truth
from benchmarks.weather_files.wrf_files import lambert_attributes, wrf_dataset, write_wrf
from stilt.config import MetConfig, ModelConfig
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.archive import list_met
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.formats import format_of, read_analysis
from stilt.meteorology.formats.wrf_grid import cone_latitude
from stilt.transport import release_of, run_transport

HOURS = np.arange(
    np.datetime64("2023-07-15T15:00"), np.datetime64("2023-07-15T19:00"), np.timedelta64(1, "h")
)
START = HOURS[0] - np.timedelta64(3, "h")
FIRST_LATITUDE, SECOND_LATITUDE = 33.0, 45.0
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def select(folder, **options):
    config = MetConfig(directory=folder, **{"format": "wrf", **options})
    return MetCatalogue(config).select(HOURS[0], HOURS[-1])


@pytest.fixture(scope="module")
def analyses():
    made = []
    for time in HOURS:
        raw = truth(time)
        density = raw.upper["PRES"] * 100 / (287.04 * raw.upper["TEMP"])
        upper = {name: field for name, field in raw.upper.items() if name != "WWND"}
        upper["DZDT"] = -100.0 * raw.upper["WWND"] / (density * 9.81)
        made.append(replace(raw, upper=upper))
    return made


@pytest.fixture(scope="module")
def attributes(analyses):
    return lambert_attributes(analyses[0].grid, 40.77, 40.77)


@pytest.fixture
def folder(tmp_path, analyses, attributes):
    for raw in analyses:
        write_wrf(tmp_path, wrf_dataset([raw], attributes, start=START))
    return tmp_path


def assert_alike(read, wanted, names=("UWND", "VWND", "TEMP", "SPHU", "PRES", "HGTS", "DZDT")):
    assert set(names) <= set(read.upper)
    for name in names:
        np.testing.assert_allclose(read.upper[name], wanted.upper[name], **CLOSE, err_msg=name)
    assert set(wanted.surface) <= set(read.surface)
    for name, field in wanted.surface.items():
        np.testing.assert_allclose(read.surface[name], field, **CLOSE, err_msg=name)


def test_staggered_and_perturbed_fields_become_those_of_the_mass_points(folder, analyses):
    refs = select(folder)
    assert [ref.time for ref in refs] == list(HOURS)
    for ref, wanted in zip(refs, analyses, strict=True):
        assert_alike(read_analysis(ref), wanted)
        np.testing.assert_allclose(ref.grid.levels, wanted.grid.levels, atol=1e-6)
        lon, lat = ref.grid.to_lonlat(3.0, 7.0)
        np.testing.assert_allclose(wanted.grid.to_xy(lon, lat), (3.0, 7.0), atol=1e-3)


def test_one_time_or_many_in_a_file_are_the_same_weather(tmp_path, folder, analyses, attributes):
    write_wrf(tmp_path / "many", wrf_dataset(analyses, attributes, start=START))
    one, many = select(folder, file_format="wrfout_d01"), select(tmp_path / "many")
    assert [ref.time for ref in one] == [ref.time for ref in many]
    assert {ref.grid for ref in one} == {ref.grid for ref in many}
    for each, other in zip(one, many, strict=True):
        assert_alike(read_analysis(each), read_analysis(other))


@pytest.mark.parametrize("with_mass_on_faces", [True, False])
def test_averaged_winds_are_uncoupled_and_can_be_left_out(
    tmp_path, analyses, attributes, with_mass_on_faces
):
    data = wrf_dataset(analyses[:2], attributes, averaged=True)
    if not with_mass_on_faces:
        data = data.drop_vars(["MUU", "MUV"])
    write_wrf(tmp_path, data)
    averaged, instantaneous = (
        MetCatalogue(MetConfig(directory=tmp_path, format=name)).select(HOURS[0], HOURS[1])[0]
        for name in ("wrf", "wrf-instantaneous")
    )
    assert averaged.content != instantaneous.content
    assert_alike(read_analysis(averaged), analyses[0])
    at_once = read_analysis(instantaneous).upper["UWND"]
    np.testing.assert_allclose(at_once, 2.0 * analyses[0].upper["UWND"], **CLOSE)


def test_averages_that_wrf_has_not_made_yet_are_not_taken(tmp_path, analyses, attributes):
    data = wrf_dataset(analyses[:2], attributes, averaged=True)
    for name in ("AVGFLX_RUM", "AVGFLX_RVM", "AVGFLX_WWM"):
        data[name][0] = 0.0
    write_wrf(tmp_path, data)
    first = MetCatalogue(MetConfig(directory=tmp_path, format="wrf")).select(HOURS[0], HOURS[1])[0]
    wind = read_analysis(first).upper["UWND"]
    np.testing.assert_allclose(wind, 2.0 * analyses[0].upper["UWND"], **CLOSE)


def test_air_that_moves_along_rising_ground_stays_at_its_height(tmp_path, analyses, attributes):
    raw = analyses[0]
    still = replace(raw, upper={**raw.upper, "DZDT": 0.0 * raw.upper["DZDT"]})
    data = wrf_dataset([still], attributes)
    assert abs(data["W"][0, 1]).max() > 0.02
    write_wrf(tmp_path, data)
    (ref,) = MetCatalogue(MetConfig(directory=tmp_path, format="wrf")).select(HOURS[0], HOURS[0])
    assert abs(read_analysis(ref).upper["DZDT"]).max() < 1e-4


def test_rain_since_the_start_becomes_rain_an_hour(tmp_path, analyses, attributes):
    data = wrf_dataset(analyses, attributes, start=START, rain_mm_h=0.6)
    write_wrf(tmp_path, data)
    first, *later = [read_analysis(ref).surface for ref in select(tmp_path)]
    np.testing.assert_allclose(first["TPPA"], 0.6e-3 * 3, rtol=1e-5)
    for surface in later:
        np.testing.assert_allclose(surface["TPP1"], 0.6e-3, rtol=1e-4)
        np.testing.assert_allclose(surface["CPP1"], 0.2e-3, rtol=1e-4)


def test_full_rain_buckets_count(tmp_path, analyses, attributes):
    data = wrf_dataset(analyses[:2], attributes, start=START, rain_mm_h=0.6)
    for name in ("RAINC", "RAINNC"):
        data[f"I_{name}"] = xr.zeros_like(data[name])
    data["I_RAINNC"][1] = 1.0
    data["RAINNC"][1] -= 10.0
    write_wrf(tmp_path, data.assign_attrs(BUCKET_MM=10.0))
    ref = MetCatalogue(MetConfig(directory=tmp_path, format="wrf")).select(HOURS[1], HOURS[1])[0]
    np.testing.assert_allclose(read_analysis(ref).surface["TPP1"], 0.6e-3, rtol=1e-3)


def test_what_physics_has_not_computed_at_the_start_is_left_out(tmp_path, analyses, attributes):
    data = wrf_dataset(analyses[:2], attributes)
    for name in ("T2", "U10", "V10", "PBLH", "UST"):
        data[name][0] = 0.0
    write_wrf(tmp_path, data)
    refs = MetCatalogue(MetConfig(directory=tmp_path, format="wrf")).select(HOURS[0], HOURS[1])
    lacking = {"T02M", "U10M", "V10M", "PBLH", "USTR"}
    assert not lacking & set(read_analysis(refs[0]).surface)
    assert lacking <= set(read_analysis(refs[1]).surface)


def test_only_what_is_kept_is_read(folder):
    whole = select(folder)[0]
    bounds = {"xmin": -112.4, "xmax": -111.2, "ymin": 40.1, "ymax": 41.0}
    kept = select(
        folder, subgrid_enable=True, subgrid_bounds=bounds, subgrid_buffer=0.1, subgrid_levels=11
    )[0]
    assert kept.grid.n_levels == 10
    x, y = (round(float(each)) for each in whole.grid.to_xy(*kept.grid.to_lonlat(0.0, 0.0)))
    all_of_it, part = read_analysis(whole), read_analysis(kept)
    nodes = np.s_[y : y + kept.grid.ny, x : x + kept.grid.nx]
    for name, field in part.surface.items():
        np.testing.assert_array_equal(field, all_of_it.surface[name][nodes], err_msg=name)
    for name, field in part.upper.items():
        np.testing.assert_array_equal(field, all_of_it.upper[name][:10, *nodes], err_msg=name)


def test_domains_in_one_folder_must_be_told_apart(tmp_path, analyses, attributes):
    for raw in analyses:
        data = wrf_dataset([raw], attributes, start=START)
        write_wrf(tmp_path, data, domain=1)
        write_wrf(tmp_path, data, domain=2)
    with pytest.raises(MeteorologyError, match="file_format: wrfout_d02") as told:
        select(tmp_path)
    assert told.value.reason == Reason.MET_COVERAGE
    for chosen in ("wrfout_d02", "wrfout_d02_%Y-%m-%d_%H"):
        refs = select(tmp_path, file_format=chosen)
        assert {"_d02_" in ref.path for ref in refs} == {True}


def test_a_cone_through_two_latitudes_has_its_scale_at_both():
    cone = cone_latitude(FIRST_LATITUDE, SECOND_LATITUDE)
    assert FIRST_LATITUDE < cone < SECOND_LATITUDE
    assert cone_latitude(-FIRST_LATITUDE, -SECOND_LATITUDE) == pytest.approx(-cone)
    gamma = np.sin(np.radians(cone))
    size = [
        np.cos(np.radians(lat)) * np.tan(np.pi / 4 + np.radians(lat) / 2) ** gamma
        for lat in (FIRST_LATITUDE, SECOND_LATITUDE)
    ]
    assert size[0] == pytest.approx(size[1], rel=1e-12)


PROJECTIONS = {
    "Lambert, two latitudes": (
        "lcc +lat_1=33 +lat_2=45 +lat_0=39 +lon_0=-97",
        {"MAP_PROJ": 1, "TRUELAT1": 33.0, "TRUELAT2": 45.0, "STAND_LON": -97.0},
    ),
    "Lambert, south": (
        "lcc +lat_1=-25 +lat_2=-37.86 +lat_0=-30 +lon_0=25",
        {"MAP_PROJ": 1, "TRUELAT1": -25.0, "TRUELAT2": -37.86, "STAND_LON": 25.0},
    ),
    "polar": (
        "stere +lat_0=90 +lat_ts=60 +lon_0=-150",
        {"MAP_PROJ": 2, "TRUELAT1": 60.0, "TRUELAT2": 60.0, "STAND_LON": -150.0},
    ),
    "Mercator": (
        "merc +lat_ts=10 +lon_0=120",
        {"MAP_PROJ": 3, "TRUELAT1": 10.0, "TRUELAT2": 10.0, "STAND_LON": 120.0},
    ),
}
CENTRES = {
    "Lambert, two latitudes": (-110.0, 40.0), "Lambert, south": (20.0, -33.0),
    "polar": (-140.0, 70.0), "Mercator": (115.0, 5.0),
}  # fmt: skip


def placed(name):
    """XLONG and XLAT of 40 x 30 nodes, 9 km apart, by pyproj."""
    pyproj = pytest.importorskip("pyproj")
    text, attributes = PROJECTIONS[name]
    there = pyproj.Proj(f"+proj={text} +R=6370000")
    x, y = there(*CENTRES[name])
    columns, rows = np.meshgrid(np.arange(40) * 9000.0, np.arange(30) * 9000.0)
    lon, lat = there(x + columns, y + rows, inverse=True)
    return {**attributes, "DX": 9000.0, "DY": 9000.0}, lon, lat


@pytest.mark.parametrize("name", PROJECTIONS)
def test_nodes_are_where_the_projection_puts_them(name):
    from stilt.meteorology.formats.wrf_grid import wrf_horizontal

    attributes, lon, lat = placed(name)
    grid = wrf_horizontal(attributes, lon.astype(np.float32), lat.astype(np.float32), "WRF1").grid
    x, y = grid.to_xy(lon, lat)
    assert abs(x - np.arange(40)).max() < 1e-3
    assert abs(y - np.arange(30)[:, None]).max() < 1e-3


def test_nodes_that_are_elsewhere_are_refused(tmp_path, analyses, attributes):
    data = wrf_dataset(analyses[:1], {**attributes, "TRUELAT2": 60.0})
    write_wrf(tmp_path, data)
    with pytest.raises(MeteorologyError, match="cells away from where its map projection"):
        select(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"MAP_PROJ": 0}, "none of Lambert"),
        ({"DY": 5000.0}, "DX and DY differ"),
    ],
)
def test_other_projections_are_refused_in_a_sentence(tmp_path, analyses, attributes, changes, said):
    write_wrf(tmp_path, wrf_dataset(analyses[:1], {**attributes, **changes}))
    with pytest.raises(MeteorologyError, match=said):
        select(tmp_path)


def test_a_file_that_lacks_what_is_needed_says_so(tmp_path, analyses, attributes):
    write_wrf(tmp_path, wrf_dataset(analyses, attributes).drop_vars(["PB", "HGT"]))
    with pytest.raises(MeteorologyError, match="it lacks PB, HGT; use WRF's own output that has"):
        select(tmp_path)


def total_and_end(folder):
    """The footprint's total of a receptor in the afternoon, and the mean height at its end."""
    settings = {"numpar": 200, "hnf_plume": False, "n_hours": -3}
    config = ModelConfig(mets={"wrf": {"directory": folder, "format": "wrf"}}, **settings)
    receptor = stilt.PointReceptor(
        time=pd.Timestamp(HOURS[-1]), longitude=-111.85, latitude=40.77, altitude=50
    )
    release = replace(release_of(receptor, "wrf", config), key=7)
    (table,) = run_transport([release], select(folder), config, cache_dir=folder / "prepared")
    assert len(table) == config.numpar * 180
    return table["foot"].sum(), table.loc[table["time"] == -180, "zagl"].mean()


@pytest.mark.parametrize("lacking", [["W"], ["QVAPOR"], ["W", "QVAPOR"]])
def test_files_without_vertical_motion_or_humidity_are_read_with_what_replaces_them(
    tmp_path_factory, folder, analyses, attributes, lacking
):
    less = tmp_path_factory.mktemp("less")
    data = wrf_dataset(analyses, attributes, start=START).drop_vars(lacking)
    write_wrf(less, data)
    read = read_analysis(select(less)[0])
    whole = read_analysis(select(folder)[0])
    names = {"W": "DZDT", "QVAPOR": "SPHU"}
    assert set(whole.upper) - set(read.upper) == {names[name] for name in lacking}
    for name, field in read.upper.items():
        np.testing.assert_array_equal(field, whole.upper[name], err_msg=name)

    (stream,) = list_met(MetConfig(directory=less, format="wrf")).streams
    told = {one.lacks: one.instead for one in stream.lacks}
    instead = {"W": "from the divergence of the wind", "QVAPOR": "the air is taken as dry"}
    words = {"W": "vertical motion (WWND, DZDT)", "QVAPOR": "humidity (SPHU, RELH)"}
    assert all(instead[name] in told[words[name]] for name in lacking)

    total, height = total_and_end(less)
    usual_total, usual_height = total_and_end(folder)
    assert total == pytest.approx(usual_total, rel=0.2)
    assert height == pytest.approx(usual_height, rel=0.25)


def test_averaged_winds_do_not_need_those_of_the_time_s_vertical_motion(
    tmp_path, analyses, attributes
):
    data = wrf_dataset(analyses[:2], attributes, averaged=True)
    dry = wrf_dataset(analyses[:2], attributes, averaged=True).drop_vars(["W", "QVAPOR"])
    write_wrf(tmp_path / "whole", data)
    write_wrf(tmp_path / "less", dry)
    whole, less = (
        read_analysis(
            MetCatalogue(MetConfig(directory=tmp_path / name, format="wrf")).select(
                HOURS[0], HOURS[1]
            )[0]
        )
        for name in ("whole", "less")
    )
    assert "SPHU" not in less.upper
    # Vapour makes a volume larger by less than two per cent.
    through = np.abs(whole.upper["DZDT"]).max()
    np.testing.assert_allclose(less.upper["DZDT"], whole.upper["DZDT"], atol=0.02 * through)


def test_a_file_cut_short_is_named(folder):
    path = sorted(folder.glob("wrfout*"))[1]
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(MeteorologyError, match=path.name):
        select(folder)


def test_wrf_is_told_by_its_content_and_other_files_are_passed_over(folder, analyses, attributes):
    initial = wrf_dataset(analyses[:1], attributes, start=START)
    initial.assign_attrs(TITLE=" OUTPUT FROM REAL_EM V4.4 PREPROCESSOR").to_netcdf(
        folder / "wrfinput_d01", encoding={"Times": {"char_dim_name": "DateStrLen"}}
    )
    initial[["T2", "Times"]].to_netcdf(folder / "wrfxtrm_d01")
    (folder / "namelist.output").write_text("&time_control")
    assert format_of(str(next(folder.glob("wrfout*")))) == "wrf"
    assert format_of(str(folder / "wrfinput_d01")) is None
    assert len(select(folder, format="auto")) == len(HOURS)


def test_files_that_other_programs_have_written_again_are_the_same_weather(
    tmp_path, folder, analyses, attributes
):
    """Times as strings, static fields without time, and one time without its dimension."""
    whole = wrf_dataset(analyses, attributes, start=START)
    times = [bytes(each).decode() for each in whole["Times"].to_numpy()]
    static = {name: whole[name].isel(Time=0) for name in ("XLAT", "XLONG", "HGT", "ZNU", "P_TOP")}
    again = whole.assign(Times=("Time", np.array(times, object)), **static)
    places = [tmp_path / "together", tmp_path / "apart"]
    for place in places:
        place.mkdir()
    again.to_netcdf(places[0] / "wrfout_d01_all")
    for number in range(len(HOURS)):
        whole.isel(Time=number).to_netcdf(places[1] / f"wrfout_d01_{number}")
    for place in places:
        for one, other in zip(select(folder), select(place), strict=True):
            assert one.grid == other.grid
            read, wanted = read_analysis(other), read_analysis(one)
            # What is collected since a file's previous time depends on the file.
            for name in ("TPPA", "CPPA"):
                wanted.surface.pop(name, None)
            assert_alike(read, wanted)


def test_the_times_before_one_that_was_never_written_are_used(tmp_path, analyses, attributes):
    """As in a file that WRF was writing when it was killed."""
    data = wrf_dataset(analyses, attributes, start=START)
    data["Times"].values[-1] = b""
    write_wrf(tmp_path, data)
    (path,) = tmp_path.glob("wrfout*")
    config = MetConfig(directory=tmp_path, format="wrf")
    refs = MetCatalogue(config).select(HOURS[0], HOURS[-2])
    assert [ref.time for ref in refs] == list(HOURS[:-1])
    assert_alike(read_analysis(refs[-1]), analyses[-2])
    with pytest.raises(MeteorologyError, match="record 4 of 4 has no time in Times") as told:
        select(tmp_path)
    assert told.value.reason == Reason.DAMAGED_MET_FILE
    archive = list_met(config)
    assert list(archive.damaged) == [path]
    assert list(archive.streams[0].times) == list(HOURS[:-1])
