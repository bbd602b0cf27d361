"""Weather errors are what they are said to be: their size, and how they are forgotten."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from synthetic_weather import CELL_M, WIDE, Laboratory, by_minute, inversion, release

from stilt.meteorology.levels import InternalLevels
from stilt.transport.transport_errors import (
    ErrorState,
    MixedLayerErrorSettings,
    TransportErrorSettings,
    WindErrorSettings,
    errors_of_minute,
    initial_errors,
)

LEVELS = InternalLevels(30.0, -25.0, 5.0, 12, 25_000.0)
COUNT = 20_000
NOISE = 4.0 / np.sqrt(COUNT)
"""Four standard errors of a correlation, or of a mean in standard deviations."""

SETTINGS = TransportErrorSettings(
    WindErrorSettings(3.0, 50.0, 500.0, 40.0), MixedLayerErrorSettings(0.3, 60.0, 40.0)
)
DEGREE_M = 100.0 * CELL_M
HEIGHT_M = 1500.0
BELOW_M, ABOVE_M = 1300.0, 1725.0


def after(
    minutes: int, way_km: float, settings: TransportErrorSettings = SETTINGS
) -> tuple[ErrorState, ErrorState]:
    """Errors at the start and after some minutes, with the same way in each."""
    first = errors = initial_errors(settings, LEVELS, 7, COUNT)
    number = jnp.arange(COUNT, dtype=jnp.uint32)
    cell = jnp.full((COUNT, 2), 1000.0)
    way = jnp.broadcast_to(jnp.asarray([way_km, 0.0], jnp.float32), (COUNT, 2))
    keys = (number * 0 + 1, number * 0 + 2, number)

    @jax.jit
    def minute(errors: ErrorState, age: jnp.ndarray) -> ErrorState:
        ages = jnp.broadcast_to(age, (COUNT,))
        return errors_of_minute(settings, LEVELS, errors, keys, ages, way, (cell, cell)).after

    for age in range(minutes):
        errors = minute(errors, jnp.int32(age))
    return first, ErrorState(*(np.asarray(leaf) for leaf in errors))


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


@pytest.mark.parametrize("minutes", [0, 3])
def test_errors_have_mean_zero_and_unit_size_and_forget_with_height(minutes: int) -> None:
    _, (wind, mixed_layer) = after(minutes, 1.0)
    assert wind.shape == (COUNT, LEVELS.count, 2)
    assert np.abs(wind.mean(axis=0)).max() < NOISE
    np.testing.assert_allclose(wind.std(axis=0), 1.0, atol=NOISE)
    assert abs(mixed_layer.mean()) < NOISE
    assert mixed_layer.std() == pytest.approx(1.0, abs=NOISE)
    heights = LEVELS.heights_m
    for low, high in ((0, 1), (3, 6), (6, 7), (2, 11)):
        wanted = np.exp(-(heights[high] - heights[low]) / 500.0)
        for component in (0, 1):
            found = correlation(wind[:, low, component], wind[:, high, component])
            assert found == pytest.approx(wanted, abs=NOISE)
    assert abs(correlation(wind[:, 5, 0], wind[:, 5, 1])) < NOISE
    assert abs(correlation(wind[:, 5, 0], mixed_layer)) < NOISE


@pytest.mark.parametrize(("minutes", "way_km"), [(1, 0.0), (1, 30.0), (8, 0.0), (8, 3.0)])
def test_errors_are_forgotten_with_time_and_with_distance(minutes: int, way_km: float) -> None:
    first, later = after(minutes, way_km)
    wanted = np.exp(-minutes / 50.0 - minutes * way_km / 40.0)
    for level in (0, 6, 11):
        found = correlation(first.wind[:, level, 0], later.wind[:, level, 0])
        assert found == pytest.approx(wanted, abs=NOISE)
    wanted = np.exp(-minutes / 60.0 - minutes * way_km / 40.0)
    found = correlation(first.mixed_layer, later.mixed_layer)
    assert found == pytest.approx(wanted, abs=NOISE)


def test_scales_of_zero_forget_everything_at_once() -> None:
    settings = TransportErrorSettings(
        WindErrorSettings(1.0, 0.0, 0.0, 0.0), MixedLayerErrorSettings(0.1, 0.0, 0.0)
    )
    first, later = after(1, 0.0, settings)
    assert abs(correlation(first.wind[:, 3, 0], later.wind[:, 3, 0])) < NOISE
    assert abs(correlation(later.wind[:, 3, 0], later.wind[:, 4, 0])) < NOISE
    assert abs(correlation(first.mixed_layer, later.mixed_layer)) < NOISE
    assert np.isfinite(later.wind).all()


def test_influence_never_falls_below_zero() -> None:
    settings = TransportErrorSettings(None, MixedLayerErrorSettings(2.0, 60.0, 40.0))
    errors = initial_errors(settings, LEVELS, 7, COUNT)
    ones, cell = jnp.ones(COUNT, jnp.uint32), jnp.ones((COUNT, 2))
    made = errors_of_minute(
        settings, LEVELS, errors, (ones, ones, ones), jnp.ones(COUNT), 0.0 * cell, (cell, cell)
    )
    factor, error = np.asarray(made.influence), np.asarray(made.after.mixed_layer)
    assert made.wind is None
    assert (factor[error < -0.5] == 0.0).all()
    np.testing.assert_allclose(factor[error > -0.5], 1.0 + 2.0 * error[error > -0.5], atol=1e-5)


@pytest.fixture
def calm(tmp_path) -> Laboratory:
    return Laboratory(tmp_path, WIDE).weather(({"TEMP": inversion(300.0)}, {}))


WIND = {"siguverr": 3.0, "tluverr": 40.0, "zcoruverr": 500.0, "horcoruverr": 2.0}
STILL = {"kmixd": 300, "n_hours": -1, "numpar": 2000}
"""A shallow mixed layer under stable air without turbulence to speak of."""


def spread_between_levels(share: float) -> float:
    """Standard deviation of an error interpolated between two levels, in those of a level."""
    along = np.exp(-(ABOVE_M - BELOW_M) / WIND["zcoruverr"])
    return np.sqrt(share**2 + (1.0 - share) ** 2 + 2.0 * share * (1.0 - share) * along)


@pytest.mark.parametrize("nturb", [0, 1])
def test_particles_between_two_levels_go_with_the_mean_of_their_errors(calm, nturb) -> None:
    """In calm stable air nothing but the error moves a particle, and distance forgets nothing."""
    table = calm.run(release(HEIGHT_M), error_run=True, nturb=nturb, **STILL, **WIND)[0]
    share = (HEIGHT_M - BELOW_M) / (ABOVE_M - BELOW_M)
    for name in ("long", "lati"):
        x = by_minute(table, name) * DEGREE_M
        speed = np.diff(x, axis=0, prepend=0.0) / 60.0
        size = np.sqrt(2.0 / 2000)
        wanted = 3.0 * spread_between_levels(share)
        assert speed[0].std() == pytest.approx(wanted, rel=3.0 * size)
        assert abs(speed[0].mean()) < 4.0 * wanted / np.sqrt(2000)
        for lag in (10, 40):
            found = correlation(speed[0], speed[lag])
            assert found == pytest.approx(np.exp(-lag / 40.0), abs=0.09)
        # Taylor (1921): the spread of a velocity with an exponential memory.
        hour = 60.0 / 40.0
        taylor = 40.0 * 60.0 * wanted * np.sqrt(2.0 * (hour - 1.0 + np.exp(-hour)))
        assert x[-1].std() == pytest.approx(taylor, rel=3.0 * size)


def test_wind_makes_errors_forget_by_its_way(tmp_path) -> None:
    upper = {"UWND": 10.0, "TEMP": inversion(300.0)}
    lab = Laboratory(tmp_path, WIDE).weather((upper, {"U10M": 10.0}))
    errors = {**WIND, "tluverr": 100_000.0}
    table = lab.run(release(HEIGHT_M), error_run=True, nturb=1, **STILL, **errors)[0]
    y = by_minute(table, "lati") * DEGREE_M
    speed = np.diff(y, axis=0, prepend=0.0) / 60.0
    for lag in (1, 3, 6):
        wanted = np.exp(-lag * 0.6 / 2.0)
        # Each minute goes half with the error before, half with the one after it.
        halves = (1.0 + np.cosh(0.3)) / (1.0 + np.exp(-0.3))
        assert correlation(speed[5], speed[5 + lag]) == pytest.approx(wanted * halves, abs=0.09)


def test_errors_fade_towards_the_ground_as_the_wind_does(calm) -> None:
    table = calm.run(release(4.0), error_run=True, nturb=1, **STILL, **WIND)[0]
    first = by_minute(table, "long")[0] * DEGREE_M / 60.0
    assert first.std() == pytest.approx(3.0 * 0.4, rel=0.1)
