"""What receptors look like mistakes in, and what does not."""

import numpy as np
import pandas as pd
import pytest

from stilt.config import FootprintConfig, Grid, MetConfig, ModelConfig
from stilt.config.templates import STARTER, TEMPLATES
from stilt.demo.landscape import demo_grid, terrain_m
from stilt.meteorology.suspicions import Places, in_the_sea, over_sea_level, suspicions
from stilt.receptors import (
    ColumnReceptor,
    MultiPointReceptor,
    PointReceptor,
    read_receptors,
    starter_receptors_csv,
)

LON, LAT = -111.85, 40.77
MET = {"demo": MetConfig(directory="met", file_format="%Y%m%d_%H", file_tres="1h")}
GRID = Grid(xmin=-115, xmax=-109, ymin=38, ymax=43, xres=0.1, yres=0.1)
CONFIG = ModelConfig(mets=MET, footprints={"default": FootprintConfig(grid=GRID)})


def tower(hours, lon=LON, lat=LAT, altitude=30.0, **more):
    times = pd.to_datetime("2023-07-15") + pd.to_timedelta(list(hours), unit="h")
    return [PointReceptor(time, lon, lat, altitude, **more) for time in times]


AFTERNOON = range(19, 24)


def test_a_sound_tower_is_not_suspected() -> None:
    assert suspicions(tower(AFTERNOON), CONFIG) == []
    assert suspicions(tower(range(24)), CONFIG) == []
    assert suspicions([], CONFIG) == []


@pytest.mark.parametrize("template", [STARTER, *TEMPLATES.values()], ids=lambda one: one.name)
def test_what_init_writes_is_not_suspected(template, tmp_path) -> None:
    (tmp_path / "config.yaml").write_text(template.config)
    (tmp_path / "receptors.csv").write_text(template.receptors or starter_receptors_csv())
    config = ModelConfig.from_yaml(tmp_path / "config.yaml")
    assert suspicions(read_receptors(tmp_path / "receptors.csv"), config) == []


def test_a_forward_run_with_footprints_is_remarked_on_once() -> None:
    forward = CONFIG.with_changes(n_hours=6)
    (sentence,) = suspicions(tower(AFTERNOON), forward)
    assert "n_hours is 6" in sentence
    assert sentence.endswith("need a minus: n_hours: -6.")
    assert suspicions(tower(AFTERNOON), forward.with_changes(footprints={})) == []


def test_local_times_are_suspected() -> None:
    (said,) = suspicions(tower(range(8, 12)), CONFIG)
    assert said.startswith("Receptors are at 08:00 to 11:00 UTC, which is night there (00:33 to ")
    assert "2023-07-15 12:00-07:00" in said


@pytest.mark.parametrize("lon", [0.0, 10.0, -5.0])
def test_near_greenwich_local_and_utc_are_alike(lon: float) -> None:
    config = ModelConfig(mets=MET)
    assert suspicions(tower(range(9, 17), lon=lon), config) == []


def test_a_single_hour_of_the_night_is_not_suspected() -> None:
    assert suspicions(tower([9, 9.5]), CONFIG) == []


@pytest.mark.parametrize(
    ("lon", "lat", "question"),
    [
        (LAT, LON + 60, "exchanged"),
        (-LON, LAT, "minus of a western longitude missing"),
        (LON, -LAT, "minus of a southern latitude missing"),
    ],
)
def test_wrong_coordinates_are_suspected(lon: float, lat: float, question: str) -> None:
    grid = Grid(xmin=-115, xmax=-50, ymin=38, ymax=43, xres=0.1, yres=0.1)
    config = ModelConfig(mets=MET, footprints={"default": FootprintConfig(grid=grid)})
    (said,) = suspicions(tower(AFTERNOON, lon=lon, lat=lat), config)
    assert question in said
    assert said.startswith("5 of 5 receptor(s) lie outside")


def test_receptors_off_the_map_are_told() -> None:
    (said,) = suspicions([*tower(AFTERNOON), *tower([18], lon=-100.0)], CONFIG)
    assert said.startswith("1 of 6 receptor(s) lie outside every footprint grid, such as -100, ")


