"""Meteorologies nested in one another: the analyses of several grids for one simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from stilt.config import MetConfig
from stilt.config.meteorology import nest_of
from stilt.meteorology.catalogue import Assessment, MetCatalogue, Time, Windows
from stilt.meteorology.fingerprint import grouped_by_grid, joined
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.outside_grid import extent_text
from stilt.meteorology.reach import Reach
from stilt.meteorology.records import AnalysisRef

GridTime = tuple[str, np.datetime64]


class NestedCatalogue(MetCatalogue):
    """Analyses of finer grids before those of the outermost one, which covers every window.

    The outermost meteorology alone must cover what a receptor needs; the finer ones contribute
    what they have of it.

    Args:
        finer: catalogues of the finer grids, the finest first.
        config, name, cache_dir: see :class:`MetCatalogue`; of the outermost meteorology.
    """

    def __init__(
        self,
        finer: Sequence[MetCatalogue],
        config: MetConfig,
        name: str = "",
        cache_dir: str | Path | None = None,
    ) -> None:
        super().__init__(config, name, cache_dir)
        self._finer = tuple(finer)
        self._source: dict[str, MetCatalogue] = {}

    def reach_of(self, lon: ArrayLike, lat: ArrayLike, n_hours: float) -> Reach:
        """Return the area that particles can reach of each meteorology, the finest first."""
        each = [catalogue.reach_of(lon, lat, n_hours) for catalogue in self._finer]
        return (*(area for reach in each for area in reach), *super().reach_of(lon, lat, n_hours))

    def select(self, start: Time, end: Time, reach: Reach = ()) -> list[AnalysisRef]:
        """Return the analyses of all grids in a window, the finest first; see the base class."""
        areas = reach or (None,) * (len(self._finer) + 1)
        each = [
            catalogue.available(start, end, (area,))
            for catalogue, area in zip(self._finer, areas[:-1], strict=True)
        ]
        for catalogue, refs in zip(self._finer, each, strict=True):
            self._source.update((ref.grid.key(), catalogue) for ref in refs)
        return [*(ref for refs in each for ref in refs), *super().select(start, end, areas)]

    def grids(self, start: Time, end: Time, assessment: Assessment) -> list[MetGrid]:
        """Return the grids that are used in a window, the finest first; see the base class."""
        finer = [ref.grid for each in self._finer for ref in each.available(start, end)]
        return [*dict.fromkeys(finer), *super().grids(start, end, assessment)]

    def remarks(self, windows: Windows, lon: ArrayLike, lat: ArrayLike) -> list[str]:
        """Say which finer meteorologies are not used, or not always; see the base class."""
        said = [
            _unused(each, windows) or _elsewhere(each, windows, lon, lat) for each in self._finer
        ]
        return [*filter(None, said), *super().remarks(windows, lon, lat)]

    def fingerprint(self, refs: Sequence[AnalysisRef]) -> str:
        """Describe analyses of :meth:`select`, those of each meteorology by its own rule."""
        told = []
        for own in grouped_by_grid(refs):
            catalogue = self._source.get(own[0].grid.key())
            text = super().fingerprint(own) if catalogue is None else catalogue.fingerprint(own)
            told.append((own, text))
        return joined(told)

    def archive_files(self, refs: Sequence[AnalysisRef]) -> tuple[str, ...]:
        """Return files of the archives that analyses of :meth:`select` come from."""
        paths = super().archive_files(refs)
        for catalogue in self._finer:
            paths = tuple(catalogue.archive_file(path) for path in paths)
        return tuple(dict.fromkeys(paths))


def _unused(finer: MetCatalogue, windows: Windows) -> str:
    """Say for how much of some windows a finer meteorology has no analyses; "" if for nothing."""
    whole, partly, why = 0, 0, ""
    for window in windows:
        error = finer.assess(*window).error
        if error is None:
            whole += 1
            continue
        partly += bool(finer.available(*window))
        why = why or error.detail
    if not why:
        return ""
    in_part = f", and for a part of the hours of {partly}" if partly else ""
    return (
        f"The finer weather of {finer.name} is there for {whole} of {len(windows)} times of "
        f"receptors{in_part}; the coarser one is used for the rest: {why}"
    )


def _elsewhere(finer: MetCatalogue, windows: Windows, lon: ArrayLike, lat: ArrayLike) -> str:
    """Say that no receptor lies on the grid of a finer meteorology; "" if one does."""
    grids = dict.fromkeys(ref.grid for window in windows for ref in finer.available(*window))
    if not grids or any(grid.usable(*grid.to_xy(lon, lat)).any() for grid in grids):
        return ""
    return (
        f"The grid of {finer.name}, {extent_text(next(iter(grids)))}, holds none of the receptors: "
        "is that meant?"
    )


def catalogue_of(
    mets: Mapping[str, MetConfig], name: str, cache_dir: str | Path | None = None
) -> MetCatalogue:
    """Return the catalogue of a meteorology, and of those that it is nested in.

    Args:
        mets: meteorologies by name.
        name: of the finest.
        cache_dir: see :class:`MetCatalogue`.
    """
    *finer, outermost = nest_of(mets, name)
    if not finer:
        return MetCatalogue(mets[name], name, cache_dir)
    inner = [MetCatalogue(mets[each], each, cache_dir) for each in finer]
    return NestedCatalogue(inner, mets[outermost], outermost, cache_dir)


def of_outermost_grid(refs: Sequence[AnalysisRef]) -> list[AnalysisRef]:
    """Return those of some analyses that are of the last one's grid, in their order."""
    return [ref for ref in refs if ref.grid == refs[-1].grid]


def agree(
    own: Mapping[GridTime, AnalysisRef],
    others: Mapping[GridTime, AnalysisRef],
    shared: tuple[np.datetime64, np.datetime64],
) -> bool:
    """Return whether a simulation finds the same analyses alone and together with others.

    Hours that a finer grid lacks, and so its internal levels, may differ between windows of time.

    Args:
        own: its analyses, by the key of their grid and their time.
        others: those of the simulations with which it would be followed.
        shared: first and last time of the outermost grid in both.
    """

    def within(refs: Mapping[GridTime, AnalysisRef]) -> set[GridTime]:
        return {key for key in refs if shared[0] <= key[1] <= shared[1]}

    same_grids = {grid for grid, _ in own} == {grid for grid, _ in others}
    return same_grids and within(own) == within(others)
