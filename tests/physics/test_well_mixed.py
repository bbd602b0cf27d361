"""Air that is well mixed stays so: the property without which no footprint is worth drawing.

Particles fill the air from the ground to well above the mixed layer in proportion to its density;
turbulence must not gather them anywhere.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare
from synthetic_weather import WIDE, Laboratory, analysis, inversion, per_level, release

from stilt.meteorology.columns import remap
from stilt.meteorology.prepare import levels_for

LAYERS = 20
SIGNIFICANCE = 0.01

CASES = {
    # surface fields, base of the stable air above, mixed-layer height, level up to which it is
    # mixed, top of the cloud
    "stable": ({"USTR": 0.3, "SHTF": -20.0}, 500.0, 400, 630.0, 935.0),
    "neutral": ({"USTR": 0.5, "SHTF": 0.0}, 1000.0, 1060, 1300.0, 1725.0),
    "convective": ({"USTR": 0.4, "SHTF": 200.0}, 1000.0, 1060, 1300.0, 1725.0),
}


@pytest.fixture
def lab(tmp_path: Path) -> Laboratory:
    return Laboratory(tmp_path, WIDE)


def p_value(heights: np.ndarray, edges: np.ndarray, shares: np.ndarray) -> float:
    """Chi-square of counts between edges (and of the rest) against expected shares."""
    counts = np.histogram(heights, edges)[0]
    counts = np.append(counts, len(heights) - counts.sum())
    expected = np.append(shares, 1.0 - shares.sum()) * len(heights)
    return float(chisquare(counts, expected).pvalue)


def uniform_cloud_later(
    lab: Laboratory, case: str, particles: int, minutes: int, **settings: object
) -> float:
    """Probability of the heights that a uniform cloud has later, if it is still uniform."""
    surface, base, depth, mixed_to, top = CASES[case]
    lab.weather(({"TEMP": inversion(base)}, surface))
    parts = max(1, particles // 10_000)
    starts = [
        np.random.default_rng(seed).uniform(0.0, top, particles // parts) for seed in range(parts)
    ]
    tables = lab.run(
        [release(start, key=seed + 1) for seed, start in enumerate(starts)],
        n_hours=-1, numpar=particles // parts, kmixd=depth, outdt=minutes, **settings,
    )  # fmt: skip
    end = np.concatenate([t.loc[t["time"] == -minutes, "zagl"].to_numpy() for t in tables])
    edges = np.linspace(0.0, mixed_to, LAYERS + 1)
    shares = np.full(LAYERS, mixed_to / LAYERS / top)
    found = p_value(end, edges, shares)
    print(f"{case}: chi-square p = {found:.3f} for {len(end)} particles on {LAYERS} layers")
    assert p_value(np.concatenate(starts), edges, shares) > SIGNIFICANCE
    assert len(end) == particles
    return found


@pytest.mark.parametrize("case", CASES)
def test_uniform_cloud_stays_uniform(lab: Laboratory, case: str) -> None:
    assert uniform_cloud_later(lab, case, particles=10_000, minutes=30) > SIGNIFICANCE


LONG_INTERVALS = {"particles": 40_000, "minutes": 60, "tlfrac": 1.0}


@pytest.mark.parametrize("case", CASES)
def test_long_intervals_between_langevin_updates_gather_nothing_about_layer_interfaces(
    lab: Laboratory, case: str
) -> None:
    assert uniform_cloud_later(lab, case, **LONG_INTERVALS) > SIGNIFICANCE


def test_updates_at_layer_interfaces_gather_particles_there_as_in_hysplit(lab: Laboratory) -> None:
    found = uniform_cloud_later(lab, "convective", **LONG_INTERVALS, hysplit_layer_update=True)
    assert found < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_uniform_cloud_of_a_hundred_thousand_stays_uniform(lab: Laboratory, case: str) -> None:
    assert uniform_cloud_later(lab, case, particles=100_000, minutes=60) > SIGNIFICANCE


def day(hour: float) -> dict[str, float]:
    """Surface of a fair day: the mixed layer grows from 200 to 1500 m and collapses."""
    sun = max(0.0, np.sin(np.pi * (hour - 6.0) / 12.0))
    return {
        "USTR": 0.15 + 0.35 * sun,
        "SHTF": -15.0 + 265.0 * sun,
        "PBLH": 200.0 + 1300.0 * sun,
    }


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_whole_day_leaves_air_of_real_density_well_mixed(lab: Laboratory) -> None:
    """A layer's air has the density of its lower level: that is the state that must last."""
    levels = levels_for(WIDE, 25_000.0)
    input_heights = np.array(WIDE.levels)
    upper = {"PRES": per_level(1000.0 * np.exp(-input_heights / 8500.0)), "TEMP": 290.0}
    ground = {"T02M": 290.0}
    lab.weather(*[(upper, {**ground, **day(hour)}) for hour in range(26)], step_h=1.0)
    columns = remap(analysis(lab.refs[0].time, upper, {**ground, **day(0)}, WIDE), levels)
    bounds = np.append(0.0, levels.heights_m[1:11])
    density = columns.dry_density[:10, 10, 10]
    mass = np.append(0.0, np.cumsum(density * np.diff(bounds)))

    def share_below(height: np.ndarray) -> np.ndarray:
        return np.interp(height, bounds, mass) / mass[-1]

    rng = np.random.default_rng(3)
    particles = 4_000
    releases = [
        release(
            np.interp(rng.uniform(0.0, mass[-1], particles), mass, bounds),
            key=key,
            time=lab.refs[24].time,
        )
        for key in range(1, 26)
    ]
    tables = lab.run(releases, n_hours=-24, numpar=particles, kmixd=0, outdt=360)
    edges = np.linspace(0.0, 2210.0, LAYERS + 1)
    for age in (-360.0, -720.0, -1080.0, -1440.0):
        z = np.concatenate([t.loc[t["time"] == age, "zagl"].to_numpy() for t in tables])
        found = p_value(z, edges, np.diff(share_below(edges)))
        print(f"age {age:.0f} min: chi-square p = {found:.3f} for {len(z)} particles")
        assert len(z) == 25 * particles
        assert found > SIGNIFICANCE


def test_cloud_from_the_ground_fills_the_layer_up_to_the_next_level(lab: Laboratory) -> None:
    """Mixing ends at the first internal level above the mixed-layer height, here 1300 m."""
    lab.weather(({"TEMP": inversion(1000.0)}, {}))
    table = lab.run(release(5.0), n_hours=-6, numpar=400, kmixd=1060)[0]
    late = table[table["time"] <= -180]
    heights = late["zagl"].to_numpy()
    below = heights[heights < 1300.0]
    assert len(below) > 0.95 * len(heights)
    assert below.mean() == pytest.approx(650.0, rel=0.03)
    per_minute = late["foot"].mean() * len(heights) / len(below)
    density = late["dens"].mean()
    assert per_minute == pytest.approx(0.02884 * 60.0 / (density * 1300.0), rel=0.05)
