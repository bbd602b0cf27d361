import fsspec
import numpy as np
import pytest
import xarray as xr
import zarr

from benchmarks.weather_files.era5_files import write_era5
from benchmarks.weather_files.truth import (
    PRESSURES_HPA,
    analyses_on_pressures,
)
from benchmarks.weather_files.zarr_stores import (
    LONG_NAMES,
    arco_store,
    chunks_of,
    level_store,
    served,
    surface_store,
    write_store,
)
from stilt.config import MetConfig, ModelConfig
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.archive import list_archive, list_met
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.fingerprint import WeatherCheck, fingerprint
from stilt.meteorology.formats import format_of, read_analysis, stores
from stilt.meteorology.prepare import PreparationOptions
from stilt.meteorology.prepared_store import PreparedStore
from tests.support.bucket import empty_bucket

HOURS = np.arange(
    np.datetime64("2023-07-15T15:00"), np.datetime64("2023-07-15T18:00"), np.timedelta64(1, "h")
)
FIRST, LAST = HOURS[0], HOURS[-1]
WEST = {"xmin": -114.4, "xmax": -113.4, "ymin": 39.2, "ymax": 40.0}
LEVEL_FIELDS = set(LONG_NAMES.values())


def select(directory, cache_dir=None, **options):
    config = MetConfig(directory=directory, **{"format": "era5", **options})
    return MetCatalogue(config, cache_dir=cache_dir).select(FIRST, LAST)


@pytest.fixture(scope="module")
def analyses():
    return analyses_on_pressures(HOURS)


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    """What a process remembers of URLs would hide what other tests' servers hold."""
    monkeypatch.setattr(stores, "_STATE_LIFE_S", 0.0)


def assert_same(read, wanted):
    for place in ("surface", "upper"):
        fields, expected = getattr(read, place), getattr(wanted, place)
        assert set(fields) == set(expected)
        for name in fields:
            np.testing.assert_allclose(fields[name], expected[name], rtol=1e-6, err_msg=name)


def test_a_store_is_the_same_weather_as_files(tmp_path, analyses):
    write_era5(tmp_path / "files", analyses)
    write_store(arco_store(analyses), tmp_path / "stores" / "arco.zarr", time=1)
    of_files, of_store = select(tmp_path / "files"), select(tmp_path / "stores")
    assert [ref.time for ref in of_store] == list(HOURS)
    assert of_store[0].path == str(tmp_path / "stores" / "arco.zarr")
    for one, other in zip(of_files, of_store, strict=True):
        assert one.grid == other.grid
        assert_same(read_analysis(one), read_analysis(other))


def test_a_store_may_itself_be_the_directory_and_have_the_third_format(tmp_path, analyses):
    arco_store(analyses).to_zarr(tmp_path / "arco", zarr_format=3, consolidated=False)
    refs = select(tmp_path / "arco")
    assert {ref.path for ref in refs} == {str(tmp_path / "arco")}
    assert_same(read_analysis(refs[0]), analyses[0])
    assert format_of(str(tmp_path / "arco")) == "era5"


def test_levels_and_surface_may_be_in_two_places(tmp_path, analyses):
    levels = write_store(level_store(analyses), tmp_path / "levels", time=1)
    ground = write_store(surface_store(analyses), tmp_path / "ground", time=1)
    refs = select([levels, ground])
    assert refs[0].paths == (str(levels), str(ground))
    assert_same(read_analysis(refs[0]), analyses[0])


def test_of_two_lists_of_levels_those_of_the_first_place_are_used(tmp_path, analyses):
    few = write_store(level_store(analyses).isel(level=slice(0, 9)), tmp_path / "z-few", time=1)
    both = write_store(arco_store(analyses), tmp_path / "a-both", time=1)
    refs = select([few, both])
    assert {ref.grid.n_levels for ref in refs} == {9}
    assert refs[0].paths == (str(few), str(both))
    assert select([both, few])[0].grid.n_levels == len(PRESSURES_HPA)
    # An output made of it is not out of date, although the second store has other levels too.
    recorded = fingerprint(refs)
    assert not WeatherCheck(None).has_changed(refs[0].paths, recorded)


