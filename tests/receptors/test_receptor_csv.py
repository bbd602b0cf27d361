"""receptors.csv: every accepted form reads, every mistake names its place."""

import pytest

from stilt.receptors import (
    ColumnReceptor,
    MultiPointReceptor,
    PointReceptor,
    read_receptors,
    starter_receptors_csv,
    write_receptors,
)

NOON = "2023-01-01 12:00:00"


@pytest.fixture
def read(tmp_path):
    def run(text, encoding="utf-8"):
        path = tmp_path / "receptors.csv"
        path.write_bytes(text.encode(encoding))
        return read_receptors(path)

    return run


@pytest.mark.parametrize("lat", ["latitude", "LAT", "lati"])
@pytest.mark.parametrize("lon", ["longitude", "Lon", "long"])
@pytest.mark.parametrize("height", ["altitude", "zagl", "z", "ZAGL"])
def test_column_names_have_aliases_in_any_case(read, lat, lon, height):
    text = f"extra,Time,{lat},{lon},{height}\nx,{NOON},40.77,-111.85,5\n"
    assert read(text) == [PointReceptor(NOON, -111.85, 40.77, 5)]


def test_reference_comes_from_its_column_else_from_zmsl(read):
    assert read(f"time,lat,lon,zmsl\n{NOON},1,2,-3\n")[0].altitude_ref == "msl"
    refs = read(f"time,lat,lon,zmsl,height_ref\n{NOON},1,2,3,AGL\n{NOON},1,2,3,\n")
    assert [receptor.altitude_ref for receptor in refs] == ["agl", "msl"]


def test_rows_without_groups_are_points_in_file_order(read):
    found = read(f"time,lat,lon,z\n{NOON},2,1,3\n{NOON},2,1,9\n")
    assert found == [PointReceptor(NOON, 1, 2, 3), PointReceptor(NOON, 1, 2, 9)]


def test_groups_make_receptors_in_order_of_first_appearance(read):
    text = (
        "r_idx,time,lon,lat,z\n"
        f"b,{NOON},1,2,30\na,{NOON},5,6,7\nb,{NOON},1,2,3\n01,{NOON},1,2,3\n1,{NOON},1,2,4\n"
        f"m,{NOON},1,2,3\nm,{NOON},1,3,3\n"
    )
    assert read(text) == [
        ColumnReceptor(NOON, 1, 2, 3, 30),
        PointReceptor(NOON, 5, 6, 7),
        PointReceptor(NOON, 1, 2, 3),
        PointReceptor(NOON, 1, 2, 4),
        MultiPointReceptor(NOON, [1, 1], [2, 3], [3, 3]),
    ]


def test_comments_blank_lines_byte_order_marks_and_quotes_are_no_hindrance(read):
    text = f'# note\n\n "time" , lat,lon,z\n  # more\n"{NOON}", 2,1 ,3,,\n\n'
    assert read(text, "utf-8-sig") == [PointReceptor(NOON, 1, 2, 3)]


def test_a_header_alone_is_an_empty_list(read):
    assert read("time,lat,lon,z\n") == []


