"""Output files: published whole, linked into the flat folders, and asked what made them."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from stilt.atomic import atomic_path
from stilt.errors import StiltError
from stilt.project.layout import ProjectLayout

HASH = "hash"
NETCDF_HASH = "stilt_hash"
NETCDF_TOTAL = "stilt_total"


@dataclass(frozen=True)
class Made:
    """What an output file says about its making.

    Attributes:
        hash: text of :func:`stilt.project.keys.content_hash`, "" when a file has none.
        receptor: JSON of the receptor, "" when a file has none.
        empty_reason: of a footprint, "" when it is not empty.
        total: of a footprint, ppm per (umol m-2 s-1).
    """

    hash: str
    receptor: str
    empty_reason: str = ""
    total: float | None = None


class DamagedArtifactError(StiltError):
    """An output file cannot be read: empty, cut short, or something else."""


def publish(source: Path, final: Path) -> None:
    """Move a finished file to where readers look for it, in one atomic step.

    On one file system that is a rename; otherwise a copy beside the final place, then a rename.
    """
    if source == final:
        return
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(source, final)
    except OSError:
        with atomic_path(final) as temporary:
            shutil.copyfile(source, temporary)
        source.unlink()


def link(layout: ProjectLayout, artifact: Path) -> None:
    """Make the relative link to an artifact in its flat folder; an equal one is kept."""
    place = layout.link(artifact)
    target = os.path.relpath(artifact, place.parent)
    try:
        if os.readlink(place) == target:
            return
    except OSError:
        pass
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.symlink(target, temporary)
        os.replace(temporary, place)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if not isinstance(error, (PermissionError, NotImplementedError)):
            raise


def made_of(path: Path) -> Made | None:
    """What a trajectory or footprint file says about itself; None when there is no such file.

    Raises:
        DamagedArtifactError: the file is there but cannot be read.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    if path.suffix == ".empty":
        return Made("", "", "marker")
    if size == 0:
        raise DamagedArtifactError(f"{path} is empty")
    try:
        return _footprint(path) if path.suffix == ".nc" else _trajectory(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DamagedArtifactError(f"{path} is damaged ({error})") from error


def _trajectory(path: Path) -> Made:
    import pyarrow.parquet as pq

    metadata = pq.read_schema(path).metadata or {}
    text = {key.decode().removeprefix("stilt:"): value.decode() for key, value in metadata.items()}
    return Made(text.get(HASH, ""), text.get("receptor", ""))


def _footprint(path: Path) -> Made:
    import netCDF4

    with netCDF4.Dataset(path, "r") as file:
        text = {name: file.getncattr(name) for name in file.ncattrs()}
        # HDF5 notices a file cut short only when it reaches for what is missing.
        file["foot"].shape  # noqa: B018
    return Made(
        str(text.get(NETCDF_HASH, "")),
        str(text.get("receptor", "")),
        str(text.get("empty_reason", "")) or ("legacy" if text.get("is_empty") else ""),
        float(text[NETCDF_TOTAL]) if NETCDF_TOTAL in text else None,
    )
