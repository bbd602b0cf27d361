"""Transport under scaled meteorology, and its derivative along the scales, in forward mode.

The particles of one release are advanced by the step that every run uses
(:mod:`stilt.transport.step`), with :class:`~stilt.transport.scales.Scales` and the smooth random
flight of :mod:`stilt.transport.smooth_flight`, in double precision: in single precision, rounding
that grows along a day's path hides how little a small step of a parameter changes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from stilt.config import ModelConfig
from stilt.errors import UsageError
from stilt.meteorology.formats import read_analysis
from stilt.meteorology.prepared_store import PreparedStore
from stilt.meteorology.records import AnalysisRef
from stilt.plume import influenced_height_m, plume_growth_m, plume_influence
from stilt.transport.initial_particles import initial_particles
from stilt.transport.interpolation import AnalysisArrays, BracketingAnalyses, Geometry
from stilt.transport.met_stream import MetStream, met_streams
from stilt.transport.particles import Particles
from stilt.transport.plumes import NearField
from stilt.transport.preparation import first_minute_of
from stilt.transport.release import Release
from stilt.transport.scales import Scales
from stilt.transport.step import Physics, minute_step
from stilt.transport.step_columns import MAIN_COLUMNS
from stilt.transport.sweep import to_device
from stilt.transport.transport_batch import outside_weather, physics_of

PARAMETERS = ("mixed_layer", "wind", "direction", "turbulence")
"""Parameters along which the transport can be differentiated, in the order of a parameter vector:
three factors, and the degrees by which the wind veers (the direction it blows from increases)."""

REFERENCE = (1.0, 1.0, 0.0, 1.0)
"""Values of the parameters that change nothing."""

MOST_MINUTES = 60
_MOVING = ("x", "y", "z", "u", "v", "q")


class Traced(NamedTuple):
    """Places and influence of particles over some minutes; (minutes, particles) each.

    Attributes:
        x, y: places, cells from the release cell.
        foot: influence, ppm per (umol m-2 s-1).
    """

    x: Any
    y: Any
    foot: Any


class Minutes(NamedTuple):
    """Some minutes of a perturbed run.

    Attributes:
        first: minutes between the release and the start of the first one.
        moved: whether a particle has moved, (minutes, particles).
        rows: at the parameter values asked for.
        change: derivatives, (parameters, minutes, particles) each; None without them.
    """

    first: int
    moved: np.ndarray
    rows: Traced
    change: Traced | None


class _Setting(NamedTuple):
    """Static arguments of compiled code; ``plume`` is the VEGHT of the HNF correction, or None."""

    geometry: Geometry
    physics: Physics
    plume: float | None


class _Fields(NamedTuple):
    first: AnalysisArrays
    second: AnalysisArrays
    cell_size_m: Array
    aspect: Array
    height_agl_m: Array


class _Span(NamedTuple):
    tick: Any
    minutes: Any
    offset: Any
    interval: Any


def perturbed_run(
    stream: MetStream,
    physics: Physics,
    particles: Particles,
    height_agl_m: np.ndarray,
    values: np.ndarray,
    *,
    derivative: tuple[str, ...] = (),
    near_field: bool,
) -> Iterator[Minutes]:
    """Follow the particles of one release under given values of the parameters.

    Args:
        stream: the analyses, all of one grid.
        physics: settings of a step, without transport errors.
        particles: at release, NumPy leaves of shape (particles,).
        height_agl_m: release heights, (particles,).
        values: of :data:`PARAMETERS`.
        derivative: parameters along which to differentiate; none gives the run alone.
        near_field: correct influence for the near field.
    """
    setting = _Setting(stream.geometry, physics, physics.influence if near_field else None)
    with _double_precision():
        size = jnp.asarray(stream.cell_size_m, float)
        ends = size, size[:, 1] / size[:, 0], jnp.asarray(height_agl_m, float)
        moving = {name: jnp.asarray(getattr(particles, name), float) for name in _MOVING}
        moving["grown_m"] = jnp.zeros_like(moving["x"])
        basis = jnp.eye(len(PARAMETERS))
        basis = basis[np.array([PARAMETERS.index(name) for name in derivative], int)]
        changes = {name: jnp.zeros((len(derivative), *leaf.shape)) for name, leaf in moving.items()}
        theta = jnp.asarray(values, float)
    start, last = int(particles.start.min()), int(particles.stop.max())
    tick, held = start, dict[int, AnalysisArrays]()
    while tick < last:
        first, second = stream.clock.bracket(tick)
        held = {at: held.get(at) or to_device(stream.load(at)) for at in (first, second)}
        minutes = min(MOST_MINUTES, stream.clock.ticks_left(tick, second), last - tick)
        times = stream.clock.analysis_minutes
        span = _Span(
            np.int32(tick),
            np.int32(minutes),
            np.int32(stream.clock.offset(tick, first)),
            np.float64(abs(times[first] - times[second])),
        )
        fields = _Fields(held[first], held[second], *ends)
        change = None
        with _double_precision():
            if derivative:
                (moving, rows), (changes, slopes), (particles, moved) = _with_derivative(
                    theta, basis, moving, changes, particles, fields, span, setting=setting
                )
                change = Traced(*(np.asarray(leaf)[:, :minutes] for leaf in slopes))
            else:
                (moving, rows), (particles, moved) = _alone(
                    theta, moving, particles, fields, span, setting=setting
                )
            rows = Traced(*(np.asarray(leaf)[:minutes] for leaf in rows))
            moved = np.asarray(moved)[:minutes]
        yield Minutes(tick - start, moved, rows, change)
        tick += minutes


@contextmanager
def _double_precision() -> Iterator[None]:
    """Compute in double precision; met fields and random numbers keep their single precision."""
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        yield


_State = dict[str, Array]
_Made = tuple[tuple[_State, Traced], tuple[Particles, Array]]


@partial(jax.jit, static_argnames=("setting",))
def _alone(
    theta: Array,
    moving: _State,
    particles: Particles,
    fields: _Fields,
    span: _Span,
    *,
    setting: _Setting,
) -> _Made:
    """Advance by the minutes of a span; return what has a derivative, then what has none."""
    mixed_layer, wind, degrees, turbulence = theta
    scales = Scales(mixed_layer, wind, jnp.deg2rad(degrees), turbulence, fields.aspect)
    analyses = BracketingAnalyses(fields.first, fields.second, scales)
    shape = (MOST_MINUTES, moving["x"].size)
    empty = Traced(*[jnp.zeros(shape)] * len(Traced._fields)), jnp.zeros(shape, bool)

    def one_minute(minute: Array, now: Any) -> Any:
        moving, alive, rows, moved = now
        tick = span.tick + minute
        state = particles._replace(
            **{name: moving[name] for name in _MOVING},
            alive=alive,
        )
        weights = [(span.offset + minute + end) / span.interval for end in (0, 1)]
        state, moves, columns = minute_step(
            analyses, setting.geometry, setting.physics, state, tick, (weights[0], weights[1]),
            fields.cell_size_m,
        )  # fmt: skip
        column = dict(zip(MAIN_COLUMNS, columns, strict=False))
        grown_m, foot = moving["grown_m"], column["foot"]
        if setting.plume is not None:
            elapsed_min = (tick + 1 - particles.start).astype(float)
            grown_m, foot = _diluted(column, grown_m, elapsed_min, fields, setting.plume, moves)
        made = Traced(column["x"], column["y"], foot)
        rows = Traced(*(out.at[minute].set(new) for out, new in zip(rows, made, strict=True)))
        kept = {name: getattr(state, name) for name in _MOVING}
        return {**kept, "grown_m": grown_m}, state.alive, rows, moved.at[minute].set(moves)

    begin = (moving, jnp.asarray(particles.alive), *empty)
    moving, alive, rows, moved = jax.lax.fori_loop(0, span.minutes, one_minute, begin)
    return (moving, rows), (particles._replace(alive=alive), moved)


@partial(jax.jit, static_argnames=("setting",))
def _with_derivative(
    theta: Array,
    basis: Array,
    moving: _State,
    changes: _State,
    particles: Particles,
    fields: _Fields,
    span: _Span,
    *,
    setting: _Setting,
) -> Any:
    """Advance as :func:`_alone` does, and propagate the derivative along each vector of a basis."""

    def along(direction: Array, change: _State) -> Any:
        def run(theta: Array, moving: _State) -> _Made:
            return _alone(theta, moving, particles, fields, span, setting=setting)

        return jax.jvp(run, (theta, moving), (direction, change), has_aux=True)

    return jax.vmap(along, out_axes=(None, 0, None))(basis, changes)


def _diluted(
    column: dict[str, Array],
    grown_m: Array,
    elapsed_min: Array,
    fields: _Fields,
    veght: float,
    moves: Array,
) -> tuple[Array, Array]:
    """Return plume depths after a minute, and influence corrected for the near field."""
    growth = plume_growth_m(column["samt"], column["sigw"], column["tlgr"], elapsed_min, jnp)
    counts = moves & ((column["samt"] != 0.0) | (column["foot"] != 0.0))
    grown_m = grown_m + jnp.where(counts, growth, 0.0)
    plume_m = fields.height_agl_m + grown_m
    shallow = counts & (plume_m < influenced_height_m(column["mlht"], veght))
    safe_m = jnp.where(shallow, plume_m, 1.0)
    diluted = plume_influence(safe_m, column["dens"], column["samt"])
    return grown_m, jnp.where(shallow, diluted, column["foot"])


@dataclass(frozen=True)
class PerturbedRelease:
    """The particles of a release, to be followed under given values of the parameters.

    Attributes:
        stream: the analyses, all of one grid.
        particles: at release.
        height_agl_m: release heights, (particles,).
        config: run controls and transport settings.
        met: name of the meteorology.
    """

    stream: MetStream
    particles: Particles
    height_agl_m: np.ndarray
    config: ModelConfig
    met: str
    reference: ClassVar[tuple[float, ...]] = REFERENCE

    @property
    def count(self) -> int:
        """Number of particles."""
        return int(self.particles.x.size)

    @property
    def direction(self) -> int:
        """Sign of time."""
        return self.stream.clock.direction

    def run(self, values: Sequence[float], derivative: Sequence[str] = ()) -> Iterator[Minutes]:
        """Follow them; see :func:`perturbed_run`."""
        return perturbed_run(
            self.stream,
            physics_of(self.config),
            self.particles,
            self.height_agl_m,
            np.asarray(values),
            derivative=tuple(derivative),
            near_field=self.config.hnf_plume,
        )

    def places(self, rows: Traced) -> tuple[np.ndarray, np.ndarray]:
        """Return indices in the met grid, (minutes, particles) each."""
        start = self.particles
        return start.cell_x + rows.x, start.cell_y + rows.y

    def to_lonlat(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return longitudes and latitudes of indices in the met grid."""
        return self.stream.grid.to_lonlat(x, y)


