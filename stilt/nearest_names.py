"""What was probably meant by a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

SHOWN_NAMES = 8
MOST_COMPARED = 20_000


def nearest(name: object, known: Iterable[str]) -> str | None:
    """Return the known name most like another in any letters, None when nothing is alike."""
    names = {each.casefold(): each for each in known}
    found = difflib.get_close_matches(str(name).casefold(), names, n=1)
    return names[found[0]] if found else None


def nearest_name(name: str, known: Sequence[str], others: Sequence[str] = ()) -> str:
    """Return which name was probably meant, of those known or of others; or which are known."""
    compared = [*known, *others][:MOST_COMPARED]
    if near := nearest(name, reversed(compared)):
        return f"did you mean '{near}'?"
    if not known:
        return "there are none."
    more = f" and {len(known) - SHOWN_NAMES:,} more" if len(known) > SHOWN_NAMES else ""
    return f"known are {', '.join(known[:SHOWN_NAMES])}{more}."
