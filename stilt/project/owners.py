"""Who computes what, and whether that process still lives."""

from __future__ import annotations

import os
import platform
import secrets
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from stilt.slurm_queue import is_queued

_SEPARATOR = "|"
_ARRAY = "slurm-array"


@dataclass(frozen=True)
class Holder:
    """A process, or a job array, that computes simulations.

    Attributes:
        owner: see :func:`new_owner` and :func:`array_owner`.
        since: UTC.
        sim_ids: what it computes, or will.
    """

    owner: str
    since: datetime
    sim_ids: frozenset[str]

    def __str__(self) -> str:
        job = _array_of(self.owner)
        host, pid = host_and_pid(self.owner)
        who = f"the job array {job} of SLURM" if job else f"process {pid} on {host}"
        return f"{who} (since {self.since:%Y-%m-%d %H:%M} UTC)"


@cache
def this_place() -> str:
    """Host, boot and process-id space: where a process id means something."""
    boot = _read("/proc/sys/kernel/random/boot_id")[:8]
    try:
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        space = ""
    return "/".join(part for part in (platform.node(), boot, space) if part)


def new_owner() -> str:
    """Return a text that names this process, unique for all time."""
    parts = (this_place(), str(os.getpid()), _started(os.getpid()), secrets.token_hex(4))
    return _SEPARATOR.join(parts)


def array_owner(job: str) -> str:
    """Return text that names a job array of SLURM, which lives as long as it is in the queue."""
    return _SEPARATOR.join((_ARRAY, job, "", secrets.token_hex(4)))


def _array_of(owner: str) -> str:
    kind, job, *_ = [*owner.split(_SEPARATOR), ""]
    return job if kind == _ARRAY else ""


def is_known_to_live(owner: str) -> bool:
    """Whether the owner is a job array that SLURM has in its queue."""
    job = _array_of(owner)
    return bool(job) and is_queued(job) is True


def host_and_pid(owner: str) -> tuple[str, str]:
    """Return the host and the process id in an owner's name."""
    place, pid, *_ = [*owner.split(_SEPARATOR), "?"]
    return place.split("/")[0], pid


def pid_of(owner: str) -> int:
    """Return the process id in an owner's name."""
    return int(host_and_pid(owner)[1])


def is_dead(owner: str | None) -> bool:
    """Whether the process is known to have ended.

    One of an earlier boot of this host is, and a job array that has left SLURM's queue. Of a
    process elsewhere (another host or container) it is never known; its lease decides.
    """
    if job := _array_of(owner or ""):
        return is_queued(job) is False
    parts = (owner or "").split(_SEPARATOR)
    if len(parts) != 4:
        return False
    theirs, ours = parts[0].split("/"), this_place().split("/")
    if len(theirs) == len(ours) == 3 and theirs[0] == ours[0] and theirs[1] != ours[1]:
        return True
    if theirs != ours or not parts[1].isdigit():
        return False
    pid = int(parts[1])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    started = _started(pid)
    return started == "ended" or (bool(parts[2]) and bool(started) and started != parts[2])


def _started(pid: int) -> str:
    """When a process started in ticks since boot; "ended" for a zombie, "" where unknown."""
    # The name in parentheses may hold spaces; the fields after it are the state (3) onwards.
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if len(fields) < 20:
        return ""
    return "ended" if fields[0] in ("Z", "X") else fields[19]


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
