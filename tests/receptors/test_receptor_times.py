"""Times from text: what can be read in one way only is read, the rest says how to write it."""

import datetime as dt
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from stilt.errors import UsageError
from stilt.observations import Observation, filter_observations
from stilt.receptors import PointReceptor, ReceptorID, parse_time, time_window
from stilt.receptors.times import TimeFormatError

MOMENT = pd.Timestamp("2019-05-10 12:00:00")
YEAR_FIRST = [
    "2019-05-10 12:00:00", "2019-05-10T12:00:00", "2019-05-10T12:00Z", "2019-05-10t12z",
    "2019-05-10 12:00 UTC", "2019-05-10 14:00+02:00", "2019-05-10 14:00 +0200",
    "2019-05-10 05:00-07", "2019/05/10 12:00", "2019.05.10 12:00", "2019-5-10 12:00:00.4",
    "2019-05-10_12:00:00", "20190510T120000Z", "20190510 1200", "201905101200", "20190510120000",
    "201905101200Z", " 2019-05-10  12 ",
]  # fmt: skip
DAY_AND_MONTH = [
    "10.05.2019", "13.05.2019", "10.05.2019 12:00", "10/05/2019", "5/10/2019 12:00", "10-05-2019",
    "10.5.19", "10/05/19 12:00", "10 May 2019", "10-MAY-2019 12:00:00",
]  # fmt: skip
NO_TIMES = [
    "2019", "2019-05", "2019Q2", "2019-W20-3", "2019-130", "2019051", "2019051012", "12:00", "now",
    "2019-05/10", "201905101200:30", "May 10, 2019", "2019-05-10 12:00 2020", "2019-05-10 905",
]  # fmt: skip


@pytest.mark.parametrize("text", YEAR_FIRST)
def test_text_with_the_year_first_is_one_moment(text):
    assert parse_time(text) == MOMENT


@pytest.mark.parametrize("text", DAY_AND_MONTH)
def test_text_whose_day_and_month_can_be_confused_says_how_to_write_it(text):
    message = "does not begin with the year, .* write it as YYYY-MM-DD HH:MM:SS"
    with pytest.raises(TimeFormatError, match=message) as raised:
        parse_time(text)
    assert repr(text) in str(raised.value)


@pytest.mark.parametrize("text", NO_TIMES)
def test_text_that_is_no_date_and_time_is_not_guessed(text):
    with pytest.raises(TimeFormatError, match="write it as YYYY-MM-DD HH:MM:SS, in UTC"):
        parse_time(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2019-05-10 12:00 EST", "ends in 'EST'.* offset such as -07:00"),
        ("2019-05-10 12:00 America/Denver", "ends in 'America/Denver'"),
        ("2019-05-10 12:00 PM", "ends in 'PM'"),
        ("2016-12-31 23:59:60", "leap second"),
        ("2019-05-10 24:00", "hour 24: write 00:00 of the next day"),
        ("2019-13-10", "does not exist: month"),
        ("2019-02-30", "does not exist: day"),
        ("2019-05-10 12:61", "does not exist: minute"),
        ("2019-05-10 12:00+25:00", "not an offset"),
        ("45595.75", "is a number"),
        ("1557489600", "is a number"),
        ("10052019", "year 1005"),
        ("0001-01-01 00:00+05:00", "year 1"),
        ("9999-12-31 23:00-05:00", "year 9999"),
    ],
)
def test_what_is_wrong_with_a_time_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        parse_time(text)


@pytest.mark.parametrize(
    "read",
    [
        lambda text: PointReceptor(text, -111.85, 40.77, 5.0),
        lambda text: ReceptorID.from_parts(text, "-111.85_40.77_5"),
        lambda text: Observation(time=text, latitude=40.77, longitude=-111.85),
        lambda text: filter_observations([], time_range=("2019-01-01", text)),
    ],
    ids=["receptor", "id", "observation", "selection"],
)
def test_every_reader_of_times_refuses_them_alike(read):
    read("2019-05-10")
    with pytest.raises(TimeFormatError, match=r"10\.05\.2019"):
        read("10.05.2019")


