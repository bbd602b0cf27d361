"""The folder for what all projects of a user on one machine share."""

from __future__ import annotations

import os
from pathlib import Path

from stilt.errors import UsageError


def user_cache(chosen: str | os.PathLike[str] | None = None) -> Path:
    """Return ``chosen``, else ``STILT_CACHE_DIR``, else ``stilt`` in the user's cache folder."""
    if chosen := chosen or os.environ.get("STILT_CACHE_DIR"):
        return Path(os.path.expandvars(chosen)).expanduser()
    import platformdirs

    try:
        return platformdirs.user_cache_path("stilt", appauthor=False)
    except RuntimeError:  # no HOME, and a user whom the system does not know, as in containers
        return Path(os.sep, ".cache", "stilt")


def why_unusable(folder: Path) -> str:
    """Return why no file can be written into a folder, there or yet to be made; "" if one can.

    Nothing is made, so that it can be asked of any folder.
    """
    existing = folder
    while not os.path.exists(existing) and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        what = "it is" if existing == folder else f"{existing} is"
        return f"{what} a file, not a folder"
    if not os.access(existing, os.W_OK | os.X_OK):
        what = "it" if existing == folder else str(existing)
        return f"{what} cannot be written"
    return ""


def make_folder(folder: Path) -> str:
    """Make a folder for files of our own; return why it cannot be used, "" if it can."""
    if problem := why_unusable(folder):
        return problem
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"it cannot be made ({error.strerror or error})"
    return ""


def require_folder(folder: Path, setting: str) -> None:
    """Make the folder that a setting names.

    Args:
        folder: the folder.
        setting: its name for a person, such as ``STILT_CACHE_DIR``.

    Raises:
        UsageError: it cannot be made, or not be written; the sentence says what to do.
    """
    if problem := make_folder(folder):
        raise UsageError(
            f"{setting} is {folder}, which cannot be used: {problem}; choose a folder that can be "
            "written."
        )
