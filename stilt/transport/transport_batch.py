"""Transport of a batch of receptors: releases and analyses in, particle tables out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pandas as pd

from stilt.config import ModelConfig
from stilt.config.run import MIXED_HEIGHT_ERROR_FIELDS, WIND_ERROR_FIELDS
from stilt.errors import (
    ConfigValidationError,
    MeteorologyError,
    NoParticleOutputError,
    Reason,
    SimulationError,
)
from stilt.meteorology.formats import read_analysis
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.outside_grid import outside_grid
from stilt.meteorology.prepare import SURFACES
from stilt.meteorology.prepared_store import PreparedStore
from stilt.meteorology.records import AnalysisRef
from stilt.transport.clock import minute_of
from stilt.transport.device import device
from stilt.transport.edges import cropped_text, ended_at_crop
from stilt.transport.initial_particles import initial_particles
from stilt.transport.met_stream import MetStream, in_use, met_streams
from stilt.transport.nested_sweep import nested_sweep
from stilt.transport.particle_rows import (
    OwnMemory,
    ReleaseRows,
    Reserve,
    SweepCollector,
    bytes_of_rows,
    needs_extra,
)
from stilt.transport.particles import Particles
from stilt.transport.plumes import NearField
from stilt.transport.prefetch import prefetching
from stilt.transport.preparation import first_minute_of
from stilt.transport.program import JUST_IN_TIME, Programs, column_names
from stilt.transport.release import Release
from stilt.transport.step import Physics
from stilt.transport.sweep import sweep
from stilt.transport.transport_errors import (
    MixedLayerErrorSettings,
    TransportErrorSettings,
    WindErrorSettings,
)

logger = logging.getLogger(__name__)

Table = pd.DataFrame | SimulationError
CollectedRows = ReleaseRows | SimulationError


def run_transport(
    releases: Sequence[Release],
    refs: Sequence[AnalysisRef],
    config: ModelConfig,
    *,
    cache_dir: Path,
    error_run: bool = False,
    near_field: bool = False,
    progress: Callable[[float], None] | None = None,
    programs: Programs = JUST_IN_TIME,
) -> list[Table]:
    """Follow the particles of every release through the met fields.

    Args:
        releases: what starts where and when.
        refs: analyses that bracket the whole run of every release; there may be more. Where they
            are on several grids, a particle uses the finest grid that holds it.
        config: run controls and transport settings.
        cache_dir: folder of prepared analyses, shared by all workers.
        error_run: perturb wind and mixed-layer height by the config's error parameters; random
            numbers of the turbulence are those of the main run.
        near_field: correct ``foot`` for it, where :func:`corrects_near_field`.
        progress: called with the fraction done, 0 to 1.
        programs: where compiled programs come from; by default JAX compiles them here, with the
            options of this process.

    Returns:
        Per release, in order, the particle table with the columns of ``config.varsiwant`` (and
        ``xhgt`` unless it is a point), sorted by age and particle; or the error that stopped it.

    Raises:
        ConfigValidationError: an error run without error parameters.
    """
    collected = transport_rows(
        releases, refs, config, cache_dir=cache_dir, error_run=error_run, near_field=near_field,
        progress=progress, programs=programs,
    )  # fmt: skip
    return [rows if isinstance(rows, SimulationError) else table_of(rows) for rows in collected]


def transport_rows(
    releases: Sequence[Release],
    refs: Sequence[AnalysisRef],
    config: ModelConfig,
    *,
    cache_dir: Path,
    error_run: bool = False,
    near_field: bool = False,
    progress: Callable[[float], None] | None = None,
    most: int | None = None,
    reserve: Reserve = OwnMemory,
    programs: Programs = JUST_IN_TIME,
    at_ends: Sequence[str] = (),
) -> list[CollectedRows]:
    """Follow the particles as :func:`run_transport` does, and return the rows of their tables.

    Args:
        releases, refs, config, cache_dir, error_run, near_field, progress, programs: see there.
        most: releases followed together; None: as many as this process has memory for.
        reserve: allocates the memory for their rows.
        at_ends: further columns, of which only each particle's first and last row are kept.

    Raises:
        ConfigValidationError: an error run without error parameters.
    """
    if not releases:
        return []
    errors = transport_error_settings(config) if error_run else None
    store = PreparedStore(cache_dir, read_analysis)
    results: list[CollectedRows | None] = [None] * len(releases)
    groups = _groups(releases, config, most or most_together(config))
    for done, group in enumerate(groups):

        def report(fraction: float, done: int = done) -> None:
            if progress is not None:
                progress((done + fraction) / len(groups))

        batch = [releases[index] for index in group]
        made = _run_group(
            batch, refs, config, store, report, errors, near_field, reserve, programs, at_ends
        )
        for index, result in zip(group, made, strict=True):
            results[index] = result
    return [result for result in results if result is not None]


def most_together(config: ModelConfig, rows_bytes: int | None = None) -> int:
    """Return how many receptors to follow together.

    Their tables fit in memory, and their particles fill whole calls, or a single one where
    particles stay on the device.

    Args:
        config: length of a run, particles, columns.
        rows_bytes: memory for the rows alone, where tables are made elsewhere.
    """
    if rows_bytes is None:
        columns = len(config.varsiwant) + 2
        table_bytes = abs(config.n_hours) * 60 * config.numpar * columns * 8
        most = max(1, device().memory_bytes // table_bytes)
    else:
        most = max(1, rows_bytes // bytes_of_rows(config))
    one_call = max(1, device().most_particles // config.numpar)
    if device().stays:
        return min(most, one_call)
    return most if most < one_call else most // one_call * one_call


def _groups(releases: Sequence[Release], config: ModelConfig, most: int) -> list[list[int]]:
    """Return the indices of the releases that share each sweep, at most ``most``.

    They share one release time where ZISCALE counts hours, or the vertical motion depends on which
    analysis a run meets first.
    """
    order = sorted(range(len(releases)), key=lambda index: releases[index].time)
    groups: list[list[int]] = []
    for index in order:
        together = groups and len(groups[-1]) < most
        if together and (config.zicontroltf or config.w_option in SURFACES):
            together = releases[groups[-1][0]].time == releases[index].time
        if together:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def _run_group(
    releases: Sequence[Release],
    refs: Sequence[AnalysisRef],
    config: ModelConfig,
    store: PreparedStore,
    progress: Callable[[float], None],
    errors: TransportErrorSettings | None,
    near_field: bool,
    reserve: Reserve,
    programs: Programs,
    at_ends: Sequence[str],
) -> list[CollectedRows]:
    first_minute = first_minute_of(releases, config)
    streams = met_streams(refs, config, first_minute, store)
    physics = physics_of(config, errors)
    minutes = [minute_of(release.time) for release in releases]
    starts = [abs(minute - first_minute) for minute in minutes]
    found = [
        _streams_at_release(streams, release, start, config.numpar)
        for release, start in zip(releases, starts, strict=True)
    ]
    covered = _covered(releases, minutes, streams, config)
    problems = [
        error or (outside_weather(release, streams[-1].grid) if place is None else None)
        for error, place, release in zip(covered, found, releases, strict=True)
    ]
    good = [index for index, problem in enumerate(problems) if problem is None]
    if not good:
        return [problem for problem in problems if problem is not None]
    followed = [releases[index] for index in good]
    places = [place for place in (found[index] for index in good) if place is not None]
    starts = [starts[index] for index in good]
    state = _particles_at_release(streams, places, followed, starts, config, errors)
    nested = len(streams) > 1
    rows = SweepCollector(
        followed,
        starts,
        np.stack([state.cell_x, state.cell_y]),
        config,
        column_names(physics),
        streams[0].grid,
        reserve,
        in_degrees=nested or device().stays,
        near_field=NearField.of(followed, config) if near_field and not nested else None,
        at_ends=at_ends,
    )
    if nested:
        stream_of = np.concatenate(places)
        nested_sweep(streams, physics, state, stream_of, rows, progress, programs)
    else:
        (only,) = streams
        with prefetching(only.load, only.clock.analyses(int(state.stop.max()))) as loaded:
            sweep(
                only.geometry, physics, only.clock, loaded, only.cell_size_m, state, rows, progress,
                programs,
            )  # fmt: skip
    made = [rows.release(number) for number in range(len(good))]
    _warn_of_crop(made, streams[-1].refs[0], config.numpar)
    collected = iter(made)
    return [problem if problem is not None else next(collected) for problem in problems]


def physics_of(config: ModelConfig, errors: TransportErrorSettings | None = None) -> Physics:
    """Return the settings of a step, with the transport errors of an error run."""
    return Physics(
        direction=1 if config.n_hours > 0 else -1,
        turbulent=config.nturb == 0,
        step_fraction=config.tlfrac,
        influence=config.veght,
        horizontal_time_s=config.hscale,
        rounded=config.hysplit_rounding,
        layer_update=config.hysplit_layer_update,
        extra=needs_extra(config.varsiwant),
        errors=errors,
    )


def _warn_of_crop(made: Sequence[ReleaseRows], ref: AnalysisRef, numpar: int) -> None:
    """Warn of particles that ended at the edge of a part of the met fields.

    Args:
        made: rows of the releases.
        ref: an analysis of the outermost grid, at whose edge particles end.
        numpar: particles of a release.
    """
    if ref.crop is None:
        return
    counted = [(each.release.sim_id, ended_at_crop(each, ref.grid, ref.crop)) for each in made]
    if ended := [each for each in counted if each[1]]:
        logger.warning("%s", cropped_text(ended, numpar))


def _streams_at_release(
    streams: Sequence[MetStream], release: Release, start: int, numpar: int
) -> np.ndarray | None:
    """Return the stream that each particle starts in, (numpar,); None if any has none."""
    lon, lat, _ = release.assign(numpar)
    found = np.full(numpar, -1)
    for place in reversed(in_use(streams, start)):
        grid = streams[place].grid
        found[grid.usable(*grid.to_xy(lon, lat))] = place
    return found if (found >= 0).all() else None


def _particles_at_release(
    streams: Sequence[MetStream],
    places: Sequence[np.ndarray],
    releases: Sequence[Release],
    starts: Sequence[int],
    config: ModelConfig,
    errors: TransportErrorSettings | None,
) -> Particles:
    """Return the particles of all releases, each in the cells of its grid."""
    terrain = {
        int(place): streams[place].terrain_m() for place in np.unique(np.concatenate(places))
    }

    def in_stream(place: int, release: Release, start: int) -> Particles:
        stream = streams[place]
        return initial_particles(
            [release], [start], stream.grid, stream.geometry, terrain[place], config.numpar,
            abs(config.n_hours) * 60, errors,
        )  # fmt: skip

    parts = []
    for own, release, start in zip(places, releases, starts, strict=True):
        first, *others = map(int, np.unique(own))
        parts.append(in_stream(first, release, start))
        # Several points may lie on both sides of a grid's edge.
        for place in others:
            there = in_stream(place, release, start)
            parts[-1] = jax.tree.map(partial(_where_of, own == place), there, parts[-1])
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def _where_of(chosen: np.ndarray, there: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Choose between the leaves of two states, (particles, ...), by particle."""
    return np.where(chosen.reshape(-1, *[1] * (here.ndim - 1)), there, here)