def test_only_the_chunks_that_hold_the_crop_are_fetched_and_only_once(tmp_path, analyses):
    write_store(
        arco_store(analyses), tmp_path / "store", time=1, level=7, latitude=10, longitude=14
    )
    with served(tmp_path) as (url, asked):
        options = {"subgrid_enable": True, "subgrid_bounds": WEST, "subgrid_levels": 8}
        refs = select(f"{url}/store", tmp_path / "cache", **options)
        assert refs[0].paths == (f"{url}/store",)
        assert not chunks_of(asked), "listing reads no field"
        store = PreparedStore(tmp_path / "cache", read_analysis)
        store.get(refs[0], PreparationOptions())
        fetched = chunks_of(asked)
        # The area is in the first column of chunks and in two rows of them, counted from the north.
        names = {path.split("/")[2] for path in fetched}
        ground = {"geopotential_at_surface/1.0", "geopotential_at_surface/2.0"}
        time_dependent = {
            f"{name}/0.0.{row}.0" if name in LEVEL_FIELDS else f"{name}/0.{row}.0"
            for name in names - {"geopotential_at_surface"}
            for row in (1, 2)
        }
        assert names >= LEVEL_FIELDS
        assert sorted(fetched) == sorted(f"/store/{path}" for path in ground | time_dependent)
        asked.clear()
        # Another preparation of the same hour, as another configuration asks for it.
        store.get(refs[0], PreparationOptions(mixed_layer_floor_m=200.0))
        assert not asked
        crop, kept = refs[0].crop, read_analysis(refs[0])
    whole = read_analysis(select(tmp_path / "store")[0])
    rows = slice(crop.row, crop.row + crop.rows)
    columns = slice(crop.column, crop.column + crop.columns)
    np.testing.assert_array_equal(kept.upper["UWND"], whole.upper["UWND"][:7, rows, columns])
    np.testing.assert_array_equal(kept.surface["SHGT"], whole.surface["SHGT"][rows, columns])


def test_columns_that_pass_the_seam_do_not_fetch_what_lies_between(tmp_path):
    lon, lat = np.arange(0.0, 360.0, 5.0), np.arange(90.0, -91.0, -5.0)
    shape = (1, 2, len(lat), len(lon))
    data = xr.Dataset(
        {"u": (("time", "level", "latitude", "longitude"), np.zeros(shape, np.float32) + lon)},
        {
            "time": [FIRST.astype("datetime64[ns]")],
            "level": ("level", [1000, 500], {"units": "hPa"}),
            "latitude": lat,
            "longitude": lon,
        },
    )
    data["u"] = data["u"].astype(np.float32)
    write_store(data, tmp_path / "store", longitude=12)
    around = {"xmin": -12.0, "xmax": 12.0, "ymin": -20.0, "ymax": 20.0}
    with served(tmp_path) as (url, asked):
        config = MetConfig(
            directory=f"{url}/store", format="era5", subgrid_enable=True, subgrid_bounds=around
        )
        (ref,) = MetCatalogue(config).select(FIRST, FIRST)
        wind = read_analysis(ref).upper["UWND"]
        assert sorted(path.rsplit(".", 1)[-1] for path in chunks_of(asked)) == ["0", "5"]
    np.testing.assert_array_equal(wind[0, 0], [345.0, 350.0, 355.0, 0.0, 5.0, 10.0, 15.0])


def test_more_hours_change_nothing_and_other_values_do(tmp_path, analyses):
    path = write_store(arco_store(analyses[:2]), tmp_path / "store", time=1)
    config = MetConfig(directory=path, format="era5")
    recorded = fingerprint(MetCatalogue(config).select(HOURS[0], HOURS[1]))
    arco_store(analyses[2:]).drop_vars("geopotential_at_surface").to_zarr(
        path, append_dim="time", zarr_format=2, consolidated=True
    )
    assert len(MetCatalogue(config).select(FIRST, LAST)) == 3
    assert not WeatherCheck(None).has_changed([str(path)], recorded)
    chunk = path / "u_component_of_wind" / "1.0.0.0"
    other = path / "u_component_of_wind" / "2.0.0.0"
    chunk.write_bytes(other.read_bytes())
    assert WeatherCheck(None).has_changed([str(path)], recorded)


