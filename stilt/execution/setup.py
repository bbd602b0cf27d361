"""What a process needs before it computes: cores, device, compiled code.

Nothing here imports JAX: the environment must be set first.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from types import ModuleType
from typing import TYPE_CHECKING

from stilt.compiler import VARIABLE, request_options, with_options
from stilt.errors import UsageError
from stilt.execution.compiled import compilation_cache
from stilt.execution.forks import note_computing, refuse_in_fork

if TYPE_CHECKING:
    from stilt.project.inputs import Project

logger = logging.getLogger(__name__)

PARENT_CHECK_S = 0.5

_ours = False

# No process sees a NetCDF file before it is whole, so nobody needs a lock on it, and HDF5 cannot
# write where the file system has none.
WITHOUT_FILE_LOCKS = {"HDF5_USE_FILE_LOCKING": "FALSE"}

# NumPy reads these when it is imported. Our matrices are small, and threads of its libraries wait
# for the next one by spinning: a quarter of the time of making a footprint and its file.
ONE_THREAD_FOR_MATRICES = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def worker_environment(device: str, n_workers: int) -> dict[str, str]:
    """Environment variables of worker processes.

    Args:
        device: ``auto``, ``cpu`` or ``gpu``. Several workers on ``auto`` use the CPU: each would
            take the whole GPU.
        n_workers: how many share the machine.
    """
    if device == "gpu":
        return {"JAX_PLATFORMS": "cuda"}
    if device == "cpu" or n_workers > 1:
        return {"JAX_PLATFORMS": "cpu"}
    return {}


def computing_environment(files: Project, n_workers: int = 1) -> dict[str, str]:
    """Environment variables of processes that compute, without those that the user has set.

    Compiler flags of the user are kept and added to.

    Args:
        files: the project, for its device and cache folder.
        n_workers: how many processes share the machine.
    """
    variables = {
        **compilation_cache(files.runtime.cache_dir),
        **worker_environment(files.config.execution.device, n_workers),
        **WITHOUT_FILE_LOCKS,
        **ONE_THREAD_FOR_MATRICES,
    }
    own = {name: value for name, value in variables.items() if name not in os.environ}
    return {**own, VARIABLE: with_options(os.environ.get(VARIABLE, ""))}


def own_process() -> None:
    """Mark this process as our own, a worker or a command line: its JAX may be set up for us."""
    global _ours
    _ours = True
    for name, value in ONE_THREAD_FOR_MATRICES.items():
        os.environ.setdefault(name, value)


def prepare_process(files: Project) -> None:
    """Set up JAX for computing in this process, if it is ours; a user's own JAX is left alone.

    Raises:
        UsageError: the configuration asks for a GPU, and JAX finds none; a folder for caches or for
            computing cannot be used; or this process was forked from one that has computed.
    """
    refuse_in_fork()
    note_computing()
    files.require_folders()
    if _ours:
        request_options()
        variables = computing_environment(files)
        del variables[VARIABLE]
        os.environ.update(variables)
    chosen = os.environ.get("JAX_PLATFORMS", "")
    if files.config.execution.device == "gpu":
        if (found := _backend()) != "gpu":
            raise _no_gpu(found)
    elif chosen not in ("", "cpu") and not _backend():
        raise _no_platform(chosen)


def _backend() -> str:
    """Return what JAX computes on, "" if it finds nothing."""
    from jax import default_backend

    try:
        return str(default_backend())
    # Without the plugin of a platform that is asked for, JAX fails with an assertion.
    except (RuntimeError, AssertionError):
        return ""


@contextmanager
def on_device(device: str) -> Iterator[None]:
    """Compute on the CPU in this block where the configuration asks for it and JAX has a GPU.

    Args:
        device: ``auto``, ``cpu`` or ``gpu``.
    """
    if device != "cpu":
        yield
        return
    import jax

    if jax.default_backend() == "cpu":
        yield
        return
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        yield


def refuse_missing_gpu(files: Project) -> None:
    """Refuse a run that needs a GPU which this machine lacks, without touching the GPU here.

    Raises:
        UsageError: the configuration asks for a GPU, or JAX_PLATFORMS for something, and JAX finds
            none.
    """
    chosen = os.environ.get("JAX_PLATFORMS", "")
    wants_gpu = files.config.execution.device == "gpu"
    if not wants_gpu and (chosen in ("", "cpu") or shutil.which("nvidia-smi")):
        return
    asked = subprocess.run(
        [sys.executable, "-c", "import jax; print(jax.default_backend())"],
        env={**os.environ, **computing_environment(files)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = asked.stdout.strip()
    if wants_gpu and found != "gpu":
        raise _no_gpu(found)
    if not found:
        raise _no_platform(chosen)


def _no_platform(chosen: str) -> UsageError:
    return UsageError(
        f"JAX_PLATFORMS is {chosen} in this environment, and JAX finds nothing of that kind on "
        "this machine: unset it, or set it to cpu."
    )


def _no_gpu(found: str) -> UsageError:
    chosen = os.environ.get("JAX_PLATFORMS")
    if found and chosen:
        advice = f"unset JAX_PLATFORMS, which is {chosen}"
    else:
        advice = "install JAX for it (pip install 'jax[cuda12]') and check the driver"
    return UsageError(
        "execution.device is gpu in config.yaml, but JAX finds no GPU on this machine: "
        f"{advice}, or set device: auto."
    )


def pin_worker(number: int, n_workers: int) -> list[int]:
    """Hold this process to its share of the cores that it may use.

    Threads of JAX cannot be limited otherwise. Where the system has no affinity (macOS) nothing
    is pinned.

    Args:
        number: of the worker, from 0.
        n_workers: how many share the cores.

    Returns:
        The cores of this process; none where nothing is pinned.
    """
    if not hasattr(os, "sched_setaffinity"):
        logger.info("This system cannot pin workers to cores; they share all of them.")
        return []
    cores = sorted(os.sched_getaffinity(0))
    share = [core for i, core in enumerate(cores) if i % n_workers == number % len(cores)]
    if n_workers >= len(cores):
        share = [cores[number % len(cores)]]
    os.sched_setaffinity(0, share)
    return share


@contextmanager
def main_not_run_again() -> Iterator[None]:
    """Keep worker processes from running the user's script a second time.

    A spawned process imports the main script again to find what was defined there; without an
    ``if __name__ == "__main__":`` it would start the run again. No worker of ours needs anything
    from there, so the script's path is hidden while workers start.
    """
    main = sys.modules.get("__main__", ModuleType("__main__"))
    hidden = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    try:
        if "__file__" in hidden:
            del main.__file__
        main.__spec__ = None
        yield
    finally:
        for name, value in hidden.items():
            setattr(main, name, value)


def end_with_parent() -> None:
    """Have this worker process end as soon as its parent has ended, whatever it is computing.

    A parent that was killed cannot tell its workers; they would wait for work for ever.
    """
    known = parent_process()
    # It may have ended before this process came here.
    parent = os.getppid() if known is None else known.pid

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def refuse_wrong_process() -> None:
    """Refuse a run where it cannot work: in a fork, or in a worker that imports the main script.

    Raises:
        UsageError: this process was forked from one that has computed.
        SystemExit: it is only importing the main script.
    """
    from multiprocessing import process

    refuse_in_fork()
    if getattr(process.current_process(), "_inheriting", False):
        raise SystemExit(
            "A worker process ran the main script again and came to its run. Put the run under\n"
            '    if __name__ == "__main__":\n'
            "or use n_workers=1."
        )
