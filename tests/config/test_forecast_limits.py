from datetime import datetime

import pytest

from stilt.config import MetConfig
from stilt.config.forecasts import ForecastChoice

ERA5 = {"directory": "/data/met", "format": "gfs"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (6, "06"),
        ("06", "06"),
        ([12, "0"], "00,12"),
        ("0, 12", "00,12"),
        ("2023-07-15 06:00", "2023-07-15T06:00"),
        (datetime(2023, 7, 15, 6), "2023-07-15T06:00"),
        ("2023-07-15T08:00+02:00", "2023-07-15T06:00"),
    ],
)
def test_a_cycle_is_an_hour_several_or_a_time(given, kept):
    config = MetConfig(**ERA5, cycle=given)
    assert config.cycle == kept
    assert MetConfig(**ERA5, cycle=config.cycle) == config


@pytest.mark.parametrize(
    ("given", "kept"), [(1, "1h"), ("1h", "1h"), ("6h..11h", "6h..11h"), ("06 .. 11", "6h..11h")]
)
def test_a_lead_is_hours_or_a_range_of_them(given, kept):
    config = MetConfig(**ERA5, lead=given)
    assert config.lead == kept
    assert MetConfig(**ERA5, lead=config.lead) == config


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cycle", "24"), ("cycle", "noon"), ("cycle", []), ("cycle", True),
        ("lead", "11h..6h"), ("lead", "soon"), ("lead", "-1h"),
    ],
)  # fmt: skip
def test_others_are_refused_with_what_to_write(key, value):
    with pytest.raises(ValueError, match=f"{key}: .*(write|name)"):
        MetConfig(**ERA5, **{key: value})


def test_limits_come_back_from_their_text():
    for cycle in ("", "00,12", "2023-07-15T06:00"):
        for lead in ("", "1h", "6h..11h"):
            choice = ForecastChoice(cycle, lead)
            assert ForecastChoice.parse(choice.text) == choice
