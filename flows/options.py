"""Options of a backend, as they stand beside `backend:` in config.yaml."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from stilt.errors import UsageError


def refuse_unknown(backend: str, options: Mapping[str, Any], known: Sequence[str]) -> None:
    """Stop at an option that a backend does not have.

    Raises:
        UsageError: names the option, and the nearest known one.
    """
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}."
            raise UsageError(f"The {backend} backend has no option '{name}' (execution): {hint}")
