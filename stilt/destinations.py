"""Whether a path that a person names may be written: results never replace what is not a result."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from stilt.errors import UsageError
from stilt.roots import PathLike, expanded, is_url

# Folders and files at the top of a project that belong to it.
_OWN_FOLDERS = (".stilt", "simulations", "store", "observations")
_OWN_FILES = re.compile(r"(config\.yaml|receptors\.csv)(\.\d+)?")

IsOurs = Callable[[Path], bool]


def file_to_write(path: PathLike, is_ours: IsOurs | None = None) -> Path:
    """Return the path of a file to write, checked to be one that may be made or replaced.

    Args:
        path: as a person gave it; ``~`` and environment variables are filled in.
        is_ours: whether an existing file is an earlier result of the same kind, which alone may
            be replaced; None replaces any file that is not part of a project.

    Raises:
        UsageError: it is a folder, a device, part of a project, or a file of another kind.
    """
    place = _local(path)
    if not place.name or place.name == ".." or place.is_dir() or os.fspath(path).endswith("/"):
        raise UsageError(f"{os.fspath(path)} is a folder: name a file in it.")
    _require_folder_above(place)
    if place.exists() and not place.is_file():
        raise UsageError(f"{place} is a device, pipe or socket: name a file of its own.")
    _require_outside_projects(place)
    if is_ours is not None and place.is_file() and not is_ours(place):
        raise UsageError(
            f"{place} is there and is not an earlier result of this kind, so it is not replaced: "
            "give another name, or remove it first."
        )
    return place


def folder_to_fill(path: PathLike) -> Path:
    """Return the path of a folder for results, which need not be there yet.

    Raises:
        UsageError: it is a file, or part of a project.
    """
    place = _local(path)
    if place.exists() and not place.is_dir():
        raise UsageError(f"{place} is a file: name a folder.")
    _require_folder_above(place)
    _require_outside_projects(place)
    return place


def folder_to_replace(path: PathLike, is_ours: IsOurs) -> Path:
    """Return the path of a folder to write, which is replaced as a whole where it is there.

    Args:
        path: as a person gave it.
        is_ours: whether a folder that is not empty is an earlier result of the same kind.

    Returns:
        The folder; what a link leads to, which is replaced in place of the link.

    Raises:
        UsageError: there is a file, or a folder that is not such a result, or part of a project.
    """
    place = Path(os.path.realpath(folder_to_fill(path)))
    if place.is_dir() and any(place.iterdir()) and not is_ours(place):
        raise UsageError(
            f"{place} is a folder that is not an earlier result of this kind, so it is not "
            "replaced: give a name that is not there yet."
        )
    return place


def _local(path: PathLike) -> Path:
    if is_url(path):
        raise UsageError(
            f"{os.fspath(path)} is a URL: write to a path of this machine, and copy it from there."
        )
    return expanded(path)


def _require_folder_above(place: Path) -> None:
    """Refuse a path in something that is not a folder."""
    above = next((each for each in place.absolute().parents if each.exists()), None)
    if above is not None and not above.is_dir():
        raise UsageError(f"{above} is a file, so {place} cannot be in it: name another folder.")


def _require_outside_projects(place: Path) -> None:
    """Refuse inputs of a project, and what is in the folders that it keeps for itself.

    Links are followed: a file of a project may be named by a link, and be in a linked folder.
    """
    names = {Path(os.path.abspath(place)), Path(os.path.realpath(place))}
    for name in sorted(names):
        for root in name.parents:
            first = name.relative_to(root).parts[0]
            is_own = first in _OWN_FOLDERS or (
                root == name.parent and _OWN_FILES.fullmatch(first) is not None
            )
            if is_own and _is_project(root):
                raise UsageError(
                    f"{place} belongs to the project in {root}, which keeps its inputs and results "
                    "there: write to another place."
                )


def _is_project(root: Path) -> bool:
    return (root / "config.yaml").is_file() and (
        (root / ".stilt").is_dir() or (root / "receptors.csv").is_file()
    )
