"""Ctrl-C and SIGTERM, even where a library suppresses the exception that they raise.

Python raises KeyboardInterrupt wherever the main thread happens to be. In a callback of the
garbage collector it is printed and lost, and DuckDB turns it into an error of its own. So the
signal is noted as well, and asked for again where work goes on or an error is about to be recorded.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# A callback of the garbage collector has ended by then.
_AGAIN_S = 0.05

_blocks = 0
_came: list[int] = []


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM stop this block as Ctrl-C does; possible in the main thread only."""
    global _blocks
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handled = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        handled.append(signal.SIGINT)
    before = {number: signal.signal(number, _interrupt) for number in handled}
    hook, sys.unraisablehook = sys.unraisablehook, _sent_again_or(sys.unraisablehook)
    _blocks += 1
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook
        _blocks -= 1
        if not _blocks:
            _came.clear()


def _interrupt(signum: int, frame: FrameType | None) -> None:
    _came.append(signum)
    raise KeyboardInterrupt


def _sent_again_or(shown: Callable[[Any], None]) -> Callable[[Any], None]:
    """A hook that sends the signal of a lost KeyboardInterrupt again; the rest is `shown`."""

    def hook(lost: Any) -> None:
        if isinstance(lost.exc_value, KeyboardInterrupt) and _came:
            threading.Timer(_AGAIN_S, os.kill, (os.getpid(), _came[-1])).start()
        else:
            shown(lost)

    return hook


def raise_if_interrupted(cause: BaseException | None = None) -> None:
    """Raise an interrupt that a library may have suppressed in the outermost :func:`interruptible`.

    Args:
        cause: the error that it was turned into.

    Raises:
        KeyboardInterrupt: a signal came, and :func:`interrupt_taken` was not called since.
    """
    if _came:
        raise KeyboardInterrupt from cause


@contextmanager
def suppressed_interrupts_raised() -> Iterator[None]:
    """Raise KeyboardInterrupt instead of an error that a library has made of one."""
    try:
        yield
    except Exception as error:
        raise_if_interrupted(error)
        raise


def interrupt_taken() -> None:
    """Forget interrupts that have been handled, so that cleaning up is not stopped by them."""
    _came.clear()


@contextmanager
def interrupts_noted() -> Iterator[list[int]]:
    """Let a block finish despite Ctrl-C or SIGTERM; the list holds the signals that came."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    handled = [
        number for number in (signal.SIGINT, signal.SIGTERM) if callable(signal.getsignal(number))
    ]
    before = {number: signal.signal(number, lambda n, _: came.append(n)) for number in handled}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
