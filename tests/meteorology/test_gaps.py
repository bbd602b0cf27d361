"""Missing values: what lies below the ground is not needed, what is needed is asked for."""

import numpy as np
import pytest

from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from stilt.errors import MeteorologyError
from stilt.meteorology.gaps import (
    between_levels,
    from_nearest_level,
    without_empty,
    zero_above_the_last,
)
from stilt.meteorology.plausibility import implausible
from stilt.meteorology.prepare import ARRAYS, PreparationOptions, levels_for, prepare

NAN = np.nan


@pytest.fixture
def analysis():
    raw = on_pressures(
        on_grid(truth(np.datetime64("2023-07-15T15:00")), LATLON), np.array(PRESSURES_HPA, float)
    )
    del raw.upper["PRES"]
    return raw


def prepared(raw):
    options = PreparationOptions()
    return prepare(raw, levels_for(raw.grid, options.z_top_m), options)


def test_the_nearest_level_of_each_column_counts():
    field = np.array([[NAN, 1.0], [NAN, NAN], [3.0, NAN], [4.0, 2.0], [NAN, NAN]])
    filled = from_nearest_level(field.reshape(5, 1, 2))[:, 0]
    assert filled.T.tolist() == [[3.0, 3.0, 3.0, 4.0, 4.0], [1.0, 1.0, 2.0, 2.0, 2.0]]
    assert np.isnan(from_nearest_level(np.full((3, 1, 1), NAN))).all()


def test_a_hole_between_levels_is_filled_by_their_values():
    field = np.array([[1.0, NAN], [NAN, 3.0], [NAN, 5.0], [7.0, NAN]]).reshape(4, 1, 2)
    filled = between_levels(field, (1000.0, 900.0, 600.0, 400.0))[:, 0]
    assert filled.T.tolist() == [[1.0, 2.0, 5.0, 7.0], [3.0, 3.0, 5.0, 5.0]]
    # Levels without an order, as hybrid ones may be, count by their number.
    assert between_levels(field, (2.0, 1.0, 3.0, 0.0))[:, 0, 0].tolist() == [1.0, 3.0, 5.0, 7.0]


def test_above_the_last_level_is_zero_and_a_hole_is_filled():
    field = np.array([[NAN, NAN], [NAN, 1.0], [2.0, 3.0], [NAN, NAN], [4.0, 9.0], [NAN, NAN]])
    filled = zero_above_the_last(field.reshape(6, 1, 2), range(6))[:, 0].tolist()
    assert filled == [[2.0, 1.0], [2.0, 1.0], [2.0, 3.0], [3.0, 6.0], [4.0, 9.0], [0.0, 0.0]]


def test_what_is_missing_below_the_ground_changes_nothing(analysis):
    whole = prepared(analysis)
    pressures = np.array(analysis.grid.levels)[:, None, None]
    below = pressures > analysis.surface["PRSS"] + 5.0
    assert below.any()
    for name in ("UWND", "VWND", "TEMP", "SPHU", "WWND", "HGTS"):
        analysis.upper[name] = np.where(below, np.float32(NAN), analysis.upper[name])
    masked = prepared(analysis)
    for name in ARRAYS:
        # The ground's humidity is that of the lowest level, now the first one above the ground.
        apart = 0.1 if name == "air" else 0.02
        a, b = getattr(whole, name), getattr(masked, name)
        np.testing.assert_allclose(a, b, rtol=0.005, atol=apart, err_msg=name)


@pytest.mark.parametrize("name", ["PRSS", "T02M", "USTR", "U10M"])
def test_a_hole_at_the_surface_is_refused_and_named(analysis, name):
    analysis.surface[name] = analysis.surface[name].copy()
    analysis.surface[name][3, 4] = NAN
    with pytest.raises(MeteorologyError, match=f"has no {name} at some of its nodes; crop it"):
        prepared(analysis)


def test_a_column_without_wind_is_refused(analysis):
    analysis.upper["UWND"] = analysis.upper["UWND"].copy()
    analysis.upper["UWND"][:, 3, 4] = NAN
    with pytest.raises(MeteorologyError, match="has no UWND at some of its nodes"):
        prepared(analysis)


def test_fields_that_transport_does_not_need_may_have_holes(analysis):
    analysis.surface["DSWF"] = analysis.surface["DSWF"].copy()
    analysis.surface["DSWF"][3, 4] = NAN
    assert np.isfinite(prepared(analysis).column).all()


def test_units_that_lead_to_no_numbers_are_refused(analysis):
    analysis.upper["TEMP"] = analysis.upper["TEMP"] - np.float32(273.15)
    analysis.surface["T02M"] = analysis.surface["T02M"] - np.float32(273.15)
    analysis.surface["PRSS"] = analysis.surface["PRSS"] * np.float32(0.01)
    with pytest.raises(MeteorologyError, match="values that transport cannot compute with"):
        prepared(analysis)


def test_a_field_without_any_value_is_a_missing_field():
    known = np.zeros((2, 2), np.float32)
    assert list(without_empty({"T02M": known, "RGHS": known + np.float32(NAN)})) == ["T02M"]


def test_missing_values_are_no_implausible_zeros(analysis):
    analysis.surface["PRSS"] = analysis.surface["PRSS"].copy()
    analysis.surface["PRSS"][:, 4] = NAN
    assert not [found for found in implausible(analysis) if found.field == "PRSS"]
