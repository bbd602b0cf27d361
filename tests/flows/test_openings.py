"""How often a run of one receptor opens the index and parses config.yaml."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pytest
import yaml

from stilt.model import Model

RECEPTOR = "time,longitude,latitude,altitude\n2023-07-15 18:00,-111.85,40.77,30\n"
TWO = RECEPTOR + "2023-07-15 19:00,-111.85,40.77,30\n"
MOST_OPENINGS = 5

# Imported by every Python process before anything else.
NOTING = """
import os
import duckdb, yaml

def noted(module, name):
    function = getattr(module, name)
    def call(*arguments, **options):
        with open(os.environ["NOTED"], "a") as file:
            file.write(f"{os.getpid()} {name}\\n")
        return function(*arguments, **options)
    setattr(module, name, call)

noted(duckdb, "connect")
noted(yaml, "compose")
"""


@pytest.fixture
def noted_run(api: str, tmp_path: Path):
    """Run the command line and count calls by process: its own, and all others together."""
    (tmp_path / "noting").mkdir()
    (tmp_path / "noting" / "sitecustomize.py").write_text(NOTING)
    path = os.pathsep.join([str(tmp_path / "noting"), *filter(None, sys.path)])
    file = tmp_path / "noted"

    def run(*arguments: object) -> tuple[Counter[str], Counter[str]]:
        file.write_text("")
        command = [sys.executable, "-m", "stilt", "run", *map(str, arguments)]
        variables = {**os.environ, "PYTHONPATH": path, "NOTED": str(file)}
        process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL)
        assert process.wait(300) == 0
        calls = [line.split() for line in file.read_text().splitlines()]
        own = Counter(name for pid, name in calls if int(pid) == process.pid)
        return own, Counter(name for pid, name in calls if int(pid) != process.pid)

    return run


def test_a_command_parses_once_and_opens_the_index_a_few_times(noted_run, new_project) -> None:
    own, others = noted_run(new_project("one", RECEPTOR))
    assert own["compose"] == 1
    assert 0 < own["connect"] <= MOST_OPENINGS
    assert not others


def test_workers_neither_parse_nor_open(noted_run, new_project) -> None:
    own, others = noted_run(new_project("two", TWO), "--n-workers", 2)
    assert own["compose"] == 1
    # Each of the two batches may be recorded when it has ended.
    assert 0 < own["connect"] <= MOST_OPENINGS + 1
    assert not others


def test_a_run_in_python_parses_once_and_opens_the_index_a_few_times(
    api: str, new_project, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()

    def note(module, name: str) -> None:
        function = getattr(module, name)

        def call(*arguments, **options):
            calls[name] += 1
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, call)

    note(duckdb, "connect")
    note(yaml, "compose")
    model = Model(project=new_project("cell", RECEPTOR))
    run = model.run()
    assert run.counts["complete"] == 1
    assert calls["compose"] == 1
    assert 0 < calls["connect"] <= MOST_OPENINGS
    calls.clear()
    assert model.run(skip_existing=False).counts["complete"] == 1
    assert calls["compose"] == 0
    assert 0 < calls["connect"] <= MOST_OPENINGS
