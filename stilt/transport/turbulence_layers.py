"""The layers of a particle's column: where they are, and what is constant inside each.

Between two internal levels turbulence is constant, with the values of the lower level. The mixed
layer ends at the first internal level at or above its diagnosed height; one level is inserted just
above that one, as in HYSPLIT. Layers are numbered from zero in the list with the inserted level.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from stilt.meteorology.fields import TURBULENCE_FIELDS
from stilt.meteorology.levels import InternalLevels
from stilt.transport.interpolation import (
    WINDOW_LEVELS,
    BracketingAnalyses,
    Geometry,
    Nodes,
    Profiles,
    bilinear_levels,
    level_height,
    level_index,
    nearest_mixed_layer,
    nearest_turbulence,
    own_levels,
    pick,
    profiles_from,
    terrain_at,
    window_base,
)

AIR_PROFILE_FIELDS = ("wind_x", "wind_y", "pressure_hpa", "dry_density")
"""Fields of a column that a particle needs while it moves within it."""

_SIGMA_RESOLUTION = 1e-4
_INSERTED_FRACTION = 0.05


class Column(NamedTuple):
    """What a half step needs to know of each particle's column; it is constant meanwhile.

    Attributes:
        inserted: zero-based level above which the extra level is inserted.
        stretch: terrain-following metres per metre above ground.
        influence_m: terrain-following height of the influence layer's top.
        mixed_layer_m: height of the mixed layer above ground.
    """

    inserted: Array
    stretch: Array
    influence_m: Array
    mixed_layer_m: Array


class AirProfiles(NamedTuple):
    """Wind along x and y (cells per minute), pressure (hPa) and density (kg m-3) of dry air.

    Attributes:
        base: lowest level held, int32 (particles,).
        fields: (WINDOW_LEVELS, :data:`AIR_PROFILE_FIELDS`, particles).
    """

    base: Array
    fields: Array

    @classmethod
    def of(cls, profiles: Profiles) -> AirProfiles:
        """Select them from all profiles of a column."""
        return cls(profiles.base, profiles.of(*AIR_PROFILE_FIELDS))

    def split(self) -> list[Array]:
        """Return every field by itself, (WINDOW_LEVELS, particles) each."""
        return [self.fields[:, field] for field in range(len(AIR_PROFILE_FIELDS))]


class LevelWindow(NamedTuple):
    """Profiles on ``WINDOW_LEVELS`` levels from ``base`` up; each (WINDOW_LEVELS, particles)."""

    base: Array
    sigma: Array
    time_scale: Array
    wind_x: Array
    wind_y: Array
    pressure: Array
    density: Array

    def at(self, level: Array) -> LevelWindow:
        """Return values at one zero-based level of each particle, which the window must hold."""
        offset = level - self.base
        held = self._asdict()
        del held["base"]
        return self._replace(**{name: pick(values, offset) for name, values in held.items()})


class Layer(NamedTuple):
    """Constants of the layer that each particle is in; (particles,) unless said.

    Attributes:
        lower, upper: terrain-following heights of its bounds, metres.
        sigma, time_scale: turbulence, m s-1 and s.
        pass_down, pass_up: probability of transmission at an interface; zero at the ground and
            the top.
        share, share_per_m: the upper level's share of the wind is share + share_per_m * z.
        wind: along x and y at the lower level, cells per minute, (2, particles).
        shear: upper minus lower wind, as ``wind``.
    """

    lower: Array
    upper: Array
    sigma: Array
    time_scale: Array
    pass_down: Array
    pass_up: Array
    share: Array
    share_per_m: Array
    wind: Array
    shear: Array


def column_at(
    analyses: BracketingAnalyses,
    geometry: Geometry,
    nodes: Nodes,
    time_weight: Array,
    influence: float,
) -> tuple[Column, Array]:
    """Return heights of the column and the dry mass of its influence layer (kg m-2)."""
    levels = geometry.levels
    top = jnp.float32(levels.model_top_m)
    stretch = top / (top - terrain_at(analyses, nodes))
    first, second = nearest_mixed_layer(analyses, nodes)
    mixed = first + time_weight * (second - first)
    depth = influence * mixed if influence <= 1.0 else jnp.full_like(mixed, influence)
    resolution = top * _SIGMA_RESOLUTION
    rounded = jnp.rint(mixed * stretch / resolution) * resolution
    inserted = jnp.ceil(level_index(levels, rounded) - 1e-4).astype(jnp.int32)
    inserted = jnp.clip(inserted, 0, levels.count - 2)
    influence_m = depth * stretch

    index = jnp.clip(level_index(levels, influence_m), 0.0, levels.count - 1.001)
    base = jnp.floor(index).astype(jnp.int32)
    names = ("dry_density", "dry_mass")
    values = bilinear_levels(
        analyses,
        nodes,
        time_weight,
        base,
        table="column",
        geometry=geometry,
        count=2,
        names=names,
    )

    def at(level: int, name: str) -> Array:
        return values[level, names.index(name)]

    lower, upper = level_height(levels, base), level_height(levels, base + 1)
    fraction = jnp.clip((influence_m - lower) / (upper - lower), 0.0, 1.0)
    density = at(0, "dry_density") + fraction * (at(1, "dry_density") - at(0, "dry_density"))
    above = (
        at(0, "dry_mass") + 0.5 * (at(0, "dry_density") + density) * (influence_m - lower) / stretch
    )
    mass = jnp.where(influence_m < lower, at(0, "dry_density") * depth, above)
    return Column(inserted, stretch, influence_m, mixed), mass


def load_window(
    analyses: BracketingAnalyses,
    geometry: Geometry,
    nodes: Nodes,
    time_weight: Array,
    layer: Array,
    inserted: Array,
    wind_error: Array | None = None,
) -> LevelWindow:
    """Load profiles on the levels around each particle's layer; see :func:`window_of`."""
    base = window_base(geometry, _property_level(layer, inserted))
    profiles = AirProfiles.of(profiles_from(analyses, geometry, nodes, time_weight, base))
    return window_of(analyses, geometry, nodes, time_weight, profiles, wind_error)


