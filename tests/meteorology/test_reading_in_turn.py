"""Files that netCDF reads are read by one thread at a time: it fails in two at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from stilt.meteorology import formats


@pytest.mark.parametrize(("form", "most"), [("wrf", 1), ("arl", 2)])
def test_two_threads_read_a_file_one_after_the_other(form, most, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"")
    inside, seen, both = [0], [0], threading.Lock()

    def read(part, variables):
        with both:
            inside[0] += 1
            seen[0] = max(seen[0], inside[0])
        time.sleep(0.2)
        with both:
            inside[0] -= 1

    monkeypatch.setattr(formats, "weather_format", lambda name: SimpleNamespace(read=read))
    part = SimpleNamespace(path=str(path), format=form, kept_in="")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: formats._read(part, None), range(2)))
    assert seen[0] == most
