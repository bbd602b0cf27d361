"""One minute of a block of particles: mean wind, horizontal turbulence, two vertical half steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from stilt.constants import MOLAR_MASS_AIR_TRANSPORT
from stilt.meteorology.fields import slice_of
from stilt.transport.advection import MeanMotion, mean_step, wind_error_at
from stilt.transport.dispersion import HALF_STEP_S, Flight, half_step
from stilt.transport.interpolation import (
    WINDOW_LEVELS,
    BracketingAnalyses,
    Geometry,
    Nodes,
    Profiles,
    level_index,
    nearest_mixed_layer,
    pick,
    terrain_at,
)
from stilt.transport.particles import MOVING, Particles
from stilt.transport.random import normals, stream, uniform
from stilt.transport.smooth_flight import SmoothHalf, horizontal_normals, smooth_half
from stilt.transport.step_columns import MAIN_COLUMNS, extra_columns, mean_columns, stacked
from stilt.transport.transport_errors import TransportErrorSettings, errors_of_minute
from stilt.transport.turbulence_layers import AirProfiles, air_at

_FOOT = MAIN_COLUMNS.index("foot")
_POSITION = slice_of(MAIN_COLUMNS, "x", "y")


class Physics(NamedTuple):
    """Settings of a step, static in compiled code.

    Attributes:
        direction: sign of time, -1 backward.
        turbulent: random flight (NTURB = 0), or the mean wind alone.
        step_fraction: TLFRAC.
        influence: VEGHT.
        horizontal_time_s: HSCALE.
        rounded: round the drift of each sub-step as HYSPLIT does.
        layer_update: Langevin updates at layer interfaces too, as in HYSPLIT.
        extra: give :data:`EXTRA_COLUMNS` too.
        errors: sizes of transport errors in an error run, else None.
    """

    direction: int
    turbulent: bool
    step_fraction: float
    influence: float
    horizontal_time_s: float
    rounded: bool
    layer_update: bool
    extra: bool
    errors: TransportErrorSettings | None = None


class Half(NamedTuple):
    """Values of a row after half a minute; (particles,) each."""

    foot: Array
    density: Array
    pressure: Array
    sigma: Array
    time_scale: Array
    zagl: Array


class MeanStep(NamedTuple):
    """The mean motion of a minute and what its turbulence depends on besides; (particles,) each.

    Attributes:
        motion: the mean motion.
        z: terrain-following height after it.
        tick: minute of the sweep, int32 scalar.
        moves: whether a particle moves in this minute.
        weights: time weights of the second analysis at the start and the end of the minute.
        size_m: cell sizes along x and y at the end, (particles, 2).
        mixed_layer_m: mean height of the mixed layer above ground.
        wind_errors: at the start and the end, (2, particles * levels, 2); None in a main run.
    """

    motion: MeanMotion
    z: Array
    tick: Array
    moves: Array
    weights: tuple[Array, Array]
    size_m: Array
    mixed_layer_m: Array
    wind_errors: Array | None

    def of_halves(self) -> list[Any]:
        """Return nodes, time weights and air of both half minutes, stacked along a first axis."""
        air = [AirProfiles.of(profiles) for profiles in self.motion.profiles]
        return [
            jax.tree.map(lambda *leaves: jnp.stack(leaves), *pair)
            for pair in (self.motion.nodes, self.weights, air)
        ]


def minute_step(
    analyses: BracketingAnalyses,
    geometry: Geometry,
    physics: Physics,
    particles: Particles,
    tick: Array,
    weights: tuple[Array, Array],
    cell_size_m: Array,
) -> tuple[Particles, Array, Array]:
    """Advance a block by one minute.

    Args:
        analyses, geometry, physics: met fields and settings.
        particles: the block.
        tick: minute of the sweep, int32 scalar.
        weights: time weights of the second analysis at the start and the end of the minute.
        cell_size_m: (ny * nx, 2) cell sizes in metres.

    Returns:
        The particles, whether each has moved, and the columns (columns, particles).
    """
    usable = _inside(geometry, particles)
    due = (tick >= particles.start) & (tick < particles.stop)
    alive = particles.alive & (usable | ~due)
    moves = alive & due
    before, after = (jnp.broadcast_to(w, particles.x.shape) for w in weights)
    cell = (particles.cell_x, particles.cell_y)
    motion = mean_step(
        analyses,
        geometry,
        cell,
        (particles.x, particles.y),
        particles.z,
        (before, after),
        physics.direction,
    )
    here, there = motion.nodes
    height = _with_release_above_end_point(
        analyses, geometry, here, there, motion.terrain_following_m, tick == particles.start
    )
    mixed_layer = 0.5 * (
        _mixed_layer(analyses, here, before) + _mixed_layer(analyses, there, after)
    )
    sizes = (cell_size_m[here.nearest], cell_size_m[there.nearest])
    errors = errors_of_minute(
        physics.errors,
        geometry.levels,
        particles.errors,
        (particles.key0, particles.key1, particles.number),
        tick - particles.start,
        jnp.stack([motion.x - particles.x, motion.y - particles.y], axis=-1),
        sizes,
    )
    if not physics.turbulent:
        moved = particles._replace(x=motion.x, y=motion.y, z=height)
        if errors.wind is not None:
            moved = _carried_by_errors(geometry, moved, particles.z, errors.wind)
        columns = mean_columns(analyses, geometry, there, after, moved, mixed_layer)
    else:
        turbulent_step = _turbulent_step if analyses.scales is None else _smooth_step
        mean = MeanStep(
            motion, height, tick, moves, (before, after), sizes[1], mixed_layer, errors.wind
        )
        moved, columns = turbulent_step(analyses, geometry, physics, particles, mean)
        if errors.influence is not None:
            columns = columns.at[_FOOT].multiply(errors.influence)
    if physics.extra:
        stretch = geometry.levels.model_top_m / (
            geometry.levels.model_top_m - terrain_at(analyses, there)
        )
        vertical = physics.direction * motion.vertical_m_min / 60.0 / stretch
        columns = jnp.concatenate(
            [
                columns,
                extra_columns(
                    analyses, geometry, there, (before, after), moved.z, vertical, physics.direction
                ),
            ]
        )
    if geometry.pole_to_pole:
        moved = _over_the_pole(geometry, moved)
        columns = columns.at[_POSITION].set(jnp.stack([moved.x, moved.y]))
    kept = {
        name: jnp.where(moves, getattr(moved, name), getattr(particles, name)) for name in MOVING
    }
    kept_errors = jax.tree.map(
        lambda new, old: jnp.where(moves.reshape(-1, *[1] * (new.ndim - 1)), new, old),
        errors.after,
        particles.errors,
    )
    return particles._replace(**kept, alive=alive, errors=kept_errors), moves, columns


def _carried_by_errors(
    geometry: Geometry, moved: Particles, start_z: Array, wind_errors: Array
) -> Particles:
    """Add the mean of both ends' wind errors to a step without turbulence."""
    start, end = (
        wind_error_at(geometry, profiles, z)
        for profiles, z in zip(wind_errors, (start_z, moved.z), strict=True)
    )
    drift = 0.5 * (start + end)
    return moved._replace(x=moved.x + drift[0], y=moved.y + drift[1])


