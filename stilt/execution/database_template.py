"""Databases of servers in child processes, and the empty, migrated one that they start from.

Copying it saves seconds of migrations. A step of an installation may leave one for all its users;
else the first server of a user leaves one in the user's cache folder.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from packaging.version import Version

from stilt.atomic import atomic_path
from stilt.cache import user_cache
from stilt.errors import StiltError
from stilt.project.sqlite_files import copy_database, is_sound

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatabaseTemplate:
    """An SQLite database to copy.

    Attributes:
        name: of its file, with the version of the server's program.
        table: that has one row once the database has been migrated.
    """

    name: str
    table: str

    @property
    def of_user(self) -> Path:
        """Where the first server of a user leaves one."""
        return user_cache() / self.name

    @property
    def of_installation(self) -> Path:
        """Where an installation has one for all users."""
        return Path(sys.prefix) / "share" / "stilt" / self.name

    def copy_to(self, target: Path) -> bool:
        """Copy the installation's or the user's to `target`; return whether there is a sound one.

        A damaged one is removed, so that the next server that has started leaves another.
        """
        for template in (self.of_installation, self.of_user):
            if not os.access(template, os.R_OK):
                continue
            # As a file: SQLite cannot open it in a folder that only others may write to.
            with atomic_path(target) as part:
                shutil.copyfile(template, part)
            if self.is_sound(target):
                return True
            target.unlink()
            with suppress(OSError):
                template.unlink()
            logger.warning(
                "The template of a server's database, %s, is damaged: it is not used, and %s.",
                template,
                "cannot be removed" if template.exists() else "was removed to be made again",
            )
        return False

    def is_sound(self, database: Path) -> bool:
        """Return whether a database that is not open anywhere is whole and has been migrated."""
        return is_sound(database, self.table)

    def keep(self, database: Path, where: Path) -> None:
        """Keep a copy of a fresh database, as :attr:`of_user` was when the server was launched."""
        # A cache only: a read-only home directory must not stop a run.
        with suppress(OSError, sqlite3.Error):
            where.parent.mkdir(parents=True, exist_ok=True)
            copy_database(database, where)


class ServerDatabase:
    """The SQLite database of a server, with a note of the version of the program that made it.

    One server at a time starts on it: a new database is migrated by the first.

    Args:
        folder: where it is, or will be.
        program: name of the server's program, and of its files.
        version: of the program here.
        template: to copy when there is no database.
    """

    def __init__(
        self, folder: Path, program: str, version: str, template: DatabaseTemplate
    ) -> None:
        self.path = folder / f"{program}.db"
        self._note = folder / f"{program}.version"
        self._version = version
        self._template = template
        # The user's cache may be another one by the time the server is up.
        self._kept_at = template.of_user
        self._is_new = False
        self._inode = 0
        # Released by the thread that hears that the server is up.
        self._starting = FileLock(str(folder / "starting.lock"), thread_local=False)

    @property
    def is_migrated(self) -> bool:
        """Whether it is one of this version, in which a start changes nothing."""
        return self.path.exists() and self._made_by() == self._version

    @contextmanager
    def starting(self, timeout_s: float) -> Iterator[None]:
        """Hold the database for a server launched in this block, until :meth:`release`.

        A database of a later version is set aside, and the template copied when there is none.

        Raises:
            StiltError: another server has been starting on it for `timeout_s` seconds.
        """
        try:
            self._starting.acquire(timeout=timeout_s)
        except Timeout as error:
            raise StiltError(
                f"Another server has been starting in '{self.path.parent}' for minutes: stop it, "
                "or delete that directory."
            ) from error
        try:
            self._get_ready()
            yield
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let another server start on it; harmless when one may already."""
        self._starting.release()

    def _get_ready(self) -> None:
        made_by = self._made_by()
        if self.path.exists() and made_by and Version(made_by) > Version(self._version):
            self._set_aside(made_by)
        self._is_new = not self.path.exists()
        if self._is_new and self._template.copy_to(self.path):
            self._note.write_text(self._version)
            self._is_new = False

    def note_start(self, up: bool) -> None:
        """Note that its server has started, or failed to; a new database becomes a template."""
        self._inode = self._file()
        with suppress(OSError):  # what is kept saves time only
            if up and self._is_new:
                self._template.keep(self.path, self._kept_at)
            if up:
                self._note.write_text(self._version)
        self.release()

    @property
    def is_in_place(self) -> bool:
        """Whether the file that the server has opened is still there."""
        return self._file() == self._inode

    def _set_aside(self, made_by: str) -> None:
        """Rename a database of a later version, which this one cannot read.

        It holds the history of runs and nothing that a run needs.
        """
        for suffix in ("-wal", "-shm", ""):
            file = self.path.with_name(self.path.name + suffix)
            if file.exists():
                file.replace(file.with_name(f"{self.path.stem}-{made_by}.db{suffix}"))
        self._note.unlink()

    def _made_by(self) -> str:
        return self._note.read_text().strip() if self._note.exists() else ""

    def _file(self) -> int:
        """Return the inode of the database; 0 when there is none."""
        try:
            return self.path.stat().st_ino
        except OSError:
            return 0
