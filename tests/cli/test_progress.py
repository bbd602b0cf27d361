"""What a run shows while it goes on."""

import os
import pty
import re
import subprocess
import sys

import pytest

from stilt.cli import progress
from stilt.cli.pace import Pace, duration_text, rate_text
from stilt.execution.observing import Tally


def test_the_rate_is_that_of_the_last_minutes() -> None:
    pace = Pace()
    pace.note(0.0, 0.0)
    assert pace.per_minute() is None
    pace.note(60.0, 1.0)  # compiling
    for minute in range(2, 12):
        pace.note(60.0 * minute, 1.0 + 10.0 * (minute - 1))
    assert pace.per_minute() == pytest.approx(10.0)
    assert pace.left_s(151.0) == pytest.approx(300.0)


def test_nothing_is_promised_while_nothing_moves() -> None:
    pace = Pace()
    for second in range(0, 40, 10):
        pace.note(float(second), 0.0)
    assert pace.per_minute() is None
    assert pace.left_s(10.0) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.2, "3 s"), (59.0, "59 s"), (90.0, "2 min"), (3600.0, "1 h 00 min"), (7830, "2 h 10 min")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_rates_have_a_unit_that_suits_them() -> None:
    assert rate_text(0.25, "receptors") == "15.0 receptors/h"
    assert rate_text(12.34, "receptors") == "12.3 receptors/min"
    assert rate_text(2512.0, "receptors") == "2,512 receptors/min"


def test_the_state_is_told() -> None:
    assert progress.state_of(Tally(4)) == progress.PREPARING
    assert progress.state_of(Tally(4, 0.5)) == progress.COMPUTING
    assert progress.state_of(Tally(4, 4.0)) == progress.RECORDING


class Plan:
    sim_ids = ("toy_202301011200_-111.85_40.77_5", "toy_202301011300_-111.85_40.77_5")
    n_registered = 2


def test_lines_tell_counts_and_then_the_pace(monkeypatch) -> None:
    said: list[str] = []
    now = 1000.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    shown = progress.RunProgress(None, said.append)
    shown.planned(Plan())
    shown.progressed(Tally(2, 0.0, running=1))
    now += 30.0
    shown.progressed(Tally(2, 1.0, running=1))
    assert said[0] == "Workers launched. Waiting for completion..."
    assert said[-2] == "Progress: total=2  ended=1  running=1  pending=0  failed=0"
    assert said[-1] == "Pace: 2 receptors/min, 30 s left; computing"


SHOW = """
import time
from stilt.cli.progress import RunProgress
from stilt.execution.observing import Tally
class Plan:
    sim_ids = ("toy_202301011200_-111.85_40.77_5", "toy_202301011300_-111.85_40.77_5")
    n_registered = 2
with RunProgress(None, print) as shown:
    shown.planned(Plan())
    for done in (0.0, 1.0, 2.0):
        shown.progressed(Tally(2, done, running=1, failed=int(done > 0)))
        time.sleep(0.3)
"""


def in_a_terminal(**variables: str) -> str:
    """Run SHOW with a terminal as its output; return what the terminal got."""
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    environment |= {"TERM": "xterm-256color", "COLUMNS": "120", **variables}
    done = subprocess.Popen(
        [sys.executable, "-c", SHOW], stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    got = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        got += part
    os.close(ours)
    assert done.wait() == 0, got
    return got.decode()


COLOUR = re.compile(r"\x1b\[[\d;]*(?:3[0-7]|38;|9[0-7])[\d;]*m")


def test_a_terminal_shows_a_bar_in_colours_unless_told_not_to() -> None:
    shown = in_a_terminal()
    assert "2/2 receptors" in shown
    assert "1 failed" in shown
    assert progress.PREPARING in shown
    assert progress.RECORDING in shown
    assert COLOUR.search(shown)
    plain = in_a_terminal(NO_COLOR="1")
    assert "2/2 receptors" in plain
    assert not COLOUR.search(plain)
