"""Pictures of particles: from above, from the side, and in space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Unpack

import numpy as np
import numpy.typing as npt

from stilt.errors import UsageError
from stilt.plotting.ground import draw_surroundings
from stilt.plotting.map_keywords import chosen_extent
from stilt.plotting.natural_earth import Bounds
from stilt.plotting.particle_keywords import ParticleKeywords, check_keywords
from stilt.plotting.style import (
    COLOUR_LABEL,
    LETTERS_PT,
    LINES,
    colour_bar,
    influence_colours,
    influence_norm,
    new_axes,
    receptor_text,
    write_title,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes

    from stilt.footprint.gridded import GriddedInfluence
    from stilt.plotting.map_keywords import MapKeywords
    from stilt.receptors import Receptor

LONGLAT = "+proj=longlat"
LABELS = {
    "time": "hours relative to release",
    "zagl": "height above ground, m",
    "foot": COLOUR_LABEL.replace("influence", "influence of a step"),
}
NAMES = {"age": "time", "height": "zagl", "influence": "foot"}
MOST_DOTS = 200_000
FEW_DOTS = 60_000
# Height over width of maps.
SHAPES = (0.4, 1.6)


class Plotted(Protocol):
    """Particles of one receptor: :class:`stilt.Trajectories`."""

    @property
    def particles(self) -> pd.DataFrame:
        """Their table."""

    @property
    def receptor(self) -> Receptor:
        """Their receptor."""


class TrajectoryPlots:
    """Pictures of one receptor's particles, as ``trajectories.plot``.

    The keywords of every picture are those of :class:`stilt.plotting.ParticleKeywords`.
    """

    def __init__(self, trajectories: Plotted) -> None:
        self._trajectories = trajectories

    def __call__(self, *args: Any, **keywords: Any) -> Axes:
        """Draw :meth:`map`: as of arrays and tables, ``plot()`` is the usual picture."""
        return self.map(*args, **keywords)

    def map(
        self,
        color_by: str = "age",
        *,
        ax: Axes | None = None,
        **keywords: Unpack[ParticleKeywords],
    ) -> Axes:
        """Draw where particles were, seen from above.

        Args:
            color_by: ``age``, ``height``, ``influence``, or a column of the table.
            ax: axes to draw on; a new figure when None.
            **keywords: see :class:`stilt.plotting.ParticleKeywords`.

        Returns:
            The axes. Of a very large table only every n-th row is drawn. By influence, steps
            without any are grey, under the others.

        Raises:
            UsageError: matplotlib or the column is missing.
        """
        column, table = self._chosen(color_by, keywords)
        x = without_jump(table["long"].to_numpy(np.float64))
        y = table["lati"].to_numpy(np.float64)
        extent = chosen_extent(keywords.get("extent"), bounds_of_dots(x, y))
        ax = new_axes(map_shape(extent), ax, keywords.get("figsize"))
        dots = ax.scatter(x, y, zorder=1, **_dots(column, table, keywords))
        draw_surroundings(ax, extent, [self._trajectories.receptor], (x, y), LONGLAT, keywords)
        self._finish(ax, dots, column, keywords)
        return ax

    def profile(
        self,
        color_by: str = "influence",
        *,
        ax: Axes | None = None,
        **keywords: Unpack[ParticleKeywords],
    ) -> Axes:
        """Draw how high particles were at every age.

        Args:
            color_by, ax, **keywords: as for :meth:`map`; the mean mixed-layer height is drawn
                as a line where the table has it (``mlht``).

        Returns:
            The axes. By influence, steps without any are grey: those above the influence layer.

        Raises:
            UsageError: matplotlib or a column is missing.
        """
        column, table = self._chosen(color_by, keywords)
        ax = new_axes(0.55, ax, keywords.get("figsize"))
        hours = table["time"].to_numpy(np.float64) / 60.0
        dots = ax.scatter(hours, table["zagl"], zorder=1, **_dots(column, table, keywords))
        draw_heights(ax, self._trajectories.particles, keywords)
        self._finish(ax, dots, column, keywords)
        return ax

    def space(
        self,
        color_by: str = "age",
        *,
        ax: Any = None,
        elevation: float = 28.0,
        azimuth: float = -60.0,
        **keywords: Unpack[ParticleKeywords],
    ) -> Any:
        """Draw where particles were in three dimensions, over the outlines of the ground.

        Args:
            color_by, **keywords: as for :meth:`map`; there is neither graticule nor scale bar.
            ax: three-dimensional axes to draw on (``projection="3d"``); a new figure when None.
            elevation, azimuth: direction to look from, degrees.

        Returns:
            The three-dimensional axes.

        Raises:
            UsageError: matplotlib or a column is missing, or the axes are flat.
        """
        from stilt.plotting.space import draw_space

        column, table = self._chosen(color_by, keywords)
        x = without_jump(table["long"].to_numpy(np.float64))
        y = table["lati"].to_numpy(np.float64)
        extent = chosen_extent(keywords.get("extent"), bounds_of_dots(x, y))
        places = (x, y, table["zagl"].to_numpy(np.float64))
        ax, dots = draw_space(
            ax, places, _dots(column, table, keywords), extent, self._trajectories.receptor,
            view=(elevation, azimuth), keywords=keywords,
        )  # fmt: skip
        if keywords.get("colorbar", True):
            letters = keywords.get("letters", LETTERS_PT)
            label = keywords.get("label", self._label(column))
            bar = ax.figure.colorbar(dots, ax=ax, shrink=0.6, pad=0.1)
            bar.set_label(label, fontsize=letters)
            bar.ax.tick_params(labelsize=letters - 0.5)
            bar.solids.set_alpha(1.0)
        return ax

    def animate(
        self,
        footprint: GriddedInfluence | None = None,
        *,
        ax: Axes | None = None,
        frames: int = 80,
        fps: float = 12.0,
        s: float = 4.0,
        alpha: float = 0.5,
        **keywords: Unpack[MapKeywords],
    ) -> FuncAnimation:
        """Animate the particles and the footprint that they leave.

        Args:
            footprint: of these particles, shown hour by hour as they pass; None shows particles
                alone.
            ax: axes to draw on; a new figure when None.
            frames: of the film, at most as many as there are output times.
            fps: frames per second.
            s, alpha: area (points squared) and opacity of a dot.
            **keywords: see :class:`stilt.plotting.MapKeywords`.

        Returns:
            matplotlib's animation: :func:`stilt.plotting.save_animation` writes it to a file, its
            ``to_jshtml()`` shows it in a notebook. Keep a reference to it until then.

        Raises:
            UsageError: matplotlib is missing, a keyword's value cannot be used, or there are no
                particles.
        """
        from stilt.plotting.animation import animate

        trajectories = self._trajectories
        return animate(
            trajectories.particles, trajectories.receptor, footprint, ax=ax, frames=frames,
            fps=fps, s=s, alpha=alpha, keywords=keywords,
        )  # fmt: skip

    def _chosen(self, color_by: str, keywords: ParticleKeywords) -> tuple[str, pd.DataFrame]:
        """Return the column to colour by, and the rows to draw, the most influential on top."""
        check_keywords(keywords)
        table = self._trajectories.particles
        column = NAMES.get(color_by, color_by)
        if column not in table.columns:
            raise UsageError(
                f"The particles have no column {color_by!r}; choose {', '.join(NAMES)} or one of "
                f"{', '.join(table.columns)}."
            )
        if column == "foot":
            table = table.sort_values("foot")
        return column, table.iloc[:: max(1, -(-len(table) // MOST_DOTS))]

    def _label(self, column: str) -> str:
        """Return what the colours of a column mean."""
        idle = column == "foot" and bool((self._trajectories.particles["foot"] <= 0).any())
        return LABELS.get(column, column) + ("; grey: none" if idle else "")

    def _finish(self, ax: Axes, dots: Any, column: str, keywords: ParticleKeywords) -> None:
        """Draw the colour bar and the title."""
        letters = keywords.get("letters", LETTERS_PT)
        if keywords.get("colorbar", True):
            label = keywords.get("label", self._label(column))
            colour_bar(ax, dots, label, letters=letters)
        text = f"Particles of {receptor_text(self._trajectories.receptor)}"
        if title := keywords.get("title", text):
            write_title(ax, title, letters=letters)


def draw_heights(ax: Axes, table: pd.DataFrame, keywords: ParticleKeywords) -> None:
    """Draw the axes of heights by age, and the mean height of the mixed layer."""
    from stilt.plotting.style import INK, LINES, frame

    letters = keywords.get("letters", LETTERS_PT)
    if "mlht" in table.columns:
        mean = table.groupby("time")["mlht"].mean()
        ax.plot(
            mean.index.to_numpy(np.float64) / 60.0, mean.to_numpy(np.float64), color=INK,
            linewidth=1.4, linestyle=(0, (5, 2)), label="mixed-layer height, mean", zorder=3,
        )  # fmt: skip
        ax.legend(loc="upper right", fontsize=letters - 0.5, framealpha=0.85)
    frame(ax, letters)
    ax.set_axisbelow(True)
    ax.grid(True, color=LINES, linewidth=0.6)
    # Leave room for the legend above everything that is drawn.
    ax.set_ylim(0.0, 1.12 * ax.get_ylim()[1])
    ax.margins(x=0.02)
    ax.set_xlabel(LABELS["time"], fontsize=letters, color=INK)
    ax.set_ylabel(LABELS["zagl"], fontsize=letters, color=INK)


def _dots(column: str, table: pd.DataFrame, keywords: ParticleKeywords) -> dict[str, Any]:
    """Return keywords of ``scatter`` for colours and sizes."""
    values = table[column].to_numpy(np.float64)
    values = values / 60.0 if column == "time" else values
    low, high = keywords.get("vmin"), keywords.get("vmax")
    scale: dict[str, Any] = {"vmin": low, "vmax": high}
    # Far from the receptor particles are sparse, so their colours are dark.
    backward = column == "time" and values.size > 0 and float(values.min()) < 0
    if backward and high is None and float(values.max()) < 0:
        scale["vmax"] = 0.0
    wanted: Any = keywords.get("cmap") or ("viridis" if backward else "viridis_r")
    colours = influence_colours(keywords.get("cmap") if column == "foot" else wanted)
    if column == "foot":
        some = values > 0
        scale = {"norm": influence_norm(values[some], True, low, high)}
        # Below zero is bad on a scale of logarithms, and under any other.
        values = np.where(some, values, -1.0)
        colours = colours.with_extremes(bad=LINES, **({} if some.any() else {"under": LINES}))
    few = float(np.clip(FEW_DOTS / max(len(values), 1), 1.0, 6.0))
    alpha = keywords.get("alpha", min(0.3 * few, 0.8))
    return {
        "c": values, "s": keywords.get("s", few), "alpha": alpha,
        "cmap": colours, "linewidths": 0, "rasterized": True, **scale,
    }  # fmt: skip


def map_shape(extent: Bounds) -> float:
    """Return the height over width of a map, within :data:`SHAPES`."""
    shape = (extent[3] - extent[2]) / (extent[1] - extent[0]) / _narrowing(extent)
    return float(np.clip(shape, *SHAPES))


def _narrowing(extent: Bounds) -> float:
    """Return the length of a degree of longitude over that of latitude, in the middle."""
    return float(np.cos(np.deg2rad(np.clip((extent[2] + extent[3]) / 2, -85, 85))))


def without_jump(longitude: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return longitudes on one side of the dateline when the particles cross it."""
    if longitude.size and np.ptp(longitude) > 180.0:
        return longitude % 360.0
    return longitude


def bounds_of_dots(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Bounds:
    """Return the bounds of dots with a margin, shaped within :data:`SHAPES`; of none, a default."""
    if x.size == 0:
        return (-1.0, 1.0, -1.0, 1.0)
    width, height = (float(np.ptp(v) + 2 * max(0.05 * np.ptp(v), 0.02)) for v in (x, y))
    lon, lat = (float(v.min() + v.max()) / 2 for v in (x, y))
    narrowing = _narrowing((0.0, 0.0, lat, lat))
    height = max(height, SHAPES[0] * width * narrowing)
    width = max(width, height / narrowing / SHAPES[1])
    return (lon - width / 2, lon + width / 2, lat - height / 2, lat + height / 2)
