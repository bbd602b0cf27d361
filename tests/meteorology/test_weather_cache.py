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
from stilt.meteorology.prepare import PreparationOptions
from stilt.meteorology.prepared_store import PreparedStore
from stilt.meteorology.subgrid import crop_file
from stilt.meteorology.weather_cache import (
    CROP,
    INDEX,
    PREPARED,
    clear_weather,
    kept_weather,
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
def folder(tmp_path, refs):
    """A cache folder with a prepared analysis of each hour, used two days ago and before."""
    folder = tmp_path / "weather"
    store = PreparedStore(folder, read_analysis)
    for days, ref in enumerate(refs, start=2):
        before = set(prepared(folder))
        store.get(ref, OPTIONS)
        (new,) = set(prepared(folder)) - before
        age(new, days)
    return folder


def prepared(folder: Path) -> list[Path]:
    return [each.path for each in kept_weather(folder) if each.kind == PREPARED]


def age(path: Path, days: float) -> None:
    date = time.time() - days * 86_400
    for each in (path / ".used", path):
        os.utime(each, (date, date))


def test_least_recently_used_goes_first_and_the_rest_stays(folder):
    oldest, middle, newest = kept_weather(folder)
    assert oldest.used_at < middle.used_at < newest.used_at
    limit = newest.nbytes + middle.nbytes // 2
    done = clear_weather(kept_weather(folder), limit_bytes=limit)
    assert done.removed == (oldest, middle)
    assert done.in_use == ()
    assert prepared(folder) == [newest.path]
    assert totals(kept_weather(folder))[PREPARED]["bytes"] <= limit


def test_what_was_removed_is_made_again_the_same(refs, folder):
    store = PreparedStore(folder, read_analysis)
    before = np.array(store.get(refs[0], OPTIONS).column)
    for path in prepared(folder):
        age(path, 2)
    clear_weather(kept_weather(folder))
    assert prepared(folder) == []
    np.testing.assert_array_equal(store.get(refs[0], OPTIONS).column, before)


def test_nothing_goes_that_was_used_just_now_even_if_the_list_is_older(refs, folder):
    listed = kept_weather(folder)
    store = PreparedStore(folder, read_analysis)
    used = store.get(refs[1], OPTIONS)
    done = clear_weather(listed)
    assert len(done.removed) == 2
    assert len(done.in_use) == len(prepared(folder)) == 1
    assert np.isfinite(used.column).all()


def test_nothing_goes_that_another_process_reads(folder):
    path = prepared(folder)[0]
    code = f"""
import sys
from pathlib import Path
from stilt.meteorology.used import in_use
with in_use(Path({str(path)!r})):
    print("ready", flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        done = clear_weather(kept_weather(folder))
        assert [each.path for each in done.in_use] == [path]
    finally:
        process.communicate()
    assert [each.path for each in clear_weather(kept_weather(folder)).removed] == [path]


def test_arrays_that_are_mapped_stay_what_they_are(refs, folder):
    mapped = PreparedStore(folder, read_analysis).get(refs[0], OPTIONS).column
    before = np.array(mapped)
    for path in prepared(folder):
        age(path, 2)
    assert len(clear_weather(kept_weather(folder)).removed) == 3
    np.testing.assert_array_equal(mapped, before)


def test_crops_used_within_a_day_stay(refs, tmp_path):
    config = MetConfig(
        directory=tmp_path / "met", file_format="%Y%m%d_%H", file_tres="3h", subgrid_enable=True,
        subgrid_bounds={"xmin": -0.05, "xmax": 0.05, "ymin": -0.05, "ymax": 0.05},
        subgrid_dir=tmp_path / "crops",
    )  # fmt: skip
    crop = crop_file(Path(refs[0].path), config)
    entries = kept_weather(tmp_path / "weather", [tmp_path / "crops"])
    assert [entry.path for entry in entries if entry.kind == CROP] == [crop]
    assert clear_weather(entries).removed == ()
    note = next(path for path in (tmp_path / "crops").iterdir() if path.name.endswith(".crop.json"))
    os.utime(note, (LONG_AGO, LONG_AGO))
    entries = kept_weather(tmp_path / "weather", [tmp_path / "crops"])
    assert len(clear_weather(entries).removed) == 1
    assert not crop.exists()
    assert not note.exists()


def test_indexes_are_counted(tmp_path, refs):
    from stilt.meteorology.index_cache import IndexCache

    IndexCache(tmp_path / "weather" / "met-index").index_of(Path(refs[0].path))
    found = totals(kept_weather(tmp_path / "weather"))
    assert found[INDEX]["number"] == 1
    assert found[PREPARED]["number"] == 0


@pytest.mark.parametrize(
    ("text", "nbytes"), [("10GB", 1e10), ("1.5 MB", 1.5e6), ("7", 7), ("0 kB", 0)]
)
def test_sizes_are_read(text, nbytes):
    assert parse_size(text) == nbytes


@pytest.mark.parametrize("text", ["", "much", "-3GB", "3 G B"])
def test_what_is_no_size_is_said(text):
    with pytest.raises(UsageError, match="is not a size"):
        parse_size(text)


def test_sizes_are_written():
    assert size_text(2.5e9) == "2.5 GB"
    assert size_text(12) == "12 B"
