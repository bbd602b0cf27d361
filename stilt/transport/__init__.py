"""Particle transport in JAX: arrays and weather references in, particle tables out."""

from stilt.transport.release import Release, release_of, stream_key
from stilt.transport.run import run_transport

__all__ = ["Release", "release_of", "run_transport", "stream_key"]
