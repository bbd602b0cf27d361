"""Where particles start: points, columns, several points, heights above sea level."""

import numpy as np
import pytest
from synthetic_weather import SPACING_DEG, START, Laboratory, by_minute, model_config, release

from stilt.errors import Reason, TrajectoryError
from stilt.receptors import ColumnReceptor, MultiPointReceptor, PointReceptor, release_points
from stilt.transport import release_of

STILL = {"nturb": 1}


def first_minute(lab: Laboratory, chosen, **config: object):
    table = lab.run(chosen, **STILL, **config)[0]
    return table[table["time"] == 1.0].set_index("indx")


def test_point_releases_all_particles_at_its_height(lab: Laboratory) -> None:
    receptor = PointReceptor("2023-07-15 12:00", 0.02, -0.03, 37.0)
    rows = first_minute(
        lab.weather(({}, {})), release_of(receptor, "lab", model_config()), numpar=5
    )
    np.testing.assert_allclose(rows["zagl"], 37.0, rtol=1e-5)
    np.testing.assert_allclose(rows["long"], 0.02, atol=1e-7)
    np.testing.assert_allclose(rows["lati"], -0.03, atol=1e-7)


def test_column_puts_one_particle_into_each_slab_from_the_bottom_up(lab: Laboratory) -> None:
    receptor = ColumnReceptor("2023-07-15 12:00", 0.0, 0.0, 100.0, 900.0)
    chosen = release_of(receptor, "lab", model_config(seed=4))
    rows = first_minute(lab.weather(({}, {})), chosen, numpar=40)
    slab = np.floor((rows["zagl"] - 100.0) / 20.0)
    np.testing.assert_array_equal(slab, np.arange(40))
    assert len(np.unique(np.round((rows["zagl"] - 100.0) % 20.0, 2))) > 30
    np.testing.assert_allclose(rows["xhgt"], 110.0 + 20.0 * np.arange(40))


def test_several_points_share_the_particles_in_order(lab: Laboratory) -> None:
    receptor = MultiPointReceptor(
        "2023-07-15 12:00", [0.0, 0.03, -0.04], [0.0, 0.01, 0.02], [10.0, 200.0, 3000.0]
    )
    chosen = release_of(receptor, "lab", model_config())
    rows = first_minute(lab.weather(({}, {})), chosen, numpar=32)
    lon, lat, heights = (np.repeat(v, [11, 11, 10]) for v in release_points(receptor))
    np.testing.assert_allclose(rows["zagl"], heights, rtol=1e-5)
    np.testing.assert_allclose(rows["xhgt"], heights)
    np.testing.assert_allclose(rows["long"], lon, atol=1e-6)
    np.testing.assert_allclose(rows["lati"], lat, atol=1e-6)


@pytest.mark.parametrize("numpar", [40, 41, 79, 80])
def test_each_of_several_points_releases_particles(numpar: int) -> None:
    heights = np.arange(40.0)
    receptor = MultiPointReceptor("2023-07-15 12:00", [0.0] * 40, [0.0] * 40, list(heights))
    chosen = release_of(receptor, "lab", model_config(numpar=numpar))
    np.testing.assert_array_equal(np.unique(chosen.assign(numpar)[2]), heights)


def test_more_points_than_particles_are_refused() -> None:
    receptor = MultiPointReceptor("2023-07-15 12:00", [0.0] * 40, [0.0] * 40, list(range(40)))
    message = r"40 points, and numpar is 39.* set numpar to 40"
    with pytest.raises(TrajectoryError, match=message) as raised:
        release_of(receptor, "lab", model_config(numpar=39))
    assert raised.value.reason is Reason.TOO_FEW_PARTICLES
    column = ColumnReceptor("2023-07-15 12:00", 0.0, 0.0, 100.0, 900.0)
    assert len(release_of(column, "lab", model_config(numpar=1)).assign(1)[2]) == 1


@pytest.mark.parametrize(("altitude", "height"), [(800.0, 300.0), (450.0, 0.0)])
def test_heights_above_sea_level_lose_the_terrain(
    lab: Laboratory, altitude: float, height: float
) -> None:
    lab.weather(({}, {"SHGT": 500.0}))
    receptor = PointReceptor("2023-07-15 12:00", 0.0, 0.0, altitude, altitude_ref="msl")
    rows = first_minute(lab, release_of(receptor, "lab", model_config()), numpar=2)
    np.testing.assert_allclose(rows["zagl"], height, atol=0.01)


def test_kmsl_decides_over_the_receptors(lab: Laboratory) -> None:
    lab.weather(({}, {"SHGT": 500.0}))
    receptor = PointReceptor("2023-07-15 12:00", 0.0, 0.0, 800.0)
    for kmsl, height in ((None, 800.0), (0, 800.0), (1, 300.0)):
        chosen = release_of(receptor, "lab", model_config(kmsl=kmsl))
        rows = first_minute(lab, chosen, numpar=1, kmsl=kmsl)
        np.testing.assert_allclose(rows["zagl"], height, rtol=1e-4)


def test_releases_at_different_times_see_the_weather_of_their_own_time(lab: Laboratory) -> None:
    """Wind that grows from 0 to 1 m/s in an hour."""
    lab.weather(({}, {}), ({"UWND": 1.0}, {"U10M": 1.0}), ({"UWND": 1.0}, {"U10M": 1.0}),
                ({"UWND": 1.0}, {"U10M": 1.0}), step_h=1.0)  # fmt: skip
    later = START + np.timedelta64(61, "m")
    tables = lab.run([release(500.0), release(500.0, key=2, time=later)], numpar=1, **STILL)
    ways = [by_minute(table, "long")[-1, 0] / SPACING_DEG for table in tables]
    assert ways[1] == pytest.approx(2.0 * ways[0], rel=1e-3)
