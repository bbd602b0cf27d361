"""Where the time of a batch goes: seconds by named part, no second counted twice.

A part inside a part is taken out of the outer one. Only the thread that collects is counted, so
that the parts add up to what one wall clock shows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

Seconds = dict[str, float]


@dataclass
class _Open:
    """A part that is going on, with what has been counted elsewhere since it began."""

    elsewhere_s: float = 0.0
    told: list[tuple[float, float]] = field(default_factory=list)


@dataclass
class _Collection:
    seconds: Seconds = field(default_factory=dict)
    open: list[_Open] = field(default_factory=list)

    def add(self, part: str, seconds: float) -> None:
        self.seconds[part] = self.seconds.get(part, 0.0) + seconds


_current: ContextVar[_Collection | None] = ContextVar("parts", default=None)


@contextmanager
def collecting() -> Iterator[Seconds]:
    """Collect the parts of a block; yields the mapping that they are added to."""
    collection = _Collection()
    token = _current.set(collection)
    try:
        yield collection.seconds
    finally:
        _current.reset(token)


@contextmanager
def timed(part: str) -> Iterator[None]:
    """Count the wall time of a block as ``part``, if anybody collects."""
    collection = _current.get()
    if collection is None:
        yield
        return
    mine = _Open()
    collection.open.append(mine)
    began = time.perf_counter()
    try:
        yield
    finally:
        elapsed = time.perf_counter() - began
        collection.open.pop()
        collection.add(part, elapsed - mine.elsewhere_s)
        if collection.open:
            collection.open[-1].elsewhere_s += elapsed


def told(part: str, seconds: float) -> None:
    """Count time that was measured elsewhere and ends now; it may contain parts counted already."""
    collection = _current.get()
    if collection is None:
        return
    if not collection.open:
        collection.add(part, seconds)
        return
    outer = collection.open[-1]
    began = time.perf_counter() - seconds
    inside = sum(length for start, length in outer.told if start >= began)
    outer.told = [entry for entry in outer.told if entry[0] < began] + [(began, seconds)]
    collection.add(part, seconds - inside)
    outer.elsewhere_s += seconds - inside


def counted_elsewhere(parts: Seconds) -> None:
    """Add what another process counted at the same time."""
    collection = _current.get()
    if collection is not None:
        for part, seconds in parts.items():
            collection.add(part, seconds)
