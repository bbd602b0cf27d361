"""A report says what came of a project, on one page that needs nothing else."""

import html
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import browser
import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

import stilt
from stilt.cli import cli
from stilt.errors import UsageError
from stilt.report import write_report
from stilt.report.facts import covered_seconds, effort_of
from stilt.report.weather import between, stretches

needs_browser = pytest.mark.skipif(
    browser.browser() is None, reason="no Chromium here: apt-get install chromium"
)


@pytest.fixture(params=["files", "store"])
def project(request, make_model, steer):
    """Six simulations: four complete, one failed, one without weather."""
    model = make_model(6, output={"layout": request.param})
    ids = model.register_pending()
    (steer / "no-weather").mkdir()
    (steer / "no-weather" / pd.Timestamp(model.receptors[5].time).strftime("%d%H%M")).touch()
    (steer / "fail").mkdir()
    (steer / "fail" / ids[4]).touch()
    stilt.push_simulations(model, ids)
    return model, ids


@pytest.fixture
def page(project, tmp_path) -> Path:
    model, _ = project
    return write_report(model, tmp_path / "report.html")


def visible(page: Path) -> str:
    body = page.read_text().split("<body>")[1].split("<script>")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_a_report_has_what_a_reader_asks_for(project, page) -> None:
    model, ids = project
    text = visible(page)
    counts = model.status()
    assert counts["completed"] == 4
    for state in ("completed", "running", "pending", "failed"):
        assert f"{counts[state]} {state}" in text
    assert ids[4] in text
    assert "NO_TRAJECTORY_DATA" in text
    assert "Check height and time of the receptor against the weather." in text
    assert "MISSING_MET_FILES" in text or "MET_COVERAGE" in text
    assert "simulations an hour" in text
    assert "2 hours back" in text
    assert "cells of 0.5 × 0.5" in text


def test_a_report_needs_nothing_else(page) -> None:
    text = page.read_text()
    assert "default-src 'none'" in text
    assert not re.findall(r"https?://|\bsrc=|@import|url\(|<link", text)


def test_the_series_has_every_footprint(project, page) -> None:
    model, ids = project
    totals = json.loads(re.search(r"const TOTALS = (.*);\n", page.read_text())[1])
    assert [point[0] for point in totals["points"]] == ids[:4]
    sums = [model.footprints["default"][sim_id].total for sim_id in ids[:4]]
    assert [point[2] for point in totals["points"]] == pytest.approx(sums, rel=1e-3)


def test_a_project_before_its_run_has_a_report_too(make_model, tmp_path) -> None:
    model = make_model(2)
    model.register_pending()
    text = visible(write_report(model, tmp_path / "early.html"))
    assert "2 pending" in text
    assert "There is no footprint 'default' yet." in text
    assert "Nothing has been computed yet." in text
    assert "No failure is recorded." in text


def test_more_receptors_than_the_map_takes_are_chosen_evenly(project, tmp_path) -> None:
    model, ids = project
    path = write_report(model, tmp_path / "few.html", most_maps=2)
    assert "2 of 4 receptors, evenly chosen." in visible(path)
    maps = json.loads(re.search(r"const MAPS = (.*);\n", path.read_text())[1])
    assert [one["id"] for one in maps["maps"]] == [ids[0], ids[3]]


def test_the_map_steps_from_the_ground_up_and_then_in_time(make_model, tmp_path) -> None:
    model = make_model(0)
    heights, hours = (100.0, 30.0, 5.0), ("2023-01-01 01:00", "2023-01-01 00:00")
    receptors = [
        stilt.PointReceptor(hour, -111.85, 40.77, height) for hour in hours for height in heights
    ]
    stilt.push_simulations(model, model.register_pending(receptors))
    text = write_report(model, tmp_path / "heights.html").read_text()
    shown = json.loads(re.search(r"const MAPS = (.*);\n", text)[1])["receptors"]
    assert [re.search(r"(\d+) m .* 0(\d):", one["text"]).groups() for one in shown] == [
        ("5", "0"), ("5", "1"), ("30", "0"), ("30", "1"), ("100", "0"), ("100", "1"),
    ]  # fmt: skip


