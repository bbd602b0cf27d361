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
    picture = tmp_path / "picture.png"
    command = [sys.executable, "docs/ui_picture.py", "--output", picture, "--text", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000, "a blank page is smaller"
    page = (tmp_path / "flow-run.html").read_text()
    for text in ("Completed", "valley", "6 of 6 simulations complete", "project:valley",
                 "demo_202307152100_-112.6_40.2_10"):  # fmt: skip
        assert text in page, text
    summary = (tmp_path / "summary.html").read_text()
    assert "Mean of 6 footprints" in summary
    assert 'src="data:image/png;base64,' in summary
