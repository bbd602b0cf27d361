"""A map that a reader steps through by receptor and hour, in a notebook or a page, offline."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stilt.atomic import atomic_path
from stilt.destinations import file_to_write
from stilt.footprint.cell_grid import is_longlat, transformer
from stilt.plotting.encoded_maps import encode_maps
from stilt.plotting.style import INFLUENCE, receptor_text

if TYPE_CHECKING:
    from stilt.footprint.layers import Layers
    from stilt.receptors import Receptor

MOST_BYTES = 6_000_000
FRAME_PX = 640
# The page makes no requests: with this policy a browser refuses to load anything from elsewhere.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


class InteractiveMap:
    """A map to step through; a notebook shows it, :meth:`save` writes it as a page.

    Attributes:
        data: what the map's script reads.
        title: of the page.
    """

    def __init__(self, data: Mapping[str, Any], title: str) -> None:
        self.data = data
        self.title = title

    def to_html(self) -> str:
        """Return a self-contained page, which makes no requests."""
        body = f'<h1>{html.escape(self.title)}</h1><div id="map"></div>'
        script = f"{asset('map.js')}\nstiltMap(document.getElementById('map'), DATA);"
        return page(self.title, body, asset("map.css") + PAGE_CSS, {"DATA": self.data}, script)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file."""
        place = file_to_write(path)
        with atomic_path(place) as temporary:
            temporary.write_text(self.to_html(), encoding="utf-8")
        return place

    def _repr_html_(self) -> str:
        inside = html.escape(self.to_html(), quote=True)
        return (
            f'<iframe srcdoc="{inside}" width="100%" height="{FRAME_PX}" '
            f'style="border:0" title="{html.escape(self.title, quote=True)}"></iframe>'
        )

    def __repr__(self) -> str:
        number = len(self.data["maps"])
        return f"<InteractiveMap of {number} footprint{'s' * (number != 1)}: .save(path) writes it>"


PAGE_CSS = """
:root { color-scheme: light dark; }
body { margin: 14px auto; max-width: 1100px; padding: 0 14px; background: #fff; color: #22303c;
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 17px; margin: 0 0 8px; }
@media (prefers-color-scheme: dark) { body { background: #12181c; color: #dde5ea; } }
"""


def interactive_map(
    read: Mapping[str, Callable[[], Layers]], title: str, *, budget_bytes: float = MOST_BYTES
) -> InteractiveMap:
    """Return a map of footprints.

    Args:
        read: functions that read each footprint, by id, in the order to step through.
        title: of the page.
        budget_bytes: largest size of all maps; where they are larger, cells and hours are summed.

    Raises:
        UsageError: there is no footprint.
    """
    return InteractiveMap(map_data(read, budget_bytes=budget_bytes), title)


def map_data(read: Mapping[str, Callable[[], Layers]], *, budget_bytes: float) -> dict[str, Any]:
    """Return what the map's script reads."""
    encoded = encode_maps(read, budget_bytes=budget_bytes)
    west = encoded.grid["x"]
    receptors, integrated = [], False
    for one in encoded.maps:
        layers = read[one["id"]]()
        integrated = layers.integrated
        receptors.append(_receptor(one["id"], layers.receptor, layers.grid.projection, west))
    return {
        **encoded.to_dict(),
        "receptors": receptors,
        "integrated": integrated,
        "palette": list(INFLUENCE),
    }


def _receptor(name: str, receptor: Receptor, projection: str, west: float) -> dict[str, Any]:
    """Return a receptor's name, time and places in the map's coordinates."""
    places = np.array(sorted({(p.longitude, p.latitude) for p in receptor.positions}))
    x, y = places.T
    if is_longlat(projection):
        # A place a little west of the grid stays there, instead of 360 degrees further east.
        x = (x - west + 90.0) % 360.0 + west - 90.0
    else:
        x, y = transformer(projection).transform(x, y)
    there = np.isfinite(x) & np.isfinite(y)
    points = np.column_stack([x, y])[there]
    return {
        "id": name,
        "text": receptor_text(receptor),
        "time": int(receptor.time.timestamp()),
        "points": [[float(f"{value:.7g}") for value in point] for point in points],
    }


def asset(name: str) -> str:
    """Return the text of a style sheet or script of this package."""
    return (files("stilt.plotting") / "viewer" / name).read_text(encoding="utf-8")


def page(
    title: str, body: str, style: str, data: Mapping[str, Any], script: str, *, lang: str = "en"
) -> str:
    """Return one HTML page with everything that it needs.

    Args:
        title: plain text.
        body: HTML.
        style: CSS.
        data: values by the name of a JavaScript constant.
        script: JavaScript that runs at the end of the body.
        lang: of the text.
    """
    constants = "\n".join(f"const {name} = {_json(value)};" for name, value in data.items())
    return (
        f'<!doctype html>\n<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"{body}\n<script>\n{constants}\n{script}\n</script>\n</body>\n</html>\n"
    )


def _json(value: Any) -> str:
    """Return JSON that cannot end the script element that contains it."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
