"""Write a report: one page with status, maps, time series, weather, failures, speed and cost."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stilt.atomic import atomic_path
from stilt.destinations import file_to_write
from stilt.errors import UsageError
from stilt.plotting.interactive import asset, map_data, page
from stilt.project.followed import left_early_text
from stilt.report import sections
from stilt.report.facts import effort_of, failures_of, totals_of
from stilt.report.weather import weather_cover
from stilt.version import __version__

if TYPE_CHECKING:
    from stilt.footprint.layers import Layers
    from stilt.model import Model

logger = logging.getLogger(__name__)

MOST_MAPS = 1000
MOST_BYTES = 7_500_000


def write_report(
    model: Model,
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    most_maps: int = MOST_MAPS,
    weather: bool = True,
) -> Path:
    """Write the results of a project as one self-contained HTML page.

    The page makes no requests. It stays below 10 MB: of very many receptors an even
    choice is on the map, and cells and hours are summed as far as needed, which the page says.

    Args:
        model: the project.
        path: file to make or replace.
        name: of the footprint on the map; None takes the first.
        most_maps: receptors on the map.
        weather: look at the weather files too.

    Returns:
        The file.

    Raises:
        UsageError: there is no footprint of this name, or the file cannot be replaced.
    """
    place = file_to_write(path)
    table = model.simulations.to_frame()
    names = model.footprints.names()
    if name is not None and name not in model.footprints:
        raise UsageError(
            f"There is no footprint '{name}': the choices are {', '.join(names) or 'none'}."
        )
    name = name or (names[0] if names else None)
    shown, maps_note = _maps(model, name, most_maps)
    totals = totals_of(model, table, name) if name else {"places": [], "points": [], "left_out": 0}
    covers = weather_cover(model, table["time"]) if weather and len(table) else []
    sizes = model.index.output_sizes(model.files.expectations)
    left_early = left_early_text(model.config, sizes)
    parts = {
        "Simulations": sections.status_section(model.status(), left_early),
        "Map": (f'<p class="note">{escape(maps_note)}</p>' if maps_note else "")
        + ('<div id="map"></div>' if shown else ""),
        "Influence on each receptor": _series_text(totals, name),
        "Weather": sections.weather_section(covers) if weather else "",
        "Failures": sections.failures_section(failures_of(model), str(model.project)),
        "Speed and cost": sections.effort_section(effort_of(model, table)),
        "Settings": sections.settings_section(_settings(model)),
    }
    body = _head(model) + "".join(
        f"<section><h2>{title}</h2>{text}</section>" for title, text in parts.items() if text
    )
    html = page(
        f"{model.name}: report",
        f"<main>{body}</main>",
        asset("map.css") + _asset("page.css"),
        {"MAPS": shown, "TOTALS": totals},
        "\n".join([asset("map.js"), _asset("page.js")]),
    )
    with atomic_path(place) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return place


def _asset(name: str) -> str:
    return (files("stilt.report") / name).read_text(encoding="utf-8")


def _head(model: Model) -> str:
    now = pd.Timestamp.now("UTC")
    return (
        f"<header><h1>{escape(model.name)}</h1><p>{escape(str(model.project))} · written "
        f"{now:%Y-%m-%d %H:%M} UTC by stilt {__version__}</p></header>"
    )


def _maps(model: Model, name: str | None, most_maps: int) -> tuple[dict[str, Any] | None, str]:
    """Return what the map shows, and a sentence on what it leaves out."""
    if name is None:
        return None, "The configuration has no footprints: the run keeps particles only."
    read = _readers(model, name)
    number = len(read)
    if not number:
        return None, f"There is no footprint '{name}' yet."
    if number > most_maps:
        picked = np.unique(np.linspace(0, number - 1, most_maps).round().astype(int))
        ids = list(read)
        read = {ids[position]: read[ids[position]] for position in picked}
    data = map_data(read, budget_bytes=MOST_BYTES)
    notes = [f"Footprint '{name}'."]
    if len(read) < number:
        notes.append(f"{len(read):,} of {number:,} receptors, evenly chosen.")
    if len(data["maps"]) < len(read):
        notes.append(f"{len(read) - len(data['maps']):,} on another grid are left out.")
    cells, hours = data["coarseness"]["cells"], data["coarseness"]["hours"]
    if cells > 1:
        notes.append(f"Cells are sums of {cells} × {cells} of the grid, to keep this page small.")
    if hours > 1:
        notes.append(f"Hours are sums of {hours}.")
    return data, " ".join(notes)


def _readers(model: Model, name: str) -> dict[str, Callable[[], Layers]]:
    """Return what reads each footprint, by place from the ground up, and time."""
    there = model.footprints[name].chosen({}, "").readers()
    order = model.index.sql(
        "SELECT sim_id FROM receptors "
        "ORDER BY longitude, latitude, altitude, location_id, time, sim_id"
    )
    return {sim_id: there[sim_id] for sim_id in order["sim_id"] if sim_id in there}


def _series_text(totals: dict[str, Any], name: str | None) -> str:
    """Return the frame of the chart, and what it shows."""
    if not totals["points"]:
        return ""
    left = totals["left_out"]
    more = f" {left:,} more are left out, evenly." if left else ""
    text = (
        f"The sum of footprint '{name}' over its grid and hours, at the time of each receptor."
        f"{more} A click on a point shows its map."
    )
    return f'<p class="note">{escape(text)}</p><div id="series"></div>'


def _settings(model: Model) -> dict[str, str]:
    """Return the settings that matter most, as texts."""
    try:
        config = model.config
    except FileNotFoundError:
        return {"config.yaml": "not there"}
    found = {
        "followed": f"{abs(config.n_hours):g} hours {'back' if config.n_hours < 0 else 'forward'}",
        "particles": f"{config.numpar:,} for each receptor",
        "meteorology": ", ".join(config.mets),
    }
    for name, footprint in config.footprints.items():
        grid = footprint.grid
        where = "" if "longlat" in grid.projection else f", {grid.projection}"
        found[f"footprint {name}"] = (
            f"{grid.xmin:g} to {grid.xmax:g}, {grid.ymin:g} to {grid.ymax:g}; cells of "
            f"{grid.xres:g} × {grid.yres:g}{where}"
        )
    return found
