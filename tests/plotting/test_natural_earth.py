"""Coastlines, borders, states and lakes come with the package, and lie where they should."""

import numpy as np
import pytest

from stilt.errors import UsageError
from stilt.plotting.natural_earth import LAYERS, outlines

WORLD = (-180.0, 180.0, -90.0, 90.0)


def nearest_km(layer: str, lon: float, lat: float, reach: float = 1.0) -> float:
    """Distance of the nearest point of a layer, with points put on its segments."""
    lines = outlines(layer, (lon - reach, lon + reach, lat - reach, lat + reach))
    best = np.inf
    for line in lines:
        every = np.linspace(0, len(line) - 1, 50 * len(line))
        x, y = (np.interp(every, np.arange(len(line)), line[:, axis]) for axis in (0, 1))
        gap = np.hypot((x - lon) * np.cos(np.deg2rad(lat)), y - lat)
        best = min(best, float(gap.min()) * 111.2)
    return best


@pytest.mark.parametrize(
    ("layer", "lon", "lat"),
    [
        ("coastlines", 1.37, 51.16),  # South Foreland
        ("coastlines", 18.475, -34.357),  # Cape of Good Hope
        ("coastlines", 178.55, -37.69),  # East Cape, New Zealand
        ("borders", -110.0, 49.0),  # Canada and the United States
        ("borders", 7.589, 47.59),  # Basel, where three countries meet
        ("states", -109.05, 37.0),  # Four Corners
        ("states", -111.05, 41.0),  # the notch of Utah
        ("lakes", -112.21, 40.71),  # Great Salt Lake, south shore
        ("lakes", 6.15, 46.21),  # Lake Geneva, at Geneva
    ],
)
def test_known_places_lie_on_the_lines(layer: str, lon: float, lat: float) -> None:
    assert nearest_km(layer, lon, lat) < 5.0


def test_there_is_no_coast_in_the_middle_of_a_continent_or_ocean() -> None:
    assert outlines("coastlines", (-103, -102, 39, 40)) == []
    assert outlines("coastlines", (-140, -138, 28, 30)) == []


def test_a_map_across_the_date_line_has_its_lines_in_its_own_longitudes() -> None:
    beyond = np.concatenate(outlines("coastlines", (179.0, 184.0, -20.0, -15.0)))
    assert beyond[:, 0].min() > 177
    assert beyond[:, 0].max() > 180
    west = np.concatenate(outlines("coastlines", (-181.0, -176.0, -20.0, -15.0)))
    np.testing.assert_allclose(np.sort(west[:, 0]) + 360, np.sort(beyond[:, 0]), atol=1e-9)


@pytest.mark.parametrize("layer", LAYERS)
def test_less_detail_has_fewer_points_close_to_the_others(layer: str) -> None:
    fine = outlines(layer, WORLD)
    coarse = outlines(layer, WORLD, detail=0.5)
    assert sum(map(len, coarse)) < 0.5 * sum(map(len, fine))
    every = {tuple(point) for line in fine for point in np.round(line, 3)}
    assert all(tuple(point) in every for line in coarse for point in np.round(line, 3))
    assert all(np.isfinite(line).all() and len(line) > 1 for line in coarse)


def test_only_what_lies_near_is_returned() -> None:
    found = outlines("states", (-111.2, -111.0, 40.9, 41.1))
    assert 0 < sum(map(len, found)) < 40


def test_unknown_layers_are_named() -> None:
    with pytest.raises(UsageError, match=r"no layer 'rivers'.*coastlines, borders, states, lakes"):
        outlines("rivers", WORLD)
