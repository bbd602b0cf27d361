"""Where particles were released: heights and pressures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from stilt.receptors import Receptor

Floats = NDArray[np.float64]


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
    # Transport releases at the ground what the terrain would bury.
    return np.maximum(height - ground_m, 0.0)


def fit_pressure(particles: pd.DataFrame) -> tuple[float, float]:
    """Fit ln p = b + a z to the particles' first rows; return (a in 1/m, p at the ground in hPa).

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
    height, log_pressure = rows["zagl"].to_numpy(np.float64), np.log(rows["pres"].to_numpy())
    centred = height - height.mean()
    spread = float(np.sum(centred**2))
    # All at one height: the slope cannot be seen, and does not matter at that height.
    slope = float(np.sum(centred * log_pressure)) / spread if spread > 0 else 0.0
    return slope, float(np.exp(log_pressure.mean() - slope * height.mean()))


def release_pressure_hpa(
    particles: pd.DataFrame, receptor: Receptor | None, *, heights_msl: bool | None = None
) -> Floats:
    """Pressure where every row's particle was released, hPa, shape (rows,)."""
    slope, ground_hpa = fit_pressure(particles)
    height = release_height_agl_m(particles, receptor, heights_msl=heights_msl)
    pressure: Floats = ground_hpa * np.exp(slope * height)
    return pressure
