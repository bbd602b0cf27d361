"""Hybrid levels: pressure is ``a + b p_s``; full levels are the means of adjacent half levels.

Coefficients are those that a file contains, else those of ECMWF's 137 levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.records import RawAnalysis

HYBRID_A, HYBRID_B = "HYBA", "HYBB"
"""Fields (levels, 1, 1) that take the place of PRES until the surface pressure is known."""

_ECMWF_LEVELS = 137


def full_levels(
    numbers: NDArray[np.int64], attributes: Mapping[str, Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coefficients a (hPa) and b of full levels, counted from the top, from 1.

    Args:
        numbers: of the levels.
        attributes: of the field; GRIB files keep the half levels' a (Pa) and b in ``GRIB_pv``.

    Raises:
        ValueError: they are not known.
    """
    half = attributes.get("GRIB_pv")
    if half is not None:
        half_a, half_b = np.split(np.asarray(half, float), 2)
    else:
        if numbers.min() < 1 or numbers.max() > _ECMWF_LEVELS:
            raise ValueError(f"its level numbers are not among the {_ECMWF_LEVELS} of ECMWF")
        half_a, half_b = _ecmwf_half_levels()
    a, b = 0.5 * (half_a[:-1] + half_a[1:]), 0.5 * (half_b[:-1] + half_b[1:])
    return 0.01 * a[numbers - 1], b[numbers - 1]


def _ecmwf_half_levels() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    try:
        from earthkit.meteo.vertical.array import hybrid_level_parameters
    except ImportError as error:
        raise ValueError(
            "model levels need a package that is not installed (pip install 'stilt[grib]')"
        ) from error
    a, b = hybrid_level_parameters(_ECMWF_LEVELS)
    return np.asarray(a, float), np.asarray(b, float)


def with_pressure(raw: RawAnalysis) -> RawAnalysis:
    """Return an analysis with PRES in place of the coefficients of its levels.

    Raises:
        MeteorologyError: it has no surface pressure.
    """
    if HYBRID_A not in raw.upper:
        return raw
    ground = raw.surface.get("PRSS")
    if ground is None:
        raise MeteorologyError(
            f"The weather at {raw.time} is on model levels and has no surface pressure: put the "
            "file with surface pressure (sp or lnsp), on the same grid and area, into the same "
            "folder.",
            reason=Reason.DAMAGED_MET_FILE,
        )
    upper = {k: field for k, field in raw.upper.items() if k not in (HYBRID_A, HYBRID_B)}
    upper["PRES"] = raw.upper[HYBRID_A] + raw.upper[HYBRID_B] * ground
    return replace(raw, upper=upper)
