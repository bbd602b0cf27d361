"""Observations stored in a project."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

import stilt
from stilt.cli import cli
from stilt.errors import UsageError
from stilt.execution.run_warnings import warn_of_unused_kernels
from stilt.observations import Soundings, read_csv, read_files
from stilt.receptors import read_receptors

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from product_files import write_tccon, write_tropomi

TOWER = (
    "time,lon,lat,zagl,co2,sigma,site,units\n"
    "2023-07-15 18:00,-111.85,40.77,30,415.2,0.3,wbb,ppm\n"
    "2023-07-15 19:00,-111.85,40.77,30,416.2,0.4,wbb,ppm\n"
)


@pytest.fixture
def case(new_project):
    return new_project("case")


def run(*arguments):
    return CliRunner().invoke(cli, ["observe", *map(str, arguments)])


def test_the_verb_stores_soundings_kernels_and_receptors(case, tmp_path):
    path = write_tropomi(tmp_path / "S5P_OFFL_L2__CH4____x.nc")
    told = run(path, "--reader", "tropomi", "--bounds", -112, 39, -111.75, 41, case, "--json")
    assert told.exit_code == 0, told.output
    assert json.loads(told.output)["result"]["soundings"] == 3
    model = stilt.Model(case)
    assert len(model.receptors) == 6
    found = model.observations
    assert found["value"].tolist() == [1901.0, 1902.0, 1904.0]
    assert found["name"].unique().tolist() == ["tropomi"]
    column = model.receptors[str(found.index[0])]
    assert column.kind == "column"
    assert column.labels["sounding_id"] == "31176-7-1"
    kernels = pd.read_parquet(case / "observations" / "tropomi-kernels.parquet")
    assert kernels.columns.tolist() == ["receptor", "pressure_hpa", "kernel"]
    assert kernels["receptor"].is_monotonic_increasing
    assert set(kernels["receptor"]) == set(found.index)
    again = run(path, "--reader", "tropomi", "--bounds", -112, 39, -111.75, 41, case)
    assert "the project has 6 receptor(s)" in again.output
    assert len(stilt.Model(case).observations) == 3


def test_the_configuration_names_files(case, tmp_path):
    write_tccon(case / "ab20230715_20230716.public.qc.nc")
    (tmp_path / "tower.csv").write_text(TOWER)
    with (case / "config.yaml").open("a") as file:
        file.write(
            "observations:\n"
            "  xch4: {files: 'ab*.nc', reader: tccon, species: ch4, receptor: slant, top: 1000}\n"
            f"  tower: {{files: {tmp_path / 'tower.csv'}, reader: csv, species: co2,\n"
            "    time_range: [2023-07-15 18:30, 2023-07-16]}\n"
        )
    told = run(case)
    assert told.exit_code == 0, told.output
    model = stilt.Model(case)
    found = model.observations
    assert found.groupby("name")["species"].first().to_dict() == {"tower": "co2", "xch4": "ch4"}
    assert found.loc[found["name"] == "tower", "value"].tolist() == [416.2]
    kinds = [receptor.kind for receptor in model.receptors]
    # The tower's receptor at 19:00 was there already.
    assert kinds == ["point"] * 3 + ["multipoint"] * 2
    text = model.config.to_yaml()
    assert stilt.ModelConfig.from_yaml(case / "config.yaml").observations["xch4"].top == 1000
    assert "xch4" in text


def test_adding_replaces_soundings_of_the_same_id(case, tmp_path):
    path = tmp_path / "tower.csv"
    path.write_text(TOWER)
    model = stilt.Model(case)
    model.observe(read_csv(path, species="co2"), "tower")
    path.write_text(TOWER.replace("415.2", "400").replace("19:00", "23:00"))
    model.observe(read_csv(path, species="co2"), "tower")
    assert model.observations["value"].tolist() == [416.2, 400.0, 416.2]
    model.observe(read_csv(path, species="co2"), "tower", replace=True)
    assert model.observations["value"].tolist() == [400.0, 416.2]
    with pytest.raises(UsageError, match="cannot name observations"):
        model.observe(read_csv(path, species="co2"), "a/b")


def test_a_table_without_units_is_asked_for_them(tmp_path):
    path = tmp_path / "tower.csv"
    path.write_text(TOWER.replace("units", "note").replace(",ppm", ",x"))
    CliRunner().invoke(cli, ["init", str(tmp_path / "new")])
    words = (path, "--reader", "csv", "--species", "co2")
    told = run(*words, tmp_path / "new")
    assert told.exit_code != 0
    assert "tower.csv does not say in which units" in told.output.replace("\n", " ")
    assert run(*words, "--units", "ppb", tmp_path / "new").exit_code == 0
    assert stilt.Model(tmp_path / "new").observations["units"].tolist() == ["ppb", "ppb"]
    path.write_text(TOWER.replace("0.4,wbb,ppm", "0.4,wbb,"))
    with pytest.raises(UsageError, match=r"at 2023-07-15 19:00:00 for example: add a column units"):
        read_csv(path, species="co2")
    assert read_csv(path, species="co2", units="ppb").table["units"].tolist() == ["ppm", "ppb"]
    with pytest.raises(UsageError, match="tccon knows its units"):
        read_files(path, "tccon", units="ppm")


def test_the_example_of_init_gives_way(tmp_path):
    (tmp_path / "tower.csv").write_text(TOWER)
    CliRunner().invoke(cli, ["init", str(tmp_path / "new")])
    told = run(tmp_path / "tower.csv", "--reader", "csv", "--species", "co2", tmp_path / "new")
    assert told.exit_code == 0, told.output
    assert [str(each.time.hour) for each in read_receptors(tmp_path / "new" / "receptors.csv")] == [
        "18", "19",
    ]  # fmt: skip


def test_examples_of_init_beside_ones_own_are_told_of(tmp_path, caplog):
    assert (
        CliRunner().invoke(cli, ["init", str(tmp_path / "a"), "--template", "tower"]).exit_code == 0
    )
    with (tmp_path / "a" / "receptors.csv").open("a") as file:
        file.write("2023-07-16 18:00,-111.85,40.77,30\n")
    (tmp_path / "tower.csv").write_text(TOWER)
    told = run(tmp_path / "tower.csv", "--reader", "csv", "--species", "co2", tmp_path / "a")
    assert "still lists the 6 example receptors that `stilt init` wrote" in caplog.text
    assert told.exit_code == 0, told.output


def test_receptors_with_values_are_observations_too(new_project):
    case = new_project("labelled", TOWER.replace("co2", "value"))
    found = stilt.Model(case).observations
    assert found["value"].tolist() == [415.2, 416.2]
    assert found.index[0] == "202307151800_-111.85_40.77_30"


def test_mistakes_are_one_sentence(case, tmp_path):
    (tmp_path / "tower.csv").write_text(TOWER)
    assert "--reader" in run(tmp_path / "tower.csv", case).output
    assert "no observations" in run(case).output
    reading = ("--reader", "csv", "--species", "co2")
    told = run(tmp_path / "tower.csv", *reading, "--from", "2024-01-01", case)
    assert told.exit_code == 2
    assert "None of the 2 soundings" in told.output


def columns(ids=("a", "b"), **changes):
    table = {
        "sounding_id": ids, "time": pd.to_datetime(["2023-07-15 20:00", "2023-07-15 20:01"]),
        "longitude": [-111.9, -111.8], "latitude": 40.5, "value": 1900.0, "uncertainty": 2.0,
        "units": "ppb", "species": "ch4", "sensor": "mine", "good": True,
    }  # fmt: skip
    return pd.DataFrame({**table, **changes})


def test_soundings_that_are_there_twice_are_refused(case):
    model = stilt.Model(case)
    with pytest.raises(
        UsageError, match=r"The sounding a is there more than once, .*: leave out one"
    ):
        model.observe(Soundings(columns(("a", "a"))), "mine")
    assert not (case / "observations").exists()
    assert len(stilt.Model(case).receptors) == 3


def test_soundings_without_a_kernel_are_told_of(case, caplog):
    profiles = {
        "ak_pressure_hpa": np.array([[850.0, 100.0]] * 2),
        "ak": np.array([[1.1, 0.5], [np.nan, np.nan]]),
    }
    stilt.Model(case).observe(Soundings(columns(), profiles), "mine")
    assert "1 of 2 soundings have no averaging kernel, 202307152001_-111.8_40.5_X" in caplog.text


def test_pressures_in_pascal_are_refused():
    profiles = {"ak_pressure_hpa": np.array([[85000.0, 100.0]] * 2), "ak": np.ones((2, 2))}
    with pytest.raises(UsageError, match="from 0 to 1200 hPa, got 85000: are they in Pa"):
        Soundings(columns(), profiles)
    with pytest.raises(UsageError, match="got -850"):
        Soundings(columns(), {**profiles, "ak_pressure_hpa": np.array([[-850.0, 100.0]] * 2)})


def four_columns():
    return columns(
        tuple("abcd"), time=pd.Timestamp("2023-07-15 20:00"),
        longitude=[-111.9, -111.8, -111.7, -111.6],
    )  # fmt: skip


def columns_of(case) -> list[str]:
    return sorted(str(r.id) for r in stilt.Model(case).receptors if r.kind == "column")


def test_replacing_removes_receptors_that_only_the_replaced_soundings_brought(case, caplog):
    model = stilt.Model(case)
    ours = len(model.receptors)
    every = Soundings(four_columns())
    placed = [str(each.id) for each in model.observe(every, "mine")]
    model.observe(every.take([1]), "other")
    model.observe(every.take([0]), "mine", replace=True)
    assert columns_of(case) == sorted(placed[:2]), "one is of another table"
    assert len(stilt.Model(case).receptors) == ours + 2
    assert "2 receptor(s) that only the replaced soundings had brought were removed" in caplog.text


def test_a_receptor_of_ones_own_stays_when_soundings_there_are_replaced(case):
    model = stilt.Model(case)
    mine = list(model.receptors)
    found = columns(longitude=[-111.9, mine[0].longitude], latitude=[40.5, mine[0].latitude])
    found["time"] = [pd.Timestamp("2023-07-15 20:00"), mine[0].time]
    at_mine = Soundings(found.assign(altitude_m=[9.0, mine[0].altitude]))
    assert str(model.observe(at_mine, "mine")[1].id) == str(mine[0].id)
    model.observe(at_mine.take([0]), "mine", replace=True)
    assert {str(r.id) for r in mine} < {str(r.id) for r in stilt.Model(case).receptors}


def test_receptors_with_results_stay_when_their_soundings_are_replaced(case, caplog):
    model = stilt.Model(case)
    every = Soundings(four_columns())
    placed = [str(each.id) for each in model.observe(every, "mine")]
    ids = model.register_pending()
    done = next(sim_id for sim_id in ids if sim_id.endswith(placed[3]))
    model.index.write(
        lambda connection: connection.execute(
            "UPDATE simulations SET trajectory_bytes = 5 WHERE sim_id = ?", [done]
        )
    )
    stilt.Model(case).observe(every.take([0]), "mine", replace=True)
    assert columns_of(case) == sorted([placed[0], placed[3]])
    assert f"stay in receptors.csv because they have results, such as {placed[3]}" in caplog.text


def test_kernels_that_no_footprint_uses_are_told_with_what_to_write(case, tmp_path, caplog):
    path = write_tropomi(tmp_path / "S5P_OFFL_L2__CH4____x.nc")
    told = run(path, "--reader", "tropomi", case)
    assert told.exit_code == 0, told.output
    written = "{kind: averaging_kernel, table: observations/tropomi-kernels.parquet}"
    assert "No footprint is weighted with the averaging kernels of tropomi" in told.output
    assert written in told.output
    assert "(ch4)" in told.output
    checked = CliRunner().invoke(cli, ["check", str(case)])
    assert written in checked.output
    warn_of_unused_kernels(stilt.Model(case).files)
    assert written in caplog.text
    settings = yaml.safe_load((case / "config.yaml").read_text())
    said = "footprints:" + told.output.split("footprints:", 1)[1]
    lines = yaml.safe_load(said)["footprints"]
    (name,) = lines
    settings["footprints"][name] |= lines[name]
    (case / "config.yaml").write_text(yaml.safe_dump(settings))
    kinds = [each["kind"] for each in stilt.Model(case).config.footprints[name].transforms]
    assert kinds == ["averaging_kernel", "pressure_weighting"]
    assert "No footprint is weighted" not in CliRunner().invoke(cli, ["check", str(case)]).output


def test_kernels_of_two_gases_are_for_two_footprints(case, tmp_path):
    path = write_tccon(tmp_path / "ab20230715_20230716.public.qc.nc")
    run(path, "--reader", "tccon", case)
    told = run(path, "--reader", "tccon", "--species", "ch4", case).output
    lines = yaml.safe_load("footprints:" + told.split("footprints:", 1)[1])["footprints"]
    kinds = {name: [each["kind"] for each in lines[name]["transforms"]] for name in lines}
    assert kinds == {
        "xch4": ["averaging_kernel", "pressure_weighting"],
        "xco2": ["averaging_kernel", "pressure_weighting"],
    }  # fmt: skip
    assert lines["xco2"]["transforms"][0]["table"] == "observations/tccon-co2-kernels.parquet"
    assert "Each gas needs a footprint of its own" in told


def test_soundings_elsewhere_are_located(case, tmp_path):
    path = write_tropomi(tmp_path / "S5P_OFFL_L2__CH4____x.nc")
    told = run(path, "--reader", "tropomi", "--bounds", 10, 50, 11, 51, case)
    assert told.exit_code == 2
    assert "--bounds, --from and --to" in told.output
    assert re.search(r"at longitudes -11\d\.\d\d to -11\d\.\d\d, latitudes \d+\.\d\d", told.output)


def test_the_project_comes_last(case, tmp_path):
    path = write_tropomi(tmp_path / "S5P_OFFL_L2__CH4____x.nc")
    told = run("--reader", "tropomi", case, path)
    assert told.exit_code == 2
    assert "The project comes last" in told.output


def kernels_of(case, name):
    return pd.read_parquet(case / "observations" / f"{name}-kernels.parquet")


def test_each_gas_of_a_file_has_its_own_table(case, tmp_path):
    path = write_tccon(tmp_path / "ab20230715_20230716.public.qc.nc")
    assert run(path, "--reader", "tccon", case).exit_code == 0
    assert run(path, "--reader", "tccon", "--species", "ch4", case).exit_code == 0
    found = stilt.Model(case).observations
    assert found.groupby("name")["species"].unique().map(list).to_dict() == {
        "tccon-ch4": ["ch4"], "tccon-co2": ["co2"],
    }  # fmt: skip
    assert set(kernels_of(case, "tccon-co2")["receptor"]) == set(found.index)


def test_another_gas_does_not_replace_the_kernels_of_a_name(case, tmp_path):
    path = write_tccon(tmp_path / "ab20230715_20230716.public.qc.nc")
    named = ("--reader", "tccon", "--name", "site")
    assert run(path, *named, case).exit_code == 0
    before = kernels_of(case, "site")
    told = run(path, *named, "--species", "ch4", case)
    assert told.exit_code == 2
    said = " ".join(told.output.split())
    assert "site hold soundings of co2, and those to be added are of ch4" in said
    assert "--name" in said
    pd.testing.assert_frame_equal(kernels_of(case, "site"), before)
    assert run(path, *named, "--species", "ch4", "--replace", case).exit_code == 0
    assert stilt.Model(case).observations["species"].unique().tolist() == ["ch4"]


def test_kernels_of_two_gases_in_one_call_are_refused(case, tmp_path):
    path = write_tccon(tmp_path / "ab20230715_20230716.public.qc.nc")
    both = Soundings.concat([read_files(path, "tccon", species=gas) for gas in ("co2", "ch4")])
    with pytest.raises(UsageError, match=r"are of ch4 and co2, .* under its own name"):
        stilt.Model(case).observe(both, "site")
    assert not (case / "observations").exists()


def test_a_gas_does_not_replace_another_of_the_same_ids(case, tmp_path):
    path = tmp_path / "tower.csv"
    path.write_text(
        "time,lon,lat,zagl,id,co2,ch4\n2023-07-15 18:00,-111.85,40.77,30,a,415.2,1950\n"
    )
    named = ("--reader", "csv", "--name", "tower")
    assert run(path, *named, "--species", "co2", "--units", "ppm", case).exit_code == 0
    told = run(path, *named, "--species", "ch4", "--units", "ppb", case)
    assert "tower hold soundings of co2" in " ".join(told.output.split())
    assert stilt.Model(case).observations["value"].tolist() == [415.2]


def test_a_receptor_keeps_the_kernel_of_a_sounding_that_stays(case, caplog):
    profiles = {"ak_pressure_hpa": np.array([[850.0, 100.0]] * 2), "ak": np.ones((2, 2))}
    model = stilt.Model(case)
    model.observe(Soundings(columns(), profiles), "mine")
    before = kernels_of(case, "mine")
    model.observe(Soundings(columns(("c", "d")), profiles), "mine")
    assert "keep the averaging kernels" not in caplog.text
    model.observe(Soundings(columns(("e", "f"))), "mine")
    other = {**profiles, "ak": np.full((2, 2), 0.5)}
    model.observe(Soundings(columns(("g", "h")), other), "mine")
    assert "2 receptor(s), such as 202307152000_-111.9_40.5_X0-3000, keep" in caplog.text
    pd.testing.assert_frame_equal(kernels_of(case, "mine"), before)
