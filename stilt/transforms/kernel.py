"""Averaging kernels: how a column measurement changes with the air at each height."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stilt.config.transforms import AveragingKernel
from stilt.errors import UsageError
from stilt.transforms.release import release_height_agl_m, release_pressure_hpa
from stilt.transforms.vertical import BEFORE_WEIGHT

if TYPE_CHECKING:
    from stilt.transforms.protocol import TransformContext


def apply_averaging_kernel(
    particles: pd.DataFrame, kernel: AveragingKernel, context: TransformContext
) -> pd.DataFrame:
    """Multiply ``foot`` by the kernel at each particle's release.

    Linear in pressure (or height) between levels, constant beyond them. The pressure of a release
    is that of the weather which transport used.

    Raises:
        UsageError: the kernel is in a table that has not been read.
        ValueError: ``pres``, ``zagl`` or the release height is missing.
    """
    if kernel.levels is None or kernel.values is None:
        raise UsageError(
            f"The kernel is in {kernel.table}: footprints of a run take it from there; give levels "
            "and values here."
        )
    if particles.empty:
        return particles.copy()
    where = release_pressure_hpa if kernel.coordinate == "pressure_hpa" else release_height_agl_m
    at = where(particles, context.receptor, heights_msl=context.heights_msl)
    order = np.argsort(kernel.levels)
    weight = np.interp(at, np.take(kernel.levels, order), np.take(kernel.values, order))
    foot = particles["foot"].to_numpy() * weight
    return particles.assign(**{BEFORE_WEIGHT: particles["foot"]}, foot=foot)