def _with_release_above_end_point(
    analyses: BracketingAnalyses,
    geometry: Geometry,
    here: Nodes,
    there: Nodes,
    z: Array,
    first: Array,
) -> Array:
    """Return heights; in the first minute the release height counts from the ground at the end.

    HYSPLIT measures the release height above the ground at the end point of the first mean step:
    over a slope the clouds differ by that much.
    """
    top = geometry.levels.model_top_m
    factor = (top - terrain_at(analyses, here)) / (top - terrain_at(analyses, there))
    return jnp.where(first, z * factor, z)


def _inside(geometry: Geometry, particles: Particles) -> Array:
    """Return whether a step may start here: HYSPLIT keeps a margin to the edge of the met grid."""
    column = particles.cell_x + jnp.floor(particles.x).astype(jnp.int32)
    row = particles.cell_y + jnp.floor(particles.y).astype(jnp.int32)
    margin = geometry.margin
    if geometry.pole_to_pole:
        return (row >= 0) & (row < geometry.ny)
    inside = (row >= margin) & (row < geometry.ny - 2 - margin)
    if geometry.cyclic_x:
        return inside
    return inside & (column >= margin) & (column < geometry.nx - 2 - margin)


def _over_the_pole(geometry: Geometry, moved: Particles) -> Particles:
    """Put particles that have passed a pole of a global grid on the opposite meridian."""
    y = moved.cell_y.astype(jnp.float32) + moved.y
    last = geometry.ny - 1.0
    beyond = (y < 0.0) | (y > last)
    back = jnp.where(y > last, 2.0 * (y - last), 2.0 * y)
    half_way = jnp.where(moved.x < 0.0, 0.5, -0.5) * geometry.nx
    return moved._replace(
        x=jnp.where(beyond, moved.x + half_way, moved.x),
        y=jnp.where(beyond, moved.y - back, moved.y),
        u=jnp.where(beyond, -moved.u, moved.u),
        v=jnp.where(beyond, -moved.v, moved.v),
    )


