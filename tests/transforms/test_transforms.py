"""Weights and chemistry on particles."""

import numpy as np
import pandas as pd
import pytest

from stilt import ColumnReceptor, MultiPointReceptor, PointReceptor
from stilt.errors import ConfigValidationError
from stilt.observations.soundings import slant_heights_m
from stilt.transforms import PressureWeighting, apply_transforms, pressure_weights
from stilt.transforms.release import pressure_profile, release_height_agl_m

TIME = "2023-07-15 18:00:00"
POINT = PointReceptor(TIME, -112.0, 40.6, 5.0)
COLUMN = ColumnReceptor(TIME, -112.0, 40.6, 0.0, 4000.0)
N, STEPS = 40, 30
SCALE_HEIGHT_M = 8000.0


def column() -> pd.DataFrame:
    """Particles released between 0 and 4000 m that then wander; pressure falls with height."""
    rng = np.random.default_rng(0)
    release = (np.arange(N) + 0.5) * 4000.0 / N
    height = np.abs(release + rng.normal(0, 30, (STEPS, N)).cumsum(axis=0)).ravel()
    height[:N] = release
    return pd.DataFrame(
        {
            "time": -np.repeat(np.arange(1.0, STEPS + 1), N),
            "indx": np.tile(np.arange(1, N + 1), STEPS),
            "zagl": height,
            "pres": 900.0 * np.exp(-height / SCALE_HEIGHT_M),
            "foot": rng.gamma(2.0, 1e-3, N * STEPS),
            "xhgt": np.tile(release, STEPS),
        }
    )


def operator(mode: str = "ak", **fields) -> dict:
    given = {"levels": [0.0, 2000.0, 4000.0], "values": [1.0, 0.5, 0.1], **fields}
    return {"kind": "vertical_operator", "mode": mode, **given}


def lifetime(hours: float = 2.0, **fields) -> dict:
    return {"kind": "first_order_lifetime", "lifetime_hours": hours, **fields}


def test_averaging_kernel_goes_by_release_height() -> None:
    table = column()
    done = apply_transforms(table, [operator()], receptor=COLUMN)
    expected = np.interp(table["xhgt"], [0, 2000, 4000], [1.0, 0.5, 0.1])
    np.testing.assert_allclose(done["foot"] / table["foot"], expected)
    assert done["foot_before_weight"].equals(table["foot"])


def test_levels_may_come_in_any_order_and_ends_are_kept() -> None:
    table = column()
    turned = operator(levels=[3000.0, 1000.0], values=[0.2, 0.8])
    done = apply_transforms(table, [turned], receptor=COLUMN)
    ratio = (done["foot"] / table["foot"]).groupby(table["xhgt"]).first()
    assert ratio.iloc[0] == pytest.approx(0.8)
    assert ratio.iloc[-1] == pytest.approx(0.2)


@pytest.mark.parametrize("mode", ["pwf", "ak_pwf", "integration", "tccon"])
def test_column_sums_undo_the_mean_over_particles(mode: str) -> None:
    table = column()
    weighted = apply_transforms(table, [operator(mode)], receptor=COLUMN)
    averaged = apply_transforms(table, [operator("ak")], receptor=COLUMN)
    np.testing.assert_allclose(weighted["foot"], N * averaged["foot"])


def test_none_and_uniform_leave_foot_alone() -> None:
    table = column()
    assert apply_transforms(table, [{"kind": "vertical_operator", "mode": "none"}],
                            receptor=COLUMN) is table  # fmt: skip
    uniform = apply_transforms(
        table, [{"kind": "vertical_operator", "mode": "uniform"}], receptor=COLUMN
    )
    assert uniform is not table
    pd.testing.assert_frame_equal(uniform, table)
    endless = apply_transforms(table, [lifetime(1e12)], receptor=COLUMN)
    np.testing.assert_allclose(endless["foot"], table["foot"], rtol=1e-9)


def test_lifetime_in_any_unit() -> None:
    table = column()
    expected = table["foot"] * np.exp(-table["time"].abs() / 120.0)
    for unit, factor in (("min", 1.0), ("hours", 1 / 60), ("s", 60.0), ("days", 1 / 1440)):
        timed = table.assign(age=table["time"] * factor)
        done = apply_transforms(
            timed, [lifetime(time_column="age", time_unit=unit)], receptor=COLUMN
        )
        np.testing.assert_allclose(done["foot"], expected)


