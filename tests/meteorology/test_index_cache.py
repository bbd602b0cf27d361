"""Indexes of weather files kept on disk: right, or read again from the weather file."""

from __future__ import annotations

import json
import os

import pytest
from damage import DAMAGE

from stilt.meteorology.arl import read_index
from stilt.meteorology.index_cache import IndexCache


@pytest.fixture
def source(archive):
    return archive(n_files=1).directory / "20230714_00"


def test_an_index_that_is_kept_is_not_read_again(source, tmp_path, monkeypatch):
    expected = IndexCache(tmp_path / "kept").index_of(source)
    monkeypatch.setattr("stilt.meteorology.index_cache.scan_file", None)
    assert IndexCache(tmp_path / "kept").index_of(source) == expected
    assert list(expected.refs) == read_index(source)


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_index_is_read_again(source, tmp_path, kind):
    expected = IndexCache(tmp_path / "kept").index_of(source)
    (kept,) = (tmp_path / "kept").iterdir()
    whole = kept.read_bytes()
    DAMAGE[kind](kept)
    assert IndexCache(tmp_path / "kept").index_of(source) == expected
    assert kept.read_bytes() == whole


@pytest.mark.parametrize("changed", ["offset", "grid", "lost", "number", "list"])
def test_an_index_with_other_numbers_is_read_again(source, tmp_path, changed):
    expected = IndexCache(tmp_path / "kept").index_of(source)
    (kept,) = (tmp_path / "kept").iterdir()
    *first, text = kept.read_bytes().split(b"\n")
    stored = json.loads(text)
    if changed == "offset":
        stored["analyses"][0], stored["analyses"][1] = stored["analyses"][1::-1]
    elif changed == "grid":
        stored["grids"][0]["sync_lon"] += 1.0
    elif changed == "lost":
        del stored["analyses"][-1]
    elif changed == "number":
        stored["grids"] = []
    else:
        stored = [stored]
    kept.write_bytes(b"\n".join([*first, json.dumps(stored).encode()]))
    assert IndexCache(tmp_path / "kept").index_of(source) == expected


def test_the_index_of_another_file_is_not_taken(source, tmp_path, archive):
    other = archive(n_files=1, kind="latlon", folder="other").directory / "20230714_00"
    stat = source.stat()
    indexes = IndexCache(tmp_path / "kept")
    indexes.index_of(source)
    (kept,) = (tmp_path / "kept").iterdir()
    expected = indexes.index_of(other)
    (of_other,) = set((tmp_path / "kept").iterdir()) - {kept}
    of_other.write_bytes(kept.read_bytes())
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    found = IndexCache(tmp_path / "kept").index_of(other)
    assert [ref.grid for ref in found.refs] == [ref.grid for ref in expected.refs]


def test_a_file_replaced_under_its_old_date_is_read_again(source, tmp_path, grid_of, analysis_of):
    from stilt.meteorology.writer import write_arl

    before = source.stat()
    old = IndexCache(tmp_path / "kept").index_of(source)
    grid = grid_of("lambert")
    hours = [f"2023-07-14T{hour:02d}:00" for hour in range(6)]
    write_arl(source, grid, [analysis_of(grid, hour, seed=1) for hour in hours])
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert source.stat().st_size == before.st_size
    new = IndexCache(tmp_path / "kept").index_of(source)
    assert [ref.content for ref in new.refs] != [ref.content for ref in old.refs]


def test_a_file_in_the_place_of_the_folder_costs_only_time(source, tmp_path, caplog):
    (tmp_path / "file").write_text("mine")
    for _ in range(2):
        for folder in ("file", "file/kept"):
            index = IndexCache(tmp_path / folder).index_of(source)
            assert list(index.refs) == read_index(source)
    assert (tmp_path / "file").read_text() == "mine"
    assert len(caplog.messages) == 2
    assert "not a folder" in caplog.text
