"""The analyses of one grid as a sweep reads them: their times, shape and prepared arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from stilt.config import ModelConfig
from stilt.meteorology.fields import SURFACE_FIELDS
from stilt.meteorology.grids import EARTH_RADIUS_M, EDGE_CELLS, MetGrid
from stilt.meteorology.levels import InternalLevels
from stilt.meteorology.prepare import PreparedAnalysis, levels_for
from stilt.meteorology.prepared_store import PreparedStore
from stilt.meteorology.records import AnalysisRef
from stilt.transport.clock import SweepClock, minute_of
from stilt.transport.interpolation import Geometry
from stilt.transport.preparation import Preparation, preparation

_BRIDGED_MINUTES = 60


@dataclass(frozen=True)
class MetStream:
    """Analyses of one grid in the order of their times.

    Attributes:
        refs: the analyses.
        config: run controls and transport settings.
        first_minute: minute of the sweep's tick zero, since the epoch.
        store: of prepared analyses.
        levels: internal levels, the same for all grids of a run.
    """

    refs: tuple[AnalysisRef, ...]
    config: ModelConfig
    first_minute: int
    store: PreparedStore
    levels: InternalLevels

    @property
    def grid(self) -> MetGrid:
        """Grid of the analyses."""
        return self.refs[0].grid

    @cached_property
    def clock(self) -> SweepClock:
        """The sweep's clock among these analyses."""
        direction = 1 if self.config.n_hours > 0 else -1
        return SweepClock(
            self.first_minute, direction, tuple(minute_of(ref.time) for ref in self.refs)
        )

    @cached_property
    def geometry(self) -> Geometry:
        """Shape of the met fields."""
        grid = self.grid
        return Geometry(
            grid.nx, grid.ny, grid.cyclic_x, EDGE_CELLS, self.levels, grid.global_y,
            self.config.vscales > 0.0,
        )  # fmt: skip

    @cached_property
    def cell_size_m(self) -> np.ndarray:
        """Cell sizes along x and y, (ny * nx, 2)."""
        return np.stack([size.ravel() for size in self.grid.spacing_m()], axis=-1)

    def preparation(self, index: int) -> Preparation:
        """Return how the analysis at an index into ``refs`` is prepared."""
        ref, options, pair = preparation(self.refs, index, self.config, self.first_minute)
        if self.levels != levels_for(ref.grid, options.z_top_m):
            options = replace(options, levels=self.levels)
        return ref, options, pair

    def preparations(self) -> list[Preparation]:
        """Return how each analysis is prepared, in the order in which a run meets them."""
        indices = range(len(self.refs))
        along = indices if self.config.n_hours > 0 else reversed(indices)
        return [self.preparation(index) for index in along]

    def load(self, index: int) -> PreparedAnalysis:
        """Return the prepared analysis at an index into ``refs``."""
        return self.store.get(*self.preparation(index))

    def terrain_m(self) -> np.ndarray:
        """Return the height of the ground above sea level, (ny, nx)."""
        index = min(max(self.clock.bracket(0)[0], 0), len(self.refs) - 1)
        return self.load(index).surface[..., SURFACE_FIELDS.index("terrain_m")]

    def covers(self, tick: int) -> bool:
        """Return whether the minute from a tick lies between analyses, and in no gap.

        Analyses further apart than usual have a gap between them.
        """
        first, second = self.clock.bracket(tick)
        if not self._are_there(first, second):
            return False
        times = self.clock.analysis_minutes
        return abs(times[first] - times[second]) <= self._usual_interval

    def minutes_to_analysis(self, tick: int) -> int | None:
        """Return the minutes from a tick to the next analysis; None beyond the last."""
        second = self.clock.bracket(tick)[1]
        return self.clock.ticks_left(tick, second) if self._are_there(second) else None

    def minutes_away(self, tick: int) -> int:
        """Return the minutes between a tick and the nearest analysis."""
        minute = self.first_minute + self.clock.direction * tick
        return min(abs(time - minute) for time in self.clock.analysis_minutes)

    def bracket(self, tick: int) -> tuple[int, int, int, int]:
        """Return the analyses around a tick, the minutes since the first, and between the two.

        Before the first analysis and after the last one, both are that one.
        """
        first, second = self.clock.bracket(tick)
        if not self._are_there(first, second):
            only = first if self._are_there(first) else second
            return only, only, 0, _BRIDGED_MINUTES
        times = self.clock.analysis_minutes
        return first, second, self.clock.offset(tick, first), abs(times[first] - times[second])

    def _are_there(self, *indices: int) -> bool:
        return all(0 <= index < len(self.refs) for index in indices)

    @cached_property
    def _usual_interval(self) -> int:
        times = self.clock.analysis_minutes
        return min((later - earlier for earlier, later in pairwise(times)), default=0)


def met_streams(
    refs: Sequence[AnalysisRef], config: ModelConfig, first_minute: int, store: PreparedStore
) -> list[MetStream]:
    """Return one stream for each grid of some analyses, the grid with the smallest cells first.

    All have the internal levels of the grid that has the most of them.

    Args:
        refs: in any order of time.
        config, first_minute, store: see :class:`MetStream`.
    """
    groups = by_grid(refs)
    levels = max(
        (levels_for(each[0].grid, config.z_top) for each in groups), key=lambda levels: levels.count
    )
    return [MetStream(each, config, first_minute, store, levels) for each in groups]


def in_use(streams: Sequence[MetStream], tick: int) -> list[int]:
    """Return the positions of the streams that are used in the minute from a tick, in their order.

    They are those that cover it. Where none does, as between two grids of one archive, all are
    used, the one with the nearest analysis first.
    """
    places = range(len(streams))
    covering = [place for place in places if streams[place].covers(tick)]
    return covering or sorted(places, key=lambda place: streams[place].minutes_away(tick))


def by_grid(refs: Sequence[AnalysisRef]) -> list[tuple[AnalysisRef, ...]]:
    """Return the analyses of each grid, sorted by time; the grid with the smallest cells first."""
    groups: dict[str, list[AnalysisRef]] = {}
    for ref in refs:
        groups.setdefault(ref.grid.key(), []).append(ref)
    finest_first = sorted(groups.values(), key=lambda each: _cell_size_m(each[0].grid))
    return [tuple(sorted(each, key=lambda ref: ref.time)) for each in finest_first]


def _cell_size_m(grid: MetGrid) -> float:
    """Return the cell size by which HYSPLIT compares grids; that of a lat-lon grid is along y."""
    if grid.kind != "conformal":
        return EARTH_RADIUS_M * float(np.radians(grid.ref_lat))
    return 1000.0 * grid.size_km
