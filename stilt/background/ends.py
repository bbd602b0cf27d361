"""Where particles end: by age, or by leaving the weather's domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from stilt.receptors import Receptor

MINUTES_PER_HOUR = 60.0
# A particle that has not been followed to the end, less a step of transport, has left.
LEFT_EARLY_MIN = 1.5
_BLOCKS = 4


def first_and_last(
    particles: pd.DataFrame, further: Mapping[str, np.ndarray] | None = None
) -> pd.DataFrame:
    """Return each particle's rows nearest to its release and farthest from it, by particle.

    Transforms need nothing else of a table to weight the particles' ends.

    Args:
        particles: the table.
        further: columns to add, (2, particles) each: of first and of last rows, by ``indx`` from
            one.
    """
    first, last = _rows_at_ends(particles["time"].to_numpy(), particles["indx"].to_numpy())
    ends = np.stack([first, last], axis=1)
    rows = ends[np.stack([np.ones_like(first, bool), first != last], axis=1)]
    found = particles.iloc[rows].reset_index(drop=True)
    if not further:
        return found
    place = found["indx"].to_numpy() - 1
    is_last = np.append(place[1:] != place[:-1], True).astype(int)[: place.size]
    return found.assign(**{name: values[is_last, place] for name, values in further.items()})


def _rows_at_ends(time: np.ndarray, indx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last row of each particle by age, by particle.

    Rows come by age from the transport: then the first of all particles stand at the head of the
    table, and those of the few that left before the end are all that is looked for.
    """
    count = int(indx.max(initial=0))
    if not (_by_age(time) and np.array_equal(indx[:count], np.arange(1, count + 1))):
        return _first_and_last_rows(np.argsort(np.abs(time), kind="stable"), indx)
    last = np.full(count + 1, -1)
    end = indx.size
    while end > 0 and (last[1:] < 0).any():
        begin = max(0, end - _BLOCKS * count)
        found = np.full(count + 1, -1)
        # Of assignments to one place the last one stays.
        found[indx[begin:end]] = np.arange(begin, end)
        last = np.where(last < 0, found, last)
        end = begin
    return np.arange(count), last[1:]


def _by_age(time: np.ndarray) -> bool:
    """Return whether rows come by age."""
    if time.size == 0 or time[0] * time[-1] < 0.0:
        return False
    earlier, later = (time[:-1], time[1:]) if time[-1] > 0.0 else (time[1:], time[:-1])
    return bool(np.all(earlier <= later))


def _first_and_last_rows(rows: np.ndarray, indx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last of some rows for each particle, by particle."""
    numbers = indx[rows].astype(np.intp)
    ends = np.full((numbers.max(initial=-1) + 1, 2), -1)
    ends[numbers[::-1], 0] = rows[::-1]
    ends[numbers, 1] = rows
    first, last = ends[ends[:, 0] >= 0].T
    return first, last


def ends_of(particles: pd.DataFrame, receptor: Receptor, n_hours: float) -> pd.DataFrame:
    """Return the last place of every particle.

    Args:
        particles: the table, or its first and last rows.
        receptor: their receptor.
        n_hours: how long particles are followed, negative backward.

    Returns:
        By ascending indx: indx, datetime (naive UTC), age_h (hours, not negative), long, lati
        (degrees), and of the table zagl (m), pres (hPa) and zsfc (m) where it has them; ``left``:
        whether the particle left the weather's domain before the end.
    """
    last = first_and_last(particles).drop_duplicates("indx", keep="last")
    minutes = last["time"].to_numpy(np.float64)
    times = np.datetime64(receptor.time, "ms") + np.round(minutes * 60_000).astype(
        "timedelta64[ms]"
    )
    found = pd.DataFrame(
        {
            "indx": last["indx"].to_numpy(),
            "datetime": times.astype("datetime64[ns]"),
            "age_h": np.abs(minutes) / MINUTES_PER_HOUR,
            "left": np.abs(minutes) < abs(n_hours) * MINUTES_PER_HOUR - LEFT_EARLY_MIN,
        }
    )
    for name in ("long", "lati", "zagl", "pres", "zsfc"):
        if name in last:
            found[name] = last[name].to_numpy(np.float64)
    return found
