"""Our transport beside stored runs of HYSPLIT; ``python -m benchmarks.parity`` does it in full."""

from pathlib import Path

import pytest

from benchmarks.parity import checks, ours
from benchmarks.parity.cases import Case
from benchmarks.parity.checks import Check

pytestmark = pytest.mark.parity

# HYSPLIT's single-precision heights stand still near the ground in these: see docs, "Parity".
STILL_NEAR_GROUND = {"basin day5m", "basin night10m"}
CHEAP = {"gdas042 leeward30m", "plains night30m"}


def all_met(check: Check) -> None:
    print(check.title, check.table.to_string(), *check.bars, sep="\n")
    missed = [bar for bar in check.bars if bar.verdict == "MISS"]
    assert not missed


def test_weather_at_hysplits_particles_is_hysplits(cases: list[Case], cache: Path) -> None:
    all_met(checks.point_check(cases, cache, rows=1000))


def test_mean_trajectories_are_hysplits(cases: list[Case], cache: Path) -> None:
    all_met(checks.mean_check([c for c in cases if str(c) not in STILL_NEAR_GROUND], cache))


def test_with_hysplits_own_heights_the_low_trajectories_agree_too(
    cases: list[Case], cache: Path
) -> None:
    low = [c for c in cases if str(c) in STILL_NEAR_GROUND]
    if not low:
        pytest.skip("the basin cases are not among the reference runs")
    table = checks.mean_check(low, cache).table
    assert (table["own heights %"] <= checks.DISTANCE_BAR).all()
    assert (table["height / bar"] <= 1.0).all()


@pytest.mark.timeout(1800)
def test_clouds_and_footprints_are_hysplits_within_its_noise(
    cases: list[Case], cache: Path
) -> None:
    """Two cases with two seeds of ours: enough to see that something broke."""
    chosen = [case for case in cases if str(case) in CHEAP]
    if not chosen:
        pytest.skip("neither of the cheap cases is among the reference runs")
    runs = {case: ours.ensembles(case, case.ensembles[0].count, (1, 2), cache) for case in chosen}
    clouds, _ = checks.cloud_check(runs)
    # So few seeds and ages that follow each other: one common fluctuation moves many of them.
    assert clouds.table["all"].min() > 75.0
    all_met(checks.footprint_check(runs))
    all_met(checks.total_check(runs))
