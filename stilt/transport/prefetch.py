"""Analyses loaded by other threads of this process before the transport asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from stilt.cores import available_cores
from stilt.timing import timed

T = TypeVar("T")

MOST_THREADS = 2


@contextmanager
def prefetching(load: Callable[[int], T], order: Sequence[int]) -> Iterator[Callable[[int], T]]:
    """Load the next analyses in other threads while the caller works with the one it asked for.

    A process that is limited to one core loads each of them when it is asked for.

    Args:
        load: loads the one with a number; called from several threads at once.
        order: the numbers in the order in which they will be asked for.

    Yields:
        What to call instead of ``load``; it raises what ``load`` raises.
    """
    threads = min(MOST_THREADS, available_cores())
    if threads < 2:
        yield load
        return
    position = {number: place for place, number in enumerate(order)}
    coming: dict[int, Future[T]] = {}
    pool = ThreadPoolExecutor(threads, thread_name_prefix="weather")

    def loaded(number: int) -> T:
        place = position[number]
        for near in order[place : place + threads]:
            if near not in coming:
                coming[near] = pool.submit(load, near)
        with timed("weather"):
            return coming.pop(number).result()

    try:
        yield loaded
    finally:
        pool.shutdown(cancel_futures=True)
