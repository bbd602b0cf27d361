"""A command with its children: wall time, and the peak memory of each kind of process."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_S = 0.2


@dataclass(frozen=True)
class Measured:
    """One command.

    Attributes:
        began: seconds since the epoch.
        seconds: wall time from start to end.
        core_s: time of a core that it and its children took, those that are not waited for left
            out.
        peak_mb: largest resident memory of one process of each kind, memory-mapped files
            included; empty where there is no /proc.
        output: what it printed, both streams.
    """

    began: float
    seconds: float
    core_s: float
    peak_mb: dict[str, float]
    output: str


def measure(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    kind_of: Callable[[str], str],
    cwd: Path,
    cores: Sequence[int] = (),
) -> Measured:
    """Run a command and watch its process tree.

    Args:
        command: program and arguments.
        environment: all variables of it.
        kind_of: kind of a child process by its command line, "" for none of interest; the command
            itself is the ``coordinator``.
        cwd: where it runs.
        cores: holds it and its children to these.

    Raises:
        SystemExit: it ended with an error; the end of what it printed is passed on.
    """
    pinned = ["taskset", "-c", ",".join(map(str, cores))] if cores else []
    peaks: dict[str, float] = {}
    with tempfile.TemporaryFile("w+b") as output:
        began, start = time.time(), time.perf_counter()
        process = subprocess.Popen(
            [*pinned, *command],
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        ended = threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, kind_of, peaks, ended))
        watcher.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            code = process.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.perf_counter() - start
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
            ended.set()
            watcher.join()
        output.seek(0)
        text = output.read().decode(errors="replace")
    if code:
        raise SystemExit(f"{text[-3000:]}\nThe command ended with {code}: {' '.join(command)}")
    return Measured(began, seconds, usage.ru_utime + usage.ru_stime, peaks, text)


def _watch(
    root: int, kind_of: Callable[[str], str], peaks: dict[str, float], ended: threading.Event
) -> None:
    while not ended.wait(_SAMPLE_S):
        for pid in _tree(root):
            with suppress(OSError, ValueError):
                kind = "coordinator" if pid == root else kind_of(_command_line(pid))
                if kind:
                    peaks[kind] = max(peaks.get(kind, 0.0), _peak_mb(pid))


def _tree(root: int) -> list[int]:
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        with suppress(OSError):
            for listing in Path(f"/proc/{pid}/task").glob("*/children"):
                with suppress(OSError):
                    waiting += map(int, listing.read_text().split())
    return found


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def _peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"process {pid} has ended")


def idle_warning() -> str:
    """A sentence when other programs use this machine, else ""."""
    load = os.getloadavg()[0]
    if load < 0.5:
        return ""
    return f"The machine was not idle when this began (load average {load:.1f})."
