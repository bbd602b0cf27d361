"""Weather is loaded ahead where a process has cores to spare, and the same is loaded."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_weather import Laboratory, model_config, release

from stilt.meteorology.formats import read_analysis
from stilt.meteorology.prepared_store import PreparedStore
from stilt.transport import prefetch, prepare_ahead
from stilt.transport.clock import SweepClock
from stilt.transport.preparation import preparation


@pytest.fixture(params=[1, 4])
def cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(prefetch, "available_cores", lambda: request.param)
    return request.param


def test_everything_is_loaded_once_and_given_in_order(cores: int) -> None:
    asked: list[int] = []

    def load(number: int) -> str:
        asked.append(number)
        return f"analysis {number}"

    order = range(7, 2, -1)
    with prefetch.prefetching(load, order) as loaded:
        assert [loaded(number) for number in order] == [f"analysis {number}" for number in order]
    assert sorted(asked, reverse=True) == list(order)


def test_the_next_is_under_way_while_one_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "available_cores", lambda: 2)
    begun = [threading.Event() for _ in range(3)]
    with prefetch.prefetching(lambda number: begun[number].set(), range(3)) as loaded:
        loaded(0)
        assert begun[1].wait(10.0)
        assert not begun[2].is_set()


def test_what_stops_a_load_is_raised_where_it_is_asked_for(cores: int) -> None:
    def load(number: int) -> int:
        if number == 2:
            raise OSError("damaged")
        return number

    with prefetch.prefetching(load, range(4)) as loaded:
        assert (loaded(0), loaded(1)) == (0, 1)
        with pytest.raises(OSError, match="damaged"):
            loaded(2)


@pytest.mark.parametrize("direction", [-1, 1])
def test_the_clock_names_what_a_run_needs(direction: int) -> None:
    times = tuple(range(0, 601, 60))
    clock = SweepClock(300, direction, times)
    assert list(clock.analyses(60)) == [5, 5 + direction]
    assert list(clock.analyses(61)) == [5, 5 + direction, 5 + 2 * direction]
    offset = SweepClock(330, direction, times)
    assert list(offset.analyses(31)) == ([6, 5, 4] if direction < 0 else [5, 6, 7])


@pytest.mark.parametrize("changes", [{}, {"n_hours": -1}, {"w_option": 1}, {"ziscale": [0.5]}])
def test_what_is_prepared_ahead_is_what_the_run_asks_for(
    lab: Laboratory, changes: dict[str, object]
) -> None:
    lab.weather(({}, {}), ({}, {}), step_h=1.0)
    time = lab.refs[1 if "n_hours" in changes else 0].time
    start = release(100.0, time=time)
    prepared = lab.folder / "prepared"
    config = model_config(numpar=2, **changes)
    prepare_ahead([start], lab.refs, config, cache_dir=prepared, enough=lambda: False)
    made = names(prepared)
    assert len(made) == 2
    lab.run(start, numpar=2, **changes)
    assert names(prepared) == made


def test_preparing_ahead_goes_the_runs_way_and_ends_when_told(lab: Laboratory) -> None:
    lab.weather(({}, {}), ({}, {}), step_h=1.0)
    prepared = lab.folder / "prepared"
    start = release(100.0, time=lab.refs[1].time)
    config = model_config(n_hours=-1)
    answers = iter([False, True])
    prepare_ahead([start], lab.refs, config, cache_dir=prepared, enough=lambda: next(answers))
    assert [name.partition("_")[0] for name in names(prepared)] == ["20230715T1300"]


def test_headers_are_parsed_by_one_thread_at_a_time(
    lab: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPython 3.11 before 3.11.8 fails now and then when two threads parse at once."""
    lab.weather(({}, {}), ({}, {}), step_h=1.0)
    store = PreparedStore(lab.folder / "prepared", read_analysis)
    wanted = [preparation(lab.refs, index, model_config(), 0) for index in (0, 1)]
    for one in wanted:
        store.get(*one)
    inside: list[int] = []
    most: list[int] = []
    real = np.load

    def slowly(*arguments: Any, **options: Any) -> Any:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)
        inside.pop()
        return real(*arguments, **options)

    monkeypatch.setattr(np, "load", slowly)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: store.get(*one), wanted * 3))
    assert len(most) == 24
    assert max(most) == 1


def names(prepared: Path) -> list[str]:
    return sorted(path.name for path in prepared.iterdir() if path.is_dir())
