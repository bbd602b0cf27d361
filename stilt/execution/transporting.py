"""Run the transport for groups of simulations whose hours of weather touch."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from stilt.config.run import END_CODES, FOOTPRINT_CODES, PLUME_CODES
from stilt.execution.compiled import time_compiling, trust_compiled
from stilt.execution.failures import Failure
from stilt.execution.programs import stored_programs
from stilt.execution.setup import on_device
from stilt.execution.task import ERROR_PHASE, Task
from stilt.interrupts import raise_if_interrupted
from stilt.project.inputs import Project
from stilt.receptors import release_points, require_particles
from stilt.timing import timed

if TYPE_CHECKING:
    import numpy as np

    from stilt.config import ModelConfig
    from stilt.execution.helpers import Helpers
    from stilt.meteorology.catalogue import MetCatalogue
    from stilt.meteorology.heights import HeightProblem
    from stilt.meteorology.reach import Reach
    from stilt.meteorology.records import AnalysisRef
    from stilt.receptors import Receptor
    from stilt.transport.program import Programs
    from stilt.transport.transport_batch import CollectedRows

logger = logging.getLogger(__name__)

Progress = Callable[[float], None]
_Window = tuple[pd.Timestamp, "Reach"]


def group_by_weather(
    files: Project, met: str, tasks: Sequence[Task], most: int | None = None
) -> list[tuple[list[Task], list[AnalysisRef]]]:
    """Return groups of tasks for the transport, with the analyses that they need.

    Their windows of time touch, all have analyses of the same grids, and they are no more than
    ``most``, in groups of nearly equal size: by default no more than have room in memory with their
    particle tables. A task whose weather is missing, or that has too few particles, fails here.
    """
    from stilt.meteorology.heights import raise_if_fatal
    from stilt.meteorology.nest import agree, catalogue_of

    with timed("import"):
        from stilt.transport import most_together

    config = files.config
    catalogue = catalogue_of(config.mets, met, files.cache_dir)
    # Equal groups where a number is given: one program of a GPU then serves all of them.
    most = math.ceil(len(tasks) / math.ceil(len(tasks) / most)) if most else most_together(config)
    span = pd.Timedelta(hours=config.n_hours)
    windows: dict[str, _Window] = {}
    together: dict[_Window, list[Receptor]] = {}
    for task in tasks:
        reach = reach_of_receptor(task.receptor, config.n_hours, catalogue)
        # The transport counts whole minutes.
        windows[task.sim_id] = window = (task.receptor.time.floor("min"), reach)
        together.setdefault(window, []).append(task.receptor)
    known: dict[_Window, _Weather] = {}
    ready: list[tuple[Task, _Weather]] = []
    for task in sorted(tasks, key=lambda task: (task.receptor.time, task.sim_id)):
        start, reach = window = windows[task.sim_id]
        with task.phase("trajectory"):
            require_particles(task.receptor, config.numpar)
            if window not in known:
                first, end = sorted((start, start + span))
                known[window] = _Weather.of(catalogue, first, end, together[window], config, reach)
            task.met_files, task.weather = known[window].files, known[window].fingerprint
            raise_if_fatal(known[window].heights[task.receptor])
        if task.failure is None:
            ready.append((task, known[window]))
    groups: list[tuple[list[Task], dict[Any, AnalysisRef]]] = []
    last: _Weather | None = None
    # Particles move on the part of the meteorology that their own receptor can reach.
    for task, weather in sorted(ready, key=lambda each: each[1].area):
        own = {(ref.grid.key(), ref.time): ref for ref in weather.refs}
        apart = (
            last is None
            or weather.area != last.area
            or weather.first > last.last
            or not agree(own, groups[-1][1], (weather.first, last.last))
        )
        if apart or len(groups[-1][0]) >= most:
            groups.append(([], {}))
        groups[-1][0].append(task)
        groups[-1][1].update(own)
        last = weather
    return [(group, list(refs.values())) for group, refs in groups]


def reach_of_receptor(receptor: Receptor, n_hours: float, catalogue: MetCatalogue) -> Reach:
    """Return the areas that the particles of a receptor can reach, see :data:`Reach`."""
    lon, lat, _ = release_points(receptor)
    return catalogue.reach_of(lon, lat, n_hours)


@dataclass(frozen=True)
class _Weather:
    """Analyses of a window of time.

    Attributes:
        refs: the analyses.
        first, last: times of the first and the last one of the outermost grid.
        area: part of the grids that they were cropped to; empty where they are whole.
        files: the files that hold them.
        fingerprint: what tells them from others.
        heights: problems with the heights of receptors.
    """

    refs: list[AnalysisRef]
    first: np.datetime64
    last: np.datetime64
    area: tuple[tuple[float, ...], ...]
    files: tuple[str, ...]
    fingerprint: str
    heights: Mapping[Receptor, HeightProblem | None]

    @classmethod
    def of(
        cls,
        catalogue: MetCatalogue,
        start: pd.Timestamp,
        end: pd.Timestamp,
        receptors: Sequence[Receptor],
        config: ModelConfig,
        reach: Reach,
    ) -> Self:
        """Find the weather of a window."""
        from stilt.meteorology.heights import check_heights
        from stilt.meteorology.nest import of_outermost_grid

        refs = catalogue.select(start, end, reach)
        outermost = of_outermost_grid(refs)
        problems = check_heights(receptors, outermost[0 if config.n_hours > 0 else -1], config)
        is_cropped = any(ref.crop for ref in refs)
        return cls(
            refs,
            outermost[0].time,
            outermost[-1].time,
            tuple(area or () for area in reach) if is_cropped else (),
            catalogue.archive_files(refs),
            catalogue.fingerprint(refs),
            dict(zip(receptors, problems, strict=True)),
        )


def run_group(
    files: Project,
    tasks: Sequence[Task],
    analyses: Sequence[AnalysisRef],
    *,
    is_error: bool,
    progress: Progress,
    helpers: Helpers | None = None,
    programs: Programs | None = None,
) -> None:
    """Run the transport for a group and make the files; when the group breaks, one by one.

    With helpers the files are theirs to make, and may not be there yet at the end. `programs`
    follow the particles; None takes those of this machine's device.
    """
    if not tasks:
        return
    with timed("import"):
        from stilt.transport import prepare_ahead, release_of, transport_rows, what_computes

        time_compiling()
    receptors = [task.receptor for task in tasks]
    collect = wanted(
        files.config, receptors, one_grid=len({ref.grid.key() for ref in analyses}) == 1
    )
    config, corrected = collect.config, collect.corrected
    rows: list[CollectedRows] = []
    try:
        releases = [release_of(task.receptor, task.sim_id, config) for task in tasks]

        def weather_meanwhile(over: Callable[[], bool]) -> None:
            prepare_ahead(releases, analyses, config, cache_dir=files.cache_dir, enough=over)

        used = programs or stored_programs(files.runtime.cache_dir, weather_meanwhile)
        begun = time.time()
        with timed("transport"), on_device(files.config.execution.device):
            computing = what_computes()
            follow: Callable[..., list[CollectedRows]] = transport_rows
            if helpers is not None:
                helpers.prepare_weather(releases, analyses, config, files.cache_dir)
                follow = partial(transport_rows, most=len(releases), reserve=helpers.reserve)
            rows = follow(
                releases, analyses, config, cache_dir=files.cache_dir, error_run=is_error,
                near_field=corrected, progress=progress, programs=used,
                at_ends=collect.at_ends,
            )  # fmt: skip
        trust_compiled(begun)
        for task in tasks:
            task.computed_on(*computing)
    except Exception as error:
        if helpers is not None:
            helpers.drop_reserved()
        raise_if_interrupted(error)
        if len(tasks) > 1:
            logger.warning("A group of %d is run one by one after: %s", len(tasks), error)
            for task in tasks:
                run_group(
                    files, [task], analyses, is_error=is_error, progress=progress,
                    helpers=helpers, programs=programs,
                )  # fmt: skip
            return
        tasks[0].fail(Failure.of(error, ERROR_PHASE if is_error else "trajectory"))
        return
    finally:
        files.bound_weather_cache()
    for task in tasks:
        # Each is given up as soon as its files are made.
        collected = rows.pop(0)
        if helpers is None:
            task.receive(collected, is_error=is_error, corrected=corrected)
        else:
            helpers.finish(task, collected, is_error=is_error, corrected=corrected)


@dataclass(frozen=True)
class Wanted:
    """What to collect of a run of the transport.

    Attributes:
        config: the configuration with only those columns of a particle table that somebody will
            read: all of them where tables are kept, and where transforms of a footprint may take
            any.
        corrected: influence comes corrected for the near field.
        at_ends: columns of which only each particle's first and last row will be read.
    """

    config: ModelConfig
    corrected: bool = False
    at_ends: tuple[str, ...] = ()


def wanted(config: ModelConfig, receptors: Sequence[Receptor], *, one_grid: bool = True) -> Wanted:
    """What to collect for these receptors; `one_grid`: particles stay in one met grid."""
    chosen = config.footprints.values()
    if config.trajectories or any(footprint.transforms for footprint in chosen):
        return Wanted(config)
    msl = config.heights_msl or any(receptor.altitude_ref == "msl" for receptor in receptors)
    with timed("import"):
        from stilt.transport import corrects_near_field
    corrected = one_grid and not msl and corrects_near_field(config)
    read = set(FOOTPRINT_CODES)
    if config.hnf_plume and not corrected:
        read |= set(PLUME_CODES)
    if msl:
        # They bring the release to the ground, see stilt.transforms.release.
        read |= {"zagl", "zsfc"}
    kept = tuple(name for name in config.varsiwant if name in read)
    ends = set(END_CODES).intersection(config.varsiwant).difference(kept)
    return Wanted(
        config.model_copy(update={"varsiwant": kept}),
        corrected,
        tuple(sorted(ends)) if config.keeps_ends else (),
    )
