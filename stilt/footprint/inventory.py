"""Surface fluxes as given by a user: units, cells and time steps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xarray as xr

from stilt.errors import UsageError
from stilt.footprint.steps import Floats, Ints
from stilt.footprint.target import axis_names

FLUX_UNIT = "umol m-2 s-1"
MASS_FLUX_UNIT = "ug m-2 s-1"
HOUR_US = 3_600_000_000
YEAR = np.timedelta64(366, "D")
ALWAYS_US = 2**62
# Dimensions of a flux that repeats every day or every year, and their coordinates.
CYCLES = {"month": range(1, 13), "hour": range(24)}


@lru_cache(256)
def flux_factor(units: str, molar_mass_g: float | None = None) -> float:
    """Return the factor that turns a flux in ``units`` into umol m-2 s-1, by UDUNITS.

    Args:
        units: amount, per area, per time, such as ``umol m-2 s-1``, ``mol/m2/s`` or
            ``kg m-2 h-1``.
        molar_mass_g: grams per mole of the gas, needed for fluxes of mass.

    Raises:
        UsageError: the units are not those of a flux, or the molar mass is missing.
    """
    from cf_units import Unit

    text = units.replace("µ", "u").replace("μ", "u").replace("micromol", "umol")
    refusal = UsageError(
        f"{units!r} is not a unit of surface flux that can be turned into {FLUX_UNIT}; "
        "set flux.attrs['units'] to something like 'umol m-2 s-1' or 'kg m-2 h-1'."
    )
    try:
        given = Unit(re.sub(r"(?<=[A-Za-z])\s*(?:\^|\*\*)\s*(?=-?\d)", "", text))
    except ValueError:
        raise refusal from None
    if given.is_convertible(FLUX_UNIT) and not given.is_dimensionless():
        return float(given.convert(1.0, Unit(FLUX_UNIT)))
    if not given.is_convertible(MASS_FLUX_UNIT):
        raise refusal
    if molar_mass_g is None:
        raise UsageError(
            f"A flux in {units!r} is a flux of mass; give molar_mass_g, the grams per mole of "
            "the gas (44.0095 for CO2, 16.0425 for CH4)."
        )
    return float(given.convert(1.0, Unit(MASS_FLUX_UNIT))) / molar_mass_g


def _require_data_array(flux: object) -> None:
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


@dataclass(frozen=True)
class Inventory:
    """A flux in umol m-2 s-1 with its time steps.

    Attributes:
        flux: dims (time, lat, lon), (lat, lon), or with y and x.
        mask: one field, whose NaN cells take no part.
        left, right: start and end of each step, microseconds since 1970, ascending; each begins
            where the one before ends. A cycle has a single one, which is not used.
        cycle: which of month and hour the flux repeats with.
        single_stamp: time of the only step of a flux with the dimension time; it holds at all
            times.
    """

    flux: xr.DataArray
    mask: xr.DataArray
    left: Ints
    right: Ints
    single_stamp: np.datetime64 | None = None
    cycle: tuple[str, ...] = ()

    @classmethod
    def of(cls, flux: xr.DataArray, molar_mass_g: float | None) -> Inventory:
        """Read a flux.

        Raises:
            UsageError: units, dimensions or times cannot be used.
        """
        _require_data_array(flux)
        units = flux.attrs.get("units")
        if not units:
            raise UsageError(
                "The flux has no units; set flux.attrs['units'], for instance to 'umol m-2 s-1'."
            )
        flux = flux * flux_factor(str(units), molar_mass_g)
        cycle = tuple(dim for dim in CYCLES if dim in flux.dims)
        apart = ("time", *cycle, *(axis_names(flux) or ()))
        others = [str(dim) for dim in flux.dims if dim not in apart]
        if others or len(set(flux.dims) - {"time", *cycle}) > 2:
            others = others or [str(flux.dims[0])]
            raise UsageError(
                f"The flux has the dimension {others[0]!r}: sum over it or select from it, so that "
                "only time, lat and lon (or y and x) are left."
            )
        if cycle:
            return cls._of_cycle(flux, cycle)
        if "time" not in flux.dims:
            flux = flux.drop_vars("time", errors="ignore")
            return cls(flux, flux, np.array([-ALWAYS_US]), np.array([ALWAYS_US]))
        flux = flux.sortby("time")
        stamps = _checked(flux["time"])
        mask = flux.isel(time=0, drop=True)
        missing = flux.isnull()
        if bool((missing.any("time") & ~missing.all("time")).any()):
            raise UsageError(
                "The flux has cells that are NaN at some times only; fill them (with 0 where "
                "there is no flux) or make them NaN at all times."
            )
        if stamps.size == 1:
            always = np.array([-ALWAYS_US]), np.array([ALWAYS_US])
            return cls(flux, mask, *always, stamps[0])
        left = stamps.astype(np.int64)
        return cls(flux, mask, left, np.append(left[1:], 2 * left[-1] - left[-2]))

    @classmethod
    def _of_cycle(cls, flux: xr.DataArray, cycle: tuple[str, ...]) -> Inventory:
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
        axes = axis_names(flux) or ()
        flux = flux.transpose(*cycle, *(dim for dim in flux.dims if dim not in cycle))
        first = flux.isel(dict.fromkeys(cycle, 0), drop=True)
        missing = flux.isnull()
        if bool((missing.any(cycle) & ~missing.all(cycle)).any()) or not axes:
            raise UsageError("The flux has cells that are NaN at some times only; fill them.")
        always = np.array([-ALWAYS_US]), np.array([ALWAYS_US])
        return cls(flux, first, *always, cycle=cycle)

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
        return f"{begin} to {end}".replace("T", " ")

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
        return bool((after < np.timedelta64(0)).any() or (after > YEAR).any())

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


def _checked(time: xr.DataArray) -> np.ndarray:
    """Return the stamps of a flux, ascending.

    Raises:
        UsageError: they are not dates, one is missing, or two are the same.
    """
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
