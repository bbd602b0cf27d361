"""Totals of further HYSPLIT ensembles: whose they are, and what they say of a difference."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.parity import checks
from benchmarks.parity.cases import Case, Ensemble, Total
from benchmarks.parity.totals import FILE, add_total, further_totals
from stilt.demo.synthetic_fields import DemoWeather
from stilt.meteorology.writer import write_arl

TIME = np.datetime64("2024-06-01T00:00")


def written(folder: Path, start: np.datetime64 = TIME) -> Path:
    """A folder with an hour of weather."""
    weather = DemoWeather()
    (folder / "met").mkdir(parents=True)
    hours = start + np.arange(2) * np.timedelta64(1, "h")
    write_arl(folder / "met" / "file", weather.grid, [weather.analysis(time) for time in hours])
    return folder


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = written(tmp_path_factory.mktemp("weather"))
    return Case("demo", folder, "low", "2024-06-01 01:00", -111.0, 40.0, 10.0, -1)


def test_a_total_counts_for_the_same_receptor_in_the_same_weather_only(
    case: Case, tmp_path: Path
) -> None:
    file = tmp_path / "totals.csv"
    assert further_totals(case, file) == []
    add_total(case, 401, Total(1000, 0.25), file)
    add_total(case, 402, Total(500, 1 / 3), file)
    found = further_totals(case, file)
    assert [total.particles for total in found] == [1000, 500]
    assert found[1].per_particle == pytest.approx(1 / 3, rel=1e-8)
    copied = replace(case, weather="another name", folder=written(tmp_path / "copied"))
    assert further_totals(copied, file) == found
    later = written(tmp_path / "later", TIME + np.timedelta64(1, "h"))
    for other in (
        replace(case, name="high"),
        replace(case, alt=20.0),
        replace(case, hours=-2),
        replace(case, folder=later),
    ):
        assert further_totals(other, file) == []


def test_every_seed_of_hysplit_counts_once() -> None:
    with FILE.open(newline="") as text:
        rows = list(csv.DictReader(text))
    assert len(rows) >= 100
    assert len({(row["weather"], row["name"], row["seed"]) for row in rows}) == len(rows)
    assert all(float(row["total"]) >= 0.0 and int(row["particles"]) > 0 for row in rows)


def ensembles(totals: list[Total]) -> list[Ensemble]:
    return [
        Ensemble(t.particles, pd.DataFrame(), pd.Series([t.per_particle * t.particles]))
        for t in totals
    ]


def test_the_standard_error_is_that_of_all_particles() -> None:
    """Ensembles of two sizes: the mean's error comes out as the error of that many particles."""
    rng = np.random.default_rng(5)
    sizes = [50] * 8 + [400] * 8
    means, errors = [], []
    for _ in range(400):
        totals = [Total(size, float(rng.exponential(2.0, size).mean())) for size in sizes]
        mean, error = checks.mean_total(totals)
        means.append(mean)
        errors.append(error)
    true = 2.0 / np.sqrt(sum(sizes))
    assert np.std(means) == pytest.approx(true, rel=0.15)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(true, rel=0.1)


def test_further_totals_decide_what_few_ensembles_leave_open(case: Case) -> None:
    rng = np.random.default_rng(6)

    def some(number: int, scale: float) -> list[Total]:
        return [Total(1000, scale * float(rng.normal(1.0, 0.3))) for _ in range(number)]

    known = replace(case)
    # A cached property, as if read from files.
    known.__dict__["ensembles"] = ensembles([Total(1000, value) for value in (1.6, 0.9, 1.3)])
    mine = {known: ensembles(some(16, 1.0))}
    assert checks.total_check(mine).bars[0].verdict == "open"
    decided = checks.total_check(mine, {known: (some(1000, 1.0), some(1000, 1.0))})
    assert decided.bars[0].verdict == "pass"
    assert decided.table.loc[str(known), "HYSPLIT's particles"] == 1_003_000
    different = checks.total_check(mine, {known: (some(1000, 1.0), some(1000, 1.15))})
    assert different.bars[0].verdict == "MISS"
