"""The one table of HYSPLIT settings that this transport honours, and the values it accepts.

A transport field that is not in :data:`SUPPORT` may only have its default: a setting that
silently does nothing would be worse than an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rule:
    """Values a field accepts: ``text`` says which, ``accepts`` decides."""

    text: str
    accepts: Callable[[Any], bool]


def one_of(*values: Any) -> Rule:
    """Accept exactly these values."""
    # JSON's words are YAML's.
    *others, last = map(json.dumps, values)
    return Rule(f"{', '.join(others)} or {last}", lambda value: value in values)


def between(low: float, high: float) -> Rule:
    """Accept numbers from ``low`` to ``high``, both included."""
    return Rule(f"{low:.0f} to {high:.0f}", lambda value: low <= value <= high)


def above_zero(high: float) -> Rule:
    """Accept numbers above 0, up to ``high``."""
    return Rule(f"above 0, up to {high:.0f}", lambda value: 0 < value <= high)


def either(text: str, accepts: Callable[[Any], bool]) -> Rule:
    """Accept what the function accepts; ``text`` describes it."""
    return Rule(text, accepts)


ANYTHING = Rule("any value", lambda value: True)
FLAG = one_of(0, 1)

# Units are in the descriptions of the fields.
SUPPORT: dict[str, Rule] = {
    "krand": ANYTHING,
    "krnd": ANYTHING,
    "seed": ANYTHING,
    "veght": above_zero(25_000),
    "kmix0": between(0, 10_000),
    "kmixd": either(
        "0, 1, 2, 3, or 10 and more (m)", lambda v: v in (0, 1, 2, 3) or 10 <= v <= 1e4
    ),
    "kbls": one_of(1, 2),
    "kblt": one_of(1, 2, 3, 4, 5),
    "kzmix": one_of(0, 1, 2),
    "tvmix": above_zero(100),
    "tkerd": above_zero(10),
    "tkern": above_zero(10),
    "tlfrac": above_zero(1),
    "hscale": above_zero(1e6),
    "vscaleu": above_zero(1e6),
    "vscales": either("-1, or above 0, up to 1000000", lambda v: v == -1 or 0 < v <= 1e6),
    "nturb": FLAG,
    "kdef": FLAG,
    "kmsl": one_of(None, 0, 1),
    "k10m": FLAG,
    "outdt": between(0, 527_040),
    "z_top": between(500, 80_000),
    "zicontroltf": FLAG,
    "ziscale": ANYTHING,
    "w_option": between(0, 5),
    "hysplit_rounding": one_of(True, False),
    "hysplit_layer_update": one_of(True, False),
    "maxpar": ANYTHING,
}

# Accepted with any value because no value of theirs can change a result here.
NO_EFFECT = frozenset({"krand", "krnd", "maxpar"})

# Why a field is fixed, where the general sentence would not tell enough.
FIXED_BECAUSE: dict[str, str] = {
    "delt": "STILT mode forces a time step of one minute",
    "tratio": "STILT mode forces a time step of one minute",
    "ichem": "this transport is STILT mode",
    "idsp": "this transport disperses particles the STILT way",
    "capemin": "convection is not part of this transport",
    "kagl": "heights of trajectories are written above ground",
}


def unsupported(field: str, value: Any, default: Any) -> str | None:
    """Return why the value of a transport field cannot be used, or None when it can."""
    rule = SUPPORT.get(field)
    if rule is not None:
        if rule.accepts(value):
            return None
        return f"{value!r} is not supported: use {rule.text} (default {default!r})"
    if value == default:
        return None
    because = FIXED_BECAUSE.get(field, "this HYSPLIT setting has no meaning for this transport")
    return f"{value!r} is not supported: {because}; remove it, or keep its default {default!r}"
