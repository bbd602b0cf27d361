"""Comparisons with HYSPLIT that have little or nothing to compare: zero and tiny footprints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.parity import checks, figures, ours
from benchmarks.parity.cases import CELL_DEG, Case, Ensemble, cell_sums
from benchmarks.parity.checks import CANNOT_TELL

COUNT = 500


def ensemble(
    seed: int, spread_deg: float, foot: float = 0.01, shift_deg: float = 0.0, count: int = COUNT
) -> Ensemble:
    """Particles in a cloud of this spread around the middle of a cell of 0.1 degree, at one age."""
    rng = np.random.default_rng(seed)
    lon = rng.normal(10.05 + shift_deg, spread_deg, count)
    lat = rng.normal(45.05, spread_deg, count)
    zagl = rng.normal(400.0, 20.0, count)
    rows = pd.DataFrame({"age": -60.0, "lon": lon, "lat": lat, "zagl": zagl, "foot": foot})
    rows["samt"] = float(foot > 0.0)
    return Ensemble(count, rows, cell_sums(rows))


def case(name: str, theirs: list[Ensemble]) -> Case:
    made = Case("demo", Path(), name, "2024-06-01 01:00", 10.05, 45.05, 10.0, -1)
    # A cached property, as if read from files.
    made.__dict__["ensembles"] = theirs
    return made


def ensembles(first_seed: int, number: int = 4, **cloud: float) -> list[Ensemble]:
    return [ensemble(seed, **cloud) for seed in range(first_seed, first_seed + number)]


def verdicts(check: checks.Check) -> list[str]:
    return [bar.verdict for bar in check.bars]


def test_a_case_without_a_footprint_in_either_program_cannot_tell(tmp_path: Path) -> None:
    aloft = {"spread_deg": 0.02, "foot": 0.0}
    runs = {case("aloft", ensembles(1, **aloft)): ensembles(11, **aloft)}
    assert verdicts(checks.footprint_check(runs)) == [CANNOT_TELL]
    assert verdicts(checks.total_check(runs)) == [CANNOT_TELL, CANNOT_TELL]
    assert figures.draw(runs, tmp_path) == []


def test_a_case_that_cannot_tell_is_named_and_the_others_decide() -> None:
    aloft, wide = {"spread_deg": 0.02, "foot": 0.0}, {"spread_deg": 0.5}
    runs = {
        case("aloft", ensembles(1, **aloft)): ensembles(11, **aloft),
        case("wide", ensembles(21, **wide)): ensembles(31, **wide),
    }
    for check in (checks.footprint_check(runs), checks.total_check(runs)):
        assert verdicts(check)[0] == "pass"
        assert "cannot tell: demo aloft" in check.bars[0].found
    runs[case("apart", ensembles(21, **wide))] = ensembles(31, **wide, shift_deg=1.0)
    assert verdicts(checks.footprint_check(runs)) == ["MISS"]


@pytest.mark.parametrize("of_whom", ["HYSPLIT", "ours"])
def test_a_footprint_of_one_program_alone_is_missed(of_whom: str) -> None:
    some, none = ensembles(1, spread_deg=0.5), ensembles(11, spread_deg=0.5, foot=0.0)
    theirs, mine = (some, none) if of_whom == "HYSPLIT" else (none, some)
    assert verdicts(checks.total_check({case("one", theirs): mine}))[0] == "MISS"


@pytest.mark.parametrize("spread_deg", [0.008, 0.002])
def test_a_footprint_in_one_cell_is_compared_on_finer_ones(spread_deg: float) -> None:
    theirs = ensembles(1, spread_deg=spread_deg)
    assert all(len(field.footprint(CELL_DEG)) == 1 for field in theirs)
    same = checks.footprint_check({case("small", theirs): ensembles(11, spread_deg=spread_deg)})
    assert same.table["cell deg"].item() < CELL_DEG
    assert verdicts(same) == ["pass"]
    mine = ensembles(11, spread_deg=spread_deg, shift_deg=spread_deg)
    assert verdicts(checks.footprint_check({case("small", theirs): mine})) == ["MISS"]


def test_places_on_finer_cells_are_rounded_as_hysplits_files_are() -> None:
    rng = np.random.default_rng(1)
    exact = pd.DataFrame(rng.uniform(-179.9, -179.8, (2000, 2)), columns=["lon", "lat"])
    exact["samt"] = 1.0
    printed = exact.round(4).astype(np.float32)
    pd.testing.assert_series_equal(
        *(cell_sums(rows, 0.001, of="samt").astype(float) for rows in (exact, printed))
    )


def test_a_footprint_in_one_of_the_finest_cells_cannot_tell() -> None:
    tiny = {"spread_deg": 1e-5}
    check = checks.footprint_check({case("tiny", ensembles(1, **tiny)): ensembles(11, **tiny)})
    assert verdicts(check) == [CANNOT_TELL]


def test_clouds_of_a_few_particles_cannot_tell() -> None:
    few = {"spread_deg": 0.1, "count": 5}
    check, details = checks.cloud_check({case("few", ensembles(1, **few)): ensembles(11, **few)})
    assert verdicts(check) == [CANNOT_TELL]
    assert details.empty


def test_ensembles_of_several_sizes_count_by_their_particles() -> None:
    """The difference in standard errors has a variance of one, whatever the sizes."""
    rng = np.random.default_rng(3)
    sizes = (40, 40, 640)
    zs = []
    for _ in range(300):
        theirs, own = ([rng.normal(0.0, 3.0, size) for size in sizes] for _ in range(2))
        zs.append(checks._difference(theirs, own, "mean", "zagl")[0])
    assert np.std(zs) == pytest.approx(1.0, rel=0.15)


def test_a_field_that_is_zero_everywhere_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the sea the terrain is zero everywhere; a relative difference does not exist."""
    sea = ensemble(1, spread_deg=0.1)
    for name in ours.POINT_COLUMNS:
        sea.particles[name] = 0.0 if name == "zsfc" else 1.0
    made = case("sea", [sea])
    made.__dict__["mean"] = None
    monkeypatch.setattr(ours, "points", lambda case, rows, cache: rows[[*ours.POINT_COLUMNS]])
    found = dict(zip(ours.POINT_COLUMNS, checks.point_check([made], Path()).bars, strict=True))
    assert found.pop("zsfc").verdict == CANNOT_TELL
    assert {bar.verdict for bar in found.values()} == {"pass"}