@pytest.mark.parametrize(
    "steps",
    [
        [operator()],
        [lifetime()],
        [operator(), lifetime()],
        [lifetime(), operator("pwf")],
        [operator(), lifetime(), operator("pwf", values=[0.3, 0.2, 0.1])],
    ],
    ids=["weight", "chemistry", "both", "other order", "two weights"],
)
def test_applying_twice_equals_once(steps: list) -> None:
    once = apply_transforms(column(), steps, receptor=COLUMN)
    twice = apply_transforms(once, steps, receptor=COLUMN)
    np.testing.assert_allclose(twice["foot"], once["foot"], rtol=1e-14)


def test_several_weights_in_a_list_multiply() -> None:
    table = column()
    steps = [operator(values=[0.5] * 3), operator(values=[0.25] * 3)]
    done = apply_transforms(table, steps, receptor=COLUMN)
    np.testing.assert_allclose(done["foot"], table["foot"] / 8)
    assert done["foot_before_weight"].equals(table["foot"])


def test_pressure_means_that_of_the_release() -> None:
    table = column()
    levels = {"coordinate": "pres", "levels": [500.0, 900.0], "values": [0.0, 1.0]}
    done = apply_transforms(table, [operator(**levels)], receptor=COLUMN)
    at_release = 900.0 * np.exp(-table["xhgt"] / SCALE_HEIGHT_M)
    np.testing.assert_allclose(done["foot"] / table["foot"], (at_release - 500) / 400, rtol=1e-9)


def test_pressure_weights_sum_to_the_part_of_the_column_below_the_top() -> None:
    table = column()
    weights = pressure_weights(table, COLUMN)
    assert weights.sum() == pytest.approx(1 - np.exp(-4000.0 / SCALE_HEIGHT_M), rel=1e-9)
    # Of the k-th slab of 100 m, worked by hand.
    by_hand = np.exp(-300.0 / SCALE_HEIGHT_M) - np.exp(-400.0 / SCALE_HEIGHT_M)
    assert weights.loc[4] == pytest.approx(by_hand, rel=1e-9)
    assert (weights > 0).all()
    done = apply_transforms(table, [PressureWeighting()], receptor=COLUMN)
    factor = (done["foot"] / table["foot"]).groupby(table["indx"]).first()
    np.testing.assert_allclose(factor, weights * N)


def test_columns_above_one_another_sum_to_the_whole() -> None:
    table = column()
    low = table[table["xhgt"] < 1500]
    high = table[table["xhgt"] > 1500]
    place = COLUMN.time, COLUMN.longitude, COLUMN.latitude
    parts = [
        pressure_weights(low, ColumnReceptor(*place, 0.0, 1500.0)),
        pressure_weights(high, ColumnReceptor(*place, 1500.0, 4000.0)),
    ]
    whole = pressure_weights(table, COLUMN)
    np.testing.assert_allclose(pd.concat(parts), whole, rtol=1e-9)
    feet = [
        part["foot"].groupby(part["indx"]).sum() @ weights
        for part, weights in zip((low, high), parts, strict=True)
    ]
    assert sum(feet) == pytest.approx(table["foot"].groupby(table["indx"]).sum() @ whole)


def points(heights) -> tuple[pd.DataFrame, MultiPointReceptor]:
    """Ten particles released at each height, and their receptor."""
    at = np.repeat(np.asarray(heights, np.float64), 10)
    moved = at + np.tile(np.linspace(-5.0, 5.0, 10), len(heights))
    table = pd.DataFrame(
        {"time": -1.0, "indx": np.arange(1, at.size + 1), "zagl": moved, "xhgt": at, "foot": 1.0,
         "pres": 900.0 * np.exp(-moved / SCALE_HEIGHT_M)}
    )  # fmt: skip
    lon = -112.0 + 1e-5 * np.asarray(heights)
    return table, MultiPointReceptor(TIME, lon, np.full(lon.shape, 40.6), heights)


@pytest.mark.parametrize(("bottom", "top"), [(0.0, 3000.0), (1000.0, 8000.0), (0.0, 40.0)])
def test_a_slant_path_weighs_what_the_column_of_its_ends_does(bottom, top) -> None:
    table, receptor = points(slant_heights_m(bottom, top))
    low, high = np.exp(-np.array([bottom, top]) / SCALE_HEIGHT_M)
    assert pressure_weights(table, receptor).sum() == pytest.approx(low - high, rel=0.01)


