"""Names of the columns of a table of receptors, by what they mean."""

from __future__ import annotations

ALIASES = {
    "time": ("time", "run_time"),
    "latitude": ("latitude", "lat", "lati"),
    "longitude": ("longitude", "lon", "long"),
    "altitude": ("altitude", "zagl", "zmsl", "z"),
    "altitude_ref": ("altitude_ref", "height_ref"),
    "r_idx": ("r_idx",),
}
NAMES = frozenset(alias for aliases in ALIASES.values() for alias in aliases)
