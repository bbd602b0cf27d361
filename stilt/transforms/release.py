"""Where particles were released: heights and pressures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stilt.constants import GAS_CONSTANT_DRY_AIR, GRAVITY_M_S2

if TYPE_CHECKING:
    from stilt.receptors import Receptor

Floats = NDArray[np.float64]

STANDARD_TEMPERATURE_K = 288.0
LEAST_SPAN_M, PARABOLA_SPAN_M = 20.0, 200.0


def first_rows(particles: pd.DataFrame) -> pd.DataFrame:
    """Each particle's row nearest to its release, indexed by ``indx`` ascending."""
    return particles.iloc[_first_of_each(particles)].set_index("indx").sort_index()


def _first_of_each(particles: pd.DataFrame) -> NDArray[np.intp]:
    """Number of each particle's row nearest to its release, in any order of the particles."""
    elapsed = particles["time"].abs().to_numpy()
    order = None if np.all(elapsed[1:] >= elapsed[:-1]) else np.argsort(elapsed, kind="stable")
    ordered = particles["indx"] if order is None else particles["indx"].iloc[order]
    first = np.flatnonzero(~ordered.duplicated().to_numpy())
    return first if order is None else order[first]


def release_height_agl_m(
    particles: pd.DataFrame, receptor: Receptor | None, *, heights_msl: bool | None = None
) -> Floats:
    """Release height of every row's particle in metres above ground, shape (rows,).

    Heights given above sea level are brought down by the terrain at the release: ``zsfc`` of the
    particle's first row where the table has it, else the mean difference between release heights
    and the particles' heights above ground one step after release. ``heights_msl`` overrules the
    receptor's ``altitude_ref``, as the option ``kmsl`` does in transport.

    Raises:
        ValueError: neither ``xhgt`` nor a point receptor gives a height.
    """
    if "xhgt" in particles.columns:
        height = particles["xhgt"].to_numpy(np.float64)
    elif receptor is not None and hasattr(receptor, "altitude"):
        height = np.broadcast_to(np.float64(receptor.altitude), len(particles))
    else:
        raise ValueError(
            "The release height is unknown: give a point receptor, or a particle table with the "
            "column xhgt."
        )
    if heights_msl is None:
        heights_msl = receptor is not None and receptor.altitude_ref == "msl"
    if not heights_msl:
        return height
    if "zsfc" in particles.columns:
        ground_m: Floats | float = (
            particles["indx"].map(first_rows(particles)["zsfc"]).to_numpy(np.float64)
        )
    elif "zagl" in particles.columns:
        first = _first_of_each(particles)
        above = particles["zagl"].to_numpy(np.float64)[first]
        ground_m = float((height[first] - above).mean())
    else:
        raise ValueError(
            "The receptor's altitude is above sea level and the particle table has neither zsfc "
            "nor zagl to bring it to the ground; add zagl to varsiwant."
        )
    # Transport releases at the ground what would lie below the terrain.
    return np.maximum(height - ground_m, 0.0)


@dataclass(frozen=True)
class PressureProfile:
    """Pressure over height above ground at the release: ln p is a polynomial of height.

    Attributes:
        coefficients: of ``numpy.polyval``, ln hPa over m.
    """

    coefficients: Floats

    def at(self, height_agl_m: Floats | float) -> Floats:
        """Return pressures in hPa."""
        pressure: Floats = np.exp(np.polyval(self.coefficients, np.asarray(height_agl_m)))
        return pressure

    @property
    def surface_hpa(self) -> float:
        """Pressure at the ground."""
        return float(np.exp(self.coefficients[-1]))


def pressure_profile(particles: pd.DataFrame) -> PressureProfile:
    """Fit ln p over height to what transport saw on the particles' first rows.

    A parabola, which follows a temperature that changes evenly with height (hydrostatic balance:
    d ln p / dz = -g / (R T)); a straight line where the particles span less than 200 m, with the
    slope of 288 K where they span less than 20 m.

    Raises:
        ValueError: ``pres`` or ``zagl`` is missing.
    """
    missing = [name for name in ("pres", "zagl") if name not in particles.columns]
    if missing:
        raise ValueError(
            f"The release pressure needs the particle column(s) {', '.join(missing)}; "
            "add them to varsiwant."
        )
    rows = first_rows(particles)
    height = rows["zagl"].to_numpy(np.float64)
    log_pressure = np.log(rows["pres"].to_numpy(np.float64))
    span = float(np.ptp(height)) if height.size else 0.0
    if span < LEAST_SPAN_M or height.size < 3:
        slope = -GRAVITY_M_S2 / (GAS_CONSTANT_DRY_AIR * STANDARD_TEMPERATURE_K)
        middle = float(np.mean(log_pressure - slope * height))
        return PressureProfile(np.array([slope, middle]))
    degree = 2 if span >= PARABOLA_SPAN_M else 1
    fitted = np.polynomial.Polynomial.fit(height, log_pressure, degree).convert()
    coefficients = np.zeros(degree + 1)
    coefficients[: fitted.coef.size] = fitted.coef
    return PressureProfile(coefficients[::-1])


def release_pressure_hpa(
    particles: pd.DataFrame, receptor: Receptor | None, *, heights_msl: bool | None = None
) -> Floats:
    """Pressure where every row's particle was released, hPa, shape (rows,)."""
    height = release_height_agl_m(particles, receptor, heights_msl=heights_msl)
    return pressure_profile(particles).at(height)
