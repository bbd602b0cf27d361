"""Vertical random flight through layers of constant turbulence, with horizontal drift inside.

The vertical velocity of a particle is an Ornstein-Uhlenbeck process whose strength and time scale
are constant between two internal levels (the values of the lower level). At a level the particle
is passed on or reflected so that a well-mixed cloud stays well mixed (Thomson et al. 1997,
doi:10.1016/S1352-2310(96)00198-9). The mixed layer ends at the first internal level at or above
its diagnosed height; one level is inserted just above that one, as in HYSPLIT.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from stilt.meteorology.levels import InternalLevels
from stilt.transport.random import normal, threefry, uniform
from stilt.transport.weather import (
    Frames,
    Geometry,
    Nodes,
    bilinear_levels,
    level_height,
    level_index,
    nearest_mixed_layer,
    nearest_turbulence,
    nodes_at,
    terrain_at,
)

WINDOW = 6
"""Levels of a column held at once; a particle that leaves them gets new ones."""

_SIGMA_RESOLUTION = 1e-4
_INSERTED_FRACTION = 0.05
_TINY = 1e-9


class Flight(NamedTuple):
    """Vertical flight of each particle in a half step; all (particles,).

    Attributes:
        z: flat height, metres.
        w: vertical velocity, m s-1, along the particle's own clock.
        layer: zero-based layer of the level list with the inserted level.
        remaining_s: time of the half step not used yet.
        x, y: horizontal drift so far, cells.
        low_s: time spent under the influence height, seconds.
        draws: random numbers used so far, uint32.
        paused: at the end of the levels held; waits for new ones.
    """

    z: Array
    w: Array
    layer: Array
    remaining_s: Array
    x: Array
    y: Array
    low_s: Array
    draws: Array
    paused: Array


class Column(NamedTuple):
    """What a half step needs of each particle's column; fixed during the half step.

    Attributes:
        inserted: zero-based level above which the extra level is inserted.
        stretch: flat metres per metre above ground.
        influence_m: flat height of the influence layer's top.
        mixed_layer_m: height of the mixed layer above ground.
    """

    inserted: Array
    stretch: Array
    influence_m: Array
    mixed_layer_m: Array


class Window(NamedTuple):
    """Profiles on ``WINDOW`` levels from ``base`` up; each (WINDOW, particles)."""

    base: Array
    sigma: Array
    time_scale: Array
    wind_x: Array
    wind_y: Array
    pressure: Array
    density: Array

    def at(self, level: Array) -> Window:
        """Values at one zero-based level of each particle, which the window must hold."""
        offset = level - self.base
        return Window(self.base, *(_pick(values, offset) for values in self[1:]))


class HalfResult(NamedTuple):
    """State after a half step, with the column it was made on and the last layer's turbulence."""

    flight: Flight
    column: Column
    window: Window
    sigma: Array
    time_scale: Array
    mass_kg_m2: Array

    def air_at(self, levels: InternalLevels) -> tuple[Array, Array]:
        """Dry density (kg m-3) and pressure (hPa) at the particle, linear between its levels."""
        level = self.flight.layer - (self.flight.layer > self.column.inserted).astype(jnp.int32)
        lower, upper = level_height(levels, level), level_height(levels, level + 1)
        fraction = jnp.clip((self.flight.z - lower) / (upper - lower), 0.0, 1.0)
        low, high = self.window.at(level), self.window.at(level + 1)
        return (
            low.density + fraction * (high.density - low.density),
            low.pressure + fraction * (high.pressure - low.pressure),
        )


def half_step(
    frames: Frames,
    geometry: Geometry,
    cell: tuple[Array, Array],
    position: tuple[Array, Array],
    time_weight: Array,
    flight: Flight,
    normalised_velocity: Array,
    keys: tuple[Array, Array, Array],
    *,
    direction: int,
    step_fraction: float,
    influence: float,
) -> HalfResult:
    """Fly every particle for ``flight.remaining_s`` seconds in the column at ``position``.

    Args:
        frames, geometry: the weather.
        cell, position: release cell (int32) and offset (cells) of the column to use.
        time_weight: weight of the second analysis.
        flight: state; ``layer`` and ``w`` are set here from height and normalised velocity.
        normalised_velocity: w / sigma_w.
        keys: two words of the receptor's key and the particle's number, uint32.
        direction: sign of time, for the horizontal drift.
        step_fraction: largest sub-step as a fraction of the time scale (TLFRAC).
        influence: depth of the influence layer: a fraction of the mixed layer up to 1, else
            metres above ground (VEGHT).
    """
    nodes = nodes_at(geometry, *cell, *position)
    start = profile_at(frames, geometry, nodes, time_weight, flight, influence)
    column, levels = start.column, geometry.levels
    flight = start.flight._replace(
        w=start.sigma * normalised_velocity, paused=jnp.zeros_like(flight.paused)
    )

    def fly(state: tuple[Flight, Window]) -> tuple[Flight, Window]:
        now, held = state
        now = jax.lax.while_loop(
            lambda f: jnp.any((f.remaining_s > 0.0) & ~f.paused),
            lambda f: _sub_step(
                f, held, column, levels, geometry.count, keys, direction, step_fraction
            ),
            now,
        )
        held = jax.lax.cond(
            jnp.any(now.remaining_s > 0.0),
            lambda: _load(frames, geometry, nodes, time_weight, now.layer, column.inserted),
            lambda: held,
        )
        return now._replace(paused=jnp.zeros_like(now.paused)), held

    flight, window = jax.lax.while_loop(
        lambda state: jnp.any(state[0].remaining_s > 0.0), fly, (flight, start.window)
    )
    sigma, time_scale = _turbulence_of(window, flight.layer, column.inserted)
    return start._replace(flight=flight, window=window, sigma=sigma, time_scale=time_scale)


