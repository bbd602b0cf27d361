"""Identities: stable text, unambiguous, and nothing else accepted."""

import os
import pickle

import pandas as pd
import pytest

from stilt.receptors import (
    ColumnReceptor,
    LocationID,
    MultiPointReceptor,
    PointReceptor,
    ReceptorID,
    SimID,
    number_text,
)

NOON = "2023-01-01 12:00:00"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5.0, "5"),
        (-112.0, "-112"),
        (0.0, "0"),
        (-0.0, "0"),
        (-111.85, "-111.85"),
        (0.00001, "1e-05"),
        (100000.0, "100000"),
    ],
)
def test_numbers_are_written_without_needless_decimals(value, text):
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("receptor", "text"),
    [
        (PointReceptor(NOON, -111.85, 40.77, 5.0), "202301011200_-111.85_40.77_5"),
        (
            PointReceptor("2023-01-01 12:00:30", -111.85, 40.77, 5.0),
            "20230101120030_-111.85_40.77_5",
        ),
        (
            PointReceptor(NOON, -111.85, 40.77, 1300, altitude_ref="msl"),
            "202301011200_-111.85_40.77_1300msl",
        ),
        (ColumnReceptor(NOON, -111.85, 40.77, 0, 3000), "202301011200_-111.85_40.77_X0-3000"),
        (
            ColumnReceptor(NOON, -111.85, 40.77, -10, 1.5, altitude_ref="msl"),
            "202301011200_-111.85_40.77_X-10-1.5msl",
        ),
    ],
)
def test_receptor_ids_have_their_documented_form(receptor, text):
    assert receptor.id == text
    assert receptor.id.time == receptor.time
    assert receptor.id.location == receptor.location_id


# Literal ids: a change of the hash would orphan every stored multi-point output.
@pytest.mark.parametrize(
    ("points", "text"),
    [
        ([(1, 3, 5), (2, 4, 6)], "multi_b0efb29238"),
        ([(-111.85, 40.77, 5), (-111.86, 40.77, 5.25)], "multi_b50126b40f"),
        ([(0, 0, 0), (-0.0, -0.0, 10), (180, -90, 1e5)], "multi_4a5c585b4a"),
    ],
)
def test_multi_point_ids_never_change(points, text):
    receptor = MultiPointReceptor(NOON, *zip(*points, strict=True))
    assert receptor.location_id == text


def test_multi_point_id_is_that_of_a_set_of_points():
    first = MultiPointReceptor(NOON, [1, 2], [3, 4], [5, 6])
    turned = MultiPointReceptor(NOON, [2, 1], [4, 3], [6, 5])
    hair_off = MultiPointReceptor(NOON, [1.000001, 2], [3, 4], [5.001, 6])
    moved = MultiPointReceptor(NOON, [1.0001, 2], [3, 4], [5, 6])
    assert first.id == turned.id == hair_off.id != moved.id


def test_kinds_references_and_seconds_do_not_collide():
    receptors = [
        PointReceptor(NOON, 1, 2, 0),
        PointReceptor(NOON, 1, 2, 0, altitude_ref="msl"),
        PointReceptor("2023-01-01 12:00:01", 1, 2, 0),
        ColumnReceptor(NOON, 1, 2, 0, 10),
        ColumnReceptor(NOON, 1, 2, 0, 20),
    ]
    assert len({receptor.id for receptor in receptors}) == len(receptors)


@pytest.mark.parametrize(
    "text",
    [
        "-111.85_40.77_5",
        "1e-05_2_3",
        "-111.85_40.77_X",
        "-111.85_40.77_X0-3000msl",
        "1_2_X1e-05-3",
        "multi_0123456789",
        "multi_0123456789msl",
    ],
)
def test_location_forms_are_accepted(text):
    assert LocationID(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "1_2", "a_2_3", "1_2_3_4", "1_2_Y", "multi_012345678", "multi_012345678g", "1_2_3MSL"],
)
def test_other_location_text_is_refused(text):
    with pytest.raises(ValueError, match="not a location id"):
        LocationID(text)


@pytest.mark.parametrize("text", ["2023_1_2_3", "202313011200_1_2_3", "202301011200_x", "1_2_3"])
def test_other_receptor_text_is_refused(text):
    with pytest.raises(ValueError, match=r"receptor id|valid time|location id"):
        ReceptorID(text)


def test_simulation_id_splits_into_its_parts():
    sim = SimID("hrrr_20230101120030_-111.85_40.77_5")
    assert sim.met == "hrrr"
    assert sim.receptor == "20230101120030_-111.85_40.77_5"
    assert sim.time == pd.Timestamp("2023-01-01 12:00:30")
    assert sim.location == "-111.85_40.77_5"
    assert SimID.from_parts(sim.met, sim.receptor) == sim
    assert os.path.join("by-id", sim) == f"by-id/{sim}"
    assert isinstance(pickle.loads(pickle.dumps(sim)), SimID)


@pytest.mark.parametrize(
    "text", ["HRRR_202301011200_1_2_3", "hr-rr_202301011200_1_2_3", "hrrr_1_2"]
)
def test_other_simulation_text_is_refused(text):
    with pytest.raises(ValueError, match="simulation id"):
        SimID(text)


def test_receptor_id_joins_time_and_location():
    assert ReceptorID.from_parts("202301011200", "1_2_3") == "202301011200_1_2_3"
