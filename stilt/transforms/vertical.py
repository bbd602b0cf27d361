"""Weights by release height or pressure: averaging kernels and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stilt.config.transforms import VerticalOperator
from stilt.transforms.release import first_rows, release_pressure_hpa

if TYPE_CHECKING:
    from stilt.receptors import Receptor

BEFORE_WEIGHT = "foot_before_weight"
PER_COLUMN_MODES = ("pwf", "ak_pwf", "integration", "tccon")


def apply_vertical_operator(
    particles: pd.DataFrame,
    operator: VerticalOperator,
    *,
    receptor: Receptor | None,
    heights_msl: bool | None = None,
) -> pd.DataFrame:
    """Multiply ``foot`` by the operator's value where each particle was released.

    Values are interpolated between levels and constant beyond them. Modes that sum over a column
    rather than average it also multiply by the number of particles, which the footprint divides
    by. Mode ``none`` returns the same table, ``uniform`` a copy.

    Raises:
        ValueError: the coordinate's column is missing.
    """
    if operator.mode == "none":
        return particles
    if operator.mode == "uniform" or particles.empty:
        return particles.copy()
    coordinate = release_coordinate(
        particles, operator.coordinate, receptor, heights_msl=heights_msl
    )
    levels = operator.levels or []
    if operator.coordinate == "pres" and operator.pressure_levels:
        levels = operator.pressure_levels
    order = np.argsort(levels)
    weight = np.interp(coordinate, np.take(levels, order), np.take(operator.values or [], order))
    if operator.mode in PER_COLUMN_MODES:
        weight = weight * particles["indx"].nunique()
    return particles.assign(
        **{BEFORE_WEIGHT: particles["foot"]}, foot=particles["foot"].to_numpy() * weight
    )


def release_coordinate(
    particles: pd.DataFrame,
    name: str,
    receptor: Receptor | None,
    *,
    heights_msl: bool | None = None,
) -> np.ndarray:
    """Value of a coordinate where each row's particle was released, shape (rows,).

    ``pres`` is the pressure at the release height; any other column counts with its value on the
    particle's first row.

    Raises:
        ValueError: the column is missing.
    """
    if name not in particles.columns:
        raise ValueError(
            f"The vertical operator's coordinate {name!r} is not a column of the particle table; "
            "xhgt is there for columns and multi-point receptors, others come with varsiwant."
        )
    if name == "pres":
        return release_pressure_hpa(particles, receptor, heights_msl=heights_msl)
    return particles["indx"].map(first_rows(particles)[name]).to_numpy(np.float64)
