"""Where particles end, and the mean of a field over them."""

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import stilt
from stilt.background import BackgroundField, background_of, ends_of
from stilt.background.average import end_weights, points_of
from stilt.background.ends import first_and_last
from stilt.background.sources import FieldSource
from stilt.errors import UsageError
from tests.support.background_fields import carbontracker, linear

COLUMN = stilt.ColumnReceptor("2023-07-15 00:00", -111.85, 40.77, 0.0, 4000.0)


def particles() -> pd.DataFrame:
    """Four particles of a column, the second of which leaves after two of six hours."""
    rows = []
    for number, height in enumerate((500.0, 1500.0, 2500.0, 3500.0), start=1):
        for minute in (1, 60, 120) if number == 2 else (1, 60, 120, 360):
            z = height + minute
            rows.append(
                {"time": -float(minute), "indx": number, "long": -111.85 - 0.01 * minute,
                 "lati": 40.77 + 0.002 * minute * number, "zagl": z,
                 "pres": 1000 * np.exp(-z / 8000), "foot": 1e-3, "xhgt": height}
            )  # fmt: skip
    return pd.DataFrame(rows).sort_values(["time", "indx"], ascending=[False, True])


def test_ends_are_by_age_or_by_leaving():
    ends = ends_of(particles(), COLUMN, -6)
    assert ends["indx"].tolist() == [1, 2, 3, 4]
    assert ends["age_h"].tolist() == [6, 2, 6, 6]
    assert ends["left"].tolist() == [False, True, False, False]
    assert ends["datetime"].iloc[1] == pd.Timestamp("2023-07-14 22:00")
    kept = first_and_last(particles())
    assert len(kept) == 8
    pd.testing.assert_frame_equal(ends_of(kept, COLUMN, -6), ends)
    # Rows in any order; a particle of one row has that one; forward in time.
    table = pd.concat([particles(), particles().head(1).assign(indx=9)])
    for sign in (1.0, -1.0):
        given = table.assign(time=sign * table["time"]).sample(frac=1.0, random_state=3)
        ages = given.assign(age=given["time"].abs()).sort_values(["indx", "age"])
        wanted = pd.concat([ages.groupby("indx").head(1), ages.groupby("indx").tail(1)])
        wanted = wanted.drop_duplicates().sort_values(["indx", "age"]).drop(columns="age")
        pd.testing.assert_frame_equal(first_and_last(given), wanted.reset_index(drop=True))
    assert len(first_and_last(table.head(0))) == 0


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_ends_of_particles_that_leave_at_any_time(sign):
    life = np.random.default_rng(3).integers(1, 40, 25)
    age, number = np.mgrid[1:41, 1:26].reshape(2, -1)
    there = age <= life[number - 1]
    table = pd.DataFrame({"time": sign * age[there], "indx": number[there]})
    ends = first_and_last(table)
    rows = [(n, t) for n, t in enumerate(life, 1) for t in ([1, t] if t > 1 else [1])]
    assert list(zip(ends["indx"], sign * ends["time"], strict=True)) == rows


KERNEL = {"kind": "averaging_kernel", "levels": [1000.0, 500.0], "values": [1.0, 0.4]}
WEIGHTING = {"kind": "pressure_weighting"}
LIFETIME = {"kind": "first_order_lifetime", "lifetime_hours": 12.0}


@pytest.mark.parametrize("transforms", [[], [KERNEL], [WEIGHTING], [KERNEL, WEIGHTING]])
def test_a_constant_field_gives_the_constant_whatever_the_weights(transforms):
    flat = carbontracker()
    flat["co2"] = xr.full_like(flat["co2"], 417.0)
    found = background_of(
        particles(),
        COLUMN,
        BackgroundField(FieldSource.open(flat)),
        n_hours=-6,
        transforms=transforms,
    )
    assert found["background"] == pytest.approx(417.0, rel=1e-12)
    assert found["background_std"] == pytest.approx(0.0, abs=1e-6)