def test_a_chunk_that_is_not_there_is_no_calm(tmp_path, analyses):
    path = write_store(arco_store(analyses), tmp_path / "store", time=1)
    (path / "temperature" / "1.0.0.0").unlink()
    ref = select(path)[1]
    with pytest.raises(MeteorologyError, match=r"no values of temperature at 2023-07-15T16:00"):
        read_analysis(ref)


def test_a_server_that_is_not_there_is_said(tmp_path):
    with pytest.raises(MeteorologyError, match=r"127\.0\.0\.1:9/none cannot be used") as told:
        select("http://127.0.0.1:9/none")
    assert told.value.reason == Reason.DAMAGED_MET_FILE


def test_a_url_and_lists_of_places_stay_what_they_are_in_config_yaml(tmp_path):
    places = ["https://example.org/levels.zarr", "gs://bucket/surface.zarr"]
    config = ModelConfig(mets={"era": MetConfig(directory=places, format="era5")})
    text = config.to_yaml(tmp_path / "config.yaml")
    assert all(place in text for place in places)
    assert ModelConfig.from_yaml(tmp_path / "config.yaml") == config
    for wind in (None, 70.0):
        changed = config.with_changes(
            mets={"era": MetConfig(directory=places, format="era5", fastest_wind=wind)}
        )
        changed.to_yaml(tmp_path / "config.yaml")
        assert ModelConfig.from_yaml(tmp_path / "config.yaml") == changed
    with pytest.raises(ValueError, match="ARL files must be in one folder"):
        MetConfig(directory=places, file_format="%Y", file_tres="1h")


def test_a_store_may_be_in_a_bucket(tmp_path, analyses, monkeypatch):
    with empty_bucket(monkeypatch) as bucket:
        files = fsspec.filesystem("s3", skip_instance_cache=True)
        files.put(
            str(write_store(arco_store(analyses[:2]), tmp_path / "store", time=1)),
            f"{bucket}/store",
            recursive=True,
        )
        config = MetConfig(directory=f"{bucket}/store", format="era5")
        refs = MetCatalogue(config, cache_dir=tmp_path / "cache").select(HOURS[0], HOURS[1])
        assert_same(read_analysis(refs[1]), analyses[1])
        recorded = fingerprint(refs)
        assert not WeatherCheck(None).has_changed(refs[0].paths, recorded)
        files.pipe(f"{bucket}/store/u_component_of_wind/1.0.0.0", b"other")
        fsspec.filesystem("s3").invalidate_cache()
        assert WeatherCheck(None).has_changed(refs[0].paths, recorded)


@pytest.mark.parametrize("form", ["era5", "auto"])
def test_a_store_is_listed_without_asking_for_its_fields(tmp_path, analyses, form):
    write_store(arco_store(analyses), tmp_path / "stores" / "arco", time=1)
    with served(tmp_path / "stores") as (url, asked):
        of_url = list_archive(f"{url}/arco", form)
        assert not chunks_of(asked)
        assert not [path for _, path in asked if "u_component" in path and path[-1].isdigit()]
        assert of_url.files == (f"{url}/arco",)
        assert of_url.to_dict()["directories"] == [f"{url}/arco"]
    of_folder = list_archive(tmp_path / "stores", form)
    for archive in (of_url, of_folder):
        (stream,) = archive.streams
        assert list(stream.times) == list(HOURS)
        assert "UWND" in stream.fields.upper
        assert not archive.damaged


