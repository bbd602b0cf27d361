"""Find simulations with too few particles before a run, and particles that ended early after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stilt.config import ModelConfig
from stilt.errors import TrajectoryError
from stilt.execution.lookup import receptors_of
from stilt.project.inputs import Project
from stilt.receptors import Receptor, require_particles

# So much of the run's hours may be missing before it is worth a sentence.
TOLERATED_SHARE = 0.1


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


def left_early_text(config: ModelConfig, mean_rows: float) -> str:
    """Say that much of the particles' time is missing because they left the weather's grid.

    The number of rows of the particle tables tells, if they have a row for every minute.

    Args:
        config: of the project.
        mean_rows: of the particle tables, as they are configured; NaN without any.

    Returns:
        One sentence; "" where little is missing, or the tables do not tell.
    """
    if config.outdt or not config.trajectories:
        return ""
    share = mean_rows / (config.numpar * abs(config.n_hours) * 60)
    # NaN without a table.
    if not share < 1.0 - TOLERATED_SHARE:
        return ""
    return (
        f"Particles were followed for {100 * share:.0f} % of the {abs(config.n_hours)} hours on "
        "average, until they left the weather's grid: what influenced them beyond it is not in the "
        "footprints. With weather of a larger area they are followed further."
    )
