"""What a folder of weather holds is listed: times, gaps, grids, cycles, and files passed over."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilt.config import MetConfig
from stilt.errors import ConfigValidationError, UsageError
from stilt.meteorology.archive import gaps_in, list_archive, list_met
from stilt.meteorology.writer import write_arl

HOUR = np.timedelta64(1, "h")
START = np.datetime64("2023-07-14T00:00", "m")


@pytest.fixture
def write(tmp_path, grid_of, analysis_of):
    """Write an ARL file of some hours, each with the forecast hour of its distance to a cycle."""

    def write(name, hours, *, cycle=None, grid="lambert"):
        chosen = grid_of(grid)
        analyses = []
        for hour in hours:
            raw = analysis_of(chosen, str(START + hour * HOUR))
            lead = 0 if cycle is None else hour - cycle
            analyses.append(replace(raw, forecast_hour=lead))
        return write_arl(tmp_path / name, chosen, analyses)

    return write


@given(st.sets(st.integers(3, 60)))
def test_gaps_are_exactly_the_missing_times(further):
    hours = {0, 1, 2, *further}
    times = [START + hour * HOUR for hour in sorted(hours)]
    interval, gaps = gaps_in(times)
    missing = {
        int((time - START) / HOUR)
        for first, last in gaps
        for time in np.arange(first, last + interval, interval)
    }
    assert not missing & hours
    if interval == HOUR:
        assert missing == set(range(max(hours))) - hours


def test_one_time_has_no_interval():
    assert gaps_in([START]) == (None, ())


def test_times_gap_levels_and_fields(write, tmp_path):
    write("a", range(4))
    write("b", range(6, 8))
    (stream,) = list_archive(tmp_path, "arl").streams
    assert len(stream.analyses) == 6
    assert stream.interval == HOUR
    assert stream.gaps == ((START + 4 * HOUR, START + 5 * HOUR),)
    assert "PRSS" in stream.fields.surface
    assert "UWND" in stream.fields.upper
    assert stream.cycles == {}
    lon, lat = stream.outline()
    assert stream.grid.contains(
        lon[::7] * 0.5 + lon.mean() * 0.5, lat[::7] * 0.5 + lat.mean() * 0.5
    ).all()


def test_two_grids_are_two_streams_and_the_longer_comes_first(write, tmp_path):
    write("a", range(1))
    write("b", range(5), grid="latlon")
    kinds = [stream.grid.kind for stream in list_archive(tmp_path, "arl").streams]
    assert kinds == ["latlon", "conformal"]


def test_overlapping_forecasts_are_counted_by_their_cycle(write, tmp_path):
    write("old", range(6), cycle=0)
    write("new", range(3, 9), cycle=3)
    (stream,) = list_archive(tmp_path, "arl").streams
    assert stream.cycles == {START: 3, START + 3 * HOUR: 6}
    assert [ref.time for ref in stream.passed_over] == [START + h * HOUR for h in (3, 4, 5)]


def test_other_files_and_damaged_ones_are_told_apart(write, tmp_path):
    whole = write("20230714_00", range(3))
    cut = tmp_path / "20230714_03"
    cut.write_bytes(write("later", range(3, 6)).read_bytes()[:-7])
    (tmp_path / "later").unlink()
    (tmp_path / "README").write_text("how these were made")
    shutil.copy(whole, tmp_path / "odd-name")
    config = MetConfig(directory=tmp_path, file_format="%Y%m%d_%H", file_tres="3h")
    archive = list_met(config, "met")
    assert [path.name for path in archive.not_weather] == ["README"]
    assert [path.name for path in archive.damaged] == ["20230714_03"]
    assert [path.name for path in archive.not_named] == ["odd-name"]
    assert len(archive.streams[0].analyses) == 5
    assert archive.to_dict()["streams"][0]["analyses"] == 5


def test_a_folder_or_format_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="no folder"):
        list_archive(tmp_path / "gone")
    with pytest.raises(ConfigValidationError, match="Unknown weather format"):
        list_archive(tmp_path, "ear5")


def test_a_listing_is_of_the_forecasts_that_a_run_would_use(write, tmp_path):
    write("first_00", range(6), cycle=0)
    write("second_03", range(3, 9), cycle=3)
    options = {"file_format": "%Y", "file_tres": "1h"}
    (every,) = list_met(MetConfig(directory=tmp_path, **options)).streams
    (early,) = list_met(MetConfig(directory=tmp_path, cycle="00", **options)).streams
    assert len(every.analyses) == 9
    assert [ref.path.endswith("first_00") for ref in early.analyses] == [True] * 6
    assert list_met(MetConfig(directory=tmp_path, cycle="05", **options)).streams == ()
