"""Where particles end and how long ago, on a map."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd

from stilt.errors import UsageError
from stilt.plotting.ground import draw_outlines, dress, mark_receptors, scale_bar
from stilt.plotting.map_keywords import chosen_extent
from stilt.plotting.particle_keywords import ParticleKeywords, check_keywords
from stilt.plotting.style import LETTERS_PT, colour_bar, influence_colours, new_axes, write_title
from stilt.plotting.trajectories import LONGLAT, bounds_of_dots, map_shape, without_jump

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from stilt.receptors import Receptor

LABELS = {"age_h": "hours between the end and the measurement", "zagl": "height above ground, m",
          "pres": "pressure, hPa"}  # fmt: skip


def map_ends(
    ends: pd.DataFrame,
    receptors: Iterable[Receptor] = (),
    color_by: str | None = None,
    *,
    ax: Axes | None = None,
    **keywords: Unpack[ParticleKeywords],
) -> Axes:
    """Draw where particles ended; dots of those that left the weather's domain have an edge.

    Args:
        ends: what :meth:`stilt.Model.ends` returns.
        receptors: to mark.
        color_by: column of the table: age_h, zagl, pres; None takes zagl where all have one age.
        ax: axes to draw on; a new figure when None.
        **keywords: see :class:`stilt.plotting.ParticleKeywords`.

    Returns:
        The axes.

    Raises:
        UsageError: matplotlib or the column is missing, or there are no ends.
    """
    check_keywords(keywords)
    if color_by is None:
        same = len(ends) and ends["age_h"].min() == ends["age_h"].max()
        color_by = "zagl" if same else "age_h"
    if color_by not in ends or not len(ends):
        raise UsageError(
            f"The table of ends has no column {color_by!r}, or no rows; its columns are "
            f"{', '.join(map(str, ends.columns))}."
        )
    letters = keywords.get("letters", LETTERS_PT)
    x = without_jump(ends["long"].to_numpy(np.float64))
    y = ends["lati"].to_numpy(np.float64)
    listed = list(receptors)
    placed = [position for receptor in listed for position in receptor.positions]
    everywhere = without_jump(np.concatenate([x, [each.longitude for each in placed]]))
    norths = np.concatenate([y, [each.latitude for each in placed]])
    extent = chosen_extent(keywords.get("extent"), bounds_of_dots(everywhere, norths))
    ax = new_axes(map_shape(extent), ax, keywords.get("figsize"))
    dots = ax.scatter(
        x, y, c=ends[color_by].to_numpy(np.float64), s=keywords.get("s", 6.0),
        alpha=keywords.get("alpha", 0.7), vmin=keywords.get("vmin"), vmax=keywords.get("vmax"),
        cmap=influence_colours(keywords.get("cmap") or "viridis"),
        linewidths=[0.6 if left else 0.0 for left in ends["left"]], edgecolors="black",
        rasterized=True, zorder=1,
    )  # fmt: skip
    ax.set_xlim(extent[0], extent[1])
    ax.set_ylim(extent[2], extent[3])
    dress(ax, LONGLAT, letters=letters, graticule=keywords.get("graticule", True))
    draw_outlines(ax, LONGLAT, keywords.get("outlines", True))
    if keywords.get("receptor", True) and listed:
        mark_receptors(ax, listed, LONGLAT, 2.0 * letters)
    if keywords.get("scale", True):
        scale_bar(ax, LONGLAT, taken=(x, y), letters=letters)
    if keywords.get("colorbar", True):
        colour_bar(ax, dots, keywords.get("label", LABELS.get(color_by, color_by)), letters=letters)
    if title := keywords.get("title", "Ends of particles"):
        write_title(ax, title, letters=letters)
    return ax
