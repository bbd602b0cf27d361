"""Identities: the text forms of locations, receptors and simulations.

location    -111.85_40.77_5    -111.85_40.77_X0-3000    multi_0123456789    each + "msl"
receptor    202301011200_{location}, with seconds 20230101120030_{location}
simulation  {met}_{receptor}
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import pandas as pd

from stilt.errors import UsageError
from stilt.receptors.times import TimeLike, parse_time

_NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_LOCATION = re.compile(
    rf"(?:{_NUMBER}_{_NUMBER}_(?:{_NUMBER}|X(?:{_NUMBER}-{_NUMBER})?)|multi_[0-9a-f]{{10}})(?:msl)?"
)
_RECEPTOR = re.compile(r"(\d{12}|\d{14})_(.+)")
_SIMULATION = re.compile(r"([a-z0-9]+)_((?:\d{12}|\d{14})_.+)")


def number_text(value: float) -> str:
    """Return the number as ids write it: whole numbers bare, else the shortest exact decimal."""
    value = float(value)
    return str(int(value)) if value == int(value) else str(value)


def multipoint_location(points: Iterable[tuple[float, float, float]]) -> str:
    """Return ``multi_`` and 10 hex digits naming a set of (lon, lat, altitude in m) points.

    The order of the points does not matter. Longitude and latitude count to 1e-5 degrees,
    altitude to 0.01 m. Changing this rule orphans every stored multi-point output.
    """
    # Adding 0.0 turns -0.0 into 0.0, which prints differently.
    triples = sorted(
        [round(float(lon), 5) + 0.0, round(float(lat), 5) + 0.0, round(float(alt), 2) + 0.0]
        for lon, lat, alt in points
    )
    text = json.dumps(triples, separators=(",", ":"))
    return "multi_" + hashlib.sha256(text.encode("utf-8")).hexdigest()[:10]


class LocationID(str):
    """Where a receptor is: ``-111.85_40.77_30``, ``-111.85_40.77_X0-3000`` or ``multi_<digits>``.

    Raises:
        UsageError: the text has none of the forms.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> LocationID:
        """Check the form."""
        if not _LOCATION.fullmatch(text):
            raise UsageError(
                f"'{text}' is not a location id: expected lon_lat_altitude, "
                "lon_lat_Xbottom-top or multi_ and 10 hex digits"
            )
        return super().__new__(cls, text)


class ReceptorID(str):
    """When and where a receptor is: ``{YYYYMMDDHHMM[SS]}_{location}``.

    Raises:
        UsageError: the text does not have this form, or names no valid time.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> ReceptorID:
        """Check the form."""
        match = _RECEPTOR.fullmatch(text)
        if not match:
            raise UsageError(
                f"'{text}' is not a receptor id: expected YYYYMMDDHHMM_location, "
                "such as 202301011200_-111.85_40.77_5"
            )
        _stamp_time(match[1], text)
        LocationID(match[2])
        return super().__new__(cls, text)

    @classmethod
    def from_parts(cls, time: TimeLike, location: str) -> ReceptorID:
        """Join a time (UTC) and a location id."""
        # Both parts are checked, and a million receptors make this worth not checking again.
        return super().__new__(cls, f"{_stamp(parse_time(time))}_{LocationID(location)}")

    @property
    def time(self) -> pd.Timestamp:
        """The receptor's time, naive UTC."""
        return parse_time(_stamp_time(self.partition("_")[0], self))

    @property
    def location(self) -> LocationID:
        """The part that says where."""
        return LocationID(self.partition("_")[2])


class SimID(str):
    """One simulation, a meteorology and a receptor: ``{met}_{receptor id}``; usable as a path.

    Raises:
        UsageError: the text does not have this form.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> SimID:
        """Check the form."""
        match = _SIMULATION.fullmatch(text)
        if not match:
            raise UsageError(
                f"'{text}' is not a simulation id: expected met_YYYYMMDDHHMM_location, "
                "such as hrrr_202301011200_-111.85_40.77_5"
            )
        ReceptorID(match[2])
        return super().__new__(cls, text)

    @classmethod
    def from_parts(cls, met: str, receptor: str) -> SimID:
        """Join the name of a meteorology (lower-case letters and digits) and a receptor id."""
        return cls(f"{met}_{receptor}")

    @property
    def met(self) -> str:
        """Name of the meteorology."""
        return self.partition("_")[0]

    @property
    def receptor(self) -> ReceptorID:
        """The receptor's id."""
        return ReceptorID(self.partition("_")[2])

    @property
    def time(self) -> pd.Timestamp:
        """The receptor's time, naive UTC."""
        return self.receptor.time

    @property
    def location(self) -> LocationID:
        """The receptor's location id."""
        return self.receptor.location

    def __fspath__(self) -> str:
        return str(self)


class SimParts(NamedTuple):
    """Parts of a simulation id that is known to be one.

    Attributes:
        met: name of the meteorology.
        stamp: the receptor's time, 14 digits, so that text order is time order.
        location: location id.
    """

    met: str
    stamp: str
    location: str


def sim_parts(sim_id: str) -> SimParts:
    """Split a valid simulation id without checking it again: a million are split at once."""
    met, stamp, location = sim_id.split("_", 2)
    return SimParts(met, stamp.ljust(14, "0"), location)


def met_of(sim_id: str) -> str:
    """Return the meteorology's name in a valid simulation id."""
    return sim_id.partition("_")[0]


def receptor_of(sim_id: str) -> str:
    """Return the receptor id in a valid simulation id."""
    return sim_id.partition("_")[2]


def location_of(receptor_id: str) -> str:
    """Return the location id in a valid receptor id."""
    return receptor_id.partition("_")[2]


@lru_cache(maxsize=4096)
def _stamp(time: pd.Timestamp) -> str:
    """Return the 12 or 14 digits of an id."""
    return time.strftime("%Y%m%d%H%M%S" if time.second else "%Y%m%d%H%M")


def _stamp_time(digits: str, text: str) -> datetime:
    """Read the 12 or 14 digits of an id."""
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M%S" if len(digits) == 14 else "%Y%m%d%H%M")
    except ValueError as error:
        raise UsageError(f"'{text}' does not begin with a valid time: {digits}") from error
