"""Receptors: validation, sequence behaviour, equality, conversion."""

import datetime as dt
import pickle

import numpy as np
import pandas as pd
import pytest

import stilt
from stilt.receptors import (
    ColumnReceptor,
    MultiPointReceptor,
    PointReceptor,
    Receptor,
    release_points,
    unique_receptors,
)

NOON = "2023-01-01 12:00:00"
KINDS = [
    PointReceptor(NOON, -111.85, 40.77, 5.0),
    ColumnReceptor(NOON, -111.85, 40.77, 0, 3000, altitude_ref="msl"),
    MultiPointReceptor(NOON, [1, 0, 2], [3, 3, 4], [5, 6, 7]),
]


@pytest.mark.parametrize(
    "time",
    [
        NOON,
        "202301011200",
        "2023-01-01T12:00Z",
        "2023-01-01 14:00+02:00",
        "2023-01-01 12:00:00.4",
        dt.datetime(2023, 1, 1, 12),
        dt.datetime(2023, 1, 1, 12, tzinfo=dt.UTC),
        pd.Timestamp(NOON),
        np.datetime64("2023-01-01T12"),
    ],
)
def test_every_form_of_a_time_is_the_same_naive_utc_timestamp(time):
    assert PointReceptor(time, 0, 0, 0).time == pd.Timestamp(NOON)
    assert PointReceptor(time, 0, 0, 0).time.tzinfo is None


@pytest.mark.parametrize("time", [2023, 1.5, np.int64(5), True])
def test_a_number_is_no_time(time):
    with pytest.raises(TypeError, match="time"):
        PointReceptor(time, 0, 0, 0)


@pytest.mark.parametrize(
    "time", [None, pd.NaT, "", "NaT", "noon", "now", "12:00", "202313011200", "0001-01-01"]
)
def test_what_is_not_a_time_is_refused(time):
    with pytest.raises(ValueError, match="time"):
        PointReceptor(time, 0, 0, 0)


def test_no_time_is_named():
    with pytest.raises(ValueError, match="'time' must be provided"):
        PointReceptor(None, 0, 0, 0)


@pytest.mark.parametrize(
    ("position", "message"),
    [
        ((180.5, 0, 0), r"longitude must be within \[-180, 180\]"),
        ((0, -91, 0), r"latitude must be within \[-90, 90\]"),
        ((0, 0, -1), r"AGL altitudes must be >= 0\."),
        ((0, 0, 2e5), "altitude is in metres"),
        ((float("nan"), 0, 0), "longitude must be a finite number"),
        ((0, "north", 0), "latitude must be a number"),
    ],
)
def test_positions_off_the_earth_are_refused(position, message):
    with pytest.raises(ValueError, match=message):
        PointReceptor(NOON, *position)


def test_limits_are_allowed_and_msl_may_be_negative():
    PointReceptor(NOON, -180, -90, 0)
    PointReceptor(NOON, 180, 90, 0)
    assert PointReceptor(NOON, 0, 0, -400, altitude_ref="MSL").altitude_ref == "msl"
    with pytest.raises(ValueError, match="altitude_ref"):
        PointReceptor(NOON, 0, 0, 0, altitude_ref="asl")


@pytest.mark.parametrize(("bottom", "top"), [(10, 10), (20, 10)])
def test_a_column_goes_up(bottom, top):
    with pytest.raises(ValueError, match="below its top"):
        ColumnReceptor(NOON, 0, 0, bottom, top)


def test_multi_point_needs_equal_lengths_and_a_shape_of_its_own():
    with pytest.raises(ValueError, match="equal lengths"):
        MultiPointReceptor(NOON, [1, 2], [1], [1, 2])
    for points in ([(1, 1, 5)], [(1, 1, 5), (1, 1, 9)], []):
        columns = zip(*points, strict=True) if points else ([], [], [])
        with pytest.raises(ValueError, match="from_points"):
            MultiPointReceptor(NOON, *columns)


def test_attributes_exist_only_where_they_mean_something():
    point, column, multi = KINDS
    assert not hasattr(point, "bottom")
    assert not hasattr(column, "altitude")
    assert not hasattr(multi, "altitude")
    assert (column.bottom, column.top) == (0, 3000)
    assert multi.longitudes == (1, 0, 2)


