"""What must hold of any receptor: ids, kinds, and receptors.csv, over generated receptors."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stilt.errors import UsageError
from stilt.receptors import (
    ColumnReceptor,
    LocationID,
    MultiPointReceptor,
    PointReceptor,
    Receptor,
    ReceptorID,
    SimID,
    number_text,
    parse_time,
    read_receptors,
    release_points,
    write_receptors,
)

times = st.datetimes(datetime(1900, 1, 1), datetime(2200, 12, 31, 23, 59, 59))
longitudes = st.floats(-180, 180)
latitudes = st.floats(-90, 90)
altitudes_m = st.floats(0, 100_000)
references = st.sampled_from(["agl", "msl"])
positions = st.tuples(longitudes, latitudes, altitudes_m)


def place(position: tuple[float, float, float]) -> str:
    """Return what tells a place from others: -180 and 180 degrees are one longitude."""
    return str(PointReceptor("2000-01-01 00:00", *position).location_id)


@st.composite
def receptors(draw: st.DrawFn) -> Receptor:
    """Any receptor: one to five points, of which two above one another make a column."""
    points = draw(st.lists(positions, min_size=1, max_size=5, unique_by=place))
    if draw(st.booleans()):
        longitude, latitude, _ = points[0]
        bottom, top = sorted(draw(st.tuples(altitudes_m, altitudes_m)))
        assume(bottom < top)
        points = [(longitude, latitude, bottom), (longitude, latitude, top)]
    assume(len(points) != 2 or points[0][:2] != points[1][:2] or points[0] != points[1])
    return Receptor.from_points(draw(times), points, altitude_ref=draw(references))


@given(receptors())
def test_an_id_gives_back_time_and_place(receptor: Receptor) -> None:
    identity = ReceptorID(str(receptor.id))
    assert (identity.time, identity.location) == (receptor.time, receptor.location_id)
    assert LocationID(str(receptor.location_id)) == receptor.location_id
    sim = SimID.from_parts("hrrr", receptor.id)
    assert (sim.met, sim.receptor) == ("hrrr", receptor.id)


@given(receptors())
def test_dictionaries_and_pickles_give_back_the_receptor(receptor: Receptor) -> None:
    for copy in (Receptor.from_dict(receptor.to_dict()), pickle.loads(pickle.dumps(receptor))):
        assert copy == receptor
        assert (type(copy), copy.id, hash(copy)) == (type(receptor), receptor.id, hash(receptor))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_in_ids_are_exact(value: float) -> None:
    assert float(number_text(value)) == value


@given(st.one_of(receptors(), receptors()), receptors())
def test_equal_receptors_have_equal_ids(first: Receptor, second: Receptor) -> None:
    if first == second:
        assert first.id == second.id
    elif not isinstance(first, MultiPointReceptor):
        assert first.id != second.id


@given(
    times,
    st.lists(positions, min_size=3, max_size=6, unique_by=place),
    st.randoms(use_true_random=False),
)
def test_the_order_of_points_is_no_part_of_a_multi_point_receptor(time, points, random) -> None:
    shuffled = list(points)
    random.shuffle(shuffled)
    first, second = Receptor.from_points(time, points), Receptor.from_points(time, shuffled)
    assert first == second
    assert first.id == second.id
    for one, other in zip(release_points(first), release_points(second), strict=True):
        assert one.tobytes() == other.tobytes()


@given(st.lists(receptors(), max_size=6, unique_by=lambda receptor: receptor.id))
def test_receptors_csv_gives_back_what_was_written(some: list[Receptor]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "receptors.csv"
        write_receptors(path, some)
        read = read_receptors(path)
    assert read == some
    assert [r.id for r in read] == [r.id for r in some]
    assert [r.kind for r in read] == [r.kind for r in some]


@given(times, st.integers(-12 * 60, 14 * 60))
def test_a_time_is_the_same_instant_in_every_form(time: datetime, offset_min: int) -> None:
    parsed = parse_time(time)
    assert parsed == pd.Timestamp(time).round("s")
    assert parsed.tzinfo is None
    assert parse_time(parsed) == parse_time(str(parsed)) == parse_time(parsed.isoformat()) == parsed
    zone = timezone(timedelta(minutes=offset_min))
    assume(datetime(1900, 1, 2) < time < datetime(2200, 12, 30))
    there = time.replace(tzinfo=UTC).astimezone(zone)
    assert parse_time(there) == parse_time(there.isoformat()) == parsed


@given(longitudes, latitudes, st.floats(0, 1e5), st.floats(0, 1e5))
def test_a_column_reaches_upwards(longitude, latitude, one: float, other: float) -> None:
    time = "2023-01-01 12:00"
    if one < other:
        column = ColumnReceptor(time, longitude, latitude, one, other)
        assert (
            Receptor.from_points(time, [(longitude, latitude, other), (longitude, latitude, one)])
            == column
        )
    else:
        with pytest.raises(UsageError, match="bottom must be below its top"):
            ColumnReceptor(time, longitude, latitude, one, other)


@given(st.floats(), st.floats(), st.floats())
def test_what_lies_off_the_globe_is_refused(longitude, latitude, altitude_m) -> None:
    on_globe = abs(longitude) <= 180 and abs(latitude) <= 90 and 0 <= altitude_m <= 1e5
    try:
        PointReceptor("2023-01-01 12:00", longitude, latitude, altitude_m)
    except UsageError:
        assert not on_globe
    else:
        assert on_globe
