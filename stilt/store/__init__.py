"""The store: outputs of many simulations in few Parquet files, called shards.

A shard holds rows of footprints of one name, or of particles, and says in the metadata of its
schema whose rows these are and what made them. It is written once, appears whole, and is never
changed. See docs/pages/store.md for the format.
"""

from stilt.store.header import Stored
from stilt.store.shards import DamagedShardError, ShardReader, opened
from stilt.store.writer import ShardWriter, shard_name

__all__ = [
    "DamagedShardError",
    "ShardReader",
    "ShardWriter",
    "Stored",
    "opened",
    "shard_name",
]