def test_the_starter_file_reads(read):
    assert read(starter_receptors_csv()) == [PointReceptor(NOON, -111.85, 40.77, 5)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: name the columns, time,longitude,latitude,altitude, and give"),
        ("time,lat,lon\n", "lacks the column altitude .*may also be called zagl or zmsl or z"),
        (f"{NOON},-111,40,5\n", "begins with values, .* write time,longitude,latitude,altitude"),
        ("time,lat,Longitude (deg),z\n", r"rename 'Longitude \(deg\)' to longitude"),
        (f"time,lat,lon,z\n{NOON},5,2,NA\n", "column 'z': .*'NA': leave out rows without a value"),
        ("time,Latitude,lon,Height\n", r"rename 'Height' to altitude \(m above ground\) or zmsl"),
        ("time,Latitude,lon,pressure\n", "altitude may also be called zagl"),
        ("time,Latitude,lon,Altitud\n", "rename 'Altitud' to altitude"),
        ("time (UTC),lat,lon,z\n", r"rename 'time \(UTC\)' to time, which is in UTC"),
        (
            "datetime,lat_deg,lon,height\n",
            "rename 'datetime' to time, which is in UTC; rename 'lat_deg' to latitude",
        ),
        ("time,lat,lon,Height (m)\n", r"rename 'Height \(m\)' to altitude"),
        ("sep=,\ntime,lat,lon,z\n", "line 1: 'sep=,' does not name columns, and line 2 does"),
        ("Towers, 2023\n\nall UTC\ntime,lat,lon,z\n", "line 1: 'Towers, 2023' .* line 4 does"),
        ("time;lat;lon;z\n", "line 1: the columns are separated by semicolons"),
        ("time,lat,lon,z,site,site\n", "several columns are called 'site'; keep one"),
        ("time,lat,latitude,lon,z\n", "'lat', 'latitude' all mean latitude"),
        ("time,lat,lon,z\n#\nsoon,1,2,3\n", r"receptors.csv, line 3, column 'time': .*soon"),
        (f"time,lat,lon,z\n{NOON},95,2,3\n", r"line 2, column 'lat': latitude must be .*95"),
        (f"time,lat,lon,z\n{NOON},5,two,3\n", r"line 2, column 'lon': longitude .*'two'"),
        (f"time,lat,lon,z\n{NOON},5,2\n", r"line 2, column 'z': the value is missing"),
        (f"time,lat,lon,z\n{NOON},5,2,-3\n", r"line 2, column 'z': AGL altitudes must be >= 0"),
        (f"time,lat,lon,z\n{NOON},5,2,3,4\n", r"line 2: 5 values, but the header names 4"),
        (f"time,lat,lon,z,altitude_ref\n{NOON},5,2,3,sea\n", "line 2, column 'altitude_ref'"),
        (f"r_idx,time,lat,lon,z\n,{NOON},5,2,3\n", "line 2, column 'r_idx': the value is missing"),
        (
            f"r_idx,time,lat,lon,z\n1,{NOON},5,2,3\n1,202301011300,5,2,4\n",
            "lines 2, 3: all lines with r_idx 1 must have one time",
        ),
        (
            f"r_idx,time,lat,lon,z,altitude_ref\n1,{NOON},5,2,3,agl\n1,{NOON},5,2,4,msl\n",
            "must have one altitude_ref",
        ),
        (
            f"r_idx,time,lat,lon,z\n1,{NOON},5,2,3\n1,{NOON},5,2,3\n",
            "lines 2, 3: a column's bottom",
        ),
    ],
)
def test_mistakes_name_file_line_and_column(read, text, message):
    with pytest.raises(ValueError, match=message):
        read(text)


def test_groups_may_mix_the_case_of_the_reference(read):
    text = f"r_idx,time,lat,lon,z,altitude_ref\n1,{NOON},5,2,3,AGL\n1,{NOON},5,2,4,agl\n"
    assert read(text) == [ColumnReceptor(NOON, 2, 5, 3, 4)]


def test_exact_duplicates_are_dropped_with_a_note(read, caplog):
    assert len(read(f"time,lat,lon,z\n{NOON},5,2,3\n202301011200,5.0,2.0,3.0\n")) == 1
    assert "dropped 1 duplicate" in caplog.text


def test_lines_of_empty_values_are_skipped(read):
    assert len(read(f"time,lat,lon,z\n{NOON},5,2,3\n,,,\n , ,,,\n")) == 1