def window_of(
    analyses: BracketingAnalyses,
    geometry: Geometry,
    nodes: Nodes,
    time_weight: Array,
    air: AirProfiles,
    wind_error: Array | None = None,
) -> LevelWindow:
    """Return profiles of wind, pressure and density, with the turbulence added to them.

    Args:
        analyses, geometry, nodes, time_weight: the met fields.
        air: wind, pressure and density.
        wind_error: added to the wind of each particle's column, cells per minute,
            (particles * levels, 2).
    """
    turbulence = nearest_turbulence(
        analyses,
        nodes,
        time_weight,
        air.base,
        nearest_mixed_layer(analyses, nodes),
        geometry=geometry,
        count=WINDOW_LEVELS,
    )
    wind_x, wind_y, pressure, density = air.split()
    if wind_error is not None:
        error = own_levels(wind_error, air.base, geometry=geometry, count=WINDOW_LEVELS)
        wind_x, wind_y = wind_x + error[:, 0], wind_y + error[:, 1]
    sigma, time_scale = (
        turbulence[:, TURBULENCE_FIELDS.index(name)] for name in ("sigma_w_m_s", "time_scale_s")
    )
    return LevelWindow(air.base, sigma, time_scale, wind_x, wind_y, pressure, density)


def layer_of(levels: InternalLevels, z: Array, inserted: Array) -> Array:
    """Find the layer that holds a terrain-following height, counting the inserted level."""
    level = jnp.clip(jnp.floor(level_index(levels, z)).astype(jnp.int32), 0, levels.count - 2)
    extra = _inserted_height(levels, inserted)
    above = (level > inserted) | ((level == inserted) & (z >= extra))
    return level + above.astype(jnp.int32)


