"""Further columns of a table of receptors: kept, without a say in ids or results."""

import pickle

import pandas as pd
import pytest

from stilt.errors import UsageError
from stilt.project.keys import receptor_key
from stilt.receptors import (
    PointReceptor,
    Receptor,
    read_receptors,
    receptors_from_table,
    write_receptors,
)
from stilt.receptors.misspelt import misspelt_columns

NOON = "2023-01-01 12:00:00"


def test_further_columns_of_a_file_become_labels_with_the_kind_of_value_they_show(tmp_path):
    path = tmp_path / "receptors.csv"
    path.write_text(
        "site,time,lon,lat,z,sounding,code,share\n"
        f"WBB,{NOON},1,2,3,20230101120001,007,0.5\n"
        f"RPK,{NOON},1,2,4,20230101120002,012,\n"
    )
    first, second = read_receptors(path)
    assert dict(first.labels) == {
        "site": "WBB", "sounding": 20230101120001, "code": "007", "share": 0.5,
    }  # fmt: skip
    assert dict(second.labels) == {"site": "RPK", "sounding": 20230101120002, "code": "012"}


def test_missing_numbers_of_a_file_are_missing_and_words_remain_words(tmp_path):
    path = tmp_path / "receptors.csv"
    path.write_text(
        f"country,co2,time,lon,lat,z\nNA,412.5,{NOON},1,2,3\nUS,NA,{NOON},1,2,4\n"
        f"NA,NaN,{NOON},1,2,5\n"
    )
    labels = [dict(receptor.labels) for receptor in read_receptors(path)]
    assert labels == [{"country": "NA", "co2": 412.5}, {"country": "US"}, {"country": "NA"}]


def test_ids_longer_than_tables_hold_as_numbers_are_text(tmp_path):
    path = tmp_path / "receptors.csv"
    path.write_text(
        "sounding,other,site,time,lon,lat,z\n"
        f"1234567890123456789,9007199254740993,9007199254740992,{NOON},1,2,3\n"
        f"1234567890123456790,,7,{NOON},1,2,4\n"
        f",1.5,8,{NOON},1,2,5\n"
    )
    labels = [dict(receptor.labels) for receptor in read_receptors(path)]
    assert labels == [
        {"sounding": "1234567890123456789", "other": "9007199254740993", "site": 2**53},
        {"sounding": "1234567890123456790", "site": 7},
        {"other": "1.5", "site": 8},
    ]
    rows = [{"time": NOON, "lon": 1, "lat": 2, "z": 3, "n": 10**18 + 1}]
    assert dict(receptors_from_table(rows)[0].labels) == {"n": "1000000000000000001"}


def test_labels_survive_writing_pickling_and_dictionaries(tmp_path):
    rows = [
        {"time": NOON, "lon": 1, "lat": 2, "z": 3, "r_idx": 1, "site": "a, b", "n": 1},
        {"time": NOON, "lon": 1, "lat": 2, "z": 9, "r_idx": 1, "site": "a, b", "n": 2},
        {"time": NOON, "lon": 1, "lat": 2, "z": 5, "r_idx": 2, "site": None, "n": 3},
    ]
    column, point = receptors_from_table(rows)
    assert dict(column.labels) == {"site": "a, b", "n": [1, 2]}
    assert dict(point.labels) == {"n": 3}
    write_receptors(tmp_path / "again.csv", [column, point])
    again = read_receptors(tmp_path / "again.csv")
    for found in (again, pickle.loads(pickle.dumps([column, point]))):
        assert [dict(each.labels) for each in found] == [dict(column.labels), dict(point.labels)]
    assert Receptor.from_dict(column.to_dict()).labels == column.labels