@pytest.mark.parametrize(("receptor", "length"), list(zip(KINDS, (1, 2, 3), strict=True)))
def test_sequence_and_geometry_agree(receptor, length):
    assert len(receptor) == len(receptor.positions) == len(receptor.points) == length
    assert [(p.x, p.y, p.z) for p in receptor.points] == list(receptor.positions)
    again = Receptor.from_points(
        receptor.time, receptor.positions, altitude_ref=receptor.altitude_ref
    )
    assert again == receptor
    with pytest.raises(TypeError, match="not iterable"):
        list(receptor)
    assert receptor.geometry is receptor.geometry
    assert receptor.geometry.geom_type == {1: "Point", 2: "LineString", 3: "MultiPoint"}[length]
    lon, lat, alt = release_points(receptor)
    assert sorted(zip(lon, lat, alt, strict=True)) == sorted(receptor.positions)
    assert lon.dtype == lat.dtype == alt.dtype == np.float64


def test_positions_have_names_and_the_bottom_of_a_column_comes_first():
    (position,) = KINDS[0].positions
    assert (position.longitude, position.latitude, position.altitude_m) == (-111.85, 40.77, 5.0)
    assert KINDS[1].positions == ((-111.85, 40.77, 0), (-111.85, 40.77, 3000))


@pytest.mark.parametrize("receptor", KINDS)
def test_copies_are_equal_and_hash_alike(receptor):
    for copy in (
        Receptor.from_dict(receptor.to_dict()),
        pickle.loads(pickle.dumps(receptor)),
    ):
        assert copy == receptor
        assert hash(copy) == hash(receptor)
        assert type(copy) is type(receptor)
        assert copy.id == receptor.id


def test_difference_in_kind_time_reference_or_place_is_a_difference():
    base = PointReceptor(NOON, 1, 2, 3)
    others = [
        PointReceptor("2023-01-01 13:00", 1, 2, 3),
        PointReceptor(NOON, 1, 2, 3, altitude_ref="msl"),
        PointReceptor(NOON, 1, 2, 4),
        ColumnReceptor(NOON, 1, 2, 3, 4),
        (1, 2, 3),
        None,
    ]
    assert all(base != other for other in others)


def test_order_of_points_is_no_part_of_a_receptor():
    first = MultiPointReceptor(NOON, [1, 2], [3, 4], [5, 6])
    turned = MultiPointReceptor(NOON, [2, 1], [4, 3], [6, 5])
    assert first == turned
    assert hash(first) == hash(turned)
    np.testing.assert_array_equal(release_points(first), release_points(turned))


@pytest.mark.parametrize("receptor", KINDS)
def test_receptors_do_not_change(receptor):
    with pytest.raises(AttributeError, match="cannot be changed"):
        receptor.time = pd.Timestamp("2024-01-01")


def test_from_points_picks_the_kind():
    make = Receptor.from_points
    assert make(NOON, [(1, 2, 3)]) == PointReceptor(NOON, 1, 2, 3)
    assert make(NOON, [(1, 2, 30), (1, 2, 3)]) == ColumnReceptor(NOON, 1, 2, 3, 30)
    assert isinstance(make(NOON, [(1, 2, 3), (1, 2.1, 4)]), MultiPointReceptor)
    assert isinstance(make(NOON, [(1, 2, 3), (1, 2, 4), (1, 2, 5)]), MultiPointReceptor)
    assert make(NOON, [(1, 2, -3)], altitude_ref="msl").altitude_ref == "msl"
    with pytest.raises(ValueError, match="At least one point"):
        make(NOON, [])


def test_receptor_is_callable_as_a_point():
    receptor = stilt.Receptor(time=NOON, longitude=-111.85, latitude=40.77, altitude=5.0)
    assert receptor == PointReceptor(NOON, -111.85, 40.77, 5.0)
    assert isinstance(receptor, PointReceptor)


def test_dictionaries_name_their_type():
    data = KINDS[1].to_dict()
    assert data == {
        "type": "ColumnReceptor",
        "time": "2023-01-01T12:00:00",
        "longitude": -111.85,
        "latitude": 40.77,
        "bottom": 0.0,
        "top": 3000.0,
        "altitude_ref": "msl",
    }
    with pytest.raises(ValueError, match="needs a 'type'"):
        Receptor.from_dict({"time": NOON})
    with pytest.raises(ValueError, match="do not make a PointReceptor"):
        Receptor.from_dict({"type": "PointReceptor", "time": NOON, "depth": 3})


def test_duplicates_are_dropped_and_clashes_refused(caplog):
    point = KINDS[0]
    assert unique_receptors([point, *KINDS]) == KINDS
    assert "1 duplicate" in caplog.text
    first = MultiPointReceptor(NOON, [1, 2], [3, 4], [5, 6])
    close = MultiPointReceptor(NOON, [1.000001, 2], [3, 4], [5, 6])
    with pytest.raises(ValueError, match="two different receptors have the id"):
        unique_receptors([first, close])
