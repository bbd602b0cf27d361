"""Leases: an object at a project's URL for each process that computes it.

Whoever is to compute writes an object of its own, and then looks at those of others. One of two
that begin at the same moment sees the other in any case, since stores list what was written
before; so this needs no store that writes under conditions. A lease ends with its holder's
process, which is noticed at once on the same machine, or when it was not renewed for
:data:`LEASE_S`, by the clock of the store.
"""

from __future__ import annotations

import json
import logging
import random
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from stilt.errors import RunUnfinishedError, StiltError
from stilt.project.owners import Holder, is_dead, new_owner
from stilt.project.url_folder import UrlFolder

logger = logging.getLogger(__name__)

FOLDER = ".stilt/leases"
LEASE_S = 180.0
_TRIES = 4


@dataclass(frozen=True)
class Held:
    """A lease as another process finds it.

    Attributes:
        path: of the object.
        holder: the process.
        copy: names the local copy of the project that it works with.
        alone: no other process may compute beside it.
        age_s: seconds since it was renewed.
    """

    path: str
    holder: Holder
    copy: str
    alone: bool
    age_s: float

    @property
    def lives(self) -> bool:
        """Whether its process may still compute."""
        return self.age_s <= LEASE_S and not is_dead(self.holder.owner)


@dataclass
class Lease:
    """A lease of this process, which is renewed until it is given back.

    Attributes:
        place: folder of the project.
        copy: names the local copy; processes that share one take turns by its locks.
        alone: refuse others; without it others of this kind may compute beside it.
    """

    place: UrlFolder
    copy: str
    alone: bool
    owner: str = field(default_factory=new_owner)
    since: datetime = field(default_factory=lambda: _now())
    lost: bool = False

    def __post_init__(self) -> None:
        self.path = f"{FOLDER}/{secrets.token_hex(8)}.json"
        self._done = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def take(self) -> None:
        """Take the lease, unless another process has one.

        Raises:
            RunUnfinishedError: another process computes the project.
            StorageError: the URL cannot be written or reached.
        """
        for attempt in range(_TRIES):
            self._write()
            others = [held for held in leases(self.place, self.path) if held.copy != self.copy]
            living = [held for held in others if held.lives and (self.alone or held.alone)]
            if not living:
                for held in others:
                    if not held.lives:
                        self._take_over(held)
                self._keeper.start()
                return
            self.place.remove(self.path)
            if attempt < _TRIES - 1 and any(held.age_s < 2.0 for held in living):
                # Two that begin together both withdraw; the one that waits less goes on.
                time.sleep(random.uniform(0.2, 2.0))
                continue
            raise self._refused(living[0])

    def require(self) -> None:
        """Stop a process whose lease another has taken over.

        Raises:
            RunUnfinishedError: so it is.
        """
        if self.lost:
            raise RunUnfinishedError(
                f"This process could not renew its lease of {self.place.url} for "
                f"{LEASE_S:.0f} s, and another has taken the project over: stopped; what is "
                "finished is kept."
            )

    def give_back(self) -> None:
        """End the lease."""
        self._done.set()
        if self._keeper.is_alive():
            self._keeper.join()
        with suppress(StiltError, OSError):
            self.place.remove(self.path)

    def _write(self) -> None:
        told = {
            "owner": self.owner,
            "copy": self.copy,
            "alone": self.alone,
            "since": self.since.isoformat(timespec="seconds"),
            "renewed": _now().isoformat(timespec="seconds"),
            "lease_s": LEASE_S,
        }
        self.place.write(json.dumps(told, indent=1).encode(), self.path)

    def _keep(self) -> None:
        while not self._done.wait(LEASE_S / 4):
            try:
                if self.place.info(self.path) is None:
                    self.lost = not self._done.is_set()
                    return
                self._write()
            except (StiltError, OSError) as error:
                logger.warning("The lease could not be renewed: %s", error)

    def _take_over(self, held: Held) -> None:
        logger.warning(
            "The work of %s on %s, which ended without saying so, is taken up here.",
            held.holder, self.place.url,
        )  # fmt: skip
        self.place.remove(held.path)

    def _refused(self, held: Held) -> RunUnfinishedError:
        left = max(0.0, LEASE_S - held.age_s)
        return RunUnfinishedError(
            f"{self.place.url} is being computed by {held.holder}, last heard of "
            f"{held.age_s:.0f} s ago: wait for that run, or end it and run again; if it was "
            f"killed, its lease ends in {left:.0f} s."
        )


def leases(place: UrlFolder, own: str = "") -> list[Held]:
    """Return the leases on a project, also those that have ended without being given back.

    Args:
        place: folder of the project.
        own: path of a lease written just now, which tells the time by the clock of the store.
    """
    found = {f"{FOLDER}/{name}": listed for name, listed in place.listed(FOLDER).items()}
    moment = found[own].modified if own in found else None
    moment = time.time() if moment is None else moment
    held = []
    for path, listed in sorted(found.items()):
        # Not what is being written under a temporary name.
        if not path.endswith(".json") or (content := place.read(path)) is None:
            continue
        try:
            told = json.loads(content)
            holder = Holder(told["owner"], datetime.fromisoformat(told["since"]), frozenset())
            renewed = datetime.fromisoformat(told["renewed"])
            copy, alone = str(told["copy"]), bool(told["alone"])
        except (ValueError, KeyError, TypeError):
            continue
        age_s = (_now() - renewed).total_seconds()
        if listed.modified is not None:
            age_s = moment - listed.modified
        held.append(Held(path, holder, copy, alone, max(0.0, age_s)))
    return held


@contextmanager
def leased(lease: Lease) -> Iterator[Lease]:
    """Keep a lease while the block runs; see :meth:`Lease.take`."""
    lease.take()
    try:
        yield lease
    finally:
        lease.give_back()


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
