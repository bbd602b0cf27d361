"""Observations of a project: which files are read, what is chosen, and which receptors follow."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator, model_validator

from stilt.config.base import Float, Section, described, problem
from stilt.config.geometry import Bounds

ReaderName = Literal["tropomi", "wfmd", "oco2", "tccon", "ggg", "csv"]


class ObservationsConfig(Section):
    """Files of one instrument, for ``stilt observe`` to make receptors and kernels of."""

    files: list[str] = described(
        ..., "Files, where * and ? stand for parts of names; relative ones are looked for beside "
        "config.yaml", visibility="basic", min_length=1,
    )  # fmt: skip
    reader: ReaderName = described(..., "What reads them", visibility="basic")
    species: str | None = described(
        None, "Gas, for products of several: co2, ch4, co, ...", visibility="basic"
    )
    units: str | None = described(
        None, "Units of the values of a csv table that does not say: ppm, ppb, mol mol-1",
        visibility="basic",
    )  # fmt: skip
    time_format: str | None = described(
        None, "Form of the times of a csv table whose times do not begin with the year, such as "
        "'%d.%m.%Y %H:%M'", visibility="advanced",
    )  # fmt: skip
    good: bool = described(
        True, "Leave out what the product's own quality flag rejects", visibility="basic"
    )
    bounds: Bounds | None = described(None, "Area of the soundings", visibility="basic")
    time_range: list[str] | None = described(
        None, "First and last time, both included", visibility="advanced", min_length=2,
        max_length=2,
    )  # fmt: skip
    thin_degrees: Float | None = described(
        None, "Keep one sounding for each cell of this size and hour", unit="degrees",
        visibility="advanced", gt=0,
    )  # fmt: skip
    receptor: Literal["auto", "point", "column", "slant"] = described(
        "auto", "Kind of receptor; auto takes points where there are altitudes, else columns",
        visibility="basic",
    )  # fmt: skip
    bottom: Float = described(0.0, "Lower end of columns and slant paths", unit="m",
                              visibility="advanced")  # fmt: skip
    top: Float = described(3000.0, "Upper end of columns and slant paths", unit="m",
                           visibility="basic")  # fmt: skip
    heights: list[Float] | None = described(
        None, "Heights of a slant path's points; if not given, every 100 m (the middles of equal "
        "layers) from bottom to top", unit="m above ground", visibility="advanced", min_length=1,
    )  # fmt: skip
    altitude_ref: Literal["agl", "msl"] = described(
        "agl",
        "What bottom and top of columns are above; slant paths are above ground",
        visibility="advanced",
    )

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("time_range", mode="before")
    @classmethod
    def _times_as_text(cls, value: Any) -> Any:
        # YAML reads unquoted dates as dates.
        if isinstance(value, (list, tuple)):
            return [str(item) for item in value]
        return value

    @model_validator(mode="after")
    def _ends_in_order(self) -> ObservationsConfig:
        if not self.bottom < self.top:
            raise problem(f"{self.bottom:g} m must be below top {self.top:g} m", "bottom")
        if self.receptor == "slant" and self.bottom < 0:
            raise problem(f"{self.bottom:g} m is below the ground of a slant path", "bottom")
        if self.receptor == "slant" and self.altitude_ref != "agl":
            raise problem("the heights of a slant path are above ground (agl)", "altitude_ref")
        if self.receptor != "slant" and self.heights is not None:
            raise problem("they are those of a slant path: say receptor: slant", "heights")
        return self
