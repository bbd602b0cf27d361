"""`stilt demo` from nothing to pictures, and again."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from stilt.demo import run_demo
from stilt.demo.run import command_here


def test_the_command_that_is_named_next_works_in_an_environment_not_activated(monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin")
    assert command_here() != "stilt"
    done = subprocess.run([command_here(), "--version"], capture_output=True, check=False)
    assert done.returncode == 0
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert command_here() == "stilt"


@pytest.mark.slow
def test_the_demo_makes_what_it_says_and_goes_on_from_there(tmp_path):
    printed = io.StringIO()
    report = run_demo(tmp_path / "demo", n_workers=2, console=Console(file=printed, width=200))
    assert len(report.footprints) == len(report.trajectories) == 6
    for path in [*report.footprints, *report.trajectories, *report.pictures]:
        assert path.stat().st_size > 0
    assert str(tmp_path / "demo") in printed.getvalue()
    assert "synthetic" in printed.getvalue()

    stamps = [path.stat().st_mtime_ns for path in report.footprints]
    again = run_demo(tmp_path / "demo", n_workers=2, console=Console(file=io.StringIO()))
    assert [path.stat().st_mtime_ns for path in again.footprints] == stamps
