"""Our transport beside stored runs of HYSPLIT; ``python -m benchmarks.parity`` does it in full."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.parity import checks, ours
from benchmarks.parity.cases import Case
from benchmarks.parity.checks import Check

pytestmark = [
    pytest.mark.parity,
    pytest.mark.parametrize("weather", ["hrrr", "gdas042", "basin", "plains", "south"]),
]

# HYSPLIT's single-precision heights stand still near the ground in these: see docs, "Parity".
STILL_NEAR_GROUND = {"basin day5m", "basin night10m"}
# Cases with ensembles that take seconds.
CHEAP = {
    "hrrr valley35m",
    "hrrr lake10m",
    "hrrr bench400m",
    "hrrr west30m",
    "gdas042 leeward30m",
    "basin night10m",
    "plains night30m",
    "south far500m",
}

CasesOf = Callable[[str], list[Case]]


def all_met(check: Check) -> None:
    print(check.title, check.table.to_string(), *check.bars, sep="\n")
    missed = [bar for bar in check.bars if bar.verdict == "MISS"]
    assert not missed


def test_weather_at_hysplits_particles_is_hysplits(
    cases_of: CasesOf, weather: str, cache: Path
) -> None:
    all_met(checks.point_check(cases_of(weather), cache, rows=1000))


def test_mean_trajectories_are_hysplits(cases_of: CasesOf, weather: str, cache: Path) -> None:
    cases = cases_of(weather)
    all_met(checks.mean_check([c for c in cases if str(c) not in STILL_NEAR_GROUND], cache))
    if low := [c for c in cases if str(c) in STILL_NEAR_GROUND]:
        table = checks.mean_check(low, cache).table
        assert (table["own heights %"] <= checks.DISTANCE_BAR).all()
        assert (table["height / bar"] <= 1.0).all()


@pytest.mark.timeout(1800)
def test_clouds_and_footprints_are_hysplits_within_its_noise(
    cases_of: CasesOf, weather: str, cache: Path
) -> None:
    """A case or more with two seeds of ours: enough to see that something broke."""
    runs = {
        case: ours.ensembles(case, (1, 2), cache)
        for case in cases_of(weather)
        if str(case) in CHEAP
    }
    if not runs:
        pytest.skip(f"none of the cheap cases of {weather} is among the reference runs")
    clouds, _ = checks.cloud_check(runs)
    # So few seeds and ages that follow each other: one common fluctuation moves many of them.
    assert clouds.table["all"].min() > 75.0
    all_met(checks.footprint_check(runs))
    all_met(checks.total_check(runs))
