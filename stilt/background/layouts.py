"""What the variables of a field's dataset mean: CarbonTracker, CAMS, CarboScope, and CF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from stilt.errors import UsageError

Vertical = Callable[[xr.Dataset], xr.DataArray]

TIMES = ("time", "mtime", "valid_time", "Times")
LATITUDES = ("latitude", "lat")
LONGITUDES = ("longitude", "lon")
PRESSURES = ("pressure", "air_pressure", "pres", "plev", "p", "pressure_level", "isobaricInhPa")
ALTITUDES = ("altitude", "alt", "height_above_sea_level")
SURFACES = ("surf_pressure", "Psurf", "ps", "PS", "sp", "surface_pressure", "psurf")
# Hybrid coefficients, p = a + b ps: edges of layers before their middles.
HYBRIDS = (("at", "bt"), ("ap", "bp"), ("hyai", "hybi"), ("hyam", "hybm"), ("a", "b"), ("ak", "bk"))
REFERENCE_PRESSURE = ("P0", "p0")
GASES = ("co2", "ch4", "co", "n2o")
VARIABLES = ("co2mix", "mole_fraction", "molefraction")


@dataclass(frozen=True)
class Layout:
    """Names and meanings in a dataset.

    Attributes:
        variable: the mole fraction.
        time, latitude, longitude: names of its dimensions, None where it has none.
        levels: names that the vertical dimension has, of values and of edges.
        vertical: computes pressure (hPa) or altitude (m above sea level) on levels or edges;
            None for a field without levels.
        by_altitude: whether the vertical coordinate is altitude.
        units: those of the product, where its files do not say.
        initial: attribute of the variable that is to be added to it.
    """

    variable: str
    time: str | None
    latitude: str | None
    longitude: str | None
    levels: tuple[str, ...]
    vertical: Vertical | None
    by_altitude: bool = False
    units: str = ""
    initial: str = ""

    @property
    def dims(self) -> Sequence[Sequence[str]]:
        """Names of time, level, latitude and longitude."""
        return [[self.time or ""], list(self.levels), [self.latitude or ""], [self.longitude or ""]]

    def offset(self, dataset: xr.Dataset) -> float:
        """Return what is to be added to the values."""
        if not self.initial:
            return 0.0
        return float(np.asarray(dataset[self.variable].attrs[self.initial]).reshape(-1)[0])


def layout_of(dataset: xr.Dataset, variable: str | None = None) -> Layout:
    """Find out what a dataset's variables mean.

    Known are CarbonTracker CO2 (``pressure`` at ``boundary``), CarbonTracker CH4
    (``at`` + ``bt`` ``surf_pressure``), CAMS inversions (``ap`` + ``bp`` ``Psurf``), CarboScope
    (``a`` + ``b`` ``ps``; its attribute ``ini`` is added), CF datasets with ``formula_terms`` or a
    variable with the standard name ``air_pressure``, pressure levels, altitudes, and fields
    without levels.

    Raises:
        UsageError: the variable or its vertical coordinate is not understood.
    """
    name = _variable(dataset, variable)
    array = dataset[name]
    time, latitude, longitude = (
        _dim(array, names, standard)
        for names, standard in (
            (TIMES, "time"), (LATITUDES, "latitude"), (LONGITUDES, "longitude"),
        )
    )  # fmt: skip
    rest = [str(dim) for dim in array.dims if dim not in (time, latitude, longitude)]
    if not (time or latitude or longitude):
        raise UsageError(
            f"The field {name} has dimensions {', '.join(map(str, array.dims)) or 'none'}: none of "
            "them is a time, a latitude or a longitude."
        )
    if len(rest) > 1:
        raise UsageError(
            f"The field {name} has dimensions {', '.join(rest)} besides time and place: select "
            "from all but the level."
        )
    initial = "ini" if name == "co2mix" and "ini" in array.attrs else ""
    units = "ppm" if name == "co2mix" else ""
    if not rest:
        return Layout(name, time, latitude, longitude, (), None, units=units, initial=initial)
    vertical, edges, by_altitude = _vertical(dataset, array, rest[0])
    return Layout(
        name, time, latitude, longitude, (rest[0], *edges), vertical, by_altitude, units, initial
    )


def _variable(dataset: xr.Dataset, wanted: str | None) -> str:
    if wanted is not None:
        if wanted not in dataset:
            listed = ", ".join(map(str, dataset.data_vars))
            raise UsageError(f"The field has no variable {wanted!r}: it has {listed}.")
        return wanted
    lowered = {str(name).lower(): str(name) for name in dataset.data_vars}
    known: list[str] = [lowered[name] for name in (*VARIABLES, *GASES) if name in lowered]
    if not known:
        known = [
            str(name)
            for name, array in dataset.data_vars.items()
            if "mole_fraction" in str(array.attrs.get("standard_name", ""))
        ]
    if not known and len(dataset.data_vars) == 1:
        known = [str(next(iter(dataset.data_vars)))]
    if len(known) != 1:
        listed = ", ".join(known or map(str, dataset.data_vars))
        raise UsageError(f"Say which variable of the field is meant, variable=: {listed}.")
    return known[0]


def _dim(array: xr.DataArray, names: Sequence[str], standard: str) -> str | None:
    for dim in array.dims:
        coordinate = array.coords.get(str(dim))
        told = "" if coordinate is None else coordinate.attrs.get("standard_name", "")
        if str(dim) in names or told == standard:
            return str(dim)
    return None


def _vertical(
    dataset: xr.Dataset, array: xr.DataArray, level: str
) -> tuple[Vertical, tuple[str, ...], bool]:
    """Return what computes the vertical coordinate, its other dimensions, and if it is altitude."""
    terms = _formula_terms(dataset, level)
    if terms:
        return _from_terms(terms), (), False
    named = [name for name in PRESSURES if name in dataset.variables and dataset[name].ndim > 1]
    for name in (*named, *_air_pressures(dataset, array, level)):
        edges = tuple(str(d) for d in dataset[name].dims if d not in array.dims)
        return (lambda data, name=name: _hpa(data[name])), edges, False
    surface = next((name for name in SURFACES if name in dataset.variables), None)
    hybrid = next((pair for pair in HYBRIDS if all(n in dataset.variables for n in pair)), None)
    if surface is not None and hybrid is not None:
        a, b = hybrid
        edges = tuple(str(d) for d in dataset[a].dims if d != level)
        return (lambda data: _hybrid(data, a, b, surface)), edges, False
    told = _coordinate(dataset, level)
    if told is not None:
        return told[0], (), told[1]
    raise UsageError(
        f"The vertical dimension {level} of the field is not understood: it needs pressures "
        f"({', '.join(PRESSURES[:4])}), hybrid coefficients with a surface pressure, "
        "formula_terms, or altitudes in m."
    )


def _formula_terms(dataset: xr.Dataset, level: str) -> str:
    """Return the formula terms of a level; xarray's decode_coords="all" puts them elsewhere."""
    if level not in dataset.coords:
        return ""
    coordinate = dataset[level]
    return str(
        coordinate.attrs.get("formula_terms") or coordinate.encoding.get("formula_terms", "")
    )


