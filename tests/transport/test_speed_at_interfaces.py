"""Speeds at layer interfaces are renewed in part, and stay those of particles in well-mixed air."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest, rayleigh

from stilt.transport.dispersion import speed_after_interface

SIGMA = 0.7
COUNT = 200_000


def arriving(memory: float, times: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Speeds with which particles reach an interface, before and after some updates there."""
    keys = jax.random.split(jax.random.key(1), 1 + 2 * times)
    uniform = jax.random.uniform(keys[0], (COUNT,), minval=1e-7)
    before = speed = SIGMA * jnp.sqrt(-2.0 * jnp.log(uniform))
    noise = SIGMA * np.sqrt(1.0 - memory**2)
    for number, (normal, accepting) in enumerate(zip(keys[1::2], keys[2::2], strict=True)):
        w = speed if number % 2 else -speed
        updated = memory * w + noise * jax.random.normal(normal, (COUNT,))
        speed = speed_after_interface(w, updated, jax.random.uniform(accepting, (COUNT,)))
    return np.asarray(before), np.asarray(speed)


@pytest.mark.parametrize("memory", [0.0, 0.37, 0.9])
def test_speeds_of_particles_that_arrive_in_well_mixed_air_keep_their_distribution(
    memory: float,
) -> None:
    before, after = arriving(memory, times=3)
    assert kstest(before, rayleigh(scale=SIGMA).cdf).pvalue > 0.001
    assert kstest(after, rayleigh(scale=SIGMA).cdf).pvalue > 0.001
    # The plain update would make them those of all particles in the layer, slower by a fifth.
    assert after.mean() == pytest.approx(SIGMA * np.sqrt(np.pi / 2.0), rel=0.005)


def test_most_speeds_are_renewed() -> None:
    before, after = arriving(memory=0.9)
    assert 0.8 < (before != after).mean() < 1.0


def test_a_speed_that_is_remembered_whole_stays() -> None:
    before, after = arriving(memory=1.0)
    np.testing.assert_array_equal(before, after)
