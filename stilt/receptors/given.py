"""Receptors in the forms in which people have them in Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from stilt.errors import UsageError
from stilt.receptors.kinds import Receptor
from stilt.receptors.table import receptors_from_table, unique_receptors
from stilt.receptors.times import parse_time

_FORMS = (
    "receptors must be receptors, the path of a CSV file, a DataFrame, a list of dictionaries "
    "(time, longitude, latitude, altitude) or a list of tuples in this order"
)


def given_receptors(receptors: Any, *, time_format: str | None = None) -> list[Receptor]:
    """Return receptors that were given as objects, a table, dictionaries or tuples.

    Args:
        receptors: one receptor or several, a DataFrame or dictionaries with the columns of
            receptors.csv, or tuples (time, longitude, latitude, altitude).
        time_format: of times that are text, as a pattern of ``datetime.strptime``.

    Raises:
        TypeError: none of these.
        UsageError: a mistake in one of them, and which.
    """
    if isinstance(receptors, pd.DataFrame):
        return receptors_from_table(receptors, time_format=time_format)
    if isinstance(receptors, Receptor) or _is_point(receptors):
        receptors = [receptors]
    if isinstance(receptors, (Mapping, bytes)) or not isinstance(receptors, Iterable):
        raise TypeError(f"{_FORMS}, got {type(receptors).__name__}")
    listed = list(receptors)
    if listed and all(isinstance(item, Mapping) and "type" not in item for item in listed):
        return receptors_from_table(listed, time_format=time_format)
    return unique_receptors(_each(listed, time_format))


def _is_point(item: Any) -> bool:
    """Whether this is one (time, longitude, latitude, altitude)."""
    return (
        isinstance(item, tuple)
        and len(item) == 4
        and not any(isinstance(part, (tuple, list, Receptor)) for part in item)
    )


def _each(items: Sequence[Any], time_format: str | None) -> list[Receptor]:
    receptors = []
    for number, item in enumerate(items):
        try:
            receptors.append(_one(item, time_format))
        except UsageError as error:
            where = f"receptor {number} of {len(items)}, counted from 0: " if len(items) > 1 else ""
            raise UsageError(f"{where}{error}") from error
    return receptors


def _one(item: Any, time_format: str | None) -> Receptor:
    if isinstance(item, Receptor):
        return item
    if isinstance(item, Mapping) and "type" in item:
        return Receptor.from_dict(item)
    if _is_point(item):
        time, longitude, latitude, altitude = item
        return Receptor(parse_time(time, time_format), longitude, latitude, altitude)
    raise TypeError(f"{_FORMS}, got one that is {type(item).__name__}")
