"""Kinds of outputs, as shards of the store are sorted by."""

from __future__ import annotations

FOOTPRINTS, PARTICLES, ERROR_PARTICLES = "footprints", "particles", "error_particles"
# First and last rows of particles that are not kept: companions of footprints, in no record.
ENDS = "ends"


def shard_folder(kind: str, name: str) -> str:
    """Return the folder of shards of one kind, and name of footprints, within the store."""
    return f"{kind}/{name}" if name else kind
