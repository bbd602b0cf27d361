"""Turbulence between two analyses, against what HYSPLIT printed at its particles' places."""

import jax.numpy as jnp
import numpy as np
import pytest

from stilt.meteorology.levels import internal_levels
from stilt.transport.interpolation import (
    AnalysisArrays,
    BracketingAnalyses,
    Geometry,
    Nodes,
    nearest_turbulence,
)

LEVELS = internal_levels(tuple(np.linspace(0.998, 0.025, 25)), 1, 25_000.0)


def between(sigma: tuple[dict, dict], depths: tuple[float, float], weight: float, **shape) -> float:
    """sigma_w of the level in the first of two dictionaries, at a node of both analyses."""
    (level, *_), _ = sigma
    geometry = Geometry(2, 2, False, 1, LEVELS, **shape)
    analyses = []
    for given in sigma:
        table = np.full((4, LEVELS.count, 2), 100.0, np.float32)
        table[:, :, 0] = 0.5
        for height, value in given.items():
            table[:, int(np.flatnonzero(LEVELS.heights_m == height)[0]), 0] = value
        nothing = jnp.zeros(0)
        analyses.append(AnalysisArrays(nothing, jnp.asarray(table.reshape(-1)), nothing, nothing))
    node = jnp.zeros(1, jnp.int32)
    nodes = Nodes(node, node, node, node, jnp.zeros(1), jnp.zeros(1), node)
    base = jnp.asarray([int(np.flatnonzero(LEVELS.heights_m == level)[0])], jnp.int32)
    found = nearest_turbulence(
        BracketingAnalyses(*analyses),
        nodes,
        jnp.asarray([weight], jnp.float32),
        base,
        tuple(jnp.asarray([depth], jnp.float32) for depth in depths),
        geometry=geometry,
        count=1,
    )
    return float(found[0, 0, 0])


@pytest.mark.parametrize(
    ("level", "sigma", "depths", "weight", "hysplit"),
    [
        (1300.0, (0.011, 0.981), (1232.4, 1465.6), 0.417, 0.633),
        (1725.0, (0.011, 0.990), (1682.2, 1854.1), 0.133, 0.362),
        (630.0, (0.520, 0.928), (675.4, 967.5), 0.617, 0.795),
        (935.0, (0.593, 1.014), (961.9, 1225.2), 0.767, 0.935),
    ],
)
def test_fixed_time_scales_average_variances_of_the_same_level(
    level, sigma, depths, weight, hysplit
) -> None:
    """VSCALES 50, VSCALEU 80; without them the third would be 0.856."""
    found = between(({level: sigma[0]}, {level: sigma[1]}), depths, weight, fixed_time_scale=True)
    assert found == pytest.approx(hysplit, abs=0.004)


def test_else_deviations_of_the_same_share_of_the_mixed_layer_are_averaged() -> None:
    """At 630 m the depth grows from 675 to 968 m: the first analysis gives its level at 385 m."""
    sigma = ({630.0: 0.520, 385.0: 0.739}, {630.0: 0.928})
    found = between(sigma, (675.4, 967.5), 0.617)
    assert found == pytest.approx(0.383 * 0.739 + 0.617 * 0.928, abs=1e-4)