OWN = """\
class BelowMixedLayer:
    def __init__(self, share=1.0):
        self.share = share

    def apply(self, particles, *, context):
        low = particles["zagl"] < self.share * particles["mlht"]
        return particles.assign(foot=particles["foot"].where(low, 0.0))


class OnlyBelow(BelowMixedLayer):
    def apply(self, particles, *, context):
        return particles[particles["zagl"] < self.share * particles["mlht"]]
"""


def test_a_transform_of_ones_own_weights_as_of_the_release(tmp_path, monkeypatch):
    (tmp_path / "weights_of_a_test.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    # Heights at the release are 501, 1501, 2501 and 3501 m; at their ends all are above 600 m.
    table = particles().assign(mlht=2000.0)
    field = BackgroundField(FieldSource.open(carbontracker()))
    values = field.at(points_of(ends_of(table, COLUMN, -6), field))

    def found(share, name="BelowMixedLayer", more=()):
        own = {"kind": "import", "path": f"weights_of_a_test:{name}", "options": {"share": share}}
        return background_of(table, COLUMN, field, n_hours=-6, transforms=[own, *more])

    for name in ("BelowMixedLayer", "OnlyBelow"):
        assert found(0.3, name)["background"] == pytest.approx(values[0])
        assert found(0.3, name)["weight"] == 0.25
        assert found(1.0, name)["background"] == pytest.approx(values[:2].mean())
        assert found(9.0, name)["background"] == pytest.approx(values.mean())
    weight = end_weights(table, COLUMN, [WEIGHTING])[0][:2]
    both = found(1.0, more=[WEIGHTING])
    assert both["background"] == pytest.approx(weight @ values[:2] / weight.sum())
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        none = found(0.1)
    assert np.isnan(none["background"])
    assert none["weight"] == 0.0
    assert [str(each.message)[:40] for each in told] == ["The background of 1 of 1 simulations is "]


def test_the_mean_is_weighted_as_the_footprint_is():
    table = particles()
    found = background_of(
        table, COLUMN, BackgroundField(FieldSource.open(carbontracker())), n_hours=-6,
        transforms=[KERNEL, WEIGHTING],
    )  # fmt: skip
    height = np.array([500.0, 1500.0, 2500.0, 3500.0])
    pressure = 1000 * np.exp(-height / 8000)
    kernel = np.interp(pressure, [500.0, 1000.0], [0.4, 1.0])
    slabs = np.exp(-(height - 500) / 8000) - np.exp(-(height + 500) / 8000)
    minutes = np.array([360, 120, 360, 360])
    values = linear(
        -111.85 - 0.01 * minutes,
        40.77 + 0.002 * minutes * np.arange(1, 5),
        1000 * np.exp(-(height + minutes) / 8000),
        24 - minutes / 60,
    )
    weights = kernel * slabs
    assert found["background"] == pytest.approx(weights @ values / weights.sum(), abs=1e-6)
    # Four particles share the column: the sum of kernel times share of air is what they stand for.
    assert found["weight"] == pytest.approx(weights.sum(), rel=1e-6)
    assert found["left"] == pytest.approx(weights[1] / weights.sum(), rel=1e-6)
    spread = np.sqrt(weights @ (values - found["background"]) ** 2 / weights.sum())
    assert found["background_std"] == pytest.approx(spread, rel=1e-6)


def test_a_lifetime_acts_with_the_age_of_the_end():
    weight, survival = end_weights(particles(), COLUMN, [LIFETIME, KERNEL])
    np.testing.assert_allclose(survival, np.exp(-np.array([6, 2, 6, 6]) / 12))
    flat = carbontracker()
    flat["co2"] = xr.full_like(flat["co2"], 100.0)
    found = background_of(
        particles(),
        COLUMN,
        BackgroundField(FieldSource.open(flat)),
        n_hours=-6,
        transforms=[LIFETIME],
    )
    assert found["background"] == pytest.approx(100 * survival.mean())
    assert weight.mean() != pytest.approx(1.0)


def test_a_field_needs_columns_of_the_particles():
    with pytest.raises(UsageError, match="pres: add them to varsiwant"):
        background_of(
            particles().drop(columns="pres"),
            COLUMN,
            BackgroundField(FieldSource.open(carbontracker())),
            n_hours=-6,
        )
