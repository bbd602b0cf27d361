"""Facts about a project's simulations for a report: failures, sums, speed and cost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stilt.errors import REMEDIES
from stilt.plotting.series import series_places
from stilt.project.receipts import seconds_by_part
from stilt.receptors import Receptor

if TYPE_CHECKING:
    from stilt.model import Model

MOST_FAILURES = 100
MOST_POINTS = 5000
MOST_PLACES = 8


@dataclass(frozen=True)
class Failures:
    """Failed simulations.

    Attributes:
        counts: of each reason.
        remedies: what to do, by reason.
        shown: the first of them: sim_id, reason and detail.
        number: of all failed simulations.
    """

    counts: dict[str, int]
    remedies: dict[str, str]
    shown: list[dict[str, Any]]
    number: int


@dataclass(frozen=True)
class Effort:
    """Speed and cost of what has been computed.

    Attributes:
        made: simulations whose outputs this project computed.
        followed: simulations whose particles were followed in a run, one made twice counted twice.
        run_hours: of wall clock that these runs took, from their plan to their last result.
        worker_hours: that workers spent on simulations of ``followed``.
        parts: seconds of workers by part of the work, of everything that was computed.
        trajectory_bytes, footprint_bytes: on disk.
        made_by: simulations by device and version of JAX.
        hosts: simulations by machine.
        first, last: when these runs began and ended, None when there were none.
    """

    made: int
    followed: int
    run_hours: float
    worker_hours: float
    parts: dict[str, float]
    trajectory_bytes: int
    footprint_bytes: int
    made_by: dict[str, int]
    hosts: dict[str, int]
    first: pd.Timestamp | None
    last: pd.Timestamp | None

    @property
    def rate_per_hour(self) -> float:
        """Simulations in an hour of wall clock, 0 where no run is known."""
        return self.followed / self.run_hours if self.run_hours > 0 else 0.0


def failures_of(model: Model) -> Failures:
    """Return what failed, and what to do about it."""
    rows = model.failures()
    counts = pd.Series([row["reason"] for row in rows], dtype=object).value_counts()
    remedies = {
        str(reason): REMEDIES.get(str(reason), "See the log: `stilt explain` shows it.")
        for reason in counts.index
    }
    return Failures(
        {str(reason): int(number) for reason, number in counts.items()},
        remedies,
        [{key: row[key] for key in ("sim_id", "reason", "detail")} for row in rows[:MOST_FAILURES]],
        len(rows),
    )


def effort_of(model: Model, table: pd.DataFrame) -> Effort:
    """Return speed and cost.

    Only runs that followed particles tell how fast that is: one that makes new footprints from
    particles that are there takes a small part of the time.

    Args:
        model: the project.
        table: its simulations, as ``model.simulations.to_frame()`` returns them.
    """
    attempts = model.index.attempts().select(["state", "parts", "run_began", "finished_at"])
    tried = attempts.filter(attempts["run_began"].is_valid()).to_pandas()
    complete = tried["state"] == "complete"
    # A run that only tries again what fails says nothing of the others' time.
    tried = tried[tried["run_began"].isin(tried.loc[complete, "run_began"])]
    ends = tried.groupby("run_began")["finished_at"].max()
    starts = ends.index.to_series()
    timed = table[table["seconds"].notna() & table["finished_at"].notna()]
    particle_bytes, footprint_bytes = model.index.output_sizes()[:2]
    return Effort(
        made=len(timed),
        followed=int((tried["state"] == "complete").sum()),
        run_hours=covered_seconds(starts, ends) / 3600,
        worker_hours=sum(seconds_by_part(tried["parts"]).values()) / 3600,
        parts=seconds_by_part(attempts["parts"].to_pylist()),
        trajectory_bytes=particle_bytes,
        footprint_bytes=footprint_bytes,
        made_by=dict(model.status()["made_by"]),
        hosts={str(k): int(v) for k, v in timed["host"].dropna().value_counts().items()},
        first=starts.min() if len(tried) else None,
        last=ends.max() if len(tried) else None,
    )


def covered_seconds(starts: pd.Series, ends: pd.Series) -> float:
    """Return how much time at least one of some intervals covers, in seconds."""
    order = np.argsort(starts.to_numpy())
    begin = starts.to_numpy("datetime64[us]")[order].astype(np.int64)
    end = np.maximum.accumulate(ends.to_numpy("datetime64[us]")[order].astype(np.int64))
    if not begin.size:
        return 0.0
    before = np.append(begin[0], end[:-1])
    return float(np.maximum(end - np.maximum(begin, before), 0).sum() / 1e6)


def totals_of(model: Model, table: pd.DataFrame, name: str) -> dict[str, Any]:
    """Return the sum of every footprint over the time of its receptor, for a chart.

    Args:
        model: the project.
        table: its simulations.
        name: of the footprint.

    Returns:
        ``places`` (texts; one for all where there are many) and ``points``, each id, seconds
        since 1970, sum in ppm per (umol m-2 s-1), and number of the place; ``left_out`` says how
        many points there are no room for.
    """
    sums = model.index.sql("SELECT sim_id, total FROM footprints WHERE name = ?", [name])
    both = (
        table[["sim_id", "time", "location_id"]]
        .merge(sums, on="sim_id")
        .dropna(subset=["total", "time"])
    )
    both = both.sort_values(["time", "sim_id"])
    number = len(both)
    if number > MOST_POINTS:
        both = both.iloc[np.unique(np.linspace(0, number - 1, MOST_POINTS).astype(int))]
    firsts = both.astype({"location_id": str}).drop_duplicates("location_id")
    few = len(firsts) <= MOST_PLACES
    names = _places(model, firsts) if few else dict.fromkeys(firsts["location_id"], "")
    at = {place: position if few else 0 for position, place in enumerate(names)}
    stamps = both["time"].to_numpy("datetime64[s]").astype(np.int64)
    return {
        "places": list(names.values()) if few else [f"{len(names)} places"],
        "points": [
            [sim_id, int(stamp), float(f"{total:.4g}"), at[str(place)]]
            for sim_id, stamp, total, place in zip(
                both["sim_id"], stamps, both["total"], both["location_id"], strict=True
            )
        ],
        "left_out": number - len(both),
    }


def _places(model: Model, firsts: pd.DataFrame) -> dict[str, str]:
    """Return descriptions of the receptors' places by location id, sorted by place and height."""
    stored = model.index.receptors(list(firsts["sim_id"]))
    places = series_places(Receptor.from_dict(json.loads(text)) for text in stored.values())
    return {location: f"{place.where}, {place.height}" for location, place in places.items()}
