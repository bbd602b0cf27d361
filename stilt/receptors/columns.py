"""Names of the columns of a table of receptors, by what they mean."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

ALIASES = {
    "time": ("time", "run_time"),
    "latitude": ("latitude", "lat", "lati"),
    "longitude": ("longitude", "lon", "long"),
    "altitude": ("altitude", "zagl", "zmsl", "z"),
    "altitude_ref": ("altitude_ref", "height_ref"),
    "r_idx": ("r_idx",),
}
NAMES = frozenset(alias for aliases in ALIASES.values() for alias in aliases)

_HEADER = "time,longitude,latitude,altitude"
# What other programs call these columns, where it is not clear what they hold.
_ELSEWHERE = {
    "time": ("datetime", "timestamp", "date", "utc"),
    "latitude": ("y",),
    "longitude": ("x", "lng"),
    "altitude": ("height", "alt", "agl", "elevation", "hgt"),
}
_UNITS = {"time": ", which is in UTC", "altitude": " (m above ground) or zmsl (above sea level)"}
_NUMBER = re.compile(r"-?\d+(\.\d*)?")
_SHOWN_NAMES = 12
_ALIKE = 0.7


def missing_columns(missing: Sequence[str], names: Sequence[str], source: str) -> str:
    """Return the sentence about columns that a table of receptors lacks, with what to do.

    Args:
        missing: what they would mean.
        names: of the columns that there are.
        source: what the table is called.
    """
    if not names:
        return f"{source} is empty: name the columns, {_HEADER}, and give a line for each receptor"
    if not NAMES.intersection(map(str.lower, names)) and any(map(_NUMBER.fullmatch, names)):
        return (
            f"{source} begins with values, not with the names of its columns: write {_HEADER} "
            "above them, in the order of the values"
        )
    said = []
    others = {name.lower(): name for name in names if name.lower() not in NAMES}
    for role in missing:
        known = (*ALIASES[role], *_ELSEWHERE[role])
        # Units and the like follow the name, as in "time (UTC)" and lat_deg.
        near = [name for name in others if re.split(r"[^a-z]", name)[0] in known]
        near += difflib.get_close_matches(role, sorted(others), 1, _ALIKE)
        if near:
            said.append(f"rename '{others[near[0]]}' to {role}{_UNITS.get(role, '')}")
        else:
            said.append(f"{role} may also be called {' or '.join(ALIASES[role][1:])}")
    shown = ", ".join(map(repr, names[:_SHOWN_NAMES]))
    word = "column" if len(missing) == 1 else "columns"
    return f"{source} lacks the {word} {', '.join(missing)} (it has {shown}): {'; '.join(said)}"
