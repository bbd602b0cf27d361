"""Preparing meteorology and compiling the transport ahead of a run."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import pandas as pd

from stilt.errors import MeteorologyError
from stilt.execution.lookup import receptors_of
from stilt.execution.processes import told_to_stop
from stilt.execution.programs import Meanwhile, StoredPrograms, do_nothing, stored_programs
from stilt.execution.setup import prepare_process
from stilt.execution.transporting import reach_of_receptor, wanted
from stilt.project.inputs import Project
from stilt.receptors import Receptor, met_of, sim_parts

if TYPE_CHECKING:
    from stilt.execution.orders import WorkOrder
    from stilt.execution.plan import Batch, Plan
    from stilt.meteorology.catalogue import MetCatalogue
    from stilt.meteorology.prepare import PreparationOptions
    from stilt.meteorology.reach import Reach
    from stilt.meteorology.records import AnalysisPair, AnalysisRef
    from stilt.transport.program import Static

logger = logging.getLogger(__name__)


class _ReadyError(Exception):
    """The program is there: nothing more is wanted of this transport."""


class _NotRun:
    """Programs that are loaded, compiled first if need be, and not run.

    Args:
        programs: where they come from.
    """

    def __init__(self, programs: StoredPrograms) -> None:
        self._programs = programs

    def run(self, static: Static, arguments: tuple[Any, ...]) -> NoReturn:
        """Load the program, and go no further.

        Raises:
            _ReadyError: always.
        """
        self._programs.get_ready(static, arguments)
        raise _ReadyError


def first_with_transport(project: Project, plan: Plan) -> list[Batch]:
    """Return the first batch of each worker, but for those whose particles are all there.

    Particles of another configuration count as well: the index is not asked for so little.
    """
    first = list(plan.batches[: plan.roles.transport])
    if not project.config.trajectories or plan.skip_existing is False:
        return first
    stored = plan.stored or {}

    def there(sim_id: str) -> bool:
        return sim_id in stored or project.layout.trajectory(sim_id).exists()

    return [batch for batch in first if not all(map(there, batch.sim_ids))]


def get_worker_ready(order: WorkOrder) -> None:
    """Get this worker ready for an order: import, and compile, or prepare meteorology meanwhile.

    One worker of a machine compiles. What goes wrong here is left to the batch, which reports it.

    Args:
        order: the order, or one like it.
    """
    with contextlib.suppress(Exception):
        files, sim_ids = order.place.open(), order.batch.sim_ids

        def prepare(over: Callable[[], bool]) -> None:
            prepare_meteorology(files, sim_ids, lambda: over() or told_to_stop(), order.receptors)

        compile_ahead(files, sim_ids, order.receptors, prepare)


def compile_ahead(
    files: Project,
    sim_ids: Sequence[str],
    known: Mapping[str, Receptor] | None = None,
    meanwhile: Meanwhile = do_nothing,
) -> None:
    """Load the program of a batch, compiled first if it is not kept from an earlier run.

    What stops the transport here is left to that batch, which reports it.

    Args:
        files: the project.
        sim_ids: the batch; simulations of one meteorology are taken.
        known: receptors by simulation id; None asks the index.
        meanwhile: see :class:`stilt.execution.programs.StoredPrograms`.
    """
    try:
        prepare_process(files)
        from stilt.meteorology.nest import catalogue_of
        from stilt.transport import most_together, release_of, run_transport

        met = met_of(sim_ids[0])
        chosen = [sim_id for sim_id in sim_ids if met_of(sim_id) == met]
        chosen = chosen[: most_together(files.config)]
        receptors = known or receptors_of(files, chosen)
        hour = 1 if files.config.n_hours > 0 else -1
        collect = wanted(files.config, [receptors[sim_id] for sim_id in chosen])
        config = collect.config.model_copy(update={"n_hours": hour})
        span = pd.Timedelta(hours=hour)
        times = [receptors[sim_id].time for sim_id in chosen]
        bounds = sorted([*times, *(time + span for time in times)])
        catalogue = catalogue_of(config.mets, met, files.cache_dir)
        # One program serves all receptors of a group, which share the area that they can reach.
        n_hours = files.config.n_hours
        areas = {each: reach_of_receptor(receptors[each], n_hours, catalogue) for each in chosen}
        chosen = [each for each in chosen if areas[each] == areas[chosen[0]]]
        analyses = catalogue.select(bounds[0], bounds[-1], areas[chosen[0]])
        releases = [release_of(receptors[sim_id], sim_id, config) for sim_id in chosen]
        run_transport(
            releases, analyses, config, cache_dir=files.cache_dir, near_field=collect.corrected,
            programs=_NotRun(stored_programs(files.runtime.cache_dir, meanwhile)),
        )  # fmt: skip
    except _ReadyError:
        pass
    except Exception as error:
        logger.debug("Nothing was compiled ahead: %s", error)


def prepare_meteorology(
    files: Project,
    sim_ids: Sequence[str],
    enough: Callable[[], bool] = lambda: False,
    known: Mapping[str, Receptor] | None = None,
) -> int:
    """Prepare every analysis that simulations need and that is there.

    Args:
        files: the project.
        sim_ids: simulations, whose windows of time are prepared in order.
        enough: asked before each analysis; True ends the work early.
        known: receptors by simulation id; None asks the index.

    Returns:
        How many analyses are ready.
    """
    prepare_process(files)
    from stilt.meteorology.formats import read_analysis
    from stilt.meteorology.prepared_store import PreparedStore
    from stilt.transport.clock import minute_of
    from stilt.transport.met_stream import met_streams

    store = PreparedStore(files.cache_dir, read_analysis)
    done: set[tuple[AnalysisRef, PreparationOptions, AnalysisPair | None]] = set()
    for catalogue, start, end, reach in _windows(files, known or receptors_of(files, sim_ids)):
        with contextlib.suppress(MeteorologyError):
            refs = catalogue.select(start, end, reach)
            first_minute = minute_of(start.to_datetime64())
            streams = met_streams(refs, files.config, first_minute, store)
            for wanted in (one for stream in streams for one in stream.preparations()):
                if enough():
                    return len(done)
                if wanted not in done:
                    store.get(*wanted)
                    done.add(wanted)
                    files.bound_weather_cache()
    return len(done)


def _windows(
    files: Project, receptors: Mapping[str, Receptor]
) -> list[tuple[MetCatalogue, pd.Timestamp, pd.Timestamp, Reach]]:
    """Return catalogue, release time, end and reach of every distinct window, in order."""
    from stilt.meteorology.nest import catalogue_of

    config = files.config
    span = pd.Timedelta(hours=config.n_hours)
    catalogues: dict[str, MetCatalogue] = {}
    found: dict[tuple[str, str, Reach], None] = {}
    for sim_id in sorted(receptors):
        met, stamp = sim_parts(sim_id)[:2]
        if met not in catalogues:
            catalogues[met] = catalogue_of(config.mets, met, files.cache_dir)
        reach = reach_of_receptor(receptors[sim_id], config.n_hours, catalogues[met])
        found[met, stamp, reach] = None
    windows = []
    for met, stamp, reach in found:
        time = pd.to_datetime(stamp, format="%Y%m%d%H%M%S")
        windows.append((catalogues[met], time, time + span, reach))
    return windows
