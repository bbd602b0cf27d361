"""Which analyses of a finer meteorology belong to a window of time, and to several together."""

import numpy as np
import pytest

from stilt.meteorology.bracket import bracket_window
from stilt.meteorology.nest import agree
from stilt.meteorology.records import AnalysisRef


@pytest.fixture
def hours(grid_of):
    grid = grid_of("lambert")

    def of(*numbers: int) -> list[AnalysisRef]:
        return [AnalysisRef("a", _hour(hour), 0, 0, 0, grid, "", 0) for hour in numbers]

    return of


def _hour(number: int) -> np.datetime64:
    return np.datetime64("2023-07-14T00:00", "m") + np.timedelta64(60 * number, "m")


def test_analyses_with_missing_hours_on_both_sides_are_left_out(hours):
    bracket = bracket_window(hours(0, 1, 4, 7, 8, 9), _hour(0), _hour(8))
    kept = [int((ref.time - _hour(0)) / np.timedelta64(60, "m")) for ref in bracket.with_neighbours]
    assert kept == [0, 1, 7, 8]


def test_windows_agree_where_each_has_all_that_the_others_have(hours):
    def named(grid: str, *numbers: int) -> dict:
        return {(grid, ref.time): ref for ref in hours(*numbers)}

    outer = named("outer", *range(2, 6))
    others = named("outer", *range(5)) | named("fine", *range(5))
    shared = (_hour(2), _hour(4))
    assert agree(outer | named("fine", 2, 3, 4, 5), others, shared)
    # Without an hour that the others have, and without any.
    assert not agree(outer | named("fine", 3, 4, 5), others, shared)
    assert not agree(outer, others, shared)
