"""Footprints are what the written algorithm gives when it is followed row by row."""

import numpy as np
import pandas as pd
import pytest

from stilt import Footprint, FootprintConfig, PointReceptor
from tests.support.literal_footprint import Case, literal_footprint

RECEPTOR = PointReceptor("2023-07-15 18:00:00", -112.0, 40.6, 5.0)
AROUND = {"xmin": -112.6, "xmax": -111.4, "ymin": 40.2, "ymax": 41.0}
ACROSS = {"xmin": 179.4, "xmax": 180.6, "ymin": 40.2, "ymax": 41.0}
UTM = "+proj=utm +zone=12 +datum=WGS84"
LAMBERT = "+proj=lcc +lat_1=38.5 +lat_2=38.5 +lat_0=38.5 +lon_0=-97.5 +R=6371229"


def walk(particles: int = 8, minutes: int = 120, *, every: float = 1.0, sign: int = -1,
         lon: float = -112.0, lat: float = 40.6, step: float = 0.004) -> pd.DataFrame:  # fmt: skip
    """Random walk, rows outwards in time; longitudes in [-180, 180)."""
    rng = np.random.default_rng(11)
    time = np.arange(every, minutes + every / 2, every)
    count = time.size * particles
    moves = rng.normal(0, step, (2, time.size, particles)).cumsum(axis=1)
    return pd.DataFrame(
        {
            "time": sign * np.repeat(time, particles),
            "indx": np.tile(np.arange(1, particles + 1), time.size),
            "long": (lon + moves[0].ravel() + 180.0) % 360.0 - 180.0,
            "lati": lat + moves[1].ravel(),
            "foot": np.where(rng.random(count) < 0.6, rng.gamma(2.0, 1e-3, count), 0.0),
        }
    )


def some(table: pd.DataFrame, share: float) -> pd.DataFrame:
    """A share of the rows, by chance."""
    return table[np.random.default_rng(5).random(len(table)) < share]


