"""Derivatives beside central differences of the same particles, on the reference weather."""

import numpy as np
import pytest

from benchmarks.parity.error_runs import basin_cases
from benchmarks.sensitivities import compare

pytestmark = [pytest.mark.parity, pytest.mark.timeout(1800)]
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
    apart = np.abs(found["derivative"] - found["finite_difference"])
    assert (apart < 0.05 * np.abs(found["finite_difference"])).all(), found
    assert (apart < 3.0 * found["difference_noise"]).all(), found
