"""Maps of HYSPLIT's and our footprints side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.parity.cases import CELL_DEG, Case, Ensemble
from stilt.plotting.style import degree_text, influence_colours

_WIDTH_IN, _PANEL_IN, _ROOM_IN, _DPI = 8.0, 3.5, 1.5, 100
_LETTERS_PT = 8.5


def draw(runs: dict[Case, list[Ensemble]], folder: Path) -> list[Path]:
    """Draw one PNG a case: the average footprint of all seeds, left HYSPLIT, right ours.

    A case without influence in either program is left out: there is nothing to draw.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _one(case, mine, folder)
        for case, mine in runs.items()
        if any((ensemble.foot > 0.0).any() for ensemble in [*case.ensembles, *mine])
    ]


def _one(case: Case, mine: list[Ensemble], folder: Path) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    fields = {"HYSPLIT": _average(case.ensembles), "stilt": _average(mine)}
    cells = pd.concat(fields.values()).index.unique()
    i0, i1 = cells.get_level_values(0).min(), cells.get_level_values(0).max()
    j0, j1 = cells.get_level_values(1).min(), cells.get_level_values(1).max()
    largest = max(field.max() for field in fields.values())
    norm = LogNorm(largest * 1e-4, largest)
    extent = [CELL_DEG * i0, CELL_DEG * (i1 + 1), CELL_DEG * j0, CELL_DEG * (j1 + 1)]
    stretch = 1.0 / np.cos(np.radians(case.lat))
    shape = stretch * (extent[3] - extent[2]) / (extent[1] - extent[0])
    height = float(np.clip(_PANEL_IN * shape + _ROOM_IN, 2.4, 5.4))
    figure = Figure(figsize=(_WIDTH_IN, height), dpi=_DPI, layout="compressed")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    for axis, (name, field) in zip(axes, fields.items(), strict=True):
        grid = np.full((j1 - j0 + 1, i1 - i0 + 1), np.nan)
        grid[field.index.get_level_values(1) - j0, field.index.get_level_values(0) - i0] = field
        image = axis.imshow(
            grid, origin="lower", extent=extent, norm=norm, cmap=influence_colours()
        )
        axis.plot(case.lon, case.lat, "k^", markersize=5, clip_on=False, zorder=5)
        axis.set_aspect(stretch)
        axis.set_title(f"{name}, total {field.sum():.3g}", fontsize=_LETTERS_PT + 1)
        axis.tick_params(labelsize=_LETTERS_PT)
        for side, marks in ((axis.xaxis, ("E", "W")), (axis.yaxis, ("N", "S"))):
            # The lowest would meet the other side's in the corner.
            side.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], prune="lower"))
            side.set_major_formatter(FuncFormatter(lambda v, _, m=marks: degree_text(v, *m)))
    bar = figure.colorbar(
        image, ax=axes, extend="min", location="bottom", shrink=0.6, aspect=40, pad=0.04
    )
    bar.set_label("influence of a cell, ppm per (µmol m⁻² s⁻¹)", fontsize=_LETTERS_PT)
    bar.ax.tick_params(labelsize=_LETTERS_PT)
    before = f"{abs(case.hours)} h {'back' if case.hours < 0 else 'forward'}"
    figure.suptitle(f"{case}, {case.time} UTC, {before}", fontsize=_LETTERS_PT + 2)
    path = folder / f"parity-{case.weather}-{case.name}.png"
    figure.savefig(path, bbox_inches="tight", pad_inches=0.08)
    return path


def _average(ensembles: list[Ensemble]) -> pd.Series:
    """Footprint per particle by cell, averaged over seeds."""
    together = pd.concat([e.foot / e.count for e in ensembles])
    average = together.groupby(level=["i", "j"]).sum() / len(ensembles)
    return average[average > 0.0]
