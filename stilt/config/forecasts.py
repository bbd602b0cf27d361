"""Which forecasts a meteorology takes where several cycles hold a time: ``cycle`` and ``lead``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

_LEAD = re.compile(r"(\d{1,4}) ?h?(?: ?\.\. ?(\d{1,4}) ?h?)?")
_HOUR = re.compile(r"\d{1,2}")


@dataclass(frozen=True)
class ForecastChoice:
    """Limits to the forecasts that are used; within them the shortest forecast is.

    Attributes:
        cycle: "06", "00,12" or "2023-07-15T06:00" (UTC); "" for every cycle.
        lead: "1h" or "6h..11h", hours since the forecast began; "" for every one.
    """

    cycle: str = ""
    lead: str = ""

    @classmethod
    def parse(cls, text: str) -> ForecastChoice:
        """Read :attr:`text` back."""
        cycle, _, lead = text.partition("/")
        return cls(cycle, lead)

    @property
    def text(self) -> str:
        """Both limits as one text; "" when there is none."""
        return f"{self.cycle}/{self.lead}" if self.cycle or self.lead else ""

    @property
    def words(self) -> str:
        """Both limits as config.yaml has them, for a person."""
        said = (("cycle", self.cycle), ("lead", self.lead))
        return " and ".join(f"{key}: {value}" for key, value in said if value)

    def admits(self, time: datetime, forecast_hour: int) -> bool:
        """Whether a forecast may be used.

        Args:
            time: valid time, UTC.
            forecast_hour: hours since it began; below zero counts as zero.
        """
        hours = max(forecast_hour, 0)
        began = time - timedelta(hours=hours)
        if "T" in self.cycle:
            if began != datetime.fromisoformat(self.cycle):
                return False
        elif self.cycle and f"{began:%H}" not in self.cycle.split(","):
            return False
        if not self.lead:
            return True
        first, last = self._lead_hours
        return first <= hours <= last

    def reach(self, time: datetime) -> timedelta:
        """How long before a time its forecasts may have begun, as far as the limits tell."""
        longest = timedelta(hours=self._lead_hours[1]) if self.lead else timedelta()
        if "T" in self.cycle:
            longest = max(longest, time - datetime.fromisoformat(self.cycle))
        return longest

    @property
    def _lead_hours(self) -> tuple[int, int]:
        first, _, last = self.lead.replace("h", "").partition("..")
        return int(first), int(last or first)


def cycle_text(value: Any) -> str:
    """Return a cycle as :class:`ForecastChoice` keeps it.

    Args:
        value: an hour (6, "06"), a list of hours, or one full time.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, Sequence) and not isinstance(value, str):
        if not value:
            raise ValueError("an empty list leaves no cycle: remove it, or name an hour")
        return ",".join(sorted({_hour(each) for each in value}))
    if isinstance(value, str) and "," in value:
        return cycle_text(value.split(","))
    if isinstance(value, date) or len(str(value)) > 2:
        return _full_time(value)
    return _hour(value)


def _hour(value: Any) -> str:
    text = str(value).strip()
    if isinstance(value, bool) or not _HOUR.fullmatch(text) or int(text) > 23:
        raise ValueError(
            f"'{value}' is not a cycle: write an hour such as 06, a list of hours, or a full time "
            "such as 2023-07-15 06:00"
        )
    return f"{int(text):02d}"


def _full_time(value: Any) -> str:
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        return _hour(value)
    if time.tzinfo is not None:
        time = (time - (time.utcoffset() or timedelta())).replace(tzinfo=None)
    return time.isoformat(timespec="minutes")


def lead_text(value: Any) -> str:
    """Return a lead as :class:`ForecastChoice` keeps it.

    Args:
        value: hours (1, "1h"), or a range of them ("6h..11h").

    Raises:
        ValueError: it is neither.
    """
    found = None if isinstance(value, bool) else _LEAD.fullmatch(str(value).strip())
    if found is None or (found[2] and int(found[2]) < int(found[1])):
        raise ValueError(f"'{value}' is not a lead: write hours such as 1h, or a range as 6h..11h")
    last = f"..{int(found[2])}h" if found[2] else ""
    return f"{int(found[1])}h{last}"
