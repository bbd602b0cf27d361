"""Grouping observations into scenes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import pairwise
from typing import Any

import pandas as pd

from stilt.errors import UsageError
from stilt.observations.observation import Observation, Scene


def make_scene(
    observations: Iterable[Observation],
    *,
    scene_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Scene:
    """Return one scene of all observations, named ``{sensor}-{YYYYmmddHHMMSS}`` of the first.

    Raises:
        UsageError: there are no observations.
    """
    ordered = _by_time(observations)
    first = ordered[0]
    name = scene_id or f"{first.sensor}-{_stamp(first)}"
    return Scene(name, tuple(ordered), dict(metadata or {}))


def group_scenes_by_time_gap(
    observations: Iterable[Observation], max_gap: pd.Timedelta | str, *, prefix: str | None = None
) -> list[Scene]:
    """Return scenes separated by more than ``max_gap``, such as overpasses.

    Names are ``{prefix}-{time of first}-g{k}`` with k from 0; the prefix is the first sensor's
    name when not given. A gap of exactly ``max_gap`` does not separate.

    Raises:
        UsageError: there are no observations, or the gap is negative.
    """
    ordered = _by_time(observations)
    gap = pd.Timedelta(max_gap)
    if gap < pd.Timedelta(0):
        raise UsageError(f"max_gap must not be negative, got {max_gap}")
    groups = [[ordered[0]]]
    for earlier, later in pairwise(ordered):
        if pd.Timestamp(later.time) - pd.Timestamp(earlier.time) > gap:
            groups.append([])
        groups[-1].append(later)
    name = prefix or ordered[0].sensor
    return [
        Scene(f"{name}-{_stamp(group[0])}-g{index}", tuple(group))
        for index, group in enumerate(groups)
    ]


def group_scenes_by_key(
    observations: Iterable[Observation],
    key: Callable[[Observation], Hashable],
    *,
    prefix: str | None = None,
) -> list[Scene]:
    """Return one scene for each value of ``key``, named ``{prefix}-{value}``, in order of time.

    Raises:
        UsageError: there are no observations.
    """
    ordered = _by_time(observations)
    groups: dict[Hashable, list[Observation]] = {}
    for observation in ordered:
        groups.setdefault(key(observation), []).append(observation)
    name = prefix or ordered[0].sensor
    return [Scene(f"{name}-{value}", tuple(group)) for value, group in groups.items()]


def group_scenes_by_metadata(
    observations: Iterable[Observation], name: str, *, prefix: str | None = None
) -> list[Scene]:
    """Return one scene for each value of a metadata entry.

    Raises:
        UsageError: there are no observations, or one lacks the entry.
    """

    def value(observation: Observation) -> Hashable:
        if name not in observation.metadata:
            raise UsageError(f"observation '{observation.id}' has no metadata '{name}'")
        found: Hashable = observation.metadata[name]
        return found

    return group_scenes_by_key(observations, value, prefix=prefix)


def group_scenes_by_swath(
    observations: Iterable[Observation], *, prefix: str | None = None
) -> list[Scene]:
    """Return one scene for each value of the metadata entry ``swath``."""
    return group_scenes_by_metadata(observations, "swath", prefix=prefix)


def _by_time(observations: Iterable[Observation]) -> list[Observation]:
    ordered = sorted(observations, key=lambda item: item.time)
    if not ordered:
        raise UsageError("a scene needs at least one observation")
    return ordered


def _stamp(observation: Observation) -> str:
    return f"{pd.Timestamp(observation.time):%Y%m%d%H%M%S}"
