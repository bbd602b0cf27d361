"""Marks of batches: files beside the index that say which simulations are being computed now.

A mark ends with its batch, with its holder's process (noticed at once on the same machine) or job
array, or, where that cannot be seen, when it was not renewed for :data:`LEASE_S`.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from stilt.atomic import atomic_path
from stilt.project.owners import Holder, is_dead, is_known_to_live, new_owner

LEASE_S = 600.0


@contextmanager
def marked_running(folder: Path, batch_id: str, sim_ids: Iterable[str]) -> Iterator[None]:
    """Mark a batch as being computed by this process, while the block runs."""
    with kept(mark_running(folder, batch_id, new_owner(), sim_ids)):
        yield


@contextmanager
def kept(path: Path) -> Iterator[None]:
    """Renew a mark while the block runs, and remove it after."""
    done = threading.Event()

    def keep() -> None:
        while not done.wait(LEASE_S / 3):
            with suppress(OSError):
                os.utime(path)

    threading.Thread(target=keep, daemon=True).start()
    try:
        yield
    finally:
        done.set()
        with suppress(OSError):
            path.unlink(missing_ok=True)


def mark_running(folder: Path, batch_id: str, owner: str, sim_ids: Iterable[str]) -> Path:
    """Write the mark of a batch; returns the file to remove."""
    path = folder / f"{batch_id}.json"
    with atomic_path(path) as temporary:
        mark = {"owner": owner, "since": _now().isoformat(), "sim_ids": list(sim_ids)}
        with temporary.open("w") as file:
            # As one text, those of a million would take 160 MB.
            json.dump(mark, file)
    return path


def ids_in_batches(folder: Path) -> set[str]:
    """Simulations in batches that are computed now."""
    return set().union(*(mark.sim_ids for mark in living_marks(folder)))


def living_marks(folder: Path) -> list[Holder]:
    """Return the marks of living processes, as far as that can be seen from here.

    Marks of dead processes stay for a while: from them the coordinator learns what a worker had.
    """
    marks = []
    for path in folder.glob("[!.]*.json") if folder.is_dir() else ():
        try:
            mark = json.loads(path.read_text())
            age_s = time.time() - path.stat().st_mtime
            since = datetime.fromisoformat(mark["since"])
            holder = Holder(str(mark["owner"]), since, frozenset(mark["sim_ids"]))
        except (OSError, ValueError, KeyError, TypeError):
            # A mark that a full disk or a crash has cut short is nobody's.
            continue
        if age_s > LEASE_S and not is_known_to_live(holder.owner):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        elif not is_dead(holder.owner):
            marks.append(holder)
    return marks


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
