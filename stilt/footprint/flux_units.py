"""Units of surface fluxes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from stilt.errors import UsageError
from stilt.udunits import quiet_udunits

if TYPE_CHECKING:
    from cf_units import Unit

FLUX_UNIT = "umol m-2 s-1"
MASS_FLUX_UNIT = "ug m-2 s-1"
_PLAIN = str.maketrans("µμ⁻−–⁰¹²³⁴⁵⁶⁷⁸⁹", "uu---0123456789")
_GAS = re.compile(r"\b(?:[kmunMGTP]?(?:g|mol)|t|ton(?:ne)?s?)\s*(?:C|CO2|CH4|N2O|CO)\b")
_TON = re.compile(r"\b[kMG]?tons?\b")
_CELL = re.compile(r"cell|pixel|box", re.IGNORECASE)
_MONTH = re.compile(r"\bmonths?\b", re.IGNORECASE)
MEAN_MONTH_DAYS = 365.242198781 / 12.0
"""UDUNITS's month, a twelfth of a tropical year."""

LEAST_MOLAR_MASS_G, MOST_MOLAR_MASS_G = 1.0, 1000.0
CARBON_G = 12.011
_MASS_OF = re.compile(
    r"mass_(?:flux|content)_of_(?P<gas>carbon_dioxide|methane|carbon_monoxide)(?P<carbon>_expressed_as_carbon)?"
)

_SHOWN_UNITS = "'umol m-2 s-1' or 'kg m-2 h-1'"


def is_per_month(units: str) -> bool:
    """Return whether a flux is an amount in a month; UDUNITS takes the mean length of a month."""
    return bool(_MONTH.search(units))


@lru_cache(256)
@quiet_udunits()
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

    text = units.translate(_PLAIN).replace("micromol", "umol")
    refusal = UsageError(
        f"{units!r} is not a unit of surface flux that can be turned into {FLUX_UNIT}: "
        f"{_advice(text)}."
    )
    try:
        given = Unit(re.sub(r"(?<=[A-Za-z])\s*(?:\^|\*\*)\s*(?=-?\d)", "", text))
    except ValueError:
        raise refusal from None
    # UDUNITS also converts the reciprocal of a flux, such as the unit of a footprint.
    if _TON.search(text) or _is_reciprocal(given):
        raise refusal
    if given.is_convertible(FLUX_UNIT) and not given.is_dimensionless():
        return float(given.convert(1.0, Unit(FLUX_UNIT)))
    if not given.is_convertible(MASS_FLUX_UNIT):
        raise refusal
    if molar_mass_g is None:
        raise UsageError(
            f"A flux in {units!r} is a flux of mass; give molar_mass_g, the grams per mole of "
            "the gas (44.0095 for CO2, 16.0425 for CH4)."
        )
    if not LEAST_MOLAR_MASS_G <= molar_mass_g <= MOST_MOLAR_MASS_G:
        raise UsageError(
            f"molar_mass_g is the grams per mole of the gas, such as 44.0095 for CO2, and not "
            f"{molar_mass_g:g}."
        )
    return float(given.convert(1.0, Unit(MASS_FLUX_UNIT))) / molar_mass_g


def check_molar_mass(standard_name: str, molar_mass_g: float | None) -> None:
    """Refuse a molar mass of the gas for a mass of carbon, and one of carbon for that of the gas.

    Args:
        standard_name: of the flux, by CF; "" where it has none.
        molar_mass_g: grams per mole; None where none is given.

    Raises:
        UsageError: it is not that of what the flux is a mass of.
    """
    named = _MASS_OF.search(standard_name)
    if named is None or molar_mass_g is None:
        return
    of_carbon = named["carbon"] is not None
    if of_carbon != (abs(molar_mass_g - CARBON_G) < 0.1):
        what = (
            "carbon (12.011)" if of_carbon else f"{named['gas'].replace('_', ' ')}, not of carbon"
        )
        raise UsageError(
            f"The flux is a mass of {what}, as its standard_name {standard_name} says, and "
            f"molar_mass_g is {molar_mass_g:g}: give the grams per mole of that."
        )


def _is_reciprocal(unit: Unit) -> bool:
    """Return whether a unit is one over a flux."""
    inverse = unit.invert()
    return any(
        (inverse / other).is_dimensionless()
        for other in map(type(unit), (FLUX_UNIT, MASS_FLUX_UNIT))
    )


def _advice(text: str) -> str:
    """Return what to do about units that are not those of a flux."""
    from cf_units import Unit

    if _TON.search(text):
        return "'ton' is 907 kg in the US and 1,000 kg elsewhere, so write tonne (1,000 kg) or Mg"
    if _GAS.search(text):
        return (
            "leave the name of the gas out of the unit, and for a mass give molar_mass_g (12.011 "
            "for grams of carbon)"
        )
    try:
        given = Unit(text)
    except ValueError:
        given = Unit("unknown")
    if not given.is_unknown() and _is_reciprocal(given):
        return "it is the inverse of one, as the unit of a footprint is, so give the flux itself"
    if _CELL.search(text) or given.is_convertible("kg s-1") or given.is_convertible("mol s-1"):
        return "an amount in each cell becomes a flux when it is divided by the cell's area in m2"
    if given.is_convertible("kg m-2") or given.is_convertible("mol m-2"):
        return "an amount collected over a time becomes a flux when it is divided by that time"
    return f"set flux.attrs['units'] to something like {_SHOWN_UNITS}"
