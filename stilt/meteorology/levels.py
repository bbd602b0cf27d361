"""The transport's own terrain-following levels.

HYSPLIT puts every met column on levels ``z_k = A k^2 + B k + C`` (metres over flat ground at
sea level, k = 1, 2, ...), compressed linearly below a level model top. The set of
coefficients depends on how many levels the met file has below ``z_top``. Turbulence is
constant between two of these levels, so they decide how deep the air is mixed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

COEFFICIENTS = (
    (30.0, -25.0, 5.0),
    (20.0, -15.0, 5.0),
    (15.0, -5.0, 0.0),
    (10.0, -10.0, 10.0),
    (5.0, 5.0, 0.0),
    (2.5, 2.5, 0.0),
)
"""Level coefficients (A, B, C) in metres, tried in this order (HYSPLIT v5)."""

_MIN_MODEL_TOP_M = 25_000.0
_SURFACE_LAYER_HEIGHT_M = 75.0
STANDARD_SURFACE_HPA = 1013.0
_METRES_PER_HPA = {
    **dict(
        zip(
            range(100, 1000, 100),
            (17.98, 14.73, 13.09, 11.98, 11.15, 10.52, 10.04, 9.75, 9.88),
            strict=True,
        )
    ),
    **dict(
        zip(
            range(10, 100, 10),
            (31.37, 27.02, 24.59, 22.92, 21.65, 20.66, 19.83, 19.13, 18.51),
            strict=True,
        )
    ),
}


@dataclass(frozen=True)
class InternalLevels:
    """Internal levels over flat ground at sea level.

    Attributes:
        a, b, c: coefficients of ``z_k = a k^2 + b k + c`` in metres, k from 1.
        count: number of levels.
        model_top_m: height Zm that does not move with the terrain, metres.
    """

    a: float
    b: float
    c: float
    count: int
    model_top_m: float

    @property
    def heights_m(self) -> np.ndarray:
        """Heights over flat ground, metres, shape (count,), ascending."""
        k = np.arange(1, self.count + 1, dtype=np.float64)
        return self.a * k**2 + self.b * k + self.c

    @property
    def surface_layer_index(self) -> int:
        """Zero-based index of the level that represents the top of the surface layer (~75 m)."""
        return int(self.index_of(_SURFACE_LAYER_HEIGHT_M)) - 1

    def index_of(self, height_m: float) -> float:
        """Return the fractional level number (from 1) of a height over flat ground in metres."""
        root = self.b**2 - 4.0 * self.a * (self.c - height_m)
        return (-self.b + math.sqrt(max(root, 0.0))) / (2.0 * self.a)


def internal_levels(
    level_values: tuple[float, ...], vertical_flag: int, z_top_m: float
) -> InternalLevels:
    """Choose the internal levels for a weather file.

    Args:
        level_values: the file's level values without the surface, bottom-up (sigma, hPa, metres).
        vertical_flag: ARL vertical flag (1 sigma, 2 pressure, 3 terrain-following, 4 hybrid,
            5 WRF's hybrid one, taken for sigma).
        z_top_m: top of the computation in metres.

    Returns:
        The first coefficient set with more levels than the file needs to reach ``z_top_m``; the
        finest set when none has.
    """
    top_m = abs(z_top_m)
    needed = _levels_needed(level_values, vertical_flag, top_m)
    chosen = COEFFICIENTS[-1]
    for a, b, c in COEFFICIENTS:
        if _count(a, b, c, top_m) > needed:
            chosen = (a, b, c)
            break
    return InternalLevels(*chosen, _count(*chosen, top_m), max(top_m, _MIN_MODEL_TOP_M))


def _count(a: float, b: float, c: float, top_m: float) -> int:
    return int((-b + math.sqrt(b**2 - 4.0 * a * (c - top_m))) / (2.0 * a)) + 1


def _levels_needed(level_values: tuple[float, ...], vertical_flag: int, top_m: float) -> int:
    """Return the number of input levels, surface included, up to ``top_m``, plus one if any."""
    total = len(level_values) + 1
    for position, value in enumerate(level_values, start=2):
        if approximate_height_m(value, vertical_flag) >= top_m:
            return min(position + 1, total)
    return total


def approximate_height_m(value: float, vertical_flag: int) -> float:
    """Estimate an input level's height from its value, with 1013 hPa at the ground and a table."""
    if vertical_flag == 3:
        return value
    if vertical_flag in (1, 5):
        pressure = value * STANDARD_SURFACE_HPA
    elif vertical_flag == 4:
        pressure = math.floor(value) + (value - math.floor(value)) * STANDARD_SURFACE_HPA
    else:
        pressure = value
    step = 100 if pressure >= 100.0 else 10
    key = min(max(int(pressure // step) * step, 10), 900)
    return (STANDARD_SURFACE_HPA - pressure) * _METRES_PER_HPA[key]
