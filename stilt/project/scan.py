"""What the folders of simulations hold, found by one scan."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from stilt.project.artifacts import DamagedArtifactError, Made, made_of
from stilt.project.keys import key_in, weather_in
from stilt.project.layout import (
    ProjectLayout,
    error_trajectory_name,
    footprint_name,
    footprint_of_file,
    trajectory_name,
)
from stilt.project.receipts import FootprintEntry
from stilt.project.remote import RemoteOutputs

logger = logging.getLogger(__name__)

VERIFY_UP_TO = 20_000

# A file under a temporary name is written in seconds; one this old is of a process that was killed.
ABANDONED_S = 86_400.0


@dataclass
class Outputs:
    """Outputs of one simulation: as recorded, or as found.

    Attributes:
        transport, error: keys of the trajectories, None when there is none.
        trajectory_bytes, error_bytes: their sizes, None when unknown.
        footprints: by name.
        receptor: JSON of the receptor where a file had to be opened.
        met_files: JSON of the weather files that they were made from, "" when unknown.
        weather: what these held; see :mod:`stilt.meteorology.fingerprint`.
    """

    transport: str | None = None
    error: str | None = None
    trajectory_bytes: int | None = None
    error_bytes: int | None = None
    footprints: dict[str, FootprintEntry] = field(default_factory=dict)
    has_log: bool = False
    receptor: str = ""
    met_files: str = ""
    weather: str = ""

    def same_as(self, other: Outputs) -> bool:
        """Whether keys, footprints and weather agree."""
        mine = {name: entry.key for name, entry in self.footprints.items()}
        theirs = {name: entry.key for name, entry in other.footprints.items()}
        keys = (self.transport, self.error, mine, self.weather)
        return keys == (other.transport, other.error, theirs, other.weather)

    @property
    def exist(self) -> bool:
        """Whether there is a main trajectory or any footprint."""
        return self.transport is not None or bool(self.footprints)


def scan(
    layout: ProjectLayout,
    known: dict[str, Outputs],
    *,
    verify: bool | None,
    remote: RemoteOutputs | None = None,
) -> dict[str, Outputs]:
    """List the folders of all simulations and return the outputs found, by id.

    Args:
        layout: the project.
        known: what is recorded; such files are not opened, unless `verify` is True.
        verify: compare sizes with those recorded, so that a file cut short is noticed, and open
            each local file. None compares sizes only, in projects of up to
            :data:`VERIFY_UP_TO` folders.
        remote: where the outputs are, when they are on a URL; a listing there tells sizes.
    """
    damaged: list[str] = []
    found = {}
    if remote is not None:
        for sim_id, sizes in sorted(remote.files().items()):
            fetched = partial(_fetched, layout, remote, sim_id)
            found[sim_id] = _outputs_in(sizes.items(), fetched, sim_id, known.get(sim_id), damaged)
    else:
        for sim_id, names in _folders(layout, verify):
            path = layout.simulation_dir(sim_id).joinpath
            recorded = known.get(sim_id)
            found[sim_id] = _outputs_in(names, path, sim_id, recorded, damaged, verify is True)
    if damaged:
        logger.warning(
            "%d output file(s) cannot be used and will be computed again; the first: %s.",
            len(damaged), damaged[0],
        )  # fmt: skip
    return found


Named = Iterable[tuple[str, int | None]]


def _folders(layout: ProjectLayout, verify: bool | None) -> Iterator[tuple[str, Named]]:
    """Simulations in order, with the names in their folders."""
    try:
        folders = sorted(entry.name for entry in os.scandir(layout.by_id) if entry.is_dir())
    except FileNotFoundError:
        return
    if verify is None:
        verify = len(folders) <= VERIFY_UP_TO
    for sim_id in folders:
        yield sim_id, _listing(layout.simulation_dir(sim_id), verify)


def _fetched(layout: ProjectLayout, remote: RemoteOutputs, sim_id: str, name: str) -> Path:
    """A copy of a file of a simulation."""
    path = layout.simulation_dir(sim_id) / name
    remote.fetch(sim_id, name, path)
    return path


def _outputs_in(
    names: Named,
    path: Callable[[str], Path],
    sim_id: str,
    known: Outputs | None,
    damaged: list[str],
    open_all: bool = False,
) -> Outputs:
    """Outputs in one folder; `path` gives a file of it to open."""
    recorded = Outputs() if known is None or open_all else known
    outputs = Outputs()
    for name, size in names:
        if name == trajectory_name(sim_id):
            key, trusted = recorded.transport, _fits(size, recorded.trajectory_bytes)
            made = None if key and trusted else _made(path(name), damaged)
            outputs.transport = key if key and trusted else _key(made)
            outputs.trajectory_bytes = recorded.trajectory_bytes if trusted else size
        elif name == error_trajectory_name(sim_id):
            key, trusted = recorded.error, _fits(size, recorded.error_bytes)
            made = None if key and trusted else _made(path(name), damaged)
            outputs.error = key if key and trusted else _key(made)
            outputs.error_bytes = recorded.error_bytes if trusted else size
        elif (footprint := footprint_of_file(sim_id, name)) is not None:
            entry = recorded.footprints.get(footprint)
            made = None
            if entry is None or not _fits(size, entry.nbytes):
                made = _made(path(name), damaged)
                entry = _entry(made, size) if made else None
            if entry is not None:
                outputs.footprints.setdefault(footprint, entry)
        else:
            outputs.has_log |= name == "stilt.log"
            continue
        if made is not None:
            _note(outputs, made)
    if outputs.exist and not outputs.weather:
        told = known or recorded
        outputs.weather, outputs.met_files = told.weather, told.met_files
    if known is None and outputs.footprints and not outputs.receptor:
        made = made_of(path(footprint_name(sim_id, next(iter(outputs.footprints)))))
        outputs.receptor = made.receptor if made else ""
    return outputs


def _listing(folder: Path, verify: bool) -> Iterator[tuple[str, int | None]]:
    """Names in a folder, with sizes when they are wanted; abandoned pieces of files go."""
    for entry in os.scandir(folder):
        if not entry.name.startswith("."):
            yield entry.name, entry.stat().st_size if verify else None
        elif entry.name.endswith(".tmp") and time.time() - entry.stat().st_mtime > ABANDONED_S:
            with suppress(OSError):
                os.unlink(entry)


def _note(outputs: Outputs, made: Made) -> None:
    """Take from an opened file what all files of a simulation share."""
    outputs.receptor = outputs.receptor or made.receptor
    weather = weather_in(made.hash)
    if weather and not outputs.weather:
        outputs.weather, outputs.met_files = weather, json.dumps(list(made.met_files))


def _fits(size: int | None, recorded: int | None) -> bool:
    """Whether a size is as recorded, as far as both are known."""
    if size is None:
        return True
    return recorded == size


def _key(made: Made | None) -> str | None:
    """Key that a file states, "" when it states none."""
    return None if made is None else key_in(made.hash) or ""


def _entry(made: Made, size: int | None) -> FootprintEntry:
    return FootprintEntry(_key(made) or "", made.total, made.empty_reason, size)


def _made(path: Path, damaged: list[str]) -> Made | None:
    try:
        return made_of(path, with_receptor=False)
    except DamagedArtifactError as error:
        damaged.append(str(error))
        return None
