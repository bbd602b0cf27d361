"""Detect common mistakes in receptors: each is reported in one sentence, and nothing is changed.

The receptors may be right all the same. So every rule tests for what is very unlikely otherwise,
and the sentence says what looks suspicious.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stilt.config import Bounds, ModelConfig
from stilt.errors import MeteorologyError
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.heights import ground_of
from stilt.meteorology.plausibility import sine_of_sun_elevation
from stilt.meteorology.records import AnalysisRef
from stilt.receptors import Receptor, all_points

MOST = 0.75
"""Share of the receptors that must look wrong in the same way."""

_FEWEST_HOURS = 3
_WORKING_HOURS = (8.0, 18.0)
_SINE_OF_NIGHT, _SINE_OF_DAY = -0.05, 0.05

_LOWEST_GROUND_M, _TALLEST_TOWER_M, _COARSE_TERRAIN_M = 200.0, 500.0, 100.0
_THIN_COLUMN_M = 50.0
_SEA_LEVEL_M = 0.5

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Places:
    """Points of receptors in arrays.

    Attributes:
        receptors: the receptors.
        lon, lat: degrees of each receptor's first point, (n_receptors,).
        lowest_m, highest_m: the lowest and highest of its points, (n_receptors,).
        n_points: of each, (n_receptors,).
        is_msl: whether its heights are above sea level, (n_receptors,).
    """

    receptors: Sequence[Receptor]
    lon: Floats
    lat: Floats
    lowest_m: Floats
    highest_m: Floats
    n_points: NDArray[np.intp]
    is_msl: Flags

    @classmethod
    def of(cls, receptors: Sequence[Receptor], config: ModelConfig) -> Places:
        """Return the places of receptors, of which there is at least one."""
        lon, lat, height, first = all_points(receptors)
        msl = config.heights_msl
        return cls(
            receptors,
            lon[first],
            lat[first],
            np.minimum.reduceat(height, first),
            np.maximum.reduceat(height, first),
            np.diff(np.append(first, len(lon))),
            np.array([one.altitude_ref == "msl" if msl is None else msl for one in receptors]),
        )


def suspicions(
    receptors: Sequence[Receptor], config: ModelConfig, refs: Iterable[AnalysisRef] = ()
) -> list[str]:
    """Return one sentence for each mistake that the receptors suggest.

    Args:
        receptors: all of a project.
        config: for footprint grids and the reference of heights.
        refs: one analysis for each grid of the weather; without them what needs the weather's area
            or its ground is not guessed at.
    """
    if not receptors:
        return []
    places = Places.of(receptors, config)
    said = [*forward(config), *local_times(places), *kilometres(places)]
    grids = [footprint.grid for footprint in config.footprints.values()]
    found = list(refs)
    said += wrong_coordinates(places, [ref.grid for ref in found], grids)
    # Reading the ground of a remote store takes seconds.
    for ref in found if may_be_above_sea_level(places).any() or towers(places) else ():
        try:
            ground = ground_of(ref)
        except MeteorologyError:  # those who need it fail with what is wrong
            continue
        said += over_sea_level(places, ref.grid, ground)
        said += in_the_sea(places, ref.grid, ground)
    return list(dict.fromkeys(said))


def forward(config: ModelConfig) -> Iterator[str]:
    """Say that air is followed forward although there are footprints: a lost minus?"""
    if config.n_hours > 0 and config.footprints:
        yield (
            f"n_hours is {config.n_hours:g}: air is followed forward in time, to where it goes. "
            f"Footprints of where it came from need a minus: n_hours: -{config.n_hours:g}."
        )


def local_times(places: Places) -> Iterator[str]:
    """Guess that local times were given as UTC: working hours as written, night by the sun."""
    times = np.array([one.time.to_datetime64() for one in places.receptors], "datetime64[m]")
    hour = (times - times.astype("datetime64[D]")) / np.timedelta64(1, "h")
    begin, end = _WORKING_HOURS
    if (
        len(np.unique(np.floor(hour))) < _FEWEST_HOURS
        or not ((hour >= begin) & (hour <= end)).all()
    ):
        return
    if np.mean(_sun(times, places) < _SINE_OF_NIGHT) < MOST:
        return
    shift = np.round(places.lon / 15.0 * 60.0).astype("timedelta64[m]")
    if np.mean(_sun(times - shift, places) > _SINE_OF_DAY) < MOST:
        return
    by_the_sun = (hour + places.lon / 15.0) % 24.0
    first, last = int(np.argmin(hour)), int(np.argmax(hour))
    yield (
        f"Receptors are at {_clock(hour[first])} to {_clock(hour[last])} UTC, which is night there "
        f"({_clock(by_the_sun[first])} to {_clock(by_the_sun[last])} by the sun): are these local "
        "times? Then write them with their offset from UTC, such as 2023-07-15 12:00-07:00."
    )


def _sun(times: NDArray[np.datetime64], places: Places) -> Floats:
    """Return the sine of the sun's elevation at each receptor, as if it were at other times."""
    out = np.empty(len(times))
    for time in np.unique(times):
        those = times == time
        out[those] = sine_of_sun_elevation(time, places.lon[those], places.lat[those])
    return out


def _clock(hour: float) -> str:
    minutes = round(60 * hour) % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def kilometres(places: Places) -> Iterator[str]:
    """Guess that heights were given in kilometres: towers below 1 m, columns of a few metres."""
    agl = ~places.is_msl
    point = agl & (places.n_points == 1)
    highest = places.highest_m[point].max(initial=0.0)
    if point.any() and 0.0 < highest < 1.0:
        yield (
            f"All receptors are below {highest:.2g} m above ground or at it: are their altitudes "
            "in kilometres? They are taken as metres."
        )
    kinds = np.array([one.kind for one in places.receptors])
    column = agl & (kinds == "column")
    thick = (places.highest_m - places.lowest_m)[column].max(initial=0.0)
    if column.any() and 0.0 < thick <= _THIN_COLUMN_M:
        yield (
            f"All columns are {thick:g} m thick or less: are their altitudes in kilometres? They "
            "are taken as metres."
        )


