"""NOAA's HRRR and GFS in GRIB2, by the codes of WMO's and NCEP's tables.

Names are ``discipline.category.number``, at the surface with the type of surface after ``@`` (1
ground, 103 height above it in m, 10 whole atmosphere, 214 low clouds). Fluxes are positive upward.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from stilt.meteorology.formats.axes import Vertical
from stilt.meteorology.formats.fields import Field, Product
from stilt.meteorology.formats.grib import GribFormat
from stilt.meteorology.formats.grib_messages import GribError, eccodes
from stilt.meteorology.formats.grib_scan import HYBRID, PRESSURE, SURFACE, Named, Reader

_PRESSURE_SURFACE, _HYBRID_SURFACE, _HEIGHT_SURFACE = 100, 105, 103
_SIGMA = 1
_KG_M2_TO_M = 0.001

_SURFACE: dict[str, Field] = {
    "0.3.0@1": Field("PRSS", 0.01),
    "0.3.5@1": Field("SHGT"),
    "0.0.0@103:2": Field("T02M"),
    "0.2.2@103:10": Field("U10M"),
    "0.2.3@103:10": Field("V10M"),
    "0.3.18@1": Field("PBLH"),
    "0.3.196@1": Field("PBLH", rank=1),
    "2.0.1@1": Field("RGHS"),
    "0.2.30@1": Field("USTR"),
    "0.2.197@1": Field("USTR", rank=1),
    "0.0.11@1": Field("SHTF"),
    "0.0.10@1": Field("LHTF"),
    "0.4.7@1": Field("DSWF"),
    "0.4.192@1": Field("DSWF", rank=1),
    "0.1.8@1": Field("TPP1", _KG_M2_TO_M),
    "0.1.10@1": Field("CPP1", _KG_M2_TO_M),
    "0.6.1@10": Field("TCLD"),
    "0.6.1@200": Field("TCLD", rank=1),
    "0.6.3@214": Field("LCLD"),
    "0.6.3@10": Field("LCLD", rank=1),
}
_UPPER: dict[str, Field] = {
    "0.2.2": Field("UWND"),
    "0.2.3": Field("VWND"),
    "0.2.8": Field("WWND", 0.01),
    "0.2.9": Field("DZDT"),
    "0.0.0": Field("TEMP"),
    "0.1.0": Field("SPHU"),
    "0.1.1": Field("RELH"),
    "0.3.0": Field("PRES", 0.01),
    "0.19.11": Field("TKEN"),
    "0.3.5": Field("HGTS"),
}
_ONLY_ON_PRESSURES = ("0.3.5",)
_ONLY_ON_HYBRID = ("0.3.0", "0.19.11")

HRRR_FACES = (
    1.0, 0.998, 0.994, 0.987, 0.975, 0.959, 0.939, 0.916, 0.892, 0.865, 0.835, 0.802, 0.766, 0.727,
    0.685, 0.64, 0.592, 0.542, 0.497, 0.4565, 0.4205, 0.3877, 0.3582, 0.3317, 0.3078, 0.2863, 0.267,
    0.2496, 0.2329, 0.2188, 0.2047, 0.1906, 0.1765, 0.1624, 0.1483, 0.1342, 0.1201, 0.106, 0.0919,
    0.0778, 0.0657, 0.0568, 0.0486, 0.0409, 0.0337, 0.0271, 0.0209, 0.0151, 0.0097, 0.0047, 0.0,
)  # fmt: skip
"""Sigma of the faces of HRRR's and RAP's 50 levels from the ground up (Benjamin et al. 2016,
doi:10.1175/MWR-D-15-0242.1). They only serve to choose internal levels: files hold the pressure."""


def _named(handle: Any) -> Named | None:
    get = eccodes().codes_get
    if int(get(handle, "edition")) < 2:
        raise GribError("it is of GRIB's first edition, and NCEP's files are read in the second")
    surface = int(get(handle, "typeOfFirstFixedSurface", int))
    parts = (get(handle, key) for key in ("discipline", "parameterCategory", "parameterNumber"))
    name = ".".join(map(str, parts))
    if surface == _PRESSURE_SURFACE:
        return None if name in _ONLY_ON_HYBRID else Named(name, PRESSURE, 0.01 * _level(handle))
    if surface == _HYBRID_SURFACE:
        return None if name in _ONLY_ON_PRESSURES else Named(name, HYBRID, _level(handle))
    height = f":{_level(handle):g}" if surface == _HEIGHT_SURFACE else ""
    return Named(f"{name}@{surface}{height}", SURFACE)


def _level(handle: Any) -> float:
    get = eccodes().codes_get
    scale = int(get(handle, "scaleFactorOfFirstFixedSurface"))
    return round(float(get(handle, "scaledValueOfFirstFixedSurface")) * 10.0**-scale, 6)


def _sigma(numbers: NDArray[np.int64], attributes: dict[str, Any]) -> Vertical:
    """Return the sigma of HRRR's levels, which are counted from the ground."""
    del attributes
    middle = 0.5 * (np.array(HRRR_FACES[:-1]) + np.array(HRRR_FACES[1:]))
    if numbers.min() < 1 or numbers.max() > len(middle):
        raise GribError(f"its level numbers are not among the {len(middle)} of HRRR")
    order = np.argsort(numbers)
    values = tuple(round(float(value), 6) for value in middle[numbers[order] - 1])
    return Vertical(values, _SIGMA, order)


def _reader(product: Product) -> Reader:
    return Reader(product, ("kwbc",), _named, _sigma, lambda handle: False)


class HrrrFormat(GribFormat):
    """HRRR, RAP and other regional models of NCEP on conformal maps."""

    reader: ClassVar[Reader] = _reader(Product("hrrr", "HRRR", _SURFACE, _UPPER))

    def is_of(self, handle: Any) -> bool:
        """Return whether a message is NCEP's, on a map."""
        return super().is_of(handle) and not _is_latlon(handle)


class GfsFormat(GribFormat):
    """GFS and other models of NCEP on latitudes and longitudes."""

    reader: ClassVar[Reader] = _reader(Product("gfs", "GFS ", _SURFACE, _UPPER))

    def is_of(self, handle: Any) -> bool:
        """Return whether a message is NCEP's, on latitudes and longitudes."""
        return super().is_of(handle) and _is_latlon(handle)


def _is_latlon(handle: Any) -> bool:
    return str(eccodes().codes_get(handle, "gridType")).endswith("_ll")
