"""Derivatives beside central differences of the same particles, on the reference weather."""

import numpy as np
import pytest

from benchmarks.parity.error_runs import basin_cases
from benchmarks.sensitivities import compare

pytestmark = [
    pytest.mark.parity,
    pytest.mark.timeout(1800),
    # A single seed may be rough over the usual steps.
    pytest.mark.filterwarnings("ignore:Paths of particles are too rough"),
]
SMOOTH = ("wind", "direction")


@pytest.mark.parametrize(
    ("name", "parameters", "seeds"),
    [
        ("night10m", ("mixed_layer", "wind", "direction", "turbulence"), (1, 2, 3)),
        ("day5m", SMOOTH, (1,)),
        ("tower300m", SMOOTH, (1,)),
    ],
)
def test_derivatives_are_central_differences(name, parameters, seeds):
    cases = basin_cases([name])
    if not cases:
        pytest.skip("the reference weather basin is not there")
    found = compare(cases[0], seeds, parameters)
    assert_derivative_is(found, "finite_difference", "difference_noise")


@pytest.mark.parametrize("name", ["night10m", "day5m", "tower300m"])
def test_derivatives_are_the_limit_of_central_differences(name):
    cases = basin_cases([name])
    if not cases:
        pytest.skip("the reference weather basin is not there")
    found = compare(cases[0], (1,))
    assert_derivative_is(found, "check", "check_noise")
    assert (np.abs(found["derivative"] / found["check"] - 1.0) < 0.01).all(), found


def assert_derivative_is(found, difference, noise):
    apart = np.abs(found["derivative"] - found[difference])
    assert (apart < 0.05 * np.abs(found[difference])).all(), found
    assert (apart < 3.0 * found[noise]).all(), found
