"""Particles of many receptors swept together through the met fields, minute by minute.

All receptors of a sweep share one clock that starts at the latest release (the earliest, forward)
and only the two analyses around the clock are on the device. Particles are computed in blocks of
one fixed size, so that one compiled program serves every batch; how blocks are formed depends on
the device (:mod:`stilt.transport.host_particles`,
:mod:`stilt.transport.device_particles`).
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np

from stilt.meteorology.prepare import PreparedAnalysis
from stilt.transport.clock import SweepClock
from stilt.transport.device import device
from stilt.transport.device_particles import DeviceParticles
from stilt.transport.host_particles import HostParticles
from stilt.transport.interpolation import AnalysisArrays, BracketingAnalyses, Geometry
from stilt.transport.particles import Particles
from stilt.transport.program import JUST_IN_TIME, Chunk, Programs, SweepSettings
from stilt.transport.receiver import Receiver
from stilt.transport.step import Physics


def sweep(
    geometry: Geometry,
    physics: Physics,
    clock: SweepClock,
    load: Callable[[int], PreparedAnalysis],
    cell_size_m: np.ndarray,
    particles: Particles,
    receiver: Receiver,
    progress: Callable[[float], None] | None = None,
    programs: Programs = JUST_IN_TIME,
) -> None:
    """Move particles until the last one stops.

    Args:
        geometry: shape of the met fields.
        physics: settings.
        clock: times of the sweep.
        load: returns the prepared analysis at an index into ``clock.analysis_minutes``.
        cell_size_m: (ny * nx, 2).
        particles: initial state, NumPy leaves of shape (particles,).
        receiver: takes the rows of every minute.
        progress: called with the fraction done.
        programs: where compiled programs come from.
    """
    setting = SweepSettings(geometry, physics, put(cell_size_m.astype(np.float32)), programs)
    kept_on = DeviceParticles if device().stays else HostParticles
    last = int(particles.stop.max(initial=0))
    tick = int(particles.start.min(initial=0))
    held: dict[int, AnalysisArrays] = {}
    with kept_on(setting, particles, receiver) as moving:
        while tick < last:
            first, second = clock.bracket(tick)
            held = {index: held.get(index) or to_device(load(index)) for index in (first, second)}
            minutes = min(device().minutes, clock.ticks_left(tick, second), last - tick)
            interval = abs(clock.analysis_minutes[first] - clock.analysis_minutes[second])
            moving.advance(
                Chunk(
                    BracketingAnalyses(held[first], held[second]),
                    tick,
                    minutes,
                    clock.offset(tick, first),
                    interval,
                )
            )
            tick += minutes
            if progress is not None:
                progress(min(tick / last, 1.0))


def put(values: np.ndarray) -> jax.Array:
    """Copy an array to the device; ``jnp.asarray`` would compile a program for each shape.

    It is copied first because it may be a memory-mapped file that will be removed, and JAX uses the
    array that it was given where it can.
    """
    return jax.device_put(np.array(values))


def to_device(prepared: PreparedAnalysis) -> AnalysisArrays:
    """Put a prepared analysis on the device, its axes flattened."""
    surface = prepared.surface
    return AnalysisArrays(
        put(prepared.column.reshape(-1)),
        put(prepared.turbulence.reshape(-1)),
        put(prepared.air.reshape(-1)),
        put(surface.reshape(-1, surface.shape[-1])),
    )
