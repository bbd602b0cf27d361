"""Vertical random flight through layers of constant turbulence, with horizontal drift inside.

The vertical velocity of a particle is an Ornstein-Uhlenbeck process whose strength and time scale
are constant between two internal levels (the values of the lower level). At a level the particle
is passed on or reflected so that a well-mixed cloud stays well mixed (Thomson et al. 1997,
doi:10.1016/S1352-2310(96)00198-9).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from stilt.meteorology.levels import InternalLevels
from stilt.transport.layers import (
    AirProfiles,
    Column,
    Layer,
    Window,
    column_at,
    layer_constants,
    layer_of,
    load_window,
    outside_window,
    turbulence_of,
    window_of,
)
from stilt.transport.random import mixed, normals, stream, uniform
from stilt.transport.weather import Frames, Geometry, Nodes, level_height

_TINY = 1e-9
_LEAST_LEFT_S = 1e-6
_DRAWN_TOGETHER = 4  # one call of the generator


class Flight(NamedTuple):
    """Vertical flight of each particle in a half step; all (particles,).

    Attributes:
        z: flat height, metres.
        w: vertical velocity, m s-1, along the particle's own clock.
        layer: zero-based layer of the level list with the inserted level.
        remaining_s: time of the half step not used yet; negative while the particle waits at a
            level to enter the next layer.
        x, y: horizontal drift so far, cells.
        low_s: time spent under the influence height, seconds.
        draws: random numbers used so far, uint32.
    """

    z: Array
    w: Array
    layer: Array
    remaining_s: Array
    x: Array
    y: Array
    low_s: Array
    draws: Array


class Visit(NamedTuple):
    """What changes while a particle stays in one layer; all (particles,).

    Attributes:
        z, w, remaining_s, low_s: as in :class:`Flight`.
        drift_s: time weighted by the share of the wind left near the ground, seconds.
        drift_upper_s: the same, weighted by the share of the upper level's wind.
    """

    z: Array
    w: Array
    remaining_s: Array
    low_s: Array
    drift_s: Array
    drift_upper_s: Array


class Motion(NamedTuple):
    """Constants of the random velocity during a visit; all (particles,).

    Attributes:
        step_s: longest sub-step.
        memory: share of the velocity that is left after it.
        noise: standard deviation of what replaces the rest, m s-1.
    """

    step_s: Array
    memory: Array
    noise: Array


class HalfResult(NamedTuple):
    """State after a half step, with the column it was made on and the last layer's turbulence."""

    flight: Flight
    column: Column
    window: Window
    sigma: Array
    time_scale: Array
    mass_kg_m2: Array


def half_step(
    frames: Frames,
    geometry: Geometry,
    nodes: Nodes,
    time_weight: Array,
    air: AirProfiles,
    flight: Flight,
    normalised_velocity: Array,
    keys: tuple[Array, Array, Array],
    *,
    direction: int,
    step_fraction: float,
    influence: float,
    wind_error: Array | None = None,
) -> HalfResult:
    """Fly every particle for ``flight.remaining_s`` seconds in one column.

    Args:
        frames, geometry: the weather.
        nodes: nodes around the column to use.
        time_weight: weight of the second analysis.
        air: wind, pressure and density on levels around the particle's height.
        flight: state; ``layer`` and ``w`` are set here from height and normalised velocity.
        normalised_velocity: w / sigma_w.
        keys: two words of the receptor's key and the particle's number, uint32.
        direction: sign of time, for the horizontal drift.
        step_fraction: largest sub-step as a fraction of the time scale (TLFRAC).
        influence: depth of the influence layer: a fraction of the mixed layer up to 1, else
            metres above ground (VEGHT).
        wind_error: added to the wind of each particle's column, cells per minute,
            (particles * levels, 2).
    """
    column, mass = column_at(frames, geometry, nodes, time_weight, influence)
    setting = _Setting(geometry.levels, column, direction, step_fraction)
    layer = layer_of(geometry.levels, flight.z, column.inserted)
    window = window_of(frames, geometry, nodes, time_weight, air, wind_error)
    # A velocity in units of sigma belongs to a layer with sigma 1.
    flight = flight._replace(layer=layer, w=normalised_velocity)

    def visit(state: tuple[Flight, Window, Array]) -> tuple[Flight, Window, Array]:
        now, held, sigma = state
        outside = outside_window(geometry, column.inserted, now.layer, held)

        def reload(held: Window = held) -> Window:
            # Only for those that need it: what a particle holds must not depend on its neighbours.
            fresh = load_window(
                frames, geometry, nodes, time_weight, now.layer, column.inserted, wind_error
            )
            return Window(
                *(jnp.where(outside, new, old) for new, old in zip(fresh, held, strict=True))
            )

        held = jax.lax.cond(jnp.any(outside), reload, lambda: held)
        entered = layer_constants(geometry, column.inserted, now.layer, held)
        # Exactly unchanged in the same layer: the number of visits depends on the neighbours.
        scaled = jnp.where(entered.sigma == sigma, now.w, now.w * entered.sigma / sigma)
        now = now._replace(w=scaled)
        return (
            _leave(setting, now, entered, _stay(setting, now, entered, keys)),
            held,
            entered.sigma,
        )

    flight, window, sigma = jax.lax.while_loop(
        lambda state: jnp.any(state[0].remaining_s > 0.0),
        visit,
        (flight, window, jnp.ones_like(flight.z)),
    )
    _, time_scale = turbulence_of(window, flight.layer, column.inserted)
    return HalfResult(flight, column, window, sigma, time_scale, mass)


