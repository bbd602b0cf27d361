"""Compiling the transport while something else is waited for."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pandas as pd

from stilt.errors import StiltError
from stilt.execution.compiled import compiled_once
from stilt.execution.lookup import receptors_of
from stilt.execution.setup import prepare_process
from stilt.execution.transporting import program_of, wanted
from stilt.project.inputs import Project

logger = logging.getLogger(__name__)


def warm_up(files: Project, sim_ids: Sequence[str]) -> None:
    """Run the first hour of a batch's transport for what it compiles; the particles are dropped.

    A batch of the same simulations in this process then finds its program compiled. What stops
    the transport here is left to that batch, which says it where it belongs.

    Args:
        files: the project.
        sim_ids: simulations of one batch; those of the first one's meteorology are taken.
    """
    prepare_process(files)
    from stilt.meteorology.catalogue import MetCatalogue
    from stilt.transport import most_together, release_of, run_transport

    try:
        met = sim_ids[0].split("_", 1)[0]
        chosen = [sim_id for sim_id in sim_ids if sim_id.split("_", 1)[0] == met]
        chosen = chosen[: most_together(files.config)]
        receptors = receptors_of(files, chosen)
        hour = 1 if files.config.n_hours > 0 else -1
        collect = wanted(files.config, [receptors[sim_id] for sim_id in chosen])
        config = collect.config.model_copy(update={"n_hours": hour})
        span = pd.Timedelta(hours=hour)
        times = [receptors[sim_id].time for sim_id in chosen]
        bounds = sorted([*times, *(time + span for time in times)])
        catalogue = MetCatalogue(config.mets[met], met, cache_dir=files.cache_dir)
        analyses = catalogue.select(bounds[0], bounds[-1])
        releases = [release_of(receptors[sim_id], sim_id, config) for sim_id in chosen]
        with compiled_once(program_of(config, analyses, is_error=False)) as compiled:
            run_transport(
                releases, analyses, config, cache_dir=files.cache_dir,
                near_field=collect.corrected, progress=lambda fraction: compiled(),
            )  # fmt: skip
    except (StiltError, KeyError) as error:
        logger.debug("Nothing was compiled ahead: %s", error)
