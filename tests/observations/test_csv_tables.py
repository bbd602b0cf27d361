"""Tables of measurements in CSV files."""

import pandas as pd
import pytest
from click.testing import CliRunner

from stilt.cli import cli
from stilt.errors import UsageError
from stilt.observations import (
    read_csv,
    read_files,
)

TOWER = "time,lon,lat,zagl,value,sigma,units\n"


def tower(path, *rows):
    lines = [f"2023-07-15 {hour:02}:00,-111.85,40.77,30,{row}" for hour, row in enumerate(rows)]
    path.write_text(TOWER + "\n".join(lines) + "\n")
    return path


def test_csv_keeps_labels_and_both_gases_of_one_place(tmp_path):
    path = tmp_path / "tower.csv"
    path.write_text(
        "time,lon,lat,zagl,value,sigma,species,units,site,good\n"
        "2023-07-15 18:00,-111.85,40.77,30,415.2,0.3,co2,ppm,wbb,1\n"
        "2023-07-15 18:00,-111.85,40.77,30,1.95,0.01,ch4,ppm,wbb,true\n"
        "2023-07-15 19:00,-111.85,40.77,30,,0.3,co2,ppm,wbb,1\n"
    )
    found = read_csv(path)
    assert found.table["sounding_id"].iloc[1] == "202307151800_-111.85_40.77_30-ch4"
    assert found.table["value"].iloc[:2].tolist() == [415.2, 1.95]
    assert found.table["good"].tolist() == [True, True, False]
    receptors = found.select().receptors()
    assert receptors[0] == receptors[1]
    assert receptors[0].labels["site"] == "wbb"
    path.write_text("time,lon,lat,zagl\n2023-07-15 18:00,-111.85,40.77,30\n")
    with pytest.raises(UsageError, match="no column 'value'"):
        read_csv(path)


def test_fill_values_of_a_table_are_missing_and_counted(tmp_path, caplog):
    fills = ("-999", "-999.99", "-9999.0", "-99.9", "99999.99", "9.96921e36", "1e20")
    rows = ["415.2,0.3,ppm", *(f"{fill},0.3,ppm" for fill in fills), "416.2,-999.9,ppm"]
    found = read_csv(tower(tmp_path / "tower.csv", *rows), species="co2")
    assert found.table["value"].dropna().tolist() == [415.2, 416.2]
    assert found.select().table["uncertainty"].isna().tolist() == [False, True]
    assert len(found.select()) == 2
    assert "7 of 9 values of" in caplog.text
    assert "such as -999 at 2023-07-15 01:00:00: they count as missing" in caplog.text
    assert "1 of 9 uncertainties of" in caplog.text


def test_words_for_missing_values_are_missing(tmp_path):
    """As R (NA), pandas (NaN) and spreadsheets (#N/A) write them, some cells or all."""
    rows = ["415.2,NA,ppm", "NaN,NA,ppm", "#N/A,NA,ppm", "nan,NA,ppm", "null,NA,ppm"]
    found = read_csv(tower(tmp_path / "tower.csv", *rows), species="co2")
    assert found.table["value"].dropna().tolist() == [415.2]
    assert found.table["uncertainty"].isna().all()
    assert len(found.select()) == 1


def test_a_value_that_is_no_number_is_named_with_its_time(tmp_path):
    with pytest.raises(UsageError, match="column 'value': '415 ppm' at 2023-07-15 01:00:00 is not"):
        read_csv(tower(tmp_path / "tower.csv", "415.2,0.3,ppm", "415 ppm,0.3,ppm"))
    with pytest.raises(UsageError, match="has no measurements: no line follows its header"):
        read_csv(tower(tmp_path / "tower.csv"))


def test_negative_values_that_are_no_fill_values_are_kept_and_counted(tmp_path, caplog):
    found = read_csv(tower(tmp_path / "tower.csv", "-3.5,0.3,ppm", "2,0.3,ppm"))
    assert found.select().table["value"].tolist() == [-3.5, 2.0]
    assert "1 of 2 values of" in caplog.text
    assert "are below zero, such as -3.5" in caplog.text


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("415.2,0.3,furlong", "tower.csv: units of the values: 'furlong' is no unit of mole"),
        ("415.2,0.3,pppm", "'pppm' is no unit of mole fraction: did you mean 'ppm'"),
        ("415.2,0.3,kg kg-1", "tower.csv: units of the values: 'kg kg-1' is a ratio of masses"),
        ("415.2,0.3,mol mol-1", "tower.csv: 415.2 mol mol-1 at 2023-07-15 00:00:00 is more than 1"),
        ("2e6,0.3,ppm", r"2e\+06 ppm at .* is more than 1 mol mol-1: correct the value or its"),
    ],
)
def test_units_and_values_that_cannot_be_are_refused(tmp_path, row, told):
    with pytest.raises(UsageError, match=told):
        read_csv(tower(tmp_path / "tower.csv", row))


