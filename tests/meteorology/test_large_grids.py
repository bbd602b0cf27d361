import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.weather_files.era5_files import write_era5
from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from stilt.config import MetConfig
from stilt.meteorology import prepare as preparing
from stilt.meteorology import reach as reaching
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.formats import read_analysis
from stilt.meteorology.prepare import PreparationOptions
from stilt.meteorology.prepared_store import PreparedStore
from stilt.meteorology.reach import reach_of
from stilt.meteorology.turbulence import TurbulenceOptions
from stilt.meteorology.used import cache_entries, in_use, note_use, trim_cache
from stilt.meteorology.weather_cache import clear_weather, kept_weather, totals
from stilt.meteorology.writer import write_arl

HOURS = np.arange(
    np.datetime64("2023-07-15T15:00"), np.datetime64("2023-07-15T17:00"), np.timedelta64(1, "h")
)
ERA5 = MetConfig(directory="anywhere", format="era5")
ARRAYS = ("column", "turbulence", "air", "surface")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = [
        on_pressures(on_grid(truth(hour), LATLON), np.array(PRESSURES_HPA, float)) for hour in HOURS
    ]
    for raw in made:
        del raw.upper["PRES"]
    folder = tmp_path_factory.mktemp("weather")
    write_era5(folder / "era5", made)
    write_arl(folder / "arl" / "15", made[0].grid, made)
    return folder


@pytest.fixture
def large(monkeypatch):
    """Every grid is large, and a block is a few of its rows."""
    monkeypatch.setattr(reaching, "LARGE_NODES", 0)
    monkeypatch.setattr(preparing, "BLOCK_VALUES", 8_000)


def refs_in(folder, form):
    names = {"file_format": "%d", "file_tres": "24h"} if form == "arl" else {}
    config = MetConfig(directory=folder / form, format=form, **names)
    return MetCatalogue(config).select(HOURS[0], HOURS[1])


@pytest.mark.parametrize("form", ["era5", "arl"])
@pytest.mark.parametrize(
    ("options", "is_pair"),
    [
        (PreparationOptions(), False),
        (PreparationOptions(vertical_motion=5, turbulence=TurbulenceOptions(horizontal=1)), False),
        (PreparationOptions(vertical_motion=2), True),
    ],
)
def test_blocks_of_rows_are_together_the_same_bytes(
    folder, tmp_path, form, options, is_pair, request
):
    refs = refs_in(folder, form)
    pair = (refs[0], refs[1]) if is_pair else None
    PreparedStore(tmp_path / "whole", read_analysis).get(refs[1], options, pair)
    request.getfixturevalue("large")
    PreparedStore(tmp_path / "blocks", read_analysis).get(refs[1], options, pair)
    for name in ARRAYS:
        (one,) = (tmp_path / "whole").glob(f"2*/{name}.npy")
        (other,) = (tmp_path / "blocks").glob(f"2*/{name}.npy")
        assert one.read_bytes() == other.read_bytes(), name


def test_an_area_holds_what_a_straight_wind_reaches():
    west, south, east, north = reach_of([-111.85], [40.77], -12, ERA5)
    radius = np.degrees((3.6 * 40.0 * 12 + 500.0) / 6371.2)
    bearing = np.radians(np.arange(0.0, 360.0, 1.0))
    lat = np.radians(40.77)
    reached = np.arcsin(
        np.sin(lat) * np.cos(np.radians(radius))
        + np.cos(lat) * np.sin(np.radians(radius)) * np.cos(bearing)
    )
    aside = np.arctan2(
        np.sin(bearing) * np.sin(np.radians(radius)) * np.cos(lat),
        np.cos(np.radians(radius)) - np.sin(lat) * np.sin(reached),
    )
    lon = -111.85 + np.degrees(aside)
    assert west <= lon.min()
    assert lon.max() <= east
    assert south <= np.degrees(reached).min()
    assert np.degrees(reached).max() <= north
    assert all(bound % 10.0 == 0.0 for bound in (west, south, east, north))


def test_neighbours_share_an_area_and_poles_and_long_runs_have_none():
    assert reach_of([-111.85], [40.77], -12, ERA5) == reach_of([-111.7], [40.5], -12, ERA5)
    assert reach_of([25.0], [78.0], -24, ERA5) is None
    assert reach_of([0.0], [40.0], -120, ERA5) is None
    whole = MetConfig(directory="anywhere", format="era5", fastest_wind=None)
    assert reach_of([-111.85], [40.77], -12, whole) is None
    arl = MetConfig(directory="anywhere", file_format="%Y", file_tres="1h")
    assert reach_of([-111.85], [40.77], -12, arl) is None