def test_a_grid_across_the_dateline_holds_both_sides() -> None:
    grid = Grid(xmin=170, xmax=-170, ymin=-20, ymax=0, xres=0.5, yres=0.5)
    config = ModelConfig(mets=MET, footprints={"default": FootprintConfig(grid=grid)})
    places = [PointReceptor("2023-07-15", lon, -10, 30) for lon in (175, -175)]
    assert suspicions(places, config) == []


def test_kilometres_are_suspected() -> None:
    (said,) = suspicions(tower(AFTERNOON, altitude=0.03), CONFIG)
    assert "in kilometres" in said
    columns = [ColumnReceptor("2023-07-15 20:00", LON, LAT, bottom=0, top=3)]
    (said,) = suspicions(columns, CONFIG)
    assert said.startswith("All columns are 3 m thick")
    thick = ColumnReceptor("2023-07-15 20:00", LON, LAT, bottom=0, top=3000)
    assert suspicions([thick], CONFIG) == []


def test_several_points_close_together_are_no_column() -> None:
    points = MultiPointReceptor("2023-07-15 20:00", [LON, LON], [LAT, LAT + 0.1], [5, 50])
    assert suspicions([points], CONFIG) == []


def test_the_ground_itself_is_not_in_kilometres() -> None:
    assert suspicions(tower(AFTERNOON, altitude=0.0), CONFIG) == []


GROUND = terrain_m(demo_grid()).astype(np.float32)


def test_heights_above_sea_level_given_above_ground_are_suspected() -> None:
    def said(receptors):
        return list(over_sea_level(Places.of(receptors, CONFIG), demo_grid(), GROUND))

    (sentence,) = said(tower(AFTERNOON, altitude=1340.0))
    assert "1340 m where the weather's ground is 1" in sentence
    assert said(tower(AFTERNOON, altitude=30.0)) == []
    assert said(tower(AFTERNOON, altitude=5000.0)) == []
    assert said(tower(AFTERNOON, altitude=1340.0, altitude_ref="msl")) == []
    # A flight passes that height now and then.
    flight = [each for top in range(100, 3000, 300) for each in tower([20], altitude=top)]
    assert said(flight) == []


def test_a_tower_in_the_sea_is_suspected() -> None:
    grid = demo_grid()
    sea = np.zeros_like(GROUND)

    def said(receptors, ground):
        return list(in_the_sea(Places.of(receptors, CONFIG), grid, ground))

    (sentence,) = said(tower(AFTERNOON), sea)
    assert "-111.85, 40.77" in sentence
    assert "5 receptors" in sentence
    assert said(tower(AFTERNOON), GROUND) == []
    assert said(tower([20]), sea) == [], "a ship passes once"
    coast = sea.copy()
    x, y = grid.to_xy(LON, LAT)
    coast[int(y) + 1, int(x) + 1] = 4.0
    assert said(tower(AFTERNOON), coast) == []


def test_check_and_run_say_it_once(api, project_files, tmp_path) -> None:
    import json

    from click.testing import CliRunner

    from stilt.cli import cli

    lines = [f"2023-07-15 {hour}:00,40.77,-111.85,30" for hour in (18, 19)]
    text = "\n".join(["time,latitude,longitude,altitude", *lines, ""])
    assert (
        "exchanged"
        not in CliRunner()
        .invoke(cli, ["check", str(project_files(tmp_path / "right", text))])
        .output
    )
    heights = text.replace(",30", ",1340")
    root = project_files(tmp_path / "high", heights)
    checked = CliRunner().invoke(cli, ["check", str(root)])
    assert checked.output.count("are their altitudes above sea level?") == 1
    answer = json.loads(CliRunner().invoke(cli, ["check", str(root), "--json"]).stdout)
    assert len(answer["warnings"]) == 1
    ran = CliRunner().invoke(cli, ["run", str(root)])
    assert ran.exit_code == 0, ran.output
    assert ran.output.count("are their altitudes above sea level?") == 1