def test_several_places_are_listed_as_one_archive(tmp_path, analyses):
    levels = write_store(level_store(analyses), tmp_path / "levels", time=1)
    ground = write_store(surface_store(analyses), tmp_path / "ground", time=1)
    archive = list_met(MetConfig(directory=[levels, ground], format="era5"), "both")
    assert archive.files == (levels, ground)
    (stream,) = archive.streams
    assert {"PRSS", "UWND"} <= {*stream.fields.surface, *stream.fields.upper}
    alone = list_met(MetConfig(directory=ground, format="era5"))
    assert alone.streams == ()
    assert len(alone.incomplete) == len(HOURS)


def test_a_place_that_is_no_store_is_said(tmp_path):
    tmp_path.joinpath("empty").mkdir()
    with served(tmp_path) as (url, _):
        archive = list_archive(f"{url}/empty", "era5")
    (sentence,) = archive.damaged.values()
    assert "there is no Zarr group there" in sentence


@pytest.mark.parametrize(
    ("chunks", "together"),
    [((1, 18, 721, 1440), 1), ((1, 3, 721, 1440), 10), ((1, 9, 721, 1440), 3), (None, 10)],
)
def test_few_large_chunks_are_in_memory_at_once(chunks, together):
    field = xr.DataArray(np.zeros(1, np.float32))
    field.encoding = {"chunks": chunks} if chunks else {"chunksizes": (1,)}
    with zarr.config.set({"async.concurrency": 10}):
        with stores.few_chunks_together(field):
            assert zarr.config.get("async.concurrency") == together
        assert zarr.config.get("async.concurrency") == 10


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("is_served", [False, True])
@pytest.mark.parametrize(
    ("name", "fill", "corner"),
    [
        ("temperature", np.nan, (1, 2, 1, 1)),
        ("temperature", 0.0, (1, 2, 1, 1)),
        ("friction_velocity", np.nan, (1, 1, 1)),
        ("friction_velocity", 0.0, (1, 1, 1)),
    ],
)
def test_a_part_of_a_field_that_is_not_there_is_said(
    tmp_path, analyses, zarr_format, is_served, name, fill, corner
):
    data = arco_store(analyses)
    chunks = {"time": 1, "level": 10, "latitude": 15, "longitude": 21}
    encoding = {
        key: {"chunks": tuple(chunks[dim] for dim in field.dims)}
        for key, field in data.data_vars.items()
    }
    form = {"zarr_format": zarr_format, "consolidated": zarr_format == 2}
    data.to_zarr(tmp_path / "s", encoding=encoding, **form)
    array = zarr.open_array(tmp_path / "s", path=name, mode="r")
    lost = tmp_path / "s" / name / array.metadata.encode_chunk_key(corner)
    assert lost.is_file()
    lost.unlink()
    for text in (tmp_path / "s").rglob("*z*"):
        if text.is_file() and fill == 0.0:
            text.write_text(text.read_text().replace('"fill_value": "NaN"', '"fill_value": 0.0'))
    with served(tmp_path) as (url, _):
        refs = select(f"{url}/s" if is_served else tmp_path / "s")
        read_analysis(refs[0])
        with pytest.raises(
            MeteorologyError, match=rf"{name} at 2023-07-15T16:00.*{name}/.*lacking"
        ):
            read_analysis(refs[1])


def test_levels_under_the_ground_and_hours_without_rain_need_no_chunks(tmp_path, analyses):
    data = arco_store(analyses)
    data["total_precipitation"] = 0.0 * data["surface_pressure"]
    for name in LEVEL_FIELDS:
        data[name][:, 0] = np.nan
    write_store(data, tmp_path / "store", time=1, level=1)
    rain = tmp_path / "store" / "total_precipitation"
    for chunk in rain.glob("[0-9]*"):
        chunk.unlink()
    assert not list((tmp_path / "store" / "temperature").glob("*.0.0.0"))
    found = read_analysis(select(tmp_path / "store")[1])
    assert np.isnan(found.upper["TEMP"][0]).all()
    assert np.isfinite(found.upper["TEMP"][1:]).all()
