"""Transport under scaled meteorology, and its derivative."""

import jax.numpy as jnp
import numpy as np
import pytest

from stilt.errors import UsageError
from stilt.meteorology.levels import InternalLevels
from stilt.transport.interpolation import WINDOW_LEVELS, level_height
from stilt.transport.perturbed import PARAMETERS, REFERENCE, release_for
from stilt.transport.scales import Scales
from stilt.transport.smooth_flight import density_gradient
from tests.support.synthetic_weather import WIDE, Laboratory, model_config, release

WINDS = {"UWND": 6.0, "VWND": 2.0}
TEN_METRE = {"U10M": 3.0, "V10M": 1.0}


def released(lab, count=200, height=100.0, **changes):
    config = model_config(numpar=count, hnf_plume=False, kmix0=100, **changes)
    return release_for(
        release(height), lab.refs, config, cache_dir=lab.folder / "prepared", met="lab"
    )


def followed(particles, values=REFERENCE, derivative=()):
    """Rows of all minutes, and their derivatives along the parameters."""
    parts = list(particles.run(values, derivative))
    rows = [np.concatenate(leaf) for leaf in zip(*(part.rows for part in parts), strict=True)]
    changes = None
    if derivative:
        changes = [
            np.concatenate(leaf, axis=1)
            for leaf in zip(*(part.change for part in parts), strict=True)
        ]
    return rows, changes


def moved(name, by):
    values = list(REFERENCE)
    values[PARAMETERS.index(name)] += by
    return tuple(values)


@pytest.fixture(scope="module")
def even(tmp_path_factory):
    """Weather that is the same everywhere."""
    return Laboratory(tmp_path_factory.mktemp("even"), WIDE).weather((WINDS, TEN_METRE))


@pytest.fixture(scope="module")
def run(even):
    """Particles in it, their rows, and derivatives along all parameters."""
    particles = released(even)
    return particles, *followed(particles, derivative=PARAMETERS)


def test_where_winds_are_even_ways_are_linear_in_them(run):
    particles, (x, y, foot), (dx, dy, dfoot) = run
    wind, direction = PARAMETERS.index("wind"), PARAMETERS.index("direction")
    (faster_x, faster_y, same), _ = followed(particles, moved("wind", 0.5))
    # Rounding, which random flights enlarge, makes a few particles go another way.
    assert same.sum() == pytest.approx(foot.sum(), rel=2e-3)
    assert np.median(np.abs(dfoot[wind].sum(0))) < 1e-3 * foot.sum(0).mean()
    assert np.median(np.abs(faster_x - x - 0.5 * dx[wind])) < 1e-6
    assert np.median(np.abs(faster_y - y - 0.5 * dy[wind])) < 1e-6
    # 3 to 6 m/s for an hour, of cells of 111 km, and a third of it northwards.
    assert 0.097 < dx[wind, -1].mean() < 0.195
    assert np.median(np.abs(dy[wind] - dx[wind] / 3.0)) < 1e-6
    # A degree clockwise: a wind to the east turns to the south.
    degree = np.radians(1.0)
    assert np.median(np.abs(dx[direction] - degree * dy[wind])) < 1e-6
    assert np.median(np.abs(dy[direction] + degree * dx[wind])) < 1e-6


def test_a_quarter_turn_clockwise_by_hand():
    scales = Scales(1.0, 2.0, np.pi / 2, 1.0, np.array([0.5]))
    # A cell is half as long along y: 3 cells eastwards are 6 southwards, and all is doubled.
    found = scales.turned(np.array([3.0]), np.array([4.0]), np.array([0]))
    np.testing.assert_allclose(np.ravel(found), [2 * 0.5 * 4.0, -2 * 3.0 / 0.5], atol=1e-5)


@pytest.mark.parametrize("name", ["mixed_layer", "turbulence"])
def test_the_derivative_is_that_of_small_differences(run, name):
    particles, _, (_, _, dfoot) = run
    step = 5e-3
    ends = [followed(particles, moved(name, sign * step))[0][2].sum(0) for sign in (1, -1)]
    difference = (ends[0] - ends[1]) / (2 * step)
    made = dfoot[PARAMETERS.index(name)].sum(0)
    # Some particles meet the ground a sub-step earlier or later, and go another way.
    noise = (made - difference).std() / np.sqrt(made.size)
    assert abs(made.mean() - difference.mean()) < 3 * noise
    assert np.median(np.abs(made - difference)) < 0.2 * np.median(np.abs(made))


def test_a_well_mixed_cloud_stays_so_and_influence_is_that_of_a_slab(tmp_path):
    """Over a day turbulence spreads a cloud evenly in mass up to the top of its layer."""
    lab = Laboratory(tmp_path, WIDE).weather(({}, {}))
    heights = np.linspace(1.0, 1299.0, 200)
    config = model_config(numpar=200, n_hours=3, hnf_plume=False)
    start = release_for(
        release(heights), lab.refs, config, cache_dir=tmp_path / "prepared", met="lab"
    )
    (_, _, foot), _ = followed(start)
    plain = lab.run(release(heights), numpar=200, n_hours=3)[0]["foot"].sum() / 200
    made = foot.sum(0)
    assert made.mean() == pytest.approx(plain, rel=0.06)


def test_deeper_mixing_dilutes(run):
    assert run[2][2][PARAMETERS.index("mixed_layer")].sum(0).mean() < 0.0


def test_a_sensitivity_needs_turbulence(even):
    with pytest.raises(UsageError, match="needs turbulence"):
        released(even, nturb=1)


def test_the_gradient_of_density_has_no_steps(even):
    (stream,) = [released(even, count=1).stream]
    levels: InternalLevels = stream.geometry.levels
    base = 2
    height = np.array([level_height(levels, np.int32(base + k)) for k in range(WINDOW_LEVELS)])
    z = jnp.linspace(height[0] - 5.0, height[-1] + 5.0, 20001)
    # Half of it decreases twice as fast with height as the other half.
    log_density = -height / 8000.0 - np.maximum(height - height[2], 0.0) / 8000.0
    profile = jnp.broadcast_to(jnp.exp(log_density)[:, None], (WINDOW_LEVELS, z.size))
    found = np.asarray(density_gradient(levels, jnp.full(z.shape, base), profile, z))
    assert found[0] == pytest.approx(-1 / 8000, rel=1e-3)
    assert found[-1] == pytest.approx(-2 / 8000, rel=1e-3)
    assert np.abs(np.diff(found)).max() < 1e-3 / 8000
