"""What the levels of a field are: pressures, altitudes, or heights above ground."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal

import numpy as np
import xarray as xr

from stilt.background.missing import without_fill_values
from stilt.errors import UsageError
from stilt.meteorology.formats.fields import STANDARD_GRAVITY_M_S2
from stilt.udunits import quiet_udunits

Kind = Literal["pressure", "altitude", "height"]
OnLevels = Callable[[xr.Dataset], xr.DataArray]

PRESSURES = ("pressure", "air_pressure", "pres", "plev", "p", "pressure_level", "isobaricInhPa")
ALTITUDES = ("altitude", "alt", "height_above_sea_level")
SURFACES = ("surf_pressure", "Psurf", "ps", "PS", "sp", "surface_pressure", "psurf")
# Hybrid coefficients, p = a + b ps: edges of layers before their middles.
HYBRIDS = (("at", "bt"), ("ap", "bp"), ("hyai", "hybi"), ("hyam", "hybm"), ("a", "b"), ("ak", "bk"))
REFERENCE_PRESSURE = ("P0", "p0")
STANDARD_NAMES: Mapping[str, Kind] = {
    "air_pressure": "pressure",
    "altitude": "altitude",
    "geopotential_height": "altitude",
    "geopotential": "altitude",
    "height_above_mean_sea_level": "altitude",
    "height": "height",
}
_IN_HPA = ("hpa", "mb", "mbar", "millibar", "millibars")
_IN_PA = ("pa", "pascal", "pascals", "n m-2")
_IN_M = ("gpm", "gpmetre", "geopotential meter", "geopotential meters", "geopotential metres")


@dataclass(frozen=True)
class Levels:
    """The vertical coordinate of a field.

    Attributes:
        kind: pressure (hPa), altitude (m above sea level) or height (m above ground).
        values: computes it from the dataset, on levels or on the edges of layers.
        edges: dimensions that it has on edges, and that the field does not have.
    """

    kind: Kind
    values: OnLevels
    edges: tuple[str, ...] = ()


def levels_of(dataset: xr.Dataset, array: xr.DataArray, level: str) -> Levels:
    """Find out what the levels of a variable are.

    In this order: ``formula_terms``; pressures that depend on more than the level; hybrid
    coefficients with a surface pressure; altitudes or heights that depend on more than the level;
    one value for each level.

    Args:
        dataset: of the field.
        array: the field.
        level: its vertical dimension.

    Raises:
        UsageError: they are not understood.
    """
    terms = _formula_terms(dataset, level)
    if terms:
        return _of_terms(terms, str(dataset[level].attrs.get("standard_name", "")))
    named = [name for name in PRESSURES if name in dataset.variables and dataset[name].ndim > 1]
    for name in (*named, *_with_standard_name(dataset, array, level, "pressure")):
        return Levels("pressure", _of(name, _hpa), _edges(dataset, array, name))
    surface = next((name for name in SURFACES if name in dataset.variables), None)
    hybrid = next((pair for pair in HYBRIDS if all(n in dataset.variables for n in pair)), None)
    if surface is not None and hybrid is not None:
        a, b = hybrid
        return Levels("pressure", lambda data: _hybrid(data, a, b, surface),
                      tuple(str(d) for d in dataset[a].dims if d != level))  # fmt: skip
    kinds: Sequence[Kind] = ("altitude", "height")
    for kind in kinds:
        for name in _with_standard_name(dataset, array, level, kind):
            return Levels(kind, _of(name, _metres), _edges(dataset, array, name))
    told = _one_each(dataset, level)
    if told is not None:
        return told
    raise UsageError(
        f"The vertical dimension {level} of the field is not understood: it needs pressures "
        f"({', '.join(PRESSURES[:4])}), hybrid coefficients with a surface pressure, "
        "formula_terms, altitudes in m, or heights above ground (standard_name height) in m."
    )


def _formula_terms(dataset: xr.Dataset, level: str) -> str:
    """Return the formula terms of a level; xarray's decode_coords="all" puts them elsewhere."""
    if level not in dataset.coords:
        return ""
    coordinate = dataset[level]
    return str(
        coordinate.attrs.get("formula_terms") or coordinate.encoding.get("formula_terms", "")
    )


def _of(name: str, convert: Callable[[xr.DataArray], xr.DataArray]) -> OnLevels:
    """Return what reads a variable and converts it."""
    return lambda data: convert(data[name])


def _edges(dataset: xr.Dataset, array: xr.DataArray, name: str) -> tuple[str, ...]:
    return tuple(str(dim) for dim in dataset[name].dims if dim not in array.dims)


def _with_standard_name(
    dataset: xr.Dataset, array: xr.DataArray, level: str, kind: Kind
) -> list[str]:
    """Return variables of several dimensions that are of a kind, those on the field's levels first.

    Others may be on the edges of layers, which have a dimension that the field does not have.
    """
    found = [
        (level not in variable.dims, str(name))
        for name, variable in dataset.variables.items()
        if STANDARD_NAMES.get(str(variable.attrs.get("standard_name", ""))) == kind
        and variable.ndim > 1
        and (level in variable.dims or set(variable.dims) - set(array.dims))
    ]
    return [name for _, name in sorted(found)]


def _one_each(dataset: xr.Dataset, level: str) -> Levels | None:
    """Understand a vertical coordinate with one value for each level."""
    known = [
        str(name)
        for name, variable in dataset.variables.items()
        if name in PRESSURES or variable.attrs.get("standard_name") in STANDARD_NAMES
    ]
    for name in (level, *known, *ALTITUDES):
        if name not in dataset.variables or dataset[name].dims != (level,):
            continue
        units = _units_of(dataset[name])
        standard = str(dataset[name].attrs.get("standard_name", ""))
        kind: Kind | None = "altitude" if name in ALTITUDES else STANDARD_NAMES.get(standard)
        if _factor_to(units, "hPa") or name in PRESSURES or kind == "pressure":
            return Levels("pressure", _of(name, _hpa))
        if kind is not None and (
            _factor_to(units, "m") or _factor_to(units, "m2 s-2") or name in ALTITUDES
        ):
            return Levels(kind, _of(name, _metres))
    return None