def _mixed_layer(analyses: BracketingAnalyses, nodes: Nodes, weight: Array) -> Array:
    first, second = nearest_mixed_layer(analyses, nodes)
    return first + weight * (second - first)


def _turbulent_step(
    analyses: BracketingAnalyses,
    geometry: Geometry,
    physics: Physics,
    particles: Particles,
    mean: MeanStep,
) -> tuple[Particles, Array]:
    """Fly through two half minutes of turbulence; return the particles and their columns."""
    keys = (particles.key0, particles.key1, particles.number)
    used = mean.moves.astype(jnp.uint32)
    size, angle, *words = stream(keys, particles.draws)
    random_u, random_v = normals(size, angle)
    first_updates = uniform(jnp.stack(words))
    half_s = jnp.where(mean.moves, jnp.float32(HALF_STEP_S), 0.0)
    zero = jnp.zeros_like(particles.x)
    start = _drift_from(particles, as_hysplit=physics.rounded)
    flight = Flight(
        mean.z,
        zero,
        jnp.zeros_like(particles.cell_x),
        half_s,
        zero,
        start,
        zero,
        particles.draws + used,
    )

    def half(
        state: tuple[Flight, Array, Half],
        column: tuple[Nodes, Array, AirProfiles, Array, Array | None],
    ) -> tuple[tuple[Flight, Array, Half], None]:
        now, velocity, last = state
        nodes, weight, air, first_update, wind_error = column
        result = half_step(
            analyses,
            geometry,
            nodes,
            weight,
            air,
            now._replace(remaining_s=half_s),
            velocity,
            first_update,
            keys,
            direction=physics.direction,
            step_fraction=physics.step_fraction,
            layer_update=physics.layer_update,
            influence=physics.influence,
            wind_error=wind_error,
        )
        end = result.flight
        density, pressure = air_at(geometry.levels, result.column, result.window, end.layer, end.z)
        low_s = end.low_s - now.low_s
        made = Half(
            last.foot + MOLAR_MASS_AIR_TRANSPORT * low_s / result.mass_kg_m2,
            density,
            pressure,
            result.sigma,
            result.time_scale,
            end.z / result.column.stretch,
        )
        return (end, end.w / result.sigma, made), None

    (end, velocity, second), _ = jax.lax.scan(
        half,
        (flight, particles.q, Half(*[zero] * len(Half._fields))),
        (*mean.of_halves(), first_updates, mean.wind_errors),
    )
    u, v = _horizontal_velocity(geometry, physics, particles, mean, (random_u, random_v))
    drift = end.place - start
    moved = particles._replace(
        x=particles.x + (drift[0] + u * 60.0 / mean.size_m[:, 0]),
        y=particles.y + (drift[1] + v * 60.0 / mean.size_m[:, 1]),
        z=end.z,
        u=u,
        v=v,
        q=velocity,
        draws=end.draws,
    )
    columns = {
        "x": moved.x,
        "y": moved.y,
        "zagl": second.zagl,
        "foot": second.foot,
        "samt": end.low_s / 60.0,
        "mlht": mean.mixed_layer_m,
        "dens": second.density,
        "pres": second.pressure,
        "sigw": second.sigma,
        "tlgr": second.time_scale,
        "zsfc": terrain_at(analyses, mean.motion.nodes[1]),
    }
    return moved, stacked(MAIN_COLUMNS, columns)


