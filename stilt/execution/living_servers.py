"""Servers in child processes that live on for later work of this process, one for each folder."""

from __future__ import annotations

import atexit
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, Protocol, TypeVar


class LivingServer(Protocol):
    """A server of a folder, such as :class:`stilt.execution.child_server.ChildServer` runs."""

    @property
    def usable(self) -> bool:
        """Whether it has not ended, and its folder is as it should be."""

    def stop(self) -> None:
        """End it; harmless when it has ended already."""

    def let_go(self) -> None:
        """Leave it to the process that this one was forked from."""


S = TypeVar("S", bound=LivingServer)


class LivingServers(Generic[S]):
    """The servers of this process; they end with it. Forks of it start their own.

    Args:
        start: starts the server of a folder.
    """

    def __init__(self, start: Callable[[Path], S]) -> None:
        self._start = start
        self._servers: dict[Path, S] = {}
        self._users: Counter[Path] = Counter()
        self._taking = threading.RLock()
        self._watched = False

    def of(self, folder: Path) -> S:
        """Return the server of a folder, started now if none lives.

        That of another folder is ended unless somebody uses it: each holds memory.
        """
        folder = folder.resolve()
        with self._taking:
            self._end_with_this_process()
            for other, server in list(self._servers.items()):
                if not server.usable or (other != folder and not self._users[other]):
                    del self._servers[other]
                    threading.Thread(target=server.stop).start()
            if folder not in self._servers:
                self._servers[folder] = self._start(folder)
            return self._servers[folder]

    @contextmanager
    def in_use(self, folder: Path) -> Iterator[S]:
        """Keep the server of a folder for a block of code."""
        with self._taking:
            server = self.of(folder)
            self._users[folder.resolve()] += 1
        try:
            yield server
        finally:
            with self._taking:
                self._users[folder.resolve()] -= 1

    def stop(self) -> None:
        """End all that are not in use."""
        with self._taking:
            for folder in [each for each in self._servers if not self._users[each]]:
                self._servers.pop(folder).stop()

    def _stop_all(self) -> None:
        with self._taking:
            while self._servers:
                self._servers.popitem()[1].stop()

    def _end_with_this_process(self) -> None:
        if not self._watched:
            self._watched = True
            atexit.register(self._stop_all)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=self._leave_to_parent)

    def _leave_to_parent(self) -> None:
        self._taking = threading.RLock()
        self._users.clear()
        while self._servers:
            self._servers.popitem()[1].let_go()
