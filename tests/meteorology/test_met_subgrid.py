"""Cropped weather keeps its fields, is made once, and follows its source and bounds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from damage import DAMAGE

from stilt import digests
from stilt.config import Bounds
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.arl import read_analysis, read_index
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.coverage import check_coverage
from stilt.meteorology.fingerprint import WeatherCheck, fingerprint
from stilt.meteorology.search import crop_note
from stilt.meteorology.subgrid import crop_file
from stilt.receptors import PointReceptor

AREAS = {
    "latlon": Bounds(xmin=-98, xmax=-88, ymin=32, ymax=36),
    "lambert": Bounds(xmin=-112.2, xmax=-110.8, ymin=40.0, ymax=41.0),
    "global": Bounds(xmin=-70, xmax=70, ymin=-40, ymax=40),
}


WINDOW = ("2023-07-14 02:00", "2023-07-14 04:00")


@pytest.fixture(params=list(AREAS))
def cropped(request, archive):
    return archive(
        n_files=2,
        kind=request.param,
        subgrid_enable=True,
        subgrid_bounds=AREAS[request.param],
        subgrid_levels=3,
    )


def test_cropped_analyses_hold_the_same_values(cropped):
    whole = MetCatalogue(cropped.model_copy(update={"subgrid_enable": False}))
    window = ("2023-07-14 02:00", "2023-07-14 07:00")
    small, large = MetCatalogue(cropped).select(*window), whole.select(*window)
    assert [ref.time for ref in small] == [ref.time for ref in large]
    for ref, full in zip(small, large, strict=True):
        assert ref.grid.nx < full.grid.nx
        assert ref.grid.levels == full.grid.levels[:2]
        bounds = cropped.subgrid_bounds
        assert ref.grid.contains([bounds.xmin, bounds.xmax], [bounds.ymin, bounds.ymax]).all()
        x, y = np.meshgrid(np.arange(ref.grid.nx), np.arange(ref.grid.ny))
        columns, rows = full.grid.to_xy(*ref.grid.to_lonlat(x, y))
        nodes = np.round(rows).astype(int), np.round(columns).astype(int) % full.grid.nx
        got, wanted = read_analysis(ref), read_analysis(full)
        pairs = [(got.surface["PRSS"], wanted.surface["PRSS"][nodes])]
        pairs += [(got.upper["TEMP"][k], wanted.upper["TEMP"][k][nodes]) for k in range(2)]
        for repacked, field in pairs:
            quantum = 2 * max(np.abs(np.diff(field, axis=axis)).max() for axis in (0, 1)) / 254
            assert np.abs(repacked - field).max() <= quantum


def test_a_file_is_cropped_once_and_again_when_it_or_the_bounds_change(cropped):
    source = cropped.directory / "20230714_00"
    first = crop_file(source, cropped)
    assert first.parent == cropped.subgrid_directory
    assert first.name.startswith("20230714_00")
    made = first.stat().st_mtime_ns
    assert crop_file(source, cropped).stat().st_mtime_ns == made
    taller = cropped.model_copy(update={"subgrid_levels": 2})
    assert len(read_index(crop_file(source, taller))[0].grid.levels) == 1
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 6 * 2])
    assert len(read_index(crop_file(source, taller))) == 2


def test_the_folder_of_cropped_files_is_not_searched(cropped):
    for number in range(2):
        refs = MetCatalogue(cropped).select("2023-07-14 01:00", "2023-07-14 03:00")
        assert len(refs) == 3, number
        (path,) = {Path(ref.path) for ref in refs}
        assert path.parent == cropped.subgrid_directory
        assert path.name.startswith("20230714_00")


def test_bounds_off_the_grid_and_bounds_that_keep_nothing(archive):
    for bounds, text in [
        (Bounds(xmin=10, xmax=12, ymin=40, ymax=42), "do not meet the grid"),
        (Bounds(xmin=-111.5, xmax=-111.4, ymin=40.5, ymax=40.6), "keep only"),
    ]:
        config = archive(n_files=1, subgrid_enable=True, subgrid_bounds=bounds, subgrid_buffer=0.0)
        with pytest.raises(MeteorologyError, match=text):
            MetCatalogue(config).select("2023-07-14 01:00", "2023-07-14 03:00")


def test_receptors_outside_the_cropped_area_are_not_covered(archive):
    config = archive(subgrid_enable=True, subgrid_bounds=AREAS["lambert"])
    receptor = PointReceptor(
        time="2023-07-14 12:00", longitude=-111.5, latitude=39.75, altitude=5.0
    )
    (found,) = check_coverage(MetCatalogue(config), [receptor], -2)
    assert found.outside_grid
    assert "outside subgrid_bounds" in found.detail


@pytest.fixture
def small(archive):
    """One met with cropping, whose archive has one file."""
    return archive(n_files=1, subgrid_enable=True, subgrid_bounds=AREAS["lambert"])


def values(refs):
    return np.stack([read_analysis(ref).surface["PRSS"] for ref in refs])


def test_two_boxes_of_one_archive_keep_their_own_crops(small):
    wide = Bounds(xmin=-112.4, xmax=-110.6, ymin=39.9, ymax=41.1)
    large = small.model_copy(update={"subgrid_bounds": wide})
    lower = small.model_copy(update={"subgrid_levels": 2})
    first = [MetCatalogue(met).select(*WINDOW) for met in (small, large, lower)]
    again = [MetCatalogue(met).select(*WINDOW) for met in (small, large, lower)]
    assert first == again
    assert len({refs[0].path for refs in first}) == 3
    assert len({refs[0].grid for refs in first}) == 3


def test_files_of_one_name_in_dated_folders_keep_their_own_crops(small, archive):
    archive(start="2023-07-14 06:00", n_files=1, folder="later")
    later = small.directory.parent / "later"
    for folder, source in [
        ("2023071400", small.directory / "20230714_00"),
        ("2023071406", later / "20230714_06"),
    ]:
        (small.directory / folder).mkdir()
        source.rename(small.directory / folder / "hysplit.hrrr")
    config = small.model_copy(update={"file_format": "%Y%m%d%H/hysplit.hrrr"})
    whole = MetCatalogue(config.model_copy(update={"subgrid_enable": False}))
    windows = [WINDOW, ("2023-07-14 07:00", "2023-07-14 09:00")]
    window = ("2023-07-14 04:00", "2023-07-14 08:00")
    first = [MetCatalogue(config).select(*each) for each in windows]
    again = [MetCatalogue(config).select(*each) for each in windows]
    assert first == again
    both = MetCatalogue(config).select(*window)
    assert [ref.time for ref in both] == [ref.time for ref in whole.select(*window)]


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_crop_is_made_again(small, kind, caplog):
    refs = MetCatalogue(small).select(*WINDOW)
    expected = values(refs)
    getattr(digests, "_known", {}).clear()
    before = os.stat(refs[0].path)
    DAMAGE[kind](Path(refs[0].path))
    os.utime(refs[0].path, ns=(before.st_atime_ns, before.st_mtime_ns))
    np.testing.assert_array_equal(values(MetCatalogue(small).select(*WINDOW)), expected)
    assert sum("was damaged" in text for text in caplog.messages) == 1
    for note in small.subgrid_directory.glob(".*.json"):
        DAMAGE[kind](note)
    np.testing.assert_array_equal(values(MetCatalogue(small).select(*WINDOW)), expected)


def test_a_replaced_source_is_noticed_and_its_old_crop_removed_in_time(small, grid_of, analysis_of):
    from stilt.meteorology.writer import write_arl

    catalogue = MetCatalogue(small)
    refs = catalogue.select(*WINDOW)
    files, recorded = catalogue.archive_files(refs), fingerprint(refs)
    source = small.directory / "20230714_00"
    assert files == (str(source),)
    shutil.copyfile(source, small.directory / "copy.partial")
    os.replace(small.directory / "copy.partial", source)
    assert MetCatalogue(small).select(*WINDOW) == refs
    grid = grid_of("lambert")
    hours = [f"2023-07-14T{hour:02d}:00" for hour in range(6)]
    write_arl(source, grid, [analysis_of(grid, hour, seed=1) for hour in hours])
    assert WeatherCheck(None).has_changed(files, recorded)
    new = MetCatalogue(small).select(*WINDOW)
    assert new[0].path != refs[0].path
    assert not WeatherCheck(None).has_changed(files, fingerprint(new))
    # Nor is it removed under a run that may still read it.
    assert Path(refs[0].path).exists()
    os.utime(Path(refs[0].path).with_name(crop_note(Path(refs[0].path).name)), (1, 1))
    write_arl(source, grid, [analysis_of(grid, hour, seed=2) for hour in hours])
    MetCatalogue(small).select(*WINDOW)
    assert not Path(refs[0].path).exists()
    assert Path(new[0].path).exists()


def test_crops_of_another_met_are_no_weather_files(small):
    config = small.model_copy(update={"subgrid_dir": small.directory / "crops"})
    MetCatalogue(config).select(*WINDOW)
    whole = small.model_copy(update={"subgrid_enable": False})
    (small.directory / "crops" / "20230714_06").write_bytes(
        (small.directory / "20230714_00").read_bytes()
    )
    found = MetCatalogue(whole).files("2023-07-14 08:00", -6)
    assert [path.name for path in found] == ["20230714_00", "20230714_06"]


def test_a_folder_that_takes_no_crops_is_named_before_anything_runs(small, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    blocked = small.model_copy(update={"subgrid_dir": tmp_path / "file" / "crops"})
    receptor = PointReceptor("2023-07-14 04:00", -111.5, 40.5, 5.0)
    (found,) = check_coverage(MetCatalogue(blocked), [receptor], -2)
    assert found.reason is Reason.DISK
    assert "set subgrid_dir" in found.detail
    assert str(tmp_path / "file" / "crops") in found.detail
    with pytest.raises(MeteorologyError, match="set subgrid_dir") as raised:
        MetCatalogue(blocked).select(*WINDOW)
    assert raised.value.reason is Reason.DISK
    # An archive that was cropped before it was made read-only serves as it is.
    refs = MetCatalogue(small).select(*WINDOW)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert MetCatalogue(small).select(*WINDOW) == refs
    (found,) = check_coverage(MetCatalogue(small), [receptor], -2)
    assert found.reason is None
    taller = small.model_copy(update={"subgrid_levels": 2})
    assert MetCatalogue(taller).assess(*WINDOW).error.reason is Reason.DISK


def test_a_disk_that_refuses_a_crop_is_one_sentence(small, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stilt.meteorology.subgrid._crop", refuse)
    with pytest.raises(MeteorologyError, match="No space left on device; set subgrid_dir"):
        MetCatalogue(small).select(*WINDOW)
    assert not list(small.subgrid_directory.glob("[!.]*"))