def test_values_of_a_data_frame_keep_their_kind():
    table = pd.DataFrame(
        {"time": [NOON], "lon": [1], "lat": [2], "z": [3], "code": ["007"], "good": [True],
         "seen": [pd.Timestamp(NOON)], "none": [float("nan")]}
    )  # fmt: skip
    (receptor,) = receptors_from_table(table)
    assert dict(receptor.labels) == {"code": "007", "good": True, "seen": "2023-01-01T12:00:00"}


def test_labels_have_no_say_in_identity_or_content_keys():
    bare = PointReceptor(NOON, 1, 2, 3)
    named = PointReceptor(NOON, 1, 2, 3, labels={"site": "WBB"})
    assert bare == named
    assert hash(bare) == hash(named)
    assert bare.id == named.id
    assert receptor_key(bare) == receptor_key(named)
    assert bare.with_labels({"site": "WBB"}).labels == named.labels


def test_labels_that_cannot_be_kept_are_named():
    with pytest.raises(UsageError, match="'lat'"):
        PointReceptor(NOON, 1, 2, 3, labels={"lat": 3})
    with pytest.raises(UsageError, match="the label 'x'"):
        PointReceptor(NOON, 1, 2, 3, labels={"x": object()})


def test_of_duplicates_the_labels_of_the_first_count(caplog):
    rows = [{"time": NOON, "lon": 1, "lat": 2, "z": 3, "site": site} for site in ("a", "b")]
    (receptor,) = receptors_from_table(rows)
    assert dict(receptor.labels) == {"site": "a"}
    assert "of its labels the first count" in caplog.text


@pytest.mark.parametrize(
    ("header", "values", "meant"),
    [
        ("altitude_reff", "msl", "altitude_ref?"),
        ("Altitude_Ref_", "agl", "altitude_ref?"),
        ("hight_ref", "agl", "height_ref?"),
        ("r_idxx", "1", "r_idx?"),
        ("kmsll", "1", "the setting kmsl in config.yaml"),
        ("kmsl", "0", "the setting kmsl in config.yaml"),
        ("above", "MSL", "altitude_ref?"),
    ],
)
def test_a_column_that_is_nearly_a_known_one_is_asked_about(header, values, meant, tmp_path):
    path = tmp_path / "receptors.csv"
    path.write_text(
        f"time,longitude,latitude,altitude,{header}\n"
        f"2023-01-01 12:00,-111,40,5,{values}\n2023-01-01 13:00,-111,40,5,{values}\n"
    )
    (sentence,) = misspelt_columns(read_receptors(path))
    assert f"'{header}'" in sentence
    assert meant in sentence


def test_true_labels_are_not_asked_about():
    names = ("site", "co2", "height", "reference", "index", "flask", "ref", "altitude_error")
    labels = {name: "msl" if name == "site" else 1 for name in names}
    one = PointReceptor("2023-01-01 12:00", -111, 40, 5, labels=labels)
    other = PointReceptor("2023-01-01 13:00", -111, 40, 5, labels={"site": "Hidden Peak"})
    assert misspelt_columns([one, other]) == []


def test_missing_values_of_every_dtype_of_pandas_are_no_labels():
    rows = {"time": [NOON] * 2, "lon": [1, 1], "lat": [2, 2], "z": [3, 4]}
    table = pd.DataFrame({**rows, "n": [5, None], "site": ["a", None], "at": [pd.NaT, pd.NaT]})
    for kind in (table, table.convert_dtypes(), table.astype({"n": "Int64", "site": "string"})):
        first, second = receptors_from_table(kind)
        assert (dict(first.labels), dict(second.labels)) == ({"site": "a", "n": 5}, {})


def test_a_time_zone_beside_times_is_said_to_shift_none():
    there, utc = (
        PointReceptor("2023-01-01 12:00", 1, 2, 3, labels={"timezone": zone})
        for zone in ("America/Denver", "UTC")
    )
    (sentence,) = misspelt_columns([there, utc])
    assert "did you mean times with an offset, such as 2023-01-01 12:00-07:00" in sentence
    assert misspelt_columns([utc]) == []
