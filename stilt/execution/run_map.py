"""A small map of what a run has computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stilt.plotting.thumbnail import footprint_thumbnail
from stilt.project.inputs import Project
from stilt.project.kinds import FOOTPRINTS
from stilt.project.reading import locate, read_layers

MAPPED = 24


def map_of_run(project: Project, sim_ids: Sequence[str]) -> str:
    """Return a run's first footprint, the mean of evenly chosen simulations, as Markdown."""
    names = list(project.config.footprints)
    if not names or not sim_ids:
        return ""
    steps = np.linspace(0, len(sim_ids) - 1, min(MAPPED, len(sim_ids))).astype(int)
    shown = locate(project, [sim_ids[step] for step in steps], FOOTPRINTS, names[0])
    found = (read_layers(one) if one.shard else one.path for one in shown)
    return footprint_thumbnail(found, names[0])
