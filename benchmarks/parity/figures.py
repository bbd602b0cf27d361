"""Maps of HYSPLIT's and our footprints side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.parity.cases import CELL_DEG, Case, Ensemble

_WIDTH_IN, _HEIGHT_IN, _DPI = 8.0, 3.6, 90


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

    fields = {"HYSPLIT": _average(case.ensembles), "stilt": _average(mine)}
    cells = pd.concat(fields.values()).index.unique()
    i0, i1 = cells.get_level_values(0).min(), cells.get_level_values(0).max()
    j0, j1 = cells.get_level_values(1).min(), cells.get_level_values(1).max()
    largest = max(field.max() for field in fields.values())
    norm = LogNorm(largest * 1e-4, largest)
    figure = Figure(figsize=(_WIDTH_IN, _HEIGHT_IN), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    extent = [CELL_DEG * i0, CELL_DEG * (i1 + 1), CELL_DEG * j0, CELL_DEG * (j1 + 1)]
    for axis, (name, field) in zip(axes, fields.items(), strict=True):
        grid = np.full((j1 - j0 + 1, i1 - i0 + 1), np.nan)
        grid[field.index.get_level_values(1) - j0, field.index.get_level_values(0) - i0] = field
        image = axis.imshow(grid, origin="lower", extent=extent, norm=norm, cmap="viridis")
        axis.plot(case.lon, case.lat, "k^", markersize=5)
        axis.set_aspect(1.0 / np.cos(np.radians(case.lat)))
        axis.set_title(f"{name}: {field.sum():.3g}", fontsize=10)
        axis.set_xlabel("degrees east", fontsize=8)
        axis.tick_params(labelsize=8)
    axes[0].set_ylabel("degrees north", fontsize=8)
    bar = figure.colorbar(image, ax=axes, shrink=0.85)
    bar.set_label("ppm / (µmol m⁻² s⁻¹) per cell", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(f"{case}, {case.time} UTC, {case.hours:+d} h", fontsize=10)
    path = folder / f"parity-{case.weather}-{case.name}.png"
    figure.savefig(path)
    return path


def _average(ensembles: list[Ensemble]) -> pd.Series:
    """Footprint per particle by cell, averaged over seeds."""
    together = pd.concat([e.foot / e.count for e in ensembles])
    average = together.groupby(level=["i", "j"]).sum() / len(ensembles)
    return average[average > 0.0]
