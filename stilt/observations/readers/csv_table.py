"""Measurements at points in a CSV table, such as a tower's or an aircraft's."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stilt.errors import UsageError
from stilt.notices import notice
from stilt.observations.readers.mole_fractions import WHOLE, factor_of, measured
from stilt.observations.soundings import Soundings
from stilt.receptors.labels import is_missing_number
from stilt.receptors.table import read_places

logger = logging.getLogger(__name__)

VALUE_NAMES = ("value", "obs", "observed", "mole_fraction")
UNCERTAINTY_NAMES = ("uncertainty", "sigma", "std", "sd", "error")
UNCERTAINTY_WORDS = (
    *UNCERTAINTY_NAMES, "unc", "uncert", "σ", "stdev", "stddev", "stdv", "deviation", "err",
    "precision",
)  # fmt: skip
ALIKE_WORDS = (*UNCERTAINTY_WORDS, "sem", "dev", "mad")
_PER_CENT = re.compile(r"%|per.?cent|pct|rel", re.IGNORECASE)
ID_NAMES = ("sounding_id", "observation_id", "obs_id", "id")
GOOD_NAMES = ("good", "valid")


def read_csv(
    path: str | os.PathLike[str],
    *,
    species: str | None = None,
    units: str | None = None,
    time_format: str | None = None,
) -> Soundings:
    """Read a table with the columns of ``receptors.csv`` and measured values.

    Time, longitude, latitude and altitude are named as in ``receptors.csv``; a table without
    altitudes holds values of columns. ``value`` (or the name of the gas) is the measurement,
    ``uncertainty`` (``sigma``, ``std``, ``sd``, ``error``, also abbreviated, and beside the gas or
    ``value``, as in ``co2_sd`` or ``value_std_dev``) its standard deviation, ``units`` its unit,
    ``good`` (0 or 1) its quality. All other columns are kept as labels; a notice names one that
    seems to be an uncertainty of something else. NA, NaN and fill values such as -999 count as
    missing; a warning says how many fill values there are, and how many others are negative.

    Args:
        path: the file.
        species: the gas, where the table has no column ``species``; a column of this name holds
            the value.
        units: of the values, such as ``ppm`` or ``ppb``, where the table does not say.
        time_format: as for :func:`stilt.read_receptors`.

    Raises:
        FileNotFoundError: there is no such file.
        UsageError: a mistake in the file, there is no value, its unit is not known, or it is more
            than 1 mol mol-1.
    """
    if units is not None:
        factor_of(units, WHOLE, path)
    receptors, has_altitudes = read_places(path, time_format=time_format)
    if not receptors:
        raise UsageError(f"{Path(path)} has no measurements: no line follows its header.")
    if any(receptor.kind != "point" for receptor in receptors):
        raise UsageError(f"{Path(path)}: the reader csv takes points, one a line; leave out r_idx.")
    labels = pd.DataFrame([dict(receptor.labels) for receptor in receptors])
    lowered = {str(name).lower(): str(name) for name in labels.columns}
    # A column 'obs' may also hold how many observations there are.
    first, *others = VALUE_NAMES
    value = _found(lowered, (first, *([species.lower()] if species else ()), *others))
    if value is None:
        raise UsageError(
            f"{Path(path)} has no column 'value' with the measurements; its columns besides time "
            f"and place are {', '.join(map(str, labels.columns)) or 'none'}. A column with the "
            "name of the gas is found when the gas is given, as in --species co2 (species= in "
            "Python)."
        )
    places = [receptor.positions[0] for receptor in receptors]
    times = pd.DatetimeIndex([receptor.time for receptor in receptors]).as_unit("ns")
    columns: dict[str, Any] = {
        "time": times,
        "longitude": [place.longitude for place in places],
        "latitude": [place.latitude for place in places],
        "value": _number(labels, value, times, path),
    }
    if has_altitudes:
        columns["altitude_m"] = [place.altitude_m for place in places]
        columns["altitude_ref"] = [receptor.altitude_ref for receptor in receptors]
    used = {value}
    gas = (species or value).lower()
    of_value = [name for name in lowered if _is_uncertainty(name, gas)]
    of_value.sort(key=lambda name: gas not in name)
    for target, names, default in (
        ("uncertainty", ("uncertainty", *of_value), np.nan),
        ("good", GOOD_NAMES, True),
        ("units", ("units", "unit"), units or ""),
        ("species", ("species", "gas"), species or ""),
        ("sensor", ("sensor", "instrument"), "csv"),
        ("sounding_id", ID_NAMES, None),
    ):
        column = _found(lowered, names)
        columns[target] = default if column is None else labels[column].to_numpy()
        if column is not None:
            used.add(column)
            if target in ("uncertainty", "good"):
                columns[target] = _number(labels, column, times, path)
    table = pd.DataFrame(columns)
    table["good"] = (table["good"] == 1) & np.isfinite(table["value"])
    table["units"] = _units(table, units or "", path)
    if "sounding_id" not in columns or table["sounding_id"].isna().any():
        table["sounding_id"] = [
            f"{receptor.id}-{gas}" if gas else str(receptor.id)
            for receptor, gas in zip(receptors, table["species"], strict=True)
        ]
    table["sounding_id"] = table["sounding_id"].astype(str)
    repeated = table["sounding_id"][table["sounding_id"].duplicated()]
    if len(repeated):
        raise UsageError(f"{Path(path)}: {repeated.iloc[0]} is there more than once; remove one.")
    left = [str(name) for name in labels.columns if name not in used]
    if alike := [name for name in left if {*_words(name)} & {*ALIKE_WORDS}]:
        kept = (
            "the columns %s are kept as labels" if alike[1:] else "the column %s is kept as a label"
        )
        notice(
            logger, f"%s: {kept}, not used as an uncertainty of the values, whose column, in the "
            "unit of the values, would be 'uncertainty'.", Path(path), ", ".join(alike),
        )  # fmt: skip
    for name in labels.columns:
        if name not in used:
            table[str(name)] = labels[name].to_numpy()
    return measured(Soundings(table), path)


def _is_uncertainty(name: str, gas: str) -> bool:
    """Return whether a column is named as the uncertainty of the values, such as ``co2_unc``."""
    words = set(_words(name))
    if _PER_CENT.search(name):
        return False
    of_what = {gas, f"x{gas}", "value", "obs", "observed", "dev", "standard"}
    return bool(words & {*UNCERTAINTY_WORDS}) and words <= {*UNCERTAINTY_WORDS, *of_what}


def _words(name: str) -> list[str]:
    """Return the words of a column's name, in small letters."""
    return re.findall(r"[a-z0-9σ]+", name.lower())