@pytest.mark.parametrize(
    ("separator", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars"), (" ", "spaces")]
)
def test_other_separators_are_named(read, separator, word):
    rows = "time,lat,lon,z\n202301011200,5,2,3\n"
    with pytest.raises(ValueError, match=rf"line 1: .* separated by .*{word}: .* by commas"):
        read(rows.replace(",", separator))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(read, encoding):
    with pytest.raises(ValueError, match=r"receptors\.csv .* UTF-16: save it as CSV in UTF-8"):
        read(f"time,lat,lon,z\n{NOON},5,2,3\n", encoding)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_latin_1_is_named_with_its_line(read, encoding):
    with pytest.raises(ValueError, match=r"line 3: the byte 0xFC .* Latin-1 .* save it as CSV"):
        read(f"time,lat,lon,z,site\n{NOON},5,2,3,Bern\n{NOON},5,2,4,Zürich\n", encoding)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04" + bytes(50), "a spreadsheet .*save it as CSV in UTF-8.*DataFrame"),
        (b"\xd0\xcf\x11\xe0" + bytes(50), "old Excel file .*save it as CSV"),
        (b"PAR1" + bytes(50), "Parquet file.*DataFrame"),
        (b"\x1f\x8b\x08", "compressed .*unpack"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"time,lat,lon,z\n202301011200,5,2,3\n\x00\x00", "line 3: a zero byte"),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path, content, message):
    path = tmp_path / "receptors.xlsx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_receptors(path)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("10.05.2019,5,2,3", r"line 2, column 'time': .*'10\.05\.2019'.* --time-format"),
        (f"{NOON},5,248.15,3", r"got 248\.15: write -111\.85 for it"),
        (f"{NOON},-111.85,40.77,3", "latitude .* exchanged"),
        (f'{NOON},"40,77",2,3', "'40,77': write it without a comma"),
        (f"{NOON},40,77,2,3", "5 values, .* decimal point"),
        (f"{NOON},40.77N,2,3", "'40.77N': .* minus for west and south"),
        (f"{NOON},5,−2,3", "write the minus as a hyphen"),
        (f"{NOON},4_0,2,3", "must be a number, got '4_0'"),
        (f"{NOON},nan,2,3", "column 'lat': .* finite"),
        (f'{NOON},5,2,3,"one', "line 2: a quote is not closed"),
    ],
)
def test_numbers_and_times_as_people_write_them_say_how_to_write_them(read, cells, message):
    with pytest.raises(ValueError, match=message):
        read(f"time,lat,lon,z\n{cells}\n")


def test_an_altitude_that_stands_for_a_missing_one_is_refused(read):
    with pytest.raises(ValueError, match="above -1000, got -9999"):
        read(f"time,lat,lon,zmsl\n{NOON},5,2,-9999\n")


def test_a_column_of_times_is_read_with_one_stated_format(tmp_path):
    path = tmp_path / "receptors.csv"
    path.write_text("time,lat,lon,z\n10.05.2019 06:00,5,2,3\n13.05.2019 06:00,5,2,3\n")
    found = read_receptors(path, time_format="%d.%m.%Y %H:%M")
    assert [f"{receptor.time:%Y-%m-%d %H}" for receptor in found] == [
        "2019-05-10 06",
        "2019-05-13 06",
    ]
    with pytest.raises(ValueError, match=r"line 2, column 'time': .*10\.05\.2019"):
        read_receptors(path)
    path.write_text("time,lat,lon,z\n10.05.2019 06:00,5,2,3\n2019-05-13 06:00,5,2,3\n")
    with pytest.raises(
        ValueError, match=r"line 3, column 'time': .* does not have the time format"
    ):
        read_receptors(path, time_format="%d.%m.%Y %H:%M")


def test_a_file_joined_with_itself_makes_no_other_receptors(read):
    column = f"1,{NOON},5,2,0\n1,{NOON},5,2,3000\n"
    with pytest.raises(ValueError, match=r"lines 2, 3, 4, 5: the point .* more than once"):
        read("r_idx,time,lat,lon,z\n" + column + column)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        read_receptors(tmp_path / "nowhere.csv")


def test_writing_and_reading_gives_the_same_receptors(tmp_path):
    receptors = [
        PointReceptor("2023-01-01 12:00:30", 1 / 3, -0.00001, 5),
        ColumnReceptor(NOON, -111.85, 40.77, -2.5, 3000, altitude_ref="msl"),
        MultiPointReceptor(NOON, [1, 0, 2], [3, 3, 4], [5, 6, 7]),
    ]
    path = tmp_path / "new" / "receptors.csv"
    write_receptors(path, receptors)
    assert read_receptors(path) == receptors
    lines = path.read_text().splitlines()
    assert lines[0] == "r_idx,time,longitude,latitude,altitude,altitude_ref"
    assert [line.split(",")[0] for line in lines[1:]] == ["0", "1", "1", "2", "2", "2"]
    assert [file.name for file in path.parent.iterdir()] == ["receptors.csv"]
