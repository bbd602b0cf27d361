"""Missing weather, reported once for all simulations that lack it together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import pandas as pd

from stilt.errors import Reason
from stilt.meteorology.catalogue import Assessment
from stilt.receptors import sim_parts

LACKS_WEATHER = (Reason.MISSING_MET_FILES, Reason.MET_COVERAGE)

Window = tuple[pd.Timestamp, pd.Timestamp]

_TIME = "%Y-%m-%d %H:%M"


@dataclass(frozen=True)
class WeatherProblem:
    """A span of time whose weather is missing or unusable.

    Attributes:
        met: the meteorology.
        sim_ids: simulations that need it, by time.
        reasons: typed cause of each of these.
        window: first and last time needed, UTC.
        detail: which hours, and which files were looked for.
    """

    met: str
    sim_ids: tuple[str, ...]
    reasons: tuple[Reason, ...]
    window: Window
    detail: str

    @property
    def who(self) -> str:
        """The simulations in a few words: one and a number, or a number and their times."""
        number = len(self.sim_ids)
        first, last = (
            pd.to_datetime(sim_parts(sim_id)[1], format="%Y%m%d%H%M%S")
            for sim_id in (self.sim_ids[0], self.sim_ids[-1])
        )
        if first == last:
            return self.sim_ids[0] + (f" and {number - 1} more" if number > 1 else "")
        return (
            f"{number:,} simulations of {self.met} from {first.strftime(_TIME)} to "
            f"{last.strftime(_TIME)}"
        )

    @property
    def why(self) -> str:
        """The typed causes, with numbers where there are several."""
        counts = Counter(self.reasons)
        return ", ".join(
            f"{reason} {number}" if len(counts) > 1 else str(reason)
            for reason, number in counts.most_common()
        )

    def __str__(self) -> str:
        return f"{self.who}: {self.why}: {self.detail}"


class Catalogue(Protocol):
    """The weather files of a meteorology, or of nested ones."""

    def assess(self, start: pd.Timestamp, end: pd.Timestamp) -> Assessment:
        """Return how the files cover a window of time."""


def window_of(time: pd.Timestamp, n_hours: float) -> Window:
    """Return the first and the last time that a receptor needs."""
    end = time + pd.Timedelta(hours=n_hours)
    return min(time, end), max(time, end)


def together(problems: Sequence[WeatherProblem], catalogue: Catalogue) -> list[WeatherProblem]:
    """Join problems of missing weather that have one cause, or whose windows overlap.

    Args:
        problems: of one meteorology.
        catalogue: its files, asked once more for the whole span of joined windows.

    Returns:
        The problems by time; those of other kinds, such as a damaged file, as they were.
    """
    joined: list[list[WeatherProblem]] = []
    end = None
    for each in sorted(problems, key=lambda problem: problem.window):
        lacks = set(each.reasons) <= set(LACKS_WEATHER)
        same = bool(joined) and each.detail == joined[-1][-1].detail
        if lacks and end is not None and (each.window[0] <= end or same):
            joined[-1].append(each)
            end = max(end, each.window[1])
        else:
            joined.append([each])
            end = each.window[1] if lacks else None
    return [_one(some, catalogue) for some in joined]


def _one(problems: Sequence[WeatherProblem], catalogue: Catalogue) -> WeatherProblem:
    first = problems[0]
    if len(problems) == 1:
        return first
    window = first.window[0], max(each.window[1] for each in problems)
    error = None
    if len({each.detail for each in problems}) > 1:
        error = catalogue.assess(*window).error
    return WeatherProblem(
        first.met,
        tuple(chain.from_iterable(each.sim_ids for each in problems)),
        tuple(chain.from_iterable(each.reasons for each in problems)),
        window,
        first.detail if error is None else error.detail,
    )