def _inserted_height(levels: InternalLevels, inserted: Array) -> Array:
    lower = level_height(levels, inserted)
    return lower + _INSERTED_FRACTION * (level_height(levels, inserted + 1) - lower)


def _bound(levels: InternalLevels, index: Array, inserted: Array) -> Array:
    """Return the terrain-following height of an interface in the list with the inserted level."""
    plain = level_height(levels, index - (index > inserted).astype(jnp.int32))
    return jnp.where(index == inserted + 1, _inserted_height(levels, inserted), plain)


def _property_level(layer: Array, inserted: Array) -> Array:
    """Return the level whose turbulence and density a layer has."""
    return layer - (layer > inserted + 1).astype(jnp.int32)


def turbulence_of(window: LevelWindow, layer: Array, inserted: Array) -> tuple[Array, Array]:
    """Return each layer's standard deviation of vertical velocity (m s-1) and time scale (s)."""
    offset = _property_level(layer, inserted) - window.base
    return pick(window.sigma, offset), pick(window.time_scale, offset)


def layer_constants(
    geometry: Geometry, inserted: Array, layer: Array, window: LevelWindow
) -> Layer:
    """Look up the constants of each particle's layer in the levels held.

    The inserted level has the wind of the level above it, as in HYSPLIT: the wind reaches that
    value within the thin layer and keeps it up to the next level.
    """
    levels = geometry.levels
    here = _property_level(layer, inserted) - window.base
    up = _property_level(jnp.minimum(layer + 1, geometry.level_count - 1), inserted) - window.base
    down = _property_level(jnp.maximum(layer - 1, 0), inserted) - window.base
    flux = window.density * window.sigma
    flux_here = pick(flux, here)
    lower, upper = _bound(levels, layer, inserted), _bound(levels, layer + 1, inserted)
    slope = jnp.where(layer == inserted + 1, 0.0, 1.0 / (upper - lower))
    share = jnp.where(layer == inserted + 1, 1.0, -lower * slope)
    below = layer - (layer > inserted).astype(jnp.int32) - window.base
    winds = jnp.stack([window.wind_x, window.wind_y], axis=1)
    wind = pick(winds, below)
    return Layer(
        lower=jnp.where(layer == 0, 0.0, lower),
        upper=upper,
        sigma=pick(window.sigma, here),
        time_scale=pick(window.time_scale, here),
        pass_down=jnp.where(layer == 0, 0.0, pick(flux, down) / flux_here),
        pass_up=jnp.where(layer == geometry.level_count - 1, 0.0, pick(flux, up) / flux_here),
        share=share,
        share_per_m=slope,
        wind=wind,
        shear=pick(winds, below + 1) - wind,
    )


def outside_window(geometry: Geometry, inserted: Array, layer: Array, window: LevelWindow) -> Array:
    """Return whether a layer and its neighbours are not all among the levels held."""
    level = _property_level(layer, inserted)
    first = (level - 1 < window.base) & (window.base > 0)
    last = (level + 1 > window.base + WINDOW_LEVELS - 1) & (
        window.base < geometry.level_count - WINDOW_LEVELS
    )
    return first | last


def air_at(
    levels: InternalLevels, column: Column, window: LevelWindow, layer: Array, z: Array
) -> tuple[Array, Array]:
    """Interpolate dry density (kg m-3) and pressure (hPa) to a terrain-following height."""
    level = layer - (layer > column.inserted).astype(jnp.int32)
    lower, upper = level_height(levels, level), level_height(levels, level + 1)
    fraction = jnp.clip((z - lower) / (upper - lower), 0.0, 1.0)
    low, high = window.at(level), window.at(level + 1)
    return (
        low.density + fraction * (high.density - low.density),
        low.pressure + fraction * (high.pressure - low.pressure),
    )
