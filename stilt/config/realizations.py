"""Realizations: every meteorology again under further names, with random numbers of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stilt.config.meteorology import MetConfig

MOST_REALIZATIONS = 1000


def name_of(met: str, realization: int) -> str:
    """Return the name of a realization of a meteorology: ``hrrr``, ``hrrrr1``, ``hrrrr2``."""
    return f"{met}r{realization}" if realization else met


def base_of(met: str, realization: int) -> str:
    """Return the name of the meteorology that a realization is of."""
    return met.removesuffix(f"r{realization}") if realization else met


def with_realizations(mets: Mapping[str, Any], count: Any) -> dict[str, Any]:
    """Add the realizations of every meteorology that is run on its own.

    Args:
        mets: settings by name, as written or checked.
        count: how many realizations, the meteorologies themselves included; what is not a number,
            or too large a one, is left to those who check it.
    """
    if not isinstance(count, int) or not 2 <= count <= MOST_REALIZATIONS:
        return dict(mets)
    outer = {each for met in mets.values() for each in _nested_in(met)}
    found = dict(mets)
    for name, met in mets.items():
        if name in outer or _value(met, "realization", 0):
            continue
        for number in range(1, count):
            found.setdefault(name_of(name, number), _again(met, number))
    return found


def taken_names(mets: Mapping[str, Any]) -> list[str]:
    """Return the names of realizations that another meteorology has.

    Args:
        mets: settings by name, after :func:`with_realizations`.
    """
    numbers = {name: _value(met, "realization", 0) for name, met in mets.items()}
    most = max((each for each in numbers.values() if isinstance(each, int)), default=0)
    return [
        name_of(name, number)
        for name in mets
        for number in range(1, most + 1)
        if not numbers[name] and numbers.get(name_of(name, number), number) != number
    ]


def without_realizations(mets: Mapping[str, MetConfig], count: int) -> dict[str, MetConfig]:
    """Leave out what :func:`with_realizations` adds for a count."""
    return {
        name: met
        for name, met in mets.items()
        if not 0 < met.realization < count or base_of(name, met.realization) not in mets
    }


def _value(met: Any, name: str, default: Any) -> Any:
    if isinstance(met, Mapping):
        return met.get(name, default)
    return getattr(met, name, default)


def _nested_in(met: Any) -> tuple[str, ...]:
    value = _value(met, "nested_in", ()) or ()
    return (value,) if isinstance(value, str) else tuple(value)


def _again(met: Any, number: int) -> Any:
    if isinstance(met, Mapping):
        return {**met, "realization": number}
    return met.model_copy(update={"realization": number}) if isinstance(met, MetConfig) else met