@pytest.mark.parametrize(
    ("text", "time_format"),
    [
        ("10.05.2019 12:00", "%d.%m.%Y %H:%M"),
        ("05/10/19 12:00", "%m/%d/%y %H:%M"),
        ("10 May 2019 12:00 PM", "%d %b %Y %I:%M %p"),
        ("10.05.2019 14:00:00 +0200", "%d.%m.%Y %H:%M:%S %z"),
        ("2019 130 12", "%Y %j %H"),
    ],
)
def test_a_stated_format_decides(text, time_format):
    assert parse_time(text, time_format) == MOMENT


def test_a_stated_format_holds_for_text_only_and_for_all_of_it():
    assert parse_time(MOMENT, "%d.%m.%Y") == MOMENT
    assert parse_time(dt.datetime(2019, 5, 10, 12), "%d.%m.%Y") == MOMENT
    with pytest.raises(ValueError, match="does not have the time format"):
        parse_time("2019-05-10", "%d.%m.%Y")


@pytest.mark.parametrize(
    ("time_format", "message"),
    [
        ("DD.MM.YYYY", "does not hold year, month and day"),
        ("%d/%m", "does not hold year"),
        ("%d.%m.%Y %I:%M", "does not tell the time of day"),
        ("%d.%m.%Y %H:%M %Z", "use %z"),
        ("%Q", "cannot be used"),
        ("%", "cannot be used"),
    ],
)
def test_a_format_that_cannot_tell_a_time_is_refused(time_format, message):
    with pytest.raises(ValueError, match=message):
        parse_time("10.05.2019", time_format)


@pytest.mark.parametrize("value", [[MOMENT], (2019, 5, 10), {"year": 2019}, b"2019-05-10"])
def test_other_things_are_no_times(value):
    with pytest.raises(TypeError, match="'time' must be text or a datetime, not a "):
        parse_time(value)


@pytest.mark.parametrize("day", ["2023-07-15", "20230715", "2023/7/15", dt.date(2023, 7, 15)])
def test_a_day_without_an_hour_ends_a_range_at_its_last_second(day) -> None:
    first, last = time_window((day, day))
    assert first == pd.Timestamp("2023-07-15 00:00:00")
    assert last == pd.Timestamp("2023-07-15 23:59:59")


@pytest.mark.parametrize("hour", ["2023-07-15 00:00", "202307150000", dt.datetime(2023, 7, 15)])
def test_an_hour_ends_a_range_where_it_is(hour) -> None:
    assert time_window(("2023-07-14", hour))[1] == pd.Timestamp("2023-07-15 00:00:00")


@pytest.mark.parametrize("given", ["2023-07-14", ("2023-07-14",), ["2023", "2024", "2025"]])
def test_a_range_that_is_not_two_times_is_answered_with_one_that_is(given) -> None:
    with pytest.raises(UsageError, match=r"such as \('2023-07-15', '2023-07-16'\)"):
        time_window(given)


def test_a_range_of_times_has_its_first_time_first() -> None:
    with pytest.raises(UsageError, match="2023-07-16 is after 2023-07-15: exchange them"):
        time_window(("2023-07-16", "2023-07-15"))
    first, last = time_window(("2023-07-15", "2023-07-15"))
    assert (last - first).total_seconds() == 86_399


def test_both_hours_of_the_night_in_which_clocks_are_set_back_are_told_apart():
    zone = ZoneInfo("Europe/Berlin")
    clock = [dt.datetime(2020, 10, 25, 2, 30, tzinfo=zone, fold=fold) for fold in (0, 1)]
    utc = [pd.Timestamp("2020-10-25 00:30"), pd.Timestamp("2020-10-25 01:30")]
    assert [parse_time(time) for time in clock] == utc
    assert [parse_time(pd.Timestamp(time)) for time in clock] == utc
