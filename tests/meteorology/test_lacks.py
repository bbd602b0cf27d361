"""Missing weather is said once for all simulations that lack it together."""

from __future__ import annotations

import pandas as pd

from stilt.errors import Reason
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.lacks import WeatherProblem, together, window_of


def problems_of(catalogue: MetCatalogue, times, n_hours: float = -6) -> list[WeatherProblem]:
    """The problem of a simulation at each time that has one."""
    found = []
    for time in map(pd.Timestamp, times):
        window = window_of(time, n_hours)
        error = catalogue.assess(*window).error
        if error is not None:
            sim_id = f"hrrr_{time:%Y%m%d%H%M}_-111.5_40.5_5"
            found.append(WeatherProblem("hrrr", (sim_id,), (error.reason,), window, error.detail))
    return found


def test_hours_past_the_end_are_one_sentence_with_counts_and_range(archive) -> None:
    catalogue = MetCatalogue(archive(), "hrrr")
    # The files hold 2023-07-14 00:00 to 23:00; the last three need no hour that is there.
    hourly = pd.date_range("2023-07-14 12:00", "2023-07-15 09:00", freq="h")
    (one,) = together(problems_of(catalogue, hourly), catalogue)
    assert len(one.sim_ids) == 10
    text = str(one)
    assert text.startswith(
        "10 simulations of hrrr from 2023-07-15 00:00 to 2023-07-15 09:00: "
        "MET_COVERAGE 6, MISSING_MET_FILES 4: "
    )
    assert "lacks 10 of the analyses needed: 2023-07-15 00:00," in text
    assert "and 4 more up to 2023-07-15 09:00" in text


def test_spans_that_do_not_touch_are_told_apart(archive) -> None:
    catalogue = MetCatalogue(archive(), "hrrr")
    times = ["2023-07-14 03:00", "2023-07-14 04:00", "2023-07-15 02:00", "2023-08-01 00:00"]
    early, late, never = together(problems_of(catalogue, times), catalogue)
    assert [len(each.sim_ids) for each in (early, late, never)] == [2, 1, 1]
    assert "2023-07-13 21:00" in early.detail
    assert "2023-07-15" not in early.detail
    assert late.who == late.sim_ids[0]
    assert "20230731_18" in never.detail


def test_other_faults_are_not_joined(archive) -> None:
    catalogue = MetCatalogue(archive(), "hrrr")
    first, second, third = problems_of(
        catalogue, pd.date_range("2023-07-15 00:00", "2023-07-15 02:00", freq="h")
    )
    damaged = WeatherProblem(
        "hrrr", second.sim_ids, (Reason.DAMAGED_MET_FILE,), second.window, "It is damaged."
    )
    told = together([first, damaged, third], catalogue)
    assert [each.why for each in told] == ["MET_COVERAGE", "DAMAGED_MET_FILE", "MET_COVERAGE"]


def test_simulations_of_one_time_are_one_and_a_number(archive) -> None:
    catalogue = MetCatalogue(archive(), "hrrr")
    (one,) = together(problems_of(catalogue, ["2023-07-20 00:00"] * 3), catalogue)
    assert one.who == "hrrr_202307200000_-111.5_40.5_5 and 2 more"
    assert one.why == "MISSING_MET_FILES"
