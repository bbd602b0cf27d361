"""Files that hold other values of the same field at the same time, as members of an ensemble do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.records import AnalysisRef, RawAnalysis

_ONE_VALUE = frozenset(
    (
        "UWND", "VWND", "WWND", "DZDT", "TEMP", "THET", "SPHU", "RELH", "HGTS", "PRES", "TKEN",
        "PRSS", "SHGT", "T02M", "U10M", "V10M", "PBLH", "USTR", "RGHS",
    )
)  # fmt: skip
"""Fields that have one value at a time and place; fluxes and amounts depend on their interval."""

_PACKING = 5e-4
"""Differences that packing the same values twice makes, as a share of a field's range."""


def refuse_rivals(analysis: AnalysisRef, parts: Sequence[RawAnalysis]) -> None:
    """Refuse parts of an analysis of which two have different values of one field.

    Args:
        analysis: where they are.
        parts: the fields of each of its parts.

    Raises:
        MeteorologyError: there are two; the message names both files.
    """
    seen: dict[tuple[str, float], tuple[AnalysisRef, NDArray[np.float32]]] = {}
    for ref, raw in zip(analysis.parts, parts, strict=True) if analysis.parts else ():
        for (name, level), values in _layers(raw):
            other = seen.setdefault((name, level), (ref, values))
            if other[0] is not ref and _differ(other[1], values):
                raise MeteorologyError(
                    _told(name, analysis, other[0].path, ref.path), reason=Reason.DAMAGED_MET_FILE
                )


def _told(name: str, analysis: AnalysisRef, one: str, other: str) -> str:
    if one == other:
        return (
            f"The weather file {one} holds {name} at {analysis.time} twice, with different values: "
            "keep each of its times once."
        )
    return (
        f"The weather files {one} and {Path(other).name} both hold {name} at {analysis.time}, with "
        "different values: keep one of them in the folder, or give each its own folder and "
        "meteorology, as for members of an ensemble."
    )


def _layers(
    raw: RawAnalysis,
) -> list[tuple[tuple[str, float], NDArray[np.float32]]]:
    """Return the fields of a part, those on levels level by level, which are views."""
    flat = [((name, -1.0), field) for name, field in raw.surface.items() if name in _ONE_VALUE]
    return flat + [
        ((name, level), values)
        for name, field in raw.upper.items()
        if name in _ONE_VALUE
        for level, values in zip(raw.grid.levels, field, strict=True)
    ]


def _differ(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Return whether two fields differ where both have values, by more than packing makes."""
    if one.shape != other.shape or np.array_equal(one, other):
        return one.shape != other.shape
    known = np.isfinite(one) & np.isfinite(other)
    if not known.any():
        return False
    span = float(np.ptp(one[known])) + float(np.ptp(other[known]))
    least = 1e-6 * float(np.abs(one[known]).max())
    return bool(np.abs(one[known] - other[known]).max() > _PACKING * span + least)
