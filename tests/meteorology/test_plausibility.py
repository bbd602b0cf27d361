"""Weather that no atmosphere has is found; ordinary and extreme weather is let through."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stilt.demo import write_demo
from stilt.meteorology.arl import read_analysis, read_index
from stilt.meteorology.grids import latlon_grid
from stilt.meteorology.plausibility import implausible, sine_of_sun_elevation
from stilt.meteorology.prepare import PreparationOptions
from stilt.meteorology.prepared_store import PreparedStore
from stilt.meteorology.records import RawAnalysis
from stilt.meteorology.weather_notes import WeatherNotes
from stilt.meteorology.writer import write_arl

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
HPA = (1000.0, 925.0, 850.0, 700.0, 500.0, 300.0, 100.0, 20.0)
NOON, NIGHT = "2023-07-15T19:00", "2023-07-15T08:00"


def ordinary(time: str = NOON, flag: int = 2, levels: tuple[float, ...] = HPA) -> RawAnalysis:
    """A summer day in Utah, on pressure levels or others, with the ground at 1,300 m."""
    grid = latlon_grid(-114.0, 38.0, 0.25, 0.25, 21, 17, levels=levels, vertical_flag=flag)
    shape = (grid.ny, grid.nx)
    slope = np.linspace(0.9, 1.1, grid.nx) * np.ones(shape)
    lon, lat = grid.to_lonlat(*np.meshgrid(np.arange(grid.nx), np.arange(grid.ny)))
    sun = 900.0 * np.maximum(sine_of_sun_elevation(np.datetime64(time, "m"), lon, lat), 0.0)
    surface = {
        "PRSS": 870.0 * slope, "SHGT": 1300.0 * slope, "T02M": 305.0 * slope, "U10M": 3.0 * slope,
        "V10M": -2.0 * slope, "USTR": 0.4 * slope, "SHTF": 0.3 * sun - 20.0, "LHTF": 0.2 * sun,
        "DSWF": sun, "PBLH": 1800.0 * slope, "RGHS": 0.2 * slope, "TPP1": 0.002 * slope,
    }  # fmt: skip
    pressure = np.array(HPA)
    height = 44331.0 * (1.0 - (np.minimum(pressure, 1012.0) / 1013.25) ** 0.1903)
    fields = {
        "UWND": 5.0 + 0.002 * height, "VWND": 1.0 + 0.0 * height,
        "TEMP": 305.0 - 0.0065 * np.minimum(height, 12_000.0), "WWND": 0.001 + 0.0 * height,
        "RELH": 60.0 - 0.002 * height, "HGTS": height,
    }  # fmt: skip
    upper = {name: values[:, None, None] * slope for name, values in fields.items()}
    upper["HGTS"] = height[:, None, None] * np.ones(shape)
    return RawAnalysis(
        np.datetime64(time, "m"),
        grid,
        0,
        {name: field.astype(np.float32) for name, field in surface.items()},
        {name: field.astype(np.float32) for name, field in upper.items()},
    )


def changed(raw: RawAnalysis, name: str, change) -> RawAnalysis:
    surface, upper = dict(raw.surface), dict(raw.upper)
    place = surface if name in surface else upper
    place[name] = np.asarray(change(place[name]), np.float32)
    return replace(raw, surface=surface, upper=upper)


@pytest.mark.parametrize("time", [NOON, NIGHT, "2023-01-15T19:00", "2023-07-15T13:30"])
def test_ordinary_weather_is_let_through(time: str) -> None:
    assert implausible(ordinary(time)) == []


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("TEMP", lambda t: t - 273.15, ["falls to", "degrees Celsius"]),
        ("T02M", lambda t: t - 273.15, ["degrees Celsius"]),
        ("RELH", lambda h: h * 4.0, ["RELH reaches 2", "above 150"]),
        ("RELH", lambda h: h / 100.0, ["a fraction"]),
        ("UWND", lambda u: u * 4.0, ["wind", "m s-1"]),
        ("HGTS", lambda z: z * 9.80665, ["HGTS"]),
        ("HGTS", lambda z: z / 10.0, ["HGTS at", "is usual"]),
        ("HGTS", lambda z: z[::-1], ["HGTS falls"]),
        ("PRSS", lambda p: p * 100.0, ["Pa instead of hPa"]),
        ("SHGT", lambda z: z * 9.80665, ["geopotential"]),
        ("SHTF", lambda h: -h, ["SHTF is -", "in sunshine of", "positive downward"]),
        ("SHTF", lambda h: h * 3600.0, ["J m-2"]),
        ("DSWF", lambda h: h * 3600.0, ["J m-2"]),
        ("TPP1", lambda r: r * 2000.0, ["mm instead of m"]),
        ("RGHS", lambda r: r * 300.0, ["cm instead of m"]),
        ("WWND", lambda w: w * 20_000.0, ["Pa/s"]),
    ],
)  # fmt: skip
def test_wrong_units_and_signs_are_found(name, change, words) -> None:
    (finding,) = implausible(changed(ordinary(), name, change))
    assert finding.field == name
    for word in words:
        assert word in finding.text


def test_sign_of_the_heat_flux_shows_in_low_sun_and_without_radiation() -> None:
    """At 267 W m-2 of sun HRRR has 0 to 75 W m-2 of heat flux."""
    evening = changed(ordinary(), "DSWF", lambda sun: 0.0 * sun + 267.0)
    rng = np.random.default_rng(1)
    evening = changed(evening, "SHTF", lambda heat: rng.exponential(22.0, heat.shape))
    assert implausible(evening) == []
    (finding,) = implausible(changed(evening, "SHTF", np.negative))
    assert finding.field == "SHTF"
    no_sun = replace(
        ordinary(), surface={k: v for k, v in ordinary().surface.items() if k != "DSWF"}
    )
    assert implausible(no_sun) == []
    (finding,) = implausible(changed(no_sun, "SHTF", np.negative))
    assert finding.field == "SHTF"
    # ETA files have it positive downward, and HYSPLIT knows.
    eta = replace(evening, grid=replace(evening.grid, source=" ETA"))
    assert implausible(changed(eta, "SHTF", np.negative)) == []


LONG_AFTER_SUNSET, SOON_AFTER_SUNSET = "2023-07-15T10:00", "2023-07-15T04:30"


def cold_night(time: str, flag: int = 1) -> RawAnalysis:
    """A clear night: the ground takes up 35 W m-2 from air that is 3 K warmer above it."""
    levels = (0.998, 0.98, 0.95, 0.9, 0.8, 0.6, 0.3, 0.1) if flag == 1 else HPA
    raw = ordinary(time, flag, levels)
    raw = changed(raw, "SHTF", lambda heat: 0.0 * heat - 35.0)
    return changed(raw, "T02M", lambda t: raw.upper["TEMP"][0] - 3.0 + 0.0 * t)


def heat_told(raw: RawAnalysis) -> list[str]:
    return [finding.text for finding in implausible(raw) if finding.field == "SHTF"]


def test_sign_of_the_heat_flux_shows_at_night_where_the_air_is_warmer_than_the_ground() -> None:
    night = cold_night(LONG_AFTER_SUNSET)
    assert heat_told(night) == []
    (text,) = heat_told(changed(night, "SHTF", np.negative))
    assert "SHTF is 35 W m-2 at night" in text
    assert "3.2 K warmer than at 2 m (positive downward instead of upward?)" in text
    # A mean may be of hours with sun.
    evening = cold_night(SOON_AFTER_SUNSET)
    assert heat_told(changed(evening, "SHTF", np.negative)) == []
    # A warm sea warms the air above it, and pressure levels are anywhere.
    warm = changed(night, "T02M", lambda t: t + 5.0)
    assert heat_told(changed(warm, "SHTF", np.negative)) == []
    on_pressures = cold_night(LONG_AFTER_SUNSET, 2)
    assert heat_told(changed(on_pressures, "SHTF", np.negative)) == []


def test_of_a_night_the_analysis_after_the_longest_darkness_is_looked_at(tmp_path) -> None:
    nights = [cold_night(time) for time in (SOON_AFTER_SUNSET, LONG_AFTER_SUNSET)]
    path = write(tmp_path / "met", *(changed(raw, "SHTF", np.negative) for raw in nights))
    notes = WeatherNotes(tmp_path / "cache")
    notes.look_at_files(read_index(path))
    assert "at 2023-07-15 10:00 SHTF is 35 W m-2 at night" in notes.of([str(path)])[str(path)]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("SHTF", lambda heat: 0.0 * heat - 35.0),  # a cold sea under warm air, in the sun
        ("SHTF", lambda heat: 0.0 * heat + 600.0),  # a warm sea under polar air
        ("UWND", lambda u: u * 2.4),  # a jet of 100 m/s
        ("TEMP", lambda t: t - 60.0),  # the polar night
        ("RELH", lambda h: h * 2.2),
    ],
)
def test_extreme_weather_is_let_through(name, change) -> None:
    assert implausible(changed(ordinary(), name, change)) == []


def test_sunshine_at_night_tells_of_local_time() -> None:
    local = replace(ordinary(NOON), time=np.datetime64(NOON, "m") - np.timedelta64(7, "h"))
    assert implausible(local) == []
    local = replace(ordinary(NOON), time=np.datetime64(NIGHT, "m") + np.timedelta64(3, "h"))
    (finding,) = implausible(local)
    assert (finding.field, "local time" in finding.text) == ("DSWF", True)


@pytest.mark.parametrize(
    ("flag", "levels", "field"),
    [
        (2, HPA[::-1], "levels"),
        (2, (1000.0, 925.0, 850.0, 700.0, 600.0, 650.0, 100.0, 20.0), "levels"),
        (1, tuple(np.linspace(0.1, 0.99, 8)), "levels"),
        (1, tuple(np.linspace(0.99, 0.1, 8)), None),
        (3, tuple(np.linspace(9000.0, 10.0, 8)), "levels"),
        (4, (0.99, 5.9, 20.7, 60.45, 120.25, 160.1, 110.0, 130.0), "levels"),
        (4, (0.99, 5.9, 20.7, 60.45, 120.25, 160.1, 110.0, 9.0), None),
    ],
)
def test_levels_must_go_up(flag, levels, field) -> None:
    raw = ordinary(flag=flag, levels=levels)
    if flag != 2:
        raw = replace(raw, upper={k: v for k, v in raw.upper.items() if k != "HGTS"})
    found = [finding.field for finding in implausible(raw)]
    assert (field in found) if field else found == []


def test_pressure_fields_must_fall() -> None:
    raw = ordinary(flag=1, levels=tuple(np.linspace(0.99, 0.1, 8)))
    falling = np.linspace(0.99, 0.1, 8)[:, None, None] * raw.surface["PRSS"]
    upper = {k: v for k, v in raw.upper.items() if k != "HGTS"}
    good = replace(raw, upper={**upper, "PRES": falling.astype(np.float32)})
    assert implausible(good) == []
    (finding,) = implausible(changed(good, "PRES", lambda p: p[::-1]))
    assert "PRES rises with height" in finding.text
    missing = changed(good, "PRES", lambda p: np.where(np.arange(8)[:, None, None] == 0, np.nan, p))
    assert implausible(missing) == []


def write(path: Path, *analyses: RawAnalysis) -> Path:
    return write_arl(path, analyses[0].grid, analyses)


def wrong(time: str = NOON) -> RawAnalysis:
    return changed(changed(ordinary(time), "SHTF", np.negative), "RELH", lambda h: h * 4.0)


def test_it_is_said_once_a_file_when_weather_is_prepared(tmp_path, caplog) -> None:
    later = "2023-07-15T20:00"
    refs = read_index(write(tmp_path / "met", wrong(), wrong(later)))
    cache = tmp_path / "cache"
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            for ref in refs:
                PreparedStore(cache, read_analysis).get(ref, PreparationOptions())
    (record,) = caplog.records
    text = record.getMessage()
    assert "\n" not in text
    for word in (str(tmp_path / "met"), "2023-07-15 19:00", "SHTF is -", "RELH reaches 2"):
        assert word in text
    assert list(WeatherNotes(cache).of([refs[0].path])) == [refs[0].path]


def test_plausible_weather_says_nothing_and_stays_as_it_is(tmp_path, caplog) -> None:
    good, bad = (
        read_index(write(tmp_path / n, r))[0] for n, r in (("a", ordinary()), ("b", wrong()))
    )
    store = PreparedStore(tmp_path / "cache", read_analysis)
    with caplog.at_level(logging.WARNING):
        kept = store.get(good, PreparationOptions())
        assert not caplog.records
        as_is = store.get(bad, PreparationOptions())
    assert (as_is.surface[..., 3] < 0.0).all()
    assert (kept.surface[..., 3] > 0.0).all()
    assert WeatherNotes(tmp_path / "cache").of([good.path]) == {}


def test_a_replaced_file_is_looked_at_anew(tmp_path, caplog) -> None:
    path = write(tmp_path / "met", wrong())
    notes = WeatherNotes(tmp_path / "cache")
    notes.look_at_files(read_index(path))
    assert "SHTF" in notes.of([str(path)])[str(path)]
    write(path, ordinary())
    os.utime(path, (1, 1))
    notes.look_at_files(read_index(path))
    assert notes.of([str(path)]) == {}


def test_of_each_file_the_sunniest_analysis_is_looked_at(tmp_path, monkeypatch) -> None:
    path = write(tmp_path / "met", ordinary("2023-07-15T08:00"), wrong("2023-07-15T20:00"))
    read = []

    def spy(ref):
        read.append(str(ref.time))
        return read_analysis(ref)

    monkeypatch.setattr("stilt.meteorology.weather_notes.read_analysis", spy)
    notes = WeatherNotes(tmp_path / "cache")
    for _ in range(2):
        notes.look_at_files(read_index(path))
    assert read == ["2023-07-15T20:00"]
    assert "at 2023-07-15 20:00 SHTF" in notes.of([str(path)])[str(path)]


def test_the_demos_weather_is_plausible(tmp_path) -> None:
    write_demo(tmp_path)
    refs = [ref for path in sorted((tmp_path / "met").iterdir()) for ref in read_index(path)]
    assert refs
    assert [implausible(read_analysis(ref)) for ref in refs] == [[]] * len(refs)


@pytest.mark.parity
@pytest.mark.skipif(not REFERENCE.is_dir(), reason="needs the reference weather beside the project")
@pytest.mark.parametrize("name", ["basin", "plains", "south", "hrrr", "gdas042"])
def test_real_and_reference_weather_is_plausible(name: str) -> None:
    if not (folder := REFERENCE / name / "met").is_dir():
        pytest.skip(f"the reference weather {name} is absent")
    flipped = set()
    for path in sorted(folder.iterdir()):
        for ref in read_index(path):
            raw = read_analysis(ref)
            assert implausible(raw) == [], (path.name, ref.time)
            flipped |= {finding.field for finding in implausible(changed(raw, "SHTF", np.negative))}
    assert flipped == {"SHTF"}


@pytest.mark.parametrize(
    ("time", "lon", "lat", "elevation_deg"),
    [
        ("2023-06-21T12:02", 0.0, 23.44, 90.0),
        ("2023-12-21T12:00", 0.0, -66.0, 47.4),
        ("2023-03-20T18:07", 0.0, 0.0, 0.0),
        ("2023-07-15T19:34", -111.9, 40.8, 70.7),
    ],
)
def test_elevation_of_the_sun(time, lon, lat, elevation_deg) -> None:
    sine = sine_of_sun_elevation(np.datetime64(time, "m"), np.array(lon), np.array(lat))
    assert np.degrees(np.arcsin(sine)) == pytest.approx(elevation_deg, abs=1.0)
