"""The compiled program of the transport: blocks of particles advanced by some minutes."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from stilt.transport.interpolation import BracketingAnalyses, Geometry
from stilt.transport.particles import Particles
from stilt.transport.step import Physics, minute_step
from stilt.transport.step_columns import EXTRA_COLUMNS, MAIN_COLUMNS


def column_names(physics: Physics) -> tuple[str, ...]:
    """Return the names of the columns that a sweep with these settings gives."""
    return MAIN_COLUMNS + EXTRA_COLUMNS if physics.extra else MAIN_COLUMNS


class Static(NamedTuple):
    """What determines the compiled program, besides the shapes of its arguments.

    Attributes:
        geometry: shape of the meteorology.
        physics: settings of a step.
        size: particles of a block.
    """

    geometry: Geometry
    physics: Physics
    size: int


class Programs(Protocol):
    """Where compiled programs come from."""

    def run(self, static: Static, arguments: tuple[Any, ...]) -> tuple[Particles, ChunkRows]:
        """Run the program for these settings and shapes; the rows are donated to the call."""


class JustInTime:
    """Programs that JAX compiles at their first run, with the options of this process."""

    def run(self, static: Static, arguments: tuple[Any, ...]) -> tuple[Particles, ChunkRows]:
        """Run the program for these settings and shapes."""
        done: tuple[Particles, ChunkRows] = _advance(*arguments, **static._asdict())
        return done


JUST_IN_TIME = JustInTime()


def shapes_of(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the shapes and types of a program's arguments, in their structure."""

    def shape_of(leaf: Any) -> Any:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)  # type: ignore[no-untyped-call]

    shapes: tuple[Any, ...] = jax.tree.map(shape_of, arguments)
    return shapes


def compiled(static: Static, shapes: tuple[Any, ...]) -> jax.stages.Compiled:
    """Compile the program for some settings and shapes, without running it."""
    return _advance.lower(*shapes, **static._asdict()).compile()


class SweepSettings(NamedTuple):
    """What stays the same throughout a sweep.

    Attributes:
        geometry: shape of the meteorology.
        physics: settings of a step.
        cell_size_m: (ny * nx, 2).
        programs: where compiled programs come from.
    """

    geometry: Geometry
    physics: Physics
    cell_size_m: jax.Array
    programs: Programs = JUST_IN_TIME


class Chunk(NamedTuple):
    """Some minutes of a sweep, within one pair of analyses.

    Attributes:
        analyses: the two around them.
        tick: first minute of the sweep.
        minutes: how many.
        offset: minutes from the first of the two analyses to ``tick``.
        interval: minutes between the two analyses.
    """

    analyses: BracketingAnalyses
    tick: int
    minutes: int
    offset: int
    interval: int


class ChunkRows(NamedTuple):
    """Rows of the minutes of one call; overwritten by the next call.

    Attributes:
        values: (columns, minutes, particles), float32.
        moved: (minutes, particles), whether there is such a row.
    """

    values: jax.Array
    moved: jax.Array

    @classmethod
    def empty(cls, columns: int, minutes: int, particles: int) -> ChunkRows:
        """Reserve room on the device for so many columns, minutes and particles."""
        # ``jnp.zeros`` would compile a program for each shape.
        return cls(
            jax.device_put(np.zeros((columns, minutes, particles), np.float32)),
            jax.device_put(np.zeros((minutes, particles), bool)),
        )


def advance(
    setting: SweepSettings,
    chunk: Chunk,
    particles: Particles,
    rows: ChunkRows,
    *,
    count: int,
    size: int,
) -> tuple[Particles, ChunkRows]:
    """Advance the blocks that hold the first ``count`` particles by the minutes of a chunk.

    Particles of other blocks, and rows beyond the chunk's minutes, are left as they were.

    Args:
        setting, chunk: the sweep and its present minutes.
        particles: (n,), a multiple of ``size``.
        rows: of as many particles; donated to the call.
        count: number of real particles; the others are padding.
        size: particles of a block.
    """
    return setting.programs.run(
        Static(setting.geometry, setting.physics, size),
        (
            chunk.analyses,
            particles,
            rows,
            setting.cell_size_m,
            np.int32(chunk.tick),
            np.int32(chunk.minutes),
            np.int32(chunk.offset),
            np.float32(chunk.interval),
            np.int32(-(-count // size)),
        ),
    )


@partial(jax.jit, static_argnames=("geometry", "physics", "size"), donate_argnames=("rows",))
def _advance(
    analyses: BracketingAnalyses,
    particles: Particles,
    rows: ChunkRows,
    cell_size_m: jax.Array,
    tick: jax.Array,
    minutes: jax.Array,
    offset: jax.Array,
    interval: jax.Array,
    blocks: jax.Array,
    *,
    geometry: Geometry,
    physics: Physics,
    size: int,
) -> tuple[Particles, ChunkRows]:
    def minute_of_block(
        minute: jax.Array, now: tuple[Particles, ChunkRows], first: jax.Array
    ) -> tuple[Particles, ChunkRows]:
        state, rows = now
        before = (offset + minute).astype(jnp.float32) / interval
        after = (offset + minute + 1).astype(jnp.float32) / interval
        state, moves, columns = minute_step(
            analyses, geometry, physics, state, tick + minute, (before, after), cell_size_m
        )
        place = (jnp.zeros_like(first), minute, first)
        return state, ChunkRows(
            jax.lax.dynamic_update_slice(rows.values, columns[:, None], place),
            jax.lax.dynamic_update_slice(rows.moved, moves[None], place[1:]),
        )

    def one_block(
        number: jax.Array, carry: tuple[Particles, ChunkRows]
    ) -> tuple[Particles, ChunkRows]:
        every, rows = carry
        first = number * size
        block = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, first, size), every)
        block, rows = jax.lax.fori_loop(
            0, minutes, lambda minute, now: minute_of_block(minute, now, first), (block, rows)
        )
        every = jax.tree.map(
            lambda leaf, new: jax.lax.dynamic_update_slice_in_dim(leaf, new, first, 0),
            every,
            block,
        )
        return every, rows

    return jax.lax.fori_loop(0, blocks, one_block, (particles, rows))


def taken(particles: Particles, which: slice | np.ndarray) -> Particles:
    """Return some of the particles."""
    return jax.tree.map(lambda leaf: leaf[which], particles)


def filled_up(particles: Particles, numbers: np.ndarray, multiple: int) -> Particles:
    """Return the particles of these numbers, padded with copies that never move to a multiple."""
    chosen = taken(particles, np.resize(numbers, -(-len(numbers) // multiple) * multiple))
    chosen.alive[len(numbers) :] = False
    return chosen
