"""Where a project and its outputs are: paths of this machine, URLs, and the mirrors of URLs."""

from __future__ import annotations

import getpass
import os
import re
import shlex
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from stilt.cache import user_cache
from stilt.errors import UsageError

PathLike = str | os.PathLike[str]
Place = Path | str
"""A path of this machine, or the text of a URL."""

_MIRRORS = "remote"


def is_url(path: str | os.PathLike[str] | None) -> bool:
    """Return whether a text names something that is not a path of this machine."""
    return path is not None and "://" in os.fspath(path)


def place_of(text: str | os.PathLike[str]) -> Place:
    """Return a URL as its text, anything else as a path."""
    return os.fspath(text) if is_url(text) else Path(text)


def real_place(text: str | os.PathLike[str]) -> str:
    """Return a URL as its text, of a path its real one."""
    return os.fspath(text) if is_url(text) else os.path.realpath(text)


def mirror_of(root: Path, url: str) -> Path:
    """Return the local folder for outputs at a URL: below the project, or the project itself."""
    name = _mirror_name(url)
    if root.name == name and root.parent.name == _MIRRORS:
        return root
    return root / ".stilt" / _MIRRORS / name


def copy_of(url: str) -> Path:
    """Return the folder in the user's cache for the index and copies of a project on a URL."""
    return Path(os.path.abspath(user_cache())) / _MIRRORS / _mirror_name(url)


def _mirror_name(url: str) -> str:
    parts = urlsplit(url)
    slug = re.sub(r"[^a-z0-9]+", "-", f"{parts.scheme}-{parts.netloc}{parts.path}".lower())
    return f"{slug.strip('-')[:60]}-{sha256(url.rstrip('/').encode()).hexdigest()[:8]}"


def below(place: Place, *parts: str) -> Place:
    """Return a path or URL below another."""
    return place.joinpath(*parts) if isinstance(place, Path) else "/".join((place, *parts))


def shown(place: Place) -> str:
    """Return a place for a command that the user may copy: the shortest path, a URL as it is."""
    return shlex.quote(shortest(place) if isinstance(place, Path) else place)


def shortest(path: Path) -> str:
    """Return a path as it is from here, or from the root where that is shorter."""
    try:
        return min(os.path.relpath(path), os.path.abspath(path), key=len)
    except FileNotFoundError:  # the current folder has been removed
        return os.fspath(path)


def local_folder(path: PathLike) -> Path:
    """Return the absolute path of a folder that may not exist yet."""
    return Path(os.path.abspath(expanded(path)))


def local_output_root(project: PathLike, output_dir: PathLike | None) -> Path:
    """Return the local folder of a project's outputs and index; for a URL, of its index alone.

    Raises:
        UsageError: a project on a URL, whose outputs are to go elsewhere.
    """
    if is_url(project):
        url = os.fspath(project).rstrip("/")
        if output_dir is not None and os.fspath(output_dir).rstrip("/") != url:
            raise UsageError(
                f"The project {url} keeps its outputs beside it: leave out the output root "
                f"{os.fspath(output_dir)}, or copy config.yaml and receptors.csv to a folder here."
            )
        return copy_of(url)
    if output_dir is None:
        return local_folder(project)
    if is_url(output_dir):
        return mirror_of(local_folder(project), os.fspath(output_dir))
    return local_folder(output_dir)


def user_name() -> str:
    """Return a name for folders of this user's that others must not share.

    It is the user's number where the system knows no name, as in containers.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def expanded(path: PathLike) -> Path:
    """Fill in ``~`` and environment variables of a path; a name that exists with a $ stays."""
    given = os.path.expanduser(path)
    return Path(given if os.path.lexists(given) else os.path.expandvars(given))
