"""One named footprint: its grid and how particles are spread onto it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import field_validator, model_validator

from stilt.config.base import ConfigFieldError, Float, Section, described, problem
from stilt.config.geometry import Grid
from stilt.config.transforms import checked_transform

_GRID_KEYS = tuple(Grid.model_fields)


class FootprintConfig(Section):
    """How one footprint is made from the particles.

    The six numbers of a grid (and its projection) may stand directly beside the other fields
    instead of under ``grid``.
    """

    grid: Grid = described(
        ...,
        "Output grid: a mapping, the name of an entry of grids, or its six numbers given directly",
        visibility="basic",
    )
    smooth_factor: Float = described(
        1.0,
        "Factor on the smoothing width; 0 turns smoothing off",
        visibility="basic",
        ge=0,
        le=100,
    )
    time_integrate: bool = described(False, "Sum over all hours into one layer", visibility="basic")
    error: bool = described(
        False,
        "Also make <name>_error from the error trajectory; needs the error parameters",
        visibility="advanced",
    )
    transforms: list[dict[str, Any]] = described(
        [],
        "Weights applied to the particles before gridding, in this order: averaging_kernel, "
        "pressure_weighting, vertical_operator, first_order_lifetime, mass_weighting, import",
        visibility="advanced",
    )

    @model_validator(mode="before")
    @classmethod
    def _gather_grid(cls, data: Any) -> Any:
        return inline_grid(data, {})

    @field_validator("transforms", mode="before")
    @classmethod
    def _known_transforms(cls, value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"a list of mappings is needed, got {value!r}")
        problems: list[Any] = []
        checked = []
        for index, item in enumerate(value):
            try:
                checked.append(checked_transform(item))
            except ConfigFieldError as error:
                problems += [((index, *where), message) for where, message in error.problems]
        if problems:
            raise ConfigFieldError(problems)
        return checked


def inline_grid(data: Any, grids: Mapping[str, Any]) -> Any:
    """Return a footprint's data with its grid, whatever way it was given, under ``grid``.

    Raises:
        ConfigFieldError: the grid is missing, given twice, or names no entry of ``grids``.
    """
    if not isinstance(data, Mapping):
        return data
    rest = {key: value for key, value in data.items() if key not in _GRID_KEYS}
    inline = {key: value for key, value in data.items() if key in _GRID_KEYS}
    named = rest.get("grid")
    if inline and named is not None:
        raise problem(f"has both a 'grid' and {', '.join(inline)}: keep one", "grid")
    if inline:
        return {**rest, "grid": inline}
    if named is None:
        raise problem("is missing a 'grid' key.")
    if isinstance(named, str):
        if named not in grids:
            known = ", ".join(grids) or "none are configured"
            raise problem(f"references unknown grid '{named}' (grids: {known})", "grid")
        return {**rest, "grid": grids[named]}
    return data
