"""Compiled code kept from one process, and one run, to the next.

JAX compiles the transport when it first runs, which takes as long as computing several receptors.
Nothing here imports JAX: it reads these settings from the environment when it is imported.
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from stilt.cache import user_cache
from stilt.timing import timed, told

logger = logging.getLogger(__name__)

COMPILING_S = 90.0
"""How long a process waits for another one that compiles the same program."""

CACHE_BYTES = 500_000_000

_FOLDER = "JAX_COMPILATION_CACHE_DIR"


def compilation_cache(cache_dir: Path | None = None) -> dict[str, str]:
    """Environment variables that have JAX keep compiled code in the user's cache folder.

    Code is kept apart by JAX's version and by processor: home folders are shared by machines
    whose processors differ.

    Args:
        cache_dir: takes the place of the user's cache folder.

    Returns:
        The variables; none when the folder cannot be made.
    """
    folder = user_cache(cache_dir) / "compiled" / _platform()
    if _FOLDER not in os.environ:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            logger.warning("Compiled code is not kept for the next process: %s", error)
            return {}
    return {
        _FOLDER: str(folder),
        "JAX_COMPILATION_CACHE_MAX_SIZE": str(CACHE_BYTES),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def _platform() -> str:
    """JAX's version and the kind of processor, usable as a folder's name."""
    features = platform.processor()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        features = next((x for x in lines if x.startswith(("flags", "Features"))), features)
    kind = sha256(features.encode()).hexdigest()[:8]
    return f"jax-{version('jax')}-{version('jaxlib')}-{platform.machine()}-{kind}"


@cache
def time_compiling() -> None:
    """Count, from now on, what JAX spends on compiling or on loading what was compiled."""
    from jax import monitoring

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        del kwargs
        if event.startswith("/jax/core/compile/"):
            told("compile", duration_secs)

    monitoring.register_event_duration_secs_listener(listen)


def _nothing(over: Callable[[], bool]) -> None:
    """Do nothing while another process compiles."""


@contextmanager
def compiled_once(
    program: str, meanwhile: Callable[[Callable[[], bool]], None] = _nothing
) -> Iterator[Callable[[], None]]:
    """Have one process at a time compile a program that the cache does not hold.

    The others wait here for up to :data:`COMPILING_S` and then find it in the cache.

    Args:
        program: stands for everything that makes the compiled program another one.
        meanwhile: called while another process compiles, with a function that says whether that
            is over.

    Yields:
        A function to call when the program has run for the first time: it lets the others go on.
        Called again it does nothing.
    """
    mark = _mark(program)
    if mark is None or mark.exists():
        yield lambda: None
        return
    lock = FileLock(mark.with_suffix(".lock"), timeout=COMPILING_S, fallback_to_soft=False)
    # Without a lock (it took too long, or the file system has none) each compiles for itself.
    with suppress(OSError, NotImplementedError), timed("compile"):
        mark.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            meanwhile(mark.exists)
            lock.acquire()

    def compiled() -> None:
        if lock.is_locked:
            with suppress(OSError):
                mark.touch()
            lock.release()

    try:
        if mark.exists():
            lock.release()
        yield compiled
    finally:
        lock.release()


def _mark(program: str) -> Path | None:
    """File that says that a program is in the cache; None without a cache in a local folder."""
    folder = os.environ.get(_FOLDER, "")
    if not folder or "://" in folder:
        return None
    settings = [os.environ.get(name, "") for name in ("JAX_PLATFORMS", "XLA_FLAGS")]
    identity = f"{_platform()} {settings} {program}"
    return Path(folder) / "programs" / f"{sha256(identity.encode()).hexdigest()[:20]}.compiled"
