"""Amounts and means over a range of a forecast's steps, as values for the last hours of the range.

ECMWF's forecasts accumulate from their start, NCEP's average or accumulate over buckets of six
hours. The amount up to an earlier hour of the same forecast is subtracted, so that the rest belongs
to the time between the two. Where there is no earlier hour, the value is that of the whole range.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from stilt.meteorology.records import AnalysisRef, Message

_MINUTES_PER_HOUR = 60.0
_INSTANT = "instant"


def preference(message: Message) -> tuple[int, int]:
    """Return a sorting key for messages of one field and time: instants, then short ranges."""
    return (message.step_type != _INSTANT, message.end - message.start)


def hours(message: Message) -> float:
    """Return the length of a message's range."""
    return (message.end - message.start) / _MINUTES_PER_HOUR


def to_amount(message: Message) -> float:
    """Return the factor that makes a message's value the amount over its range."""
    return hours(message) if message.step_type == "avg" else 1.0


def earlier_message(message: Message, candidates: Iterable[Message]) -> Message | None:
    """Return the latest earlier message with the same start; None where there is none."""
    found = [
        one
        for one in candidates
        if (one.name, one.start, one.step_type) == (message.name, message.start, message.step_type)
        and one.start < one.end < message.end
    ]
    return max(found, key=lambda one: one.end, default=None)


def with_earlier(parts: Sequence[AnalysisRef]) -> list[AnalysisRef]:
    """Link each part with amounts or means to the earlier hour that is to be subtracted.

    Args:
        parts: what files hold.
    """
    by_cycle: dict[tuple[np.datetime64, str], list[AnalysisRef]] = defaultdict(list)
    for part in parts:
        if _ranged(part):
            by_cycle[_began(part), part.grid.key()].append(part)
    linked = []
    for part in parts:
        best, latest = None, -1
        for other in by_cycle.get((_began(part), part.grid.key()), ()) if _ranged(part) else ():
            ends = [
                found.end
                for message in _ranged(part)
                if (found := earlier_message(message, other.messages)) is not None
            ]
            if max(ends, default=-1) > latest:
                best, latest = other, max(ends)
        linked.append(part if best is None else _linked(part, best))
    return linked


def _ranged(part: AnalysisRef) -> list[Message]:
    return [message for message in part.messages if message.step_type != _INSTANT]


def _began(part: AnalysisRef) -> np.datetime64:
    return part.time - np.timedelta64(max(part.forecast_hour, 0), "h")


def _linked(part: AnalysisRef, earlier: AnalysisRef) -> AnalysisRef:
    content = hashlib.sha256(f"{part.content} {earlier.content}".encode()).hexdigest()[:16]
    return replace(part, earlier=earlier, content=content)
