"""Columns of a table of receptors that look as if they had a meaning, and have none."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from stilt.receptors.kinds import Receptor

_OPTIONAL = ("altitude_ref", "height_ref", "r_idx")
_ALIKE = 0.8
_REFERENCES = {"agl", "msl"}
_ZONES = ("timezone", "time_zone", "tz", "tzone", "utc_offset", "utcoffset")
_UTC = {"utc", "gmt", "z", "etc/utc", "+00:00", "+0000", "0", "0.0"}


def misspelt_columns(receptors: Iterable[Receptor]) -> list[str]:
    """Return one sentence for each label that was probably meant to be an optional column.

    Its name is nearly the column's, or all its values are ``agl`` or ``msl``. ``kmsl`` is a setting
    of config.yaml, which many look for here. A time zone other than UTC shifts no times.

    Args:
        receptors: with their labels.
    """
    values: dict[str, list[Any]] = {}
    for receptor in receptors:
        for name, value in receptor.labels.items():
            values.setdefault(name, []).append(value)
    said = []
    for name, given in values.items():
        if meant := _meant(name, given):
            said.append(
                f"The column '{name}' of the receptors is kept as a label and changes nothing: did "
                f"you mean {meant}?"
            )
    return said


def _meant(name: str, values: Sequence[Any]) -> str:
    """Return what the name of a label probably stands for; "" for a true label."""
    lowered = name.lower()
    if _near(lowered, ("kmsl",)):
        return "the setting kmsl in config.yaml, or a column altitude_ref with agl or msl"
    if lowered in _ZONES and any(str(each).lower() not in _UTC for each in values):
        return "times with an offset, such as 2023-01-01 12:00-07:00, where others are UTC"
    if all(isinstance(each, str) and each.lower() in _REFERENCES for each in values):
        return _near(lowered, _OPTIONAL[:2]) or _OPTIONAL[0]
    return _near(lowered, _OPTIONAL)


def _near(name: str, known: Sequence[str]) -> str:
    found = difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)
    return found[0] if found else ""
