"""Turbulent motion over a minute, for particles whose paths depend smoothly on the meteorology.

The random flight of every run (:mod:`stilt.transport.dispersion`) transmits or reflects particles
at levels, by chance: the smallest change can send a particle along another path, and a derivative
of its path says nothing about the mean. Here the same turbulence is a continuous function of
height: a layer's values lie at its centre, with a smooth step between two centres, and the Langevin
equation for q = w / sigma has the drift that keeps a well-mixed cloud well mixed (Thomson 1987,
doi:10.1017/S0022112087001940; in this form Wilson, Legg and Thomson 1983,
doi:10.1007/BF00121951):

    dq = (-q / T + d sigma / dz + sigma d ln(rho) / dz) dt + sqrt(2 / T) dW

It is solved in sub-steps of equal length. A particle that reaches the ground waits there until its
velocity has turned upward (one-sided reflection; Skorokhod 1961, doi:10.1137/1106035). Its height
is then a continuous function of all that came before, and at the ground it loses the memory of
where it came from, and with it the derivative. If the velocity were reversed at the ground, the
path would jump whenever a particle reached it a sub-step earlier or later: a derivative along the
path would miss what these jumps contribute to that of the mean.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from stilt.constants import MOLAR_MASS_AIR_TRANSPORT
from stilt.meteorology.levels import InternalLevels
from stilt.transport.dispersion import HALF_STEP_S
from stilt.transport.interpolation import (
    WINDOW_LEVELS,
    BracketingAnalyses,
    Geometry,
    Nodes,
    level_height,
    level_index,
    pick,
)
from stilt.transport.particles import Particles
from stilt.transport.random import normals, stream
from stilt.transport.turbulence_layers import (
    AirProfiles,
    Column,
    LevelWindow,
    column_at,
    window_of,
)

SUB_STEPS = 12
"""Sub-steps of a half minute."""

GRADUAL_EDGE = 0.25
"""Influence falls from one to zero between this share of the influence height below and above."""

_DRAWS_A_HALF = SUB_STEPS // 4  # four numbers a draw
_DRAWS_A_MINUTE = 1 + 2 * _DRAWS_A_HALF


class SmoothHalf(NamedTuple):
    """State after a half minute; (particles,) unless said.

    Attributes:
        z: terrain-following height, metres.
        q: vertical velocity over its standard deviation.
        drift: horizontal displacement, cells, (2, particles).
        low_s: time under the influence height, s.
        foot: influence, ppm per (umol m-2 s-1).
        sigma, time_scale: turbulence at the particle, m s-1 and s.
        density: of dry air at the particle, kg m-3.
        stretch: terrain-following metres per metre above ground.
    """

    z: Array
    q: Array
    drift: Array
    low_s: Array
    foot: Array
    sigma: Array
    time_scale: Array
    density: Array
    stretch: Array


class _Air(NamedTuple):
    """What a particle sees at its height."""

    sigma: Array
    time_scale: Array
    density: Array
    gradient: Array
    wind: Array


def horizontal_normals(particles: Particles, tick: Array) -> tuple[Array, Array]:
    """Return the two random numbers of a minute's horizontal turbulence."""
    size, angle, *_ = _words(particles, tick, 0)
    return normals(size, angle)


def smooth_half(
    analyses: BracketingAnalyses,
    geometry: Geometry,
    nodes: Nodes,
    time_weight: Array,
    air: AirProfiles,
    particles: Particles,
    before: SmoothHalf,
    tick: Array,
    half: Array,
    *,
    direction: int,
    influence: float,
) -> SmoothHalf:
    """Fly every particle for half a minute in one column.

    Args:
        analyses, geometry: the met fields, with scales.
        nodes: nodes around the column.
        time_weight: weight of the second analysis.
        air: wind, pressure and density on levels around the particle's height.
        particles: whose random numbers are drawn.
        before: state.
        tick: minute of the sweep.
        half: 0 or 1, for the random numbers.
        direction: sign of time, for the horizontal drift.
        influence: VEGHT.
    """
    column, mass = column_at(analyses, geometry, nodes, time_weight, influence)
    window = window_of(analyses, geometry, nodes, time_weight, air)
    assert analyses.scales is not None
    scale = analyses.scales.mixed_layer
    levels = geometry.levels
    top = level_height(levels, jnp.int32(levels.count - 1))
    lowest = level_height(levels, jnp.int32(0))
    dt = HALF_STEP_S / SUB_STEPS
    random = []
    for number in range(_DRAWS_A_HALF):
        words = _words(particles, tick, half * _DRAWS_A_HALF + (1 + number))
        random += [*normals(words[0], words[1]), *normals(words[2], words[3])]

    def sub_step(now: SmoothHalf, number: Array) -> tuple[SmoothHalf, None]:
        seen = _air_at(levels, window, column, now.z, scale)
        memory = jnp.exp(-dt / seen.time_scale)
        drift = seen.time_scale * (1.0 - memory) * seen.gradient
        q = memory * now.q + jnp.sqrt(1.0 - memory**2) * number + drift
        z = jnp.clip(now.z + q * seen.sigma * column.stretch * dt, 0.0, top)
        edge = 2.0 * GRADUAL_EDGE * column.influence_m
        share = jnp.clip(0.5 + (column.influence_m - z) / edge, 0.0, 1.0)
        minutes = jnp.minimum(z / lowest, 1.0) * (direction * dt / 60.0)
        return SmoothHalf(
            z,
            q,
            now.drift + minutes * seen.wind,
            now.low_s + share * dt,
            now.foot + MOLAR_MASS_AIR_TRANSPORT * share * dt / mass,
            seen.sigma,
            seen.time_scale,
            seen.density,
            column.stretch,
        ), None

    after, _ = jax.lax.scan(sub_step, before, jnp.stack(random))
    return after


