"""Transport of a batch of receptors: releases and weather in, particle tables out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
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
from stilt.meteorology.prepare import (
    SURFACES,
    PreparationOptions,
    PreparedAnalysis,
    PreparedStore,
    levels_for,
)
from stilt.meteorology.records import AnalysisPair, AnalysisRef
from stilt.meteorology.turbulence import TurbulenceOptions
from stilt.transport.ahead import loading_ahead
from stilt.transport.device import device
from stilt.transport.edges import cropped_text, ended_at_crop
from stilt.transport.output import (
    OwnMemory,
    ReleaseRows,
    Reserve,
    SweepRows,
    bytes_of_rows,
    needs_extra,
)
from stilt.transport.plumes import NearField
from stilt.transport.program import JUST_IN_TIME, Programs, columns_of
from stilt.transport.release import Release
from stilt.transport.step import Particles, Physics
from stilt.transport.sweep import SweepClock, sweep
from stilt.transport.weather import Geometry
from stilt.transport.weather_error import (
    MixedLayerError,
    WeatherError,
    WindError,
    initial_errors,
)

logger = logging.getLogger(__name__)

Table = pd.DataFrame | SimulationError
Rows = ReleaseRows | SimulationError


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
    """Follow the particles of every release through the weather.

    Args:
        releases: what starts where and when.
        refs: analyses that bracket every release's whole run; more is allowed.
        config: run controls and transport settings.
        cache_dir: folder for prepared weather, shared by all workers.
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
) -> list[Rows]:
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
    errors = weather_errors(config) if error_run else None
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
    results: list[Rows | None] = [None] * len(releases)
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
    """Receptors to follow together: their tables fit in memory, their particles in whole calls,
    or one where they stay on the device.

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
    """Releases that share a sweep: no more than ``most``, and alone in time where ZISCALE counts
    hours or the vertical motion depends on which analysis a run meets first.
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
    errors: WeatherError | None,
    near_field: bool,
    reserve: Reserve,
    programs: Programs,
) -> list[Rows]:
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
    first_minute = _first_minute(releases, config)
    clock = SweepClock(first_minute, physics.direction, tuple(minute_of(ref.time) for ref in refs))
    covered = _covered(releases, minutes, clock, config)
    outside = [_outside(grid, release) for release in releases]
    problems = [a or b for a, b in zip(covered, outside, strict=True)]
    good = [index for index, problem in enumerate(problems) if problem is None]
    if not good:
        return [problem for problem in problems if problem is not None]

    def load(index: int) -> PreparedAnalysis:
        return store.get(*preparation(refs, index, config, first_minute))

    terrain = load(clock.bracket(0)[0]).surface[..., 0]
    numpar = config.numpar
    starts = [abs(minutes[index] - first_minute) for index in good]
    followed = [releases[index] for index in good]
    state = _initial_particles(
        followed,
        starts,
        grid,
        geometry,
        terrain,
        numpar,
        abs(config.n_hours) * 60,
        errors,
    )
    rows = SweepRows(
        followed,
        starts,
        np.stack([state.cell_x, state.cell_y]),
        config,
        columns_of(physics),
        grid,
        reserve,
        in_degrees=device().stays,
        near_field=NearField.of(followed, config) if near_field else None,
    )
    dx, dy = grid.spacing_m()
    sizes = np.stack([dx.ravel(), dy.ravel()], axis=-1)
    with loading_ahead(load, clock.analyses(int(state.stop.max()))) as loaded:
        sweep(geometry, physics, clock, loaded, sizes, state, rows, progress, programs)
    made = [rows.release(number) for number in range(len(good))]
    crop = refs[0].crop
    ended = [(each.release.sim_id, ended_at_crop(each, crop)) for each in made] if crop else []
    if ended := [each for each in ended if each[1]]:
        logger.warning("%s", cropped_text(ended, numpar))
    collected = iter(made)
    return [problem if problem is not None else next(collected) for problem in problems]


def table_of(rows: ReleaseRows) -> Table:
    """The particle table of a release, or an error when no particle moved."""
    frame = rows.to_frame()
    if frame.empty:
        return NoParticleOutputError(
            "No particle made a single step: the receptor lies at the edge of the weather's "
            "domain; use weather that reaches further.",
            sim_id=rows.release.sim_id,
        )
    return frame


def minute_of(time: np.datetime64) -> int:
    """Whole minutes since the epoch."""
    return int(time.astype("datetime64[m]").astype(np.int64))


def _covered(
    releases: Sequence[Release],
    minutes: Sequence[int],
    clock: SweepClock,
    config: ModelConfig,
) -> list[SimulationError | None]:
    """An error for each release whose hours the analyses do not bracket."""
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


