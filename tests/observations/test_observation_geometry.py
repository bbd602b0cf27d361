"""Geometry of observations: lines of sight, areas, slanted paths."""

import math

import numpy as np
import pyproj
import pytest

from stilt.observations import (
    HorizontalGeometry,
    LineOfSight,
    Observation,
    ViewingGeometry,
    build_slant_receptor,
)
from stilt.observations.geodesy import EARTH_RADIUS_M, LocalPlane, nearest, offset_degrees
from stilt.receptors import ColumnReceptor, MultiPointReceptor, PointReceptor

NOON = "2023-01-01 12:00:00"

SPHERE = pyproj.Geod(a=EARTH_RADIUS_M, b=EARTH_RADIUS_M)


def observation(zenith=45.0, azimuth=90.0, **fields):
    values = {
        "time": NOON,
        "latitude": 60.0,
        "longitude": 10.0,
        "viewing": ViewingGeometry(viewing_zenith_deg=zenith, viewing_azimuth_deg=azimuth),
        "line_of_sight": LineOfSight(altitude_levels=(0.0, 1000.0, 2000.0)),
        **fields,
    }
    return Observation(**values)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"altitude_levels": (5, 1)}, [5, 1]),
        ({"start_altitude": 0, "end_altitude": 100, "count": 3}, [0, 50, 100]),
        ({"start_altitude": 0, "end_altitude": 100, "frequency_m": 30}, [0, 100 / 3, 200 / 3, 100]),
        ({"start_altitude": 0, "end_altitude": 100, "frequency_m": 900}, [0, 100]),
    ],
)
def test_a_line_of_sight_gives_its_levels(fields, expected):
    np.testing.assert_allclose(LineOfSight(**fields).levels(), expected)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"altitude_levels": ()},
        {"altitude_levels": (1, math.nan)},
        {"altitude_levels": (1,), "count": 2},
        {"start_altitude": 0, "count": 2},
        {"start_altitude": 0, "end_altitude": 10},
        {"start_altitude": 0, "end_altitude": 10, "count": 2, "frequency_m": 5},
        {"start_altitude": 0, "end_altitude": 10, "count": 1},
        {"start_altitude": 0, "end_altitude": 10, "frequency_m": 0},
        {"start_altitude": 10, "end_altitude": 0, "count": 2},
        {"altitude_levels": (1,), "altitude_ref": "asl"},
    ],
)
def test_contradictory_lines_of_sight_are_refused(fields):
    with pytest.raises(ValueError, match=r"altitude|count|frequency"):
        LineOfSight(**fields)


@pytest.mark.parametrize(
    ("azimuth", "east", "north"), [(0, 0, 1), (90, 1, 0), (180, 0, -1), (270, -1, 0)]
)
def test_a_slanted_path_leans_towards_the_instrument(azimuth, east, north):
    receptor = build_slant_receptor(observation(azimuth=azimuth))
    assert isinstance(receptor, MultiPointReceptor)
    for lon, lat, height in zip(
        receptor.longitudes, receptor.latitudes, receptor.altitudes, strict=True
    ):
        # At 45 degrees the path moves as far sideways as it rises.
        metres = math.pi / 180 * EARTH_RADIUS_M
        assert (lon - 10) * metres * math.cos(math.radians(60)) == pytest.approx(
            east * height, abs=1e-6
        )
        assert (lat - 60) * metres == pytest.approx(north * height, abs=1e-6)


def test_looking_straight_down_gives_a_vertical_path():
    sight = LineOfSight(altitude_levels=(0.0, 3000.0))
    assert build_slant_receptor(observation(zenith=0, line_of_sight=sight)) == ColumnReceptor(
        NOON, 10, 60, 0, 3000
    )


def test_the_anchor_stays_in_place():
    for sight, altitude, anchor in (
        (LineOfSight(altitude_levels=(0, 500, 900), anchor_altitude=900), 500, 900),
        (LineOfSight(altitude_levels=(0, 500, 900)), 500, 500),
        (LineOfSight(altitude_levels=(0, 500, 900)), None, 0),
    ):
        receptor = build_slant_receptor(observation(line_of_sight=sight, altitude=altitude))
        at_anchor = [lon for lon, _, height in receptor.positions if height == anchor]
        assert at_anchor == pytest.approx([10.0])


def heights(receptor):
    return [height for _, _, height in receptor.positions]


def test_levels_below_ground_or_above_the_top_are_left_out():
    agl = LineOfSight(altitude_levels=(-10.0, 0.0, 10.0, 20.0), max_altitude=15)
    assert heights(build_slant_receptor(observation(line_of_sight=agl))) == [0, 10]
    assert heights(build_slant_receptor(observation(line_of_sight=agl), model_top=20)) == [
        0,
        10,
        20,
    ]
    msl = {"altitude_levels": (100.0, 200.0, 300.0, 400.0), "altitude_ref": "msl"}
    item = observation(line_of_sight=LineOfSight(**msl), altitude=150, altitude_ref="msl")
    assert heights(build_slant_receptor(item)) == [200, 300, 400]
    item = item.with_changes(line_of_sight=LineOfSight(**msl, surface_altitude=250))
    assert heights(build_slant_receptor(item)) == [300, 400]
    only = build_slant_receptor(item, surface_altitude=350)
    assert isinstance(only, PointReceptor)
    assert only.altitude_ref == "msl"
    with pytest.raises(ValueError, match="no level"):
        build_slant_receptor(item, surface_altitude=500)


