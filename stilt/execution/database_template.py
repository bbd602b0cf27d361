"""An empty, migrated database that servers in child processes start from.

Copying it saves seconds of migrations. A step of an installation may leave one for all its users;
else the first server of a user leaves one in the user's cache folder.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stilt.atomic import atomic_path
from stilt.cache import user_cache
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
