"""Receptors of soundings that were replaced."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from stilt.notices import notice
from stilt.project.kernels import RECEPTOR
from stilt.receptors import receptor_of

if TYPE_CHECKING:
    from stilt.project.index import Index
    from stilt.project.observed import ObservationTables

logger = logging.getLogger(__name__)

HAS_RESULTS = "trajectory_bytes IS NOT NULL OR EXISTS (FROM footprints f WHERE f.sim_id = s.sim_id)"


def dropped_receptors(
    tables: ObservationTables, index: Index, before: Mapping[str, pd.DataFrame]
) -> set[tuple[str, str]]:
    """Return receptors that only replaced soundings brought and that have no results; say so.

    Args:
        tables: of a project, after the soundings were replaced.
        index: of the project, asked for results.
        before: soundings that were there before, by name of their table.

    Returns:
        Receptor id and sounding id of each.
    """
    told = {
        str(receptor): str(sounding)
        for table in before.values()
        for receptor, sounding in zip(table[RECEPTOR], table["sounding_id"], strict=True)
    }
    gone = set(told) - set(tables.read_all().index)
    if not gone:
        return set()
    made = set()
    if index.layout.state.is_dir():
        made = {receptor_of(sim_id) for sim_id in index.ids(HAS_RESULTS)}
    kept = gone & made
    if dropped := gone - kept:
        notice(
            logger,
            "%d receptor(s) that only the replaced soundings had brought were removed.",
            len(dropped),
        )
    if kept:
        notice(
            logger,
            "%d receptor(s) of replaced soundings stay in receptors.csv because they have results, "
            "such as %s: their measurements are gone.",
            len(kept), min(kept),
        )  # fmt: skip
    return {(receptor, told[receptor]) for receptor in dropped}
