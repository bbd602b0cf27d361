"""Particle transforms named in a footprint's ``transforms`` list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import model_validator

from stilt.config.base import Float, Section, described, problem
from stilt.config.kernel_levels import MOST_HPA, kernel_fault
from stilt.nearest_names import nearest

MINUTES_PER_UNIT: dict[str, float] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1 / 60),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 1.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 60.0),
    **dict.fromkeys(("d", "day", "days"), 1440.0),
}
"""Minutes in each unit that the age of air may have."""

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
        at = self.pressure_levels or levels
        if self.coordinate == "pres" and max(at) > MOST_HPA:
            name = "pressure_levels" if self.pressure_levels else "levels"
            raise problem(f"{max(at):g} is no pressure in hPa: divide Pa by 100", name)
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


class AveragingKernel(Section):
    """Weight particles with the averaging kernel of their measurement, at their release pressure.

    The kernel comes from a table beside the receptors, or is given here, one for all.
    """

    kind: Literal["averaging_kernel"] = described(
        "averaging_kernel", "Name of the transform", visibility="basic"
    )
    table: str | None = described(
        None, "Parquet or CSV file with columns receptor, pressure_hpa (or height_m above ground) "
        "and kernel, relative to the project, such as observations/tropomi-kernels.parquet",
        visibility="basic",
    )  # fmt: skip
    others: Literal["fail", "keep"] = described(
        "fail", "Receptors without rows in the table: fail, or keep their footprint unweighted",
        visibility="advanced",
    )  # fmt: skip
    coordinate: Literal["pressure_hpa", "height_m"] = described(
        "pressure_hpa", "What the levels given here are", visibility="advanced"
    )
    levels: list[Float] | None = described(
        None, "Levels of one kernel for all receptors", unit="hPa or m", visibility="advanced"
    )
    values: list[Float] | None = described(
        None, "Kernel at these levels, interpolated between, constant beyond",
        visibility="advanced",
    )  # fmt: skip

    @model_validator(mode="after")
    def _table_or_levels(self) -> AveragingKernel:
        levels, values = self.levels or [], self.values or []
        if (self.table is None) == (not levels):
            raise problem("needs either a table, or levels and values", "table")
        if len(levels) != len(values):
            raise problem(
                f"levels and values must have equal lengths, got {len(levels)} and {len(values)}",
                "levels",
            )
        if len(set(levels)) != len(levels):
            raise problem("must differ from one another", "levels")
        if fault := kernel_fault(levels, values, self.coordinate):
            where, why = fault
            raise problem(why, where)
        return self


class PressureWeighting(Section):
    """Weight particles of a column with the share of its air that they stand for."""

    kind: Literal["pressure_weighting"] = described(
        "pressure_weighting", "Name of the transform", visibility="basic"
    )


class MassWeighting(Section):
    """Weight every step with the mass that a particle has gained or lost (dmas)."""

    kind: Literal["mass_weighting"] = described(
        "mass_weighting", "Name of the transform", visibility="advanced"
    )


class ImportedTransform(Section):
    """A transform of your own: a class, or a function that makes one, by its import path."""

    kind: Literal["import"] = described("import", "Name of the transform", visibility="expert")
    path: str = described(
        ..., "module:name; modules beside config.yaml are found too", visibility="expert",
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
    )  # fmt: skip
    options: dict[str, Any] = described(
        {}, "Keyword arguments that it is called with", visibility="expert"
    )


TypedTransform = (
    VerticalOperator
    | FirstOrderLifetime
    | AveragingKernel
    | PressureWeighting
    | MassWeighting
    | ImportedTransform
)
TRANSFORM_KINDS: dict[str, type[TypedTransform]] = {
    "averaging_kernel": AveragingKernel,
    "pressure_weighting": PressureWeighting,
    "vertical_operator": VerticalOperator,
    "first_order_lifetime": FirstOrderLifetime,
    "mass_weighting": MassWeighting,
    "import": ImportedTransform,
}
# Particle columns that a transform reads.
NEEDED_CODES: dict[str, tuple[str, ...]] = {
    "averaging_kernel": ("pres", "zagl"),
    "pressure_weighting": ("pres", "zagl"),
    "mass_weighting": ("dmas",),
}


def checked_transform(data: Any) -> dict[str, Any]:
    """Return the transform with every field filled in, as plain values.

    Raises:
        ConfigValidationError: no mapping, an unknown kind, or fields that do not fit the kind.
    """
    if isinstance(data, TypedTransform):
        return data.model_dump(mode="json")
    if not isinstance(data, Mapping):
        raise problem(f"a transform is a mapping with a 'kind', got {data!r}")
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in TRANSFORM_KINDS:
        near = nearest(kind, TRANSFORM_KINDS)
        hint = f"did you mean '{near}'?" if near else f"known are {', '.join(TRANSFORM_KINDS)}"
        raise problem(f"unknown kind of transform {kind!r}: {hint}", "kind")
    return TRANSFORM_KINDS[kind](**data).model_dump(mode="json")
