"""The places that a time series is of: which rows one line may join."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stilt.errors import UsageError
from stilt.plotting.style import degree_text

if TYPE_CHECKING:
    import xarray as xr

NAMES = ("site", "location")
MOST_LISTED = 12


def places_of(series: xr.Dataset, site: str | None) -> dict[str, xr.Dataset]:
    """Return the parts of a series that belong to one place, by name, western and low ones first.

    A part is of one site (or longitude and latitude), height and meteorology. More than
    ``MOST_LISTED`` places with one measurement each, all at other times, are the path of something
    that moves: one part.

    Args:
        series: along ``receptor``, or ``site`` and ``time``.
        site: a site or location; None for all.

    Raises:
        UsageError: there is no such site, or there are several realizations.
    """
    if "realization" in series.dims:
        raise UsageError(
            "The series has several realizations: choose one, as in series.sel(realization=0)."
        )
    if "site" in series.dims:
        names = series["site"].values.astype(str)
        _require(site, names)
        return {
            name: series.isel(site=number).dropna("time", subset=["total"])
            for number, name in enumerate(names)
            if site in (None, name)
        }
    if site is not None:
        known = [series[name].values.astype(str) for name in NAMES if name in series.coords]
        _require(site, *known)
        mine = np.any([each == str(site) for each in known], axis=0)
        series = series.isel(receptor=np.flatnonzero(mine))
    mets = series["met"].values if "met" in series.coords else ""
    rows = pd.DataFrame(
        {"location": series["location"].values, "met": mets, "time": series["time"].values}
    )
    moves = not (rows.duplicated(["location", "met"]) | rows.duplicated("time")).any()
    if moves and len(rows) > MOST_LISTED:
        return {"": series}
    order = np.lexsort([series[each].values for each in ("altitude", "latitude", "longitude")])
    groups = pd.Series(order).groupby(np.array(_names(series))[order], sort=False)
    return {str(name): series.isel(receptor=np.sort(at.to_numpy())) for name, at in groups}


def _require(site: str | None, *known: np.ndarray) -> None:
    """Refuse a site that is in none of the lists, of which the first is shown."""
    if site is None or any(str(site) in each for each in known):
        return
    names = list(dict.fromkeys(next((each for each in known if any(each)), np.array([]))))
    names = [str(each) for each in names if each]
    more = f" and {len(names) - MOST_LISTED} others" if len(names) > MOST_LISTED else ""
    raise UsageError(
        f"The series has no site {site!r}: there are {', '.join(names[:MOST_LISTED])}{more}."
    )


def _names(series: xr.Dataset) -> list[str]:
    """Return the name of every row's place: what tells it from others, or else its location."""
    count = series.sizes["receptor"]

    def texts(name: str) -> list[str]:
        values = series[name].values if name in series.coords else [""] * count
        return [str(each) for each in values]

    where = [
        site or f"{degree_text(lat, 'N', 'S')} {degree_text(lon, 'E', 'W')}"
        for site, lat, lon in zip(
            texts("site"), series["latitude"].values, series["longitude"].values, strict=True
        )
    ]
    heights = [f"{each:g} m" for each in series["altitude"].values]
    mets, locations = texts("met"), texts("location")
    told = [part for part in (where, heights, mets) if len(set(part)) > 1] or [where]
    names = [", ".join(parts) for parts in zip(*told, strict=True)]
    exact = set(zip(locations, mets, strict=True))
    if len(set(names)) < len(exact):
        names = [", ".join(filter(None, parts)) for parts in zip(locations, mets, strict=True)]
    return names