def test_the_map_steps_in_the_order_of_the_legend(make_model, tmp_path) -> None:
    model = make_model(0)
    time, lon, lat = "2023-01-01 01:00", -111.85, 40.77
    receptors = [
        stilt.PointReceptor(time, lon, lat, 900.0),
        stilt.ColumnReceptor(time, lon, lat, 0.0, 3000.0),
        stilt.MultiPointReceptor(time, [lon - 0.2, lon], [lat, lat], [5.0, 60.0]),
        stilt.PointReceptor(time, lon - 0.05, lat, 100.0),
        stilt.ColumnReceptor(time, lon, lat, 500.0, 1000.0),
    ]
    stilt.push_simulations(model, model.register_pending(receptors))
    text = write_report(model, tmp_path / "order.html").read_text()
    maps = json.loads(re.search(r"const MAPS = (.*);\n", text)[1])["receptors"]
    totals = json.loads(re.search(r"const TOTALS = (.*);\n", text)[1])
    number = {sim_id: place for sim_id, _, _, place in totals["points"]}
    assert [number[one["id"]] for one in maps] == [0, 1, 2, 3, 4]
    assert [place.split(", ")[1] for place in totals["places"]] == [
        "5 to 60 m", "100 m", "500 to 1000 m", "900 m", "0 to 3000 m",
    ]  # fmt: skip


def test_a_report_needs_no_matplotlib(make_model, tmp_path) -> None:
    model = make_model(1)
    stilt.push_simulations(model, model.register_pending())
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import stilt; from stilt.report import write_report\n"
        f"write_report(stilt.Model({str(model.project)!r}), {str(tmp_path / 'r.html')!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "r.html").stat().st_size > 10_000


def test_an_unknown_footprint_is_named(project, tmp_path) -> None:
    model, _ = project
    with pytest.raises(UsageError, match="no footprint 'nope': the choices are default"):
        write_report(model, tmp_path / "x.html", name="nope")


def test_the_verb_writes_the_page_and_says_where(project, tmp_path, monkeypatch) -> None:
    model, _ = project
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["report", str(model.project)])
    assert done.exit_code == 0, done.output
    assert re.match(r"case_report.html \(\d+(\.\d+)? kB\): open it", done.output)
    done = CliRunner().invoke(cli, ["report", str(model.project), "--out", "deep/r.html", "--json"])
    assert json.loads(done.output)["result"]["report"] == "deep/r.html"
    done = CliRunner().invoke(cli, ["report", str(model.project), "--out", "r.pdf"])
    assert done.exit_code == 2
    assert "ends with .html" in done.stderr


@needs_browser
@pytest.mark.parametrize(
    ("project", "dark"), [("files", False), ("store", True)], indirect=["project"]
)
def test_a_reader_steps_through_the_page(dark: bool, page) -> None:
    with browser.Browser(browser.browser(), dark=dark) as window:
        window.open(page.as_uri(), "all hours", "Speed and cost")
        assert window.elsewhere() == []
        assert _first_line(window) == "40.77°N 111.85°W, 5 m above ground, 2023-01-01 00:00 UTC"
        window.ask("document.querySelector('button[title=\"next receptor\"]').click()")
        _until(window, "2023-01-01 00:10 UTC")
        window.ask("document.querySelector('button[title=\"next hour\"]').click()")
        _until(window, "−1 h: ")
        colours = window.ask(
            "(() => { const c = document.querySelector('canvas');"
            "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            "const seen = new Set(); for (let i = 0; i < d.length; i += 4)"
            "seen.add((d[i] << 16) | (d[i + 1] << 8) | d[i + 2]); return seen.size })()"
        )
        assert colours > 8, "the map is drawn"
        ticks = window.ask(
            "[...document.querySelectorAll('#series text')].map((each) => each.textContent)"
            ".filter((text) => /^01-01 00:\\d\\d$/.test(text)).join()"
        )
        assert ticks.split(",")[:3] == ["01-01 00:00", "01-01 00:05", "01-01 00:10"]
        point = "document.querySelectorAll('#series circle')[3]"
        window.ask(f"{point}.dispatchEvent(new Event('click'))")
        _until(window, "2023-01-01 00:30 UTC")
        assert window.ask("document.querySelectorAll('#series circle.chosen').length") == 1


