"""Which receptor a simulation id stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from stilt.project.inputs import Project
from stilt.receptors import Receptor, read_receptors, receptor_of


def receptors_of(
    project: Project, sim_ids: Sequence[str], stored: Mapping[str, str] | None = None
) -> dict[str, Receptor]:
    """Receptors by simulation id: from the index, else from receptors.csv; unknown ones left out.

    Args:
        project: whose simulations these are.
        sim_ids: which.
        stored: receptor (JSON) of each that the index has; None asks the index.

    Raises:
        UsageError: receptors.csv was needed and holds a mistake.
    """
    if stored is None:
        stored = project.index.receptors(sim_ids, repair=False)
    found = {sim_id: Receptor.from_dict(json.loads(text)) for sim_id, text in stored.items()}
    missing = [sim_id for sim_id in sim_ids if sim_id not in found]
    path = project.receptor_file
    if missing and path is not None:
        listed = {str(receptor.id): receptor for receptor in read_receptors(path)}
        for sim_id in missing:
            receptor = listed.get(receptor_of(sim_id))
            if receptor is not None:
                found[sim_id] = receptor
    return found
