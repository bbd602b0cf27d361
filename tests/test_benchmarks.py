"""The benchmark: both sides get the same work, and what is measured is what it says."""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import pytest

from benchmarks import table
from benchmarks.hysplit_side import TheirRun
from benchmarks.processes import measure
from benchmarks.rows import Row
from benchmarks.setting import (
    FIRST_TIME,
    Setting,
    receptors,
    some_of,
    write_our_project,
    write_pystilt_project,
)
from stilt.config import ModelConfig
from stilt.receptors import read_receptors


def test_receptors_are_distinct_and_spread_over_eighteen_hours():
    many = receptors(256)
    assert many["time"].min() == FIRST_TIME
    assert many["time"].max() == FIRST_TIME + np.timedelta64(18, "h")
    assert np.diff(many["time"]).max() <= np.timedelta64(5, "m")
    assert many["longitude"].between(-113.3, -111.8).all()
    assert many["latitude"].between(39.4, 41.0).all()
    assert len(many.drop_duplicates()) == 256
    assert len(some_of(many, 4)) == 4


def test_both_sides_are_asked_for_the_same(tmp_path):
    setting = Setting(tmp_path, "%Y%m%d_%H", "6h", -24)
    few = receptors(3)
    mine = write_our_project(tmp_path / "ours", setting, few, 50, kept=False)
    theirs = write_pystilt_project(tmp_path / "theirs", setting, few, 50)
    config = ModelConfig.from_yaml(mine / "config.yaml")
    other = json.loads((theirs / "config.yaml").read_text())
    assert (config.n_hours, config.numpar) == (other["n_hours"], other["numpar"]) == (-24, 50)
    grid = config.footprints["default"].grid
    assert {name: getattr(grid, name) for name in other["grid"]} == other["grid"]
    assert not config.trajectories
    assert len(read_receptors(mine / "receptors.csv")) == 3
    assert (mine / "receptors.csv").read_text() == (theirs / "receptors.csv").read_text()


def test_start_up_is_counted_once_when_a_run_is_scaled():
    run = TheirRun(receptors=4, seconds=50.0, idle_s=10.0, peak_mb={})
    assert run.seconds_for(4) == 50.0
    assert run.seconds_for(8) == 90.0


def test_a_command_is_measured_with_the_memory_of_its_children(tmp_path):
    program = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', "
        "'import time; kept = bytearray(150_000_000); time.sleep(1)'])"
    )
    measured = measure(
        [sys.executable, "-c", program],
        environment=os.environ,
        kind_of=lambda command_line: "worker" if "bytearray" in command_line else "",
        cwd=tmp_path,
    )
    assert measured.seconds >= 1.0
    if sys.platform == "linux":
        assert measured.peak_mb["worker"] > 143
        assert measured.peak_mb["coordinator"] < 100


def test_a_command_that_fails_says_what_it_printed(tmp_path):
    with pytest.raises(SystemExit, match=r"no such weather"):
        measure(
            [sys.executable, "-c", "raise SystemExit('no such weather')"],
            environment=os.environ,
            kind_of=str,
            cwd=tmp_path,
        )


def test_the_table_says_which_bars_are_met(tmp_path):
    rows = [
        Row("one", "speed", "7", "1", ratio="7.0 x", bar=">= 5 x", met=True),
        Row("two", "memory", "9", bar="<= 8", met=False, note="Too much."),
        Row("three", "nothing beside it", "3"),
    ]
    text, data = table.write(rows, {"Machine": "a small one"}, tmp_path / "out" / "results")
    lines = text.read_text().splitlines()
    assert "| one | speed | 7 | 1 | 7.0 x | >= 5 x | met |" in lines
    assert "| two | memory | 9 | - | - | <= 8 | MISSED |" in lines
    assert "| three | nothing beside it | 3 | - | - |  | not compared |" in lines
    assert "- two: Too much." in lines
    assert [row["met"] for row in json.loads(data.read_text())["rows"]] == [True, False, None]
