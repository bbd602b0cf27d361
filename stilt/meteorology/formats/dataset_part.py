"""The parts of a dataset that xarray opens, one for each kind of levels: reading one time of it."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stilt.meteorology.formats.axes import NO_LEVELS, Horizontal, Vertical
from stilt.meteorology.formats.cf_attributes import UnsuitableFileError, is_mean_over_time
from stilt.meteorology.formats.dataset_axes import (
    COLUMNS,
    HYBRID_NAMES,
    PRESSURE_NAMES,
    ROWS,
    axis_of,
    check_dimensions,
    horizontal_of,
    one_expver,
    vertical_of,
)
from stilt.meteorology.formats.dataset_times import times_of, with_time_axis
from stilt.meteorology.formats.fields import Field, Product
from stilt.meteorology.formats.hybrid import HYBRID_A, HYBRID_B
from stilt.meteorology.formats.missing_values import with_missing
from stilt.meteorology.formats.stores import absent_chunks, few_chunks_together
from stilt.meteorology.formats.winds import PARTNER, turn_winds, with_partners
from stilt.meteorology.records import AnalysisRef, Window

_AT_THE_TIME = frozenset(
    (
        "UWND", "VWND", "WWND", "DZDT", "TEMP", "THET", "SPHU", "RELH", "HGTS", "PRES", "PRSS",
        "T02M", "U10M", "V10M",
    )
)  # fmt: skip
"""Fields of which a mean over time does not do."""
_OFTEN_ZERO = frozenset(("SHGT", "TPP1", "CPP1", "DSWF", "TCLD", "LCLD"))
_PRESSURES = 2
_LEAST_AT_GROUND_HPA = 450.0
"""Nowhere on Earth is the ground higher up."""


@dataclass(frozen=True)
class DatasetPart:
    """A dataset of one kind of levels.

    Attributes:
        data: opened lazily.
        fields: what its variables become, by the variables' names.
        horizontal, vertical: its axes.
        level: name of the dimension of levels; "" for the surface.
        time: name of the dimension of times; "" when it has one time only.
        times: valid times; NaT for fields that do not change with time.
        hours: forecast hour of each.
    """

    data: xr.Dataset
    fields: dict[str, Field]
    horizontal: Horizontal
    vertical: Vertical
    level: str
    time: str
    times: NDArray[np.datetime64]
    hours: NDArray[np.int64]

    @cached_property
    def turned_winds(self) -> frozenset[str]:
        """ARL names of the winds that are towards east and north on a grid with other axes.

        Raises:
            UnsuitableFileError: the other component is missing, or along the grid.
        """
        if self.horizontal.grid.kind == "latlon":
            return frozenset()
        earthward = {field.name: field.is_earthward for field in self.fields.values()}
        for name, is_earthward in earthward.items():
            if earthward.get(PARTNER.get(name, name), not is_earthward) != is_earthward:
                raise UnsuitableFileError(
                    f"it has one component of a wind ({name}) without the other one of its kind, "
                    "and both are needed to rotate it to the grid; put both into one file"
                )
        return frozenset(name for name, is_earthward in earthward.items() if is_earthward)

    def within(self, window: Window | None) -> list[int]:
        """Return the positions of the times in a window, and of all times without a date."""
        if window is None:
            return list(range(len(self.times)))
        inside = (self.times >= window[0]) & (self.times <= window[1])
        return [int(each) for each in np.flatnonzero(inside | np.isnat(self.times))]

    def read(
        self, position: int, ref: AnalysisRef, variables: Collection[str] | None
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
        """Read the fields at the surface and on levels at a position in time, cropped."""
        nodes = self.horizontal.cropped(ref.crop)
        order = self.vertical.order[: len(ref.grid.levels)]
        surface: dict[str, NDArray[np.float32]] = {}
        upper: dict[str, NDArray[np.float32]] = {}
        turned = self.turned_winds
        variables = with_partners(variables) if turned else variables
        for name, field in self.fields.items():
            if variables is not None and field.name not in variables:
                continue
            values = self._values(name, position, nodes, order, ref.path)
            # In place: one global field has 150 MB.
            if field.is_logarithm:
                np.exp(values, out=values)
            if field.factor != 1.0:
                values *= np.float32(field.factor)
            if field.offset:
                values += np.float32(field.offset)
            (upper if self.level else surface)[field.name] = values
        if turned:
            turn_winds(ref.grid, surface, upper, turned)
        if self.vertical.a_hpa and self.level:
            # Pressure depends on that of the surface, which may be in another file.
            kept = slice(len(order))
            for key, numbers in ((HYBRID_A, self.vertical.a_hpa), (HYBRID_B, self.vertical.b)):
                upper[key] = np.asarray(numbers[kept], np.float32)[:, None, None]
        return surface, upper

    def _values(
        self, name: str, position: int, nodes: Horizontal, order: NDArray[np.intp], path: str
    ) -> NDArray[np.float32]:
        variable = self.data[name]
        chosen: dict[Hashable, Any] = {}
        if self.time in variable.dims:
            chosen[self.time] = position
        variable = variable.isel(chosen)
        y, x = axis_of(variable, ROWS), axis_of(variable, COLUMNS)
        wanted = (self.level, y, x) if self.level else (y, x)
        extra = [dim for dim in variable.dims if dim not in wanted]
        variable = variable.isel(dict.fromkeys(extra, 0)).transpose(*wanted)
        # Slices first: an index array per axis would read chunks repeatedly. Columns across the
        # seam of a global grid are two slices, so that the chunks between them are not read.
        rows = _span(nodes.rows)
        chosen = {y: rows, **({self.level: _span(order)} if self.level else {})}
        pieces = []
        with few_chunks_together(self.data[name]):
            for run in _runs(nodes.columns):
                columns = _span(run)
                taken = variable.isel({**chosen, x: columns}).to_numpy()
                part = {self.time: slice(position, position + 1)} if self.time else {}
                part |= {dim: chosen[dim] for dim in wanted[:-1]} | {x: columns}
                self._require_chunks(path, name, part, taken)
                taken = with_missing(taken, self.data[name])
                pieces.append(taken[..., nodes.rows - rows.start, :][..., run - columns.start])
        values = pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=-1)
        if self.level:
            values = values[order - order.min()]
            known = np.isfinite(values)
            if not known.any():
                raise ValueError(f"it has no values of {name} at {self.times[position]}")
            # Nothing is below the ground there; a chunk of a store may be missing.
            if self.vertical.a_hpa and not known.all():
                raise ValueError(
                    f"it lacks values of {name} on {int((~known).any(axis=(1, 2)).sum())} of its "
                    f"levels at {self.times[position]}"
                )
        return np.ascontiguousarray(values, np.float32)

    def _require_chunks(
        self, path: str, name: str, part: dict[str, slice], taken: NDArray[Any]
    ) -> None:
        """Refuse a part of a field from chunks that a store lacks.

        Chunks that are zero throughout, or have no value, need not be written: rain and sunshine
        are often so, and levels that are under the ground everywhere.

        Raises:
            ValueError: there is such a chunk.
        """
        if self.fields[name].name in _OFTEN_ZERO:
            return
        part = {dim: each for dim, each in part.items() if dim in self.data[name].dims}
        pressures = dict(zip(self.vertical.order, self.vertical.values, strict=True))
        for chunk in absent_chunks(path, self.data[name], part, taken):
            if self.level and self.vertical.flag == _PRESSURES and np.isnan(taken).any():
                held = [pressures[k] for k in chunk.covers[self.level] if k in pressures]
                if min(held) >= _LEAST_AT_GROUND_HPA:
                    continue
            when = f" at {self.times[part[self.time].start]}" if self.time in part else ""
            raise ValueError(f"it has no values of {name}{when}: its chunk {chunk.key} is lacking")


def _span(index: NDArray[np.intp]) -> slice:
    """Return the smallest slice that holds some indices."""
    return slice(int(index.min()), int(index.max()) + 1)


def _runs(index: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return indices as two runs of neighbours where one jump divides them, otherwise as one."""
    jumps = np.flatnonzero(np.abs(np.diff(index)) > 1)
    return np.split(index, jumps + 1) if len(jumps) == 1 else [index]


