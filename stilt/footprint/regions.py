"""Jacobians for regions: polygons, such as counties or hexagons, and basis functions."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import xarray as xr
from numpy.typing import NDArray

from stilt.errors import UsageError
from stilt.footprint.bins import (
    TOLERATED_SHARE,
    edges,
    memberships,
    parse_bins,
    warn_of_crossing,
    warn_of_rows_outside,
)
from stilt.footprint.cell_grid import is_longlat
from stilt.footprint.jacobian import Jacobian
from stilt.footprint.layers import Layers, in_bins
from stilt.footprint.matrix_rows import late_share
from stilt.footprint.region_checks import check_polygons, check_weights
from stilt.footprint.target import axis_names, parse_target
from stilt.nearest_names import nearest_name

LONGLAT = "+proj=longlat"
LAND_GRID = "EPSG:4326"
TURNS_DEG = (-360.0, 0.0, 360.0)
LARGEST_EXACT = 2**53
"""Whole numbers beyond are not all told apart as float64."""


@dataclass(frozen=True)
class Regions:
    """Regions, each with its own flux pattern.

    Attributes:
        names: of the regions.
        geometries: shapely polygons in longitude (from -180 or from 0 on) and latitude, where the
            regions are polygons.
        patterns: weights on a grid, dims (region, lat, lon), where they are basis functions.

    Raises:
        UsageError: there are no regions, a polygon cannot be used, or weights are fill values.
    """

    names: tuple[Any, ...]
    geometries: tuple[Any, ...] | None = None
    patterns: xr.DataArray | None = None

    def __post_init__(self) -> None:
        if not self.names:
            raise UsageError(
                "A Jacobian of regions needs at least one region: there are no polygons, no "
                "basis functions, or no labels but NaN, negative and empty ones."
            )
        if self.geometries is not None:
            check_polygons(self.names, self.geometries)
        if self.patterns is not None:
            check_weights(self.patterns)

    @staticmethod
    def are(target: Any) -> bool:
        """Return whether a target describes regions: polygons, or weights of three dimensions."""
        if isinstance(target, xr.DataArray):
            axes = axis_names(target)
            return axes is not None and len(target.dims) == 3 and set(axes) <= set(target.dims)
        if isinstance(target, xr.Dataset | pd.Index):
            return False
        is_geographic = hasattr(target, "geometry") and hasattr(target, "index")
        return isinstance(target, Regions | Mapping) or is_geographic

    @classmethod
    def of(cls, regions: Any, *, names: str | Sequence[Any] | None = None) -> Regions:
        """Read polygons, basis functions or a map of labels.

        Args:
            regions: a GeoDataFrame or GeoSeries (converted to longitude and latitude where it has
                another projection), a mapping of names to shapely polygons, an array of weights
                with the dimension ``region``, or a two-dimensional array of labels, in which all
                cells with one label form a region; NaN, negative and empty labels belong to none.
            names: column of a GeoDataFrame, or one name for each region; None takes its index.

        Raises:
            UsageError: the regions are none of these, or there are none.
        """
        if isinstance(regions, Regions):
            return regions
        if isinstance(regions, xr.DataArray):
            return cls._of_array(regions)
        if isinstance(regions, Mapping):
            return cls(tuple(regions), tuple(regions.values()))
        if hasattr(regions, "geometry") and hasattr(regions, "index"):
            shapes = regions.geometry
            if shapes.crs is not None and not shapes.crs.is_geographic:
                shapes = shapes.to_crs(LAND_GRID)
            listed = regions.index if names is None else names
            if isinstance(names, str):
                try:
                    listed = regions[names]
                except KeyError as error:
                    columns = [str(each) for each in getattr(regions, "columns", ())]
                    raise UsageError(
                        f"The regions have no column {names!r}: {nearest_name(names, columns)}"
                    ) from error
            return cls(tuple(listed), tuple(shapes))
        raise UsageError(
            "Regions are a GeoDataFrame, a mapping of names to polygons, or an xarray array of "
            f"weights (region, lat, lon) or of labels (lat, lon), not {type(regions).__name__}."
        )

    @classmethod
    def _of_array(cls, array: xr.DataArray) -> Regions:
        axes = axis_names(array)
        if axes is None:
            raise UsageError("An array of regions needs coordinates lon and lat, or x and y.")
        others = [str(dim) for dim in array.dims if dim not in axes]
        if others == ["time"]:
            raise UsageError(
                "The target has the dimension time, which cells and regions do not have: for its "
                "grid give a field of it, as in target.isel(time=0, drop=True)."
            )
        if len(others) == 1:
            named = array.transpose(others[0], axes[1], axes[0]).rename({others[0]: "region"})
            names = np.arange(len(named))
            if "region" in named.coords:
                names = named["region"].values
            return cls(tuple(names.tolist()), patterns=named.fillna(0.0))
        if others:
            raise UsageError(f"An array of regions has one further dimension, not {others}.")
        values: Any = array.transpose(axes[1], axes[0]).values
        kept = [v for v in pd.unique(values.ravel()) if _is_label(v)]
        labels = sorted(kept)
        if not labels:
            return cls(())
        if values.dtype.kind == "f" and labels[-1] > LARGEST_EXACT:
            raise UsageError(
                f"The labels of the regions reach {labels[-1]:.0f} and are {values.dtype}, which "
                "does not tell such numbers from their neighbours: give them as text or as whole "
                "numbers (int64), with -1 where there is no region."
            )
        stacked = np.stack([(values == label).astype(np.float64) for label in labels])
        patterns = xr.DataArray(
            stacked, dims=("region", axes[1], axes[0]),
            coords={
                axes[1]: array[axes[1]],
                axes[0]: array[axes[0]],
                **{name: each for name, each in array.coords.items() if each.ndim == 0},
            },
            attrs=array.attrs,
        )  # fmt: skip
        plain = (each.item() if isinstance(each, np.generic) else each for each in labels)
        return cls(tuple(plain), patterns=patterns)

    def weights(self, layers: Layers) -> sp.csr_array:
        """Return the share of each cell of a footprint's grid in each region.

        Returns:
            Shape (cells, regions); a cell is ``row * columns + column`` of the footprint. For
            polygons the share of the cell's area in longitude and latitude; for basis functions
            their mean over the cell.
        """
        return self._by_overlap(layers) if self.patterns is not None else self._by_area(layers)

    def _by_area(self, layers: Layers) -> sp.csr_array:
        import shapely

        if not is_longlat(layers.grid.projection):
            raise UsageError(
                "Polygons need footprints on a grid in longitude and latitude: use an array of "
                "regions on the projected grid."
            )
        half_x, half_y = 0.5 * layers.grid.xres, 0.5 * layers.grid.yres
        x, y = (each.ravel() for each in np.meshgrid(layers.x, layers.y))
        cells = shapely.box(x - half_x, y - half_y, x + half_x, y + half_y)
        tree = shapely.STRtree(cells)
        rows, columns, shares = [], [], []
        assert self.geometries is not None
        for number, shape in enumerate(self.geometries):
            near, shape = _turned(tree, shape)
            area = shapely.area(shapely.intersection(cells[near], shape)) / (4 * half_x * half_y)
            used = area > 1e-12
            rows.append(near[used])
            columns.append(np.full(int(used.sum()), number))
            shares.append(area[used])
        place = (np.concatenate(rows), np.concatenate(columns))
        return sp.csr_array(
            sp.coo_array((np.concatenate(shares), place), shape=(x.size, len(self.names)))
        )

    def _by_overlap(self, layers: Layers) -> sp.csr_array:
        from stilt.footprint.overlay import Overlay

        assert self.patterns is not None
        first = self.patterns.isel(region=0, drop=True)
        target = parse_target(
            first,
            native=(layers.grid.xres, layers.grid.yres),
            source_projection=layers.grid.projection,
            called="array of regions",
        )
        overlay = Overlay(layers.source(), target)
        axes = axis_names(first)
        assert axes is not None
        pulled = [
            overlay.pull(pattern.transpose(*axes).values.astype(np.float64).reshape(-1))
            for pattern in self.patterns
        ]
        return sp.csr_array(np.stack([each.reshape(-1) for each in pulled], axis=1))


def regional_jacobian(
    footprints: Iterable[Layers],
    regions: Regions,
    time_bins: Any,
    *,
    labels: Iterable[str] | None = None,
    n_hours: float | None = None,
) -> Jacobian:
    """Return a Jacobian whose columns are regions and times.

    Args:
        footprints: one row each.
        regions: what the columns stand for; a column's number is the enhancement for a flux of 1
            umol m-2 s-1 times the region's pattern.
        time_bins: as for :func:`stilt.footprint.aggregate.aggregate`; a layer belongs to the bin
            that holds its start, and a warning names the first footprint with more than a tenth
            of its influence in hours that extend into the next bin.
        labels: names of the rows; else the receptors' ids.
        n_hours: as for :func:`stilt.footprint.jacobian.jacobian`.

    Returns:
        A Jacobian whose ``cells`` are the names of the regions.

    Raises:
        UsageError: there are no footprints, or the bins cannot be used.
    """
    bins = parse_bins(time_bins)
    sides = edges(bins)
    known: dict[tuple[object, ...], sp.csr_array] = {}
    rows: list[NDArray[np.float64]] = []
    ids, times, outside = [], [], []
    warned, found_some = False, False
    for layers in footprints:
        key = layers.key()
        if key not in known:
            known[key] = regions.weights(layers)
            found_some = found_some or known[key].nnz > 0
        if layers.integrated:
            layers = in_bins(layers, sides, n_hours)
        layer, number = memberships(layers.stamps, sides)
        late = late_share(layers, layer, number, sides)
        if not warned and late > TOLERATED_SHARE:
            warned = True
            warn_of_crossing(str(layers.receptor.id), late, stacklevel=2)
        binned_values: Any = np.zeros((len(bins), layers.cells))
        places, first = layers.places(), layers.first_of_layers
        binned = 0.0
        for at, to in zip(layer.tolist(), number.tolist(), strict=True):
            part = slice(first[at], first[at + 1])
            np.add.at(binned_values[to], places[part], layers.values[part])
            binned += float(layers.values[part].sum())
        moved = np.asarray(binned_values @ known[key])
        rows.append(moved.reshape(-1))
        seen = sum(float(layers.values[first[at] : first[at + 1]].sum()) for at in np.unique(layer))
        outside.append((binned - float(moved.sum()), float(layers.values.sum()) - seen))
        ids.append(str(layers.receptor.id))
        times.append(layers.receptor.time)
    if not rows:
        raise UsageError("A Jacobian needs at least one footprint; the selection is empty.")
    if not found_some:
        warnings.warn(
            f"None of the {len(regions.names)} regions has a cell of the footprints' grid, so the "
            "Jacobian is 0 everywhere: are longitude and latitude exchanged, or the regions "
            "elsewhere?",
            stacklevel=2,
        )
    index = pd.Index(ids if labels is None else list(labels), name="receptor")
    missed = np.array(outside)
    matrix = np.stack(rows)
    warn_of_rows_outside(index.tolist(), matrix.sum(axis=1), missed[:, 1], bins, stacklevel=2)
    return Jacobian(
        sp.csr_array(matrix),
        pd.DataFrame({"time": times}, index=index),
        pd.DatetimeIndex(bins.left),
        pd.MultiIndex.from_arrays([list(regions.names)], names=["region"]),
        missed[:, 0],
        missed[:, 1],
    )


def _turned(tree: Any, shape: Any) -> tuple[NDArray[np.intp], Any]:
    """Return the cells that a polygon touches, and the polygon at their longitudes.

    Args:
        tree: of the cells.
        shape: a polygon, which may be whole turns away from the cells.
    """
    import shapely

    near, there = [], []
    for turn in TURNS_DEG:
        moved = shapely.transform(shape, lambda points, turn=turn: np.add(points, [turn, 0.0]))
        touched = tree.query(moved, predicate="intersects")
        if touched.size:
            near.append(touched)
            there.append(moved)
    if len(there) == 1:
        return near[0], there[0]
    return np.unique(np.concatenate([*near, np.zeros(0, np.intp)])), shapely.union_all(there)


def _is_label(value: Any) -> bool:
    if value is None or value == "":
        return False
    if isinstance(value, (int, float, np.number)):
        return bool(np.isfinite(value) and value >= 0)
    return True
