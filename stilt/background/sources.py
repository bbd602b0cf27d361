"""Datasets of mole fractions in any layout, as arrays (time, level, row, column)."""

from __future__ import annotations

import glob
import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stilt.background.layouts import Layout, layout_of
from stilt.background.maps import nodes_of
from stilt.background.missing import without_fill_values
from stilt.background.mole_fractions import mole_fraction_per_mass_ratio
from stilt.background.nodes import Floats, LatLonNodes, Nodes
from stilt.errors import UsageError
from stilt.meteorology.formats.stores import is_store

PACKING = ("scale_factor", "add_offset")


@dataclass
class FieldSource:
    """Values of a field and their vertical coordinate, loaded for the times that are asked for.

    Attributes:
        parts: datasets that follow one another in time.
        layout: what their variables mean.
        units: of the values.
        times: of all parts, ascending; None where the field does not change.
        nodes: where the values are.
        scale: what the stored values are multiplied by to be in these units.
        told_of_times, told_of_levels: whether it was said that values count beyond these times,
            and beyond the levels.
    """

    parts: Sequence[xr.Dataset]
    layout: Layout
    units: str
    times: NDArray[np.datetime64] | None
    nodes: Nodes
    scale: float = 1.0
    told_of_times: bool = False
    told_of_levels: bool = False

    @classmethod
    def open(cls, field: Any, variable: str | None = None, units: str | None = None) -> FieldSource:
        """Take a dataset, an array, or files.

        Args:
            field: xarray Dataset or DataArray, or the path of a NetCDF file, a pattern, or
                several of them.
            variable: which variable; None finds it.
            units: of the values, where they do not say.

        Raises:
            FileNotFoundError: there is no such file.
            UsageError: the layout is not understood.
        """
        datasets = _datasets(field)
        layout = layout_of(datasets[0], variable)
        named = str(datasets[0][layout.variable].attrs.get("units", "")).strip()
        told = units or named or layout.units
        if not told:
            raise UsageError(
                f"The field {layout.variable} has no units: say field_units='ppm', 'ppb' or "
                "'mol mol-1'."
            )
        packed = [name for name in PACKING if name in datasets[0][layout.variable].attrs]
        if packed:
            raise UsageError(
                f"The field {layout.variable} is packed ({packed[0]}): open its file with "
                "xarray.open_dataset(path), which unpacks it."
            )
        scale = mole_fraction_per_mass_ratio(datasets[0][layout.variable], told)
        if scale is not None:
            told = "mol mol-1"
        if layout.time is not None:
            datasets.sort(key=lambda dataset: dataset[layout.time].values[0])
        times = None
        if layout.time is not None:
            times = np.concatenate([_dates(dataset[layout.time]) for dataset in datasets])
            if np.any(np.diff(times) <= np.timedelta64(0, "ns")):
                raise UsageError(
                    "Times of the field are not ascending, or there twice: sort them "
                    f"(field.sortby({layout.time!r})) and keep one field of each time "
                    f"(field.drop_duplicates({layout.time!r}))."
                )
            if times.size == 1:
                warnings.warn(
                    f"The field {layout.variable} has a single time, "
                    f"{times[0].astype('datetime64[m]')}, which is used for the ends at all times.",
                    stacklevel=4,
                )
        return cls(datasets, layout, told, times, _nodes(datasets[0], layout), scale or 1.0)

    def load(self, steps: NDArray[np.int64]) -> tuple[Floats, Floats | None]:
        """Read some times.

        Args:
            steps: numbers of the times, ascending.

        Returns:
            Values and vertical coordinates (hPa or m), each (times, levels, rows, columns), with
            axes of length 1 broadcast; no coordinates for a field without levels.
        """
        pieces: list[tuple[Floats, Floats | None]] = []
        if self.times is None:
            pieces.append(self._arrays(self.parts[0]))
        else:
            begin = 0
            for part in self.parts:
                count = part.sizes[self.layout.time]
                mine = steps[(steps >= begin) & (steps < begin + count)] - begin
                if mine.size:
                    pieces.append(self._arrays(part.isel({self.layout.time: mine})))
                begin += count
        values = np.concatenate([piece[0] for piece in pieces])
        if pieces[0][1] is None:
            return values, None
        levels = np.concatenate([piece[1] for piece in pieces if piece[1] is not None])
        return values, np.broadcast_to(levels, values.shape)

    def _arrays(self, part: xr.Dataset) -> tuple[Floats, Floats | None]:
        layout = self.layout
        dims = layout.dims
        for name in (layout.rows, layout.columns):
            if name is not None and not layout.on_map:
                part = part.sortby(name)
        array = part[layout.variable]
        values = self.scale * _shaped(without_fill_values(array), dims) + layout.offset(part)
        if layout.levels is None:
            return values, None
        levels = _shaped(layout.levels.values(part), dims)
        if levels.shape[1] == values.shape[1] + 1:
            # Edges of layers: the values belong to their middles.
            levels = 0.5 * (levels[:, :-1] + levels[:, 1:])
        if levels.shape[1] != values.shape[1]:
            raise UsageError(
                f"The field has {values.shape[1]} levels and {levels.shape[1]} vertical "
                "coordinates."
            )
        return values, np.broadcast_to(levels, np.broadcast_shapes(levels.shape, values.shape))


