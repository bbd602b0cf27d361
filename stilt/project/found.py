"""Outputs of one simulation, as recorded in the index or as found on disk."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from stilt.project.artifacts import Stamp
from stilt.project.receipts import FootprintEntry


@dataclass
class Outputs:
    """Outputs of one simulation: as recorded, or as found.

    Attributes:
        transport, error: keys of the trajectories, None when there is none.
        trajectory_stamp, error_stamp: their sizes and times of change, None when unknown.
        footprints: by name.
        receptor: JSON of the receptor where a file had to be opened.
        met_files: JSON of the weather files that they were made from, "" when unknown.
        weather: what these held; see :mod:`stilt.meteorology.fingerprint`.
        device, jax, version: what computed the particles, and this package's version.
        trajectory_shard, error_shard: shards of the store that they are in, "" for files.
    """

    transport: str | None = None
    error: str | None = None
    trajectory_stamp: Stamp | None = None
    error_stamp: Stamp | None = None
    footprints: dict[str, FootprintEntry] = field(default_factory=dict)
    has_log: bool = False
    receptor: str = ""
    met_files: str = ""
    weather: str = ""
    device: str = ""
    jax: str = ""
    version: str = ""
    trajectory_shard: str = ""
    error_shard: str = ""

    def same_as(self, other: Outputs) -> bool:
        """Whether keys, footprints and weather agree; what has no outputs has no weather."""
        if not (self.exist or other.exist):
            return self.error == other.error
        mine = {name: entry.key for name, entry in self.footprints.items()}
        theirs = {name: entry.key for name, entry in other.footprints.items()}
        keys = (self.transport, self.error, mine, self.weather)
        return keys == (other.transport, other.error, theirs, other.weather)

    @property
    def stamps(self) -> tuple[object, ...]:
        """Places, sizes and times of change of all files, footprints by name."""
        footprints = ((entry.shard, entry.stamp) for _, entry in sorted(self.footprints.items()))
        trajectories = self.trajectory_shard, self.trajectory_stamp
        return *trajectories, self.error_shard, self.error_stamp, *footprints

    @property
    def exist(self) -> bool:
        """Whether there is a main trajectory or any footprint."""
        return self.transport is not None or bool(self.footprints)


def in_files(recorded: Outputs | None) -> Outputs:
    """Return what is recorded of outputs that have files of their own."""
    if recorded is None:
        return Outputs()
    footprints = {name: e for name, e in recorded.footprints.items() if not e.shard}
    found = replace(recorded, footprints=footprints)
    if found.trajectory_shard:
        found.transport, found.trajectory_stamp, found.trajectory_shard = None, None, ""
    if found.error_shard:
        found.error, found.error_stamp, found.error_shard = None, None, ""
    return found


def fits(stamp: Stamp | None, recorded: Stamp | None) -> bool:
    """Whether a file that was looked at is as recorded; on a URL, where times say less, in size."""
    if stamp is None:
        return True
    if recorded is None or recorded.nbytes != stamp.nbytes:
        return False
    return stamp.mtime_us in (None, recorded.mtime_us)