def test_a_slant_path_of_few_heights_stands_for_the_air_half_a_step_around_them() -> None:
    weights = pressure_weights(*points([1000.0, 2000.0, 5000.0])).groupby(np.arange(30) // 10).sum()
    edges = np.exp(-np.array([500.0, 1500.0, 3500.0, 6500.0]) / SCALE_HEIGHT_M)
    np.testing.assert_allclose(weights, edges[:-1] - edges[1:], rtol=1e-6)
    weights = pressure_weights(*points([100.0, 2000.0]))
    assert weights.sum() == pytest.approx(1 - np.exp(-2950.0 / SCALE_HEIGHT_M), rel=1e-6)
    table, _ = points([500.0, 600.0])
    lowest = pressure_weights(table[table["xhgt"] == 500.0], POINT)
    # The slope of 288 K, where all particles are near one height.
    assert lowest.sum() == pytest.approx(1 - np.exp(-1000.0 / 8430.0), rel=0.01)


def kernel(**fields) -> dict:
    return {"kind": "averaging_kernel", **fields}


def test_a_kernel_of_ones_changes_nothing() -> None:
    table = column()
    ones = kernel(levels=[900.0, 500.0, 100.0], values=[1.0, 1.0, 1.0])
    done = apply_transforms(table, [ones], receptor=COLUMN)
    assert done["foot"].equals(table["foot"])


def test_kernel_and_pressure_weighting_multiply() -> None:
    table = column()
    falling = kernel(levels=[500.0, 900.0], values=[0.0, 1.0])
    both = apply_transforms(table, [falling, {"kind": "pressure_weighting"}], receptor=COLUMN)
    at_release = 900.0 * np.exp(-table["xhgt"] / SCALE_HEIGHT_M)
    share = table["indx"].map(pressure_weights(table, COLUMN)) * N
    expected = table["foot"] * (at_release - 500) / 400 * share
    np.testing.assert_allclose(both["foot"], expected, rtol=1e-9)
    assert both["foot_before_weight"].equals(table["foot"])


def test_kernel_over_height() -> None:
    table = column()
    step = kernel(coordinate="height_m", levels=[0.0, 4000.0], values=[1.0, 0.0])
    done = apply_transforms(table, [step], receptor=COLUMN)
    np.testing.assert_allclose(done["foot"], table["foot"] * (1 - table["xhgt"] / 4000))


def test_pressure_follows_an_atmosphere_whose_temperature_falls_with_height() -> None:
    # Hydrostatic balance with T = 290 K - 6.5 K / km: p = p0 (1 - 6.5e-3 z / 290)^(g / R 6.5e-3).
    def pressure(z):
        return 1000.0 * (1 - 6.5e-3 * z / 290.0) ** (9.80616 / 287.04 / 6.5e-3)

    table = column()
    table["pres"] = pressure(table["zagl"])
    found = pressure_profile(table)
    heights = np.linspace(0, 4000, 9)
    np.testing.assert_allclose(found.at(heights), pressure(heights), atol=0.1)
    assert found.surface_hpa == pytest.approx(1000.0, abs=0.1)


def test_particles_from_one_height_have_the_slope_of_the_standard_atmosphere() -> None:
    table = column()
    alike = table[(table["indx"] == 1) & (table["time"] == -1)]
    profile = pressure_profile(alike)
    there = alike["zagl"].iloc[0]
    assert profile.at(there) == pytest.approx(alike["pres"].iloc[0])
    assert profile.at(there + 8430) / profile.at(there) == pytest.approx(np.exp(-1), rel=1e-3)


def test_mass_weights_every_step() -> None:
    table = column().assign(dmas=np.linspace(1.0, 1.2, STEPS * N))
    done = apply_transforms(table, [{"kind": "mass_weighting"}], receptor=COLUMN)
    np.testing.assert_allclose(done["foot"], table["foot"] * table["dmas"])
    with pytest.raises(ValueError, match="dmas"):
        apply_transforms(column(), [{"kind": "mass_weighting"}], receptor=COLUMN)


def test_own_transforms_come_by_import_path(tmp_path, monkeypatch) -> None:
    (tmp_path / "my_weights.py").write_text(
        "class Times:\n"
        "    def __init__(self, factor=2.0):\n"
        "        self.factor = factor\n"
        "    def apply(self, particles, *, context):\n"
        "        return particles.assign(foot=particles['foot'] * self.factor)\n"
        "def nothing():\n"
        "    return 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    table = column()
    step = {"kind": "import", "path": "my_weights:Times", "options": {"factor": 3.0}}
    done = apply_transforms(table, [step], receptor=COLUMN)
    np.testing.assert_allclose(done["foot"], 3 * table["foot"])
    for path, told in (
        ("my_other:Times", "cannot be imported"),
        ("my_weights:Else", "cannot be made"),
        ("my_weights:nothing", "has no method apply"),
    ):
        with pytest.raises(ConfigValidationError, match=told):
            apply_transforms(table, [{"kind": "import", "path": path}], receptor=COLUMN)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "either a table"),
        ({"table": "a", "levels": [1.0], "values": [1.0]}, "either a table"),
        ({"levels": [1.0, 2.0], "values": [1.0]}, "equal lengths"),
        ({"levels": [1.0, 1.0], "values": [1.0, 2.0]}, "differ"),
    ],
)
def test_kernels_that_cannot_be_used_are_named(fields: dict, told: str) -> None:
    with pytest.raises(ConfigValidationError, match=told):
        apply_transforms(column(), [kernel(**fields)], receptor=COLUMN)


