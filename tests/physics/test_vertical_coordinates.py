from dataclasses import replace

import pytest
from synthetic_weather import GRID, analysis

from stilt.errors import MeteorologyError
from stilt.meteorology.columns import remap
from stilt.meteorology.prepare import levels_for


def test_wrf_levels_are_refused_by_name() -> None:
    raw = analysis("2023-07-01T00:00", {"TEMP": 290.0}, {})
    wrf = replace(raw, grid=replace(GRID, vertical_flag=5))
    with pytest.raises(MeteorologyError, match="WRF"):
        remap(wrf, levels_for(GRID, 25_000.0))