def test_units_told_for_a_table_are_checked(tmp_path):
    for row in ("415.2,0.3,ppm", "415.2,0.3,"):
        path = tower(tmp_path / "tower.csv", row)
        with pytest.raises(UsageError, match="'furlong' is no unit of mole"):
            read_files(path, "csv", units="furlong")
    assert read_files(path, "csv", units="umol mol-1").table["value"].tolist() == [415.2]


def test_a_table_without_altitudes_holds_columns(tmp_path):
    path = tmp_path / "columns.csv"
    path.write_text("time,lon,lat,value,units\n2023-07-15 18:00,-111.85,40.77,415.2,ppm\n")
    found = read_csv(path, species="co2")
    (receptor,) = found.receptors(top=2000)
    assert receptor.kind == "column"
    assert [place.altitude_m for place in receptor.positions] == [0, 2000]
    with pytest.raises(UsageError, match="altitude"):
        found.receptors("point")


def test_a_table_of_other_times_is_read_in_the_form_that_is_stated(tmp_path):
    path = tmp_path / "tower.csv"
    path.write_text("time,lon,lat,z,co2,units\n15.07.2023 18:00,-111.85,40.77,30,415.2,ppm\n")
    with pytest.raises(UsageError, match="--time-format"):
        read_files(path, "csv", species="co2")
    found = read_files(path, "csv", species="co2", time_format="%d.%m.%Y %H:%M")
    assert found.table["time"].tolist() == [pd.Timestamp("2023-07-15 18:00")]
    with pytest.raises(UsageError, match="The reader tropomi"):
        read_files(path, "tropomi", time_format="%d.%m.%Y")
    CliRunner().invoke(cli, ["init", str(tmp_path / "case")])
    options = ["--reader", "csv", "--species", "co2", "--time-format", "%d.%m.%Y %H:%M"]
    result = CliRunner().invoke(cli, ["observe", str(path), *options, str(tmp_path / "case")])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    "name",
    ["co2_unc", "XCO2 uncertainty", "value_std_dev", "stdev", "co2_err", "standard_deviation"],
)
def test_an_uncertainty_may_be_named_in_several_ways(tmp_path, name, caplog):
    path = tmp_path / "tower.csv"
    path.write_text(f"time,lon,lat,z,co2,{name},units\n2023-07-15 18:00,1,2,30,415.2,0.3,ppm\n")
    assert read_csv(path, species="co2").table["uncertainty"].tolist() == [0.3]
    assert not caplog.records


def test_an_uncertainty_of_something_else_is_told_of(tmp_path, caplog):
    path = tmp_path / "tower.csv"
    path.write_text("time,lon,lat,z,co2,sigma_w,units\n2023-07-15 18:00,1,2,30,415.2,0.3,ppm\n")
    table = read_csv(path, species="co2").table
    assert table["uncertainty"].isna().all()
    assert [float(each) for each in table["sigma_w"]] == [0.3]
    assert "the column sigma_w is kept as a label" in caplog.text


@pytest.mark.parametrize("name", ["err%", "co2_unc [%]", "uncertainty (percent)", "rel_error"])
def test_an_uncertainty_in_per_cent_is_told_of_and_not_used(tmp_path, name, caplog):
    path = tmp_path / "tower.csv"
    path.write_text(f"time,lon,lat,z,co2,{name},units\n2023-07-15 18:00,1,2,30,415.2,0.3,ppm\n")
    assert read_csv(path, species="co2").table["uncertainty"].isna().all()
    assert f"the column {name} is kept as a label" in caplog.text


def test_the_gas_has_its_own_value_and_uncertainty(tmp_path, caplog):
    path = tmp_path / "tower.csv"
    path.write_text(
        "time,lon,lat,z,obs,sigma,co2,co2_unc,units\n2023-07-15 18:00,1,2,30,12,9,415.2,0.3,ppm\n"
    )
    table = read_csv(path, species="co2").table
    assert table[["value", "uncertainty"]].to_numpy().tolist() == [[415.2, 0.3]]
    assert "the column sigma is kept as a label" in caplog.text


def test_an_uncertainty_may_be_named_after_the_gas_and_a_missing_gas_is_asked_for(tmp_path):
    path = tmp_path / "tower.csv"
    path.write_text("time,lon,lat,z,co2,co2_sd,units\n2023-07-15 18:00,1,2,30,415.2,0.3,ppm\n")
    assert read_csv(path, species="co2").table["uncertainty"].tolist() == [0.3]
    with pytest.raises(UsageError, match="--species co2"):
        read_csv(path)
