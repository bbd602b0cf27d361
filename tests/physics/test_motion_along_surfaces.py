"""Vertical motion along surfaces of pressure (W_OPTION 1), from analysis to analysis, both ways.

Pressure falls by a tenth of a hectopascal a metre and rises by 6 hPa from the first analysis to the
next, six hours later, so that its surfaces rise by 60 m; the third is 18 hPa above the second.
"""

from pathlib import Path

import numpy as np
import pytest
from synthetic_weather import HEIGHTS_M, START, WIDE, Laboratory, per_level, release

_PRESSURE = np.where(
    np.array(HEIGHTS_M) <= 7000.0,
    1000.0 - 0.1 * np.array(HEIGHTS_M),
    np.interp(HEIGHTS_M, [7000.0, 25_000.0], [300.0, 20.0]),
)
_RISE_HPA = (0.0, 6.0, 24.0)


@pytest.fixture
def lab(tmp_path: Path) -> Laboratory:
    laboratory = Laboratory(tmp_path, WIDE)
    return laboratory.weather(
        *(({"PRES": per_level(_PRESSURE + more)}, {"PRSS": 1000.0 + more}) for more in _RISE_HPA)
    )


def heights(lab: Laboratory, start: np.datetime64, n_hours: int) -> dict[int, float]:
    table = lab.run(
        release(500.0, time=start), n_hours=n_hours, numpar=1, nturb=1, w_option=1, outdt=360
    )[0]
    return dict(zip(table["time"].astype(int), table["zagl"], strict=True))


def test_first_two_analyses_of_a_run_share_their_difference(lab: Laboratory) -> None:
    there = heights(lab, START, 6)
    assert there[360] == pytest.approx(560.0, abs=0.5)


def test_later_analyses_have_the_difference_to_the_one_before(lab: Laboratory) -> None:
    there = heights(lab, START, 12)
    # The rate grows from 10 to 30 m an hour within the second six hours.
    assert there[720] == pytest.approx(560.0 + 120.0, abs=1.0)


def test_air_goes_back_along_the_surfaces(lab: Laboratory) -> None:
    last = START + np.timedelta64(12, "h")
    there = heights(lab, last, -12)
    # From 30 m an hour, which both of the first two have, down to 10 at the third.
    assert there[-360] == pytest.approx(500.0 - 180.0, abs=1.0)
    assert there[-720] == pytest.approx(500.0 - 180.0 - 120.0, abs=1.5)


def test_a_run_does_not_depend_on_others_that_begin_elsewhen(lab: Laboratory) -> None:
    later = START + np.timedelta64(6, "h")
    settings = {"n_hours": 6, "numpar": 1, "nturb": 1, "w_option": 1, "outdt": 360}
    alone = lab.run(release(500.0, time=later), **settings)[0]
    both = lab.run([release(500.0), release(500.0, time=later, key=2)], **settings)
    np.testing.assert_array_equal(alone["zagl"], both[1]["zagl"])
    assert alone["zagl"].iloc[-1] == pytest.approx(500.0 + 180.0, abs=1.0)
