"""Scenes, jitter and selection."""

import numpy as np
import pandas as pd
import pytest
import shapely

from stilt.config import Bounds
from stilt.observations import (
    HorizontalGeometry,
    Lattice,
    Observation,
    Scene,
    filter_observations,
    group_scenes_by_key,
    group_scenes_by_metadata,
    group_scenes_by_swath,
    group_scenes_by_time_gap,
    jitter_observation,
    make_scene,
    select_observations_spatial,
)


def at(minute, longitude=0.0, latitude=0.0, **fields):
    time = pd.Timestamp("2023-07-15 18:00") + pd.Timedelta(minutes=minute)
    return Observation(
        time=time, latitude=latitude, longitude=longitude, **{"sensor": "oco2", **fields}
    )


def test_a_scene_is_sorted_and_named_after_its_first_observation():
    scene = make_scene([at(5), at(0), at(2)])
    assert scene.id == "oco2-20230715180000"
    assert [item.time.minute for item in scene] == [0, 2, 5]
    assert scene.time_range == (pd.Timestamp("2023-07-15 18:00"), pd.Timestamp("2023-07-15 18:05"))
    assert make_scene([at(0)], scene_id="mine").id == "mine"


def test_time_gaps_separate_only_when_exceeded():
    scenes = group_scenes_by_time_gap([at(61), at(0), at(10), at(71), at(20)], "10min")
    assert [len(scene) for scene in scenes] == [3, 2]
    assert [scene.id for scene in scenes] == ["oco2-20230715180000-g0", "oco2-20230715190100-g1"]
    assert group_scenes_by_time_gap([at(0)], "1h", prefix="slc")[0].id == "slc-20230715180000-g0"


def test_keys_metadata_and_swaths_group_without_losing_anything():
    items = [at(minute, metadata={"swath": minute % 2, "city": "slc"}) for minute in range(5)]
    scenes = group_scenes_by_swath(items, prefix="pass")
    assert [scene.id for scene in scenes] == ["pass-0", "pass-1"]
    assert sorted(item.id for scene in scenes for item in scene) == sorted(i.id for i in items)
    assert [s.id for s in group_scenes_by_metadata(items, "city")] == ["oco2-slc"]
    assert len(group_scenes_by_key(items, lambda item: item.time.minute)) == 5
    with pytest.raises(ValueError, match="has no metadata 'orbit'"):
        group_scenes_by_metadata(items, "orbit")


@pytest.mark.parametrize(
    "group",
    [
        make_scene,
        group_scenes_by_swath,
        lambda items: group_scenes_by_time_gap(items, "1h"),
        lambda items: group_scenes_by_key(items, str),
        lambda items: Scene("x", tuple(items)),
    ],
)
def test_nothing_makes_no_scene(group):
    with pytest.raises(ValueError, match="at least one observation"):
        group([])


SQUARE = HorizontalGeometry("swath_cell", resolution_km=(2, 2))
TRIANGLE = HorizontalGeometry("polygon", vertices=((9.9, 59.9), (10.1, 59.9), (10.0, 60.1)))


@pytest.mark.parametrize("geometry", [SQUARE, TRIANGLE])
@pytest.mark.parametrize("method", ["regular", "random"])
@pytest.mark.parametrize("n", [1, 4, 13])
def test_jitter_stays_inside_the_area(geometry, method, n):
    parent = at(0, 10.0, 60.0, geometry=geometry, id="cell", value=400.0)
    children = jitter_observation(parent, n, method=method, seed=3)
    polygon = geometry.polygon(10.0, 60.0)
    assert [child.id for child in children] == [f"cell-j{k}" for k in range(n)]
    assert len({(child.longitude, child.latitude) for child in children}) == n
    assert all(polygon.contains(shapely.Point(c.longitude, c.latitude)) for c in children)
    assert all(c.value == 400.0 and c.geometry.kind == "point" for c in children)


