"""Keywords of pictures of particles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from stilt.plotting.map_keywords import check_extent, check_figsize

if TYPE_CHECKING:
    from matplotlib.colors import Colormap


class ParticleKeywords(TypedDict, total=False):
    """Keywords that every picture of particles takes.

    Attributes:
        cmap: matplotlib colour map, or its name.
        vmin: lower end of the colours; None takes it from the data.
        vmax: upper end of the colours; None takes it from the data.
        s: area of a dot, points squared; by default 1 for many dots, up to 6 for few.
        alpha: opacity of a dot; by default 0.3 for many dots, up to 0.8 for few.
        extent: west, east, south and north end of a map, degrees; None shows all particles.
        outlines: draw coastlines, borders, states and lakes (default), none, or those named.
        receptor: mark the receptor.
        scale: draw a scale bar.
        graticule: draw meridians and parallels.
        colorbar: draw a colour bar.
        label: text of the colour bar.
        title: replaces receptor and time; an empty one leaves it out.
        letters: size of small letters, points (default 8.5); other sizes follow.
        figsize: width and height of a new figure, inches.
    """

    cmap: str | Colormap | None
    vmin: float | None
    vmax: float | None
    s: float
    alpha: float
    extent: tuple[float, float, float, float] | None
    outlines: bool | Sequence[str]
    receptor: bool
    scale: bool
    graticule: bool
    colorbar: bool
    label: str
    title: str
    letters: float
    figsize: tuple[float, float] | None


def check_keywords(keywords: ParticleKeywords) -> None:
    """Refuse keywords that no picture of particles takes, and values that cannot be used.

    Raises:
        TypeError: there is an unknown keyword.
        UsageError: the extent or the size cannot be used.
    """
    known = ParticleKeywords.__annotations__
    if unknown := sorted(set(keywords) - set(known)):
        raise TypeError(
            f"unknown keyword {unknown[0]!r}: a picture of particles takes {', '.join(known)}"
        )
    check_extent(keywords.get("extent"))
    check_figsize(keywords.get("figsize"))
