"""State of particles between two steps."""

from __future__ import annotations

from typing import Any, NamedTuple

from stilt.transport.transport_errors import ErrorState


class Particles(NamedTuple):
    """State of particles, with leaves of NumPy on the host and of JAX in a step.

    Every leaf is (particles,); those of ``errors`` have further axes.

    Attributes:
        x, y: offset from the release cell, cells (float32).
        z: terrain-following height, metres.
        u, v: horizontal turbulent velocity, m s-1.
        q: vertical turbulent velocity over its standard deviation.
        draws: random numbers used so far (uint32).
        alive: whether it is still inside the met grid.
        cell_x, cell_y: release cell (int32).
        key0, key1, number: identity of the random stream (uint32).
        start, stop: first and last + 1 minute of the sweep in which the particle moves (int32).
        errors: present transport errors in an error run, else None.
    """

    x: Any
    y: Any
    z: Any
    u: Any
    v: Any
    q: Any
    draws: Any
    alive: Any
    cell_x: Any
    cell_y: Any
    key0: Any
    key1: Any
    number: Any
    start: Any
    stop: Any
    errors: ErrorState | None = None


MOVING = ("x", "y", "z", "u", "v", "q", "draws")
"""State that a step changes in moving particles, besides their errors."""