def weather_errors(config: ModelConfig) -> WeatherError:
    """Sizes of the weather errors of an error run.

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
    return WeatherError(
        None if wind[0] is None else WindError(*wind),
        None if deviation_percent is None else MixedLayerError(deviation_percent / 100.0, *scales),
    )


def _first_minute(releases: Sequence[Release], config: ModelConfig) -> int:
    """Minute at which a sweep of these releases begins."""
    minutes = [minute_of(release.time) for release in releases]
    return max(minutes) if config.n_hours < 0 else min(minutes)


Preparation = tuple[AnalysisRef, PreparationOptions, AnalysisPair | None]


def prepare_ahead(
    releases: Sequence[Release],
    refs: Sequence[AnalysisRef],
    config: ModelConfig,
    *,
    cache_dir: Path,
    enough: Callable[[], bool],
) -> None:
    """Prepare weather that a run of the transport will ask for, in the order in which it will.

    Args:
        releases, refs, config, cache_dir: as :func:`run_transport` takes them.
        enough: asked before each analysis; True ends the work.
    """
    for lacking in lacking_weather(releases, refs, config, cache_dir=cache_dir):
        if enough():
            return
        prepare_one(lacking, cache_dir=cache_dir)


def lacking_weather(
    releases: Sequence[Release],
    refs: Sequence[AnalysisRef],
    config: ModelConfig,
    *,
    cache_dir: Path,
) -> list[Preparation]:
    """Weather that :func:`run_transport` will ask for and nobody has prepared, in its order."""
    analyses = sorted(refs, key=lambda ref: ref.time)
    store = PreparedStore(cache_dir, read_analysis)
    first_minute = _first_minute(releases, config)
    along = range(len(analyses))
    every = [
        preparation(analyses, index, config, first_minute)
        for index in (along if config.n_hours > 0 else reversed(along))
    ]
    return [one for one in every if not store.has(*one)]


def prepare_one(lacking: Preparation, *, cache_dir: Path) -> None:
    """Prepare one of :func:`lacking_weather`."""
    PreparedStore(cache_dir, read_analysis).get(*lacking)


def preparation(
    refs: Sequence[AnalysisRef], index: int, config: ModelConfig, start_minute: int
) -> Preparation:
    """How one of a run's analyses is prepared: what :meth:`PreparedStore.get` is asked for."""
    options = preparation_options(config, start_minute, minute_of(refs[index].time))
    return refs[index], options, analysis_pair(refs, index, config, start_minute)


def preparation_options(config: ModelConfig, start_minute: int, minute: int) -> PreparationOptions:
    """Preparation settings of one analysis; ZISCALE goes by the hours since the start."""
    factor = 1.0
    if config.zicontroltf:
        scales = config.ziscale_factors(config.n_hours)
        hour = abs(minute - start_minute) // 60
        factor = scales[hour] if hour < len(scales) else 1.0
        if len(set(scales)) == 1 and scales[0] < 0.0:
            factor = scales[0]
    return PreparationOptions(
        z_top_m=config.z_top,
        mixed_layer_scheme=config.kmixd,
        mixed_layer_floor_m=config.kmix0,
        mixed_layer_factor=factor,
        from_fluxes=config.kbls == 1,
        use_ten_metre=config.k10m == 1,
        vertical_motion=config.w_option,
        turbulence=TurbulenceOptions(
            scheme=config.kblt,
            mixing=config.kzmix,
            factor=config.tvmix,
            time_scale_stable_s=config.vscales,
            time_scale_unstable_s=config.vscaleu,
            tke_ratio_day=config.tkerd,
            tke_ratio_night=config.tkern,
            horizontal=config.kdef,
        ),
    )


def analysis_pair(
    refs: Sequence[AnalysisRef], index: int, config: ModelConfig, start_minute: int
) -> AnalysisPair | None:
    """Two analyses whose difference tells how surfaces move at one of them (W_OPTION 1 to 3).

    The one that a run meets before it, and itself; the first two of a run share theirs, as in
    HYSPLIT. None where the vertical motion does not depend on it.
    """
    if config.w_option not in SURFACES:
        return None
    direction = 1 if config.n_hours > 0 else -1
    clock = SweepClock(start_minute, direction, tuple(minute_of(ref.time) for ref in refs))
    later = index + direction if index == clock.bracket(0)[0] else index
    return refs[later - direction], refs[later]


def _initial_particles(
    releases: Sequence[Release],
    starts: Sequence[int],
    grid: MetGrid,
    geometry: Geometry,
    terrain: np.ndarray,
    numpar: int,
    duration_minutes: int,
    errors: WeatherError | None,
) -> Particles:
    """State at release of all particles, NumPy leaves of (releases * numpar,) or more axes."""
    parts = []
    for release, start in zip(releases, starts, strict=True):
        lon, lat, height = release.assign(numpar)
        x, y = grid.to_xy(lon, lat)
        cell_x, cell_y = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
        ground = grid.interpolate(terrain, x, y)
        if release.heights_msl:
            height = np.maximum(height - ground, 0.0)
        top = geometry.levels.model_top_m
        flat = np.clip(height * top / (top - ground), 0.0, geometry.levels.heights_m[-1])
        zeros = np.zeros(numpar, np.float32)
        rng = np.random.Generator(np.random.Philox(key=[release.key, 1]))
        parts.append(
            Particles(
                x=(x - cell_x).astype(np.float32),
                y=(y - cell_y).astype(np.float32),
                z=flat.astype(np.float32),
                u=zeros,
                v=zeros,
                q=rng.standard_normal(numpar, dtype=np.float32),
                draws=np.zeros(numpar, np.uint32),
                alive=np.ones(numpar, bool),
                cell_x=cell_x,
                cell_y=cell_y,
                key0=np.full(numpar, release.key & 0xFFFFFFFF, np.uint32),
                key1=np.full(numpar, release.key >> 32, np.uint32),
                number=np.arange(numpar, dtype=np.uint32),
                start=np.full(numpar, start, np.int32),
                stop=np.full(numpar, start + duration_minutes, np.int32),
                errors=errors and initial_errors(errors, geometry.levels, release.key, numpar),
            )
        )
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