def _words(particles: Particles, tick: Array, number: Array | int) -> tuple[Array, ...]:
    minute = (tick - particles.start).astype(jnp.uint32)
    counter = minute * jnp.uint32(_DRAWS_A_MINUTE) + jnp.asarray(number).astype(jnp.uint32)
    return stream((particles.key0, particles.key1, particles.number), counter)


def _air_at(
    levels: InternalLevels, window: LevelWindow, column: Column, z: Array, scale: Array
) -> _Air:
    """Look up turbulence, density, wind, and the gradient that drives the drift, at heights.

    Args:
        levels: internal levels.
        window: profiles on some of them around each particle.
        column: of each particle.
        z: terrain-following heights, metres.
        scale: factor on the heights at which turbulence changes.
    """

    def held(level: Array) -> Array:
        return jnp.clip(level, window.base, window.base + (WINDOW_LEVELS - 2))

    shrunk = z / scale
    layer = jnp.clip(jnp.floor(level_index(levels, shrunk)).astype(jnp.int32), 0, levels.count - 2)
    lower_half = shrunk < _centre(levels, layer)
    at = held(layer - lower_half.astype(jnp.int32))
    low, high = _centre(levels, at), _centre(levels, at + 1)
    share = jnp.clip((shrunk - low) / (high - low), 0.0, 1.0)
    step = share * share * (3.0 - 2.0 * share)
    slope = 6.0 * share * (1.0 - share) / ((high - low) * scale)
    offset = at - window.base
    sigma_low, sigma_high = pick(window.sigma, offset), pick(window.sigma, offset + 1)
    time_low, time_high = pick(window.time_scale, offset), pick(window.time_scale, offset + 1)
    sigma = sigma_low + step * (sigma_high - sigma_low)

    index = jnp.clip(level_index(levels, z), 0.0, levels.count - 1.001)
    level = held(jnp.floor(index).astype(jnp.int32))
    below, above = level_height(levels, level), level_height(levels, level + 1)
    part = jnp.clip((z - below) / (above - below), 0.0, 1.0)
    offset = level - window.base

    def between(values: Array) -> Array:
        lower = pick(values, offset)
        return lower + part * (pick(values, offset + 1) - lower)

    thinning = density_gradient(levels, window.base, window.density, z)
    gradient = slope * (sigma_high - sigma_low) + sigma * thinning
    return _Air(
        sigma,
        time_low + step * (time_high - time_low),
        between(window.density),
        gradient * column.stretch,
        jnp.stack([between(window.wind_x), between(window.wind_y)]),
    )


def density_gradient(levels: InternalLevels, base: Array, density: Array, z: Array) -> Array:
    """Return d ln(rho) / dz, per metre, without steps.

    Half-way between two levels it is what their densities give, and it is linear between.

    Args:
        levels: internal levels.
        base: lowest level of the profiles, int32 (particles,).
        density: on it and the levels above, (WINDOW_LEVELS, particles).
        z: terrain-following heights, metres.
    """
    level = jnp.floor(level_index(levels, z)).astype(jnp.int32)
    half_way = 0.5 * (level_height(levels, level) + level_height(levels, level + 1))
    lowest = jnp.clip(level - (z < half_way).astype(jnp.int32), base, base + WINDOW_LEVELS - 3)
    height = [level_height(levels, lowest + k) for k in range(3)]
    log_density = [jnp.log(pick(density, lowest - base + k)) for k in range(3)]
    lower, upper = (
        (log_density[k + 1] - log_density[k]) / (height[k + 1] - height[k]) for k in (0, 1)
    )
    part = (z - 0.5 * (height[0] + height[1])) / (0.5 * (height[2] - height[0]))
    return lower + jnp.clip(part, 0.0, 1.0) * (upper - lower)


def _centre(levels: InternalLevels, layer: Array) -> Array:
    """Return the height of a layer's centre; the lowest one reaches from the ground."""
    lower = jnp.where(layer == 0, 0.0, level_height(levels, layer))
    return 0.5 * (lower + level_height(levels, layer + 1))
