"""The empty, migrated database that a private Prefect server starts from.

Copying it saves seconds of migrations. ``python -m flows.make_template`` leaves one for all users
of an installation; else the first server of a user leaves one in the user's cache folder.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from stilt.atomic import atomic_path
from stilt.cache import user_cache
from stilt.project.sqlite_files import copy_database, is_sound

logger = logging.getLogger(__name__)


def template_of_user() -> Path:
    """An empty, migrated database of this Prefect: copying it saves seconds of migrations."""
    return user_cache() / _template_name()


def template_of_installation() -> Path:
    """The same, where ``python -m flows.make_template`` has left it for all users."""
    return Path(sys.prefix) / "share" / "stilt" / _template_name()


def _template_name() -> str:
    return f"prefect-{version('prefect')}.db"


def copy_template(target: Path) -> bool:
    """Copy the installation's or the user's template to `target`, if there is a sound one.

    A damaged one is removed, so that the next server that has started leaves another.
    """
    for template in (template_of_installation(), template_of_user()):
        if not os.access(template, os.R_OK):
            continue
        # As a file: SQLite cannot open it in a folder that only others may write to.
        with atomic_path(target) as part:
            shutil.copyfile(template, part)
        if is_template(target):
            return True
        target.unlink()
        with suppress(OSError):
            template.unlink()
        logger.warning(
            "The template of Prefect's database, %s, is damaged: it is not used, and %s.", template,
            "cannot be removed" if os.path.exists(template) else "was removed to be made again",
        )  # fmt: skip
    return False


def is_template(database: Path) -> bool:
    """Return whether a database that nobody has open is whole and has been migrated."""
    return is_sound(database, "alembic_version")


def keep_template(database: Path, template: Path) -> None:
    """Keep a copy of a fresh database for the servers to come."""
    # A cache only: a read-only home directory must not stop a run.
    with suppress(OSError, sqlite3.Error):
        template.parent.mkdir(parents=True, exist_ok=True)
        copy_database(database, template)
