"""Seconds by part of the work: they add up to the wall clock, and a receipt keeps them."""

from __future__ import annotations

import pytest

from stilt.project.receipts import read_receipts, receipt_files, seconds_by_part
from stilt.timing import collecting, timed, told


class Clock:
    """A clock that stands still until it is moved."""

    now = 100.0

    def move(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("stilt.timing.time.perf_counter", lambda: clock.now)
    return clock


def test_parts_add_up_to_the_wall_clock(clock):
    with collecting() as parts, timed("outer"):
        clock.move(2)
        with timed("inner"):
            clock.move(1)
            with timed("innermost"):
                clock.move(3)
                told("compile", 1.0)
        with timed("inner"):
            clock.move(4)
        clock.move(1)
    assert parts == pytest.approx({"outer": 3, "inner": 5, "innermost": 2, "compile": 1})
    assert sum(parts.values()) == clock.now - Clock.now


def test_what_was_told_from_inside_counts_once(clock):
    with collecting() as parts, timed("transport"):
        clock.move(2)
        told("compile", 1.0)
        clock.move(1)
        told("compile", 2.5)
        clock.move(4)
        told("compile", 2.0)
    assert parts == pytest.approx({"compile": 4.5, "transport": 2.5})


def test_a_failing_part_is_counted_and_closed(clock):
    @timed("broken")
    def fail():
        clock.move(1)
        raise ValueError("broken")

    with collecting() as parts:
        with pytest.raises(ValueError, match="broken"):
            fail()
        with timed("next"):
            clock.move(2)
    assert parts == {"broken": 1, "next": 2}


def test_nothing_is_counted_without_a_collector():
    with timed("alone"):
        told("compile", 1.0)
    with collecting() as parts:
        pass
    assert parts == {}


def test_receipts_and_the_index_tell_the_seconds_of_a_batch(make_model):
    from stilt.execution import run_batch

    model = make_model(3)
    summary = run_batch(str(model.output_root), model.register_pending())
    frame, _ = read_receipts(receipt_files(model.layout.receipts))
    parts = seconds_by_part(frame["parts"].dropna())
    assert {"transport", "footprint", "writing"} <= parts.keys()
    assert 0 < sum(parts.values()) <= summary.seconds + 0.01
    model.index.fold()
    assert model.index.times() == pytest.approx(parts)
