"""`stilt weather`: thin calls whose output a person and a program can read."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.weather_files.truth import truth
from stilt.meteorology.arl import read_index
from stilt.meteorology.writer import write_arl

HOURS = [np.datetime64(f"2023-07-15T{hour}:00", "m") for hour in (16, 17, 19)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weather") / "met"
    analyses = [truth(time) for time in HOURS]
    write_arl(folder / "20230715_00", analyses[0].grid, analyses)
    (folder / "README").write_text("invented")
    return folder


@pytest.fixture
def project(folder, tmp_path):
    (tmp_path / "config.yaml").write_text(
        f"mets:\n  demo: {{directory: {folder}, file_format: '%Y%m%d_%H', file_tres: 24h}}\n"
        "n_hours: -1\nnumpar: 10\nkmixd: 900\n"
    )
    (tmp_path / "receptors.csv").write_text(
        "time,longitude,latitude,altitude\n2023-07-15 17:00,-111.85,40.77,5\n"
    )
    return tmp_path


def test_list_tells_the_same_in_words_and_json(stilt, project, tmp_path):
    shown = stilt("weather", "list", project)
    assert shown.exit_code == 0, shown.output
    assert "gap: 2023-07-15 18:00" in shown.stdout
    assert "not weather files of this format: README" in shown.stdout
    (told,) = json.loads(stilt("weather", "list", project, "--json").stdout)["result"]
    (stream,) = told["streams"]
    assert stream["gaps"] == [{"first": "2023-07-15T18:00", "last": "2023-07-15T18:00"}]
    assert stream["analyses"] == 3


def test_list_needs_no_project_and_draws_a_picture(stilt, folder, tmp_path):
    picture = tmp_path / "coverage.png"
    shown = stilt("weather", "list", "--directory", folder, "--picture", picture)
    assert shown.exit_code == 0, shown.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    wrong = stilt("weather", "list", "--directory", folder, "--picture", tmp_path / "a.nothing")
    assert wrong.exit_code == 2


def test_show_uses_the_projects_settings(stilt, project, folder):
    where = ("2023-07-15 16:30", "-111.85", "40.77")
    (told,) = json.loads(stilt("weather", "show", *where, project, "--json").stdout)["result"]
    assert told["mixed_layer_height"] == pytest.approx(900.0)
    shown = stilt("weather", "show", *where, "--directory", folder, "--top", "1000")
    assert shown.exit_code == 0, shown.output
    heights = [
        float(line.split()[0]) for line in shown.stdout.splitlines() if line[:10].strip().isdigit()
    ]
    assert heights == sorted(heights)
    assert 0 < heights[-1] <= 1000
    below = stilt("weather", "show", *where, "--directory", folder, "--top", "-5")
    assert below.exit_code == 2
    assert "--top" in below.output


def test_a_folder_may_have_any_name(stilt, folder, tmp_path):
    other = tmp_path / "ERA5_2023 (July)"
    other.symlink_to(folder)
    where = ("2023-07-15 16:30", "-111.85", "40.77")
    for source in (other, folder / ".." / "met"):
        shown = stilt("weather", "show", *where, "--directory", source, "--format", "arl")
        assert shown.exit_code == 0, shown.output


def test_a_project_and_a_folder_together_are_refused(stilt, project, folder):
    both = stilt("weather", "list", project, "--directory", folder)
    assert both.exit_code == 2
    assert "not both" in both.stderr


def test_to_arl_says_how_to_use_what_it_wrote(stilt, folder, tmp_path):
    done = stilt("weather", "to-arl", folder, tmp_path / "arl", "--hours-per-file", "6")
    assert done.exit_code == 0, done.output
    assert "file_tres: 6h" in done.stdout
    assert [path.name for path in sorted((tmp_path / "arl").iterdir())] == [
        "20230715_12", "20230715_18",
    ]  # fmt: skip


def test_to_arl_crops(stilt, folder, tmp_path):
    area = ("-113", "40", "-111", "41.5")
    done = stilt("weather", "to-arl", folder, tmp_path / "arl", "--bounds", *area, "--json")
    assert done.exit_code == 0, done.output
    (path,) = json.loads(done.stdout)["result"]
    (grid,) = {ref.grid for ref in read_index(path)}
    assert bool(grid.contains(-112.0, 40.7))
    assert not bool(grid.contains(-110.0, 40.7))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--bounds", "10", "40", "5", "50"], "west 10 must be below east 5"),
        (["--bounds", "5", "50", "10", "40"], "south below north"),
        (["--bounds", "-400", "40", "10", "50"], "-180 to 360 eastward"),
        (["--bounds", "nan", "nan", "nan", "nan"], "is no area"),
        (["--start", "2023-07-16", "--end", "2023-07-15"], "is after the end"),
    ],
)
def test_to_arl_refuses_an_area_or_period_in_its_own_words(
    stilt, folder, tmp_path, options, sentence
):
    done = stilt("weather", "to-arl", folder, tmp_path / "arl", *options)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert "xmin" not in done.stderr
    assert not (tmp_path / "arl").exists()


def test_to_arl_never_writes_over_its_own_sources_or_other_files(stilt, folder, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for target in (folder, link):
        done = stilt("weather", "to-arl", folder, target)
        assert done.exit_code == 2
        assert "is the folder of the weather itself" in done.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (tmp_path / "arl").mkdir()
    (tmp_path / "arl" / "20230715_18").write_text("mine")
    done = stilt("weather", "to-arl", folder, tmp_path / "arl", "--hours-per-file", "6")
    assert done.exit_code == 2
    assert "20230715_18 is there and is not an earlier result" in done.stderr
    assert [path.name for path in (tmp_path / "arl").iterdir()] == ["20230715_18"]
    for _ in range(2):
        done = stilt("weather", "to-arl", folder, tmp_path / "other")
        assert done.exit_code == 0, done.output


def test_cache_counts_and_clears(stilt, project):
    where = project / ".stilt" / "weather"
    stilt("weather", "list", project)
    told = json.loads(stilt("weather", "cache", project, "--json").stdout)["result"]
    assert told["kinds"]["indexes of files"]["number"] == 1
    cleared = stilt("weather", "cache", project, "--clear")
    assert cleared.exit_code == 0, cleared.output
    assert "removed: 1" in cleared.stdout
    assert list((where / "met-index").iterdir()) == []
    both = stilt("weather", "cache", project, "--clear", "--limit", "1GB")
    assert both.exit_code == 2


def test_fetch_says_what_it_needs(stilt, project):
    done = stilt("weather", "fetch", project)
    assert done.exit_code == 2
    assert "set source in config.yaml" in done.stderr
    assert stilt("weather", "fetch", "--source", "hrrr").exit_code == 2


def test_weather_without_wind_on_levels_is_not_called_there(stilt, project):
    analyses = [truth(time) for time in HOURS[:2]]
    for raw in analyses:
        raw.upper.pop("VWND")
    (project / "lacking").mkdir()
    write_arl(project / "lacking" / "20230715_00", analyses[0].grid, analyses)
    config = project / "config.yaml"
    text = config.read_text()
    begin = text.index("directory: ") + len("directory: ")
    config.write_text(text[:begin] + str(project / "lacking") + text[text.index(", file_format") :])
    checked = stilt("check", project)
    assert checked.exit_code == 1, checked.output
    assert "lacks wind on levels (UWND, VWND), which transport needs: add the" in checked.output
    assert "0 of 1 simulation(s) have their weather." in checked.output
