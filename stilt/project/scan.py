"""What the folders of simulations hold, found by one scan."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from stilt.project.artifacts import DamagedArtifactError, Made, Stamp, made_of, require_own
from stilt.project.found import Outputs, fits, in_files
from stilt.project.keys import key_in, weather_in
from stilt.project.layout import (
    ProjectLayout,
    error_trajectory_name,
    footprint_of_file,
    trajectory_name,
)
from stilt.project.receipts import FootprintEntry
from stilt.project.remote import RemoteOutputs
from stilt.project.store_scan import add_stored

logger = logging.getLogger(__name__)

VERIFY_UP_TO = 20_000

# A file under a temporary name is written in seconds; one this old is of a process that was killed.
ABANDONED_S = 86_400.0


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
        known: what is recorded; files that have the recorded size and time of change are not
            opened.
        verify: look at size and time of change of each file; False believes that recorded files
            which are there are as recorded. None looks in projects of up to
            :data:`VERIFY_UP_TO` folders.
        remote: where the outputs are, when they are on a URL; a listing there tells sizes.
    """
    damaged: list[str] = []
    found = {}
    if remote is not None:
        for sim_id, sizes in sorted(remote.files().items()):
            fetched = partial(_fetched, layout, remote, sim_id)
            stamps = ((name, Stamp(size)) for name, size in sizes.items())
            found[sim_id] = _outputs_in(stamps, fetched, sim_id, known.get(sim_id), damaged)
    else:
        for sim_id, names in _folders(layout, verify):
            path = layout.simulation_dir(sim_id).joinpath
            found[sim_id] = _outputs_in(names, path, sim_id, known.get(sim_id), damaged)
    add_stored(layout, known, found, damaged, remote)
    if damaged:
        logger.warning(
            "%d output file(s) cannot be used and will be computed again; the first: %s.",
            len(damaged), damaged[0],
        )  # fmt: skip
    return found


Named = Iterable[tuple[str, Stamp | None]]


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
) -> Outputs:
    """Outputs in one folder; `path` gives a file of it to open."""
    recorded = in_files(known)
    outputs = Outputs()
    for name, stamp in names:
        made = None
        if name == trajectory_name(sim_id):
            outputs.transport, outputs.trajectory_stamp = recorded.transport, stamp
            if not recorded.transport or not fits(stamp, recorded.trajectory_stamp):
                made = _made(path(name), sim_id, damaged)
                outputs.transport = _key(made)
            elif stamp is None:
                outputs.trajectory_stamp = recorded.trajectory_stamp
        elif name == error_trajectory_name(sim_id):
            outputs.error, outputs.error_stamp = recorded.error, stamp
            if not recorded.error or not fits(stamp, recorded.error_stamp):
                made = _made(path(name), sim_id, damaged)
                outputs.error = _key(made)
            elif stamp is None:
                outputs.error_stamp = recorded.error_stamp
        elif (footprint := footprint_of_file(sim_id, name)) is not None:
            entry = recorded.footprints.get(footprint)
            if entry is None or not fits(stamp, entry.stamp):
                made = _made(path(name), sim_id, damaged)
                entry = _entry(made, stamp) if made else None
            if entry is not None:
                outputs.footprints.setdefault(footprint, entry)
        else:
            outputs.has_log |= name == "stilt.log"
        if made is not None:
            _note(outputs, made)
    if outputs.exist and not outputs.weather:
        outputs.weather, outputs.met_files = recorded.weather, recorded.met_files
    if outputs.exist and not outputs.device:
        outputs.device, outputs.jax = recorded.device, recorded.jax
        outputs.version = recorded.version
    return outputs


def _listing(folder: Path, verify: bool) -> Iterator[tuple[str, Stamp | None]]:
    """Names in a folder, looked at when that is wanted; abandoned pieces of files go."""
    for entry in os.scandir(folder):
        if not entry.name.startswith("."):
            yield entry.name, Stamp.of(entry) if verify else None
        elif entry.name.endswith(".tmp") and time.time() - entry.stat().st_mtime > ABANDONED_S:
            with suppress(OSError):
                os.unlink(entry)


def _note(outputs: Outputs, made: Made) -> None:
    """Take from an opened file what all files of a simulation share."""
    outputs.receptor = outputs.receptor or made.receptor
    weather = weather_in(made.hash)
    if weather and not outputs.weather:
        outputs.weather, outputs.met_files = weather, json.dumps(list(made.met_files))
    if made.device and not outputs.device:
        outputs.device, outputs.jax, outputs.version = made.device, made.jax, made.version


def _key(made: Made | None) -> str | None:
    """Key that a file states, "" when it states none."""
    return None if made is None else key_in(made.hash) or ""


def _entry(made: Made, stamp: Stamp | None) -> FootprintEntry:
    return FootprintEntry(_key(made) or "", made.total, made.empty_reason, *(stamp or ()))


def _made(path: Path, sim_id: str, damaged: list[str]) -> Made | None:
    try:
        made = made_of(path)
        if made is not None:
            require_own(made, sim_id, path)
    except DamagedArtifactError as error:
        damaged.append(str(error))
        return None
    return made
