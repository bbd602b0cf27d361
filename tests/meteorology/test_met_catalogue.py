"""The catalogue chooses analyses by the times inside the files, and names what is missing."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stilt.config import MetConfig
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.arl import read_index
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.fingerprint import WeatherCheck, fingerprint
from stilt.meteorology.guessed_format import format_of_name
from stilt.meteorology.index_cache import IndexCache
from stilt.meteorology.overlap import overlap_text
from stilt.meteorology.writer import write_arl


def hours(refs):
    return [str(ref.time)[8:16].replace("T", " ") for ref in refs]


def failure(catalogue, start, end) -> MeteorologyError:
    with pytest.raises(MeteorologyError) as raised:
        catalogue.select(start, end)
    assert "\n" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("start", "end", "first", "last", "n"),
    [
        ("2023-07-14 02:00", "2023-07-14 04:00", "14 02:00", "14 04:00", 3),
        ("2023-07-14 02:30", "2023-07-14 04:10", "14 02:00", "14 05:00", 4),
        ("2023-07-14 05:10", "2023-07-14 05:50", "14 05:00", "14 06:00", 2),
        ("2023-07-14 06:00", "2023-07-14 06:00", "14 06:00", "14 06:00", 1),
        ("2023-07-14 00:00", "2023-07-14 23:00", "14 00:00", "14 23:00", 24),
    ],
)
def test_a_window_is_bracketed_at_both_ends(archive, start, end, first, last, n):
    catalogue = MetCatalogue(archive())
    refs = catalogue.select(start, end)
    assert (hours(refs)[0], hours(refs)[-1], len(refs)) == (first, last, n)
    assert [ref.time for ref in refs] == sorted({ref.time for ref in refs})
    assert catalogue.select(pd.Timestamp(end), pd.Timestamp(start)) == refs
    assert catalogue.select(np.datetime64(start), np.datetime64(end)) == refs


@pytest.mark.parametrize(
    ("start", "end", "missing"),
    [
        ("00:00", "00:00", []),
        ("00:40", "00:40", ["01:00"]),
        ("00:02", "00:02", ["01:00"]),
        ("00:00", "01:00", ["01:00"]),
        ("00:00", "01:20", ["01:00", "02:00"]),
    ],
)
def test_one_analysis_stands_for_its_own_time_alone(archive, start, end, missing):
    """Of two, the later one says the same for the hours after it."""
    for n_files in (1, 2):
        folder = archive(n_files=n_files, per_file=1, folder=f"of {n_files}").directory
        last = pd.Timestamp("2023-07-14") + pd.Timedelta(hours=n_files - 1)
        window = [last + pd.Timedelta(f"{time}:00") for time in (start, end)]
        found = MetCatalogue(MetConfig(directory=folder, format="auto")).assess(*window)
        expected = [last + pd.Timedelta(f"{time}:00") for time in missing]
        assert [pd.Timestamp(time) for time in found.bracket.missing] == expected
        assert (found.error is None) == (not missing)


@pytest.mark.parametrize(("step", "per_file"), [(1, 1), (3, 1), (3, 8), (6, 4)])
def test_any_interval_and_file_length(archive, step, per_file):
    config = archive(step=step, per_file=per_file, n_files=24 // per_file)
    refs = MetCatalogue(config).select("2023-07-14 07:00", "2023-07-14 10:00")
    expected = pd.date_range("2023-07-14", periods=25, freq=f"{step}h")
    expected = [
        t
        for t in expected
        if pd.Timedelta(hours=-step) < t - pd.Timestamp("2023-07-14 07:00")
        and t - pd.Timestamp("2023-07-14 10:00") < pd.Timedelta(hours=step)
    ]
    assert [pd.Timestamp(ref.time) for ref in refs] == expected


def test_one_file_with_a_plain_name_serves_any_window(archive):
    config = archive(n_files=1, per_file=13, step=3)
    for pattern, tres in [("20230714_00", "1h"), ("20230714", "24h"), ("2023", "3h")]:
        plain = MetConfig(directory=config.directory, file_format=pattern, file_tres=tres)
        assert len(MetCatalogue(plain).select("2023-07-14 04:00", "2023-07-15 07:00")) == 11


def test_files_may_cover_more_than_file_tres_says(archive):
    config = archive().model_copy(update={"file_tres": "1h"})
    for start, end in [
        ("14 08:00", "14 10:00"),
        ("14 09:30", "14 16:10"),
        ("14 05:30", "14 05:40"),
    ]:
        refs = MetCatalogue(config).select(f"2023-07-{start}", f"2023-07-{end}")
        assert refs[0].time <= np.datetime64(f"2023-07-{start}") < refs[1].time
        assert refs[-2].time < np.datetime64(f"2023-07-{end}") <= refs[-1].time


def test_a_catalogue_can_be_sent_to_a_worker(archive):
    catalogue = MetCatalogue(archive())
    refs = catalogue.select("2023-07-14 02:00", "2023-07-14 04:00")
    copy = pickle.loads(pickle.dumps(catalogue))
    assert copy.select("2023-07-14 02:00", "2023-07-14 04:00") == refs


def test_files_follow_the_names_alone(archive):
    catalogue = MetCatalogue(archive(n_files=6))
    names = [path.name for path in catalogue.files("2023-07-15 01:00", -12)]
    assert names == ["20230714_12", "20230714_18", "20230715_00", "20230715_06"]
    names = [path.name for path in catalogue.files("2023-07-14 07:00", 6)]
    assert names == ["20230714_06", "20230714_12"]


def test_missing_hours_are_named(archive):
    config = archive()
    (config.directory / "20230714_06").unlink()
    catalogue = MetCatalogue(config, "hrrr")
    error = failure(catalogue, "2023-07-14 04:00", "2023-07-14 13:00")
    assert error.reason is Reason.MET_COVERAGE
    assert "hrrr" in error.detail
    assert str(config.directory) in error.detail
    assert "2023-07-14 06:00" in error.detail
    assert "2023-07-14 11:00" in error.detail
    assert "20230714_06" in error.detail
    assert len(catalogue.select("2023-07-14 01:00", "2023-07-14 05:00")) == 5
    assert len(catalogue.select("2023-07-14 12:00", "2023-07-14 20:00")) == 9


@pytest.mark.parametrize(
    ("start", "end", "missing"),
    [
        ("2023-07-13 22:30", "2023-07-14 03:00", ["13 22:00", "13 23:00"]),
        ("2023-07-14 20:00", "2023-07-15 01:00", ["15 00:00", "15 01:00"]),
        ("2023-07-14 20:00", "2023-07-14 23:01", ["15 00:00"]),
    ],
)
def test_windows_beyond_the_archive_name_the_hours(archive, start, end, missing):
    error = failure(MetCatalogue(archive()), start, end)
    assert error.reason is Reason.MET_COVERAGE
    for hour in missing:
        assert hour in error.detail
    assert f"lacks {len(missing)} of" in error.detail


def test_a_missing_hour_among_single_hour_files(archive):
    config = archive(n_files=4, per_file=1)
    (config.directory / "20230714_01").unlink()
    error = failure(MetCatalogue(config), "2023-07-14 00:00", "2023-07-14 02:00")
    assert error.reason is Reason.MET_COVERAGE
    assert "2023-07-14 01:00" in error.detail
    (config.directory / "20230714_03").unlink()
    error = failure(MetCatalogue(config), "2023-07-14 00:00", "2023-07-14 02:00")
    assert "2023-07-14 01:00" in error.detail
    assert "or correct file_tres (1h)" in error.detail


def test_no_file_at_all_says_what_was_looked_for(archive):
    config = archive()
    error = failure(MetCatalogue(config), "2024-07-14 00:00", "2024-07-14 02:00")
    assert error.reason is Reason.MISSING_MET_FILES
    assert error.detail == (
        f"The weather of {config.directory} has no file for the time needed (no name begins with "
        "20240714_00; there are 4 file(s), such as 20230714_00): add files, or correct directory "
        "in config.yaml or the receptors' times."
    )
    for file in config.directory.iterdir():
        file.unlink()
    error = failure(MetCatalogue(config), "2024-07-14 00:00", "2024-07-14 02:00")
    assert "(no name begins with 20240714_00; there are no files)" in error.detail


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("20230714_00", "%Y%m%d_%H"),
        ("20190530_00-05_hrrr", "%Y%m%d_%H"),
        ("hysplit.20190530.00z.hrrra", "hysplit.%Y%m%d.%H"),
        ("wrfout_d01_2023-07-15_18:00:00", "wrfout_d01_%Y-%m-%d_%H"),
        ("edas.20230715", "edas.%Y%m%d"),
        ("2023071506.arl", "%Y%m%d%H"),
    ],
)
def test_the_format_of_a_name(name, right):
    found, time = format_of_name(name)
    assert found == right
    assert name.startswith(time.strftime(found))


@pytest.mark.parametrize("name", ["gdas1.jul23.w1", "12345678", "hrrr", "20231345_00"])
def test_a_name_without_a_date_has_no_format(name):
    assert format_of_name(name) is None


@pytest.mark.parametrize("wrong", [r"\d{8}_\d{2}", "%Y%m%d.*", "[0-9]{8}_[0-9]+"])
def test_a_regular_expression_is_told_from_a_beginning_of_names(archive, wrong):
    config = archive().model_copy(update={"file_format": wrong})
    error = failure(MetCatalogue(config), "2023-07-14 00:00", "2023-07-14 02:00")
    assert error.detail.endswith(
        "file_format says how names begin, with the time in strftime form and * and ? as in a "
        "shell; it is no regular expression: %Y%m%d_%H fits 20230714_00."
    )


def test_a_wrong_format_is_answered_with_the_right_one(archive):
    config = archive().model_copy(update={"file_format": "%d%m%Y_%H"})
    error = failure(MetCatalogue(config), "2023-07-14 00:00", "2023-07-14 02:00")
    assert error.detail.endswith(
        "file_format says how names begin, with the time in strftime form: %Y%m%d_%H fits "
        "20230714_00."
    )


def test_n_min_and_a_missing_folder(archive, tmp_path):
    config = archive()
    few = config.model_copy(update={"n_min": 3})
    error = failure(MetCatalogue(few), "2023-07-14 01:00", "2023-07-14 05:00")
    assert "has only 2 of 3 files (n_min)" in error.detail
    assert "lower n_min" in error.detail
    gone = MetConfig(directory=tmp_path / "nowhere", file_format="%Y", file_tres="1h")
    error = failure(MetCatalogue(gone, "hrrr"), "2023-07-14 01:00", "2023-07-14 05:00")
    assert error.reason is Reason.MISSING_MET_FILES
    assert error.detail == (
        f"There is no folder {tmp_path / 'nowhere'} for the weather of hrrr: correct directory in "
        "config.yaml."
    )


def test_irregular_times_are_refused(archive, grid_of, analysis_of):
    config = archive(n_files=2, per_file=3, step=2)
    write_arl(
        config.directory / "20230714_12",
        grid_of("lambert"),
        [analysis_of(grid_of("lambert"), f"2023-07-14T{hour}:00") for hour in (13, 15, 17)],
    )
    error = failure(MetCatalogue(config), "2023-07-14 08:00", "2023-07-14 15:00")
    assert error.reason is Reason.VARYING_MET_INTERVAL
    assert "2023-07-14 10:00 is followed by 2023-07-14 13:00" in error.detail


def test_damage_fails_only_the_windows_that_need_it(archive):
    config = archive()
    path = config.directory / "20230714_06"
    path.write_bytes(path.read_bytes()[:-10])
    catalogue = MetCatalogue(config)
    assert len(catalogue.select("2023-07-14 04:00", "2023-07-14 10:00")) == 7
    assert len(catalogue.select("2023-07-14 12:00", "2023-07-14 14:00")) == 3
    error = failure(catalogue, "2023-07-14 09:00", "2023-07-14 13:00")
    assert error.reason is Reason.DAMAGED_MET_FILE
    assert str(path) in error.detail
    assert "needed for 2023-07-14 11:00" in error.detail


def test_an_empty_file_is_damage_where_its_hours_are_needed(archive):
    config = archive(n_files=3)
    path = config.directory / "20230714_06"
    path.write_bytes(b"")
    catalogue = MetCatalogue(config)
    assert len(catalogue.select("2023-07-14 01:00", "2023-07-14 05:00")) == 5
    error = failure(catalogue, "2023-07-14 04:00", "2023-07-14 07:00")
    assert error.reason is Reason.DAMAGED_MET_FILE
    assert f"{path} is damaged: it is empty" in error.detail


def test_a_grid_that_changes_once_is_taken_and_grids_in_turn_are_refused(archive):
    config = archive(n_files=1)
    archive(start="2023-07-14 06:00", n_files=1, kind="latlon")
    refs = MetCatalogue(config).select("2023-07-14 04:00", "2023-07-14 08:00")
    assert [ref.grid.kind for ref in refs] == ["conformal"] * 2 + ["latlon"] * 3
    archive(start="2023-07-14 12:00", n_files=1)
    error = failure(MetCatalogue(config), "2023-07-14 04:00", "2023-07-14 14:00")
    assert "20230714_00 and 20230714_06" in error.detail


def test_times_held_twice_come_from_the_first_name(archive):
    config = archive(n_files=1)
    shutil.copy(config.directory / "20230714_00", config.directory / "20230714_00-05_copy")
    refs = MetCatalogue(config).select("2023-07-14 00:00", "2023-07-14 05:00")
    assert len(refs) == 6
    assert {ref.path.rsplit("/", 1)[1] for ref in refs} == {"20230714_00"}


@pytest.fixture
def forecasts(tmp_path, grid_of, analysis_of):
    """Write cycles of 13 hours, each into a dated folder under one name or a name of its own."""
    grid = grid_of("lambert")

    def write(*cycles: str, name: str = "hysplit.hrrr", folder: str = "{cycle}") -> MetConfig:
        for cycle in cycles:
            start = np.datetime64(f"2019-05-{cycle[:2]}T{cycle[2:]}:00", "m")
            analyses = [
                replace(
                    analysis_of(grid, str(start + np.timedelta64(lead, "h"))), forecast_hour=lead
                )
                for lead in range(13)
            ]
            place = tmp_path / "cycles" / folder.format(cycle=f"201905{cycle}")
            write_arl(place / name.format(cycle=f"201905{cycle}"), grid, analyses)
        pattern = "%Y%m%d%H/" + name if folder else name.format(cycle="%Y%m%d%H")
        return MetConfig(directory=tmp_path / "cycles", file_format=pattern, file_tres="6h")

    return write


def cycles(refs):
    """Hour at which the forecast of each analysis began."""
    return [str(ref.time - np.timedelta64(ref.forecast_hour, "h"))[8:13] for ref in refs]


@pytest.mark.parametrize(("name", "folder"), [("hysplit.hrrr", "{cycle}"), ("{cycle}_hrrr", "")])
def test_of_overlapping_cycles_the_newest_is_used(forecasts, name, folder):
    config = forecasts("3000", "3006", "3012", name=name, folder=folder)
    refs = MetCatalogue(config).select("2019-05-30 04:00", "2019-05-30 13:00")
    assert cycles(refs) == ["30T00"] * 2 + ["30T06"] * 6 + ["30T12"] * 2
    # What a window uses does not depend on how far it reaches.
    for start, end in [("04:00", "07:30"), ("06:30", "11:00"), ("09:00", "13:00")]:
        for ref in MetCatalogue(config).select(f"2019-05-30 {start}", f"2019-05-30 {end}"):
            assert ref in refs


def test_where_a_cycle_lacks_the_one_before_is_used(forecasts):
    config = forecasts("3000", "3012")
    refs = MetCatalogue(config).select("2019-05-30 09:00", "2019-05-30 13:00")
    assert cycles(refs) == ["30T00"] * 3 + ["30T12"] * 2


def test_overlapping_cycles_are_told_of(forecasts):
    found = MetCatalogue(forecasts("3000", "3006")).assess("2019-05-30 04:00", "2019-05-30 08:00")
    text = overlap_text(found.bracket.refs, found.passed_over)
    assert text.startswith("3 of the 5 analyses needed are in more than one file")
    assert "2019-05-30 08:00" in text
    assert text.index("2019053006/hysplit.hrrr (forecast hour 2)") < text.index(
        "2019053000/hysplit.hrrr (forecast hour 8)"
    )
    alone = MetCatalogue(forecasts("3000", "3006")).assess("2019-05-30 01:00", "2019-05-30 04:00")
    assert overlap_text(alone.bracket.refs, alone.passed_over) == ""


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ({"cycle": "00"}, ["30T00"] * 5),
        ({"cycle": "2019-05-30 00:00"}, ["30T00"] * 5),
        ({"cycle": [0, 6], "lead": "1h..6h"}, ["30T00"] * 3 + ["30T06"] * 2),
        ({"lead": "6h..11h"}, ["30T00"] * 5),
    ],
)
def test_cycle_and_lead_limit_the_forecasts(forecasts, limits, wanted):
    config = forecasts("3000", "3006").model_copy(update=MetConfig(
        directory=".", format="era5", **limits
    ).model_dump(include={"cycle", "lead"}))  # fmt: skip
    times = ("2019-05-30 04:00", "2019-05-30 08:00")
    if limits == {"lead": "6h..11h"}:
        times = ("2019-05-30 06:00", "2019-05-30 10:00")
    catalogue = MetCatalogue(config)
    refs = catalogue.select(*times)
    assert cycles(refs) == wanted
    found = catalogue.assess(*times)
    text = overlap_text(found.bracket.refs, found.passed_over, config.forecasts)
    assert all(f"{key}: " in text for key in limits)
    # An output's record of its weather keeps the limits: the same files mean another choice.
    recorded = fingerprint(refs, config.forecasts)
    files = [str(path) for path in sorted(config.directory.rglob("hysplit*"))]
    assert not WeatherCheck(None).has_changed(files, recorded)
    digest, span, form, _ = recorded.split("@")
    assert WeatherCheck(None).has_changed(files, f"{digest}@{span}@{form}")


def test_hours_that_the_limits_leave_out_are_missing(forecasts):
    config = forecasts("3000", "3006").model_copy(update={"lead": "1h..3h"})
    with pytest.raises(MeteorologyError, match=r"lacks .*2019-05-30 05:00.* lead: 1h\.\.3h"):
        MetCatalogue(config).select("2019-05-30 02:00", "2019-05-30 08:00")


def test_outputs_of_overlapping_cycles_do_not_become_stale(forecasts):
    refs = MetCatalogue(forecasts("3000", "3006")).select("2019-05-30 04:00", "2019-05-30 08:00")
    files = [ref.path for ref in refs]
    assert not WeatherCheck(None).has_changed(files, fingerprint(refs))
    (older,) = {ref.path for ref in refs if "2019053000" in ref.path}
    chosen = [ref for ref in read_index(older) if ref.time in {each.time for each in refs}]
    assert WeatherCheck(None).has_changed(files, fingerprint(chosen))


def test_cycles_joined_into_one_file_are_cropped_to_the_newest(forecasts, tmp_path):
    config = forecasts("3000", "3006", name="{cycle}", folder="")
    (tmp_path / "joined").mkdir()
    parts = [config.directory / f"20190530{hour}" for hour in ("06", "00")]
    (tmp_path / "joined" / "all").write_bytes(b"".join(part.read_bytes() for part in parts))
    joined = MetConfig(
        directory=tmp_path / "joined", file_format="all", file_tres="24h", subgrid_enable=True,
        subgrid_bounds={"xmin": -112.2, "xmax": -110.8, "ymin": 40.0, "ymax": 41.0},
        subgrid_buffer=0.0,
    )  # fmt: skip
    refs = MetCatalogue(joined).select("2019-05-30 04:00", "2019-05-30 08:00")
    assert cycles(refs) == ["30T00"] * 2 + ["30T06"] * 3
    assert refs[0].grid.nx < 21


def test_search_covers_subfolders_and_leaves_unfinished_files(archive):
    config = archive(n_files=3)
    folder = config.directory / "2023" / "07"
    folder.mkdir(parents=True)
    (config.directory / "20230714_06").rename(folder / "20230714_06_hrrr")
    (config.directory / "20230714_12").rename(config.directory / "20230714_12.partial")
    (config.directory / "20230714_00.lock").write_text("")
    (config.directory / "20230714_00~").write_text("")
    locked = config.directory / "20230714_12.lock"
    locked.mkdir()
    (locked / "20230714_12").write_text("")
    names = [path.name for path in MetCatalogue(config).files("2023-07-14 17:00", -17)]
    assert names == ["20230714_00", "20230714_06_hrrr"]


def test_links_to_one_file_count_once(archive):
    config = archive(n_files=1)
    (config.directory / "20230714_00_link").symlink_to(config.directory / "20230714_00")
    (config.directory / "loop").symlink_to(config.directory, target_is_directory=True)
    assert len(MetCatalogue(config).files("2023-07-14 03:00", -2)) == 1


@pytest.mark.parametrize("pattern", ["gdas1.%b%y.w", "Gdas1.*%y", "archive/gdas1.%b%y"])
def test_names_of_other_archives(archive, pattern):
    config = archive(n_files=1, per_file=57, step=3, start="2023-07-08 00:00")
    folder = config.directory / "archive"
    folder.mkdir()
    (config.directory / "20230708_00").rename(folder / "gdas1.jul23.w2")
    weekly = MetConfig(directory=config.directory, file_format=pattern, file_tres="168h")
    assert len(MetCatalogue(weekly).select("2023-07-13 01:00", "2023-07-14 01:00")) == 10


def test_files_that_arrive_later_are_found(archive, monkeypatch):
    config = archive(n_files=2)
    catalogue = MetCatalogue(config)
    failure(catalogue, "2023-07-14 10:00", "2023-07-14 13:00")
    archive(n_files=3)
    monkeypatch.setattr("stilt.meteorology.file_search._LISTING_LIFE_S", 0.0)
    assert len(catalogue.select("2023-07-14 10:00", "2023-07-14 13:00")) == 4


def test_indexes_are_kept_on_disk_until_a_file_changes(archive, tmp_path, monkeypatch):
    config = archive(n_files=1)
    path = config.directory / "20230714_00"
    first = IndexCache(tmp_path / "cache").index_of(path)
    monkeypatch.setattr("stilt.meteorology.index_cache.scan_file", lambda path: pytest.fail("scan"))
    assert IndexCache(tmp_path / "cache").index_of(path) == first
    monkeypatch.undo()
    path.write_bytes(path.read_bytes()[:-10])
    assert len(IndexCache(tmp_path / "cache").index_of(path).refs) == 5
    (cached,) = (tmp_path / "cache").iterdir()
    cached.write_text("not json")
    assert IndexCache(tmp_path / "cache").index_of(path).damage


def test_files_between_the_names_of_file_tres_are_pointed_out(archive):
    """As where files of six hours are read with the file_tres of those of a day."""
    config = archive(n_files=4, per_file=6).model_copy(update={"file_tres": "24h"})
    hint = "names are looked for every 24h (file_tres), which steps over 20230714_06: correct"
    error = failure(MetCatalogue(config), "2023-07-14 03:00", "2023-07-14 08:00")
    assert error.reason is Reason.MET_COVERAGE
    assert "lacks 3 of the analyses needed: 2023-07-14 06:00, 2023-07-14 07:00" in error.detail
    assert error.detail.endswith(f"2023-07-14 08:00; {hint} file_tres.")
    (config.directory / "20230714_00").unlink()
    error = failure(MetCatalogue(config), "2023-07-14 03:00", "2023-07-14 08:00")
    assert error.reason is Reason.MISSING_MET_FILES
    assert f"(no name begins with 20230714_00): {hint} file_tres." in error.detail
