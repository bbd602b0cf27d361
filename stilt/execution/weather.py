"""Which simulations lack weather: said before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from stilt.errors import Reason
from stilt.project.inputs import Project
from stilt.receptors import sim_parts


@dataclass(frozen=True)
class WeatherProblem:
    """A window of time whose weather is missing or unusable.

    Attributes:
        met: the meteorology.
        sim_ids: simulations that need it.
        reason: typed cause.
        detail: which hours, and which files were looked for.
    """

    met: str
    sim_ids: tuple[str, ...]
    reason: Reason
    detail: str

    def __str__(self) -> str:
        more = f" and {len(self.sim_ids) - 1} more" if len(self.sim_ids) > 1 else ""
        return f"{self.sim_ids[0]}{more}: {self.reason}: {self.detail}"


def weather_problems(files: Project, sim_ids: Sequence[str]) -> list[WeatherProblem]:
    """Check the weather of every window of time that these simulations need.

    Args:
        files: the project.
        sim_ids: simulations; those of one time share a window.
    """
    from stilt.meteorology.catalogue import MetCatalogue

    windows: dict[tuple[str, str], list[str]] = {}
    for sim_id in sim_ids:
        windows.setdefault(sim_parts(sim_id)[:2], []).append(sim_id)
    catalogues: dict[str, Any] = {}
    problems = []
    for (met, stamp), ids in sorted(windows.items()):
        if met not in files.config.mets:
            continue
        if met not in catalogues:
            catalogues[met] = MetCatalogue(files.config.mets[met], met, cache_dir=files.cache_dir)
        time = pd.to_datetime(stamp, format="%Y%m%d%H%M%S")
        error = catalogues[met].assess(time, time + pd.Timedelta(hours=files.config.n_hours)).error
        if error is not None:
            problems.append(WeatherProblem(met, tuple(ids), error.reason, error.detail))
    return problems
