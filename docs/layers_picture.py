"""Draws the layers of the code from the import contract in pyproject.toml, as SVG text."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]

WHAT = {
    "flows": "Prefect: flows, task runs, server, backends",
    "stilt.cli": "one file per command",
    "stilt.demo": "a first project, what to mend, all results on one page",
    "stilt.model": "what a user holds: model, simulations, collections",
    "stilt.execution": "plan, engine, crews, batches",
    "stilt.project": "layout on disk, index, receipts, claims",
    "stilt.store": "outputs of many receptors in few files",
    "stilt.transport": "numerics: particles, footprints, transforms",
    "stilt.meteorology": "analyses, prepared once on internal levels",
    "stilt.config": "typed configuration, receptors and their ids",
}
WIDTH, LINE, GAP, LEFT = 760, 18, 10, 12
LETTERS = 95
STYLE = (
    "rect{fill:#e8f1f5;stroke:#0b6e99;stroke-width:1.2}"
    "text{font-family:system-ui,sans-serif;fill:#22303c;font-size:14px}"
    ".small{font-size:12px;fill:#4a5a67}"
    "path{stroke:#0b6e99;stroke-width:2;fill:none}"
)


def layers() -> list[list[str]]:
    """Return the packages of each layer, the highest first."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = content["tool"]["importlinter"]["contracts"][0]["layers"]
    return [[name.strip("() ") for name in line.split(":")] for line in contract]


def layers_picture() -> str:
    """Return the picture: one box a layer; each may import those below it."""
    boxes: list[str] = []
    bottom = 28
    for names in layers():
        box, height = _box(names, bottom)
        boxes += box
        bottom += height + GAP
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom}" '
            f'role="img" aria-label="Layers of the code">',
            f"<style>{STYLE}</style>",
            f'<text class="small" x="{LEFT}" y="18">Each layer imports only those below it.</text>',
            *boxes,
            "</svg>\n",
        )
    )


def _box(names: Sequence[str], y: int) -> tuple[list[str], int]:
    """Return a box with its names, in as many lines as they need, and its height."""
    what = next((WHAT[name] for name in names if name in WHAT), "shared by all")
    label = ", ".join(name.removeprefix("stilt.") for name in names)
    lines = [("", line) for line in textwrap.wrap(label, LETTERS)] + [("small", what)]
    height = len(lines) * LINE + GAP
    texts = [
        f'<text class="{kind}" x="{LEFT + 12}" y="{y + LINE * number + 20}">{escape(line)}</text>'
        for number, (kind, line) in enumerate(lines)
    ]
    box = f'<rect x="{LEFT}" y="{y}" width="{WIDTH - 2 * LEFT}" height="{height}" rx="6"/>'
    return [box, *texts], height
