"""Random errors of wind and mixed-layer height: a second run, with them, shows their effect.

Wind errors (Lin and Gerbig 2005, doi:10.1029/2004GL021127) are a profile of velocities that each
particle carries with it, correlated between levels, and forgotten with time and with the distance
that the mean wind has carried the particle. Errors of the mixed-layer height (Gerbig et al. 2008,
doi:10.5194/acp-8-591-2008) are one number per particle that scales its influence. Both are kept in
units of their standard deviation, as first-order autoregressive processes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from stilt.meteorology.levels import InternalLevels
from stilt.transport.random import normals, stream

# Words that separate the random numbers of errors from those of turbulence and from each other.
_WIND_STREAM = 0x57494E44
_MIXED_LAYER_STREAM = 0x5A455252
_LEAST = 1e-30


class WindErrorSettings(NamedTuple):
    """Size of wind errors: standard deviation (m s-1) and scales of their correlation."""

    deviation_m_s: float
    time_min: float
    height_m: float
    distance_km: float


class MixedLayerErrorSettings(NamedTuple):
    """Size of mixed-layer height errors: relative standard deviation, and correlation scales."""

    deviation: float
    time_min: float
    distance_km: float


class TransportErrorSettings(NamedTuple):
    """Settings of an error run; hashable, so that they can be static in compiled code."""

    wind: WindErrorSettings | None
    mixed_layer: MixedLayerErrorSettings | None


class ErrorState(NamedTuple):
    """Present errors of particles, in standard deviations; NumPy on the host, JAX in a step.

    Attributes:
        wind: (particles, levels, 2) along x and y, or None.
        mixed_layer: (particles,), or None.
    """

    wind: Any
    mixed_layer: Any


class MinuteErrors(NamedTuple):
    """Effects of the errors in one minute; all None without errors.

    Attributes:
        after: errors at its end.
        wind: wind errors at its start and end, cells per minute, (2, particles * levels, 2): the
            layout from which profiles are gathered.
        influence: factor of the minute's influence, (particles,).
    """

    after: ErrorState | None = None
    wind: Array | None = None
    influence: Array | None = None


def initial_errors(
    settings: TransportErrorSettings, levels: InternalLevels, key: int, count: int
) -> ErrorState:
    """Draw the errors of one release's particles at their start: float32 NumPy leaves.

    Args:
        settings: which errors there are.
        levels: internal levels.
        key: the release's random stream.
        count: number of particles.
    """
    wind = mixed_layer = None
    if settings.wind is not None:
        rng = np.random.Generator(np.random.Philox(key=[key, 2]))
        wind = rng.standard_normal((count, levels.count, 2), dtype=np.float32)
        for level, memory in enumerate(_vertical_memory(levels, settings.wind.height_m)):
            fresh = np.sqrt(np.float32(1.0) - memory * memory)
            wind[:, level] = memory * wind[:, level - 1] + fresh * wind[:, level]
    if settings.mixed_layer is not None:
        rng = np.random.Generator(np.random.Philox(key=[key, 3]))
        mixed_layer = rng.standard_normal(count, dtype=np.float32)
    return ErrorState(wind, mixed_layer)


def next_errors(
    settings: TransportErrorSettings,
    levels: InternalLevels,
    errors: ErrorState,
    keys: tuple[Array, Array, Array],
    age_min: Array,
    distance_km: Array,
) -> ErrorState:
    """Advance the errors by a minute.

    Decorrelation with time and then with distance, each with new random numbers, is one step with
    the product of both memories: e <- R e + sqrt(1 - R^2) n, R = exp(-1/tl) exp(-distance/l).

    Args:
        settings, levels: as for :func:`initial_errors`.
        errors: present errors.
        keys: two words of the receptor's key and the particle's number, uint32 (particles,).
        age_min: whole minutes since release, int32 (particles,).
        distance_km: distance that the mean wind goes in this minute, (particles,).
    """
    age = age_min.astype(jnp.uint32)
    wind, mixed_layer = errors.wind, errors.mixed_layer
    if settings.wind is not None:
        memory, fresh = _memory(settings.wind.time_min, settings.wind.distance_km, distance_km)
        level = jnp.arange(levels.count, dtype=jnp.uint32)[:, None]
        shape = (levels.count, *age.shape)
        key0, key1, number = (jnp.broadcast_to(word, shape) for word in keys)
        counter = age * jnp.uint32(levels.count) + level
        size, angle, _, _ = stream((key0, key1, number), counter, _WIND_STREAM)
        noise = jnp.stack(normals(size, angle), axis=1)
        noise = jnp.moveaxis(_correlated(noise, levels, settings.wind.height_m), -1, 0)
        wind = memory[:, None, None] * wind + fresh[:, None, None] * noise
    if settings.mixed_layer is not None:
        scales = settings.mixed_layer
        memory, fresh = _memory(scales.time_min, scales.distance_km, distance_km)
        size, angle, _, _ = stream(keys, age, _MIXED_LAYER_STREAM)
        mixed_layer = memory * mixed_layer + fresh * normals(size, angle)[0]
    return ErrorState(wind, mixed_layer)


def errors_of_minute(
    settings: TransportErrorSettings | None,
    levels: InternalLevels,
    errors: ErrorState | None,
    keys: tuple[Array, Array, Array],
    age_min: Array,
    moved_cells: Array,
    cell_sizes_m: tuple[Array, Array],
) -> MinuteErrors:
    """Advance the errors by one minute, and return their effects in it.

    The first half of the minute has the wind errors of its start, the second half those of its
    end, which have decorrelated in part along the path. As in HYSPLIT, that is the path of the mean
    wind without its error: in calm air nothing decorrelates with distance.

    Args:
        settings, levels, keys, age_min: as for :func:`next_errors`; None in a main run.
        errors: present errors, None in a main run.
        moved_cells: displacement by the mean wind in this minute, (particles, 2).
        cell_sizes_m: size of the cell at the minute's start and mean end point, (particles, 2).
    """
    if settings is None or errors is None:
        return MinuteErrors()
    moved_m = moved_cells * cell_sizes_m[0]
    distance_km = jnp.sqrt(moved_m[:, 0] ** 2 + moved_m[:, 1] ** 2) / 1000.0
    after = next_errors(settings, levels, errors, keys, age_min, distance_km)
    wind = influence = None
    if settings.wind is not None:
        ends = zip((errors.wind, after.wind), cell_sizes_m, strict=True)
        wind = jnp.stack([_profiles(settings.wind, error, size) for error, size in ends])
    if settings.mixed_layer is not None:
        relative = settings.mixed_layer.deviation * after.mixed_layer
        influence = jnp.maximum(0.0, 1.0 + relative)
    return MinuteErrors(after, wind, influence)


def _profiles(settings: WindErrorSettings, wind: Array, cell_size_m: Array) -> Array:
    """Return wind errors in cells per minute, (particles * levels, 2)."""
    scaled = wind * (settings.deviation_m_s * 60.0 / cell_size_m)[:, None, :]
    return scaled.reshape(-1, 2)


def _memory(time_min: float, length_km: float, distance_km: Array) -> tuple[Array, Array]:
    """Return the shares of the old error and of new noise after a minute; a scale may be 0."""
    exponent = 1.0 / max(time_min, _LEAST) + distance_km / max(length_km, _LEAST)
    memory = jnp.exp(-exponent)
    return memory, jnp.sqrt(1.0 - memory * memory)


def _vertical_memory(levels: InternalLevels, height_m: float) -> np.ndarray:
    """Return the correlation of each level with the one below, (levels,); 0 for the lowest."""
    apart = np.diff(levels.heights_m, prepend=-np.inf)
    return np.exp(-apart / max(height_m, _LEAST)).astype(np.float32)


def _correlated(noise: Array, levels: InternalLevels, height_m: float) -> Array:
    """Correlate white noise (levels, ...) along its first axis."""
    memory = _vertical_memory(levels, height_m)
    fresh = np.sqrt(np.float32(1.0) - memory * memory)

    def up(below: Array, level: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        kept, new, white = level
        value = kept * below + new * white
        return value, value

    levels_up = (jnp.asarray(memory), jnp.asarray(fresh), noise)
    _, profile = jax.lax.scan(up, jnp.zeros_like(noise[0]), levels_up)
    return profile
