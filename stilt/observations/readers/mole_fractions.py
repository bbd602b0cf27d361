"""What readers take for a measurement: known units, no fill values, nothing impossible."""

from __future__ import annotations

import logging
import os
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stilt.background.mole_fractions import unit_factor
from stilt.errors import UsageError
from stilt.fill_values import is_fill
from stilt.notices import notice
from stilt.observations.soundings import Soundings

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]
WHOLE = "mol mol-1"


def factor_of(units: str, wanted: str, where: str | os.PathLike[str]) -> float:
    """Return the factor from the units of a file to those wanted.

    Args:
        units: such as ppm or mol mol-1.
        wanted: likewise.
        where: the file, for the message.

    Raises:
        UsageError: the units are not those of a mole fraction.
    """
    try:
        return unit_factor(units, wanted)
    except UsageError as error:
        raise UsageError(f"{os.fspath(where)}: units of the values: {error}") from error


def measured(soundings: Soundings, where: str | os.PathLike[str]) -> Soundings:
    """Return soundings whose fill values are NaN and not good; say how many values are unusual.

    Negative values are kept, for differences and for gases near the limit of detection.

    Args:
        soundings: as read.
        where: the file, for messages.

    Raises:
        UsageError: units that are not those of a mole fraction, or a value above 1 mol mol-1.
    """
    table, name = soundings.table, os.fspath(where)
    value = table["value"].to_numpy(np.float64)
    sigma = table["uncertainty"].to_numpy(np.float64)
    missing = is_fill(value)
    unsure = is_fill(sigma) | (sigma < 0.0)
    negative = ~missing & (value < 0.0)
    _refuse_impossible(table, np.where(missing, np.nan, value), where)
    for chosen, numbers, told in (
        (missing, value, "values of %s are fill values, such as %g at %s: they count as missing."),
        (unsure, sigma, "uncertainties of %s are none, such as %g at %s: they count as missing."),
        (negative, value, "values of %s are below zero, such as %g at %s: they are kept."),
    ):
        if chosen.any():
            first = table["time"][chosen].iloc[0]
            notice(
                logger,
                "%d of %d " + told,
                chosen.sum(),
                len(table),
                name,
                numbers[chosen][0],
                first,
            )
    if not (missing.any() or unsure.any()):
        return soundings
    changed = table.assign(
        value=np.where(missing, np.nan, value),
        uncertainty=np.where(unsure, np.nan, sigma),
        good=table["good"].to_numpy(bool) & ~missing,
    )
    return replace(soundings, table=changed)


def _refuse_impossible(table: pd.DataFrame, value: Floats, where: str | os.PathLike[str]) -> None:
    """Refuse unknown units, and values above 1 mol mol-1; NaN are left out."""
    known = np.isfinite(value)
    units = table["units"].to_numpy(object)
    for each in pd.unique(units[known]):
        these = known & (units == each)
        whole = np.abs(value[these]) * factor_of(str(each), WHOLE, where)
        if whole.max() > 1.0:
            at = np.flatnonzero(these)[whole.argmax()]
            raise UsageError(
                f"{os.fspath(where)}: {value[at]:g} {each} at {table['time'].iloc[at]} is more "
                "than 1 mol mol-1: correct the value or its units, or leave it empty."
            )
