"""Values of NetCDF variables that count as missing beside ``_FillValue`` and ``missing_value``.

The netCDF library fills what was never written with a value of its own, unless the variable names
another; and CF counts values outside ``valid_range``, ``valid_min`` and ``valid_max`` as missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from netCDF4 import default_fillvals
from numpy.typing import NDArray

_FILL: Mapping[str, Any] = default_fillvals
_ROUNDING = 1e-6
_HALF_A_STEP = 0.5


def with_missing(values: NDArray[Any], variable: xr.DataArray) -> NDArray[Any]:
    """Return values with NaN where they were never written, or are not valid.

    Args:
        values: of the variable, as xarray decodes them.
        variable: as xarray opened it, with its attributes and encoding.
    """
    encoding, attributes = variable.encoding, variable.attrs
    missing = _never_written(values, encoding)
    if (valid := _valid(attributes, encoding)) is not None:
        outside = (values < valid[0]) | (values > valid[1])
        missing = outside if missing is None else missing | outside
    if missing is None or not missing.any():
        return values
    return np.where(missing, np.float32(np.nan), values)


def _never_written(values: NDArray[Any], encoding: Mapping[str, Any]) -> NDArray[np.bool_] | None:
    """Return where values are the netCDF library's own; None where nothing can be."""
    stored = np.dtype(encoding.get("dtype", values.dtype))
    if stored.kind == "f":
        return np.asarray(values >= (1.0 - _ROUNDING) * _FILL["f4"])
    has_own = any(encoding.get(name) is not None for name in ("_FillValue", "missing_value"))
    # Every value of a single byte is used: the library has none to spare.
    if has_own or stored.kind not in "iu" or stored.itemsize == 1:
        return None
    filler = _unpacked(_FILL[stored.str[1:]], encoding)
    return np.asarray(np.abs(values - filler) <= _slack(filler, encoding))


def _valid(
    attributes: Mapping[str, Any], encoding: Mapping[str, Any]
) -> tuple[float, float] | None:
    """Return least and greatest valid value, unpacked as they are; None without limits."""
    both = np.ravel(attributes.get("valid_range", ()))
    least = both[0] if both.size == 2 else attributes.get("valid_min")
    greatest = both[1] if both.size == 2 else attributes.get("valid_max")
    bounds = [_bound(least, -1.0, encoding), _bound(greatest, 1.0, encoding)]
    return None if np.isinf(bounds).all() else (bounds[0], bounds[1])


def _bound(given: Any, sign: float, encoding: Mapping[str, Any]) -> float:
    """Return a limit with some slack; an integer one of packed values is packed as they are."""
    kind = np.asarray(given).dtype.kind
    if kind not in "iuf":
        return sign * np.inf
    value = float(np.ravel(given)[0])
    if kind in "iu" and _step(encoding) is not None:
        value = _unpacked(value, encoding)
    return value + sign * _slack(value, encoding)


def _step(encoding: Mapping[str, Any]) -> float | None:
    """Return the step of packed values; None where values are not packed."""
    if "scale_factor" not in encoding and "add_offset" not in encoding:
        return None
    return abs(float(encoding.get("scale_factor", 1.0)))


def _unpacked(value: float, encoding: Mapping[str, Any]) -> float:
    scale, offset = (encoding.get("scale_factor", 1.0), encoding.get("add_offset", 0.0))
    return float(value) * float(scale) + float(offset)


def _slack(value: float, encoding: Mapping[str, Any]) -> float:
    """Return by how much a value may differ from another that is the same, unpacked."""
    return max(_HALF_A_STEP * (_step(encoding) or 0.0), _ROUNDING * abs(value))
