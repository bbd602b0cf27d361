"""ERA5 and ECMWF's forecasts in GRIB, by the names of ECMWF's parameter database."""

from __future__ import annotations

from typing import Any, ClassVar

from stilt.meteorology.formats.axes import hybrid_levels
from stilt.meteorology.formats.fields import Product
from stilt.meteorology.formats.grib import GribFormat
from stilt.meteorology.formats.grib_messages import eccodes
from stilt.meteorology.formats.grib_scan import HYBRID, PRESSURE, SURFACE, Named, Reader
from stilt.meteorology.formats.hybrid import full_levels

_ON_FIRST_LEVEL = ("lnsp", "z")
_KINDS = {
    "isobaricInhPa": (PRESSURE, 1.0),
    "isobaricInPa": (PRESSURE, 0.01),
    "hybrid": (HYBRID, 1.0),
}


def ecmwf_reader(product: Product) -> Reader:
    """Return how messages with ECMWF's names are recognised.

    Amounts are divided by the hours over which they accumulate; the product's factors are for
    amounts of one hour.
    """
    return Reader(
        product=product,
        centres=("ecmf",),
        named=_named,
        hybrid=lambda numbers, attributes: hybrid_levels(*full_levels(numbers, attributes)),
        is_analysis=_is_reanalysis,
    )


def _named(handle: Any) -> Named | None:
    get = eccodes().codes_get
    name, level_type = str(get(handle, "shortName")), str(get(handle, "typeOfLevel"))
    kind, factor = _KINDS.get(level_type, (SURFACE, 0.0))
    if kind == SURFACE:
        return Named(name, kind)
    level = float(get(handle, "level", float)) * factor
    if kind == HYBRID and name in _ON_FIRST_LEVEL:
        # Model levels carry the ground's geopotential and pressure on their first one.
        return Named(name, SURFACE) if level == 1.0 else None
    return Named(name, kind, level)


def _is_reanalysis(handle: Any) -> bool:
    """Return whether a message is not of an operational forecast, whose forecast hours count.

    A reanalysis takes its fluxes from short forecasts. Converted files may lack the class.
    """
    module = eccodes()
    if not module.codes_is_defined(handle, "class"):
        return True
    return str(module.codes_get(handle, "class")) != "od"


def era5_grib(product: Product) -> GribFormat:
    """Return the reader of a product's GRIB files."""

    class Era5Grib(GribFormat):
        reader: ClassVar[Reader] = ecmwf_reader(product)

    return Era5Grib()
