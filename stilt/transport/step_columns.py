"""Columns of the particle table that a step gives, from met fields at the particles."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
from jax import Array

from stilt.meteorology.fields import AIR_FIELDS
from stilt.transport.interpolation import (
    BracketingAnalyses,
    Geometry,
    Nodes,
    bilinear_levels,
    bilinear_surface,
    level_height,
    level_index,
    terrain_at,
)
from stilt.transport.particles import Particles

MAIN_COLUMNS = ("x", "y", "zagl", "foot", "samt", "mlht", "dens", "pres", "sigw", "tlgr", "zsfc")
"""Columns that every step gives."""

AIR_COLUMNS = ("temz", "rhfr")
SURFACE_COLUMNS = {
    "temp": "lowest_temperature_k",
    "shtf": "sensible_heat_w_m2",
    "whtf": "latent_heat_w_m2",
    "tcld": "total_cloud",
    "lcld": "low_cloud",
    "dswf": "short_wave_w_m2",
    "rain": "rain_m_min",
    "crai": "convective_rain_m_min",
}
"""Columns of surface fields, with the name of the field."""

EXTRA_COLUMNS = (*AIR_COLUMNS, "mass_rate", *SURFACE_COLUMNS, "wout")
"""Columns that a step gives, all of them, when any is asked for."""


def stacked(order: tuple[str, ...], columns: Mapping[str, Array]) -> Array:
    """Return columns of (particles,) as one array (columns, particles)."""
    return jnp.stack([columns[name] for name in order])


def mean_columns(
    analyses: BracketingAnalyses,
    geometry: Geometry,
    nodes: Nodes,
    weight: Array,
    moved: Particles,
    mixed_layer: Array,
) -> Array:
    """Return columns of a step without turbulence: no influence, no random velocity."""
    levels = geometry.levels
    index = jnp.clip(level_index(levels, moved.z), 0.0, levels.count - 1.001)
    base = jnp.floor(index).astype(jnp.int32)
    values = bilinear_levels(
        analyses,
        nodes,
        weight,
        base,
        table="column",
        geometry=geometry,
        count=2,
        names=("pressure_hpa", "dry_density"),
    )
    lower, upper = level_height(levels, base), level_height(levels, base + 1)
    fraction = jnp.clip((moved.z - lower) / (upper - lower), 0.0, 1.0)
    pressure, density = values[0] + fraction * (values[1] - values[0])
    terrain = terrain_at(analyses, nodes)
    zagl = moved.z * (levels.model_top_m - terrain) / levels.model_top_m
    zero = jnp.zeros_like(zagl)
    columns = {
        "x": moved.x,
        "y": moved.y,
        "zagl": zagl,
        "mlht": mixed_layer,
        "dens": density,
        "pres": pressure,
        "zsfc": terrain,
    }
    return stacked(MAIN_COLUMNS, {**dict.fromkeys(MAIN_COLUMNS, zero), **columns})


def extra_columns(
    analyses: BracketingAnalyses,
    geometry: Geometry,
    nodes: Nodes,
    weights: tuple[Array, Array],
    z: Array,
    vertical: Array,
    direction: int,
) -> Array:
    """Return :data:`EXTRA_COLUMNS` of particles at terrain-following heights ``z``."""
    levels = geometry.levels
    before, after = weights
    index = jnp.clip(level_index(levels, z), 0.0, levels.count - 1.001)
    base = jnp.floor(index).astype(jnp.int32)
    lower, upper = level_height(levels, base), level_height(levels, base + 1)
    fraction = jnp.clip((z - lower) / (upper - lower), 0.0, 1.0)

    def at(weight: Array, table: str, *names: str) -> Array:
        values = bilinear_levels(
            analyses,
            nodes,
            weight,
            base,
            table=table,
            geometry=geometry,
            count=2,
            names=names,
        )
        return values[0] + fraction * (values[1] - values[0])

    temperature, humidity, divergence = at(after, "air", *AIR_FIELDS)
    density = [at(jnp.full_like(z, weight), "column", "dry_density")[0] for weight in (0.0, 1.0)]
    now = density[0] + after * (density[1] - density[0])
    tendency = direction * (density[1] - density[0]) * (after - before) / now
    surface = {
        column: bilinear_surface(analyses, nodes, after, field)
        for column, field in SURFACE_COLUMNS.items()
    }
    columns = {
        "temz": temperature,
        "rhfr": humidity,
        "mass_rate": direction * (divergence + tendency),
        **surface,
        "wout": vertical,
    }
    return stacked(EXTRA_COLUMNS, columns)
