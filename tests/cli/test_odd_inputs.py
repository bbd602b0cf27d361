"""Odd heights, odd weather and overlapping forecasts: check, run and explain say so."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from stilt.cli import cli
from stilt.errors import WeatherWarning
from stilt.execution.weather import weather_report
from stilt.meteorology.arl import read_analysis, read_index
from stilt.meteorology.writer import write_arl
from stilt.model import Model

PLACE = "-111.85,40.77"
RECEPTORS = f"""\
time,longitude,latitude,altitude,altitude_ref
2023-07-15 20:00,{PLACE},30,agl
2023-07-15 20:00,{PLACE},50,msl
2023-07-15 20:00,{PLACE},1250,msl
2023-07-15 20:00,{PLACE},30000,agl
"""
GOOD, DEEP, LOW, HIGH = (
    f"demo_202307152000_-111.85_40.77_{end}" for end in ("30", "50msl", "1250msl", "30000")
)


def rewritten(source: Path, target: Path, change) -> Path:
    """Write the analyses of a file again, each changed."""
    refs = read_index(source)
    return write_arl(target, refs[0].grid, [change(read_analysis(ref)) for ref in refs])


def turned_round(raw):
    return replace(raw, surface={**raw.surface, "SHTF": -raw.surface["SHTF"]})


@pytest.fixture(scope="module")
def ran(api: str, weather: Path, tmp_path_factory, project_files):
    """A project with receptors at odd heights and a file with a flux of the wrong sign, run."""
    root = project_files(tmp_path_factory.mktemp("odd"), RECEPTORS)
    met = root / "met"
    met.mkdir()
    for path in sorted(weather.iterdir()):
        if path.name.startswith(("20230715_18", "20230715_12", "20230716")):
            rewritten(path, met / path.name, turned_round)
    config = (root / "config.yaml").read_text().replace(str(weather), str(met))
    (root / "config.yaml").write_text(config)
    checked = CliRunner().invoke(cli, ["check", str(root)])
    return root, checked, CliRunner().invoke(cli, ["run", str(root)])


def test_check_tells_of_heights_and_of_odd_weather(ran, stilt) -> None:
    root, result, _ = ran
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert any(
        DEEP in line and "RECEPTOR_BELOW_GROUND: The receptor at -111.85, 40.77" in line
        for line in lines
    )
    assert any(HIGH in line and "RECEPTOR_ABOVE_TOP" in line for line in lines)
    assert any(LOW in line and "is released at the ground" in line for line in lines)
    (odd,) = [line for line in lines if "looks wrong" in line]
    assert "20230715_18" in odd
    assert "SHTF is -" in odd
    assert "at 2023-07-15 " in odd
    assert lines[-1] == "2 of 4 simulation(s) have their weather."
    entries = {
        entry["receptor"]: entry
        for entry in json.loads(stilt("check", root, "--json").stdout)["result"]
    }
    assert entries[DEEP[5:]]["reason"] == "RECEPTOR_BELOW_GROUND"
    assert entries[LOW[5:]]["height"]
    assert not entries[GOOD[5:]]["height"]
    assert entries[GOOD[5:]]["weather"] == [odd]


def test_run_tells_and_fails_what_has_no_answer(ran, stilt) -> None:
    root, _, result = ran
    assert result.exit_code == 1
    assert "completed=2" in result.stdout
    assert "failed=2" in result.stdout
    for reason in ("RECEPTOR_BELOW_GROUND", "RECEPTOR_ABOVE_TOP"):
        assert f": {reason}: The receptor at" in result.stderr
    assert result.stderr.count("is released at the ground") == 1
    assert result.stderr.count("SHTF is -") == 1
    assert "Traceback" not in result.output
    reasons = json.loads(stilt("status", root, "--json").stdout)["result"]["reasons"]
    assert reasons == {"RECEPTOR_ABOVE_TOP": 1, "RECEPTOR_BELOW_GROUND": 1}


def test_what_a_run_finds_itself_is_said_once_after_it(ran, project_files, tmp_path: Path) -> None:
    root, *_ = ran
    again = project_files(tmp_path / "again", "\n".join(RECEPTORS.splitlines()[:2]) + "\n")
    (again / "config.yaml").write_text((root / "config.yaml").read_text())
    for number in (1, 0):
        result = CliRunner().invoke(cli, ["run", str(again)])
        assert result.exit_code == 0, result.output
        lines = [line for line in result.stderr.splitlines() if "looks wrong" in line]
        assert len(lines) == number
    with pytest.warns(WeatherWarning, match="SHTF is -"):
        Model(project=again).run(skip_existing=False)


def test_explain_says_it_of_each(ran, stilt) -> None:
    root, *_ = ran
    text = stilt("explain", root, DEEP).stdout
    assert "cause: RECEPTOR_BELOW_GROUND" in text
    assert "to do: Correct the altitude" in text
    assert "would fail now: see the cause" in text
    text = stilt("explain", root, LOW).stdout
    assert "state: complete" in text
    assert "remark: The receptor at -111.85, 40.77" in text
    text = stilt("explain", root, GOOD).stdout
    assert "remark: The weather file " in text
    assert "SHTF" in text


def test_a_run_tells_beforehand_what_looks_odd(ran) -> None:
    root, *_ = ran
    report = weather_report(Model(project=root).files, [GOOD, LOW, DEEP])
    assert report.problems == ()
    odd, low = report.remarks
    assert "SHTF" in odd
    assert "is released at the ground" in low


def test_check_says_which_of_overlapping_forecasts_are_used(
    weather: Path, project_files, stilt, tmp_path: Path
) -> None:
    root = project_files(
        tmp_path / "case", RECEPTORS.splitlines()[0] + "\n" + RECEPTORS.splitlines()[1]
    )
    met = tmp_path / "met"
    whole = sorted(path for path in weather.iterdir() if path.name.startswith("20230715_18"))
    for name, began in (("20230715_12_older", 12), ("20230715_18_newer", 18)):

        def forecast(raw, began: int = began):
            hour = int((raw.time - np.datetime64("2023-07-15", "m")) / np.timedelta64(1, "h"))
            return replace(raw, forecast_hour=hour - began)

        rewritten(whole[0], met / name, forecast)
    config = (root / "config.yaml").read_text().replace(str(weather), str(met))
    (root / "config.yaml").write_text(config)
    result = stilt("check", root)
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stdout.splitlines() if "more than one file" in line]
    assert line.startswith("demo: ")
    assert line.index("20230715_18_newer (forecast hour 2)") < line.index("20230715_12_older")