def wrong_coordinates(
    places: Places, weathers: Sequence[MetGrid], grids: Sequence[Bounds]
) -> Iterator[str]:
    """Guess that longitude and latitude are exchanged, or that a minus is missing.

    A receptor is out of place if it lies outside all weather, or outside all footprint grids.
    """
    fits = _fits(places.lon, places.lat, weathers, grids)
    out = ~fits
    if not out.any():
        return
    lon, lat = places.lon[out], places.lat[out]
    one = f"{lon[0]:g}, {lat[0]:g} (longitude, latitude)"
    where = "outside the weather or every footprint grid"
    how_many = f"{out.sum()} of {len(out)} receptor(s)"
    tried = (
        ("are longitude and latitude exchanged", lat, lon),
        ("is the minus of a western longitude missing", -lon, lat),
        ("is the minus of a southern latitude missing", lon, -lat),
    )
    for question, other_lon, other_lat in tried:
        if (np.abs(other_lat) > 90.0).any():
            continue
        if np.mean(_fits(other_lon, other_lat, weathers, grids)) >= MOST:
            yield f"{how_many} lie {where}, such as {one}: {question}?"
            return
    outside = ~_in_bounds(places.lon, places.lat, grids)
    if outside.any() and grids:
        lon, lat = places.lon[outside], places.lat[outside]
        yield (
            f"{outside.sum()} of {len(outside)} receptor(s) lie outside every footprint grid, such "
            f"as {lon[0]:g}, {lat[0]:g} (longitude, latitude): what influences them most will not "
            "be on the map; is that meant?"
        )


def _fits(lon: Floats, lat: Floats, weathers: Sequence[MetGrid], grids: Sequence[Bounds]) -> Flags:
    inside = _in_bounds(lon, lat, grids)
    if not weathers:
        return inside
    covered = np.zeros(len(lon), bool)
    for grid in weathers:
        covered |= grid.usable(*grid.to_xy(lon, lat))
    return inside & covered


def _in_bounds(lon: Floats, lat: Floats, grids: Sequence[Bounds]) -> Flags:
    """Return which places lie in one of the grids; all where there are none."""
    inside = np.full(len(lon), not grids)
    for grid in grids:
        east = np.mod(lon - grid.xmin, 360.0) <= grid.width_deg
        inside |= east & (lat >= grid.ymin) & (lat <= grid.ymax)
    return inside


def may_be_above_sea_level(places: Places) -> Flags:
    """Return which receptors could be meant above sea level where the ground is high."""
    high = places.highest_m > _LOWEST_GROUND_M - _COARSE_TERRAIN_M
    return np.asarray(~places.is_msl & (places.n_points == 1) & high)


def towers(places: Places) -> dict[tuple[float, float], int]:
    """Return the places of several times less than 500 m above ground, and how many times."""
    point = ~places.is_msl & (places.n_points == 1) & (places.highest_m <= _TALLEST_TOWER_M)
    visits = Counter(zip(places.lon[point].tolist(), places.lat[point].tolist(), strict=True))
    return {place: times for place, times in visits.items() if times >= _FEWEST_HOURS}


def over_sea_level(places: Places, grid: MetGrid, ground: NDArray[np.float32]) -> Iterator[str]:
    """Guess that heights above sea level were given as above ground.

    So they look where nearly all are a tower's height above the weather's ground, taken from sea
    level, and that ground is high.
    """
    x, y = grid.to_xy(places.lon, places.lat)
    point = ~places.is_msl & (places.n_points == 1) & grid.usable(x, y)
    if not point.any():
        return
    height = places.highest_m[point]
    terrain = grid.interpolate(ground, x[point], y[point])
    above = height - terrain
    like_msl = may_be_above_sea_level(places)[point]
    like_msl &= (above > -_COARSE_TERRAIN_M) & (above < _TALLEST_TOWER_M)
    like_msl &= terrain > _LOWEST_GROUND_M
    if np.mean(like_msl) < MOST:
        return
    number = int(np.argmax(like_msl))
    yield (
        f"Receptors are as high above ground as their ground is above sea level, such as "
        f"{height[number]:g} m where the weather's ground is {terrain[number]:.0f} m high: are "
        "their altitudes above sea level? Then say so with altitude_ref msl, or subtract the "
        "ground."
    )


def in_the_sea(places: Places, grid: MetGrid, ground: NDArray[np.float32]) -> Iterator[str]:
    """Guess that a tower's place is wrong, where the weather's ground is at sea level all around.

    A tower is a place of several times, less than 500 m above ground.
    """
    found = towers(places)
    if not found:
        return
    lon, lat = np.array(list(found)).T
    x, y = grid.to_xy(lon, lat)
    usable = grid.usable(x, y)
    for number in np.flatnonzero(usable):
        times = found[float(lon[number]), float(lat[number])]
        column, row = int(x[number]), int(y[number])
        columns = [column % grid.nx, (column + 1) % grid.nx]
        around = ground[np.ix_([row, min(row + 1, grid.ny - 1)], columns)]
        if (np.abs(around) < _SEA_LEVEL_M).all():
            yield (
                f"The place {lon[number]:g}, {lat[number]:g} (longitude, latitude), where there "
                f"are {times} receptors, is at sea level all around in the "
                "weather, as the sea is: is it the tower's?"
            )
