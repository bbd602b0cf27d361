"""Transport error of an enhancement beside HYSPLIT's, which the test runs: some ten minutes.

STILT_HYSPLIT_PYTHON=~/hysplit/bin/python make test-parity ARGS=tests/parity/test_error_runs.py
"""

import os
from pathlib import Path

import pytest

from benchmarks.parity.error_runs import basin_cases, error_check, run_hysplit

pytestmark = [pytest.mark.parity, pytest.mark.timeout(3600)]


def test_transport_errors_are_hysplits(tmp_path: Path, cache: Path) -> None:
    python = os.environ.get("STILT_HYSPLIT_PYTHON")
    if not python:
        pytest.skip("STILT_HYSPLIT_PYTHON does not name a Python that has pystilt")
    cases = basin_cases()
    if not cases:
        pytest.skip("the reference weather basin is not there")
    seeds = (1, 2, 3, 4)
    for case in cases:
        run_hysplit(Path(python).absolute(), case, seeds, tmp_path)
    check = error_check(cases, seeds, tmp_path, cache)
    print(check.table.to_string())
    assert [bar.verdict for bar in check.bars] == ["pass"]
