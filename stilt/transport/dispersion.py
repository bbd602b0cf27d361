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

WINDOW = 4
"""Levels of a column held at once; a particle that leaves them gets new ones."""

_SIGMA_RESOLUTION = 1e-4
_INSERTED_FRACTION = 0.05
_TINY = 1e-9
_LEAST_LEFT_S = 1e-6
_DRAWN_TOGETHER = 4


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


class Layer(NamedTuple):
    """Constants of the layer that each particle is in; all (particles,).

    Attributes:
        lower, upper: flat heights of its bounds, metres.
        sigma, time_scale: turbulence, m s-1 and s.
        pass_down, pass_up: chance to be let through at a bound; zero at the ground and the top.
        share, share_per_m: the upper level's share of the wind is share + share_per_m * z.
        wind_x, wind_y: wind at the lower level, cells per minute.
        shear_x, shear_y: upper minus lower wind.
    """

    lower: Array
    upper: Array
    sigma: Array
    time_scale: Array
    pass_down: Array
    pass_up: Array
    share: Array
    share_per_m: Array
    wind_x: Array
    wind_y: Array
    shear_x: Array
    shear_y: Array


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
    column, mass = _column(frames, geometry, nodes, time_weight, influence)
    bounds = _Bounds(geometry.levels, geometry.level_count, column, direction, step_fraction)
    layer = _layer_of(geometry.levels, flight.z, column.inserted)
    none = jnp.full((WINDOW, *flight.z.shape), 1.0, jnp.float32)
    nothing_held = Window(jnp.full_like(layer, geometry.level_count), *(none for _ in range(6)))
    # A velocity in units of sigma belongs to a layer with sigma 1.
    flight = flight._replace(layer=layer, w=normalised_velocity)

    def visit(state: tuple[Flight, Window, Array]) -> tuple[Flight, Window, Array]:
        now, held, sigma = state
        outside = _outside_window(bounds, now.layer, held)

        def reload(held: Window = held) -> Window:
            # Only for those that need it: what a particle holds must not depend on its neighbours.
            fresh = _load(frames, geometry, nodes, time_weight, now.layer, column.inserted)
            return Window(
                *(jnp.where(outside, new, old) for new, old in zip(fresh, held, strict=True))
            )

        held = jax.lax.cond(jnp.any(outside), reload, lambda: held)
        entered = _layer_constants(bounds, now.layer, held)
        # Exactly unchanged in the same layer: the number of visits depends on the neighbours.
        scaled = jnp.where(entered.sigma == sigma, now.w, now.w * entered.sigma / sigma)
        now = now._replace(w=scaled)
        return _leave(bounds, now, entered, _stay(bounds, now, entered, keys)), held, entered.sigma

    flight, window, sigma = jax.lax.while_loop(
        lambda state: jnp.any(state[0].remaining_s > 0.0),
        visit,
        (flight, nothing_held, jnp.ones_like(flight.z)),
    )
    _, time_scale = _turbulence_of(window, flight.layer, column.inserted)
    return HalfResult(flight, column, window, sigma, time_scale, mass)


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
        _property_level(layer, inserted) - WINDOW // 2 + 1, 0, geometry.level_count - WINDOW
    )
    turbulence = nearest_turbulence(
        frames,
        nodes,
        time_weight,
        base,
        nearest_mixed_layer(frames, nodes),
        geometry=geometry,
        count=WINDOW,
    )
    fields = bilinear_levels(
        frames,
        nodes,
        time_weight,
        base,
        table="column",
        geometry=geometry,
        count=WINDOW,
        first=1,
        width=4,
    )
    return Window(
        base,
        turbulence[:, 0],
        turbulence[:, 1],
        fields[:, 0],
        fields[:, 1],
        fields[:, 2],
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
        frames,
        nodes,
        time_weight,
        base,
        table="column",
        geometry=geometry,
        count=2,
        first=4,
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


class _Bounds(NamedTuple):
    """What all functions of a half step share."""

    levels: InternalLevels
    level_count: int
    column: Column
    direction: int
    step_fraction: float


def _layer_constants(bounds: _Bounds, layer: Array, window: Window) -> Layer:
    """Look up the layer's constants in the levels held.

    The inserted level has the wind of the level above it, as in HYSPLIT: the wind reaches that
    value within the thin layer and keeps it up to the next level.
    """
    levels, inserted = bounds.levels, bounds.column.inserted
    here = _property_level(layer, inserted) - window.base
    up = _property_level(jnp.minimum(layer + 1, bounds.level_count - 1), inserted) - window.base
    down = _property_level(jnp.maximum(layer - 1, 0), inserted) - window.base
    flux = window.density * window.sigma
    flux_here = _pick(flux, here)
    lower, upper = _bound(levels, layer, inserted), _bound(levels, layer + 1, inserted)
    slope = jnp.where(layer == inserted + 1, 0.0, 1.0 / (upper - lower))
    share = jnp.where(layer == inserted + 1, 1.0, -lower * slope)
    below = layer - (layer > inserted).astype(jnp.int32) - window.base
    wind_x, wind_y = _pick(window.wind_x, below), _pick(window.wind_y, below)
    return Layer(
        lower=jnp.where(layer == 0, 0.0, lower),
        upper=upper,
        sigma=_pick(window.sigma, here),
        time_scale=_pick(window.time_scale, here),
        pass_down=jnp.where(layer == 0, 0.0, _pick(flux, down) / flux_here),
        pass_up=jnp.where(layer == bounds.level_count - 1, 0.0, _pick(flux, up) / flux_here),
        share=share,
        share_per_m=slope,
        wind_x=wind_x,
        wind_y=wind_y,
        shear_x=_pick(window.wind_x, below + 1) - wind_x,
        shear_y=_pick(window.wind_y, below + 1) - wind_y,
    )


def _outside_window(bounds: _Bounds, layer: Array, window: Window) -> Array:
    """Whether a layer and its neighbours are not all among the levels held."""
    level = _property_level(layer, bounds.column.inserted)
    first = (level - 1 < window.base) & (window.base > 0)
    last = (level + 1 > window.base + WINDOW - 1) & (window.base < bounds.level_count - WINDOW)
    return first | last


def _stay(
    bounds: _Bounds, flight: Flight, layer: Layer, keys: tuple[Array, Array, Array]
) -> tuple[Visit, Array]:
    """Fly inside the present layers until every particle has used its time or leaves.

    The time left is cut into equal sub-steps no longer than the wanted fraction of the time
    scale, so that memory and noise of the velocity are constants of the visit.
    """
    zero = jnp.zeros_like(flight.z)
    steps = jnp.arange(_DRAWN_TOGETHER, dtype=jnp.uint32)[:, None]
    longest = bounds.step_fraction * layer.time_scale
    step_s = flight.remaining_s / jnp.maximum(jnp.ceil(flight.remaining_s / longest), 1.0)
    memory = jnp.exp(-step_s / layer.time_scale)
    motion = Motion(step_s, memory, jnp.sqrt(1.0 - memory * memory) * layer.sigma)

    def some(state: tuple[Visit, Array]) -> tuple[Visit, Array]:
        # Numbers are drawn ahead for several sub-steps: a number that a sub-step used directly
        # would be computed anew for each of its results.
        visit, draws = state
        key0, key1, number = (jnp.broadcast_to(key, (_DRAWN_TOGETHER, *key.shape)) for key in keys)
        bits, other = threefry(key0, key1, number, draws[None] + steps)
        normals, uniforms = normal(bits), uniform(other)
        used = jnp.where(visit.remaining_s > 0.0, jnp.uint32(_DRAWN_TOGETHER), jnp.uint32(0))
        visit = jax.lax.fori_loop(
            0,
            _DRAWN_TOGETHER,
            lambda step, v: _sub_step(bounds, v, layer, motion, normals[step], uniforms[step]),
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
    bounds: _Bounds,
    visit: Visit,
    layer: Layer,
    motion: Motion,
    random_normal: Array,
    random_uniform: Array,
) -> Visit:
    """One sub-step inside a layer; ends early, exactly on the bound, when it reaches one."""
    column = bounds.column
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

    lowest = level_height(bounds.levels, jnp.int32(0))
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


def _leave(bounds: _Bounds, flight: Flight, layer: Layer, stay: tuple[Visit, Array]) -> Flight:
    """Book the visit's drift and move the particles that were let through to the next layer."""
    visit, draws = stay
    minutes = bounds.direction / 60.0
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