def with_holes(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """One row in twenty without a number in some columns."""
    table = table.copy()
    table.loc[np.random.default_rng(6).random(len(table)) < 0.05, list(columns)] = np.nan
    return table


def case(bounds: dict | None = None, size: float | tuple = 0.05, **settings) -> Case:
    xres, yres = size if isinstance(size, tuple) else (size, size)
    return Case(**(bounds or AROUND), xres=xres, yres=yres, **settings)


def bounds(*edges: float) -> dict:
    return dict(zip(("xmin", "xmax", "ymin", "ymax"), edges, strict=True))


def on_edges(table: pd.DataFrame, size: float) -> pd.DataFrame:
    """Places with four decimals, as HYSPLIT writes them, all on edges of cells."""
    places = {name: ((table[name] / size).round() * size).round(4) for name in ("long", "lati")}
    return table.assign(**places)


FINE, SMOOTH = {"size": 0.01}, {"smooth_factor": 4.0}
FAST = walk(step=0.02)
SLOW = walk(minutes=150)
LATE = SLOW[(SLOW["indx"] > 3) | (SLOW["time"] < -30)]
GONE = SLOW[(SLOW["indx"] > 5) | (SLOW["time"] > -40)]

CASES = {
    "plain": (SLOW, case()),
    "cells not square": (SLOW, case(size=(0.07, 0.03), smooth_factor=3.0)),
    "smooth_factor 0": (SLOW, case(smooth_factor=0.0)),
    "smooth_factor 0.3": (SLOW, case(smooth_factor=0.3)),
    "smooth_factor 20": (SLOW, case(smooth_factor=20.0)),
    "one layer for all": (SLOW, case(time_integrate=True, **SMOOTH)),
    "forward": (walk(sign=1), case(**SMOOTH)),
    "forward, fast": (walk(sign=1, step=0.02), case(size=(0.01, 0.012))),
    "fast": (FAST, case(**FINE)),
    "fast, smooth": (FAST, case(**FINE, smooth_factor=3.0)),
    "fast, every 2 minutes": (walk(step=0.02, every=2), case(**FINE)),
    "fast, every 7 minutes": (walk(step=0.02, every=7), case(**FINE)),
    "fast, every half minute": (walk(40, 60, step=0.02, every=0.5), case(**FINE)),
    "fast, every 6 seconds": (walk(step=0.02, minutes=12, every=0.1), case(**FINE, **SMOOTH)),
    "fast, some rows": (some(FAST, 0.6), case(**FINE)),
    "fast, late starters": (FAST[(FAST["indx"] > 3) | (FAST["time"] < -30)], case(**FINE)),
    "fast, without some places": (with_holes(FAST, "long", "lati"), case(**FINE)),
    "fast, without some influence": (with_holes(FAST, "foot"), case(**FINE)),
    "fast, times of their own": (FAST.assign(time=FAST["time"] - 0.013 * FAST["indx"]),
                                 case(**FINE, smooth_factor=2.0)),
    "times of their own": (SLOW.assign(time=SLOW["time"] - 0.013 * SLOW["indx"]), case(**SMOOTH)),
    "times off the minute": (SLOW.assign(time=1.37 * SLOW["time"]), case(**SMOOTH)),
    "a row at the release": (pd.concat([SLOW[:8].assign(time=0.0), SLOW]), case(**SMOOTH)),
    "on edges": (on_edges(walk(step=0.01), 0.01), case(**FINE)),
    "on edges, smooth": (on_edges(walk(step=0.01), 0.01), case(**FINE, **SMOOTH)),
    "on edges, across the dateline": (
        on_edges(walk(lon=180.0, step=0.01), 0.01), case(ACROSS, **FINE, **SMOOTH)),
    "rows that rounding loses": (SLOW, case(bounds(-112.2, -111.6, 40.6, 41.0), (0.02, 0.025))),
    "some rows": (some(SLOW, 0.6), case(**SMOOTH)),
    "late starters": (LATE, case(**SMOOTH)),
    "some leave": (GONE, case(**SMOOTH)),
    "all leave but one": (SLOW[(SLOW["indx"] == 5) | (SLOW["time"] > -40)], case(**SMOOTH)),
    "without some places": (with_holes(SLOW, "long", "lati"), case(**SMOOTH)),
    "negative influence": (SLOW.assign(foot=SLOW["foot"] - 0.001), case(**SMOOTH)),
    "in no order": (SLOW.sample(frac=1.0, random_state=1), case(**SMOOTH)),
    "fast, in no order": (FAST.sample(frac=1.0, random_state=1), case(**FINE)),
    "one particle": (walk(1), case(**SMOOTH)),
    "two particles": (walk(2), case(smooth_factor=9.0)),
    "one row": (SLOW[SLOW["foot"] > 0][:1], case(**SMOOTH)),
    "one hour after a gap": (SLOW[SLOW["time"] < -130], case(**SMOOTH)),
    "no rows": (SLOW[:0], case()),
    "no influence": (SLOW.assign(foot=0.0), case()),
    "far away": (walk(lon=10.0), case()),
    "near the edge": (walk(lon=-112.6), case(**SMOOTH)),
    "beyond the last whole cell": (walk(lon=-111.4), case(size=(0.07, 0.09), smooth_factor=6.0)),
    "all at one place": (walk(step=0.0), case(**SMOOTH)),
    "single precision": (SLOW.astype({"long": "f4", "lati": "f4", "foot": "f4"}), case(**SMOOTH)),
    "far north": (walk(lat=75.0), case(bounds(-113, -111, 74.5, 75.5), **SMOOTH)),
    "metres": (SLOW, case(size=(4000.0, 3000.0), projection=UTM, **SMOOTH)),
    "kilometres": (SLOW, case(size=(4.0, 3.0), projection=f"{UTM} +units=km", **SMOOTH)),
    "kilometres, fast": (walk(step=0.3), case(bounds(-114, -110, 39, 42), (0.2, 5.0),
                                              projection=f"{UTM} +units=km", smooth_factor=0.0)),
    "Lambert": (FAST, case(size=4000.0, projection=LAMBERT, **SMOOTH)),
    "across the dateline": (walk(lon=180.0), case(ACROSS, **SMOOTH)),
    "across the dateline, from 179 to -179": (
        walk(lon=180.0), case({**ACROSS, "xmax": -179.4}, **SMOOTH)),
    "across the dateline, fast": (walk(lon=180.0, step=0.02), case(ACROSS, **FINE)),
    "across the dateline, metres": (
        walk(lon=180.0, step=0.02),
        case(ACROSS, 4000.0, projection="+proj=laea +lat_0=40.6 +lon_0=180", **SMOOTH)),
    "longitudes from 0 to 360": (SLOW, case({**AROUND, "xmin": 247.4, "xmax": 248.6})),
    "longitudes from 0 on": (walk(lon=0.0), case({**AROUND, "xmin": 0.0, "xmax": 359.5}, 0.5)),
    "globe from -180": (walk(lon=180.0, step=0.05),
                        case(bounds(-180, 180, -90, 90), 5.0, smooth_factor=9.0)),
    "globe from 0": (walk(lon=0.0, step=0.05),
                     case(bounds(0, 360, -90, 90), 5.0, smooth_factor=9.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_algorithm_as_written(name: str) -> None:
    table, settings = CASES[name]
    made = Footprint.calculate(table, RECEPTOR, FootprintConfig(**vars(settings)), warn=False)
    expected = literal_footprint(table, settings)
    _, rows, columns = made.data.dims
    np.testing.assert_allclose(made.data[columns], expected.x, rtol=0, atol=1e-9)
    np.testing.assert_allclose(made.data[rows], expected.y, rtol=0, atol=1e-9)
    stamps = pd.DatetimeIndex(made.data["time"].values)
    assert [int(hours) for hours in (stamps - RECEPTOR.time) // pd.Timedelta("1h")] == (
        expected.hours
    )
    assert made.empty_reason == expected.empty_reason
    tiny = 1e-13 * expected.values.max()
    np.testing.assert_allclose(made.data.values, expected.values, rtol=1e-7, atol=tiny)


@pytest.mark.parametrize("seed", range(4))
def test_the_algorithm_on_chance_cases(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = walk(
        int(rng.integers(2, 12)),
        int(rng.integers(20, 140)),
        every=float(rng.choice([1.0, 2.0, 3.0])),
        sign=int(rng.choice([-1, 1])),
        step=float(rng.choice([0.003, 0.02])),
    )
    table = some(table, float(rng.uniform(0.5, 1.0)))
    settings = case(
        bounds(*(np.array([-112.6, -111.4, 40.2, 41.0]) + rng.uniform(-0.1, 0.1, 4))),
        tuple(rng.uniform(0.01, 0.08, 2)),
        smooth_factor=float(rng.uniform(0, 6)),
        time_integrate=bool(rng.integers(2)),
    )
    made = Footprint.calculate(table, RECEPTOR, FootprintConfig(**vars(settings)), warn=False)
    expected = literal_footprint(table, settings)
    tiny = 1e-13 * expected.values.max()
    np.testing.assert_allclose(made.data.values, expected.values, rtol=1e-7, atol=tiny)
