"""Which time a field of a flux stands for, by how products stamp their fields."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stilt.footprint.flux_times import edges_of
from stilt.footprint.inventory import Inventory


def edges(*stamps):
    times = pd.DatetimeIndex(stamps).to_numpy().astype("datetime64[us]")
    left, right = (
        each.astype("datetime64[us]").astype("datetime64[m]") for each in edges_of(times)
    )
    assert (left[1:] == right[:-1]).all()
    return [str(left[0]), *map(str, right)]


MONTHS = ["2023-01-01T00:00", "2023-02-01T00:00", "2023-03-01T00:00", "2023-04-01T00:00"]


@pytest.mark.parametrize(
    "stamps",
    [
        ("2023-01-01", "2023-02-01", "2023-03-01"),
        ("2023-01-15", "2023-02-15", "2023-03-15"),
        ("2023-01-16 12:00", "2023-02-15 00:00", "2023-03-16 12:00"),
        ("2023-01-31", "2023-02-28", "2023-03-31"),
    ],
)
def test_months_are_whole_months_wherever_their_stamps_are(stamps):
    assert edges(*stamps) == MONTHS


@pytest.mark.parametrize("units", ["kg m-2 month-1", "kg/m2/month"])
def test_an_amount_in_a_month_is_divided_by_the_days_of_that_month(units):
    """Inversions and fire inventories give months so; February would miss 8 % otherwise."""
    molar_mass_g = 44.0095
    place = {"lat": [40.0, 41.0], "lon": [-112.0, -111.0]}
    months = pd.to_datetime(["2023-01-16", "2023-02-15", "2023-03-16"]).as_unit("ns")
    attrs = {"units": units}
    dated = xr.DataArray(np.ones((3, 2, 2)), {"time": months, **place}, attrs=attrs)
    expected = [1e9 / molar_mass_g / (86_400 * days) for days in (31, 28, 31)]
    found = Inventory.of(dated, molar_mass_g)
    for step in range(3):
        np.testing.assert_allclose(found.values(step), expected[step], rtol=1e-9)
    one = Inventory.of(dated.isel(time=[1]), molar_mass_g)
    np.testing.assert_allclose(one.values(0), expected[1], rtol=1e-9)
    every_year = xr.DataArray(
        np.ones((12, 2, 2)), {"month": np.arange(1, 13), **place}, attrs=attrs
    )
    found = Inventory.of(every_year, molar_mass_g)
    np.testing.assert_allclose(found.values(11), expected[0], rtol=1e-9)
    np.testing.assert_allclose(found.values(1), expected[1] * 28 / 28.25, rtol=1e-9)


def test_years_are_whole_years():
    years = ["2022-01-01T00:00", "2023-01-01T00:00", "2024-01-01T00:00"]
    for stamps in (("2022-01-01", "2023-01-01"), ("2022-07-02 12:00", "2023-07-02 12:00")):
        assert edges(*stamps) == years


def test_stamps_in_the_middle_of_parts_of_the_day_are_their_middles():
    assert edges("2023-07-15 01:30", "2023-07-15 04:30") == [
        "2023-07-15T00:00", "2023-07-15T03:00", "2023-07-15T06:00",
    ]  # fmt: skip
    assert edges("2023-07-15 00:30", "2023-07-15 01:30")[0] == "2023-07-15T00:00"
    assert edges("2023-07-15 12:00", "2023-07-16 12:00")[0] == "2023-07-15T00:00"


def test_all_others_hold_until_the_next():
    assert edges("2023-07-15 00:00", "2023-07-15 03:00")[::2] == [
        "2023-07-15T00:00", "2023-07-15T06:00",
    ]  # fmt: skip
    assert edges("2023-07-15 12:00", "2023-07-15 13:00")[0] == "2023-07-15T12:00"
    assert edges("2023-07-10", "2023-08-10")[0] == "2023-07-10T00:00"
    uneven = edges("2023-07-15 00:30", "2023-07-15 01:30", "2023-07-15 04:00")
    assert uneven[0] == "2023-07-15T00:30"
    assert uneven[-1] == "2023-07-15T06:30"
    assert np.diff(np.array(uneven, "datetime64[m]")).min() > np.timedelta64(0, "m")


def steps(*stamps):
    times = pd.DatetimeIndex(stamps).to_numpy().astype("datetime64[us]")
    edges = (each.astype("datetime64[us]").astype("datetime64[m]") for each in edges_of(times))
    return [tuple(map(str, each)) for each in zip(*edges, strict=True)]


@pytest.mark.parametrize(
    ("stamps", "before", "after"),
    [
        (
            ("2023-07-15 00:00", "2023-07-15 01:00", "2023-07-15 02:00", "2023-07-15 05:00"),
            ("2023-07-15T02:00", "2023-07-15T03:00"), ("2023-07-15T05:00", "2023-07-15T06:00"),
        ),
        (
            ("2023-07-15 00:30", "2023-07-15 01:30", "2023-07-15 02:30", "2023-07-15 05:30"),
            ("2023-07-15T02:00", "2023-07-15T03:00"), ("2023-07-15T05:00", "2023-07-15T06:00"),
        ),
        (
            ("2023-01-16", "2023-02-15", "2023-04-16"),
            ("2023-02-01T00:00", "2023-03-01T00:00"), ("2023-04-01T00:00", "2023-05-01T00:00"),
        ),
        (
            ("2020-01-01", "2021-01-01", "2023-01-01"),
            ("2021-01-01T00:00", "2022-01-01T00:00"), ("2023-01-01T00:00", "2024-01-01T00:00"),
        ),
    ],
)  # fmt: skip
def test_nothing_holds_in_place_of_fields_that_are_missing(stamps, before, after):
    assert steps(*stamps)[-2:] == [before, after]


def test_steps_of_other_lengths_are_no_gaps():
    """Eight days until the end of a year, and quarters."""
    eights = pd.date_range("2023-12-03", periods=4, freq="8D")
    found = steps(*eights, "2024-01-01", "2024-01-09")
    assert [right for _, right in found[:-1]] == [left for left, _ in found[1:]]
    quarters = steps("2023-01-01", "2023-04-01", "2023-07-01", "2023-10-01")
    assert quarters[2] == ("2023-07-01T00:00", "2023-10-01T00:00")
