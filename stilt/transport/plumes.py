"""The hyper-near-field (HNF) correction of rows as they are computed; see :mod:`stilt.plume`.

It does minute by minute what :func:`stilt.footprint.apply_near_field` does to a whole table, so
that columns which only the correction needs are not collected. On the host both give the same
numbers to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from stilt.plume import influenced_height_m, plume_growth_m, plume_influence
from stilt.transport.program import Chunk, ChunkRows
from stilt.transport.step_columns import MAIN_COLUMNS

if TYPE_CHECKING:
    from stilt.config import ModelConfig
    from stilt.transport.release import Release

# No mixed layer is deeper, unless a factor set by the user makes it so.
_DEEPEST_M = 100_000.0
_PLUME_COLUMNS = ("foot", "samt", "sigw", "tlgr", "dens", "mlht")


@dataclass(frozen=True)
class NearField:
    """What the correction needs of a sweep's particles besides their rows.

    Attributes:
        height_agl_m: release height of every particle, shape (particles,).
        veght: see :func:`stilt.plume.influenced_height_m`.
        deepest_m: no layer that takes up surface fluxes is deeper.
    """

    height_agl_m: np.ndarray
    veght: float
    deepest_m: float = np.inf

    @classmethod
    def of(cls, releases: Sequence[Release], config: ModelConfig) -> Self:
        """Return release heights as a particle table gives them."""
        heights = []
        for release in releases:
            nominal = release.nominal_heights(config.numpar)
            heights.append(
                np.resize(release.heights_m if nominal is None else nominal, config.numpar)
            )
        deepest_m = np.inf if config.zicontroltf else influenced_height_m(_DEEPEST_M, config.veght)
        return cls(np.concatenate(heights), config.veght, deepest_m)


def corrects_near_field(config: ModelConfig) -> bool:
    """Return whether a sweep can apply the correction that ``config.hnf_plume`` asks for.

    It can where every row is written to the table; release heights must be above ground.
    """
    return config.hnf_plume and config.outdt == 0


class Plumes(NamedTuple):
    """Plumes of the particles of a call.

    Attributes:
        height_agl_m: release height, shape (particles,).
        start: minute of the sweep at which a particle is released, shape (particles,).
        grown_m: how much deeper its plume has become, shape (particles,), float64.
    """

    height_agl_m: jax.Array
    start: jax.Array
    grown_m: jax.Array

    @classmethod
    def at_release(cls, height_agl_m: np.ndarray, start: np.ndarray, particles: int) -> Self:
        """Start the plumes of particles, padded with copies up to a number."""
        with jax.enable_x64(True):
            height = jnp.asarray(np.resize(height_agl_m, particles), jnp.float64)
            return cls(height, jnp.asarray(np.resize(start, particles)), jnp.zeros_like(height))


def corrected_influence(
    rows: ChunkRows, plumes: Plumes, chunk: Chunk, *, names: tuple[str, ...], veght: float
) -> tuple[jax.Array, Plumes]:
    """Return influence of a chunk's rows, (minutes, particles), and the plumes after it.

    Args:
        rows: of the chunk's minutes; those beyond are ignored.
        plumes: at the start of the chunk; donated to the call.
        chunk: whose minutes count.
        names: of the columns.
        veght: see :class:`NearField`.
    """
    with jax.enable_x64(True):
        return _corrected(
            rows, plumes, np.int32(chunk.tick), np.int32(chunk.minutes), names=names, veght=veght
        )


@partial(jax.jit, static_argnames=("names", "veght"), donate_argnames=("plumes",))
def _corrected(
    rows: ChunkRows,
    plumes: Plumes,
    tick: jax.Array,
    minutes: jax.Array,
    *,
    names: tuple[str, ...],
    veght: float,
) -> tuple[jax.Array, Plumes]:
    def one_minute(
        minute: jax.Array, now: tuple[jax.Array, jax.Array]
    ) -> tuple[jax.Array, jax.Array]:
        influence, grown_m = now
        here = jax.lax.dynamic_index_in_dim(rows.values, minute, axis=1, keepdims=False)
        column = {name: here[number].astype(jnp.float64) for number, name in enumerate(names)}
        elapsed_min = (tick + minute + 1 - plumes.start).astype(jnp.float64)
        growth = plume_growth_m(column["samt"], column["sigw"], column["tlgr"], elapsed_min, jnp)
        counts = rows.moved[minute] & ((column["samt"] != 0.0) | (column["foot"] != 0.0))
        known = counts & ~jnp.isnan(growth)
        grown_m = grown_m + jnp.where(known, growth, 0.0)
        plume_m = plumes.height_agl_m + grown_m
        shallow = known & (plume_m < influenced_height_m(column["mlht"], veght))
        diluted = plume_influence(plume_m, column["dens"], column["samt"])
        foot = jnp.where(shallow, diluted, column["foot"]).astype(influence.dtype)
        return jax.lax.dynamic_update_index_in_dim(influence, foot, minute, axis=0), grown_m

    begin = jnp.zeros(rows.moved.shape, rows.values.dtype), plumes.grown_m
    influence, grown_m = jax.lax.fori_loop(np.int32(0), minutes, one_minute, begin)
    return influence, plumes._replace(grown_m=grown_m)


class HostPlumes:
    """Plumes of a sweep's particles on the host, whose rows come for some particles at a time.

    Growth is added in the order of minutes, so that it does not depend on how calls are divided.
    """

    def __init__(self, near_field: NearField, start: np.ndarray) -> None:
        """Start the plumes.

        Args:
            near_field: release heights, layer.
            start: minute of the sweep at which each particle is released, shape (particles,).
        """
        self._near_field, self._start = near_field, start
        self._grown_m = np.zeros(len(start))
        self._deep = np.zeros(len(start), bool)

    def corrected(
        self, values: np.ndarray, moved: np.ndarray, numbers: np.ndarray, tick: int
    ) -> np.ndarray:
        """Return the corrected influence of some particles, (minutes, n), and let plumes grow.

        Args:
            values: the main columns first, (columns, minutes, n).
            moved: whether there is such a row, (minutes, n).
            numbers: of the particles in the sweep, (n,).
            tick: minute of the sweep of the first row.
        """
        column = {name: values[MAIN_COLUMNS.index(name)] for name in _PLUME_COLUMNS}
        influence: np.ndarray = column["foot"]
        counts = moved & ((column["samt"] != 0.0) | (influence != 0.0)) & ~self._deep[numbers]
        some = np.flatnonzero(counts.any(axis=0))
        if some.size == 0:
            return influence
        number, counts = numbers[some], counts[:, some]
        minute, place = np.nonzero(counts)
        samt_min, sigma_w, scale_s, density, height_m = (
            column[name][minute, some[place]].astype(np.float64)
            for name in ("samt", "sigw", "tlgr", "dens", "mlht")
        )
        elapsed_min = (tick + 1.0 - self._start[number])[place] + minute
        growth = plume_growth_m(samt_min, sigma_w, scale_s, elapsed_min)
        depth = np.zeros((len(counts) + 1, some.size))
        depth[0] = self._grown_m[number]
        depth[minute + 1, place] = np.where(np.isnan(growth), 0.0, growth)
        np.add.accumulate(depth, axis=0, out=depth)
        self._grown_m[number] = depth[-1]
        released_m = self._near_field.height_agl_m[number]
        self._deep[number] = released_m + depth[-1] >= self._near_field.deepest_m
        plume_m = released_m[place] + depth[minute + 1, place]
        shallow = plume_m < influenced_height_m(height_m, self._near_field.veght)
        shallow &= ~np.isnan(growth)
        diluted = plume_influence(plume_m[shallow], density[shallow], samt_min[shallow])
        influence = influence.copy()
        influence[minute[shallow], some[place[shallow]]] = diluted
        return influence
