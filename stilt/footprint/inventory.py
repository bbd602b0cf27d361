"""Surface fluxes as given by a user: units, cells and time steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from stilt.errors import UsageError
from stilt.fill_values import fill_among, stated_fills
from stilt.footprint.flux_times import bounds_of_times, days_of_months, steps_of
from stilt.footprint.flux_units import (
    MEAN_MONTH_DAYS,
    check_molar_mass,
    flux_factor,
    is_per_month,
)
from stilt.footprint.map_projection import own_projection
from stilt.footprint.steps import Floats, Ints
from stilt.footprint.target import axis_names, require_latitudes

HOUR_US = 3_600_000_000
YEAR = np.timedelta64(366, "D")
ALWAYS_US = 2**62
_OTHER_NAMES = {
    "lat": "lat", "latitude": "lat", "nav_lat": "lat",
    "lon": "lon", "longitude": "lon", "nav_lon": "lon",
}  # fmt: skip
_LATITUDES = ("lat", "latitude", "nav_lat", "xlat")
# Dimensions of a flux that repeats every day or every year, and their coordinates.
CYCLES = {"month": range(1, 13), "hour": range(24)}
_DAYS_OF_MONTHS = np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


def require_data_array(flux: object) -> None:
    """Raise a UsageError, with a hint, for what people give instead of one variable."""
    if isinstance(flux, xr.DataArray):
        return
    if isinstance(flux, xr.Dataset):
        names = ", ".join(repr(str(name)) for name in flux.data_vars) or "none"
        raise UsageError(
            f"The flux is a data set; give one of its variables, as in data[NAME]. It has {names}."
        )
    raise UsageError(
        f"The flux must be an xarray.DataArray with the coordinates lat and lon, not a "
        f"{type(flux).__name__}; a file is opened with xarray.open_dataset(path)[NAME]."
    )


def _with_usual_names(flux: xr.DataArray) -> xr.DataArray:
    """Return a flux whose axes are named time, lat and lon where they have like names."""
    names, times = {}, {}
    for dim in map(str, flux.dims):
        usual = _OTHER_NAMES.get(dim.lower())
        if usual and usual not in flux.dims and usual not in flux.coords and dim in flux.coords:
            names[dim] = usual
        if dim.lower() == "time" and dim != "time" and "time" not in (*flux.dims, *flux.coords):
            times[dim] = "time"
    return flux.rename({**(names if len(names) == 2 else {}), **times})


def _refuse_other_grids(flux: xr.DataArray) -> None:
    """Refuse a flux that is not on rows and columns with a coordinate each.

    Raises:
        UsageError: it is not.
    """
    axes = axis_names(flux)
    if axes and all(name in flux.dims for name in axes):
        return
    for name, places in flux.coords.items():
        if str(name).lower() in _LATITUDES and places.ndim and name not in flux.dims:
            dims = " and ".join(repr(str(dim)) for dim in places.dims)
            raise UsageError(
                f"The flux's cells are not rows and columns of latitude and longitude: its {name} "
                f"goes along {dims}. Regrid it to such (conserving its sum), or, if it is on a map "
                "projection, name its dimensions y and x, with their values and projection=."
            )
    for dim in map(str, flux.dims):
        if (dim.lower() in _OTHER_NAMES or dim in ("x", "y")) and dim not in flux.coords:
            raise UsageError(
                f"The flux's dimension {dim!r} has no values: give the centres of its cells "
                f"(flux.assign_coords({dim}=...))."
            )


def _refuse_fill_values(flux: xr.DataArray) -> None:
    """Refuse numbers that stand for missing values.

    Raises:
        UsageError: there are such.
    """
    extremes = [float(flux.min()), float(flux.max())]  # of a flux in chunks, too
    found = fill_among(extremes, stated_fills(flux.attrs))
    if found is not None:
        raise UsageError(
            f"The flux holds the value {found:g}, which seems to stand for missing values: replace "
            "it (flux.where(...)) by NaN, or by 0 where there is no flux."
        )


@dataclass(frozen=True)
class Inventory:
    """A flux in umol m-2 s-1 with its time steps.

    Attributes:
        flux: dims (time, lat, lon), (lat, lon), or with y and x.
        mask: one field, whose NaN cells take no part.
        projection: PROJ text of x and y, None where none is known.
        left, right: start and end of each step, microseconds since 1970, ascending; none begins
            before the one before it ends. A cycle has a single one, which is not used.
        cycle: which of month and hour the flux repeats with.
        single_stamp: time of the only step of a flux with the dimension time; it holds at all
            times.
    """

    flux: xr.DataArray
    mask: xr.DataArray
    projection: str | None
    left: Ints
    right: Ints
    single_stamp: np.datetime64 | None = None
    cycle: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, flux: xr.DataArray, molar_mass_g: float | None, projection: str | None = None
    ) -> Inventory:
        """Read a flux.

        Args:
            flux: as given by the user.
            molar_mass_g: grams per mole, for fluxes of mass.
            projection: PROJ text of x and y; None takes that which the flux carries.

        Raises:
            UsageError: units, dimensions or times cannot be used.
        """
        require_data_array(flux)
        units = flux.attrs.get("units")
        if not units:
            raise UsageError(
                "The flux has no units; set flux.attrs['units'], for instance to 'umol m-2 s-1'."
            )
        packed = [name for name in ("scale_factor", "add_offset") if name in flux.attrs]
        if packed:
            raise UsageError(
                f"The flux is packed ({packed[0]}): open its file with xarray.open_dataset(path), "
                "which unpacks it."
            )
        factor = flux_factor(str(units), molar_mass_g)
        check_molar_mass(str(flux.attrs.get("standard_name", "")), molar_mass_g)
        flux = _with_usual_names(flux)
        for name in ("lat", "latitude"):
            if name in flux.coords:
                require_latitudes(flux[name].values, "flux")
        _refuse_other_grids(flux)
        _refuse_fill_values(flux)
        axes = axis_names(flux)
        on_map = axes is not None and axes[0] == "x"
        if on_map and projection is None:
            projection = own_projection(flux, "flux")
        bounds = bounds_of_times(flux)
        flux = flux * factor
        cycle = tuple(dim for dim in CYCLES if dim in flux.dims)
        apart = ("time", *cycle, *(axes or ()))
        others = [str(dim) for dim in flux.dims if dim not in apart]
        if others or len(set(flux.dims) - {"time", *cycle}) > 2:
            others = others or [str(flux.dims[0])]
            raise UsageError(
                f"The flux has the dimension {others[0]!r}: sum over it or select from it, so that "
                "only time, lat and lon (or y and x) are left."
            )
        if cycle:
            return cls._of_cycle(flux, cycle, str(units), projection)
        if "time" not in flux.dims:
            flux = flux.drop_vars("time", errors="ignore")
            return cls(flux, flux, projection, *_always())
        if isinstance(flux["time"].dtype, pd.DatetimeTZDtype):
            raise UsageError(
                f"The flux's times have the time zone {flux['time'].dtype.tz}: give them in UTC "
                "without one (times.tz_convert('UTC').tz_localize(None))."
            )
        flux = flux.sortby("time")
        stamps = _checked(flux["time"])
        edges = _always() if stamps.size == 1 else steps_of(flux, stamps, bounds)
        mask = flux.isel(time=0, drop=True)
        missing = flux.isnull()
        if bool((missing.any("time") & ~missing.all("time")).any()):
            raise UsageError(
                "The flux has cells that are NaN at some times only; fill them (with 0 where "
                "there is no flux) or make them NaN at all times."
            )
        if is_per_month(str(units)):
            begin = stamps if stamps.size == 1 else edges[0].astype("datetime64[us]")
            flux = flux * xr.DataArray(MEAN_MONTH_DAYS / days_of_months(begin), dims="time")
        return cls(flux, mask, projection, *edges, stamps[0] if stamps.size == 1 else None)

    @classmethod
    def _of_cycle(
        cls, flux: xr.DataArray, cycle: tuple[str, ...], units: str, projection: str | None
    ) -> Inventory:
        """Read a flux that depends on the month, the hour of the day (UTC), or both."""
        if "time" in flux.dims:
            raise UsageError(
                f"The flux has the dimensions time and {' and '.join(cycle)}: leave one of them."
            )
        for dim in cycle:
            wanted = list(CYCLES[dim])
            found = flux[dim].values.tolist() if dim in flux.coords else []
            if sorted(found) != wanted:
                raise UsageError(
                    f"The flux's dimension {dim} must have the coordinates {wanted[0]} to "
                    f"{wanted[-1]}{' (UTC)' if dim == 'hour' else ''}, each once."
                )
            flux = flux.sortby(dim)
        if "month" in cycle and is_per_month(units):
            flux = flux * xr.DataArray(MEAN_MONTH_DAYS / _DAYS_OF_MONTHS, dims="month")
        axes = axis_names(flux) or ()
        flux = flux.transpose(*cycle, *(dim for dim in flux.dims if dim not in cycle))
        first = flux.isel(dict.fromkeys(cycle, 0), drop=True)
        missing = flux.isnull()
        if bool((missing.any(cycle) & ~missing.all(cycle)).any()) or not axes:
            raise UsageError("The flux has cells that are NaN at some times only; fill them.")
        return cls(flux, first, projection, *_always(), cycle=cycle)

    @property
    def changes(self) -> bool:
        """Whether there are several time steps."""
        return self.left.size > 1 or bool(self.cycle)

    def span(self) -> str:
        """Return from when to when there is a flux, as text."""
        if self.cycle:
            return "all times"
        edges = np.array([self.left[0], self.right[-1]]).astype("datetime64[us]")
        begin, end = edges.astype("datetime64[m]")
        gaps = " with gaps" if (self.left[1:] > self.right[:-1]).any() else ""
        return f"{begin} to {end}".replace("T", " ") + gaps

    def shares(self, stamps: np.ndarray) -> list[list[tuple[int, float]]]:
        """Return for each hour the time steps that lie in it, with their shares of the hour.

        Args:
            stamps: starts of the hours, datetime64, shape (hours,).
        """
        if not self.changes:
            return [[(0, 1.0)]] * stamps.size
        if self.cycle:
            return [list(self._clock_hours(stamp)) for stamp in stamps.astype("datetime64[us]")]
        begin = stamps.astype("datetime64[us]").astype(np.int64)
        end = begin + HOUR_US
        first = np.searchsorted(self.right, begin, side="right")
        last = np.searchsorted(self.left, end, side="left")
        return [
            [
                (step, (min(b, int(self.right[step])) - max(a, int(self.left[step]))) / HOUR_US)
                for step in range(f, n)
            ]
            for a, b, f, n in zip(
                begin.tolist(), end.tolist(), first.tolist(), last.tolist(), strict=True
            )
        ]

    def _clock_hours(self, stamp: np.datetime64) -> Iterator[tuple[int, float]]:
        """Yield steps of a cycle with their shares of the hour that starts at a time."""
        hour = stamp.astype("datetime64[h]")
        late = float((stamp - hour) / np.timedelta64(HOUR_US, "us"))
        for clock, share in ((hour, 1.0 - late), (hour + np.timedelta64(1, "h"), late)):
            if share > 0.0:
                month = int(clock.astype("datetime64[M]").astype(int)) % 12
                of_day = int(clock.astype(int)) % 24
                number = 0
                for dim in self.cycle:
                    number = number * len(CYCLES[dim]) + (month if dim == "month" else of_day)
                yield number, share

    def is_dated_otherwise(self, stamps: np.ndarray) -> bool:
        """Return whether a flux's only step is after any hour, or more than a year before it."""
        if self.single_stamp is None or stamps.size == 0:
            return False
        after = stamps.astype("datetime64[us]") - self.single_stamp
        return bool((after < np.timedelta64(0, "ns")).any() or (after > YEAR).any())

    def values(self, step: int) -> Floats:
        """Return the flux of one step, x outermost, shape (cells of the grid,)."""
        field = self.flux.isel(time=step) if "time" in self.flux.dims else self.flux
        if self.cycle:
            lengths = [len(CYCLES[dim]) for dim in self.cycle]
            places = np.unravel_index(step, lengths)
            field = field.isel({dim: int(at) for dim, at in zip(self.cycle, places, strict=True)})
        axes = axis_names(field)
        assert axes is not None
        return field.transpose(*axes).values.astype(np.float64).reshape(-1)