def test_regular_jitter_of_one_is_the_centre_and_of_four_is_even():
    parent = at(0, 10.0, 60.0, geometry=SQUARE)
    (centre,) = jitter_observation(parent, 1)
    assert (centre.longitude, centre.latitude) == pytest.approx((10.0, 60.0), abs=1e-4)
    corners = jitter_observation(parent, 4)
    assert np.mean([c.latitude for c in corners]) == pytest.approx(60.0, abs=1e-4)
    assert len({round(c.latitude, 4) for c in corners}) == 2


def test_random_jitter_is_reproducible():
    parent = at(0, 10.0, 60.0, geometry=SQUARE)
    assert jitter_observation(parent, 5, method="random", seed=1) == jitter_observation(
        parent, 5, method="random", seed=1
    )
    assert jitter_observation(parent, 5, method="random", seed=1) != jitter_observation(
        parent, 5, method="random", seed=2
    )


def test_jitter_across_the_dateline_stays_near():
    children = jitter_observation(at(0, 180.0, 0.0, geometry=SQUARE), 16)
    assert all(abs(abs(child.longitude) - 180) < 0.02 for child in children)
    assert len({np.sign(child.longitude) for child in children}) == 2


@pytest.mark.parametrize(
    ("geometry", "n", "method"),
    [
        (HorizontalGeometry(), 3, "regular"),
        (HorizontalGeometry("line", vertices=((0, 0), (1, 1))), 3, "regular"),
        (SQUARE, 0, "regular"),
        (SQUARE, 3, "wild"),
    ],
)
def test_impossible_jitter_is_refused(geometry, n, method):
    with pytest.raises(ValueError, match=r"area|at least|method"):
        jitter_observation(at(0, geometry=geometry), n, method=method)


def swath():
    return [
        at(0, float(lon), float(lat))
        for lat in np.linspace(-2, 2, 21)
        for lon in np.linspace(-2, 2, 21)
    ]


def test_selection_thins_out_and_keeps_detail_near_the_source():
    near = Lattice(Bounds(xmin=-0.5, xmax=0.5, ymin=-0.5, ymax=0.5), 5, 5)
    wide = Lattice(Bounds(xmin=-2, xmax=2, ymin=-2, ymax=2), 3, 3)
    chosen = select_observations_spatial(swath(), near_field=near, background=wide)
    places = {(item.longitude, item.latitude) for item in chosen}
    assert len(places) == len(chosen) <= 25 + 9
    assert [item.latitude for item in chosen] == sorted(item.latitude for item in chosen)
    inside = [p for p in places if max(map(abs, p)) <= 0.61]
    assert len(inside) >= 25
    assert select_observations_spatial([], near_field=near, background=wide) == []


def test_selection_finds_the_nearest_across_the_dateline():
    lattice = Lattice(Bounds(xmin=179, xmax=-179, ymin=-1, ymax=1), 1, 1)
    items = [at(0, 170.0), at(0, -179.9)]
    assert select_observations_spatial(items, near_field=lattice, background=lattice) == items[1:]
    with pytest.raises(ValueError, match="at least one cell"):
        Lattice(lattice.bounds, 0, 1)


def test_filters_combine_and_include_their_limits():
    items = [at(minute, longitude=minute, species="co2") for minute in range(6)]
    assert filter_observations(items) == items
    assert filter_observations(items, species="ch4") == []
    assert filter_observations(items, sensor="oco2", species="co2") == items
    span = ("2023-07-15 18:01", "2023-07-15 18:03")
    assert filter_observations(items, time_range=span) == items[1:4]
    area = Bounds(xmin=2, xmax=5, ymin=-1, ymax=1)
    assert filter_observations(items, bounds=area) == items[2:]
    assert filter_observations(items, time_range=span, bounds=area) == items[2:4]
    assert filter_observations(items, where=lambda item: item.longitude > 4) == items[5:]
