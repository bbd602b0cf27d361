"""Particle transport in JAX: releases and analyses in, particle tables out."""

from stilt.transport.device import what_computes
from stilt.transport.particle_rows import bytes_of_rows
from stilt.transport.plumes import corrects_near_field
from stilt.transport.preparing_ahead import lacking_weather, prepare_ahead, prepare_one
from stilt.transport.release import Release, release_of, stream_key
from stilt.transport.transport_batch import (
    most_together,
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
