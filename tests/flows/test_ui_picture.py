"""The interface of a real server, opened by a real browser on a run that has ended."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(
    not any(map(shutil.which, BROWSERS)), reason="no Chromium here: apt-get install chromium"
)
def test_the_interface_shows_a_run_as_people_know_it(tmp_path: Path) -> None:
    command = [sys.executable, "docs/ui_picture.py", "--output", tmp_path, "--html", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("prefect-flow-run", "prefect-summary"):
        picture = (tmp_path / f"{name}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) > 20_000, "a blank page is smaller"
    page = (tmp_path / "prefect-flow-run.html").read_text()
    for text in ("Completed", "valley", "6 Task runs", "project:valley", "met:demo",
                 "1 of 1 simulations complete"):  # fmt: skip
        assert text in page, text
    summary = (tmp_path / "prefect-summary.html").read_text()
    assert "6 of 6 simulations complete" in summary
    assert "Mean of 6 footprints" in summary
    assert 'src="data:image/png;base64,' in summary
