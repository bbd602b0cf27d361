"""A damaged file is named with what to do, and its whole analyses stay usable."""

from __future__ import annotations

import pytest

from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.arl import read_analysis, read_index, scan_file
from stilt.meteorology.writer import write_arl


@pytest.fixture
def three_hours(tmp_path, grid_of, analysis_of):
    grid = grid_of("lambert")
    hours = [analysis_of(grid, f"2023-07-14T{hour:02d}:00") for hour in range(3)]
    return write_arl(tmp_path / "20230714_00", grid, hours)


def one_sentence(raised) -> str:
    error = raised.value
    assert error.reason is Reason.DAMAGED_MET_FILE
    text = str(error)
    assert "\n" not in text
    assert text.endswith(".")
    assert "fetch or copy the file again" in text
    return text


@pytest.mark.parametrize("lost", [1, 200, 5000])
def test_truncated_file_names_the_last_whole_hour(three_hours, lost):
    three_hours.write_bytes(three_hours.read_bytes()[:-lost])
    with pytest.raises(MeteorologyError) as raised:
        read_index(three_hours)
    text = one_sentence(raised)
    assert str(three_hours) in text
    assert "ends within the analysis of 2023-07-14 02:00" in text
    assert "last whole analysis is 2023-07-14 01:00" in text


def test_whole_analyses_before_the_damage_stay_usable(three_hours):
    three_hours.write_bytes(three_hours.read_bytes()[:-1])
    index = scan_file(three_hours)
    assert len(index.refs) == 2
    assert read_analysis(index.refs[1]).surface["PRSS"].mean() > 800


def test_cut_within_the_first_index(three_hours):
    three_hours.write_bytes(three_hours.read_bytes()[:120])
    with pytest.raises(MeteorologyError) as raised:
        read_index(three_hours)
    assert "no analysis is whole" in one_sentence(raised)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 4000, b"\xff\x00garbage" * 900, b"<html>Not found</html>\n" * 90, b"x"]
)
def test_empty_and_foreign_files(tmp_path, content):
    path = tmp_path / "20230714_00"
    path.write_bytes(content)
    with pytest.raises(MeteorologyError) as raised:
        read_index(path)
    assert str(path) in one_sentence(raised)


def test_garbage_after_whole_analyses(three_hours):
    with three_hours.open("ab") as handle:
        handle.write(b"\0" * 500)
    assert len(scan_file(three_hours).refs) == 3
    with pytest.raises(MeteorologyError, match="does not begin with an ARL label"):
        read_index(three_hours)


def test_record_that_is_not_what_the_index_promises(three_hours):
    ref = read_index(three_hours)[1]
    data = bytearray(three_hours.read_bytes())
    at = data.index(b"UWND", ref.offset + 700)
    data[at : at + 4] = b"VWND"
    three_hours.write_bytes(data)
    with pytest.raises(MeteorologyError, match="promises 'UWND'") as raised:
        read_analysis(ref)
    one_sentence(raised)
    read_analysis(read_index(three_hours)[0])


def test_label_with_impossible_numbers(three_hours):
    ref = read_index(three_hours)[0]
    data = bytearray(three_hours.read_bytes())
    at = data.index(b"UWND", 700)
    data[at + 4 : at + 8] = b"9999"
    three_hours.write_bytes(data)
    with pytest.raises(MeteorologyError, match="contradicts its exponent") as raised:
        read_analysis(ref)
    one_sentence(raised)


def test_file_that_was_removed_or_replaced(three_hours, grid_of, analysis_of):
    refs = read_index(three_hours)
    write_arl(three_hours, grid_of("latlon"), [analysis_of(grid_of("latlon"), "2023-07-14T00:00")])
    with pytest.raises(MeteorologyError, match="has changed since"):
        read_analysis(refs[0])
    three_hours.unlink()
    with pytest.raises(MeteorologyError, match="cannot be read"):
        read_analysis(refs[0])
    with pytest.raises(MeteorologyError, match="cannot be read"):
        read_index(three_hours)
