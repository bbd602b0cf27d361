"""Outputs that simulations have in the store already."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stilt.errors import StiltError
from stilt.project.artifacts import Made, Stamp
from stilt.project.inputs import Project
from stilt.project.store_scan import made_of_stored, name_of, shards_of
from stilt.store import DamagedShardError, ShardReader, opened

logger = logging.getLogger(__name__)

Shards = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class InShard:
    """An output in a shard.

    Attributes:
        shard: its path within the store.
        made: what the shard says of it.
        stamp: size and time of change of the shard.
        reader: of the shard.
    """

    shard: str
    made: Made
    stamp: Stamp
    reader: ShardReader = field(repr=False)


StoredOutputs = dict[tuple[str, str], InShard]


def stored_outputs(
    project: Project,
    sim_ids: Sequence[str],
    *,
    batch_id: str = "",
    known: Shards | None = None,
) -> dict[str, StoredOutputs]:
    """Find the outputs of some simulations in the store, by kind and name.

    Looks into the shards that are known of, and into those that this batch has published before
    its worker died. A shard that is damaged, or gone, is passed over.

    Args:
        project: whose store it is.
        sim_ids: which.
        batch_id: of the batch that they are in; "" when they are in none.
        known: shards of those that have any; None asks the index.
    """
    if project.remote is None and not project.layout.store.is_dir():
        return {}
    shards = set(_own(project, batch_id)) if batch_id else set()
    if known is None:
        known = _asked(project, sim_ids)
    shards.update(shard for sim_id in sim_ids for shard in known.get(sim_id, ()))
    found: dict[str, StoredOutputs] = {}
    for shard in sorted(shards, key=name_of):
        path = project.output_files.shard_path(shard)
        try:
            reader = opened(path)
            stamp = project.output_files.stamp(path)
        except FileNotFoundError:
            continue
        except DamagedShardError as error:
            logger.warning("%s.", error)
            continue
        header = reader.header
        for sim_id in sim_ids:
            if sim_id in reader:
                made = made_of_stored(reader.stored(sim_id))
                key = header.kind, header.name
                found.setdefault(sim_id, {})[key] = InShard(shard, made, stamp, reader)
    return found


def _own(project: Project, batch_id: str) -> Iterable[str]:
    """Shards of this batch, and of the one whose half or quarter it is."""
    base = batch_id.rstrip("ab")
    mark = f"-{base}"
    return [s for s in shards_of(project.layout, project.remote) if mark in name_of(s)]


def _asked(project: Project, sim_ids: Sequence[str]) -> Shards:
    """Ask the index; without one every shard is looked into."""
    try:
        return project.index.shards(sim_ids)
    except (FileNotFoundError, StiltError):
        every = list(shards_of(project.layout, project.remote))
        return dict.fromkeys(sim_ids, every)
