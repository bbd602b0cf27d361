"""What was probably meant by a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

SHOWN_NAMES = 8
MOST_COMPARED = 20_000


def nearest_name(name: str, known: Sequence[str], others: Sequence[str] = ()) -> str:
    """Return which name was probably meant, of those known or of others; or which are known."""
    compared = [*known, *others][:MOST_COMPARED]
    by_letters = {each.casefold(): each for each in reversed(compared)}
    if near := difflib.get_close_matches(name.casefold(), by_letters, n=1):
        return f"did you mean '{by_letters[near[0]]}'?"
    if not known:
        return "there are none."
    more = f" and {len(known) - SHOWN_NAMES:,} more" if len(known) > SHOWN_NAMES else ""
    return f"known are {', '.join(known[:SHOWN_NAMES])}{more}."
