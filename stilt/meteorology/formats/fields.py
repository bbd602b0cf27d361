"""Fields of weather products by name: the ARL field that each becomes, its unit and its sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

STANDARD_GRAVITY_M_S2 = 9.80665
"""Geopotential is divided by it (WMO; ECMWF's documentation of ERA5)."""


@dataclass(frozen=True)
class Field:
    """What a field of a product becomes.

    Attributes:
        name: of the ARL field.
        factor: from the product's unit and sign to ARL's.
        rank: of several fields of one file that become the same, the lowest rank is used.
        is_logarithm: whether the product has its natural logarithm.
        offset: added after the factor was applied, in ARL's unit.
        is_earthward: whether it is a component towards east or north, which is rotated to the
            axes of a grid that has others.
    """

    name: str
    factor: float = 1.0
    rank: int = 0
    is_logarithm: bool = False
    offset: float = 0.0
    is_earthward: bool = False


@dataclass(frozen=True)
class Product:
    """The fields of a product.

    Attributes:
        name: of the format.
        source: four-character model id of its grids.
        surface: fields without levels, by each name that files may use for them.
        upper: fields on levels.
    """

    name: str
    source: str
    surface: Mapping[str, Field]
    upper: Mapping[str, Field]
