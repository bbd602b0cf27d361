"""Particles as they travel, and the footprint that they leave, as a film."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stilt.atomic import atomic_path
from stilt.destinations import file_to_write
from stilt.errors import UsageError
from stilt.plotting.field_map import (
    draw_panel,
    extend_of,
    shape_of,
    without_jump,
)
from stilt.plotting.ground import draw_surroundings, map_places
from stilt.plotting.map_keywords import MapKeywords, check_keywords, chosen_extent
from stilt.plotting.natural_earth import Bounds
from stilt.plotting.picture_file import check_pixels
from stilt.plotting.style import (
    COLOUR_LABEL,
    FAINT_INK,
    LETTERS_PT,
    colour_bar,
    influence_norm,
    new_axes,
    receptor_text,
    write_title,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes

    from stilt.footprint.gridded import GriddedInfluence
    from stilt.receptors import Receptor

LONGLAT = "+proj=longlat"
DOT_COLOUR = "#17466b"
LAYER = pd.Timedelta(hours=1)
MARGIN = 0.05
OUTLIERS = 0.002
MOST_FPS = 1000
WRITERS = {".gif": "pillow", ".webp": "pillow", ".mp4": "ffmpeg", ".html": "html"}


def animate(
    particles: pd.DataFrame,
    receptor: Receptor,
    footprint: GriddedInfluence | None,
    *,
    ax: Axes | None,
    frames: int,
    fps: float,
    s: float,
    alpha: float,
    keywords: MapKeywords,
) -> FuncAnimation:
    """Return a film of particles from their release on, over the influence so far.

    Args:
        particles: their table.
        receptor: their receptor.
        footprint: theirs, shown hour by hour as they pass; None shows particles alone.
        ax: axes to draw on; a new figure when None.
        frames: of the film, at most as many as there are output times.
        fps: frames per second.
        s, alpha: area (points squared) and opacity of a dot.
        keywords: of the map.

    Raises:
        UsageError: matplotlib is missing, a keyword's value cannot be used, or there are no
            particles.
    """
    check_keywords(keywords)
    check_rate(fps)
    if not len(particles):
        raise UsageError("There are no particles to show.")
    ages = _chosen_ages(particles["time"].to_numpy(np.float64), frames)
    projection = LONGLAT if footprint is None else footprint.grid.projection
    scene = _Scene(particles, receptor, footprint, projection, keywords)
    ax = new_axes(shape_of(scene.extent, projection), ax, keywords.get("figsize"))
    from matplotlib.animation import FuncAnimation

    mesh = scene.draw_ground(ax)
    (dots,) = ax.plot(
        [], [], "o", color=DOT_COLOUR, markersize=np.sqrt(s), alpha=alpha, zorder=3,
        markeredgecolor="white", markeredgewidth=0.3, rasterized=True,
    )  # fmt: skip
    letters = keywords.get("letters", LETTERS_PT)
    if title := keywords.get("title", f"Particles of {receptor_text(receptor)}"):
        write_title(ax, title, " ", letters)
    clock = ax.annotate(
        "", (0, 1), xytext=(0, 4), xycoords="axes fraction", textcoords="offset points",
        fontsize=letters, color=FAINT_INK,
    )  # fmt: skip
    clock.set_in_layout(False)

    def show(number: int) -> list[Any]:
        age = ages[number]
        dots.set_data(*scene.places_at(ax, age))
        clock.set_text(_clock_text(receptor.time, age))
        if mesh is not None:
            mesh.set_array(scene.influence_until(age))
        return [dots, clock]

    return FuncAnimation(
        ax.figure,  # type: ignore[arg-type]
        show,
        frames=len(ages),
        interval=1000.0 / fps,
        blit=False,
    )


def save_animation(
    film: FuncAnimation, path: str | Path, *, fps: float | None = None, dpi: int = 110
) -> Path:
    """Write a film to a file: ``.gif`` or ``.webp``, ``.mp4`` (needs ffmpeg) or ``.html``.

    Args:
        film: as :meth:`stilt.plotting.TrajectoryPlots.animate` returns it.
        path: of the file.
        fps: frames per second; None uses the film's own rate.
        dpi: dots per inch.

    Raises:
        UsageError: the suffix is not that of a film, ffmpeg is missing, the file cannot be
            replaced, or the film has no size, no rate or too many pixels.
    """
    from matplotlib import animation

    try:
        place = file_to_write(path)
        kind = check_film(place)
        if fps is not None:
            check_rate(fps)
        check_pixels(film._fig, dpi)  # type: ignore[attr-defined]
    except UsageError:
        # matplotlib warns of films that are never drawn.
        film._draw_was_started = True  # type: ignore[attr-defined]
        raise
    rate = fps or 1000.0 / film._interval  # type: ignore[attr-defined]
    writers_of: dict[str, Any] = {
        "pillow": lambda: animation.PillowWriter(fps=rate),  # type: ignore[arg-type]
        "ffmpeg": lambda: animation.FFMpegWriter(fps=rate, bitrate=2400),  # type: ignore[arg-type]
        "html": lambda: animation.HTMLWriter(fps=rate, embed_frames=True),  # type: ignore[arg-type]
    }
    writer = writers_of[kind]()
    # Writers go by the name's end.
    with atomic_path(place) as temporary:
        part = temporary.with_name(f"{temporary.name}{place.suffix}")
        try:
            film.save(str(part), writer=writer, dpi=dpi)
            part.replace(temporary)
        finally:
            part.unlink(missing_ok=True)
    return place


def check_rate(fps: float) -> None:
    """Refuse a rate at which no film can be shown.

    Raises:
        UsageError: it is not above 0, or too high.
    """
    if not 0.0 < fps <= MOST_FPS:
        raise UsageError(f"A film needs a rate above 0 and up to {MOST_FPS} per second, not {fps}.")


def check_film(path: Path) -> str:
    """Return what writes a film to a file of this name: ``pillow``, ``ffmpeg`` or ``html``.

    Raises:
        UsageError: the suffix is not that of a film, or ffmpeg is missing.
    """
    ending = path.suffix.lower()
    if ending not in WRITERS:
        raise UsageError(f"A film cannot be written as '{ending}': choose {', '.join(WRITERS)}.")
    if WRITERS[ending] == "ffmpeg" and shutil.which("ffmpeg") is None:
        raise UsageError(
            "An mp4 needs the program ffmpeg, which is not there: install it, or write a .gif."
        )
    return WRITERS[ending]


def _chosen_ages(times: npt.NDArray[np.float64], frames: int) -> npt.NDArray[np.float64]:
    """Return at most so many output times (minutes), from the release on."""
    ages = np.unique(times)
    ages = ages[np.argsort(np.abs(ages))]
    picked = np.unique(np.linspace(0, len(ages) - 1, max(1, frames)).round().astype(int))
    return ages[picked]


def _clock_text(start: pd.Timestamp, age_min: float) -> str:
    """Say how long ago, and what time it was."""
    when = start + pd.Timedelta(minutes=float(age_min))
    hours, minutes = divmod(round(abs(age_min)), 60)
    side = "before" if age_min < 0 else "after"
    return f"{hours} h {minutes:02d} min {side} the measurement, {when:%Y-%m-%d %H:%M} UTC"


class _Scene:
    """What a film shows, and where."""

    def __init__(
        self,
        particles: pd.DataFrame,
        receptor: Receptor,
        footprint: GriddedInfluence | None,
        projection: str,
        keywords: MapKeywords,
    ) -> None:
        self.receptor = receptor
        self.projection = projection
        self.keywords = keywords
        self.footprint = footprint
        self._layers: xr.DataArray | None = None
        if footprint is not None:
            self._layers = without_jump(footprint.data, footprint.grid.xres)
        self._times = particles["time"].to_numpy(np.float64)
        self._order = np.argsort(self._times, kind="stable")
        self._sorted = self._times[self._order]
        lon = particles["long"].to_numpy(np.float64)
        if np.ptp(lon) > 180.0:
            lon = lon % 360.0
        self._lon, self._lat = lon, particles["lati"].to_numpy(np.float64)
        self.extent = chosen_extent(keywords.get("extent"), self._extent())

    def _extent(self) -> Bounds:
        """Return the bounds of all but the most distant particles, with a margin."""
        from stilt.footprint.cell_grid import is_longlat, transformer

        x, y = self._lon, self._lat
        if not is_longlat(self.projection):
            x, y = transformer(self.projection).transform(x, y)
        ends = [np.quantile(v, [OUTLIERS, 1 - OUTLIERS]) for v in (x, y)]
        margins = [max(MARGIN * float(np.ptp(end)), 1e-9) for end in ends]
        (west, east), (south, north) = ends
        return (
            float(west - margins[0]), float(east + margins[0]),
            float(south - margins[1]), float(north + margins[1]),
        )  # fmt: skip

    def draw_ground(self, ax: Axes) -> Any:
        """Draw everything that does not move; return the mesh of the influence, or None."""
        keywords = self.keywords
        if self.footprint is None or self._layers is None:
            draw_surroundings(ax, self.extent, [self.receptor], None, self.projection, keywords)
            return None
        total = self._layers.sum("time")
        norm = influence_norm(
            total.values, keywords.get("log", True), keywords.get("vmin"), keywords.get("vmax")
        )
        still: MapKeywords = {**keywords, "shares": ()}
        grid, receptors = self.footprint.grid, [self.receptor]
        mesh = draw_panel(ax, total, grid, receptors, self.extent, norm, still)
        if keywords.get("colorbar", True) and bool((total > 0).any()):
            letters = keywords.get("letters", LETTERS_PT)
            label = keywords.get("label", COLOUR_LABEL)
            colour_bar(ax, mesh, label, letters=letters, extend=extend_of(total.values, norm))
        return mesh

    def places_at(self, ax: Axes, age: float) -> tuple[Any, Any]:
        """Return x and y of the particles at an age, minutes."""
        first, last = np.searchsorted(self._sorted, [age - 1e-6, age + 1e-6])
        rows = self._order[first:last]
        return map_places(ax, self._lon[rows], self._lat[rows], self.projection)

    def influence_until(self, age: float) -> np.ma.MaskedArray[Any, Any]:
        """Return the sum over the hours that particles have passed through up to an age."""
        assert self._layers is not None
        now = self.receptor.time + pd.Timedelta(minutes=float(age))
        stamps = pd.DatetimeIndex(self._layers["time"].values)
        passed = stamps > now - LAYER if age < 0 else stamps <= now
        return np.ma.masked_less_equal(self._layers.values[passed].sum(axis=0), 0.0)
