"""Many footprints as one sparse matrix: measurements by cells and times."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import xarray as xr

from stilt.errors import UsageError
from stilt.fill_values import fill_among
from stilt.footprint.aggregate import cells_of
from stilt.footprint.bins import (
    TOLERATED_SHARE,
    edges,
    parse_bins,
    warn_of_crossing,
    warn_of_rows_outside,
    warn_of_target_elsewhere,
)
from stilt.footprint.flux_units import flux_factor
from stilt.footprint.layers import CellBlock, Layers, in_bins, key_of, source_of
from stilt.footprint.matrix_rows import LeftOut, MatrixRows
from stilt.footprint.overlay import Overlay
from stilt.footprint.steps import Floats

if TYPE_CHECKING:
    from stilt.footprint.footprint import Footprint


@dataclass(frozen=True)
class Jacobian:
    """Sensitivity of measurements to fluxes.

    Attributes:
        matrix: ppm per (umol m-2 s-1), sparse, shape (receptors, bins * cells).
        receptors: index = receptor id or label, column ``time`` (naive UTC), in the order given.
        bins: left edges of the time bins.
        cells: (lon, lat) or (x, y) of the target's cells.
        outside_cells: influence within the bins but outside the cells, shape (receptors,).
        outside_times: influence outside the bins, shape (receptors,).
    """

    matrix: sp.csr_array
    receptors: pd.DataFrame
    bins: pd.DatetimeIndex
    cells: pd.MultiIndex
    outside_cells: Floats
    outside_times: Floats

    def __repr__(self) -> str:
        return (
            f"<Jacobian: {len(self.receptors)} receptors x {len(self.bins)} times x "
            f"{len(self.cells)} cells, {self.matrix.nnz} values not zero>"
        )

    @cached_property
    def columns(self) -> pd.MultiIndex:
        """Labels of the columns, (time, lon, lat) or (time, x, y): bins outermost, then cells.

        Built on demand: a year of hourly bins has millions.
        """
        times, unique = pd.factorize(self.bins)
        levels: Any = [unique, *self.cells.levels]
        codes: Any = [np.repeat(times, len(self.cells))]
        codes += [np.tile(code, len(self.bins)) for code in self.cells.codes]
        return pd.MultiIndex(
            levels,
            codes,
            names=["time", *self.cells.names],
            verify_integrity=False,
        )

    @property
    def total(self) -> Floats:
        """Influence of each receptor that is in the matrix, shape (receptors,)."""
        return np.asarray(self.matrix.sum(axis=1)).reshape(-1)

    @property
    def outside_share(self) -> Floats:
        """Share of each receptor's influence that is not in the matrix, 0 to 1, (receptors,)."""
        outside = self.outside_cells + self.outside_times
        total = self.total + outside
        return np.divide(outside, total, out=np.zeros_like(total), where=total > 0).clip(0.0)

    def enhancement(self, flux: Any) -> pd.Series:
        """Multiply with a flux for every column, or for every cell at all times.

        Warns when more than a tenth of a receptor's influence is not in the matrix, and so not in
        its enhancement (:attr:`outside_share`).

        Args:
            flux: umol m-2 s-1, shape (columns,), or a Series indexed like ``columns``. One of shape
                (cells,), or indexed like ``cells``, is the same in all time bins. An xarray array
                has the dimensions of either, and the cells' own coordinates.

        Returns:
            Enhancement in ppm, index = receptor id.

        Raises:
            UsageError: the flux fits neither columns nor cells, or has two values for one of them.
        """
        if isinstance(flux, xr.DataArray | xr.Dataset):
            flux = self._series(flux)
        if isinstance(flux, pd.Series):
            double = flux.index.duplicated()
            if double.any():
                raise UsageError(
                    f"The flux has more than one value for {flux.index[double][0]}: keep one of "
                    "them, or add them up."
                )
            if flux.index.nlevels == 1:
                flux = flux.set_axis(flux.index.get_level_values(0))
            constant = flux.index.nlevels == self.cells.nlevels
            one_name = constant and self.cells.nlevels == 1
            places = self.cells.get_level_values(0) if one_name else self.cells
            flux = flux.reindex(places if constant else self.columns)
        try:
            values = np.asarray(flux, np.float64).reshape(-1)
        except (TypeError, ValueError):
            raise UsageError(f"The flux must be numbers, not {type(flux).__name__}.") from None
        cells = len(self.cells)
        if values.size == cells != self.matrix.shape[1]:
            values = np.tile(values, len(self.bins))
        if values.size != self.matrix.shape[1] or np.isnan(values).any():
            raise UsageError(
                f"The flux must have one value for each of the {self.matrix.shape[1]} columns "
                f"({len(self.bins)} time bins, in each {cells} cells), or for each cell if it is "
                f"constant (got {values.size}, of them {int(np.isnan(values).sum())} missing)."
            )
        fill = fill_among(values)
        if fill is not None:
            raise UsageError(
                f"The flux holds the value {fill:g}, which seems to stand for missing values: "
                "replace it by 0 where there is no flux."
            )
        share = self.outside_share
        many = int((share > TOLERATED_SHARE).sum())
        if many:
            worst = int(share.argmax())
            warnings.warn(
                f"The matrix holds only {1 - share[worst]:.0%} of the influence of "
                f"{self.receptors.index[worst]}; the rest lies outside its cells and times and is "
                f"not in the enhancement. More than a tenth is left out for {many} of "
                f"{share.size} receptors.",
                stacklevel=2,
            )
        return pd.Series(self.matrix @ values, index=self.receptors.index, name="enhancement_ppm")

    def _series(self, flux: xr.DataArray | xr.Dataset) -> pd.Series:
        """Return a map as a series by cell, or by time and cell.

        Raises:
            UsageError: it has other dimensions, or a unit that is not one of a flux.
        """
        of_cells, of_columns = list(map(str, self.cells.names)), list(map(str, self.columns.names))
        for names in (of_cells, of_columns):
            if isinstance(flux, xr.DataArray) and set(flux.dims) == set(names):
                units = flux.attrs.get("units")
                factor = flux_factor(str(units)) if units else 1.0
                return factor * flux.transpose(*names).to_series()
        raise UsageError(
            f"The flux has the dimensions {', '.join(map(str, flux.dims))}; the Jacobian's are "
            f"{', '.join(of_columns)}. Fluxes on another grid go to the footprints, as in "
            "model.footprints[name].enhancement(flux)."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return the matrix as a pandas frame of sparse columns, labelled on both sides."""
        frame = pd.DataFrame.sparse.from_spmatrix(  # type: ignore[attr-defined]
            sp.csr_matrix(self.matrix)
        )
        return frame.set_axis(self.receptors.index, axis=0).set_axis(self.columns, axis=1)


def jacobian(
    footprints: Iterable[Footprint | Layers | CellBlock],
    target: Any,
    time_bins: Any,
    *,
    resolution: float | tuple[float, float] | None = None,
    projection: str | None = None,
    labels: Iterable[str] | None = None,
    n_hours: float | None = None,
) -> Jacobian:
    """Stack footprints, moved to target cells and time bins as by ``aggregate``.

    Footprints are taken one at a time, or block by block, so an iterable that loads them as it goes
    needs no more memory than the result and one footprint or block. They may lie on different
    grids. As in ``aggregate``, a layer belongs to the time bin that holds its start, and a warning
    names the first footprint with more than a tenth of its influence in hours that extend into the
    next bin. Another says how many rows are zeros because they lie outside all bins. Footprints
    that hold the sum of their hours need bins that hold all these hours.

    Args:
        footprints: one row each; a block has several.
        target, time_bins, resolution, projection: as for ``aggregate``.
        labels: names of the rows in the order of the footprints; else the receptors' ids.
        n_hours: how long particles were followed, negative backward, of footprints that hold the
            sum of their hours; where it is not known, these take one bin only.

    Raises:
        UsageError: there are no footprints, or the target or the bins cannot be used.
    """
    bins = parse_bins(time_bins)
    sides = edges(bins)
    overlays: dict[tuple[object, ...], Overlay] = {}
    rows = MatrixRows()
    ids: list[str] = []
    times: list[np.ndarray] = []
    left_out: list[LeftOut] = []
    overlay, warned = None, False
    for footprint in footprints:
        part = footprint if isinstance(footprint, Layers | CellBlock) else Layers.of(footprint)
        overlay = overlays.get(key_of(part))
        if overlay is None:
            cells = cells_of(part.grid, target, resolution=resolution, projection=projection)
            overlay = overlays[key_of(part)] = Overlay(source_of(part), cells)
        if part.integrated:
            part = in_bins(part, sides, n_hours)
        if isinstance(part, CellBlock):
            left_out.append(rows.add_block(part, overlay, sides))
            named, when = part.ids, part.times
        else:
            left_out.append(rows.add(part, overlay, sides))
            named, when = [str(part.receptor.id)], np.array([part.receptor.time.to_datetime64()])
        late = left_out[-1].late
        if not warned and late.max(initial=0.0) > TOLERATED_SHARE:
            warned, first = True, int(np.argmax(late > TOLERATED_SHARE))
            warn_of_crossing(named[first], float(late[first]), stacklevel=2)
        times.append(when.astype("datetime64[s]"))
        ids += named
    if overlay is None:
        raise UsageError("A Jacobian needs at least one footprint; the selection is empty.")
    places = overlay.target.index()
    index = pd.Index(ids if labels is None else list(labels), name="receptor")
    receptors = pd.DataFrame({"time": np.concatenate(times)}, index=index)
    outside_cells = np.concatenate([each.outside_cells for each in left_out])
    outside_times = np.concatenate([each.outside_times for each in left_out])
    matrix = rows.matrix(len(bins) * len(places))
    inside = np.asarray(matrix.sum(axis=1)).reshape(-1)
    if len(places) and not matrix.nnz and (outside_cells > 0.0).any():
        warn_of_target_elsewhere(f"{len(index)} footprint(s)", stacklevel=2)
    warn_of_rows_outside(index.tolist(), inside, outside_times, bins, stacklevel=2)
    return Jacobian(
        matrix, receptors, pd.DatetimeIndex(bins.left), places, outside_cells, outside_times
    )
