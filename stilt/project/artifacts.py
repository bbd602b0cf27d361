"""Publish output files whole, link them into the flat folders, and read what made them."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from stilt.atomic import atomic_path
from stilt.errors import StiltError
from stilt.project.layout import ProjectLayout

# What an output says about its making, by its name in the schema of a trajectory file; in a
# footprint file it is the attribute of this name after ``stilt_``.
HASH = "hash"
TOTAL = "total"
MET_FILES = "met_files"
DEVICE = "device"
JAX = "jax"
VERSION = "version"


class Stamp(NamedTuple):
    """Size of a file, and when it was changed: as long as both stay, so has the file.

    Attributes:
        nbytes: the size.
        mtime_us: microseconds since 1970, which pandas' floats hold exactly; None where outputs
            are on a URL.
    """

    nbytes: int
    mtime_us: int | None = None

    @classmethod
    def of(cls, path: Path | os.DirEntry[str]) -> Self:
        """Look at a file."""
        found = path.stat()
        return cls(found.st_size, found.st_mtime_ns // 1000)


@dataclass(frozen=True)
class Made:
    """What an output file says about its making.

    Attributes:
        hash: text of :func:`stilt.project.keys.content_hash`, "" when a file has none.
        receptor: JSON of the receptor, "" when a file has none.
        empty_reason: of a footprint, "" when it is not empty.
        total: of a footprint, ppm per (umol m-2 s-1).
        met_files: weather files that it was made from.
        device: kind of device that computed the particles, such as ``cpu``.
        jax: version of JAX that computed them.
        version: version of this package that made the file.
    """

    hash: str
    receptor: str = ""
    empty_reason: str = ""
    total: float | None = None
    met_files: tuple[str, ...] = ()
    device: str = ""
    jax: str = ""
    version: str = ""


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


def trajectory_texts(made: Made) -> dict[str, str]:
    """Return the texts in a trajectory file that say what made it, except receptor and weather."""
    return {HASH: made.hash, DEVICE: made.device, JAX: made.jax, VERSION: made.version}


def footprint_attributes(made: Made) -> dict[str, str | float]:
    """Return the global attributes of a footprint file that say what made it, but the receptor."""
    attributes: dict[str, str | float] = {
        **trajectory_texts(made), MET_FILES: json.dumps(made.met_files), TOTAL: made.total or 0.0,
    }  # fmt: skip
    return {f"stilt_{name}": value for name, value in attributes.items()}


def made_of(path: Path) -> Made | None:
    """Read what made a trajectory or footprint file; None when there is no such file.

    Raises:
        DamagedArtifactError: the file is there but cannot be read.
    """
    # Before the libraries that would read it are loaded: a new simulation has none.
    if not path.exists():
        return None
    if path.suffix == ".empty":
        return Made("", empty_reason="marker")
    try:
        return _footprint(path) if path.suffix == ".nc" else _trajectory(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:
        raise DamagedArtifactError(f"{path} is damaged ({error})") from error


def require_own(made: Made, sim_id: str, path: Path) -> None:
    """Refuse a file of another simulation that has the name of this one, such as a copy.

    Raises:
        DamagedArtifactError: it is of another receptor, or of something that is none.
    """
    from stilt.receptors import Receptor, receptor_of

    if not made.receptor:
        return
    try:
        receptor = Receptor.from_dict(json.loads(made.receptor))
    except (StiltError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedArtifactError(f"{path} is damaged: its receptor is none ({error})") from error
    if receptor.id != receptor_of(sim_id):
        raise DamagedArtifactError(
            f"{path} is not of its simulation, but of the receptor {receptor.id}"
        )


def _trajectory(path: Path) -> Made:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pa.OSFile(str(path)) as file:
        metadata = pq.read_metadata(file).metadata or {}
    texts = {key.decode().removeprefix("stilt:"): value.decode() for key, value in metadata.items()}
    names = (HASH, "receptor", DEVICE, JAX, VERSION)
    return Made(
        **{name: texts.get(name, "") for name in names},
        met_files=tuple(json.loads(texts.get(MET_FILES, "[]"))),
    )


def _footprint(path: Path) -> Made:
    from stilt.hdf5 import has, number, open_hdf5, text

    with open_hdf5(path) as file:
        if not has(file, "foot"):
            raise KeyError("another program's file of the same name has no variable foot")

        def texts(*names: str) -> dict[str, str]:
            return {name: text(file, f"stilt_{name}") for name in names}

        why = text(file, "empty_reason") or ("legacy" if number(file, "is_empty") else "")
        receptor = text(file, "receptor")
        try:
            return Made(
                receptor=receptor,
                empty_reason=why,
                total=number(file, f"stilt_{TOTAL}"),
                met_files=tuple(json.loads(text(file, f"stilt_{MET_FILES}"))),
                **texts(HASH, DEVICE, JAX, VERSION),
            )
        except KeyError:
            # Written by a user, with Footprint.to_netcdf.
            return Made("", receptor, why)