def test_only_large_grids_are_cropped_to_it(folder, large, monkeypatch):
    area = (-114.0, 39.25, -113.0, 40.25)
    catalogue = MetCatalogue(MetConfig(directory=folder / "era5", format="era5"))
    whole, cropped = (catalogue.select(HOURS[0], HOURS[1], reach)[0] for reach in ((), (area,)))
    assert (cropped.grid.nx, cropped.grid.ny) == (9, 9)
    x, y = whole.grid.to_xy(*cropped.grid.to_lonlat(0.0, 0.0))
    nodes = np.s_[round(float(y)) : round(float(y)) + 9, round(float(x)) : round(float(x)) + 9]
    np.testing.assert_array_equal(
        read_analysis(cropped).surface["PRSS"], read_analysis(whole).surface["PRSS"][nodes]
    )
    monkeypatch.setattr(reaching, "LARGE_NODES", 1_000_000)
    assert catalogue.select(HOURS[0], HOURS[1], (area,))[0].grid == whole.grid


def test_parts_of_stores_are_told_from_prepared_weather(tmp_path):
    entry(tmp_path, "20230715T0000_a", 50, 90_000)
    entry(tmp_path / "met-crops", "20230715T0000_b", 30, 99_000)
    kept = kept_weather(tmp_path)
    found = {kind: told["bytes"] for kind, told in totals(kept).items() if told["number"]}
    assert found == {"prepared weather": 50_000, "parts of stores": 30_000}
    assert len(clear_weather(kept).removed) == 2
    assert kept_weather(tmp_path) == []


def entry(cache, name, kilobytes, age_s):
    folder = cache / name
    folder.mkdir(parents=True)
    (folder / "column.npy").write_bytes(bytes(1000 * kilobytes))
    note_use(folder)
    used = time.time() - age_s
    os.utime(folder / ".used", (used, used))
    os.utime(folder, (used, used))
    return folder


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    old = entry(tmp_path, "20230715T0000_a", 50, 90_000)
    older = entry(tmp_path / "met-crops", "20230715T0000_b", 50, 99_000)
    young = entry(tmp_path, "20230715T0100_c", 50, 3_600)
    (tmp_path / "met-index").mkdir()
    assert [each.folder for each in cache_entries(tmp_path)] == [older, old, young]
    assert trim_cache(tmp_path, 120_000) == 50_000
    assert not older.exists()
    assert old.exists()
    note_use(old)
    assert trim_cache(tmp_path, 60_000) == 50_000
    assert old.exists()
    assert not young.exists()
    assert (tmp_path / "met-index").exists()


def test_what_is_read_or_was_read_just_now_stays(tmp_path):
    read = entry(tmp_path, "20230715T0000_a", 50, 90_000)
    recent = entry(tmp_path, "20230715T0100_b", 50, 5)
    free = entry(tmp_path, "20230715T0200_c", 50, 80_000)
    begun, done = threading.Event(), threading.Event()

    def reader() -> None:
        with in_use(read):
            begun.set()
            done.wait(60)

    thread = threading.Thread(target=reader)
    thread.start()
    begun.wait(60)
    assert trim_cache(tmp_path, 1.0) == 50_000
    assert (read.exists(), recent.exists(), free.exists()) == (True, True, False)
    done.set()
    thread.join()
    assert trim_cache(tmp_path, 1.0) == 50_000
    assert not read.exists()


def test_a_prepared_analysis_stays_readable_after_it_was_removed(folder, tmp_path):
    ref = refs_in(folder, "era5")[0]
    store = PreparedStore(tmp_path, read_analysis)
    held = store.get(ref, PreparationOptions())
    values = np.array(held.column)
    (made,) = (Path(each.folder) for each in cache_entries(tmp_path))
    os.utime(made / ".used", (1.0, 1.0))
    os.utime(made, (1.0, 1.0))
    assert trim_cache(tmp_path, 0.0) > 0
    np.testing.assert_array_equal(held.column, values)
    np.testing.assert_array_equal(store.get(ref, PreparationOptions()).column, values)