def test_particles_of_one_level_share_its_weight() -> None:
    table = column().assign(xhgt=lambda t: np.where(t["indx"] <= 10, 100.0, 900.0))
    weights = pressure_weights(table, COLUMN)
    low, high = weights.loc[:10], weights.loc[11:]
    assert low.nunique() == high.nunique() == 1
    assert low.sum() != pytest.approx(high.sum() / 3)


def test_own_transforms_come_after_and_see_the_receptor() -> None:
    class Halve:
        def apply(self, particles, *, context):
            assert context.receptor is POINT
            return particles.assign(foot=particles["foot"] / 2)

    table = column()
    done = apply_transforms(table, [lifetime(1e12), Halve()], receptor=POINT)
    np.testing.assert_allclose(done["foot"], table["foot"] / 2)


def test_faults_are_named() -> None:
    table = column().drop(columns="xhgt")
    with pytest.raises(ValueError, match="'xhgt' is not a column"):
        apply_transforms(table, [operator()], receptor=POINT)
    with pytest.raises(ValueError, match="'age' is not a column"):
        apply_transforms(table, [lifetime(time_column="age")], receptor=POINT)
    with pytest.raises(ValueError, match="unknown unit"):
        apply_transforms(table, [lifetime(time_unit="fortnight")], receptor=POINT)
    with pytest.raises(ValueError, match="equal lengths"):
        apply_transforms(table, [operator(values=[1.0])], receptor=POINT)
    with pytest.raises(ConfigValidationError, match="not a particle transform"):
        apply_transforms(table, [42], receptor=POINT)


RELEASE_PRESSURE = {"coordinate": "pres", "levels": [500.0, 900.0], "values": [0.0, 1.0]}


@pytest.mark.parametrize("step", [operator(**RELEASE_PRESSURE), PressureWeighting()])
@pytest.mark.parametrize("terrain", [{"zsfc": 1300.0}, {}], ids=["zsfc", "first heights"])
def test_heights_above_sea_level_count_from_the_ground(step, terrain: dict) -> None:
    table = column().assign(**terrain)
    if not terrain:
        first = table["time"].abs() == table["time"].abs().min()
        table.loc[first, "zagl"] = table.loc[first, "xhgt"]
    agl = apply_transforms(table, [step], receptor=COLUMN)
    raised = table.assign(xhgt=table["xhgt"] + 1300.0)
    bounds = COLUMN.bottom + 1300.0, COLUMN.top + 1300.0
    msl = ColumnReceptor(COLUMN.time, COLUMN.longitude, COLUMN.latitude, *bounds,
                         altitude_ref="msl")  # fmt: skip
    told = ColumnReceptor(COLUMN.time, COLUMN.longitude, COLUMN.latitude, *bounds)
    by_receptor = apply_transforms(raised, [step], receptor=msl)
    by_kmsl = apply_transforms(raised, [step], receptor=told, heights_msl=True)
    called_msl = ColumnReceptor(COLUMN.time, COLUMN.longitude, COLUMN.latitude, COLUMN.bottom,
                                COLUMN.top, altitude_ref="msl")  # fmt: skip
    overruled = apply_transforms(table, [step], receptor=called_msl, heights_msl=False)
    for done in (by_receptor, by_kmsl, overruled):
        np.testing.assert_allclose(done["foot"], agl["foot"], rtol=1e-9)
    wrong = apply_transforms(raised, [step], receptor=told)
    assert not np.allclose(wrong["foot"], agl["foot"], rtol=1e-3)


def test_heights_below_the_ground_count_as_at_the_ground() -> None:
    table = column().assign(zsfc=1300.0)
    height = release_height_agl_m(table, None, heights_msl=True)
    assert (height[table["xhgt"] < 1300] == 0).all()
    np.testing.assert_allclose(height, (table["xhgt"] - 1300).clip(lower=0))