def _smooth_step(
    analyses: BracketingAnalyses,
    geometry: Geometry,
    physics: Physics,
    particles: Particles,
    mean: MeanStep,
) -> tuple[Particles, Array]:
    """Step as :func:`_turbulent_step` does, smoothly; see :mod:`stilt.transport.smooth_flight`."""
    zero = jnp.zeros_like(particles.x)
    one = jnp.ones_like(zero)
    start = SmoothHalf(mean.z, particles.q, jnp.stack([zero, zero]), zero, zero, one, one, one, one)

    def half(
        now: SmoothHalf, column: tuple[Nodes, Array, AirProfiles, Array]
    ) -> tuple[SmoothHalf, None]:
        nodes, weight, air, number = column
        after = smooth_half(
            analyses, geometry, nodes, weight, air, particles, now, mean.tick, number,
            direction=physics.direction, influence=physics.influence,
        )  # fmt: skip
        return after, None

    end, _ = jax.lax.scan(half, start, (*mean.of_halves(), jnp.arange(2)))
    random = horizontal_normals(particles, mean.tick)
    u, v = _horizontal_velocity(geometry, physics, particles, mean, random)
    moved = particles._replace(
        x=particles.x + end.drift[0] + u * 60.0 / mean.size_m[:, 0],
        y=particles.y + end.drift[1] + v * 60.0 / mean.size_m[:, 1],
        z=end.z,
        u=u,
        v=v,
        q=end.q,
    )
    columns = {
        **dict.fromkeys(MAIN_COLUMNS, zero),
        "x": moved.x,
        "y": moved.y,
        "zagl": end.z / end.stretch,
        "foot": end.foot,
        "samt": end.low_s / 60.0,
        "mlht": mean.mixed_layer_m,
        "dens": end.density,
        "sigw": end.sigma,
        "tlgr": end.time_scale,
    }
    return moved, stacked(MAIN_COLUMNS, columns)


def _horizontal_velocity(
    geometry: Geometry,
    physics: Physics,
    particles: Particles,
    mean: MeanStep,
    random: tuple[Array, Array],
) -> tuple[Array, Array]:
    """Return the horizontal turbulent velocity after a minute, m s-1."""
    sigma_u, sigma_v = _horizontal_sigma(geometry, mean.motion.profiles[1], mean.z)
    memory = jnp.exp(jnp.float32(-60.0 / physics.horizontal_time_s))
    memory = jnp.where(mean.tick == particles.start, 0.0, memory)
    fresh = jnp.sqrt(1.0 - memory * memory)
    return (
        memory * particles.u + fresh * sigma_u * random[0],
        memory * particles.v + fresh * sigma_v * random[1],
    )


def _drift_from(particles: Particles, *, as_hysplit: bool) -> Array:
    """Return what a minute's horizontal drift is added to, cells, (2, particles).

    HYSPLIT adds the drift of each sub-step to a grid index that counts from one, in single
    precision: a drift below half a unit in the last place is lost, others are rounded to whole
    units. On one degree at index 32 to 64 the unit is 0.4 m, which near the ground is as long as a
    sub-step's drift. Otherwise the drift is summed on its own.
    """
    offset = jnp.stack([particles.x, particles.y])
    if not as_hysplit:
        return jnp.zeros_like(offset)
    cell = jnp.stack([particles.cell_x, particles.cell_y])
    return (cell + 1).astype(jnp.float32) + offset


def _horizontal_sigma(geometry: Geometry, profiles: Profiles, z: Array) -> Array:
    """Return standard deviations of the horizontal turbulent wind along x and y, m s-1: (2, n)."""
    index = jnp.clip(level_index(geometry.levels, z), 0.0, geometry.level_count - 1.001)
    base = jnp.floor(index).astype(jnp.int32)
    variances = profiles.of("variance_x", "variance_y")
    # The mean step ends at another height than its first pass, which chose the levels.
    offset = jnp.clip(base - profiles.base, 0, WINDOW_LEVELS - 2)
    lower, upper = pick(variances, offset), pick(variances, offset + 1)
    return jnp.sqrt(lower + (index - base.astype(jnp.float32)) * (upper - lower))
