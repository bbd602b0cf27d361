"""SQLite databases as files: copied whole, looked through for damage."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite database that others may be using, whole or not at all."""
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(part)) as new:
        old.backup(new)
    os.replace(part, target)


def is_sound(database: Path, table: str) -> bool:
    """Return whether a database that is not open is whole, and one of its tables has one row.

    Args:
        database: path of the file.
        table: name of the table.
    """
    try:
        uri = f"{database.resolve().as_uri()}?immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
                return False
            return connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,)
    except sqlite3.Error:
        return False
