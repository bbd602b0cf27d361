"""How fast a run goes, and how long it will take."""

from __future__ import annotations

from collections import deque

WINDOW_S = 300.0
LEAST_S = 2.0


class Pace:
    """Rate of a count that grows, over the last five minutes.

    Compiling and reading the first weather make the beginning slow, so that the mean of the whole
    run would promise too long a wait.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def note(self, now_s: float, done: float) -> None:
        """Note how much is done at a time.

        Args:
            now_s: seconds of a clock that only goes forward.
            done: the count, fractions included.
        """
        self._seen.append((now_s, done))
        while len(self._seen) > 2 and now_s - self._seen[1][0] >= WINDOW_S:
            self._seen.popleft()

    def per_minute(self) -> float | None:
        """Return how much is done in a minute; None while that is not known."""
        if not self._seen:
            return None
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        if last_s - first_s < LEAST_S or last <= first:
            return None
        return 60.0 * (last - first) / (last_s - first_s)

    def left_s(self, total: float) -> float | None:
        """Return the seconds until `total` is done; None while that is not known."""
        rate = self.per_minute()
        if rate is None:
            return None
        return max(0.0, total - self._seen[-1][1]) * 60.0 / rate


def duration_text(seconds: float) -> str:
    """Return a duration for people, such as ``45 s``, ``4 min``, ``2 h 10 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def rate_text(per_minute: float, what: str) -> str:
    """Return a rate for people, such as ``12 receptors/min``, with three digits at most."""
    if per_minute < 1:
        return f"{60 * per_minute:.1f} {what}/h"
    return f"{per_minute:.3g} {what}/min" if per_minute < 1000 else f"{per_minute:,.0f} {what}/min"
