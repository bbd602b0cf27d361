"""Find simulations with fewer particles than points, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stilt.errors import TrajectoryError
from stilt.execution.lookup import receptors_of
from stilt.project.inputs import Project
from stilt.receptors import Receptor, require_particles


def particle_problems(
    files: Project, sim_ids: Sequence[str], receptors: Mapping[str, Receptor] | None = None
) -> dict[str, TrajectoryError]:
    """Return the failure of each simulation whose receptor has more points than ``numpar``.

    Args:
        files: the project.
        sim_ids: which simulations.
        receptors: of these simulations; None asks the index.
    """
    # Only ids of several points have this in them, and reading a million receptors takes a while.
    several = [sim_id for sim_id in sim_ids if "_multi_" in sim_id]
    known = receptors_of(files, several) if receptors is None else receptors
    found = {
        sim_id: too_few_particles(known[sim_id], files.config.numpar)
        for sim_id in several
        if sim_id in known
    }
    return {sim_id: problem for sim_id, problem in found.items() if problem is not None}


def too_few_particles(receptor: Receptor, numpar: int) -> TrajectoryError | None:
    """Return the failure of a receptor with more points than particles, None for others."""
    try:
        require_particles(receptor, numpar)
    except TrajectoryError as error:
        return error
    return None
