"""Find simulations with too few particles before a run, and particles that ended early after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from stilt.config import ModelConfig
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


def followed_share(particles: pd.DataFrame, config: ModelConfig) -> float:
    """Return for what share of the hours of a run its particles were followed on average, 0 to 1.

    Args:
        particles: the table, with a row for every minute (``outdt`` 0) or at each particle's end.
        config: number of particles and hours.
    """
    minutes = config.numpar * abs(config.n_hours) * 60
    if config.outdt == 0:
        return len(particles) / minutes
    ages = np.zeros(config.numpar)
    np.maximum.at(ages, particles["indx"].to_numpy() - 1, particles["time"].abs().to_numpy())
    return float(ages.sum() / minutes)
