"""The sum of every footprint over time: a line for each place where there are receptors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from stilt.errors import UsageError
from stilt.footprint.receptor_coordinates import receptor_coordinates
from stilt.plotting.gaps import broken_at, gaps
from stilt.plotting.map_keywords import check_figsize
from stilt.plotting.style import (
    FAINT_INK,
    INK,
    LETTERS_PT,
    LINES,
    SERIES_COLOURS,
    dress_dates,
    frame,
    height_text,
    new_axes,
    where_text,
    write_title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from stilt.footprint.footprint import Footprint
    from stilt.receptors import Receptor

TOTAL_LABEL = "sum over the map, ppm per (µmol m$^{-2}$ s$^{-1}$)"
MOST_NAMED = 12
WIDEST_NAME = 26
AROUND_ONE_TIME = pd.Timedelta("3h")


class SeriesPlace(NamedTuple):
    """Where a receptor is; they sort as the view ``receptors`` does, from the ground up.

    Attributes:
        longitude, latitude: degrees; of the middle of several points.
        altitude_m: above ground or sea level; of the middle of a column.
        location_id: the receptor's.
        where, height: texts.
    """

    longitude: float
    latitude: float
    altitude_m: float
    location_id: str
    where: str
    height: str

    @classmethod
    def of(cls, receptor: Receptor) -> SeriesPlace:
        """Return the place of a receptor."""
        middle = receptor_coordinates(receptor)
        return cls(
            middle["receptor_longitude"], middle["receptor_latitude"], middle["receptor_altitude"],
            str(receptor.location_id), where_text(receptor), height_text(receptor),
        )  # fmt: skip


def series_places(receptors: Iterable[Receptor]) -> dict[str, SeriesPlace]:
    """Return the places of receptors in order, by location id.

    The label ``site`` says where a place is, if all receptors that have it are at one longitude
    and latitude.
    """
    places: dict[str, SeriesPlace] = {}
    sites: dict[str, str] = {}
    for receptor in receptors:
        location = str(receptor.location_id)
        if location not in places:
            places[location] = SeriesPlace.of(receptor)
            site = receptor.labels.get("site")
            sites[location] = site if isinstance(site, str) else ""
    wheres: dict[str, set[str]] = {}
    for location, site in sites.items():
        wheres.setdefault(site, set()).add(places[location].where)
    named = [
        place._replace(where=site) if site and len(wheres[site]) == 1 else place
        for place, site in zip(places.values(), sites.values(), strict=True)
    ]
    return {place.location_id: place for place in sorted(named)}


def draw_series(
    footprints: Iterable[Footprint],
    ax: Axes | None,
    *,
    log: bool,
    label: str = TOTAL_LABEL,
    title: str | None = None,
    letters: float = LETTERS_PT,
    figsize: tuple[float, float] | None = None,
) -> Axes:
    """Draw sums of footprints; see :meth:`stilt.plotting.FootprintFilesPlots.series`.

    Raises:
        UsageError: matplotlib is missing, or there is no footprint.
    """
    name = ""
    sums: dict[str, list[tuple[pd.Timestamp, float]]] = {}
    receptors: dict[str, Receptor] = {}
    for one in footprints:
        name = name or one.name
        location = str(one.receptor.location_id)
        receptors.setdefault(location, one.receptor)
        sums.setdefault(location, []).append((one.receptor.time, one.total))
    if not sums:
        raise UsageError("There is nothing to draw: the selection holds no footprint.")
    check_figsize(figsize)
    ax = new_axes(0.45, ax, figsize)
    places = list(series_places(receptors.values()).values())
    names = _names(places)
    for place, text, colour in zip(places, names, place_colours(len(places)), strict=True):
        times, values = _with_gaps(sums[place.location_id])
        named = len(places) <= MOST_NAMED
        ax.plot(
            times, values, marker="o", markersize=3.2, linewidth=1.1, color=colour,
            alpha=1.0 if named else 0.4, label=text if named else None,
        )  # fmt: skip
    _dress(ax, label, letters, log=log)
    when = {time for rows in sums.values() for time, _ in rows}
    if len(when) == 1:
        (only,) = when
        ends: Any = (only - AROUND_ONE_TIME, only + AROUND_ONE_TIME)
        ax.set_xlim(*ends)
    if 1 < len(places) <= MOST_NAMED:
        # Beside the axes, where it hides nothing.
        ax.legend(
            loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, frameon=False,
            fontsize=letters - 0.5,
        )  # fmt: skip
    if title is None:
        title = "Influence of the whole map on each receptor" + (
            f", footprint '{name}'" * bool(name)
        )
    if title:
        write_title(ax, title, _note(places), letters)
    return ax


def _names(places: list[SeriesPlace]) -> list[str]:
    """Return names that distinguish places: by height if all are at one place, else by both."""
    if len({place.where for place in places}) == 1:
        return [place.height for place in places]
    if len({place.height for place in places}) == 1:
        return [place.where for place in places]
    texts = [f"{place.where}, {place.height}" for place in places]
    if max(map(len, texts)) <= WIDEST_NAME:
        return texts
    return [f"{place.where},\n{place.height}" for place in places]


def _note(places: list[SeriesPlace]) -> str:
    """Say in one line where the receptors are."""
    wheres = {place.where for place in places}
    heights = {place.height for place in places}
    where = min(wheres) if len(wheres) == 1 else f"{len(wheres)} places"
    if len(heights) == 1:
        return f"{where}, {min(heights)}"
    # Where each place has one height, the legend says which.
    return where if len(wheres) == len(places) else f"{where}, {len(heights)} heights"


def place_colours(number: int) -> list[Any]:
    """Return colours that can be told apart; one for all where there are too many."""
    if number <= len(SERIES_COLOURS):
        return list(SERIES_COLOURS[:number])
    if number > MOST_NAMED:
        return [FAINT_INK] * number
    from matplotlib import colormaps

    return list(colormaps["viridis"](np.linspace(0.0, 0.92, number)))


def _with_gaps(sums: list[tuple[pd.Timestamp, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Return times and mean values in order, with NaN in long gaps, where a line is to break."""
    one = pd.DataFrame(sums, columns=["time", "total"]).groupby("time")["total"].mean()
    times, values = one.index.to_numpy(), one.to_numpy(np.float64)
    times, values = broken_at(gaps(times), times, values)
    return times, values


def _dress(ax: Axes, label: str, letters: float, *, log: bool) -> None:
    frame(ax, letters)
    dress_dates(ax)
    ax.set_axisbelow(True)
    ax.grid(True, color=LINES, linewidth=0.6)
    if log:
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0.0)
    ax.set_ylabel(label, fontsize=letters, color=INK)
    ax.set_xlabel("time of the receptor, UTC", fontsize=letters, color=INK)
