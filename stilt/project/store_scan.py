"""What is in the store: shards listed, and opened where no record says what they hold."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from stilt.project.artifacts import Made, Stamp
from stilt.project.found import Outputs, fits
from stilt.project.keys import key_in, weather_in
from stilt.project.kinds import ENDS
from stilt.project.layout import ProjectLayout
from stilt.project.receipts import FootprintEntry
from stilt.project.remote import RemoteOutputs
from stilt.store import DamagedShardError, ShardReader, Stored

# A shard is written for minutes; a temporary file this old is of a process that was killed.
ABANDONED_S = 86_400.0


def shards_of(layout: ProjectLayout, remote: RemoteOutputs | None) -> dict[str, Stamp]:
    """Return size and time of change of every shard, by its path within the store."""
    if remote is not None:
        return {shard: Stamp(nbytes) for shard, nbytes in sorted(remote.shards().items())}
    return dict(sorted(_listed(layout.store, "")))


def _listed(folder: Path, within: str) -> Iterator[tuple[str, Stamp]]:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir():
            yield from _listed(Path(entry.path), f"{within}{entry.name}/")
        elif entry.name.endswith(".parquet") and not entry.name.startswith("."):
            with suppress(FileNotFoundError):
                yield within + entry.name, Stamp.of(entry)
        elif entry.name.endswith(".tmp"):
            with suppress(OSError):
                if time.time() - entry.stat().st_mtime > ABANDONED_S:
                    os.unlink(entry)


def add_stored(
    layout: ProjectLayout,
    known: Mapping[str, Outputs],
    found: dict[str, Outputs],
    damaged: list[str],
    remote: RemoteOutputs | None,
) -> None:
    """Add the outputs in the store to those in files.

    A shard that is as recorded is not opened. Of several that hold the same output of a
    simulation the latest counts; of a file and a shard the later one, and the shard where it
    cannot be found out.

    Args:
        layout: the project.
        known: what is recorded, by id.
        found: outputs in files; those in shards are put here.
        damaged: sentences on shards that cannot be read are put here.
        remote: where the outputs are, when they are on a URL.
    """
    ends = f"{ENDS}/"
    stamps = {s: stamp for s, stamp in shards_of(layout, remote).items() if not s.startswith(ends)}
    if not stamps:
        return
    used = _add_recorded(known, found, stamps)
    for shard in stamps.keys() - used:
        # In any order: the latest counts.
        path = layout.shard(shard)
        try:
            if remote is not None:
                remote.fetch_shard(shard, path)
            reader = ShardReader(path)
        except FileNotFoundError:
            continue
        except DamagedShardError as error:
            damaged.append(str(error))
            continue
        kind, name = reader.header.kind, reader.header.name
        for stored in reader.header.simulations:
            outputs = found.setdefault(stored.sim_id, Outputs())
            _add(outputs, kind, name, stored, shard, stamps[shard])


def _add_recorded(
    known: Mapping[str, Outputs], found: dict[str, Outputs], stamps: Mapping[str, Stamp]
) -> set[str]:
    """Add what is recorded and there; return the shards that need not be opened."""
    used: set[str] = set()
    changed: set[str] = set()

    def is_there(shard: str, stamp: Stamp | None) -> bool:
        if shard not in stamps:
            return False
        same = stamp is not None and fits(stamps[shard], stamp)
        (used if same else changed).add(shard)
        return same

    for sim_id, recorded in known.items():
        main, error = recorded.trajectory_shard, recorded.error_shard
        footprints = {name: e for name, e in recorded.footprints.items() if e.shard}
        if not (main or error or footprints):
            continue
        outputs = found.setdefault(sim_id, Outputs())
        before = outputs.exist
        there = outputs.transport is not None
        if (
            main
            and is_there(main, recorded.trajectory_stamp)
            and not (there and not _is_later(main, "", outputs.trajectory_stamp))
        ):
            outputs.transport, outputs.trajectory_shard = recorded.transport, main
            outputs.trajectory_stamp = recorded.trajectory_stamp
        there = outputs.error is not None
        if (
            error
            and is_there(error, recorded.error_stamp)
            and not (there and not _is_later(error, "", outputs.error_stamp))
        ):
            outputs.error, outputs.error_shard = recorded.error, error
            outputs.error_stamp = recorded.error_stamp
        for name, entry in footprints.items():
            file = outputs.footprints.get(name)
            if is_there(entry.shard, entry.stamp) and not (
                file is not None and not _is_later(entry.shard, "", file.stamp)
            ):
                outputs.footprints[name] = entry
        if outputs.exist and not before:
            for text in ("met_files", "weather", "device", "jax", "version"):
                setattr(outputs, text, getattr(recorded, text))
    return used - changed


def made_of_stored(stored: Stored) -> Made:
    """Return what a shard says of the making of a simulation's output."""
    shared = stored.shared
    return Made(
        stored.hash,
        stored.receptor,
        stored.empty_reason,
        stored.total,
        tuple(shared.get("met_files", ())),
        shared.get("device", ""),
        shared.get("jax", ""),
        shared.get("version", ""),
    )


def _add(outputs: Outputs, kind: str, name: str, stored: Stored, shard: str, stamp: Stamp) -> None:
    """Take an output that was read in a shard's header, unless there is a later one."""
    made = made_of_stored(stored)
    key = key_in(made.hash) or ""
    if kind == "footprints":
        entry = outputs.footprints.get(name)
        if entry is not None and not _is_later(shard, entry.shard, entry.stamp):
            return
        outputs.footprints[name] = FootprintEntry(
            key, made.total, made.empty_reason, stamp.nbytes, stamp.mtime_us, shard
        )
    elif kind == "particles":
        there = outputs.trajectory_shard, outputs.trajectory_stamp
        if outputs.transport is not None and not _is_later(shard, *there):
            return
        outputs.transport, outputs.trajectory_stamp = key, stamp
        outputs.trajectory_shard = shard
    else:
        there = outputs.error_shard, outputs.error_stamp
        if outputs.error is not None and not _is_later(shard, *there):
            return
        outputs.error, outputs.error_stamp, outputs.error_shard = key, stamp, shard
    outputs.receptor = outputs.receptor or made.receptor
    outputs.weather = weather_in(made.hash) or outputs.weather
    outputs.met_files = json.dumps(list(made.met_files))
    outputs.device, outputs.jax, outputs.version = made.device, made.jax, made.version


def _is_later(shard: str, there: str, stamp: Stamp | None) -> bool:
    """Whether a shard was begun after what is there: another shard, or a file."""
    if there:
        return name_of(shard) > name_of(there)
    if stamp is None or stamp.mtime_us is None:
        return True
    begun = name_of(shard).partition("-")[0]
    return begun.isdecimal() and int(begun) // 1000 > stamp.mtime_us


def name_of(shard: str) -> str:
    """Return a shard's name, which sorts by time."""
    return shard.rpartition("/")[2]
