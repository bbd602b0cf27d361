"""Particle transforms named in a footprint's ``transforms`` list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import model_validator

from stilt.config.base import Float, Section, described, nearest, problem

MINUTES_PER_UNIT: dict[str, float] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1 / 60),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 1.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 60.0),
    **dict.fromkeys(("d", "day", "days"), 1440.0),
}

VerticalMode = Literal["none", "uniform", "ak", "pwf", "ak_pwf", "integration", "tccon"]


class VerticalOperator(Section):
    """Weight particles by the height (or pressure) at which they were released."""

    kind: Literal["vertical_operator"] = described(
        "vertical_operator", "Name of the transform", visibility="advanced"
    )
    mode: VerticalMode = described(
        "uniform",
        "Operator: none or uniform leave the particles alone; ak weights by the values; pwf, "
        "ak_pwf, integration and tccon also multiply by the number of particles",
        visibility="advanced",
    )
    levels: list[Float] | None = described(
        None, "Levels of the values", unit="unit of coordinate", visibility="advanced"
    )
    values: list[Float] | None = described(
        None, "Weight at each level, interpolated between, constant beyond", visibility="advanced"
    )
    pressure_levels: list[Float] | None = described(
        None, "Pressure of each level", unit="hPa", visibility="expert"
    )
    coordinate: str = described(
        "xhgt",
        "Particle column compared with the levels: xhgt is the release height (m), pres the "
        "release pressure (hPa)",
        visibility="expert",
        min_length=1,
    )
    metadata: dict[str, Any] = described({}, "Notes kept with the operator", visibility="expert")

    @model_validator(mode="after")
    def _levels_match_values(self) -> VerticalOperator:
        if self.mode in ("none", "uniform"):
            return self
        for name in ("levels", "values"):
            if not getattr(self, name):
                raise problem(f"is required, and not empty, for mode '{self.mode}'", name)
        levels, values = self.levels or [], self.values or []
        if len(levels) != len(values):
            raise problem(
                f"levels and values must have equal lengths, got {len(levels)} and {len(values)}",
                "levels",
            )
        if len(set(levels)) != len(levels):
            raise problem("must differ from one another", "levels")
        if self.pressure_levels is not None and len(self.pressure_levels) != len(levels):
            raise problem(
                f"must have one value per level, got {len(self.pressure_levels)} for "
                f"{len(levels)} levels",
                "pressure_levels",
            )
        return self


class FirstOrderLifetime(Section):
    """Let influence decay with age, as a gas lost at a constant rate does."""

    kind: Literal["first_order_lifetime"] = described(
        "first_order_lifetime", "Name of the transform", visibility="advanced"
    )
    lifetime_hours: Float = described(
        ..., "Time after which 1/e is left", unit="h", visibility="advanced", gt=0
    )
    time_column: str = described(
        "time", "Particle column that holds the age", visibility="expert", min_length=1
    )
    time_unit: str = described("min", "Unit of that column: s, min, h or d", visibility="expert")

    @model_validator(mode="after")
    def _known_unit(self) -> FirstOrderLifetime:
        if self.time_unit.strip().lower() not in MINUTES_PER_UNIT:
            raise problem(f"unknown unit '{self.time_unit}': use s, min, h or d", "time_unit")
        return self


TRANSFORM_KINDS: dict[str, type[VerticalOperator] | type[FirstOrderLifetime]] = {
    "vertical_operator": VerticalOperator,
    "first_order_lifetime": FirstOrderLifetime,
}


def checked_transform(data: Any) -> dict[str, Any]:
    """Return the transform with every field filled in, as plain values.

    Raises:
        ConfigValidationError: no mapping, an unknown kind, or fields that do not fit the kind.
    """
    if isinstance(data, (VerticalOperator, FirstOrderLifetime)):
        return data.model_dump(mode="json")
    if not isinstance(data, Mapping):
        raise problem(f"a transform is a mapping with a 'kind', got {data!r}")
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in TRANSFORM_KINDS:
        near = nearest(kind, TRANSFORM_KINDS)
        hint = f"did you mean '{near}'?" if near else f"known are {', '.join(TRANSFORM_KINDS)}"
        raise problem(f"unknown kind of transform {kind!r}: {hint}", "kind")
    return TRANSFORM_KINDS[kind](**data).model_dump(mode="json")
