"""Notebooks from plain text, and the one in which the demo is explored."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

_MARK = re.compile(r"^# %%( \[markdown\])?[^\n]*\n", re.M)


@dataclass(frozen=True)
class NotebookCell:
    """One cell of a notebook.

    Attributes:
        kind: ``markdown`` or ``code``.
        source: its text.
    """

    kind: str
    source: str


def read_percent_script(text: str) -> list[NotebookCell]:
    """Return the cells of a script in the percent format.

    A cell begins with a line ``# %%``, a cell of text with ``# %% [markdown]``; the lines of the
    latter are comments. Text before the first cell is left out.

    Raises:
        ValueError: a line of a cell of text is no comment.
    """
    cells = []
    marks = list(_MARK.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    for mark, end in zip(marks, ends, strict=True):
        source = text[mark.end() : end].strip("\n")
        if mark.group(1):
            lines = source.splitlines()
            if wrong := next((line for line in lines if not line.startswith("#")), None):
                raise ValueError(f"'{wrong}' is not a comment, but stands in a cell of text.")
            source = "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines)
        cells.append(NotebookCell("markdown" if mark.group(1) else "code", source))
    return cells


def notebook_text(cells: list[NotebookCell]) -> str:
    """Return cells as a notebook file of Jupyter (format 4.5), without results."""
    document = {
        "cells": [_cell(number, cell) for number, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _cell(number: int, cell: NotebookCell) -> dict[str, Any]:
    mark = sha256(f"{number} {cell.source}".encode()).hexdigest()[:16]
    entry: dict[str, Any] = {"cell_type": cell.kind, "id": mark, "metadata": {}}
    if cell.kind == "code":
        entry |= {"execution_count": None, "outputs": []}
    return entry | {"source": cell.source.splitlines(keepends=True)}


def explore_notebook() -> str:
    """Return the notebook that the demo writes beside its project."""
    return notebook_text(read_percent_script(_EXPLORE))


_EXPLORE = '''\
# %% [markdown]
# # Explore the demo
#
# `stilt demo` has followed air back from six receptors through **synthetic** weather. Everything it
# made is in this folder; here is how to look at it. With a project of your own only the folder and
# the ids differ.

# %%
import stilt

model = stilt.Model(project=".")
model.simulations.to_frame()[["sim_id", "state", "n_rows", "seconds"]]

# %% [markdown]
# ## One footprint
#
# How much each patch of land changes what was measured, in ppm per (µmol m⁻² s⁻¹), summed over the
# hours before.

# %%
tower = "demo_202307152100_-111.85_40.77_30"
footprint = model.footprints["default"][tower]
footprint.plot.map();

# %% [markdown]
# Hour by hour:

# %%
footprint.plot.facet();

# %% [markdown]
# All six on a map to step through by receptor and hour; it needs no network:

# %%
model.footprints["default"].plot.interactive()

# %% [markdown]
# ## Where the air came from
#
# The particles behind it: their paths, and where they were twelve hours earlier.

# %%
trajectories = model.trajectories[tower]
trajectories.plot.map();

# %%
trajectories.endpoints()[["long", "lati", "zagl"]].describe().loc[["mean", "min", "max"]]

# %% [markdown]
# ## The day of a tower
#
# In the morning the mixed layer is shallow and the ground counts for much; in the afternoon the
# same flux is spread over more air. The column sees less of the ground than the tower does.

# %%
totals = model.index.sql("""
    SELECT r.time, r.kind, r.longitude, r.latitude, r.altitude, f.total
    FROM receptors r JOIN footprints f USING (sim_id)
    ORDER BY r.kind, r.longitude, r.time
""")
totals

# %% [markdown]
# ## From footprints to a concentration
#
# A town of 0.4 degrees emits 30 µmol of CO₂ per square metre and second, the land around it 2. What
# does each receptor measure above the background?

# %%
import xarray as xr

flux = xr.full_like(footprint.data.isel(time=0, drop=True), 2.0)
town = (abs(flux.lon + 112.0) < 0.2) & (abs(flux.lat - 40.7) < 0.2)
flux = flux.where(~town, 30.0).assign_attrs(units="umol m-2 s-1")
model.footprints["default"].enhancement(flux)["enhancement_ppm"].round(2)

# %% [markdown]
# ## Go on
#
# Add a line to `receptors.csv`, or change `numpar` in `config.yaml`, and run again: only what is
# missing or out of date is computed. `model.run()` here, or `stilt run .` in a shell, do the same.

# %%
model = stilt.Model(project=".")
model.status()
'''
