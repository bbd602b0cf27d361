"""Maps of particles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from stilt.errors import UsageError
from stilt.plotting.style import (
    INK,
    dress,
    influence_norm,
    mark_receptor,
    new_axes,
    receptor_text,
    scale_bar,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from stilt.receptors import Receptor

LONGLAT = "+proj=longlat"
LABELS = {
    "time": "hours since release",
    "zagl": "height above ground, m",
    "foot": "influence of a step, ppm per (µmol m$^{-2}$ s$^{-1}$)",
}
MOST_DOTS = 200_000


class Plotted(Protocol):
    """Particles of one receptor: :class:`stilt.Trajectories`."""

    @property
    def particles(self) -> pd.DataFrame:
        """Their table."""

    @property
    def receptor(self) -> Receptor:
        """Their receptor."""


class TrajectoryPlots:
    """Maps of one receptor's particles, as ``trajectories.plot``."""

    def __init__(self, trajectories: Plotted) -> None:
        self._trajectories = trajectories

    def map(
        self,
        color_by: str = "time",
        *,
        ax: Axes | None = None,
        cmap: str = "viridis_r",
        s: float = 1.0,
        alpha: float = 0.3,
        title: str | None = None,
    ) -> Axes:
        """Draw particle positions, coloured by one of their columns.

        Args:
            color_by: ``time``, ``zagl``, ``foot`` or another column of the table.
            ax: axes to draw on; a new figure when None.
            cmap: name of a matplotlib colour map.
            s: area of a dot, points squared.
            alpha: opacity of a dot.
            title: replaces receptor and time.

        Returns:
            The axes. Of very large tables every n-th row is drawn.

        Raises:
            UsageError: matplotlib or the column is missing.
        """
        trajectories = self._trajectories
        table = trajectories.particles
        if color_by not in table.columns:
            raise UsageError(
                f"The particles have no column {color_by!r}; choose one of "
                f"{', '.join(table.columns)}."
            )
        if color_by == "foot":
            table = table[table["foot"] > 0].sort_values("foot")
        table = table.iloc[:: max(1, -(-len(table) // MOST_DOTS))]
        x = _without_jump(table["long"].to_numpy(np.float64))
        y = table["lati"].to_numpy(np.float64)
        values = table[color_by].to_numpy(np.float64)
        values = values / 60.0 if color_by == "time" else values
        extent = _extent(x, y)
        middle = np.cos(np.deg2rad(np.clip((extent[2] + extent[3]) / 2, -85, 85)))
        shape = (extent[3] - extent[2]) / (extent[1] - extent[0]) / middle
        ax = new_axes(float(np.clip(shape, 0.4, 1.6)), ax)
        norm = influence_norm(values, log=True) if color_by == "foot" else None
        dots = ax.scatter(
            x, y, c=values, s=s, alpha=alpha, cmap=cmap, norm=norm, linewidths=0, rasterized=True
        )
        ax.set_xlim(extent[0], extent[1])
        ax.set_ylim(extent[2], extent[3])
        dress(ax, LONGLAT)
        mark_receptor(ax, trajectories.receptor, LONGLAT)
        scale_bar(ax, LONGLAT)
        bar = ax.figure.colorbar(dots, ax=ax, shrink=0.86, pad=0.02)
        if bar.solids is not None:
            bar.solids.set_alpha(1.0)
        bar.set_label(LABELS.get(color_by, color_by), fontsize=8.5, color=INK)
        bar.ax.tick_params(labelsize=8, colors=INK)
        text = f"Particles of {receptor_text(trajectories.receptor)}"
        ax.set_title(title or text, fontsize=10.5, color=INK, loc="left")
        return ax


def _without_jump(longitude: np.ndarray) -> np.ndarray:
    """Return longitudes on one side of the dateline when the particles cross it."""
    if longitude.size and np.ptp(longitude) > 180.0:
        return longitude % 360.0
    return longitude


def _extent(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float, float]:
    """Return the bounds of the dots with a margin; one degree around nothing."""
    if x.size == 0:
        return (-1.0, 1.0, -1.0, 1.0)
    margin_x, margin_y = (max(0.05 * np.ptp(v), 0.02) for v in (x, y))
    return (
        float(x.min() - margin_x),
        float(x.max() + margin_x),
        float(y.min() - margin_y),
        float(y.max() + margin_y),
    )
