"""What a column holds besides the modelled air, with numbers worked by hand."""

import numpy as np
import pandas as pd
import pytest

from stilt.errors import UsageError
from stilt.observations import Soundings, rest_of_column


def soundings(kernel, prior, pressure=(1000.0, 500.0, 0.0)) -> Soundings:
    table = pd.DataFrame(
        {
            "sounding_id": ["a"], "time": pd.to_datetime(["2023-07-15 20:00"]),
            "longitude": -111.9, "latitude": 40.5, "value": 1900.0, "uncertainty": 2.0,
            "units": "ppb", "species": "ch4", "sensor": "mine", "good": True,
            "surface_pressure_hpa": 1000.0,
        }
    )  # fmt: skip
    given = {"ak_pressure_hpa": pressure, "ak": kernel, "apriori": prior}
    return Soundings(table, {name: np.array([values]) for name, values in given.items()})


def test_a_kernel_of_ones_leaves_the_prior_above() -> None:
    even = soundings([1.0, 1.0, 1.0], [1900.0, 1900.0, 1900.0])
    np.testing.assert_allclose(rest_of_column(even, 0.3), 0.7 * 1900.0)
    np.testing.assert_allclose(rest_of_column(even, [1.0]), 0.0, atol=1e-9)
    np.testing.assert_allclose(rest_of_column(even, 0.0), 1900.0)


def test_kernel_and_prior_count_by_pressure() -> None:
    # With s the share below: a = 1.2 - 0.4 s, x = 2000 - 1000 s; the mean of x is 1500, and
    # a x = 2400 - 2000 s + 400 s^2, from 0 to 0.25: 600 - 62.5 + 400 / 3 / 64.
    sloping = soundings([1.2, 1.0, 0.8], [2000.0, 1500.0, 1000.0])
    expected = 1500.0 - (600.0 - 62.5 + 400.0 / 192.0)
    np.testing.assert_allclose(rest_of_column(sloping, 0.25), expected, rtol=1e-6)
    turned = soundings([0.8, 1.0, 1.2], [1000.0, 1500.0, 2000.0], (0.0, 500.0, 1000.0))
    np.testing.assert_allclose(rest_of_column(turned, 0.25), expected, rtol=1e-6)


def test_a_share_that_ends_within_a_layer_of_the_sum_counts_in_part() -> None:
    even = soundings([1.0, 1.0, 1.0], [1900.0, 1900.0, 1900.0])
    np.testing.assert_allclose(rest_of_column(even, 0.12345), 1900.0 * (1.0 - 0.12345))


def test_prior_air_in_the_modelled_part_is_the_air_of_the_prior() -> None:
    """Modelled part of the prior itself and the rest are the prior's own column."""
    sloping = soundings([1.2, 1.0, 0.8], [2000.0, 1500.0, 1000.0])
    share = np.linspace(0.0, 0.4, 4001)
    a, x = 1.2 - 0.4 * share, 2000.0 - 1000.0 * share
    modelled = np.trapezoid(a * x, share)
    np.testing.assert_allclose(rest_of_column(sloping, 0.4) + modelled, 1500.0, rtol=1e-6)


def test_the_weight_of_the_particles_counts_where_it_is_given() -> None:
    sloping = soundings([1.2, 1.0, 0.8], [2000.0, 1500.0, 1000.0])
    # As above: the mean of the prior in the lowest quarter, by kernel, is 539.58 / 0.2875.
    mean = (600.0 - 62.5 + 400.0 / 192.0) / (0.3 - 0.2 * 0.0625)
    rest = rest_of_column(sloping, 0.25, weight=[0.3])
    np.testing.assert_allclose(rest, 1500.0 - 0.3 * mean, rtol=1e-6)
    np.testing.assert_allclose(
        rest_of_column(sloping, 0.25, weight=0.2875), rest_of_column(sloping, 0.25), rtol=1e-6
    )
    np.testing.assert_allclose(rest_of_column(sloping, 0.0, weight=0.0), 1500.0)


def test_what_is_missing_is_named() -> None:
    even = soundings([1.0, 1.0, 1.0], [np.nan, np.nan, np.nan])
    assert np.isnan(rest_of_column(even, 0.3)).all()
    with pytest.raises(UsageError, match="needs ak_pressure_hpa, ak, apriori, surface_pressure"):
        rest_of_column(Soundings(even.table.drop(columns="surface_pressure_hpa")), 0.3)
    with pytest.raises(UsageError, match="must be from 0 to 1"):
        rest_of_column(even, 30.0)


def test_priors_and_pressures_in_another_unit_are_refused() -> None:
    with pytest.raises(UsageError, match=r"about 1\.9e-06 and the values are about 1900: give"):
        rest_of_column(soundings([1.0, 1.0, 1.0], [1.9e-6, 1.9e-6, 1.9e-6]), 0.3)
    with pytest.raises(UsageError, match="'apriori' holds -999, which seems to stand for missing"):
        soundings([1.0, 1.0, 1.0], [1900.0, -999.0, 1900.0])
    even = soundings([1.0, 1.0, 1.0], [1900.0, 1900.0, 1900.0])
    for wrong in (-999.0, 101.3, 101300.0):
        with pytest.raises(UsageError, match=f"from 300 to 1200 hPa, got {wrong:g}: are they in"):
            Soundings(even.table.assign(surface_pressure_hpa=wrong), even.profiles)


def test_values_of_other_rows_are_refused() -> None:
    one = soundings([1.0, 1.0, 1.0], [1900.0, 1900.0, 1900.0])
    both = Soundings.concat([one, one])
    share = pd.Series([0.3, 0.2], index=["first", "second"])
    weight = 0.9 * share
    np.testing.assert_allclose(
        rest_of_column(both, share, weight=weight), 1900.0 * (1.0 - weight.to_numpy())
    )
    with pytest.raises(UsageError, match="row 0 is first in the one and second in the other"):
        rest_of_column(both, share, weight=weight[::-1])
    with pytest.raises(UsageError, match="row 1 is second in the one and nothing in the other"):
        rest_of_column(both, share, weight=weight[:1])
    with pytest.raises(UsageError, match="one for each of the 2 soundings, in their order: got 3"):
        rest_of_column(both, [0.1, 0.2, 0.3])
    with pytest.raises(TypeError):
        rest_of_column(both, share, weight)  # type: ignore[misc]
