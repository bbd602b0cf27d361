"""Particle transport in JAX: arrays and weather references in, particle tables out."""

from stilt.transport.device import what_computes
from stilt.transport.output import bytes_of_rows
from stilt.transport.plumes import corrects_near_field
from stilt.transport.release import Release, release_of, stream_key
from stilt.transport.run import (
    lacking_weather,
    most_together,
    prepare_ahead,
    prepare_one,
    run_transport,
    table_of,
    transport_rows,
)

__all__ = [
    "Release",
    "bytes_of_rows",
    "corrects_near_field",
    "lacking_weather",
    "most_together",
    "prepare_ahead",
    "prepare_one",
    "release_of",
    "run_transport",
    "stream_key",
    "table_of",
    "transport_rows",
    "what_computes",
]
