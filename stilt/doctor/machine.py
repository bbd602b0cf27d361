"""The machine: device, cores, memory, threads, file locks, disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from stilt.cache import user_cache, why_unusable
from stilt.config.runtime import RuntimeSettings
from stilt.cores import available_cores
from stilt.doctor.finding import Finding, fine, problem, warning
from stilt.errors import StiltError
from stilt.execution.limits import address_space_shortage, thread_shortage
from stilt.execution.memory import machine_memory_bytes
from stilt.locks import has_no_locks
from stilt.meteorology.weather_cache import folder_bytes, size_text

WORKER_BYTES = 2_000_000_000
"""Measured memory of a worker with weather of a regional model; larger grids take more."""

LITTLE_DISK_BYTES = 5_000_000_000
SHARED_FILE_SYSTEMS = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "lustre",
    "gpfs",
    "beegfs",
    "ceph",
    "fuse.sshfs",
)

_TRY_LOCK = """
import sys
from filelock import FileLock, Timeout
try:
    FileLock(sys.argv[1], timeout=0, fallback_to_soft=False).acquire()
except Timeout:
    sys.exit(7)
"""
_REFUSED = 7


def machine_findings(folder: Path) -> Iterator[Finding]:
    """Check the machine, with a folder as the place of projects."""
    yield device_finding()
    cores = available_cores()
    yield fine("cores", f"{cores} core(s) for this process, of {os.cpu_count()} of the machine.")
    yield memory_finding(machine_memory_bytes(), cores)
    if shortage := thread_shortage(cores):
        yield warning("threads", shortage, "Raise the limit, or use fewer workers.")
    if shortage := address_space_shortage():
        yield warning("memory", shortage, "Raise the limit.")
    yield lock_finding(folder)
    yield disk_finding(folder)
    yield cache_finding()


def device_finding() -> Finding:
    """Say what JAX computes on, and whether an NVIDIA GPU lies idle."""
    # Otherwise JAX reserves most of a GPU's memory, which others may be using.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    from stilt.transport.device import what_computes

    try:
        kind, version = what_computes()
    except (RuntimeError, ImportError, AssertionError) as error:
        return problem(
            "device",
            f"JAX finds no device to compute on ({_why(error)}).",
            "Unset JAX_PLATFORMS, or install the JAX that matches the GPU's driver.",
        )
    found = f"JAX {version} computes on {kind}."
    asked_for_cpu = os.environ.get("JAX_PLATFORMS", "") == "cpu"
    if kind == "cpu" and shutil.which("nvidia-smi") and not asked_for_cpu:
        return warning(
            "device",
            f"{found} The machine has an NVIDIA driver.",
            "To compute on the GPU: pip install 'jax[cuda12]'.",
        )
    return fine("device", found)


def _why(error: Exception) -> str:
    """Return what JAX says, or else which platform it was asked for."""
    said = " ".join(str(error).split())[:200]
    return said or f"JAX_PLATFORMS is {os.environ.get('JAX_PLATFORMS', 'not set')}"


def memory_finding(nbytes: int, cores: int) -> Finding:
    """Compare the memory with what workers on all cores take."""
    fits = max(1, int(nbytes // WORKER_BYTES))
    found = f"{nbytes / 1e9:.1f} GB, enough for about {fits} worker(s) of a regional model."
    if fits < cores:
        return warning("memory", found, f"Use at most {fits} worker(s) at first: --n-workers.")
    return fine("memory", found)


def lock_finding(folder: Path) -> Finding:
    """Try whether a file's lock keeps another process out, as the index needs it."""
    place = next(each for each in (folder, *folder.parents) if each.exists())
    path = place / f".stilt-doctor-{os.getpid()}.lock"
    try:
        with FileLock(path, timeout=0, fallback_to_soft=False):
            command = [sys.executable, "-c", _TRY_LOCK, str(path)]
            done = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        if has_no_locks(error):
            return problem(
                "locks",
                f"The file system of {place} has no file locks, which the index needs.",
                "Keep the project on a local disk, and results elsewhere with --output-dir.",
            )
        return problem(
            "locks", f"No file can be written in {place} ({error.strerror or error}).",
            "Choose a folder that can be written.",
        )  # fmt: skip
    finally:
        path.unlink(missing_ok=True)
    if done.returncode != _REFUSED:
        return problem(
            "locks",
            f"In {place} two processes got the same lock: the index would be damaged.",
            "Keep the project on a local disk, and results elsewhere with --output-dir.",
        )
    kind = file_system_of(place)
    if kind in SHARED_FILE_SYSTEMS:
        return warning(
            "locks",
            f"Locks hold between processes of this machine; {place} is on {kind}.",
            "Before several machines share a project there, run on all of them at once: "
            f"python -m stilt.project.lock_trial {place}",
        )
    return fine("locks", f"Locks hold between processes in {place} ({kind or 'local disk'}).")


def file_system_of(folder: Path) -> str:
    """Return the kind of the file system that holds a folder; "" where the system does not say."""
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in lines:
        _, mounted, name, *_ = line.split()
        point = mounted.encode().decode("unicode_escape")
        if folder.resolve().is_relative_to(point) and len(point) > best:
            best, kind = len(point), name
    return kind


def disk_finding(folder: Path) -> Finding:
    """Say how much room a folder's disk has."""
    place = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(place).free
    found = f"{size_text(free)} free in {place}."
    if free < LITTLE_DISK_BYTES:
        return warning("disk", found, "Make room, or write elsewhere with --output-dir.")
    return fine("disk", found)


def cache_finding() -> Finding:
    """Say where compiled code and shared weather are kept, and whether that can be used."""
    try:
        folder = user_cache(RuntimeSettings().cache_dir)
    except StiltError as error:
        return problem("cache", f"{error}.", "Correct or unset the variable.")
    if why := why_unusable(folder):
        return problem(
            "cache", f"{folder} cannot be used: {why}.",
            "Set STILT_CACHE_DIR to a folder that can be written.",
        )  # fmt: skip
    size = size_text(folder_bytes(folder)) if folder.is_dir() else "nothing yet"
    return fine("cache", f"{size} in {folder}; `stilt weather cache` says more.")