def profile_at(
    frames: Frames,
    geometry: Geometry,
    nodes: Nodes,
    time_weight: Array,
    flight: Flight,
    influence: float,
) -> HalfResult:
    """The column around each particle, and its layer in it, before anything moves."""
    column, mass = _column(frames, geometry, nodes, time_weight, influence)
    layer = _layer_of(geometry.levels, flight.z, column.inserted)
    window = _load(frames, geometry, nodes, time_weight, layer, column.inserted)
    sigma, time_scale = _turbulence_of(window, layer, column.inserted)
    return HalfResult(flight._replace(layer=layer), column, window, sigma, time_scale, mass)


def _load(
    frames: Frames,
    geometry: Geometry,
    nodes: Nodes,
    time_weight: Array,
    layer: Array,
    inserted: Array,
) -> Window:
    """Profiles on the levels around each particle's layer."""
    base = jnp.clip(
        _property_level(layer, inserted) - WINDOW // 2 + 1, 0, geometry.count - WINDOW
    )
    turbulence = nearest_turbulence(
        frames, nodes, time_weight, base, nearest_mixed_layer(frames, nodes),
        geometry=geometry, count=WINDOW,
    )
    fields = bilinear_levels(
        frames, nodes, time_weight, base, table="column", geometry=geometry, count=WINDOW,
        first=1, width=4,
    )
    return Window(
        base, turbulence[:, 0], turbulence[:, 1], fields[:, 0], fields[:, 1], fields[:, 2],
        fields[:, 3],
    )


def _column(
    frames: Frames, geometry: Geometry, nodes: Nodes, time_weight: Array, influence: float
) -> tuple[Column, Array]:
    """Heights of the column and the dry mass of its influence layer (kg m-2)."""
    levels = geometry.levels
    top = jnp.float32(levels.model_top_m)
    stretch = top / (top - terrain_at(frames, nodes))
    first, second = nearest_mixed_layer(frames, nodes)
    mixed = first + time_weight * (second - first)
    depth = influence * mixed if influence <= 1.0 else jnp.full_like(mixed, influence)
    resolution = top * _SIGMA_RESOLUTION
    rounded = jnp.rint(mixed * stretch / resolution) * resolution
    inserted = jnp.ceil(level_index(levels, rounded) - 1e-4).astype(jnp.int32)
    inserted = jnp.clip(inserted, 0, levels.count - 2)
    flat_depth = depth * stretch

    index = jnp.clip(level_index(levels, flat_depth), 0.0, levels.count - 1.001)
    base = jnp.floor(index).astype(jnp.int32)
    values = bilinear_levels(
        frames, nodes, time_weight, base, table="column", geometry=geometry, count=2, first=4,
        width=2,
    )
    lower, upper = level_height(levels, base), level_height(levels, base + 1)
    fraction = jnp.clip((flat_depth - lower) / (upper - lower), 0.0, 1.0)
    density = values[0, 0] + fraction * (values[1, 0] - values[0, 0])
    above = values[0, 1] + 0.5 * (values[0, 0] + density) * (flat_depth - lower) / stretch
    mass = jnp.where(flat_depth < lower, values[0, 0] * depth, above)
    return Column(inserted, stretch, flat_depth, mixed), mass


def _layer_of(levels: InternalLevels, z: Array, inserted: Array) -> Array:
    """Layer, in the list with the inserted level, that holds a flat height."""
    level = jnp.clip(jnp.floor(level_index(levels, z)).astype(jnp.int32), 0, levels.count - 2)
    extra = _inserted_height(levels, inserted)
    above = (level > inserted) | ((level == inserted) & (z >= extra))
    return level + above.astype(jnp.int32)


def _inserted_height(levels: InternalLevels, inserted: Array) -> Array:
    lower = level_height(levels, inserted)
    return lower + _INSERTED_FRACTION * (level_height(levels, inserted + 1) - lower)


def _bound(levels: InternalLevels, index: Array, inserted: Array) -> Array:
    """Flat height of interface ``index`` in the list with the inserted level."""
    plain = level_height(levels, index - (index > inserted).astype(jnp.int32))
    return jnp.where(index == inserted + 1, _inserted_height(levels, inserted), plain)