def _nodes(dataset: xr.Dataset, layout: Layout) -> Nodes:
    """Return where a field's values are.

    Raises:
        UsageError: its nodes have no places.
    """
    if layout.on_map:
        return nodes_of(dataset, dataset[layout.variable])
    axes = []
    for name in (layout.rows, layout.columns):
        if name is not None and name not in dataset.coords:
            raise UsageError(
                f"The dimension {name} of the field {layout.variable} has no coordinates: give it "
                "its degrees."
            )
        axes.append(None if name is None else np.sort(dataset[name].values.astype(np.float64)))
    return LatLonNodes(*axes)


def _shaped(array: xr.DataArray, dims: Sequence[Sequence[str]]) -> Floats:
    """Return an array as (time, level, row, column), with length 1 where it has none."""
    order = []
    for names in dims:
        found = [name for name in names if name in array.dims]
        if found:
            order.append(found[0])
        else:
            name = f"_{len(order)}"
            array = array.expand_dims(name)
            order.append(name)
    return array.transpose(*order).values.astype(np.float64)


def _datasets(field: Any) -> list[xr.Dataset]:
    if isinstance(field, xr.Dataset):
        return [field]
    if isinstance(field, xr.DataArray):
        return [field.to_dataset(name=field.name or "field")]
    listed: Iterable[Any] = [field] if isinstance(field, (str, os.PathLike)) else field
    if not isinstance(listed, (list, tuple)) or not listed:
        raise UsageError(
            "The field must be an xarray Dataset or DataArray, or paths or patterns of NetCDF "
            f"files, not {field!r}."
        )
    paths: list[str] = []
    for each in listed:
        text = os.path.expanduser(os.fspath(each))
        if Path(text).is_dir() and not is_store(text):
            raise UsageError(
                f"{text} is a folder: name the files of the field in it, such as "
                f"{Path(text) / '*.nc'}."
            )
        found = [text] if Path(text).exists() else sorted(glob.glob(text))
        if not found:
            raise FileNotFoundError(f"There is no file {text}.")
        paths += found
    return [_opened(path) for path in dict.fromkeys(paths)]


def _opened(path: str) -> xr.Dataset:
    try:
        dataset: xr.Dataset = xr.open_dataset(path)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"The field {path} cannot be read as a dataset: {reason}") from error
    return dataset


def _dates(times: xr.DataArray) -> NDArray[np.datetime64]:
    """Return the times of a field; those of other calendars by their dates.

    Raises:
        UsageError: they are no dates, or one that the usual calendar does not have.
    """
    try:
        if times.dtype.kind not in "MO":
            raise ValueError(f"they are {times.dtype}")
        dates = times.values.astype("datetime64[ns]")
        if np.isnat(dates).any():
            raise ValueError("some are missing")
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"The field's times ({times.name}) cannot be used as dates ({error}): give them units "
            "such as 'hours since 2023-01-01', or field.convert_calendar('standard')."
        ) from error
    return dates
