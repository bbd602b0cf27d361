"""What is kept of weather is removed by its last use, and never under a run that uses it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from stilt.config import MetConfig
from stilt.errors import UsageError
from stilt.meteorology.arl import read_analysis, read_index
from stilt.meteorology.cache_use import in_use_since
from stilt.meteorology.prepare import PreparationOptions, PreparedStore
from stilt.meteorology.subgrid import crop_file
from stilt.meteorology.weather_cache import (
    CROP,
    INDEX,
    PREPARED,
    cache_entries,
    clear_cache,
    parse_size,
    size_text,
    totals,
)
from stilt.meteorology.writer import write_arl
from tests.support.synthetic_weather import GRID, START, analysis

OPTIONS = PreparationOptions()
LONG_AGO = time.time() - 10 * 86_400


@pytest.fixture
def refs(tmp_path):
    hours = [analysis(START + hour * np.timedelta64(1, "h"), {}, {}) for hour in range(3)]
    return read_index(write_arl(tmp_path / "met" / "20230714_00", GRID, hours))


@pytest.fixture
def elsewhere(tmp_path):
    """A cache folder that another process has filled and left."""
    return tmp_path / "weather"


@pytest.fixture
def left(refs, elsewhere, monkeypatch):
    """Prepared analyses of a process that has ended: this one leaves no mark of its own."""
    monkeypatch.setattr("stilt.meteorology.prepare.mark_in_use", lambda folder: None)
    store = PreparedStore(elsewhere, read_analysis)
    for ref in refs:
        store.get(ref, OPTIONS)
    return store


def another_process(refs, folder: Path) -> subprocess.Popen:
    """Prepare analyses in a process that stays until its input is closed."""
    code = f"""
import sys
from pathlib import Path
from stilt.meteorology.arl import read_analysis, read_index
from stilt.meteorology.prepare import PreparationOptions, PreparedStore
store = PreparedStore(Path({str(folder)!r}), read_analysis)
for ref in read_index({refs[0].path!r}):
    store.get(ref, PreparationOptions())
print("ready", flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def prepared(folder):
    return [entry for entry in cache_entries(folder) if entry.kind == PREPARED]


def age(entry, days):
    date = time.time() - days * 86_400
    os.utime(entry.path / "digests.json", (date, date))


def test_least_recently_used_goes_first_and_the_rest_stays(left, elsewhere):
    for days, entry in enumerate(prepared(elsewhere), start=2):
        age(entry, days)
    oldest, middle, newest = prepared(elsewhere)
    limit = newest.nbytes + middle.nbytes // 2
    done = clear_cache(elsewhere, cache_entries(elsewhere), limit_bytes=limit)
    assert [entry.path for entry in done.removed] == [oldest.path, middle.path]
    assert [entry.path for entry in prepared(elsewhere)] == [newest.path]
    assert totals(cache_entries(elsewhere))[PREPARED]["bytes"] <= limit


def test_what_was_removed_is_made_again_the_same(refs, left, elsewhere):
    before = np.array(left.get(refs[0], OPTIONS).column)
    for entry in prepared(elsewhere):
        age(entry, 2)
    clear_cache(elsewhere, cache_entries(elsewhere))
    assert prepared(elsewhere) == []
    np.testing.assert_array_equal(left.get(refs[0], OPTIONS).column, before)


def test_nothing_goes_that_a_living_process_has_used(refs, elsewhere):
    process = another_process(refs, elsewhere)
    try:
        assert in_use_since(elsewhere) is not None
        old = prepared(elsewhere)[0]
        age(old, 2)
        done = clear_cache(elsewhere, cache_entries(elsewhere))
        assert [entry.path for entry in done.removed] == [old.path]
        assert len(done.in_use) == len(prepared(elsewhere)) == 2
    finally:
        process.communicate()
    assert in_use_since(elsewhere) is None
    assert len(clear_cache(elsewhere, cache_entries(elsewhere)).removed) == 2


def test_a_killed_process_uses_nothing(refs, elsewhere):
    process = another_process(refs, elsewhere)
    process.kill()
    process.communicate()
    assert process.returncode != 0
    assert in_use_since(elsewhere) is None
    assert list((elsewhere / "in-use").iterdir()) == []


def test_being_used_counts_as_the_last_use(refs, left, elsewhere):
    entry = prepared(elsewhere)[0]
    age(entry, 5)
    for ref in refs:
        left.get(ref, OPTIONS)
    assert all(entry.used_at > time.time() - 3600 for entry in prepared(elsewhere))


def test_crops_used_within_a_day_stay(refs, tmp_path):
    config = MetConfig(
        directory=tmp_path / "met", file_format="%Y%m%d_%H", file_tres="3h", subgrid_enable=True,
        subgrid_bounds={"xmin": -0.05, "xmax": 0.05, "ymin": -0.05, "ymax": 0.05},
        subgrid_dir=tmp_path / "crops",
    )  # fmt: skip
    crop = crop_file(Path(refs[0].path), config)
    entries = cache_entries(tmp_path / "weather", [tmp_path / "crops"])
    assert [entry.path for entry in entries if entry.kind == CROP] == [crop]
    assert clear_cache(tmp_path / "weather", entries).removed == ()
    note = next(path for path in (tmp_path / "crops").iterdir() if path.name.endswith(".crop.json"))
    os.utime(note, (LONG_AGO, LONG_AGO))
    entries = cache_entries(tmp_path / "weather", [tmp_path / "crops"])
    assert len(clear_cache(tmp_path / "weather", entries).removed) == 1
    assert not crop.exists()
    assert not note.exists()


def test_indexes_are_counted(tmp_path, refs):
    from stilt.meteorology.index_cache import IndexCache

    IndexCache(tmp_path / "weather" / "met-index").index_of(Path(refs[0].path))
    found = totals(cache_entries(tmp_path / "weather"))
    assert found[INDEX]["number"] == 1
    assert found[PREPARED]["number"] == 0


@pytest.mark.parametrize(
    ("text", "nbytes"), [("10GB", 1e10), ("1.5 MB", 1.5e6), ("7", 7), ("0 kB", 0)]
)
def test_sizes_are_read(text, nbytes):
    assert parse_size(text) == nbytes


@pytest.mark.parametrize("text", ["", "much", "-3GB", "3 G B"])
def test_what_is_no_size_is_said(text):
    with pytest.raises(UsageError, match="is no size"):
        parse_size(text)


def test_sizes_are_written():
    assert size_text(2.5e9) == "2.5 GB"
    assert size_text(12) == "12 B"
