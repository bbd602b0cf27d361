"""Cropped weather keeps its fields, is made once, and follows its source and bounds."""

from __future__ import annotations

import numpy as np
import pytest

from stilt.config import Bounds
from stilt.errors import MeteorologyError
from stilt.meteorology.arl import read_analysis, read_index
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.coverage import check_coverage
from stilt.meteorology.subgrid import crop_file
from stilt.receptors import PointReceptor

AREAS = {
    "latlon": Bounds(xmin=-98, xmax=-88, ymin=32, ymax=36),
    "lambert": Bounds(xmin=-112.2, xmax=-110.8, ymin=40.0, ymax=41.0),
    "global": Bounds(xmin=-70, xmax=70, ymin=-40, ymax=40),
}


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
    assert first == cropped.subgrid_directory / "20230714_00"
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
        assert {ref.path for ref in refs} == {str(cropped.subgrid_directory / "20230714_00")}


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
