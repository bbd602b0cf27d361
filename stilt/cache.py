"""The folder for what any project of this user on this machine can use again."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache(chosen: str | os.PathLike[str] | None = None) -> Path:
    """Folder ``chosen``, else ``STILT_CACHE_DIR``, else ``stilt`` in the user's cache folder."""
    if chosen := chosen or os.environ.get("STILT_CACHE_DIR"):
        return Path(os.path.expandvars(chosen)).expanduser()
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "stilt"
    except RuntimeError:  # no HOME, and a user whom the system does not know, as in containers
        return Path(os.sep, ".cache", "stilt")
