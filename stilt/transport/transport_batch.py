"""Transport of a batch of receptors: releases and analyses in, particle tables out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

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
from stilt.meteorology.fields import SURFACE_FIELDS
from stilt.meteorology.formats import read_analysis
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.prepare import (
    SURFACES,
    PreparedAnalysis,
    PreparedStore,
    levels_for,
)
from stilt.meteorology.records import AnalysisRef
from stilt.transport.clock import SweepClock, minute_of
from stilt.transport.device import device
from stilt.transport.initial_particles import initial_particles
from stilt.transport.interpolation import Geometry
from stilt.transport.particle_rows import (
    OwnMemory,
    ReleaseRows,
    Reserve,
    SweepCollector,
    bytes_of_rows,
    needs_extra,
)
from stilt.transport.plumes import NearField
from stilt.transport.prefetch import prefetching
from stilt.transport.preparation import first_minute_of, preparation
from stilt.transport.program import JUST_IN_TIME, Programs, column_names
from stilt.transport.release import Release
from stilt.transport.step import Physics
from stilt.transport.sweep import sweep
from stilt.transport.transport_errors import (
    MixedLayerErrorSettings,
    TransportErrorSettings,
    WindErrorSettings,
)

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
        refs: analyses that bracket every release's whole run; more is allowed.
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
) -> list[CollectedRows]:
    """Follow the particles as :func:`run_transport` does, and give the rows of their tables.

    Args:
        releases, refs, config, cache_dir, error_run, near_field, progress, programs: see there.
        most: releases followed together; None as many as this process has memory for.
        reserve: gives the memory for their rows.

    Raises:
        ConfigValidationError: an error run without error parameters.
    """
    if not releases:
        return []
    errors = transport_error_settings(config) if error_run else None
    analyses = sorted(refs, key=lambda ref: ref.time)
    grids = {ref.grid.key() for ref in analyses}
    if len(grids) != 1:
        error = MeteorologyError(
            f"The weather files have {len(grids)} different grids or level lists; give each its "
            "own entry under mets.",
            reason=Reason.DAMAGED_MET_FILE if not grids else Reason.MET_COVERAGE,
        )
        return [error for _ in releases]
    store = PreparedStore(cache_dir, read_analysis)
    results: list[CollectedRows | None] = [None] * len(releases)
    groups = _groups(releases, config, most or most_together(config))
    for done, group in enumerate(groups):

        def report(fraction: float, done: int = done) -> None:
            if progress is not None:
                progress((done + fraction) / len(groups))

        batch = [releases[index] for index in group]
        made = _run_group(
            batch, analyses, config, store, report, errors, near_field, reserve, programs
        )
        for index, result in zip(group, made, strict=True):
            results[index] = result
    return [result for result in results if result is not None]


def most_together(config: ModelConfig, rows_bytes: int | None = None) -> int:
    """Return how many receptors to follow together.

    Their tables fit in memory and their particles in whole calls, or in one where particles stay on
    the device.

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

    They are of one time where ZISCALE counts hours or the vertical motion depends on which analysis
    a run meets first.
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
) -> list[CollectedRows]:
    grid = refs[0].grid
    levels = levels_for(grid, config.z_top)
    margin = 2 if grid.vertical_flag == 5 else 1
    geometry = Geometry(
        grid.nx, grid.ny, grid.cyclic_x, margin, levels, grid.global_y, config.vscales > 0.0
    )
    physics = Physics(
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
    minutes = [minute_of(release.time) for release in releases]
    first_minute = first_minute_of(releases, config)
    clock = SweepClock(first_minute, physics.direction, tuple(minute_of(ref.time) for ref in refs))
    covered = _covered(releases, minutes, clock, config)
    outside = [_outside(grid, release) for release in releases]
    problems = [a or b for a, b in zip(covered, outside, strict=True)]
    good = [index for index, problem in enumerate(problems) if problem is None]
    if not good:
        return [problem for problem in problems if problem is not None]

    def load(index: int) -> PreparedAnalysis:
        return store.get(*preparation(refs, index, config, first_minute))

    terrain = load(clock.bracket(0)[0]).surface[..., SURFACE_FIELDS.index("terrain_m")]
    numpar = config.numpar
    starts = [abs(minutes[index] - first_minute) for index in good]
    followed = [releases[index] for index in good]
    state = initial_particles(
        followed,
        starts,
        grid,
        geometry,
        terrain,
        numpar,
        abs(config.n_hours) * 60,
        errors,
    )
    rows = SweepCollector(
        followed,
        starts,
        np.stack([state.cell_x, state.cell_y]),
        config,
        column_names(physics),
        grid,
        reserve,
        in_degrees=device().stays,
        near_field=NearField.of(followed, config) if near_field else None,
    )
    dx, dy = grid.spacing_m()
    sizes = np.stack([dx.ravel(), dy.ravel()], axis=-1)
    with prefetching(load, clock.analyses(int(state.stop.max()))) as loaded:
        sweep(geometry, physics, clock, loaded, sizes, state, rows, progress, programs)
    collected = (rows.release(number) for number in range(len(good)))
    return [problem if problem is not None else next(collected) for problem in problems]


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
    clock: SweepClock,
    config: ModelConfig,
) -> list[SimulationError | None]:
    """Return an error for each release whose hours the analyses do not bracket."""
    earliest, latest = clock.analysis_minutes[0], clock.analysis_minutes[-1]
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


def _outside(grid: MetGrid, release: Release) -> SimulationError | None:
    x, y = grid.to_xy(release.longitudes, release.latitudes)
    if bool(np.all(grid.usable(x, y))):
        return None
    return MeteorologyError(
        f"The receptor at {release.longitudes[0]:g} E, {release.latitudes[0]:g} N lies outside "
        "the weather's domain or in its outermost cells; use weather that reaches further.",
        reason=Reason.RECEPTOR_OUTSIDE_GRID,
        sim_id=release.sim_id,
    )


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
