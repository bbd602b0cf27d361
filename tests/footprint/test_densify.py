"""Extra rows in the first 100 minutes."""

import numpy as np
import pytest

from stilt.footprint.densify import WINDOWS, densify, needs_densifying
from stilt.footprint.steps import ParticleSteps


def steps_of(particles: int = 4, minutes: int = 150, sign: int = -1, every: int = 1):
    rng = np.random.default_rng(0)
    time = np.repeat(np.arange(1.0, minutes + 1, every), particles)
    n = time.size
    return ParticleSteps(
        sign * time,
        np.tile(np.arange(1, particles + 1), n // particles),
        0.03 * time,
        -0.02 * time,
        rng.gamma(1.0, 1e-3, n),
    )


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("every", [1, 2, 7])
def test_window_totals_are_kept(sign: int, every: int) -> None:
    before = steps_of(sign=sign, every=every)
    after = densify(before)
    for low, high in WINDOWS:
        totals = [
            s.foot[(np.abs(s.time_min) > low) & (np.abs(s.time_min) <= high)].sum()
            for s in (before, after)
        ]
        assert totals[1] == pytest.approx(totals[0], rel=1e-12)
    assert after.foot.sum() == pytest.approx(before.foot.sum(), rel=1e-12)


def test_rows_lie_on_the_path_and_within_the_particles_own_time() -> None:
    before = steps_of()
    after = densify(before)
    np.testing.assert_allclose(after.x, 0.03 * np.abs(after.time_min), atol=1e-12)
    assert np.abs(after.time_min).min() == 1.0
    assert np.abs(after.time_min).max() == 150.0
    # one row per time: 1 to 10 by 0.1, to 20 by 0.2, to 100 by 0.5, to 150 by 1
    assert len(after) == 4 * (91 + 50 + 160 + 50)
    assert len(np.unique(np.column_stack([after.time_min, after.particle]), axis=0)) == len(after)


def test_steps_longer_than_a_cell_ask_for_it() -> None:
    steps = steps_of()  # of 0.03 and 0.02
    assert needs_densifying(steps, 0.02999, 1.0)
    assert needs_densifying(steps, 1.0, 0.01999)
    assert not needs_densifying(steps, 0.03001, 0.02001)
    assert not needs_densifying(steps.take(steps.time_min == -1.0), 0.001, 0.001)