def _property_level(layer: Array, inserted: Array) -> Array:
    """Level whose turbulence and density a layer has."""
    return layer - (layer > inserted + 1).astype(jnp.int32)


def _pick(values: Array, offset: Array) -> Array:
    """values[offset, particle] by selection; ``values`` is (WINDOW, particles)."""
    chosen = values[0]
    for position in range(1, WINDOW):
        chosen = jnp.where(offset == position, values[position], chosen)
    return chosen


def _turbulence_of(window: Window, layer: Array, inserted: Array) -> tuple[Array, Array]:
    offset = _property_level(layer, inserted) - window.base
    return _pick(window.sigma, offset), _pick(window.time_scale, offset)


def _wind_in_layer(
    window: Window, levels: InternalLevels, z: Array, layer: Array, inserted: Array
) -> tuple[Array, Array]:
    """Wind at flat height ``z`` inside a layer, in cells per minute, zero at the ground.

    The inserted level has the wind of the level above it, as in HYSPLIT: the wind reaches that
    value within the thin layer and keeps it up to the next level.
    """
    lower, upper = _bound(levels, layer, inserted), _bound(levels, layer + 1, inserted)
    fraction = jnp.clip((z - lower) / (upper - lower), 0.0, 1.0)
    fraction = jnp.where(layer == inserted + 1, 1.0, fraction)
    near_ground = jnp.clip(z / level_height(levels, jnp.zeros_like(layer)), 0.0, 1.0)
    offset = layer - (layer > inserted).astype(jnp.int32) - window.base
    x0, x1 = _pick(window.wind_x, offset), _pick(window.wind_x, offset + 1)
    y0, y1 = _pick(window.wind_y, offset), _pick(window.wind_y, offset + 1)
    return (x0 + fraction * (x1 - x0)) * near_ground, (y0 + fraction * (y1 - y0)) * near_ground


def _sub_step(
    flight: Flight,
    window: Window,
    column: Column,
    levels: InternalLevels,
    count: int,
    keys: tuple[Array, Array, Array],
    direction: int,
    step_fraction: float,
) -> Flight:
    active = (flight.remaining_s > 0.0) & ~flight.paused
    bits, other_bits = threefry(*keys, flight.draws)
    layer, inserted = flight.layer, column.inserted
    here = _property_level(layer, inserted) - window.base
    sigma, time_scale = _pick(window.sigma, here), _pick(window.time_scale, here)
    duration = jnp.minimum(flight.remaining_s, step_fraction * time_scale)
    memory = jnp.exp(-duration / time_scale)
    w = memory * flight.w + jnp.sqrt(1.0 - memory * memory) * sigma * normal(bits)

    up = w > 0.0
    lower = jnp.where(layer == 0, 0.0, _bound(levels, layer, inserted))
    target = jnp.where(up, _bound(levels, layer + 1, inserted), lower)
    speed = jnp.maximum(jnp.abs(w) * column.stretch, _TINY)
    distance = jnp.abs(target - flight.z)
    reaches = speed * duration >= distance
    used = jnp.where(reaches, distance / speed, duration)
    z = jnp.where(reaches, target, flight.z + w * column.stretch * duration)

    beyond = layer + jnp.where(up, 1, -1)
    boundary = (beyond < 0) | (beyond >= count)
    there = _property_level(jnp.clip(beyond, 0, count - 1), inserted) - window.base
    there_sigma = _pick(window.sigma, there)
    here_density, there_density = _pick(window.density, here), _pick(window.density, there)
    chance = there_density * there_sigma / (here_density * sigma)
    passes = reaches & ~boundary & (uniform(other_bits) <= chance)
    turned = jnp.where(reaches, -w, w)
    w = jnp.where(passes, w * there_sigma / sigma, turned)

    drift_x, drift_y = _wind_in_layer(window, levels, z, layer, inserted)
    minutes = direction * used / 60.0
    new_layer = jnp.where(passes, beyond, layer)
    # Stop before a layer whose neighbours are not all held, unless the domain ends there.
    first = _property_level(new_layer, inserted) - 1 < window.base
    last = _property_level(new_layer, inserted) + 1 > window.base + WINDOW - 1
    at_edge = (first & (window.base > 0)) | (last & (window.base < count - WINDOW))

    def keep(new: Array, old: Array) -> Array:
        return jnp.where(active, new, old)

    return Flight(
        z=keep(z, flight.z),
        w=keep(w, flight.w),
        layer=keep(new_layer, layer),
        remaining_s=keep(flight.remaining_s - used, flight.remaining_s),
        x=keep(flight.x + drift_x * minutes, flight.x),
        y=keep(flight.y + drift_y * minutes, flight.y),
        low_s=keep(flight.low_s + jnp.where(z < column.influence_m, used, 0.0), flight.low_s),
        draws=flight.draws + active.astype(jnp.uint32),
        paused=keep(passes & at_edge, flight.paused),
    )
