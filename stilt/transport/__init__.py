"""Particle transport in JAX: arrays and weather references in, particle tables out."""

# ruff: noqa: E402  (the options must be there before anything below computes)
from stilt.compiler import request_options

request_options()

from stilt.transport.release import Release, release_of, stream_key
from stilt.transport.run import most_together, prepare_ahead, run_transport

__all__ = [
    "Release",
    "most_together",
    "prepare_ahead",
    "release_of",
    "run_transport",
    "stream_key",
]