@pytest.mark.parametrize(
    "fields",
    [
        {"viewing": None},
        {"viewing": ViewingGeometry(viewing_zenith_deg=10)},
        {"viewing": ViewingGeometry(viewing_azimuth_deg=10)},
        {"viewing": ViewingGeometry(viewing_zenith_deg=90, viewing_azimuth_deg=10)},
        {"line_of_sight": None},
    ],
)
def test_a_slanted_path_needs_angles_and_a_line_of_sight(fields):
    with pytest.raises(ValueError, match=r"viewing|line of sight"):
        build_slant_receptor(observation(**fields))


def test_angles_have_ranges():
    for name in ("solar_zenith_deg", "viewing_zenith_deg"):
        with pytest.raises(ValueError, match=name):
            ViewingGeometry(**{name: 181})


def test_a_path_may_cross_the_dateline():
    receptor = build_slant_receptor(observation(longitude=179.999, latitude=0))
    assert min(receptor.longitudes) < -179.9
    assert max(receptor.longitudes) == 179.999


@pytest.mark.parametrize("longitude", [10.0, 180.0, -179.999])
@pytest.mark.parametrize("latitude", [0.0, -45.0, 80.0])
def test_the_local_plane_keeps_distances_from_its_centre(longitude, latitude):
    plane = LocalPlane(longitude, latitude)
    east, north = np.array([3000.0, 0.0, -2000.0]), np.array([4000.0, 100.0, -500.0])
    lon, lat = plane.to_degrees(east, north)
    centre = np.full(3, longitude), np.full(3, latitude)
    _, _, distance_m = SPHERE.inv(*centre, lon, lat)
    np.testing.assert_allclose(distance_m, np.hypot(east, north), rtol=1e-6)
    np.testing.assert_allclose(plane.to_plane(lon, lat), (east, north), atol=1e-3)


def test_small_offsets_agree_with_great_circles():
    lon, lat = offset_degrees(-111.85, 40.77, 600.0, -800.0)
    _, _, distance_m = SPHERE.inv(-111.85, 40.77, lon, lat)
    assert distance_m == pytest.approx(1000.0, rel=1e-3)


def test_the_nearest_point_is_that_of_the_shortest_great_circle():
    rng = np.random.default_rng(5)
    lon, to_lon = rng.uniform(-180, 180, (2, 300))
    lat, to_lat = np.degrees(np.arcsin(rng.uniform(-1, 1, (2, 300))))
    _, _, distance_m = SPHERE.inv(*np.broadcast_arrays(lon, lat, to_lon[:, None], to_lat[:, None]))
    assert np.array_equal(nearest(lon, lat, to_lon, to_lat), distance_m.argmin(axis=1))


def test_of_equally_near_points_the_first_is_taken():
    lon, lat = [179.9, -179.9, 179.9, 10.0], [0.0, 0.0, 0.0, 0.0]
    assert nearest(lon, lat, [180.0, -179.8, 9.0], [0.0, 0.0, 80.0]).tolist() == [0, 1, 3]


def test_areas_have_the_size_they_claim():
    plane = LocalPlane(10, 60)

    def size_km(geometry):
        corners = np.array(geometry.polygon(10, 60).exterior.coords)
        east, north = plane.to_plane(*corners.T)
        return np.ptp(east) / 1000, np.ptp(north) / 1000

    assert size_km(HorizontalGeometry("swath_cell", resolution_km=(2, 6))) == pytest.approx((2, 6))
    assert size_km(HorizontalGeometry("ellipse", resolution_km=(2, 6))) == pytest.approx((2, 6))
    turned = HorizontalGeometry("swath_cell", resolution_km=(2, 6), rotation_deg=90)
    assert size_km(turned) == pytest.approx((6, 2))
    ellipse = HorizontalGeometry("ellipse", resolution_km=(2, 6)).polygon(10, 60)
    assert len(ellipse.exterior.coords) == 73


def test_rotation_is_clockwise_from_north():
    thin = HorizontalGeometry("swath_cell", resolution_km=(0.1, 10), rotation_deg=45)
    corners = np.array(thin.polygon(0, 0).exterior.coords)
    assert np.corrcoef(corners.T)[0, 1] > 0.9


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "circle"},
        {"kind": "polygon", "vertices": [(0, 0), (1, 1)]},
        {"kind": "line", "vertices": [(0, 0)]},
        {"kind": "ellipse", "resolution_km": (0, 1)},
    ],
)
def test_impossible_areas_are_refused(fields):
    with pytest.raises(ValueError, match=r"kind|vertices|resolution_km"):
        HorizontalGeometry(**fields)