def _always() -> tuple[Ints, Ints]:
    """Return start and end of a step that holds at all times."""
    return np.array([-ALWAYS_US]), np.array([ALWAYS_US])


def _checked(time: xr.DataArray) -> np.ndarray:
    """Return the stamps of a flux, ascending.

    Raises:
        UsageError: there are none, they are not dates, one is missing, or two are the same.
    """
    if "time" not in time.coords:
        raise UsageError(
            "The flux's dimension 'time' has no values: give its dates "
            "(flux.assign_coords(time=...)), or, if it is constant, select one (flux.isel(time=0))."
        )
    if not np.issubdtype(time.dtype, np.datetime64) or bool(time.isnull().any()):
        raise UsageError(
            f"The flux's times must all be dates (datetime64), and they are {time.dtype}"
            f"{' with missing ones' if bool(time.isnull().any()) else ''}; decode them, or convert "
            "another calendar with flux.convert_calendar('standard')."
        )
    stamps = time.values.astype("datetime64[us]")
    double = np.flatnonzero(stamps[1:] == stamps[:-1])
    if double.size:
        raise UsageError(
            f"The flux has more than one field at {stamps[double[0]].astype('datetime64[s]')}: "
            "keep one of them (flux.drop_duplicates('time')) or add them up "
            "(flux.groupby('time').sum())."
        )
    return stamps
