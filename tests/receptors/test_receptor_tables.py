"""DataFrames and dictionaries of receptors: the columns of receptors.csv, the same mistakes."""

import numpy as np
import pandas as pd
import pytest

import stilt
from stilt.receptors import (
    ColumnReceptor,
    MultiPointReceptor,
    PointReceptor,
    read_receptors,
    receptors_from_table,
)

NOON = "2023-01-01 12:00:00"
POINTS = [PointReceptor(NOON, -111.85, 40.77, 5), PointReceptor(NOON, 2, 50, 30)]


def frame(**columns):
    fields = {"time": [NOON, NOON], "lat": [40.77, 50], "lon": [-111.85, 2], "z": [5, 30]}
    return pd.DataFrame({**fields, **columns})


@pytest.mark.parametrize(
    "table",
    [
        frame(),
        frame(time=pd.to_datetime([NOON, NOON])),
        frame(time=pd.to_datetime([NOON, NOON]).tz_localize("UTC").tz_convert("America/Denver")),
        frame(time=202301011200),
        frame().astype("string"),
        frame().set_index("time"),
        frame(site=["a", "b"]).set_index("site"),
        frame().to_dict("records"),
        iter(frame().to_dict("records")),
        [receptor.to_dict() for receptor in POINTS],
    ],
    ids=["text", "datetime", "zone", "12 digits", "strings", "index", "site", "dicts", "iterator",
         "to_dict"],
)  # fmt: skip
def test_a_model_takes_what_people_have(tmp_path, table):
    assert list(stilt.Model(tmp_path, receptors=table).receptors) == POINTS


def test_groups_and_references_are_as_in_a_file(tmp_path):
    table = pd.DataFrame(
        {
            "r_idx": [0, 0, 1, 1, 1, 2],
            "Time": NOON,
            "longitude": [1, 1, 1, 2, 3, 4],
            "latitude": [5, 5, 5, 5, 5, 5],
            "zmsl": [100, 900, 10, 20, 30, 40],
            "note": "kept out",
        }
    )
    found = receptors_from_table(table)
    assert found == [
        ColumnReceptor(NOON, 1, 5, 100, 900, altitude_ref="msl"),
        MultiPointReceptor(NOON, [1, 2, 3], [5, 5, 5], [10, 20, 30], altitude_ref="msl"),
        PointReceptor(NOON, 4, 5, 40, altitude_ref="msl"),
    ]
    table.to_csv(tmp_path / "receptors.csv")
    assert read_receptors(tmp_path / "receptors.csv") == found
    # Whole numbers that a program has written as 1 here and 1.0 there.
    mixed = table.assign(r_idx=["0", "0.0", "1.0", "1", "1.00", "2"])
    assert receptors_from_table(mixed) == found


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (frame(time=["10.05.2019", NOON]), r"row 0, column 'time': .*'10\.05\.2019'.*time_format="),
        (frame(time=[NOON, None]), "row 1, column 'time': the value is missing"),
        (frame(time=pd.to_datetime([NOON, None])), "row 1, column 'time': the value is missing"),
        (frame(time=45595.75), "row 0, column 'time': .* not the number"),
        (frame(lat=[1, np.nan]), "row 1, column 'lat': the value is missing"),
        (frame(lon=[1, 300]), "row 1, column 'lon': .* write -60 for it"),
        (frame(lat=[True, 1]), "row 0, column 'lat': latitude must be a number, got True"),
        (frame().drop(columns="lat"), "The table of receptors lacks the column latitude"),
        (frame(zagl=1), "'z', 'zagl' all mean altitude"),
        (pd.DataFrame(), "is empty: name the columns"),
        ([{"time": NOON}, {"lat": 1}], "lacks the columns longitude, altitude"),
        (frame(z=[5, None]).to_dict("records"), "row 1, column 'z': the value is missing"),
        (frame().rename(index={1: "x"}).assign(lat=[1, 99]), "row x, column 'lat'"),
    ],
)
def test_mistakes_name_row_and_column(tmp_path, table, message):
    with pytest.raises(ValueError, match=message):
        stilt.Model(tmp_path, receptors=table)


def test_tuples_say_which_one_is_wrong(tmp_path):
    places = [(NOON, 1, 2, 3), ("10.05.2019", 1, 2, 3)]
    with pytest.raises(ValueError, match=r"receptor 1 of 2, .*10\.05\.2019"):
        stilt.Model(tmp_path, receptors=places)


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"time": ["10.05.2019"], "lat": 40.77, "lon": 2, "z": 5}),
        [{"time": "10.05.2019", "lat": 40.77, "lon": 2, "z": 5}],
        [("10.05.2019", 2, 40.77, 5)],
    ],
    ids=["frame", "dicts", "tuples"],
)
def test_a_stated_format_reads_text_times(tmp_path, table):
    model = stilt.Model(tmp_path, receptors=table, time_format="%d.%m.%Y")
    assert [str(receptor.time.date()) for receptor in model.receptors] == ["2019-05-10"]


@pytest.mark.parametrize(
    "table", [5, b"x", {"time": [NOON]}, [[NOON, 1, 2, 3]], np.zeros((2, 4)), pd.Series([1])]
)
def test_other_things_get_a_sentence_with_what_can_be_given(tmp_path, table):
    with pytest.raises(TypeError, match=r"receptors must be receptors, .*DataFrame.*, got"):
        stilt.Model(tmp_path, receptors=table)


def test_duplicates_in_a_table_are_dropped_and_rows_without_values_skipped(caplog):
    empty = pd.DataFrame({"time": [None], "lat": [np.nan], "lon": [None], "z": [pd.NA]})
    table = pd.concat([frame(), frame(), empty.astype(object)])
    assert receptors_from_table(table) == POINTS
    assert "dropped 2 duplicate" in caplog.text