def _found(lowered: dict[str, str], names: tuple[str, ...]) -> str | None:
    return next((lowered[name] for name in names if name in lowered), None)


def _units(table: pd.DataFrame, told: str, path: str | os.PathLike[str]) -> pd.Series:
    """Return the unit of every value; those that the table leaves out are as told."""
    units = table["units"].fillna("").astype(str).str.strip()
    units = units.where(units != "", told)
    without = table["time"][(units == "") & table["value"].notna()]
    if len(without):
        raise UsageError(
            f"{Path(path)} does not say in which units its values are, at {without.iloc[0]} for "
            "example: add a column units with ppm or ppb, or say --units ppb (units: in "
            "config.yaml, units= in Python)."
        )
    return units


def _number(
    labels: pd.DataFrame, column: str, times: pd.DatetimeIndex, path: str | os.PathLike[str]
) -> np.ndarray:
    """Return a column as numbers, NaN where none is given.

    Raises:
        UsageError: a cell is no number.
    """
    words = {"true": 1.0, "false": 0.0}
    numbers = np.full(len(labels), np.nan)
    for row, cell in enumerate(labels[column]):
        if isinstance(cell, str):
            cell = words.get(cell.lower(), np.nan if is_missing_number(cell) else cell)
        try:
            numbers[row] = np.nan if cell is None else float(cell)
        except (ValueError, TypeError):
            raise UsageError(
                f"{Path(path)}, column '{column}': {cell!r} at {times[row]} is not a number: write "
                "it with a decimal point and without a unit, or leave it empty if it is missing."
            ) from None
    return numbers
