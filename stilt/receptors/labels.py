"""Labels of receptors: whatever else a table says of a measurement, by the name of its column."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any

from stilt.errors import UsageError
from stilt.receptors.columns import NAMES

Scalar = str | int | float | bool
Label = Scalar | list[Scalar | None]

# Numbers whose text stands for nothing else: "007" and "1_000" stay as they are written.
_WHOLE = re.compile(r"-?(?:0|[1-9]\d*)")
_DECIMAL = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
# Tables hold whole numbers exactly up to here, also beside missing ones.
_LARGEST_EXACT = 2**53
_MOST_DIGITS = 17
# What R, pandas, MATLAB and spreadsheets write where a number is missing.
_MISSING = frozenset({"na", "nan", "n/a", "#n/a", "null", "none"})


def checked_labels(labels: Mapping[str, Any]) -> Mapping[str, Label]:
    """Return labels with plain values; those without a value are left out.

    Args:
        labels: text, numbers and truth values by name, or a list of them with one for each point
            of a receptor. Times become text, and so do whole numbers beyond 2^53, such as ids,
            which tables would round.

    Raises:
        UsageError: a value of another kind, or the name of a column with a meaning of its own.
    """
    for name in labels:
        if str(name).lower() in NAMES:
            raise UsageError(f"a label cannot be called '{name}': that column has a meaning")
    plain = {str(name): _plain(name, value) for name, value in labels.items()}
    return MappingProxyType({name: value for name, value in plain.items() if value is not None})


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        values = [_plain(name, each) for each in value]
        return values if any(each is not None for each in values) else None
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, int) and abs(value) > _LARGEST_EXACT:
        return str(value)
    if isinstance(value, str | bool | int | float):
        return value
    # Whether pandas.NA differs from itself is not known, so it comes first.
    if type(value).__name__ == "NAType" or value != value:
        return None
    if isinstance(value, date):
        return value.isoformat()
    raise UsageError(f"the label '{name}' is {value!r}: labels are text, numbers or true and false")


def is_missing_number(text: str) -> bool:
    """Return whether a cell says that a number is missing, as NA, NaN or null do."""
    return text.strip().lower() in _MISSING


def read_column(texts: Iterable[str]) -> list[Scalar | None]:
    """Return the values of a column of text: numbers where all are, None where there is none.

    NA, NaN and the like are missing among numbers, and words in a column of words. Whole numbers
    beyond 2^53, which are ids, make it a column of words.
    """
    cells = [text.strip() for text in texts]
    given = [cell for cell in cells if cell and not is_missing_number(cell)]
    if any(_WHOLE.fullmatch(cell) and _is_beyond_exact(cell) for cell in given):
        return [None if is_missing_number(cell) else cell or None for cell in cells]
    kinds: tuple[tuple[re.Pattern[str], type], ...] = ((_WHOLE, int), (_DECIMAL, float))
    for pattern, number in kinds:
        if given and all(map(pattern.fullmatch, given)):
            return [number(cell) if pattern.fullmatch(cell) else None for cell in cells]
    return [cell or None for cell in cells]


def _is_beyond_exact(digits: str) -> bool:
    return len(digits) > _MOST_DIGITS or abs(int(digits)) > _LARGEST_EXACT


def joined(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the labels of a receptor with several points: one value where all agree."""
    if len(rows) == 1:
        return dict(rows[0])
    found: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        found[name] = values[0] if all(value == values[0] for value in values) else values
    return found


def label_of_point(value: Label | None, number: int) -> Scalar:
    """Return the text or number that one of a receptor's points has in a table."""
    if isinstance(value, list):
        value = value[number] if number < len(value) else None
    return "" if value is None else value