class _Setting(NamedTuple):
    """What all functions of a half step share."""

    levels: InternalLevels
    column: Column
    direction: int
    step_fraction: float


def _stay(
    setting: _Setting, flight: Flight, layer: Layer, keys: tuple[Array, Array, Array]
) -> tuple[Visit, Array]:
    """Fly inside the present layers until every particle has used its time or leaves.

    The time left is cut into equal sub-steps no longer than the wanted fraction of the time
    scale, so that memory and noise of the velocity are constants of the visit.
    """
    zero = jnp.zeros_like(flight.z)
    longest = setting.step_fraction * layer.time_scale
    step_s = flight.remaining_s / jnp.maximum(jnp.ceil(flight.remaining_s / longest), 1.0)
    memory = jnp.exp(-step_s / layer.time_scale)
    motion = Motion(step_s, memory, jnp.sqrt(1.0 - memory * memory) * layer.sigma)

    def some(state: tuple[Visit, Array]) -> tuple[Visit, Array]:
        # Numbers are drawn ahead for several sub-steps: a number that a sub-step used directly
        # would be computed anew for each of its results.
        visit, draws = state
        words = stream(keys, draws)
        velocities = jnp.concatenate(normals(jnp.stack(words[:2]), jnp.stack(words[2:])))
        uniforms = uniform(mixed(jnp.stack(words)))
        used = (visit.remaining_s > 0.0).astype(jnp.uint32)
        visit = jax.lax.fori_loop(
            0,
            _DRAWN_TOGETHER,
            lambda step, v: _sub_step(setting, v, layer, motion, velocities[step], uniforms[step]),
            visit,
        )
        return visit, draws + used

    return jax.lax.while_loop(
        lambda state: jnp.any(state[0].remaining_s > 0.0),
        some,
        (
            Visit(flight.z, flight.w, flight.remaining_s, flight.low_s, zero, zero),
            flight.draws,
        ),
    )


def _sub_step(
    setting: _Setting,
    visit: Visit,
    layer: Layer,
    motion: Motion,
    random_normal: Array,
    random_uniform: Array,
) -> Visit:
    """One sub-step inside a layer; ends early, exactly on the bound, when it reaches one."""
    column = setting.column
    active = visit.remaining_s > 0.0
    duration = jnp.minimum(visit.remaining_s, motion.step_s)
    w = motion.memory * visit.w + motion.noise * random_normal
    velocity = w * column.stretch
    up = w > 0.0
    bound = jnp.where(up, layer.upper, layer.lower)
    distance, speed = jnp.abs(bound - visit.z), jnp.maximum(jnp.abs(velocity), _TINY)
    reaches = speed * duration >= distance
    used = jnp.where(reaches, distance / speed, duration)
    z = jnp.where(reaches, bound, visit.z + velocity * duration)
    passes = reaches & (random_uniform <= jnp.where(up, layer.pass_up, layer.pass_down))
    left = visit.remaining_s - used
    left = jnp.where(passes, -jnp.maximum(left, _LEAST_LEFT_S), left)

    lowest = level_height(setting.levels, jnp.int32(0))
    weighted = jnp.where(active, used * jnp.minimum(z / lowest, 1.0), 0.0)
    share = jnp.clip(layer.share + layer.share_per_m * z, 0.0, 1.0)
    low = active & (z < column.influence_m)
    return Visit(
        z=jnp.where(active, z, visit.z),
        w=jnp.where(active, jnp.where(reaches & ~passes, -w, w), visit.w),
        remaining_s=jnp.where(active, left, visit.remaining_s),
        low_s=visit.low_s + jnp.where(low, used, 0.0),
        drift_s=visit.drift_s + weighted,
        drift_upper_s=visit.drift_upper_s + weighted * share,
    )


def _leave(setting: _Setting, flight: Flight, layer: Layer, stay: tuple[Visit, Array]) -> Flight:
    """Book the visit's drift and move the particles that were let through to the next layer."""
    visit, draws = stay
    minutes = setting.direction / 60.0
    passes = visit.remaining_s < 0.0
    step = jnp.where(visit.w > 0.0, 1, -1)
    return Flight(
        z=visit.z,
        w=visit.w,
        layer=flight.layer + jnp.where(passes, step, 0),
        remaining_s=jnp.abs(visit.remaining_s),
        x=flight.x + minutes * (layer.wind_x * visit.drift_s + layer.shear_x * visit.drift_upper_s),
        y=flight.y + minutes * (layer.wind_y * visit.drift_s + layer.shear_y * visit.drift_upper_s),
        low_s=visit.low_s,
        draws=draws,
    )
