"""Mean vertical motion comes in whole steps of a single-precision sigma, as in HYSPLIT."""

import jax.numpy as jnp
import numpy as np
import pytest

from stilt.meteorology.levels import InternalLevels
from stilt.transport.advection import _rise_in_sigma

LEVELS = InternalLevels(30.0, -25.0, 5.0, 30, 25_000.0)
# Sigma lies between one half and one: 24 bits of it are 2^-24 of the model top, 1.49 mm.
STEP_M = 25_000.0 * 2.0**-24


def rise(z: float, motion_m: float) -> float:
    z_m, moved = jnp.asarray([z], jnp.float32), jnp.asarray([motion_m], jnp.float32)
    return float(_rise_in_sigma(LEVELS, z_m, moved, moved)[0])


@pytest.mark.parametrize("z", [3.0, 5.0, 10.0, 400.0])
def test_still_air_moves_nothing_and_slow_air_less_than_a_step(z: float) -> None:
    assert rise(z, 0.0) == 0.0
    # From an odd sigma the sum may round by one step; it then stays there.
    assert abs(rise(z, 0.9 * STEP_M)) <= STEP_M * 1.001


@pytest.mark.parametrize("sign", [1, -1])
def test_motions_are_whole_numbers_of_steps(sign: int) -> None:
    found = np.array([rise(5.0, sign * n * STEP_M) for n in np.arange(0.1, 9.0, 0.37)])
    steps = found / STEP_M
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
    assert (np.diff(sign * found) >= 0.0).all()


@pytest.mark.parametrize("motion_m", [-60.0, -1.0, 1.0, 60.0])
def test_larger_motions_are_what_the_wind_says(motion_m: float) -> None:
    assert rise(500.0, motion_m) == pytest.approx(motion_m, abs=1.1 * STEP_M)