def _air_pressures(dataset: xr.Dataset, array: xr.DataArray, level: str) -> list[str]:
    """Return variables with the standard name air_pressure, those on the field's levels first.

    Others may be on the edges of layers, which have a dimension that the field does not have.
    """
    found = [
        (level not in variable.dims, str(name))
        for name, variable in dataset.variables.items()
        if variable.attrs.get("standard_name") == "air_pressure"
        and variable.ndim > 1
        and (level in variable.dims or set(variable.dims) - set(array.dims))
    ]
    return [name for _, name in sorted(found)]


def _coordinate(dataset: xr.Dataset, level: str) -> tuple[Vertical, bool] | None:
    """Understand a vertical coordinate with one value a level."""
    pressures = [
        str(name)
        for name, variable in dataset.variables.items()
        if name in PRESSURES or variable.attrs.get("standard_name") == "air_pressure"
    ]
    for name in (level, *pressures, *ALTITUDES):
        if name not in dataset.variables or dataset[name].dims != (level,):
            continue
        units = str(dataset[name].attrs.get("units", "")).lower()
        standard = str(dataset[name].attrs.get("standard_name", ""))
        if units in ("pa", "hpa", "mb", "mbar", "millibar", "millibars") or name in pressures:
            return (lambda data, name=name: _hpa(data[name])), False
        if name in ALTITUDES or (standard == "altitude" and units in ("m", "km")):
            scale = 1000.0 if units == "km" else 1.0
            return (lambda data, name=name, scale=scale: data[name] * scale), True
    return None


def _hpa(pressure: xr.DataArray) -> xr.DataArray:
    """Return pressures in hPa; without a unit, those above 2000 are taken for Pa."""
    units = str(pressure.attrs.get("units", "")).lower()
    if units in ("hpa", "mb", "mbar", "millibar", "millibars"):
        return pressure
    if units in ("pa", "pascal", "pascals", "n m-2"):
        return pressure / 100.0
    return pressure / 100.0 if float(pressure.max()) > 2000.0 else pressure


def _hybrid(dataset: xr.Dataset, a: str, b: str, surface: str) -> xr.DataArray:
    """p = a + b ps, in hPa, with a in the unit of ps or (of a times p0) without one."""
    ps = _hpa(dataset[surface])
    coefficient = dataset[a]
    reference = next((name for name in REFERENCE_PRESSURE if name in dataset.variables), None)
    if reference is not None and float(abs(coefficient).max()) <= 1.0:
        return coefficient * _hpa(dataset[reference]) + dataset[b] * ps
    units = str(coefficient.attrs.get("units", "")).lower()
    if units in ("", "1"):
        # In the unit of the surface pressure as stored.
        factor = float(ps.max()) / float(dataset[surface].max())
        return coefficient * factor + dataset[b] * ps
    return _hpa(coefficient) + dataset[b] * ps


def _from_terms(terms: str) -> Vertical:
    """Return the formula of CF's atmosphere_hybrid_sigma_pressure_coordinate, or of sigma."""
    words = terms.replace(":", " ").split()
    pairs = dict(zip(words[::2], words[1::2], strict=True))

    def pressure(dataset: xr.Dataset) -> xr.DataArray:
        ps = _hpa(dataset[pairs["ps"]])
        if "sigma" in pairs:
            top = _hpa(dataset[pairs["ptop"]])
            return top + dataset[pairs["sigma"]] * (ps - top)
        if "ap" in pairs:
            return _hpa(dataset[pairs["ap"]]) + dataset[pairs["b"]] * ps
        return dataset[pairs["a"]] * _hpa(dataset[pairs["p0"]]) + dataset[pairs["b"]] * ps

    if "ps" not in pairs:
        raise UsageError(f"formula_terms {terms!r} of the field have no ps.")
    return pressure