def release_for(
    release: Release, refs: Sequence[AnalysisRef], config: ModelConfig, *, cache_dir: Path, met: str
) -> PerturbedRelease:
    """Return the particles of a release with the analyses that bracket their run.

    Args:
        release: what starts where and when.
        refs: analyses that bracket the whole run.
        config: run controls and transport settings.
        cache_dir: folder of prepared analyses.
        met: name of the meteorology.

    Raises:
        UsageError: the analyses are of several grids, or there is no turbulence.
        MeteorologyError: the release lies outside them.
    """
    if config.nturb != 0:
        raise UsageError("A sensitivity needs turbulence: set nturb to 0.")
    store = PreparedStore(cache_dir, read_analysis)
    streams = met_streams(refs, config, first_minute_of([release], config), store)
    if len(streams) > 1:
        raise UsageError(
            f"The meteorology {met} has several grids, and a sensitivity needs one: name the files "
            "of one grid in a meteorology of its own."
        )
    (stream,) = streams
    lon, lat, _ = release.assign(config.numpar)
    if not stream.grid.usable(*stream.grid.to_xy(lon, lat)).all():
        raise outside_weather(release, stream.grid)
    particles = initial_particles(
        [release], [0], stream.grid, stream.geometry, stream.terrain_m(), config.numpar,
        abs(config.n_hours) * 60, None,
    )  # fmt: skip
    heights = NearField.of([release], config).height_agl_m
    return PerturbedRelease(stream, particles, heights, config, met)
