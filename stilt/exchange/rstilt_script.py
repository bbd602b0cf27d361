"""Settings in an R-STILT run script, `r/run_stilt.r`."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

_ASSIGNMENT = re.compile(r"^([ \t]*)([A-Za-z_][\w.]*)\s*(?:<-|=)\s*([^#\n]+?)\s*(?:#.*)?$", re.M)
# The default of R-STILT's script: a function that returns what it is given.
_DOES_NOTHING = re.compile(
    r"^before_\w+\s*<-\s*(?:list\()?\s*function\(\)\s*\{\s*output\s*\}\s*\)?", re.M
)
_NO_VALUE = ("NA", "NULL", "NaN", "c()", "list()")


class Expression(str):
    """The first line of an R expression that is not a plain value."""


def read_script(path: Path) -> dict[str, Any]:
    """Read the assignments of a run script.

    Args:
        path: the script; it need not exist.

    Returns:
        By name, a plain value (bool, int, float, str), or an :class:`Expression` for anything else
        that is assigned at the beginning of a line. Names without a value (NA, NULL) are left out.
    """
    if not path.is_file():
        return {}
    text = _DOES_NOTHING.sub("", path.read_text("utf-8", "replace"))
    found: dict[str, Any] = {}
    for indent, name, value in _ASSIGNMENT.findall(text):
        if value in _NO_VALUE:
            continue
        plain = _plain_value(value)
        if plain is not None:
            found.setdefault(name, plain)
        elif not indent:
            found.setdefault(name, Expression(value))
    return found


def _plain_value(text: str) -> Any:
    """Return the value of an R literal, None where it is none."""
    if text in ("T", "TRUE", "F", "FALSE"):
        return text.startswith("T")
    if re.fullmatch(r"'[^']*'|\"[^\"]*\"", text):
        return text[1:-1]
    try:
        number = float(text.removesuffix("L"))
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number == int(number) else number
