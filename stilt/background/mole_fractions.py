"""Units of mole fractions, and ratios of masses as mole fractions."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

import xarray as xr

from stilt.errors import UsageError
from stilt.nearest_names import nearest_name
from stilt.udunits import quiet_udunits

if TYPE_CHECKING:
    from cf_units import Unit

MOLAR_MASS_DRY_AIR_G = 28.9644
"""US Standard Atmosphere 1976, g mol-1."""

_GASES = {
    "carbon_dioxide": 44.0095,
    "methane": 16.0425,
    "carbon_monoxide": 28.0101,
    "nitrous_oxide": 44.0128,
    "sulfur_hexafluoride": 146.055,
}
"""Grams per mole (IUPAC, standard atomic weights), by the gas in CF's standard names."""

_FORMULAS = {
    "co2": "carbon_dioxide", "ch4": "methane", "co": "carbon_monoxide", "n2o": "nitrous_oxide",
    "sf6": "sulfur_hexafluoride",
}  # fmt: skip
_MASS = re.compile(r"\b[kmun]?g\b.*\b[kmun]?g\b")
_MOLES = re.compile(r"mol|pp[mbt]")
# UDUNITS also reads 'pppm' (1e-12 ppm) and takes angles for numbers.
_NO_FRACTION = re.compile(r"[a-zµμ]pp[mbtq]|deg|rad|arc|°", re.IGNORECASE)
_READABLE = {"micromol mol-1": "1e-6", "umol mol-1": "1e-6", "nmol mol-1": "1e-9"}
USUAL_UNITS = ("ppm", "ppb", "ppt", "mol mol-1", "umol mol-1", "nmol mol-1")
_STANDARD_NAME = re.compile(r"mass_(?:fraction|mixing_ratio)_of_(\w+?)_in_(?:dry_)?air")
_NO_MOLE_FRACTION = (
    "{!r} is a ratio of masses, not a mole fraction: multiply the values by 28.9644 and divide "
    "them by the grams per mole of the gas (44.0095 for CO2, 16.0425 for CH4), and give their "
    "units as 'mol mol-1'."
)


def mole_fraction_per_mass_ratio(field: xr.DataArray, units: str) -> float | None:
    """Return what makes a mole fraction of a field that is a ratio of masses.

    χ = r Mₐ / M with the molar masses of dry air and of the gas, for r per mass of dry air. Of a
    ratio to the mass of moist air this is too low by the share of water vapour, which a warning
    says.

    Args:
        field: with its attributes; its gas is found by standard name, or by the field's name.
        units: of its values.

    Returns:
        The factor to mol mol-1; None for a field that is no ratio of masses.

    Raises:
        UsageError: the gas is not known.
    """
    named = _STANDARD_NAME.fullmatch(str(field.attrs.get("standard_name", "")))
    if not _MASS.search(units) and (named is None or _MOLES.search(units)):
        return None
    name = str(field.name).lower()
    gas = named[1] if named else _FORMULAS.get(name, name)
    if gas not in _GASES:
        raise UsageError(_NO_MOLE_FRACTION.format(units))
    from cf_units import Unit

    warnings.warn(
        f"The field {field.name} is a ratio of masses: it is taken per mass of dry air and made a "
        f"mole fraction with {_GASES[gas]:g} g mol-1; per mass of moist air it would be up to 2 % "
        "more.",
        stacklevel=5,
    )
    ratio = float(Unit(units or "1").convert(1.0, Unit("1")))
    return ratio * MOLAR_MASS_DRY_AIR_G / _GASES[gas]


@quiet_udunits()
def unit_factor(units: str, wanted: str) -> float:
    """Return the factor from one unit of mole fraction to another, by UDUNITS.

    Raises:
        UsageError: one of them is not such a unit.
    """
    if _MASS.search(units):
        raise UsageError(_NO_MOLE_FRACTION.format(units))
    return float(_unit(units).convert(1.0, _unit(wanted)))


def _unit(text: str) -> Unit:
    """Return a unit of mole fraction.

    Raises:
        UsageError: it is not one.
    """
    from cf_units import Unit

    plain = text.strip()
    try:
        unit = Unit(_READABLE.get(plain, plain))
    except ValueError:
        unit = None
    if unit is None or not unit.is_convertible("1") or _NO_FRACTION.search(plain):
        raise UsageError(
            f"{text!r} is no unit of mole fraction: {nearest_name(plain, USUAL_UNITS)}"
        )
    return unit
