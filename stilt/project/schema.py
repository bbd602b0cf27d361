"""Tables of the index, and what a person can ask of them with SQL."""

from __future__ import annotations

SCHEMA_VERSION = 5

# One row per registered simulation. Times are UTC. Only primary keys: they are what upserts need,
# and further indexes of DuckDB have bugs around unclean ends.
TABLES = """
CREATE TABLE simulations (
    sim_id VARCHAR PRIMARY KEY,
    met VARCHAR NOT NULL,
    location_id VARCHAR,
    time TIMESTAMP,
    receptor VARCHAR,
    scene_id VARCHAR,
    targets VARCHAR,
    ordinal BIGINT,
    generation BIGINT,
    state VARCHAR NOT NULL,
    reason VARCHAR,
    detail VARCHAR,
    transport_key VARCHAR,
    error_key VARCHAR,
    footprint_keys VARCHAR,
    has_log BOOLEAN,
    owner VARCHAR,
    claimed_at TIMESTAMP,
    lease_end TIMESTAMP,
    attempts INTEGER,
    batch_id VARCHAR,
    host VARCHAR,
    version VARCHAR,
    met_files VARCHAR,
    weather VARCHAR,
    device VARCHAR,
    jax VARCHAR,
    seed BIGINT,
    n_rows BIGINT,
    followed DOUBLE,
    trajectory_bytes BIGINT,
    trajectory_mtime_us BIGINT,
    error_bytes BIGINT,
    error_mtime_us BIGINT,
    trajectory_shard VARCHAR,
    error_shard VARCHAR,
    seconds DOUBLE,
    started_at TIMESTAMP,
    finished_at TIMESTAMP,
    created_at TIMESTAMP,
    updated_at TIMESTAMP
);
CREATE TABLE footprints (
    sim_id VARCHAR,
    name VARCHAR,
    state VARCHAR,
    key VARCHAR,
    total DOUBLE,
    empty_reason VARCHAR,
    nbytes BIGINT,
    mtime_us BIGINT,
    shard VARCHAR,
    PRIMARY KEY (sim_id, name)
);
CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR);
"""

# What a receipt says about a simulation, copied into its row as it is.
RECEIPT_COLUMNS = (
    "state", "reason", "detail", "transport_key", "error_key", "footprint_keys", "batch_id",
    "host", "version", "met_files", "weather", "device", "jax", "seed", "n_rows", "followed",
    "trajectory_bytes", "trajectory_mtime_us", "error_bytes", "error_mtime_us",
    "trajectory_shard", "error_shard", "seconds",
    "started_at", "finished_at",
)  # fmt: skip

REGISTRATION_COLUMNS = (
    "sim_id", "met", "location_id", "time", "receptor", "scene_id", "targets", "ordinal",
)  # fmt: skip
