"""Pictures of many footprints together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, Unpack

from stilt.footprint.reduce import mean_footprint
from stilt.plotting.field_map import draw_map
from stilt.plotting.map_keywords import MapKeywords
from stilt.plotting.series import TOTAL_LABEL, draw_series
from stilt.plotting.style import LETTERS_PT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from stilt.footprint.footprint import Footprint
    from stilt.footprint.layers import Layers
    from stilt.plotting.interactive import InteractiveMap
    from stilt.receptors import Receptor


class Footprints(Protocol):
    """Footprints that are read one by one: :class:`stilt.project.footprint_set.FootprintSet`."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Footprint]: ...

    def readers(self) -> dict[str, Callable[[], Layers]]:
        """Return functions that read each of them, by label."""


class FootprintFilesPlots:
    """Pictures of a set of footprints, as ``model.footprints[name].select(...).plot``."""

    def __init__(self, footprints: Footprints) -> None:
        self._footprints = footprints

    def __call__(self, **keywords: Any) -> Axes:
        """Draw :meth:`mean`: as of arrays and tables, ``plot()`` is the usual picture."""
        return self.mean(**keywords)

    def mean(self, *, ax: Axes | None = None, **keywords: Unpack[MapKeywords]) -> Axes:
        """Draw the mean of the footprints, all hours summed, and where the receptors are.

        Args:
            ax: axes to draw on; a new figure when None.
            **keywords: see :class:`stilt.plotting.MapKeywords`.

        Raises:
            UsageError: matplotlib is missing, a keyword's value cannot be used, there is no
                footprint, or grids differ.
        """
        seen: list[Footprint] = []
        receptors: list[Receptor] = []
        mean = mean_footprint(_noting(self._footprints, seen, receptors))
        times = sorted({f"{receptor.time:%Y-%m-%d %H:%M}" for receptor in receptors})
        number = len(receptors)
        what = f" '{seen[0].name}'" if seen[0].name else ""
        return draw_map(
            mean, seen[0].grid, receptors, ax, keywords=keywords,
            title=f"Mean of {number} footprint{'s' * (number != 1)}{what}",
            note=f"receptors at {' to '.join(dict.fromkeys((times[0], times[-1])))} UTC",
        )  # fmt: skip

    def interactive(self, *, title: str = "Footprints") -> InteractiveMap:
        """Return a map to step through by receptor and hour, which needs no network.

        A notebook shows it; its method ``save(path)`` writes it as a page. It needs no
        matplotlib. For many footprints, cells and hours are summed so that it stays below 6 MB.

        Args:
            title: of the page.

        Raises:
            UsageError: there is no footprint.
        """
        from stilt.plotting.interactive import interactive_map

        return interactive_map(self._footprints.readers(), title)

    def series(
        self,
        *,
        ax: Axes | None = None,
        log: bool = False,
        label: str = TOTAL_LABEL,
        title: str | None = None,
        letters: float = LETTERS_PT,
        figsize: tuple[float, float] | None = None,
    ) -> Axes:
        """Draw the sum of every footprint against its receptor's time, a line for each place.

        Args:
            ax: axes to draw on; a new figure when None.
            log: make the vertical axis logarithmic.
            label: text of the vertical axis.
            title: None names the footprint; an empty one leaves it out.
            letters: size of small letters, points.
            figsize: width and height of a new figure, inches.

        Raises:
            UsageError: matplotlib is missing, or there is no footprint.
        """
        return draw_series(
            self._footprints, ax, log=log, label=label, title=title, letters=letters,
            figsize=figsize,
        )  # fmt: skip


def _noting(
    footprints: Iterable[Footprint], seen: list[Footprint], receptors: list[Receptor]
) -> Iterator[Footprint]:
    """Yield footprints, keeping the first and the receptors of all."""
    for footprint in footprints:
        seen.extend([footprint] if not seen else [])
        receptors.append(footprint.receptor)
        yield footprint