def _units_of(variable: xr.DataArray) -> str:
    """Return the units of a variable, "" where it says none, as UDUNITS spells them."""
    told = str(variable.attrs.get("units", "")).strip()
    if told.lower() in _IN_HPA:
        return "hPa"
    if told.lower() in _IN_PA:
        return "Pa"
    return "m" if told.lower() in _IN_M else told


@lru_cache(64)
@quiet_udunits()
def _factor_to(units: str, wanted: str) -> float | None:
    """Return the factor from one unit to another, None where they are not of one kind."""
    from cf_units import Unit

    try:
        return float(Unit(units).convert(1.0, Unit(wanted))) if units else None
    except ValueError:
        return None


def _hpa(pressure: xr.DataArray) -> xr.DataArray:
    """Return pressures in hPa; without a unit, those above 2000 are taken for Pa.

    Raises:
        UsageError: their unit is not one of pressure.
    """
    units = _units_of(pressure)
    pressure = without_fill_values(pressure)
    if not units:
        return pressure / 100.0 if float(pressure.max()) > 2000.0 else pressure
    factor = _factor_to(units, "hPa")
    if factor is None:
        raise UsageError(_wrong_unit(pressure, "pressure", "hPa or Pa"))
    return pressure * factor


def _metres(height: xr.DataArray) -> xr.DataArray:
    """Return heights in m; of a geopotential (m2 s-2), its height.

    Raises:
        UsageError: their unit is not one of height or geopotential.
    """
    units = _units_of(height)
    height = without_fill_values(height)
    if not units:
        return height
    factor = _factor_to(units, "m")
    if factor is None:
        geopotential = _factor_to(units, "m2 s-2")
        factor = None if geopotential is None else geopotential / STANDARD_GRAVITY_M_S2
    if factor is None:
        raise UsageError(_wrong_unit(height, "height", "m"))
    return height * factor


def _wrong_unit(variable: xr.DataArray, kind: str, known: str) -> str:
    told = variable.attrs.get("units", "")
    return (
        f"The field's {variable.name} is in {told!r}, which is no unit of {kind}: correct its "
        f"attribute units to {known}."
    )


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
        factor = float(ps.max()) / float(without_fill_values(dataset[surface]).max())
        return coefficient * factor + dataset[b] * ps
    return _hpa(coefficient) + dataset[b] * ps


def _of_terms(terms: str, standard_name: str) -> Levels:
    """Return the coordinate of CF's formula terms (CF conventions 1.11, appendix D)."""
    words = terms.replace(":", " ").split()
    pairs = dict(zip(words[::2], words[1::2], strict=True))
    for needed, kind, formula in _FORMULAS:
        if set(needed) <= set(pairs):
            return Levels(kind, partial(_by_formula, formula, pairs))
    shown = f" of {standard_name}" if standard_name else ""
    raise UsageError(
        f"formula_terms {terms!r}{shown} of the field are not understood: known are those of "
        "hybrid sigma, sigma and natural logarithm of pressure, of hybrid height and of SLEVE."
    )


_Terms = Mapping[str, xr.DataArray]


def _by_formula(
    formula: Callable[[_Terms], xr.DataArray], names: Mapping[str, str], data: xr.Dataset
) -> xr.DataArray:
    return formula({term: data[name] for term, name in names.items()})


def _sigma(terms: _Terms) -> xr.DataArray:
    """p = ptop + sigma (ps - ptop)."""
    top = _hpa(terms["ptop"])
    return top + terms["sigma"] * (_hpa(terms["ps"]) - top)


def _hybrid_sigma(terms: _Terms) -> xr.DataArray:
    """p = ap + b ps."""
    return _hpa(terms["ap"]) + terms["b"] * _hpa(terms["ps"])


def _scaled_hybrid_sigma(terms: _Terms) -> xr.DataArray:
    """p = a p0 + b ps."""
    return terms["a"] * _hpa(terms["p0"]) + terms["b"] * _hpa(terms["ps"])


def _natural_log_pressure(terms: _Terms) -> xr.DataArray:
    """p = p0 exp(-lev)."""
    pressure: xr.DataArray = _hpa(terms["p0"]) * np.exp(-terms["lev"])
    return pressure


def _hybrid_height(terms: _Terms) -> xr.DataArray:
    """z = a + b orog."""
    return _metres(terms["a"]) + terms["b"] * _metres(terms["orog"])


def _sleve(terms: _Terms) -> xr.DataArray:
    """z = a ztop + b1 zsurf1 + b2 zsurf2."""
    return (
        terms["a"] * _metres(terms["ztop"])
        + terms["b1"] * _metres(terms["zsurf1"])
        + terms["b2"] * _metres(terms["zsurf2"])
    )


_FORMULAS: Sequence[tuple[Sequence[str], Kind, Callable[[_Terms], xr.DataArray]]] = (
    (("ptop", "sigma", "ps"), "pressure", _sigma),
    (("ap", "b", "ps"), "pressure", _hybrid_sigma),
    (("a", "b", "p0", "ps"), "pressure", _scaled_hybrid_sigma),
    (("p0", "lev"), "pressure", _natural_log_pressure),
    (("a", "b", "orog"), "altitude", _hybrid_height),
    (("a", "b1", "b2", "ztop", "zsurf1", "zsurf2"), "altitude", _sleve),
)