@needs_browser
def test_a_notebook_shows_the_map_in_a_frame(project, tmp_path) -> None:
    model, ids = project
    shown = model.footprints["default"][ids[0]].plot.interactive()
    (tmp_path / "notebook.html").write_text(f"<p>Cell</p>{shown._repr_html_()}", encoding="utf-8")
    inside = "document.querySelector('iframe').contentDocument.body.innerText"
    with browser.Browser(browser.browser()) as window:
        window.open((tmp_path / "notebook.html").as_uri(), "Cell")
        deadline = time.monotonic() + 20
        while "all hours" not in (text := str(window.ask(inside))):
            assert time.monotonic() < deadline, text
            time.sleep(0.05)
        assert "40.77°N 111.85°W, 5 m above ground" in text
        assert window.elsewhere() == []


def _first_line(window) -> str:
    return window.ask("document.querySelector('.stilt-map .what').textContent")


def _until(window, text: str) -> None:
    deadline = time.monotonic() + 20
    while text not in window.text():
        assert time.monotonic() < deadline, f"{text} does not appear in: {window.text()[:600]}"
        time.sleep(0.05)


def test_busy_time_counts_overlapping_work_once() -> None:
    day = pd.Timestamp("2023-01-01")
    starts = pd.Series(day + pd.to_timedelta([0, 10, 100], "s"))
    ends = pd.Series(day + pd.to_timedelta([30, 20, 150], "s"))
    assert covered_seconds(starts, ends) == 80.0
    assert covered_seconds(starts[:0], ends[:0]) == 0.0


def test_hours_between_neighbouring_analyses_are_covered() -> None:
    hours = np.arange("2023-01-01T00", "2023-01-01T13", dtype="datetime64[h]")
    times = np.array(["2023-01-01T01", "2023-01-01T04", "2023-01-01T10"], "datetime64[s]")
    covered = between(hours, times, np.timedelta64(3, "h"))
    assert np.flatnonzero(covered).tolist() == [1, 2, 3, 4, 10]
    found = stretches(hours, ~covered)
    assert [(a.hour, b.hour) for a, b in found] == [(0, 0), (5, 9), (11, 12)]
    assert not between(hours, times[:0], np.timedelta64(3, "h")).any()


def test_speed_is_what_a_clock_beside_the_runs_shows(make_model, tmp_path) -> None:
    model = make_model(6)
    ids = model.register_pending()
    began = time.monotonic()
    stilt.push_simulations(model, ids, n_workers=2)
    wall_s = time.monotonic() - began
    effort = effort_of(model, model.simulations.to_frame())
    assert effort.followed == 6
    assert 0.5 * wall_s < 3600 * effort.run_hours <= wall_s + 0.01
    assert effort.worker_hours <= 2 * effort.run_hours
    assert effort.rate_per_hour == pytest.approx(6 / effort.run_hours)


def test_new_footprints_of_old_particles_change_no_speed(make_model, steer) -> None:
    model = make_model(4)
    ids = model.register_pending()
    # One fails in both runs.
    (steer / "fail").mkdir()
    (steer / "fail" / ids[1]).touch()
    stilt.push_simulations(model, ids)
    before = effort_of(model, model.simulations.to_frame())
    path = model.project / "config.yaml"
    settings = yaml.safe_load(path.read_text())
    grid = settings["footprints"]["default"]["grid"]
    grid["xres"] = grid["yres"] = 2 * grid["xres"]
    path.write_text(yaml.safe_dump(settings))
    again = stilt.Model(model.project)
    stilt.push_simulations(again, ids)
    assert again.status()["completed"] == 3
    after = effort_of(again, again.simulations.to_frame())
    assert sum(after.parts.values()) > sum(before.parts.values())
    assert after.followed == 3
    for name in ("followed", "run_hours", "worker_hours", "first", "last"):
        assert getattr(after, name) == getattr(before, name)


def test_no_speed_is_shown_of_runs_that_are_not_known(make_model, tmp_path) -> None:
    from stilt.execution import run_batch

    model = make_model(2)
    run_batch(str(model.output_root), model.register_pending())
    text = visible(write_report(model, tmp_path / "r.html"))
    assert "simulations an hour" not in text
    assert "of particles" in text