def parts_of(product: Product, data: xr.Dataset) -> Iterator[DatasetPart]:
    """Yield the surface fields of a dataset, and those on each of its lists of levels."""
    data = one_expver(with_time_axis(data))
    by_level: dict[str, list[str]] = {}
    for name in map(str, data.data_vars):
        variable = data[name]
        dims = [str(dim) for dim in variable.dims]
        if axis_of(variable, ROWS, False) and axis_of(variable, COLUMNS, False):
            level = next((dim for dim in dims if dim.lower() in PRESSURE_NAMES | HYBRID_NAMES), "")
            by_level.setdefault(level, []).append(name)
    for level, names in by_level.items():
        table = product.upper if level else product.surface
        known = _fields(data, names, product.upper) or _fields(data, names, product.surface)
        if not known:
            continue
        for name in known:
            check_dimensions(data[name], level)
        # Fields that do not change with time may be among those that do.
        first = max((data[name] for name in names), key=lambda each: each.ndim)
        horizontal = horizontal_of(data, first, product)
        vertical = vertical_of(data, level) if level else NO_LEVELS
        if level and vertical.flag == 4 and data.sizes[level] == 1:
            # Model levels carry the ground's geopotential and pressure on their first one.
            level, vertical, table = "", NO_LEVELS, product.surface
        time, times, hours = times_of(data, first)
        yield DatasetPart(
            data, _fields(data, names, table), horizontal, vertical, level, time, times, hours
        )


def _fields(data: xr.Dataset, names: list[str], table: Any) -> dict[str, Field]:
    """Return the field of each variable; of several with one field, the lowest rank is used.

    Raises:
        UnsuitableFileError: there are only means over time of what must be instantaneous.
    """
    known = {name: table[name.lower()] for name in names if name.lower() in table}
    means = [
        name
        for name, field in known.items()
        if field.name in _AT_THE_TIME and is_mean_over_time(data[name])
    ]
    instant = {field.name for name, field in known.items() if name not in means}
    for name in means:
        if known.pop(name).name not in instant:
            raise UnsuitableFileError(
                f"its field {name} is a mean over time (cell_methods), and transport needs values "
                "of the times themselves; use instantaneous fields"
            )
    best: dict[str, str] = {}
    for name, field in known.items():
        other = best.setdefault(field.name, name)
        if field.rank < known[other].rank:
            best[field.name] = name
    return {name: known[name] for name in best.values()}
