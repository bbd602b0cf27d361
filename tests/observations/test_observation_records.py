"""Observations, sensors, uncertainty, and the transforms they stand for."""

import numpy as np
import pandas as pd
import pytest

from stilt.config import FootprintConfig
from stilt.observations import (
    ColumnSensor,
    FirstOrderLifetimeChemistry,
    HorizontalGeometry,
    LineOfSight,
    NoOpChemistry,
    NoOpWeighting,
    Observation,
    PointSensor,
    UncertaintyBudget,
    UncertaintyComponent,
    VerticalOperatorWeighting,
    ViewingGeometry,
    apply_chemistry,
    apply_weighting,
    build_column_receptor,
    build_multipoint_receptor,
    build_point_receptor,
)
from stilt.receptors import ColumnReceptor, MultiPointReceptor, PointReceptor

NOON = "2023-01-01 12:00:00"


def observation(**fields):
    return Observation(**{"time": NOON, "latitude": 40.77, "longitude": -111.85, **fields})


def test_times_are_naive_utc():
    assert observation(time="2023-01-01T14:00+02:00").time == pd.Timestamp(NOON)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"latitude": 95}, "latitude"),
        ({"longitude": 190}, "longitude"),
        ({"altitude": -1}, "AGL"),
        ({"altitude_ref": "x"}, "altitude_ref"),
        ({"uncertainty": -1}, "uncertainty"),
        ({"time": None}, "time"),
    ],
)
def test_impossible_observations_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        observation(**fields)


def test_uncertainty_comes_from_the_budget_unless_given():
    budget = UncertaintyBudget.of(noise=3, transport=4)
    assert budget.total == 5
    assert observation(budget=budget).uncertainty == 5
    assert observation(budget=budget, uncertainty=0.0).uncertainty == 0
    assert observation().uncertainty is None
    larger = UncertaintyBudget.of(noise=6, transport=8)
    assert observation(budget=budget).with_changes(budget=larger).uncertainty == 10
    assert observation(budget=budget, uncertainty=1).with_changes(budget=larger).uncertainty == 1


def test_budgets_are_checked():
    assert UncertaintyBudget().total == 0
    with pytest.raises(ValueError, match="different names"):
        UncertaintyBudget((UncertaintyComponent("a", 1), UncertaintyComponent("a", 2)))
    for sigma in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="sigma of 'a'"):
            UncertaintyComponent("a", sigma)
    with pytest.raises(ValueError, match="needs a name"):
        UncertaintyComponent("", 1)


def test_point_sensor_takes_the_altitude_then_the_default():
    sensor = PointSensor(name="inlet", default_height=30)
    assert sensor.receptor(observation()) == PointReceptor(NOON, -111.85, 40.77, 30)
    high = observation(altitude=1300, altitude_ref="msl")
    assert sensor.receptor(high) == PointReceptor(NOON, -111.85, 40.77, 1300, altitude_ref="msl")
    with pytest.raises(ValueError, match="no altitude"):
        PointSensor().receptor(observation())
    with pytest.raises(ValueError, match="stands for a ellipse"):
        sensor.receptor(observation(geometry=HorizontalGeometry("ellipse", resolution_km=(1, 1))))


def test_column_sensor_looks_up_or_along_its_line_of_sight():
    vertical = ColumnSensor(bottom=10, top=2000, altitude_ref="MSL")
    assert vertical.receptor(observation()) == ColumnReceptor(
        NOON, -111.85, 40.77, 10, 2000, altitude_ref="msl"
    )
    slanted = observation(
        viewing=ViewingGeometry(viewing_zenith_deg=30, viewing_azimuth_deg=120),
        line_of_sight=LineOfSight(start_altitude=0, end_altitude=3000, count=4),
    )
    assert len(ColumnSensor(mode="slant").receptor(slanted)) == 4
    with pytest.raises(ValueError, match="line of sight"):
        ColumnSensor(mode="slant").receptor(observation())
    with pytest.raises(ValueError, match="mode"):
        ColumnSensor(mode="sideways")
    with pytest.raises(ValueError, match="below top"):
        ColumnSensor(bottom=5, top=5)


def test_species_must_be_supported_and_a_single_one_is_the_default():
    one, many, anything = (
        PointSensor(species="co2"),
        PointSensor(species=("co2", "ch4")),
        PointSensor(),
    )
    assert one.observe(NOON, 0, 0).species == "co2"
    assert many.observe(NOON, 0, 0, species="ch4", altitude=3).altitude == 3
    assert anything.observe(NOON, 0, 0).species == ""
    with pytest.raises(ValueError, match="does not measure 'co'"):
        one.observe(NOON, 0, 0, species="co")
    with pytest.raises(ValueError, match="choose one"):
        many.observe(NOON, 0, 0)


def test_builders_make_the_receptor_they_name():
    item = observation()
    assert build_point_receptor(item, altitude=2) == PointReceptor(NOON, -111.85, 40.77, 2)
    assert build_column_receptor(item, 0, 9) == ColumnReceptor(NOON, -111.85, 40.77, 0, 9)
    points = [(1, 2, 3), (4, 5, 6)]
    assert isinstance(build_multipoint_receptor(item, points), MultiPointReceptor)


KERNEL = VerticalOperatorWeighting("ak", levels=(0, 100), values=(1.0, 0.5))
DECAY = FirstOrderLifetimeChemistry(lifetime_hours=2)


def test_operators_are_the_transforms_of_a_footprint():
    item = observation(weighting=KERNEL, chemistry=DECAY)
    grid = {"xmin": 0, "xmax": 1, "ymin": 0, "ymax": 1, "xres": 0.1, "yres": 0.1}
    footprint = FootprintConfig(**grid, transforms=item.transforms())
    assert [step["kind"] for step in footprint.transforms] == [
        "vertical_operator",
        "first_order_lifetime",
    ]
    assert footprint.transforms == item.transforms()
    assert observation(weighting=NoOpWeighting(), chemistry=NoOpChemistry()).transforms() == []


def test_impossible_operators_are_refused():
    with pytest.raises(ValueError, match="equal lengths"):
        VerticalOperatorWeighting("ak", levels=(1, 2), values=(1,))
    with pytest.raises(ValueError, match="lifetime_hours"):
        FirstOrderLifetimeChemistry(0)


@pytest.fixture
def particles():
    return pd.DataFrame(
        {
            "time": [-60.0, -60.0, -120.0, -120.0],
            "indx": [1, 2, 1, 2],
            "xhgt": [0.0, 100.0, 0.0, 100.0],
            "foot": [1.0, 1.0, 2.0, 2.0],
        }
    )


def test_weighting_counts_particles_by_their_release_height(particles):
    weighted = apply_weighting(particles, KERNEL)
    np.testing.assert_allclose(weighted["foot"], [1, 0.5, 2, 1])
    np.testing.assert_allclose(apply_weighting(weighted, KERNEL)["foot"], weighted["foot"])
    np.testing.assert_allclose(particles["foot"], [1, 1, 2, 2])


def test_chemistry_lets_influence_decay(particles):
    decayed = apply_chemistry(particles, DECAY)
    np.testing.assert_allclose(decayed["foot"], [1, 1, 2, 2] * np.exp([-0.5, -0.5, -1, -1]))
    slow = apply_chemistry(particles, FirstOrderLifetimeChemistry(1e12))
    np.testing.assert_allclose(slow["foot"], particles["foot"])


def test_doing_nothing_changes_nothing(particles):
    assert apply_weighting(particles, NoOpWeighting()) is particles
    assert apply_chemistry(particles, NoOpChemistry()) is particles
