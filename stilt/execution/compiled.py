"""Compiled code kept from one process, and one run, to the next.

JAX compiles the transport when it first runs, which takes as long as computing several receptors.
Nothing here imports JAX: it reads these settings from the environment when it is imported.
"""

from __future__ import annotations

import logging
import os
import platform
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from multiprocessing import parent_process
from pathlib import Path

from stilt.cache import make_folder, user_cache
from stilt.execution.compiled_check import remember, remove_damaged
from stilt.notices import notice
from stilt.timing import told

logger = logging.getLogger(__name__)

CACHE_BYTES = 500_000_000

_FOLDER = "JAX_COMPILATION_CACHE_DIR"


def compilation_folder(cache_dir: Path | None = None) -> Path | None:
    """Return the folder for compiled code of this kind of machine; None when it cannot be made.

    Code is kept apart by JAX's version and by processor: home folders are shared by machines
    whose processors differ.

    Args:
        cache_dir: takes the place of the user's cache folder.
    """
    folder = user_cache(cache_dir) / "compiled" / _platform()
    if problem := make_folder(folder):
        _say_not_kept(folder, problem)
        return None
    return folder


def compilation_cache(cache_dir: Path | None = None) -> dict[str, str]:
    """Return environment variables that have JAX keep compiled code in the user's cache folder.

    Args:
        cache_dir: takes the place of the user's cache folder.

    Returns:
        The variables; none when the folder cannot be made.
    """
    folder = os.environ.get(_FOLDER)
    if not folder:
        ours = compilation_folder(cache_dir)
        if ours is None:
            return {}
        remove_damaged(ours)
        folder = str(ours)
    return {
        _FOLDER: folder,
        "JAX_COMPILATION_CACHE_MAX_SIZE": str(CACHE_BYTES),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


@cache
def _say_not_kept(folder: Path, problem: str) -> None:
    """Say so once, and not in each process of a pool."""
    say = notice if parent_process() is None else logging.Logger.warning
    say(
        logger,
        "Compiled code is not kept for the next run: %s cannot be used, %s; set STILT_CACHE_DIR to "
        "a folder that can be written.",
        folder,
        problem,
    )


def _platform() -> str:
    """Return JAX's version and the kind of processor, usable as a folder's name."""
    features = platform.processor()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        features = next((x for x in lines if x.startswith(("flags", "Features"))), features)
    kind = sha256(features.encode()).hexdigest()[:8]
    return f"jax-{version('jax')}-{version('jaxlib')}-{platform.machine()}-{kind}"


def trust_compiled(since: float) -> None:
    """Keep digests of what JAX has put into its cache in this process.

    Args:
        since: seconds since 1970.
    """
    folder = os.environ.get(_FOLDER, "")
    if folder and "://" not in folder:
        remember(Path(folder), since)


@cache
def time_compiling() -> None:
    """Count, from now on, what JAX spends on compiling or on loading what was compiled."""
    from jax import monitoring

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        del kwargs
        if event.startswith("/jax/core/compile/"):
            told("compile", duration_secs)

    monitoring.register_event_duration_secs_listener(listen)
