"""WRF: wrfout files, with one time or many in a file, each of one domain.

Fields are brought to the mass points, on WRF's own levels. Winds are the averages over the output
interval where a file has them (``do_avgflx_em = 1``), because those conserve mass; the format
``wrf-instantaneous`` uses those of the time itself.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stilt.digests import sampled_digest
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.formats.axes import AxisError, Horizontal
from stilt.meteorology.formats.cf_attributes import UnsuitableFileError
from stilt.meteorology.formats.netcdf_classic import require_whole
from stilt.meteorology.formats.netcdf_files import can_be_read, is_netcdf
from stilt.meteorology.formats.wrf_fields import SURFACE, UPPER, Floats, Frame, Maker, precipitation
from stilt.meteorology.formats.wrf_grid import wrf_horizontal
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.records import AnalysisRef, FileIndex, RawAnalysis

_SIGMA = 1
_NEEDED = (
    "U", "V", "T", "P", "PB", "PH", "PHB", "PSFC", "HGT", "XLAT", "XLONG", "ZNU", "P_TOP", "Times",
)  # fmt: skip


class WrfFormat:
    """WRF's output, with its averaged winds where it has them."""

    name = "wrf"
    averaged_winds = True

    def recognises(self, path: str) -> bool:
        """Return whether a file is WRF's output with winds on levels.

        One that lacks something, or a NetCDF file that cannot be opened, may be, and is described
        by :meth:`scan`.
        """
        try:
            return _opened(path, _identity(path)) is not None
        except ValueError:
            return True
        except OSError:
            return can_be_read(path) and is_netcdf(path)

    def scan(self, path: str) -> FileIndex:
        """List the times of a file; see :class:`stilt.meteorology.formats.WeatherFormat`."""
        identity = _identity(path)
        try:
            output = _opened(path, identity)
            if output is None:
                return FileIndex(())
            content = f"{sampled_digest(path)}-{self.name}"
            whole = [int(each) for each in np.flatnonzero(~np.isnat(output.times))]
            grids = {position: output.grid(position) for position in whole}
        except (OSError, ValueError) as problem:
            return FileIndex((), _damage(path, problem))
        refs = [
            AnalysisRef(
                path=path,
                time=output.times[position],
                forecast_hour=int(output.minutes[position] // 60),
                offset=position,
                nbytes=0,
                grid=grids[position],
                checksum=f"{identity}-{position}",
                content=f"{content}-{position}",
                format=self.name,
            )
            for position in whole
        ]
        empty = next(iter({*range(len(output.times))} - {*whole}), None)
        if empty is None:
            return FileIndex(tuple(refs))
        unwritten = f"record {empty + 1} of {len(output.times)} has no time in Times"
        return FileIndex(tuple(refs), _damage(path, ValueError(unwritten)))

    def read(self, ref: AnalysisRef, variables: Collection[str] | None = None) -> RawAnalysis:
        """Read one time; see :class:`stilt.meteorology.formats.WeatherFormat`."""
        try:
            output = _opened(ref.path, _identity(ref.path))
            if output is None or output.times[ref.offset] != ref.time:
                raise ValueError("its times have changed since they were read")
            frame = output.frame(ref, averaged_winds=self.averaged_winds)
            surface = _made(SURFACE, frame, variables)
            if variables is None or {"TPP1", "TPPA"} & set(variables):
                surface |= precipitation(frame)
            upper = _made(UPPER, frame, variables)
        except (OSError, ValueError, IndexError, KeyError, RuntimeError) as problem:
            raise MeteorologyError(
                _damage(ref.path, problem), reason=Reason.DAMAGED_MET_FILE
            ) from problem
        return RawAnalysis(ref.time, ref.grid, ref.forecast_hour, surface, upper)


class WrfInstantaneousFormat(WrfFormat):
    """WRF's output with the winds of each time, even where it has averaged ones."""

    name = "wrf-instantaneous"
    averaged_winds = False


def _made(
    table: Mapping[str, Maker], frame: Frame, variables: Collection[str] | None
) -> dict[str, Floats]:
    """Return the fields of a table that are wanted and that the file has."""
    made = {}
    for name, make in table.items():
        if variables is None or name in variables:
            field = make(frame)
            if field is not None:
                made[name] = np.ascontiguousarray(field, np.float32)
    return made


@dataclass(frozen=True)
class _Output:
    """A WRF file, opened lazily.

    Attributes:
        data: its variables and attributes.
        times: valid times, to the minute; NaT where a record has none.
        minutes: since the run of WRF began; 0 where a record has no time.
        horizontal: the grid of its mass points at the first time.
        levels: eta of its mass points, from the ground up.
    """

    data: xr.Dataset
    times: NDArray[np.datetime64]
    minutes: NDArray[np.int64]
    horizontal: Horizontal
    levels: tuple[float, ...]

    def grid(self, position: int) -> MetGrid:
        """Return the grid of a time: that of the first one, unless the domain has moved."""
        corners = [
            tuple(float(self.data[name][each, 0, 0]) for name in ("XLAT", "XLONG"))
            for each in {0, position}
        ]
        horizontal = self.horizontal
        if len(set(corners)) > 1:
            horizontal = _horizontal(self.data, position)
        # WRF's sigma is that of the dry air under P_TOP; the pressures are those of PRES.
        return replace(
            horizontal.grid,
            levels=self.levels,
            vertical_flag=_SIGMA,
            pressure_offset_hpa=round(0.01 * float(self.data["P_TOP"].values.ravel()[0]), 4),
        )

    def frame(self, ref: AnalysisRef, *, averaged_winds: bool) -> Frame:
        """Return one time, cropped as a reference says."""
        nodes = self.horizontal.cropped(ref.crop)
        return Frame(
            self.data,
            ref.offset,
            nodes.rows,
            nodes.columns,
            len(ref.grid.levels),
            int(self.minutes[ref.offset]),
            self._hours_before(ref.offset),
            averaged_winds,
        )

    def _hours_before(self, position: int) -> float | None:
        """Return the hours since the file's previous time; None at its first one."""
        if position == 0:
            return None
        hours = (self.times[position] - self.times[position - 1]) / np.timedelta64(1, "h")
        return float(hours) if hours > 0.0 else None


@lru_cache(maxsize=8)
def _opened(path: str, identity: str) -> _Output | None:
    """Return a file, kept open while it is unchanged; None for other kinds of files.

    Raises:
        UnsuitableFileError: it is WRF's output that lacks something, or its grid is of no use.
        ValueError: it is damaged.
        OSError: it cannot be read.
    """
    del identity
    if not is_netcdf(path):
        return None
    require_whole(path)
    data = xr.open_dataset(path, engine="netcdf4", decode_times=False).reset_coords()
    title = str(data.attrs.get("TITLE", ""))
    if "MAP_PROJ" not in data.attrs or not {"U", "V"} & set(data.variables):
        return None
    # Initial conditions, written by WRF's preprocessor ``real``.
    if "REAL_EM" in title.upper():
        return None
    if lacking := [name for name in _NEEDED if name not in data.variables]:
        raise UnsuitableFileError(f"it lacks {', '.join(lacking)}")
    if "west_east_stag" not in data["U"].dims:
        raise UnsuitableFileError("its winds are not on the faces of WRF's cells")
    times = _times(data)
    if len(times) == 0:
        raise ValueError("it holds no time")
    data = _static_at_all_times(data)
    eta = data["ZNU"][0].to_numpy().astype(float)
    levels = tuple(round(float(value), 7) for value in eta)
    return _Output(data, times, _minutes(data, times), _horizontal(data, 0), levels)


def _horizontal(data: xr.Dataset, position: int) -> Horizontal:
    lon, lat = (data[name][position].to_numpy() for name in ("XLONG", "XLAT"))
    domain = int(data.attrs.get("GRID_ID", 1))
    try:
        return wrf_horizontal(data.attrs, lon, lat, f"WRF{domain % 10}")
    except AxisError as problem:
        raise UnsuitableFileError(str(problem)) from problem


def _static_at_all_times(data: xr.Dataset) -> xr.Dataset:
    """Return a file whose static fields have the dimension of time, as WRF writes them.

    Other programs drop it, as they do that of a single time.
    """
    if "Time" not in data.dims:
        data = data.expand_dims("Time")
    static = {
        name: data[name].expand_dims(Time=data.sizes["Time"])
        for name in map(str, data.data_vars)
        if "Time" not in data[name].dims and data[name].dtype.kind == "f"
    }
    return data.assign(static)


def _times(data: xr.Dataset) -> NDArray[np.datetime64]:
    """Return the valid times, rounded to the minute."""
    # Other programs write them as strings.
    given = np.atleast_1d(data["Times"].to_numpy())
    texts = [each if isinstance(each, str) else bytes(each).decode() for each in given]
    texts = [each.strip("\0 ").replace("_", "T") for each in texts]
    seconds = np.array(texts, "datetime64[s]")
    return (seconds + np.timedelta64(30, "s")).astype("datetime64[m]")


def _minutes(data: xr.Dataset, times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the minutes since WRF's run began."""
    attributes = data.attrs
    start = attributes.get("SIMULATION_START_DATE", attributes.get("START_DATE", ""))
    if not start:
        return np.zeros(len(times), np.int64)
    began = np.datetime64(str(start).replace("_", "T"), "m")
    minutes = (times - began) / np.timedelta64(1, "m")
    return np.where(np.isnat(times), 0, minutes).astype(np.int64)


def _identity(path: str) -> str:
    stat = os.stat(path)
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def _damage(path: str, problem: Exception) -> str:
    """Say what is wrong with a file, and what to do: what it lacks does not come by copying."""
    remedy = "use WRF's own output that has what is needed"
    if not isinstance(problem, UnsuitableFileError):
        remedy = "fetch or copy the file again"
    return f"The WRF file {path} cannot be used: {problem}; {remedy}, or remove it."
