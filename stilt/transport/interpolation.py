"""Met fields at a particle: gathered from two analyses, interpolated in space and time.

Horizontal interpolation is bilinear, except for the mixed-layer height and the turbulence, which
come from the nearest node. Vertical positions are *terrain-following heights*: the height over flat
ground at sea level that has the same sigma, so that the internal levels are the same in every
column.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from stilt.meteorology.fields import (
    AIR_FIELDS,
    COLUMN_FIELDS,
    SURFACE_FIELDS,
    TURBULENCE_FIELDS,
    slice_of,
)
from stilt.meteorology.levels import InternalLevels
from stilt.transport.scales import Scales


class AnalysisArrays(NamedTuple):
    """One analysis on the device, see :class:`stilt.meteorology.prepare.PreparedAnalysis`.

    All axes of ``column``, ``turbulence`` and ``air``, which are (ny, nx, levels, fields), are
    flattened, so that a gather copies runs of neighbouring numbers; ``surface`` is
    (ny * nx, fields).
    """

    column: Array
    turbulence: Array
    air: Array
    surface: Array


class BracketingAnalyses(NamedTuple):
    """The two analyses that bracket the clock, in the order in which particles meet them.

    With ``scales`` the fields read from them are scaled, and turbulence and mixed layer are also
    interpolated between nodes, so that they vary smoothly in space.
    """

    first: AnalysisArrays
    second: AnalysisArrays
    scales: Scales | None = None


class Geometry(NamedTuple):
    """Shape of the met fields; hashable, so that it can be a static argument of compiled code.

    Attributes:
        nx, ny: nodes of the grid.
        cyclic_x: whether its longitudes go round the globe.
        margin: cells along its edges that particles may not enter.
        levels: internal levels.
        pole_to_pole: whether it holds both poles.
        fixed_time_scale: whether time scales of turbulence are a setting (VSCALES above 0).
    """

    nx: int
    ny: int
    cyclic_x: bool
    margin: int
    levels: InternalLevels
    pole_to_pole: bool = False
    fixed_time_scale: bool = False

    @property
    def level_count(self) -> int:
        """Number of internal levels."""
        return self.levels.count


_FIELDS_OF = {"column": COLUMN_FIELDS, "air": AIR_FIELDS}
_TERRAIN = SURFACE_FIELDS.index("terrain_m")
_MIXED_LAYER = SURFACE_FIELDS.index("mixed_layer_height_m")
_SIGMA = TURBULENCE_FIELDS.index("sigma_w_m_s")

WINDOW_LEVELS = 5
"""Levels of a column held at once; others are loaded for a particle that leaves them."""


class Profiles(NamedTuple):
    """Fields on ``WINDOW_LEVELS`` levels around each particle.

    Attributes:
        base: lowest level held, int32 (particles,).
        fields: (WINDOW_LEVELS, :data:`~stilt.meteorology.fields.COLUMN_FIELDS`, particles).
    """

    base: Array
    fields: Array

    def of(self, *names: str) -> Array:
        """Return neighbouring fields, (WINDOW_LEVELS, names, particles)."""
        return self.fields[:, slice_of(COLUMN_FIELDS, *names)]


class Nodes(NamedTuple):
    """The four nodes around each particle, their weights, and the nearest one; (particles,)."""

    south_west: Array
    south_east: Array
    north_west: Array
    north_east: Array
    fraction_x: Array
    fraction_y: Array
    nearest: Array


def level_height(levels: InternalLevels, index: Array) -> Array:
    """Return terrain-following heights, metres, of zero-based level numbers."""
    k = index.astype(jnp.float32) + 1.0
    return (jnp.float32(levels.a) * k + jnp.float32(levels.b)) * k + jnp.float32(levels.c)


def level_index(levels: InternalLevels, terrain_following_m: Array) -> Array:
    """Return fractional zero-based level numbers of terrain-following heights."""
    a, b = jnp.float32(levels.a), jnp.float32(levels.b)
    root = b * b - 4.0 * a * (jnp.float32(levels.c) - terrain_following_m)
    return (_root(root) - b) / (2.0 * a) - 1.0


@jax.custom_jvp
def _root(square: Array) -> Array:
    return jnp.sqrt(jnp.maximum(square, 0.0))


@_root.defjvp
def _root_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """Below the lowest level some level sets have no root; the height does not matter there."""
    (square,), (change,) = primals, tangents
    root = _root(square)
    return root, jnp.where(square > 0.0, 0.5 * change / jnp.where(square > 0.0, root, 1.0), 0.0)


def nodes_at(geometry: Geometry, cell_x: Array, cell_y: Array, x: Array, y: Array) -> Nodes:
    """Find the nodes around positions ``cell + offset``: int32 cells, float32 offsets, in cells."""
    floor_x, floor_y = jnp.floor(x), jnp.floor(y)
    fraction_x, fraction_y = x - floor_x, y - floor_y
    i = cell_x + floor_x.astype(jnp.int32)
    j = jnp.clip(cell_y + floor_y.astype(jnp.int32), 0, geometry.ny - 2)
    if geometry.cyclic_x:
        i = jnp.mod(i, geometry.nx)
        east = jnp.where(i + 1 == geometry.nx, 0, i + 1)
    else:
        i = jnp.clip(i, 0, geometry.nx - 2)
        east = i + 1
    near_i = jnp.where(fraction_x >= 0.5, east, i)
    near_j = jnp.where(fraction_y >= 0.5, j + 1, j)
    row, next_row = j * geometry.nx, (j + 1) * geometry.nx
    return Nodes(
        row + i,
        row + east,
        next_row + i,
        next_row + east,
        fraction_x,
        fraction_y,
        near_j * geometry.nx + near_i,
    )


def _runs(table: Array, start: Array, length: int) -> Array:
    """Gather ``length`` neighbouring numbers of a flat table from each start: (n, length)."""
    numbers = jax.lax.GatherDimensionNumbers(
        offset_dims=(1,), collapsed_slice_dims=(), start_index_map=(0,)
    )
    return jax.lax.gather(
        table,
        start[:, None],
        numbers,
        slice_sizes=(length,),
        mode=jax.lax.GatherScatterMode.PROMISE_IN_BOUNDS,
    )


def _weighted_runs(tables: tuple[Array, ...], starts: Array, weights: Array, length: int) -> Array:
    """Return the sum of runs of neighbouring numbers, one from each table and start.

    Args:
        tables: flat.
        starts: (starts, particles), the same for every table.
        weights: (tables, starts, particles).
        length: of a run.

    Returns:
        (length, particles).
    """

    def one_by_one(starts: Array, weights: Array, *tables: Array) -> Array:
        # XLA compiles a gather to one scalar load after the other; the run of a single particle
        # is read with vector instructions, in less than half the time.
        def add(particle: Array, out: Array) -> Array:
            total = jnp.zeros((), jnp.float32)
            for number, table in enumerate(tables):
                for corner in range(starts.shape[0]):
                    run = jax.lax.dynamic_slice(table, (starts[corner, particle],), (length,))
                    total = total + weights[number, corner, particle] * run
            return jax.lax.dynamic_update_slice(out, total[None], (particle, 0))

        size = starts.shape[1]
        return jax.lax.fori_loop(0, size, add, jnp.zeros((size, length), weights.dtype)).T

    def together(starts: Array, weights: Array, *tables: Array) -> Array:
        total = jnp.zeros((), jnp.float32)
        for number, table in enumerate(tables):
            for corner in range(starts.shape[0]):
                run = _runs(table, starts[corner], length)
                total = total + weights[number, corner][:, None] * run
        return total.T

    return jax.lax.platform_dependent(starts, weights, *tables, cpu=one_by_one, default=together)


def _weights(nodes: Nodes) -> tuple[tuple[Array, Array], ...]:
    fx, fy = nodes.fraction_x, nodes.fraction_y
    return (
        (nodes.south_west, (1.0 - fx) * (1.0 - fy)),
        (nodes.south_east, fx * (1.0 - fy)),
        (nodes.north_west, (1.0 - fx) * fy),
        (nodes.north_east, fx * fy),
    )


def bilinear_levels(
    analyses: BracketingAnalyses,
    nodes: Nodes,
    time_weight: Array,
    base: Array,
    *,
    table: str,
    geometry: Geometry,
    count: int,
    names: tuple[str, ...],
) -> Array:
    """Return fields on ``count`` levels from level ``base`` up, shape (count, names, particles).

    Args:
        analyses: the two analyses.
        nodes: nodes around the particles.
        time_weight: weight of the second analysis, (particles,).
        base: lowest level wanted, int32 (particles,).
        table: ``"column"`` or ``"air"``.
        geometry: shape of the met fields.
        count: how many levels.
        names: neighbouring fields of the table.
    """
    fields = len(_FIELDS_OF[table])
    first, wanted = slice_of(_FIELDS_OF[table], *names).start, len(names)
    length = (count - 1) * fields + wanted
    total = jnp.zeros((), jnp.float32)
    for analysis, in_time in ((analyses.first, 1.0 - time_weight), (analyses.second, time_weight)):
        for node, weight in _weights(nodes):
            start = (node * geometry.level_count + base) * fields + first
            values = _runs(getattr(analysis, table), start, length)
            total = total + (weight * in_time)[:, None] * values
    levels = [total[:, k * fields : k * fields + wanted].T for k in range(count)]
    return jnp.stack(levels)


def load_profiles(
    analyses: BracketingAnalyses,
    geometry: Geometry,
    nodes: Nodes,
    time_weight: Array,
    terrain_following_m: Array,
) -> Profiles:
    """Interpolate column fields on the levels around terrain-following heights."""
    level = jnp.floor(level_index(geometry.levels, terrain_following_m)).astype(jnp.int32)
    return profiles_from(analyses, geometry, nodes, time_weight, window_base(geometry, level))


def profiles_from(
    analyses: BracketingAnalyses, geometry: Geometry, nodes: Nodes, time_weight: Array, base: Array
) -> Profiles:
    """Interpolate column fields on ``WINDOW_LEVELS`` levels from level ``base`` (int32) up."""
    corners, weights = zip(*_weights(nodes), strict=True)
    fields = len(COLUMN_FIELDS)
    starts = (jnp.stack(corners) * geometry.level_count + base) * fields
    in_space = jnp.stack(weights)
    total = _weighted_runs(
        (analyses.first.column, analyses.second.column),
        starts,
        jnp.stack([(1.0 - time_weight) * in_space, time_weight * in_space]),
        WINDOW_LEVELS * fields,
    )
    profiles = Profiles(base, total.reshape(WINDOW_LEVELS, fields, -1))
    return profiles if analyses.scales is None else _scaled(profiles, nodes, analyses.scales)


def _scaled(profiles: Profiles, nodes: Nodes, scales: Scales) -> Profiles:
    """Scale and turn the wind, and scale the horizontal turbulence."""
    wind, variance = (
        slice_of(COLUMN_FIELDS, *names)
        for names in (("wind_x", "wind_y"), ("variance_x", "variance_y"))
    )
    fields = profiles.fields
    turned = scales.turned(fields[:, wind][:, 0], fields[:, wind][:, 1], nodes.nearest)
    fields = fields.at[:, wind].set(jnp.stack(turned, axis=1))
    return profiles._replace(fields=fields.at[:, variance].multiply(scales.turbulence**2))


def window_base(geometry: Geometry, level: Array) -> Array:
    """Return the lowest of the levels to hold for particles in the layer above ``level``."""
    return jnp.clip(level - WINDOW_LEVELS // 2, 0, geometry.level_count - WINDOW_LEVELS)


def pick(values: Array, offset: Array) -> Array:
    """Select values[offset, ..., particle]; ``values`` is (WINDOW_LEVELS, ..., particles)."""
    chosen = values[0]
    for position in range(1, WINDOW_LEVELS):
        chosen = jnp.where(offset == position, values[position], chosen)
    return chosen


def own_levels(table: Array, base: Array, *, geometry: Geometry, count: int) -> Array:
    """Gather ``count`` levels from level ``base`` up, of a profile that each particle has.

    Args:
        table: (particles * levels, fields).
        base: lowest level wanted, int32 (particles,).
        geometry: shape of the met fields.
        count: how many levels.

    Returns:
        (count, fields, particles).
    """
    fields = table.shape[1]
    start = (jnp.arange(base.shape[0], dtype=jnp.int32) * geometry.level_count + base) * fields
    values = _runs(table.reshape(-1), start, count * fields)
    return jnp.moveaxis(values.reshape(-1, count, fields), 0, -1)


def bilinear_surface(
    analyses: BracketingAnalyses, nodes: Nodes, time_weight: Array, name: str
) -> Array:
    """Return one surface field at the particles, bilinear in space, linear in time."""
    field = SURFACE_FIELDS.index(name)
    total = jnp.zeros((), jnp.float32)
    for analysis, in_time in ((analyses.first, 1.0 - time_weight), (analyses.second, time_weight)):
        for node, weight in _weights(nodes):
            total = total + weight * in_time * analysis.surface[node, field]
    return total


def terrain_at(analyses: BracketingAnalyses, nodes: Nodes) -> Array:
    """Interpolate terrain height above sea level, metres; it does not change with time."""
    total = jnp.zeros((), jnp.float32)
    for node, weight in _weights(nodes):
        total = total + weight * analyses.first.surface[node, _TERRAIN]
    return total


def nearest_mixed_layer(analyses: BracketingAnalyses, nodes: Nodes) -> tuple[Array, Array]:
    """Return the mixed-layer height at the nearest node in both analyses, metres.

    With scales it is interpolated between nodes, and scaled.
    """
    both = (analyses.first, analyses.second)
    if analyses.scales is not None:
        first, second = (
            analyses.scales.mixed_layer
            * sum(weight * each.surface[node, _MIXED_LAYER] for node, weight in _weights(nodes))
            for each in both
        )
        return first, second
    first, second = (analysis.surface[nodes.nearest, _MIXED_LAYER] for analysis in both)
    return first, second


def nearest_turbulence(
    analyses: BracketingAnalyses,
    nodes: Nodes,
    time_weight: Array,
    base: Array,
    mixed_layer: tuple[Array, Array],
    *,
    geometry: Geometry,
    count: int,
) -> Array:
    """Return the turbulence on ``count`` levels from ``base``: (count, fields, particles).

    The fields are those of :data:`~stilt.meteorology.fields.TURBULENCE_FIELDS`.

    For each level, the level closest to the same fraction of the mixed-layer height is taken from
    each analysis, and the two are averaged with the time weight. With a fixed time scale the same
    level is taken from both, and variances are averaged. In both cases this is what HYSPLIT does
    at the places of its own particles.

    With scales the values of all four nodes, each with its own mixed layer, are interpolated.
    """
    if analyses.scales is None:
        return _turbulence_of_node(
            analyses, nodes.nearest, time_weight, base, mixed_layer, geometry=geometry, count=count
        )
    total = jnp.zeros((), jnp.float32)
    for node, weight in _weights(nodes):
        own = [each.surface[node, _MIXED_LAYER] for each in (analyses.first, analyses.second)]
        total = total + weight * _turbulence_of_node(
            analyses, node, time_weight, base, (own[0], own[1]), geometry=geometry, count=count
        )
    return total.at[:, _SIGMA].multiply(analyses.scales.turbulence)


def _turbulence_of_node(
    analyses: BracketingAnalyses,
    node: Array,
    time_weight: Array,
    base: Array,
    mixed_layer: tuple[Array, Array],
    *,
    geometry: Geometry,
    count: int,
) -> Array:
    """Return the turbulence at a node; see :func:`nearest_turbulence`."""
    now = mixed_layer[0] + time_weight * (mixed_layer[1] - mixed_layer[0])
    levels = geometry.levels
    index = base + jnp.arange(count, dtype=jnp.int32)[:, None]
    height = level_height(levels, index)
    fields = len(TURBULENCE_FIELDS)
    total = jnp.zeros((), jnp.float32)
    for analysis, depth, in_time in (
        (analyses.first, mixed_layer[0], 1.0 - time_weight),
        (analyses.second, mixed_layer[1], time_weight),
    ):
        if geometry.fixed_time_scale:
            level = index
        else:
            level = _closest_level(levels, height * (depth / now))
        start = (node * geometry.level_count + level) * fields
        values = _runs(analysis.turbulence, start.reshape(-1), fields).reshape(count, -1, fields)
        if geometry.fixed_time_scale:
            values = values.at[..., _SIGMA].set(jnp.square(values[..., _SIGMA]))
        total = total + in_time[:, None] * values
    if geometry.fixed_time_scale:
        total = total.at[..., _SIGMA].set(jnp.sqrt(total[..., _SIGMA]))
    return jnp.moveaxis(total, 2, 1)


def _closest_level(levels: InternalLevels, terrain_following_m: Array) -> Array:
    below = jnp.clip(
        jnp.floor(level_index(levels, terrain_following_m)).astype(jnp.int32), 0, levels.count - 2
    )
    to_lower = terrain_following_m - level_height(levels, below)
    to_upper = level_height(levels, below + 1) - terrain_following_m
    return jnp.where(to_upper < to_lower, below + 1, below)