def table_of(rows: ReleaseRows) -> Table:
    """Return the particle table of a release, or an error when no particle moved."""
    frame = rows.to_frame()
    if frame.empty:
        return NoParticleOutputError(
            "No particle made a single step: the receptor lies at the edge of the weather's "
            "domain; use weather that reaches further.",
            sim_id=rows.release.sim_id,
        )
    return frame


def _covered(
    releases: Sequence[Release],
    minutes: Sequence[int],
    streams: Sequence[MetStream],
    config: ModelConfig,
) -> list[SimulationError | None]:
    """Return an error for each release whose hours the analyses do not bracket."""
    times = [time for stream in streams for time in stream.clock.analysis_minutes]
    earliest, latest = min(times), max(times)
    out: list[SimulationError | None] = []
    for release, minute in zip(releases, minutes, strict=True):
        end = minute + config.n_hours * 60
        if min(minute, end) < earliest or max(minute, end) > latest:
            first, last = (np.datetime64(m, "m") for m in (earliest, latest))
            out.append(
                MeteorologyError(
                    f"The weather covers {first} to {last} UTC, but the run needs "
                    f"{np.datetime64(min(minute, end), 'm')} to "
                    f"{np.datetime64(max(minute, end), 'm')}; add the missing files.",
                    reason=Reason.MET_COVERAGE,
                    sim_id=release.sim_id,
                )
            )
        else:
            out.append(None)
    return out


def outside_weather(release: Release, grid: MetGrid) -> SimulationError:
    """Return the error of a release outside its weather, of which this is the largest grid."""
    lon, lat = np.asarray(release.longitudes), np.asarray(release.latitudes)
    first = int(np.argmax(~grid.usable(*grid.to_xy(lon, lat))))
    return outside_grid(lon[first], lat[first], grid, release.sim_id)


def transport_error_settings(config: ModelConfig) -> TransportErrorSettings:
    """Return the sizes of the transport errors of an error run.

    Raises:
        ConfigValidationError: there are none.
    """
    if not config.error_run:
        names = (WIND_ERROR_FIELDS, MIXED_HEIGHT_ERROR_FIELDS)
        raise ConfigValidationError(
            "An error run needs error parameters: set " + ", or ".join(map(", ".join, names)) + "."
        )
    wind = [getattr(config, name) for name in WIND_ERROR_FIELDS]
    deviation_percent, *scales = [getattr(config, name) for name in MIXED_HEIGHT_ERROR_FIELDS]
    return TransportErrorSettings(
        None if wind[0] is None else WindErrorSettings(*wind),
        None
        if deviation_percent is None
        else MixedLayerErrorSettings(deviation_percent / 100.0, *scales),
    )
